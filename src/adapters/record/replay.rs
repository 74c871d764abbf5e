//! Replays a recording in place of the web client and the clock, without any network access.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use super::exchange::{Callers, Exchange, Key};
use super::folder::{self, CLOCK, Manifest};
use super::settings::differences;
use crate::model::contribution::{TaskFailure, TaskOutcome};
use crate::ports::{
    BoxFuture, Clock, RecordedTask, Recording, RecordingError, Web, WebError, WebErrorKind, WebRequest, WebResponse,
};

/// `Retry-After` of the last recorded response, longer than any timeout.
const FOREVER: Duration = Duration::MAX;

/// Replays one loop.
pub(crate) struct Replay {
    folder: PathBuf,
    /// Recorded tasks, with their settings.
    tasks: Vec<RecordedTask>,
    state: Mutex<State>,
}

struct State {
    /// Request → files of its remaining responses, in recorded order.
    responses: BTreeMap<Key, VecDeque<PathBuf>>,
    callers: Callers,
    readings: VecDeque<DateTime<Utc>>,
    /// Time of the clock after its last reading.
    now: DateTime<Utc>,
    /// Requests and outcomes that were not recorded.
    missing: Vec<String>,
}

impl Replay {
    /// Opens the recording of a loop in `directory`. Reads every file once, to detect damage before anything runs.
    pub(crate) fn open(directory: &Path, loop_number: u64) -> Result<Self, RecordingError> {
        let folder = folder::of_loop(directory, loop_number);
        let names = folder::names(&folder)?;
        let (started, tasks) = Manifest::read(&folder)?;
        let mut files: Vec<_> = names.iter().filter_map(|name| Some((folder::response_number(name)?, name))).collect();
        files.sort();
        let mut responses: BTreeMap<_, VecDeque<_>> = BTreeMap::new();
        for (_, name) in files {
            let path = folder.join(name);
            let key = read_exchange(&path)?.request.redacted().key();
            responses.entry(key).or_default().push_back(path);
        }
        for name in names.iter().filter(|name| folder::is_task_file(name)) {
            folder::read_json::<TaskOutcome>(&folder.join(name))?;
        }
        let readings = read_clock(&folder.join(CLOCK))?;
        let state =
            Mutex::new(State { responses, callers: Callers::default(), readings, now: started, missing: Vec::new() });
        Ok(Self { folder, tasks, state })
    }

    fn response(&self, key: &Key) -> Result<WebResponse, (WebErrorKind, String)> {
        let broken = |reason: String| (WebErrorKind::Final, reason);
        let mut state = self.state.lock();
        let Some(path) = state.responses.get_mut(key).and_then(VecDeque::pop_front) else {
            state.missing.push(key.to_string());
            let mismatch = state.responses.keys().find_map(|recorded| key.difference(recorded));
            let mismatch = mismatch.map(|difference| format!(": {difference}")).unwrap_or_default();
            return Err(broken(format!("the recording {} has no response to {key}{mismatch}", self.folder.display())));
        };
        let is_last = state.responses.get(key).is_none_or(VecDeque::is_empty);
        drop(state);
        let exchange = read_exchange(&path).map_err(|error| broken(error.to_string()))?;
        let end = exchange.end().unwrap_or_else(|reason| Err(broken(reason)));
        if is_last { without_retry(end) } else { end }
    }
}

/// Prevents retries after the last recorded response: their number depends on time, and in a replay no time passes.
fn without_retry(end: Result<WebResponse, (WebErrorKind, String)>) -> Result<WebResponse, (WebErrorKind, String)> {
    match end {
        Ok(response) => Ok(WebResponse { retry_after: Some(FOREVER), ..response }),
        Err((WebErrorKind::Transport, reason)) => Err((WebErrorKind::Final, reason)),
        end => end,
    }
}

fn read_exchange(path: &Path) -> Result<Exchange, RecordingError> {
    let exchange: Exchange = folder::read_json(path)?;
    match exchange.end() {
        Ok(_) => Ok(exchange),
        Err(reason) => Err(RecordingError::Damaged { path: path.to_owned(), reason }),
    }
}

fn read_clock(path: &Path) -> Result<VecDeque<DateTime<Utc>>, RecordingError> {
    let text = folder::read(path)?;
    let read = |(at, line): (usize, &str)| {
        let reason = || format!("line {} is not a valid time, such as 2026-01-02T03:04:05Z", at + 1);
        line.parse().map_err(|_| RecordingError::Damaged { path: path.to_owned(), reason: reason() })
    };
    text.lines().enumerate().map(read).collect()
}

impl Web for Replay {
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>> {
        Box::pin(async move {
            let redacted = self.state.lock().callers.note(&request);
            self.response(&redacted.key()).map_err(|(kind, reason)| {
                let url = redacted.url.split(['?', '#']).next().unwrap_or_default().to_owned();
                WebError { method: redacted.method, url, kind, reason }
            })
        })
    }
}

impl Clock for Replay {
    fn now(&self) -> DateTime<Utc> {
        let mut state = self.state.lock();
        if let Some(reading) = state.readings.pop_front() {
            state.now = reading;
        }
        state.now
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        // Let other tasks proceed, as they would during a real sleep.
        Box::pin(tokio::task::yield_now())
    }
}

impl Recording for Replay {
    fn start(&self, tasks: &[RecordedTask]) -> Result<(), RecordingError> {
        match differences(&self.tasks, tasks) {
            None => Ok(()),
            Some(differences) => Err(RecordingError::Differs { path: self.folder.clone(), differences }),
        }
    }

    fn is_replay(&self) -> bool {
        true
    }

    fn finish(&self) -> Result<Vec<String>, RecordingError> {
        Ok(self.state.lock().missing.clone())
    }

    fn begin(&self, index: usize, task: &str) -> Option<TaskOutcome> {
        let path = self.folder.join(folder::task_file(index, task));
        let description = format!("the outcome of task {} (`{task}`)", index + 1);
        let message = if path.exists() {
            match folder::read_json(&path) {
                Ok(outcome) => return Some(outcome),
                Err(error) => error.to_string(),
            }
        } else {
            format!("the recording {} has no such task", self.folder.display())
        };
        self.state.lock().missing.push(description.clone());
        let hint = Some("replay with the recorded values, or record again".to_owned());
        Some(TaskOutcome::Failed(TaskFailure {
            message: format!("cannot replay {description}: {message}"),
            hint,
            partial: None,
        }))
    }

    fn keep(&self, _: usize, _: &str, _: &TaskOutcome) {}
}
