//! Recordings of runs: responses of the outside world in readable files, so that a run can be replayed without it.
//!
//! ```text
//! DIR/loop-1/recording.json                               manifest, with the settings of the tasks below
//!            clock.txt                                    readings of the clock, one per line
//!            answer-0001-get-prometheus-api-v1-query.json one request and its response
//!            task-1-http.json                             the outcome of a task that does more than send requests
//! ```
//!
//! A response is looked up by its request (method, URL, headers, body), by the caller among those with the same request, and by the
//! number of that caller's attempt. Callers are numbered in the order of their first requests. After the last recorded response, a
//! replay prevents retries. The clock returns its readings in order. An outcome is only replayed with the recorded settings.
//!
//! These files contain no secrets: they are redacted in requests, and in responses that repeat them. Replays need none:
//! [`ReplayFiles`] provides placeholders for missing tokens and passwords.

mod exchange;
mod files;
mod folder;
mod recorder;
mod replay;
mod settings;

pub(crate) use files::ReplayFiles;
pub(crate) use recorder::Recorder;
pub(crate) use replay::Replay;
