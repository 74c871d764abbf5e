//! What the core needs from the outside world, as traits; `adapters` and `cli` implement them.
//!
//! The engine never prints: it tells an [`Observer`] what happens, and the command line decides what to show.

pub mod cluster;
pub mod fleet;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use self::cluster::{Cluster, ClusterError};
use self::fleet::Fleet;
use crate::model::contribution::TaskOutcome;
use crate::model::document::{Experiment, TaskStatus};
use crate::model::tls::TlsOptions;

/// A boxed future, so that the traits below can be used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The wall clock.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;

    /// Waits for that long.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

/// Where an experiment document is kept.
pub trait DocumentStore: Send + Sync {
    /// Where that is, for messages.
    fn location(&self) -> String;

    /// Reads the document.
    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>>;

    /// Replaces the document, whole or not at all.
    fn save<'a>(&'a self, experiment: &'a Experiment) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Why a document could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no document.
    #[error("there is no experiment document at {location}")]
    Missing {
        /// Where it was looked for.
        location: String,
    },
    /// There is one, and it is not an experiment document this program can read.
    #[error("the experiment document at {location} is not valid")]
    Invalid {
        /// Where it is.
        location: String,
        /// What is wrong with it.
        #[source]
        source: crate::model::codec::CodecError,
    },
    /// The store can't be reached, read or written.
    #[error("cannot {action} {location}")]
    Unavailable {
        /// `read` or `write`.
        action: &'static str,
        /// Where the document is.
        location: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The cluster that keeps the document does not give or take it.
    #[error("cannot {action} {location}")]
    Cluster {
        /// `read`, `write` or `launch`.
        action: &'static str,
        /// Where the document is, or what was to be launched.
        location: String,
        /// Why.
        #[source]
        source: ClusterError,
    },
    /// The document is no longer this run's: it was deleted, replaced by a later launch, or written by another run. Nothing of the
    /// other's is overwritten.
    #[error("{location} is no longer this run's: {reason}")]
    Lost {
        /// Where the document is, or was.
        location: String,
        /// What happened to it.
        reason: String,
    },
    /// The document does not fit where it is kept, however much is left out.
    #[error("{location} can't hold the document: {reason}")]
    TooLarge {
        /// Where the document is.
        location: String,
        /// How large it is, and what fits.
        reason: String,
    },
}

/// One HTTP exchange outside the load path: a payload to download, a notification to send, a metric to ask for.
///
/// Redirects are followed. A request with headers, a body or a certificate of ours says something that is meant for its receiver
/// alone: it is not sent on to another origin.
#[derive(Clone, Debug, Default)]
pub struct WebRequest {
    /// `GET`, `POST` …
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// Longest body that is accepted in the answer, in bytes.
    pub max_response_bytes: usize,
    /// Time for the whole exchange.
    pub timeout: Duration,
    /// Which servers are trusted, and who we say we are.
    pub tls: TlsOptions,
    /// Whether it tells a webhook something: the whole URL is a secret then, and the answer does not depend on the body.
    pub is_webhook: bool,
    /// Who asks, where several may ask the same at once: the same number in each attempt, and no other asker's. It is not sent; a
    /// recording tells by it whose answer is whose.
    pub asker: Option<u64>,
}

/// The answer to a [`WebRequest`], whatever its status.
#[derive(Clone, Debug)]
pub struct WebResponse {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// How long the server asks to wait before the next attempt (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// How far the server's clock is ahead of ours, in whole seconds, where it says when it answered (`Date`): before the request
    /// was sent (negative) or after the answer came, else zero.
    pub clock_ahead: Option<TimeDelta>,
}

/// What kind of fault kept an exchange from giving an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebFault {
    /// No complete answer in time.
    Timeout,
    /// No connection, or it broke before the answer was complete: another attempt may do better.
    Transport,
    /// Another attempt would end the same way: a certificate that is not trusted, an answer that is too large, a redirect that is
    /// not followed, a request that can't be made.
    Final,
}

/// Why an exchange gave no answer; the URL in it carries no credentials.
#[derive(Debug, thiserror::Error)]
#[error("{method} {url}: {reason}")]
pub struct WebError {
    /// Method of the request.
    pub method: String,
    /// URL of the request, without credentials and query.
    pub url: String,
    /// What kind of fault it was.
    pub fault: WebFault,
    /// What went wrong, causes included.
    pub reason: String,
}

