//! The system's wall clock.

use chrono::{DateTime, Utc};

use crate::ports::Clock;

/// Tells the time of the machine.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
