//! Where a run takes place: in the world, in the world while it is recorded, or in a recording.

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::exit::Exit;
use crate::adapters::clock::SystemClock;
use crate::adapters::file_store::FileStore;
use crate::adapters::files::LocalFiles;
use crate::adapters::record::{RecordError, Recorder, Replay, ReplayFiles};
use crate::adapters::web::WebClient;
use crate::pipeline::ResultPolicy;
use crate::ports::{Clock, DocumentStore, Files, StoreError, Tape, Web};

/// Most requests that are named when a recording lacks them.
const MAX_NAMED: usize = 5;

/// Flags that record and replay.
#[derive(Debug, Args)]
pub struct StageArgs {
    /// Keep what services answer and the times in DIR/loop-N, without secrets, for --replay
    #[arg(long, value_name = "DIR", conflicts_with = "dry")]
    record: Option<PathBuf>,
    /// Take answers and times from DIR/loop-N, where --record kept them; no connection is opened, and no script runs
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dry", "record"])]
    replay: Option<PathBuf>,
}

/// Where web, clock and outcomes of tasks come from.
pub enum Stage {
    /// The world.
    World(WebClient),
    /// The world, and what it does is kept.
    Recorded(Box<Recorder>),
    /// A recording, and nothing else.
    Replayed(Replay),
}

impl Default for Stage {
    fn default() -> Self {
        Self::World(WebClient::default())
    }
}

impl StageArgs {
    /// The stage for the loop that a run will make of the document in `store`.
    pub async fn stage(&self, policy: ResultPolicy, store: &FileStore) -> Result<Stage, CliError> {
        Ok(match (&self.record, &self.replay) {
            (None, None) => Stage::default(),
            (Some(directory), _) => {
                let (web, clock) = (Box::new(WebClient::default()), Box::new(SystemClock));
                Stage::Recorded(Box::new(Recorder::new(directory, next_loop(policy, store).await?, web, clock)?))
            }
            (None, Some(directory)) => Stage::Replayed(Replay::open(directory, next_loop(policy, store).await?)?),
        })
    }
}

/// The number of the loop that comes next.
async fn next_loop(policy: ResultPolicy, store: &FileStore) -> Result<u64, CliError> {
    if policy == ResultPolicy::Fresh {
        return Ok(1);
    }
    match store.load().await {
        Ok(earlier) => Ok(earlier.result.map_or(0, |result| result.num_loops).saturating_add(1)),
        Err(StoreError::Missing { .. }) => Ok(1),
        Err(error) => Err(error.into()),
    }
}

impl Stage {
    /// HTTP outside the load path.
    pub fn web(&self) -> &dyn Web {
        match self {
            Self::World(web) => web,
            Self::Recorded(recorder) => recorder.as_ref(),
            Self::Replayed(replay) => replay,
        }
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        match self {
            Self::World(_) => &SystemClock,
            Self::Recorded(recorder) => recorder.as_ref(),
            Self::Replayed(replay) => replay,
        }
    }

    /// Files and environment variables.
    pub fn files(&self) -> &'static dyn Files {
        match self {
            Self::World(_) | Self::Recorded(_) => &LocalFiles,
            Self::Replayed(_) => &ReplayFiles,
        }
    }

    /// The recording, if there is one.
    pub fn tape(&self) -> Option<&dyn Tape> {
        match self {
            Self::World(_) => None,
            Self::Recorded(recorder) => Some(recorder.as_ref()),
            Self::Replayed(replay) => Some(replay),
        }
    }

    /// The run starts.
    pub fn start(&self) -> Result<(), CliError> {
        match self {
            Self::Recorded(recorder) => Ok(recorder.start()?),
            Self::World(_) | Self::Replayed(_) => Ok(()),
        }
    }

    /// The run has ended. Fails where its recording is not complete, and tells what a replay lacked.
    pub fn finish(&self) -> Result<(), CliError> {
        match self {
            Self::World(_) => {}
            Self::Recorded(recorder) => recorder.finish()?,
            Self::Replayed(replay) => {
                let missing = replay.missing();
                for request in missing.iter().take(MAX_NAMED) {
                    tracing::warn!("the recording lacks {request}");
                }
                if missing.len() > MAX_NAMED {
                    tracing::warn!("the recording lacks {} more", missing.len() - MAX_NAMED);
                }
            }
        }
        Ok(())
    }
}

impl From<RecordError> for CliError {
    fn from(error: RecordError) -> Self {
        let (exit, hint) = match &error {
            RecordError::Taken { .. } => (Exit::BadInput, Some("give another directory, or remove what is there")),
            RecordError::Missing { .. } => {
                (Exit::BadInput, Some("make one with `iter8 run --record DIR`; each loop of --reuseResult has its own"))
            }
            RecordError::Damaged { .. } => (Exit::BadInput, Some("record again, into another directory")),
            RecordError::Unavailable { .. } => (Exit::OutsideWorld, None),
        };
        Self::chain(exit, error, hint)
    }
}
