//! Makes a recording: stands before the real web and clock, and keeps what passes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::exchange::{Askers, Exchange, secrets_of};
use super::folder::{self, CLOCK, MANIFEST, Manifest};
use crate::adapters::file_store::replace;
use crate::model::contribution::TaskOutcome;
use crate::ports::{BoxFuture, Clock, Recording, RecordingError, Web, WebError, WebRequest, WebResponse};

/// Records one loop. A file that can't be written changes nothing about the run; [`Recording::finish`] tells of it.
pub struct Recorder {
    web: Box<dyn Web>,
    clock: Box<dyn Clock>,
    folder: PathBuf,
    loop_number: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was recorded before the folder was made.
    waiting: Vec<(String, Vec<u8>)>,
    /// The file of the clock's readings, once there is a folder.
    clock: Option<File>,
    /// Whether the outcome of a task will be kept, and so nothing else.
    is_paused: bool,
    /// Requests so far, and who made them.
    asked: u64,
    askers: Askers,
    /// The first file that could not be written.
    fault: Option<RecordingError>,
}

impl Recorder {
    /// Records into `directory`; nothing is written before [`Recording::start`]. Fails where the loop was recorded before.
    pub fn new(
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
            let reason = "it is not a directory".to_owned();
            return Err(RecordingError::Damaged { path: directory.to_owned(), reason });
        }
        Ok(Self { web, clock, folder, loop_number, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut State, name: &str, content: &[u8]) {
        if state.clock.is_none() {
            state.waiting.push((name.to_owned(), content.to_vec()));
            return;
        }
        let path = self.folder.join(name);
        if let Err(source) = replace(&path, content) {
            state.fault.get_or_insert(RecordingError::Unavailable { action: "write", path, source });
        }
    }
}

/// Pretty JSON that ends as a text does.
fn json(value: &impl Serialize) -> Vec<u8> {
    // What is kept has texts as keys, which is all that JSON could mind.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}

impl Web for Recorder {
    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>> {
        Box::pin(async move {
            let noted = {
                let mut state = self.state();
                state.asked += u64::from(!state.is_paused);
                (!state.is_paused).then(|| (state.asked, state.askers.note(&request)))
            };
            let Some((number, asked)) = noted else { return self.web.send(request).await };
            let secrets = secrets_of(&request);
            let end = self.web.send(request).await;
            let name = folder::answer_file(number, &asked.method, &asked.url);
            let content = json(&Exchange::new(asked, &secrets, &end));
            self.write(&mut self.state(), &name, &content);
            end
        })
    }
}

impl Clock for Recorder {
    fn now(&self) -> DateTime<Utc> {
        let mut state = self.state();
        let now = self.clock.now();
        if let Some(mut file) = state.clock.as_ref().filter(|_| !state.is_paused)
            && let Err(source) = file.write_all(format!("{}\n", folder::instant(now)).as_bytes())
        {
            let path = self.folder.join(CLOCK);
            state.fault.get_or_insert(RecordingError::Unavailable { action: "write", path, source });
        }
        now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        self.clock.sleep(duration)
    }
}

impl Recording for Recorder {
    fn start(&self) -> Result<(), RecordingError> {
        let unwritable = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => RecordingError::Taken { path: self.folder.clone() },
            _ => RecordingError::Unavailable { action: "write", path: self.folder.clone(), source },
        };
        if let Some(directory) = self.folder.parent() {
            fs::create_dir_all(directory).map_err(unwritable)?;
        }
        fs::create_dir(&self.folder).map_err(unwritable)?;
        let mut state = self.state();
        state.clock = Some(File::create_new(self.folder.join(CLOCK)).map_err(unwritable)?);
        for (name, content) in std::mem::take(&mut state.waiting) {
            self.write(&mut state, &name, &content);
        }
        self.write(&mut state, MANIFEST, &json(&Manifest::new(self.loop_number, self.clock.now())));
        Ok(())
    }

    fn finish(&self) -> Result<Vec<String>, RecordingError> {
        self.state().fault.take().map_or_else(|| Ok(Vec::new()), Err)
    }

    fn begin(&self, _: usize, _: &str) -> Option<TaskOutcome> {
        self.state().is_paused = true;
        None
    }

    fn keep(&self, index: usize, task: &str, outcome: &TaskOutcome) {
        let mut state = self.state();
        state.is_paused = false;
        self.write(&mut state, &folder::task_file(index, task), &json(outcome));
    }
}
