//! Traits for everything outside the process, and the events that the core emits. Adapters and the command line implement them.
//!
//! The core never prints. It reports to an [`Observer`], and the command line decides what to show.

mod clock;
pub mod cluster;
mod env;
mod events;
mod files;
pub mod fleet;
mod recording;
mod shell;
mod store;
mod web;

pub use clock::Clock;
pub use env::Env;
pub use events::{Event, LoadProgress, Observer, SloProgress};
pub use files::Files;
pub use recording::{RecordedTask, Recording, RecordingError};
pub use shell::{ScriptEnd, ScriptLog, Shell};
pub use store::{DocumentStore, StoreError};
pub use web::{Web, WebError, WebErrorKind, WebRequest, WebResponse};

use std::future::Future;
use std::pin::Pin;

/// A boxed future, so that the traits here can be used as trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
