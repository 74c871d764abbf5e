//! Flags that record and replay a run.

use std::path::PathBuf;

use clap::Args;

use crate::app::env::{Adapters, FileStore};
use crate::app::error::AppError;
use crate::app::run::ResultPolicy;
use crate::ports::{DocumentStore, StoreError};

/// Flags that record and replay.
#[derive(Debug, Args)]
pub(crate) struct RecordingArgs {
    /// Record responses and times in DIR/loop-N, without secrets, for --replay
    #[arg(long, value_name = "DIR", conflicts_with = "dry")]
    record: Option<PathBuf>,
    /// Replay responses and times from DIR/loop-N, as recorded by --record; opens no connection and runs no script
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dry", "record"])]
    replay: Option<PathBuf>,
}

impl RecordingArgs {
    /// Returns the adapters for the next loop of the document in `store`.
    pub(crate) async fn adapters(&self, policy: ResultPolicy, store: &FileStore) -> Result<Adapters, AppError> {
        Ok(match (&self.record, &self.replay) {
            (None, None) => Adapters::default(),
            (Some(directory), _) => Adapters::recording(directory, next_loop(policy, store).await?)?,
            (None, Some(directory)) => Adapters::replaying(directory, next_loop(policy, store).await?)?,
        })
    }
}

async fn next_loop(policy: ResultPolicy, store: &FileStore) -> Result<u64, AppError> {
    if policy == ResultPolicy::Fresh {
        return Ok(1);
    }
    match store.load().await {
        Ok(earlier) => Ok(earlier.result.map_or(0, |result| result.num_loops).saturating_add(1)),
        Err(StoreError::Missing { .. }) => Ok(1),
        Err(error) => Err(error.into()),
    }
}
