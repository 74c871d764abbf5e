//! Adapters of a run: live, recorded or replayed.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::adapters::clock::SystemClock;
use crate::adapters::record::{Recorder, Replay, ReplayFiles};
use crate::adapters::shell::SystemShell;
use crate::ports::cluster::Cluster;
use crate::ports::fleet::Fleet;
use crate::ports::{Clock, Env, Files, Observer, Recording, RecordingError, Web};

pub(crate) use crate::adapters::file_store::{self, FileStore};
pub(crate) use crate::adapters::files::LocalFiles;
pub(crate) use crate::adapters::open_files;
pub(crate) use crate::adapters::web::WebClient;

/// Owns the adapters that an [`Env`] refers to.
pub(crate) struct Adapters {
    web: WebClient,
    files: &'static dyn Files,
    /// Wraps web and clock.
    recording: Option<Box<dyn Recording>>,
}

impl Default for Adapters {
    fn default() -> Self {
        Self { web: WebClient::default(), files: &LocalFiles, recording: None }
    }
}

impl Adapters {
    /// Records the loop into `directory`.
    pub(crate) fn recording(directory: &Path, loop_number: u64) -> Result<Self, RecordingError> {
        let (web, clock) = (Box::new(WebClient::default()), Box::new(SystemClock));
        let recorder = Recorder::new(directory, loop_number, web, clock)?;
        Ok(Self { recording: Some(Box::new(recorder)), ..Self::default() })
    }

    /// Replays the loop from `directory`: opens no connection and runs no script.
    pub(crate) fn replaying(directory: &Path, loop_number: u64) -> Result<Self, RecordingError> {
        let replay = Replay::open(directory, loop_number)?;
        Ok(Self { files: &ReplayFiles, recording: Some(Box::new(replay)), ..Self::default() })
    }

    pub(crate) fn web(&self) -> &dyn Web {
        match &self.recording {
            Some(recording) => recording.as_ref(),
            None => &self.web,
        }
    }

    pub(crate) fn files(&self) -> &'static dyn Files {
        self.files
    }

    fn clock(&self) -> &dyn Clock {
        match &self.recording {
            Some(recording) => recording.as_ref(),
            None => &SystemClock,
        }
    }

    /// Returns the recording that is written or replayed.
    pub(crate) fn recorded(&self) -> Option<&dyn Recording> {
        self.recording.as_deref()
    }

    /// Wires the environment of a run.
    pub(crate) fn env<'a>(
        &'a self,
        cluster: &'a dyn Cluster,
        fleet: Option<&'a dyn Fleet>,
        observer: &'a dyn Observer,
        stop: &CancellationToken,
    ) -> Env<'a> {
        Env {
            clock: self.clock(),
            web: self.web(),
            shell: &SystemShell,
            files: self.files(),
            cluster,
            observer,
            recording: self.recorded(),
            fleet,
            stop: stop.clone(),
        }
    }
}
