//! Watching one object: its present state, then each change, through restarts of the API server and watches that end or expire.
//!
//! Only `get` and `watch` on that one name are needed, which is what an experiment's Role allows.

use std::time::{Duration, Instant};

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use kube::api::{ApiResource, DynamicObject, WatchEvent, WatchParams};
use kube::{Api, Client};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::connect::{ConnectOptions, Connection, connect};
use super::error::Operation;
use super::retry::{INTERACTIVE, RBAC_WARMUP, RUN, with_retry};
use crate::model::object::{ObjectRef, ResourceKind};
use crate::ports::BoxFuture;
use crate::ports::cluster::{Cluster, ClusterError, ClusterErrorKind, ObjectStates};

/// How long the API server keeps a watch open; then it is opened anew.
const WATCH_SECONDS: u32 = 240;

/// Longest time without an event: watches end before.
const LONGEST_SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);

/// Time for opening a watch.
const OPENING: Duration = Duration::from_secs(30);

/// Least time between two looks at an object whose watch ends at once.
const PAUSE: Duration = Duration::from_millis(250);

/// One object of a cluster.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) client: Client,
    pub(crate) kind: ResourceKind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Where the following of an object stands.
enum Phase {
    Look,
    /// It was seen at this version.
    Open(String),
    Follow(BoxStream<'static, Result<WatchEvent<DynamicObject>, kube::Error>>),
    Ended,
}

impl Target {
    fn api(&self) -> Api<DynamicObject> {
        let ResourceKind { group, version, resource } = &self.kind;
        let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
        let resource = ApiResource {
            group: group.clone(),
            version: version.clone(),
            api_version,
            // Not needed for reading.
            kind: String::new(),
            plural: resource.clone(),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    fn operation(&self, verb: &'static str) -> Operation {
        Operation::new(verb, &self.kind, &self.namespace, &self.name)
    }

    /// The states of the object: none where it does not exist. An API server that can't be reached is told, and tried again.
    pub(crate) fn states(self) -> impl Stream<Item = Result<Option<DynamicObject>, ClusterError>> + Send {
        stream::unfold((self, Phase::Look, false), |(target, mut phase, mut is_known)| async move {
            loop {
                phase = match phase {
                    Phase::Look => {
                        let api = target.api();
                        // Who was let look before is let again, once an API server that has just started knows the Roles.
                        let patience = if is_known { RUN } else { INTERACTIVE };
                        let found = with_retry(patience, &target.operation("get"), || api.get_opt(&target.name)).await;
                        is_known |= found.is_ok();
                        return Some(match found {
                            Err(error) if error.kind == ClusterErrorKind::Unreachable => {
                                (Err(error), (target, look_again().await, is_known))
                            }
                            Ok(object) => {
                                let version =
                                    object.as_ref().and_then(|object| object.metadata.resource_version.clone());
                                (Ok(object), (target, Phase::Open(version.unwrap_or_default()), is_known))
                            }
                            Err(error) => (Err(error), (target, Phase::Ended, is_known)),
                        });
                    }
                    Phase::Open(version) => match target.open(&version).await {
                        Ok(events) => Phase::Follow(events),
                        Err(error) if error.kind == ClusterErrorKind::Forbidden => {
                            return Some((Err(error), (target, Phase::Ended, is_known)));
                        }
                        Err(_) => look_again().await,
                    },
                    // A connection that was lost in silence is not waited for.
                    Phase::Follow(mut events) => match timeout(LONGEST_SILENCE, events.next()).await.ok().flatten() {
                        Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                            return Some((Ok(Some(object)), (target, Phase::Follow(events), is_known)));
                        }
                        Some(Ok(WatchEvent::Deleted(_))) => {
                            return Some((Ok(None), (target, Phase::Follow(events), is_known)));
                        }
                        Some(Ok(WatchEvent::Bookmark(_))) => Phase::Follow(events),
                        // Closed, broken, or expired (`410 Gone`): what was missed is seen by looking.
                        Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => look_again().await,
                    },
                    Phase::Ended => return None,
                };
            }
        })
    }

    async fn open(
        &self,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent<DynamicObject>, kube::Error>>, ClusterError> {
        let params = WatchParams::default().fields(&format!("metadata.name={}", self.name)).timeout(WATCH_SECONDS);
        let late = |_| ClusterError::new(ClusterErrorKind::Unreachable, "the API server did not answer");
        let begun = Instant::now();
        loop {
            let events = timeout(OPENING, self.api().watch(&params, version)).await.map_err(late)?;
            match events {
                Ok(events) => return Ok(events.boxed()),
                // As above: the look before was let, and the watch is not yet.
                Err(kube::Error::Api(status)) if status.code == 403 && begun.elapsed() < RBAC_WARMUP => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(self.operation("watch").failed(&error)),
            }
        }
    }
}

async fn look_again() -> Phase {
    tokio::time::sleep(PAUSE).await;
    Phase::Look
}

/// A cluster that is connected to when it is first asked something: experiments that ask nothing need none.
pub struct LazyCluster {
    options: ConnectOptions,
    connection: OnceCell<Connection>,
}

impl LazyCluster {
    /// The cluster that these options find.
    pub fn new(options: ConnectOptions) -> Self {
        Self { options, connection: OnceCell::new() }
    }
}

impl From<Connection> for LazyCluster {
    fn from(connection: Connection) -> Self {
        Self { options: ConnectOptions::default(), connection: OnceCell::new_with(Some(connection)) }
    }
}

impl Cluster for LazyCluster {
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>> {
        Box::pin(async {
            let Connection { client, namespace } = self.connection.get_or_try_init(|| connect(&self.options)).await?;
            let target = Target {
                client: client.clone(),
                kind: object.kind.clone(),
                namespace: object.namespace.clone().unwrap_or_else(|| namespace.clone()),
                name: object.name.clone(),
            };
            let to_json = |object: Option<DynamicObject>| object.and_then(|object| serde_json::to_value(object).ok());
            let states = target.states().map(move |state| state.map(to_json));
            Ok(Box::pin(states) as ObjectStates<'a>)
        })
    }
}

/// No cluster at all: for runs that must not ask one.
pub struct NoCluster;

impl Cluster for NoCluster {
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>> {
        let error =
            ClusterError::new(ClusterErrorKind::Unreachable, format!("there is no cluster to ask for {object}"));
        Box::pin(async { Err(error) })
    }
}
