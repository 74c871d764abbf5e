//! Streams one object: its current state first, then every change. Survives API server restarts and closed or expired watches.
//!
//! kube's watcher lists and watches with the field selector `metadata.name=NAME`. For such requests, Kubernetes authorizes `list`
//! and `watch` on that one name, which is all that an experiment's Role grants. The watcher recovers after every error; this file
//! decides when to give up.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::error::{Operation, is_rejection, is_transient, retry_after};
use super::objects::{Object, kind_of};
use super::retry::{RBAC_WARMUP, backoff};
use super::watch_spacing::spaced;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Time without errors after which pauses and tolerated rejections start over: kube's watcher yields nothing when it resumes a watch. A list
/// that succeeds between two errors is no recovery.
const STABLE: Duration = Duration::from_secs(10);

/// Yields the object after each change, `None` while it does not exist. Unreachable errors are yielded and retried; any other error ends
/// the stream. The client of `api` must be [`spaced`].
pub(crate) fn states<K>(
    api: Api<K>,
    operation: Operation,
) -> impl Stream<Item = Result<Option<K>, ClusterError>> + Send + use<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let watch = Watch {
        events: events(&api, &operation),
        api,
        operation,
        pauses: backoff().build(),
        last_pause: None,
        was_authorized: false,
        rejected_since: None,
        is_done: false,
    };
    stream::unfold(watch, |mut watch| async { watch.next().await.map(|state| (state, watch)) })
}

/// Yields the states of an object of a known type.
pub(crate) fn states_of<K: Object + Send + 'static>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> impl Stream<Item = Result<Option<K>, ClusterError>> + Send + use<K> {
    states(Api::namespaced(spaced(client), namespace), Operation::new("watch", &kind_of::<K>(), namespace, name))
}

type Events<K> = BoxStream<'static, Result<Option<K>, watcher::Error>>;

struct Watch<K> {
    api: Api<K>,
    operation: Operation,
    events: Events<K>,
    pauses: ExponentialBackoff,
    /// End of the last pause.
    last_pause: Option<Instant>,
    was_authorized: bool,
    rejected_since: Option<Instant>,
    is_done: bool,
}

/// Consequence of a watcher error.
enum Verdict {
    /// Expected in a long watch; recover quietly.
    Recover,
    /// The watcher would repeat its request for a resource version that is gone; start over with a list.
    Restart,
    /// Report, then recover.
    Report(ClusterError),
    /// Report and end.
    GiveUp(ClusterError),
}

fn events<K>(api: &Api<K>, operation: &Operation) -> Events<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let name = operation.name.as_deref().unwrap_or_default();
    watcher::watch_object(api.clone(), name).boxed()
}

impl<K> Watch<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    async fn next(&mut self) -> Option<Result<Option<K>, ClusterError>> {
        if self.is_done {
            return None;
        }
        loop {
            let error = match self.events.next().await? {
                Ok(state) => {
                    (self.was_authorized, self.rejected_since) = (true, None);
                    return Some(Ok(state));
                }
                Err(error) => error,
            };
            if self.last_pause.is_some_and(|end| end.elapsed() > STABLE) {
                (self.rejected_since, self.pauses) = (None, backoff().build());
            }
            let wait = source(&error).and_then(retry_after).unwrap_or_default();
            match self.verdict(&error) {
                Verdict::Recover => self.pause(wait).await,
                Verdict::Restart => {
                    self.events = events(&self.api, &self.operation);
                    self.pause(wait).await;
                }
                Verdict::Report(error) => {
                    self.pause(wait).await;
                    return Some(Err(error));
                }
                Verdict::GiveUp(error) => {
                    self.is_done = true;
                    return Some(Err(error));
                }
            }
        }
    }

    fn verdict(&mut self, error: &watcher::Error) -> Verdict {
        let (verb, error) = match error {
            watcher::Error::InitialListFailed(error) => ("list", error),
            watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410 => {
                return Verdict::Restart;
            }
            watcher::Error::WatchStartFailed(error) => ("watch", error),
            // The stream broke or expired (410 Gone). If the API server is unreachable, the next request says so.
            watcher::Error::WatchError(_) | watcher::Error::WatchFailed(_) => return Verdict::Recover,
            watcher::Error::NoResourceVersion => {
                return Verdict::GiveUp(ClusterError::new(ClusterErrorKind::Refused, error.to_string()));
            }
        };
        let failure = Operation { verb, ..self.operation.clone() }.failed(error);
        // An unreachable API server may come back, even if its name does not resolve or its certificate is not trusted now.
        if is_transient(error) || failure.kind == ClusterErrorKind::Unreachable {
            return Verdict::Report(failure);
        }
        // A restarted API server rejects requests until RBAC is loaded. We were authorized before, so retry.
        if is_rejection(error) && self.was_authorized {
            let since = *self.rejected_since.get_or_insert_with(Instant::now);
            if since.elapsed() < RBAC_WARMUP {
                return Verdict::Recover;
            }
        }
        Verdict::GiveUp(failure)
    }

    async fn pause(&mut self, at_least: Duration) {
        let pause = self.pauses.next().unwrap_or_default();
        tokio::time::sleep(pause.max(at_least)).await;
        self.last_pause = Some(Instant::now());
    }
}

fn source(error: &watcher::Error) -> Option<&kube::Error> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Some(error),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => None,
    }
}
