//! `iter8 k assert`.

use std::time::Duration;

use clap::Args;

use super::args::{GroupArgs, no_document, outdated};
use crate::app::assert::Source;
use crate::app::cluster::{Connection, Group, SecretStore, pod_problem, run_end};
use crate::app::error::AppError;
use crate::cli::assert::{ConditionArgs, decide};
use crate::cli::exit::Exit;
use crate::model::document::Experiment;
use crate::ports::{BoxFuture, DocumentStore, StoreError};

/// Flags of `k assert`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k assert -c completed -c nofailure -c slos --timeout 120s\n  \
    iter8 k assert -g canary -n shop -c completed,slos -t 10m && kubectl apply -f new.yaml")]
pub(crate) struct KAssertArgs {
    #[command(flatten)]
    conditions: ConditionArgs,
    #[command(flatten)]
    group: GroupArgs,
}

/// Judges the document of the group.
pub(crate) async fn run(args: KAssertArgs) -> Result<Exit, AppError> {
    let (connection, group, store) = args.group.store().await?;
    let unreadable = |error| no_document(error, &group);
    decide(&args.conditions, &InCluster { connection, group: group.clone(), store }, &unreadable).await
}

/// A document in the cluster, and the run that writes it.
struct InCluster {
    connection: Connection,
    group: Group,
    store: SecretStore,
}

impl Source for InCluster {
    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>> {
        self.store.load()
    }

    fn poll(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn outdated(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async { self.store.is_outdated().await.then(|| outdated(&self.group)) })
    }

    fn held_up(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async {
            pod_problem(&self.connection, &self.group, self.store.known_revision().await).await.ok().flatten()
        })
    }

    fn over(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async {
            let revision = self.store.known_revision().await?;
            // Users authorized to read Secrets may not be authorized to read Jobs; then the timeout ends the wait.
            let ended = run_end(&self.connection, &self.group, revision).await.ok()?;
            ended.map(|ended| ended.message)
        })
    }
}
