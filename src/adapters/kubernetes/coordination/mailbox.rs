//! Mailboxes: the Secret of a shard, written only by its pod and watched by others.

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

use super::state::StateError;
use crate::adapters::kubernetes::client::{Connection, MANAGER, Operation, RUN, kind_of, states_of, with_retry};
use crate::manifests::names::Group;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// A pod's own Secret.
pub(crate) struct Mailbox {
    api: Api<Secret>,
    operation: Operation,
    name: String,
    secret: Mutex<Secret>,
}

impl Mailbox {
    /// Reads the mailbox of a shard.
    pub(crate) async fn open(connection: &Connection, group: &Group, index: usize) -> Result<Self, ClusterError> {
        let name = group.shard(u32::try_from(index).unwrap_or(u32::MAX));
        let api: Api<Secret> = Api::namespaced(connection.client.clone(), &group.namespace);
        let operation = Operation::new("get", &kind_of::<Secret>(), &group.namespace, &name);
        let secret = with_retry(RUN, &operation, || api.get(&name)).await?;
        let operation = Operation { verb: "update", ..operation };
        Ok(Self { api, operation, name, secret: Mutex::new(secret) })
    }

    /// Returns the content last read or written.
    pub(crate) async fn read(&self) -> Secret {
        self.secret.lock().await.clone()
    }

    /// Applies `change` to the Secret and writes it, unless `change` returns false. After a conflict (an earlier incarnation of
    /// this pod wrote), `change` is called again on the current content.
    pub(crate) async fn write(
        &self,
        mut change: impl FnMut(&mut Secret) -> Result<bool, StateError>,
    ) -> Result<(), ClusterError> {
        let mut known = self.secret.lock().await;
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        loop {
            let mut secret = known.clone();
            secret.metadata.managed_fields = None;
            let is_changed =
                change(&mut secret).map_err(|error| ClusterError::new(ClusterErrorKind::Refused, error.to_string()))?;
            if !is_changed {
                return Ok(());
            }
            match with_retry(RUN, &self.operation, || self.api.replace(&self.name, &params, &secret)).await {
                Ok(written) => {
                    *known = written;
                    return Ok(());
                }
                Err(error) if error.kind == ClusterErrorKind::Conflict => {
                    *known = with_retry(RUN, &self.operation, || self.api.get(&self.name)).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Watches the mailbox of another pod. Has its latest content, `None` if it does not exist, or an error once watching has failed.
pub(crate) struct MailboxWatch {
    latest: watch::Receiver<Result<Option<Secret>, ClusterError>>,
    task: AbortHandle,
}

impl MailboxWatch {
    /// Starts to watch the mailbox of a shard.
    pub(crate) fn new(connection: &Connection, group: &Group, index: usize) -> Self {
        let name = group.shard(u32::try_from(index).unwrap_or(u32::MAX));
        let states = states_of::<Secret>(&connection.client, &group.namespace, &name);
        let (sender, latest) = watch::channel(Ok(None));
        let task = tokio::spawn(async move {
            let mut states = std::pin::pin!(states);
            while let Some(state) = states.next().await {
                let content = match state {
                    // The previous content stays valid.
                    Err(error) if error.kind == ClusterErrorKind::Unreachable => continue,
                    state => state,
                };
                // Lists repeat known content.
                sender.send_if_modified(|latest| {
                    let is_new = *latest != content;
                    *latest = content;
                    is_new
                });
            }
        });
        Self { latest, task: task.abort_handle() }
    }

    /// Returns a receiver of the latest content.
    pub(crate) fn latest(&self) -> watch::Receiver<Result<Option<Secret>, ClusterError>> {
        self.latest.clone()
    }
}

impl Drop for MailboxWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
