//! The wall clock.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::BoxFuture;

/// The wall clock.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> DateTime<Utc>;

    /// Waits for `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}
