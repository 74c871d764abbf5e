//! The Secret of one shard: written by its pod, watched by others.

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

use crate::adapters::kubernetes::client::{Connection, MANAGER, Operation, RUN, Target, kind_of, with_retry};
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
    /// The mailbox of a shard, as it is now.
    pub(crate) async fn open(connection: &Connection, group: &Group, index: usize) -> Result<Self, ClusterError> {
        let name = group.shard(u32::try_from(index).unwrap_or(u32::MAX));
        let api: Api<Secret> = Api::namespaced(connection.client.clone(), &group.namespace);
        let operation = Operation::new("get", &kind_of::<Secret>(), &group.namespace, &name);
        let secret = with_retry(RUN, &operation, || api.get(&name)).await?;
        let operation = Operation { verb: "update", ..operation };
        Ok(Self { api, operation, name, secret: Mutex::new(secret) })
    }

    /// What is on it.
    pub(crate) async fn read(&self) -> Secret {
        self.secret.lock().await.clone()
    }

    /// Changes it. Where an earlier attempt at being this pod wrote meanwhile, `change` is asked again, about what is there now; it
    /// says whether there is anything to write.
    pub(crate) async fn write(&self, mut change: impl FnMut(&mut Secret) -> bool) -> Result<(), ClusterError> {
        let mut known = self.secret.lock().await;
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        loop {
            let mut secret = known.clone();
            secret.metadata.managed_fields = None;
            if !change(&mut secret) {
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

/// Somebody else's Secret, as it is lately: none where it is not there, and an error once it can't be watched any more.
pub(crate) struct MailboxWatch {
    latest: watch::Receiver<Result<Option<Secret>, ClusterError>>,
    watching: AbortHandle,
}

impl MailboxWatch {
    /// Watches the mailbox of a shard.
    pub(crate) fn new(connection: &Connection, group: &Group, index: usize) -> Self {
        let target = Target {
            client: connection.client.clone(),
            kind: kind_of::<Secret>(),
            namespace: group.namespace.clone(),
            name: group.shard(u32::try_from(index).unwrap_or(u32::MAX)),
        };
        let (tell, latest) = watch::channel(Ok(None));
        let watching = tokio::spawn(async move {
            let mut states = std::pin::pin!(target.states());
            while let Some(state) = states.next().await {
                let seen = match state {
                    // What was seen last holds until something else is seen.
                    Err(error) if error.kind == ClusterErrorKind::Unreachable => continue,
                    state => state.map(|object| object.and_then(secret)),
                };
                // Looking again is no news.
                tell.send_if_modified(|latest| {
                    let is_new = *latest != seen;
                    *latest = seen;
                    is_new
                });
            }
        });
        Self { latest, watching: watching.abort_handle() }
    }

    /// A receiver of what is on it.
    pub(crate) fn latest(&self) -> watch::Receiver<Result<Option<Secret>, ClusterError>> {
        self.latest.clone()
    }
}

impl Drop for MailboxWatch {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn secret(object: DynamicObject) -> Option<Secret> {
    serde_json::to_value(object).and_then(serde_json::from_value).ok()
}
