//! Releases resources that lost their label while no controller ran, and still have our finalizer.
//!
//! Watches select by label and never show such an object, and nobody else would remove the finalizer. So a new leader lists each type once
//! without the label. Later losses are seen by the watches.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kube::api::ObjectMeta;
use tokio::sync::Semaphore;

use super::finalizer_search::with_finalizer;
use super::index::Affected;
use super::keys::TypeId;
use super::shared::{Shared, with_hint};
use super::watches::is_watched;
use crate::model::object::ResourceKind;
use crate::ports::cluster::ClusterErrorKind;

/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(60);

/// Sweeps at the start of each term as the leader.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut leadership = shared.leadership.clone();
    loop {
        if leadership.changed().await {
            let lost = shared.leadership.lost();
            tokio::select! {
                () = sweep(&shared) => {}
                () = lost => {}
            }
        }
    }
}

async fn sweep(shared: &Shared) {
    // One type at a time: nothing waits for the sweep, and the first reconciliations need the API server more.
    let turn = Semaphore::new(1);
    let types = shared.types.all().map(|(of_type, found)| sweep_type(shared, of_type, &found.resource, &turn));
    join_all(types).await;
}

async fn sweep_type(shared: &Shared, of_type: TypeId, kind: &ResourceKind, turn: &Semaphore) {
    loop {
        let listed = shared.listed.notified();
        // Until the type is listed, the index does not know its watched objects.
        if shared.index.first_unlisted([of_type]).is_some() {
            listed.await;
            continue;
        }
        let found = {
            let Ok(_permit) = turn.acquire().await else { return };
            with_finalizer(&shared.client, kind, shared.namespace.as_deref(), is_unwatched).await
        };
        match found {
            Ok(found) => {
                if !found.is_empty() {
                    tracing::info!(
                        "found {} objects of type {kind} with the finalizer and without the label",
                        found.len()
                    );
                }
                let resources = shared.index.finalizers_found(of_type, found);
                return shared.push(Affected { resources, ..Affected::default() });
            }
            // The type does not exist. If it appears, its watch lists it.
            Err(error) if error.kind == ClusterErrorKind::NotFound => listed.await,
            Err(error) => {
                let pause = PAUSE.as_secs();
                tracing::warn!(
                    "cannot search for finalizers of earlier controllers, retrying in {pause} s: {}",
                    with_hint(&error)
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_unwatched(metadata: &ObjectMeta) -> bool {
    !metadata.labels.as_ref().is_some_and(is_watched)
}