/// HTTP outside the load path.
pub trait Web: Send + Sync {
    /// Sends one request and reads the whole answer.
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>>;
}

/// A recording of a run that is being made, or replayed. It stands behind [`Web`] and [`Clock`]; of tasks that do other things than
/// ask for answers (send load, run scripts), it keeps the outcome as a whole.
pub trait Tape: Send + Sync {
    /// Such a task begins. In a replay this gives its outcome; where the run is recorded, nothing, and answers and times are not kept
    /// until [`Tape::keep`].
    fn begin(&self, index: usize, task: &str) -> Option<TaskOutcome>;

    /// Keeps the outcome of the task that began.
    fn keep(&self, index: usize, task: &str, outcome: &TaskOutcome);
}

/// How a shell script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// It exited with this code.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// It ran out of time and was killed, with its children.
    TimedOut,
    /// The run was interrupted, and the script killed.
    Interrupted,
}

/// Runs shell scripts.
pub trait Shell: Send + Sync {
    /// Runs `script`, giving each line of output to `line`, for at most `timeout`; ends early when `stop` does.
    fn run<'a>(
        &'a self,
        script: &'a str,
        timeout: Duration,
        line: &'a (dyn Fn(&str) + Send + Sync),
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, std::io::Result<ScriptEnd>>;
}

/// Files and environment variables that tasks read: payloads, credentials, certificates.
pub trait Files: Send + Sync {
    /// The whole content of a file of at most `max_bytes`.
    fn read(&self, path: &str, max_bytes: u64) -> std::io::Result<Vec<u8>>;

    /// The value of an environment variable.
    fn env(&self, name: &str) -> Option<String>;

    /// What may stand for a token or password that can't be read, where nobody will be shown it: in a replay.
    fn stand_in(&self) -> Option<String> {
        None
    }
}

/// Something that happened during a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// A loop starts.
    RunStarted {
        /// Which loop, from 1.
        loop_number: u64,
        /// How many tasks the spec has.
        tasks: usize,
    },
    /// A task starts.
    TaskStarted {
        /// Index of the task, from 0.
        index: usize,
        /// Its name.
        task: String,
    },
    /// A line for the log: script output, a note.
    TaskLog {
        /// Index of the task, from 0.
        index: usize,
        /// The line, without its end.
        line: String,
    },
    /// How far a load is.
    Load {
        /// Which load: provider and version, such as `http-get` or `http (v2)`.
        name: String,
        /// Where it stands.
        progress: LoadProgress,
    },
    /// A task ended.
    TaskEnded {
        /// Index of the task, from 0.
        index: usize,
        /// Its name.
        task: String,
        /// How.
        status: TaskStatus,
        /// How long it took.
        duration: Duration,
        /// Its notes; for a failed task, the error.
        notes: Vec<String>,
    },
}

/// How far a load is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadProgress {
    /// Requests sent and ended.
    pub done: u64,
    /// Requests planned, where that is known.
    pub total: Option<u64>,
    /// Time since the start.
    pub elapsed: Duration,
    /// Time after which the load ends; absent where only the number of its requests ends it.
    pub planned: Option<Duration>,
    /// Whether time alone ends the load, so that `total` says nothing of how far it is.
    pub is_timed: bool,
    /// Errors so far.
    pub errors: u64,
    /// Median latency so far, in milliseconds; absent before the first answer.
    pub p50_ms: Option<f64>,
    /// 99th percentile so far, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Whether this is the last report of this load.
    pub ended: bool,
}

/// Is told what happens.
pub trait Observer: Send + Sync {
    /// Takes note of an event; must not block.
    fn observe(&self, event: Event);
}

/// The outside world, as a run and its tasks see it; the document's store is the pipeline's alone.
pub struct World<'a> {
    /// The wall clock.
    pub clock: &'a dyn Clock,
    /// HTTP outside the load path.
    pub web: &'a dyn Web,
    /// Shell scripts.
    pub shell: &'a dyn Shell,
    /// Files and environment variables.
    pub files: &'a dyn Files,
    /// The cluster that tasks ask for objects.
    pub cluster: &'a dyn Cluster,
    /// Is told what happens.
    pub observer: &'a dyn Observer,
    /// The recording of this run, if there is one.
    pub tape: Option<&'a dyn Tape>,
    /// The other machines that make the loads, where there are any.
    pub fleet: Option<&'a dyn Fleet>,
    /// Cancelled by a signal: end soon, and return what was measured.
    pub stop: CancellationToken,
}
