//! Recordings of runs: what the outside world answered, in files that people can read, so that the run can be repeated without it.
//!
//! ```text
//! DIR/loop-1/recording.json                               what this is
//!            clock.txt                                    what the clock showed, one reading per line
//!            answer-0001-get-prometheus-api-v1-query.json one request and its answer
//!            task-1-http.json                             the outcome of a task that does more than ask
//! ```
//!
//! An answer is found by what was asked (method, URL, headers, body), which of those who asked it this is, and how often that one asked
//! before. Askers are counted in the order of their first requests. After the last answer to an asker, a replay lets nobody ask again.
//! The clock gives its readings in their order.
//!
//! Secrets are not in these files: what looks like a secret in a request is hidden, and so is in an answer what was sent as one. Nor does
//! a replay need them: [`ReplayFiles`] stands in for tokens and passwords that are not at hand.

mod exchange;
mod files;
mod folder;
mod recorder;
mod replay;

pub use files::ReplayFiles;
pub use recorder::Recorder;
pub use replay::Replay;
