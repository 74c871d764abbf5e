//! Records a run: wraps the real web client and clock, and writes their responses and readings.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::Serialize;

use super::exchange::{Callers, Exchange, secrets_of};
use super::folder::{self, CLOCK, MANIFEST, Manifest};
use crate::adapters::file_store::{Access, replace};
use crate::model::contribution::TaskOutcome;
use crate::ports::{BoxFuture, Clock, RecordedTask, Recording, RecordingError, Web, WebError, WebRequest, WebResponse};

/// Records one loop. A failed write does not affect the run; [`Recording::finish`] returns the error.
pub(crate) struct Recorder {
    web: Box<dyn Web>,
    clock: Box<dyn Clock>,
    folder: PathBuf,
    loop_number: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Files recorded before the directory was created.
    pending: Vec<(String, Vec<u8>)>,
    /// File of the clock's readings, once the directory exists.
    clock: Option<File>,
    /// True during a task whose outcome is recorded instead of its requests.
    is_paused: bool,
    /// Number of requests so far.
    requests: u64,
    callers: Callers,
    /// The first failed write.
    error: Option<RecordingError>,
}

impl Recorder {
    /// Prepares a recording in `directory`, which [`Recording::start`] creates. Fails if the loop was already recorded.
    pub(crate) fn new(
        directory: &Path,
        loop_number: u64,
        web: Box<dyn Web>,
        clock: Box<dyn Clock>,
    ) -> Result<Self, RecordingError> {
        let folder = folder::of_loop(directory, loop_number);
        if fs::symlink_metadata(&folder).is_ok() {
            return Err(RecordingError::Taken { path: folder });
        }
        if directory.exists() && !directory.is_dir() {
            let reason = "not a directory".to_owned();
            return Err(RecordingError::Damaged { path: directory.to_owned(), reason });
        }
        Ok(Self { web, clock, folder, loop_number, state: Mutex::default() })
    }

    fn write_json(&self, state: &mut State, name: &str, value: &impl Serialize) {
        match serde_json::to_vec_pretty(value) {
            Ok(mut text) => {
                text.push(b'\n');
                self.write(state, name, &text);
            }
            Err(error) => {
                let (path, source) = (self.folder.join(name), error.into());
                state.error.get_or_insert(RecordingError::Unavailable { action: "write", path, source });
            }
        }
    }

    fn write(&self, state: &mut State, name: &str, content: &[u8]) {
        if state.clock.is_none() {
            state.pending.push((name.to_owned(), content.to_vec()));
            return;
        }
        let path = self.folder.join(name);
        if let Err(source) = replace(&path, content, Access::Private) {
            state.error.get_or_insert(RecordingError::Unavailable { action: "write", path, source });
        }
    }
}

/// Returns the options of a new directory that only its owner can read: responses of services may be confidential.
fn private_directory() -> DirBuilder {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Returns the options of a new file that only its owner can read.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

impl Web for Recorder {
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>> {
        Box::pin(async move {
            let recorded = {
                let mut state = self.state.lock();
                state.requests += u64::from(!state.is_paused);
                (!state.is_paused).then(|| (state.requests, state.callers.note(&request)))
            };
            let Some((number, redacted)) = recorded else { return self.web.send(request).await };
            let secrets = secrets_of(&request);
            let end = self.web.send(request).await;
            let name = folder::response_file(number, &redacted.method, &redacted.url);
            self.write_json(&mut self.state.lock(), &name, &Exchange::new(redacted, &secrets, &end));
            end
        })
    }
}

impl Clock for Recorder {
    fn now(&self) -> DateTime<Utc> {
        let mut state = self.state.lock();
        let now = self.clock.now();
        if let Some(mut file) = state.clock.as_ref().filter(|_| !state.is_paused)
            && let Err(source) = file.write_all(format!("{}\n", folder::instant(now)).as_bytes())
        {
            let path = self.folder.join(CLOCK);
            state.error.get_or_insert(RecordingError::Unavailable { action: "write", path, source });
        }
        now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        self.clock.sleep(duration)
    }
}

impl Recording for Recorder {
    fn start(&self, tasks: &[RecordedTask]) -> Result<(), RecordingError> {
        let unwritable = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => RecordingError::Taken { path: self.folder.clone() },
            _ => RecordingError::Unavailable { action: "write", path: self.folder.clone(), source },
        };
        if let Some(directory) = self.folder.parent() {
            private_directory().recursive(true).create(directory).map_err(unwritable)?;
        }
        private_directory().create(&self.folder).map_err(unwritable)?;
        let mut state = self.state.lock();
        state.clock = Some(private_file().open(self.folder.join(CLOCK)).map_err(unwritable)?);
        for (name, content) in std::mem::take(&mut state.pending) {
            self.write(&mut state, &name, &content);
        }
        self.write_json(&mut state, MANIFEST, &Manifest::new(self.loop_number, self.clock.now(), tasks.to_vec()));
        Ok(())
    }

    fn finish(&self) -> Result<Vec<String>, RecordingError> {
        self.state.lock().error.take().map_or_else(|| Ok(Vec::new()), Err)
    }

    fn is_replay(&self) -> bool {
        false
    }

    fn begin(&self, _: usize, _: &str) -> Option<TaskOutcome> {
        self.state.lock().is_paused = true;
        None
    }

    fn keep(&self, index: usize, task: &str, outcome: &TaskOutcome) {
        let mut state = self.state.lock();
        state.is_paused = false;
        self.write_json(&mut state, &folder::task_file(index, task), outcome);
    }
}
