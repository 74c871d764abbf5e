//! Streams all objects of a type: complete lists, and the changes between them. Never ends and never gives up.
//!
//! kube's watcher yields the objects of a list one by one, and nothing for objects that vanished while no watch was open. So lists are
//! collected and yielded whole: their consumer compares them with what it knows.
//!
//! A type that does not exist counts as an empty list, because its operator may be installed later. But a 404 is not enough to call all
//! objects of a type gone: an API server that has just started, or the server behind an aggregated API, may respond so for a moment. The 404
//! must last for [`CONFIRMED`], or for [`MISSING`] if there are known objects, and the discovery must not list the type either.

use std::fmt::Debug;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::discovery::{Served, is_served};
use super::error::{Operation, retry_after};
use super::retry::backoff;
use crate::model::object::ResourceKind;
use crate::ports::cluster::ClusterError;

/// Time for which a type must be missing before its known objects count as gone.
const MISSING: Duration = Duration::from_secs(30);

/// Time for which a type without known objects must be missing before it counts as empty.
const CONFIRMED: Duration = Duration::from_secs(1);

/// Time without errors after which pauses start over.
const STABLE: Duration = Duration::from_secs(10);

/// Server-side timeout of a watch in seconds. A connection that is silent for 5 s longer is considered dead.
const WATCH_TIMEOUT: u32 = 60;

/// Change of a collection.
#[derive(Debug)]
pub(crate) enum Change<T> {
    /// All objects that exist now.
    Listed(Vec<T>),
    /// The type does not exist, so there are no objects.
    Missing(ClusterError),
    /// An object was created or changed.
    Applied(T),
    /// An object was deleted, or no longer matches the selector. This is its last state.
    Deleted(T),
    /// The collection cannot be read for now. What was read before may be outdated.
    Failed(ClusterError),
    /// An open watch ended with an error and is opened again.
    Interrupted(Interruption),
}

/// End of an open watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// The API server no longer has the changes since the last event (410 Gone).
    Expired,
    /// The connection broke, or the data that it sent could not be parsed.
    Disconnected,
    /// The API server ended it with another error.
    Refused,
}

/// Objects per page of a list. A page is in memory as a whole, and an object has up to 1.5 MB.
const PAGE: u32 = 100;

/// ConfigMaps per page: they are often large, and anyone may create them.
const CONFIG_MAP_PAGE: u32 = 10;

/// Streams the changes of a collection. `small` extracts the parts to keep, and may skip an object. The client of `api` must be spaced.
pub(crate) fn changes<K, T, F>(
    api: Api<K>,
    labels: Option<&str>,
    operation: Operation,
    small: F,
) -> impl Stream<Item = Change<T>> + Send + use<K, T, F>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    T: Send + 'static,
    F: Fn(K) -> Option<T> + Send + 'static,
{
    let mut config = watcher::Config::default().timeout(WATCH_TIMEOUT);
    config.label_selector = labels.map(str::to_owned);
    config.page_size = Some(if api.resource_url().ends_with("/configmaps") { CONFIG_MAP_PAGE } else { PAGE });
    let collection = Collection {
        events: watcher(api.clone(), config.clone()).boxed(),
        api,
        config,
        operation,
        small,
        list: None,
        has_objects: false,
        missing_since: None,
        is_known_missing: false,
        pauses: backoff().build(),
        last_pause: None,
    };
    stream::unfold(collection, |mut collection| async { Some((collection.next().await, collection)) })
}

struct Collection<K, T, F> {
    api: Api<K>,
    config: watcher::Config,
    events: BoxStream<'static, Result<Event<K>, watcher::Error>>,
    operation: Operation,
    small: F,
    /// List that is being received.
    list: Option<Vec<T>>,
    /// True if the latest list or a later change contained an object.
    has_objects: bool,
    missing_since: Option<Instant>,
    /// True if [`Change::Missing`] was yielded.
    is_known_missing: bool,
    pauses: ExponentialBackoff,
    /// End of the last pause.
    last_pause: Option<Instant>,
}

impl<K, T, F> Collection<K, T, F>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    F: Fn(K) -> Option<T>,
{
    async fn next(&mut self) -> Change<T> {
        loop {
            let Some(event) = self.events.next().await else {
                self.restart();
                self.pause(Duration::ZERO).await;
                continue;
            };
            let change = match event {
                Ok(event) => self.received(event),
                Err(error) => self.failed(&error).await,
            };
            if let Some(change) = change {
                return change;
            }
        }
    }

    fn received(&mut self, event: Event<K>) -> Option<Change<T>> {
        // The watcher yields `Init` before each attempt to list.
        if !matches!(event, Event::Init) {
            self.missing_since = None;
        }
        match event {
            Event::Init => {
                self.list = Some(Vec::new());
                None
            }
            Event::InitApply(object) => {
                let object = (self.small)(object)?;
                self.list.get_or_insert_default().push(object);
                None
            }
            Event::InitDone => {
                let list = self.list.take().unwrap_or_default();
                self.has_objects = !list.is_empty();
                self.is_known_missing = false;
                Some(Change::Listed(list))
            }
            Event::Apply(object) => {
                let object = (self.small)(object)?;
                self.has_objects = true;
                Some(Change::Applied(object))
            }
            Event::Delete(object) => (self.small)(object).map(Change::Deleted),
        }
    }

    async fn failed(&mut self, error: &watcher::Error) -> Option<Change<T>> {
        if self.last_pause.is_some_and(|end| end.elapsed() > STABLE) {
            self.pauses = backoff().build();
        }
        let (verb, source) = match error {
            watcher::Error::InitialListFailed(source) => ("list", source),
            watcher::Error::WatchStartFailed(source) => {
                // The watcher would repeat its request for ever, also for a version that is gone.
                if matches!(source, kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429)
                {
                    self.restart();
                }
                if matches!(source, kube::Error::Api(status) if status.code == 410) {
                    return Some(self.interrupted(Interruption::Expired).await);
                }
                ("watch", source)
            }
            // If the API server is unreachable, the next request says so.
            watcher::Error::WatchError(status) if status.code == 410 => {
                return Some(self.interrupted(Interruption::Expired).await);
            }
            watcher::Error::WatchFailed(_) => return Some(self.interrupted(Interruption::Disconnected).await),
            watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => {
                return Some(self.interrupted(Interruption::Refused).await);
            }
        };
        let failure = Operation { verb, ..self.operation.clone() }.failed(source);
        if matches!(source, kube::Error::Api(status) if status.code == 404) {
            return self.missing(failure).await;
        }
        self.missing_since = None;
        self.pause(retry_after(source).unwrap_or_default()).await;
        Some(Change::Failed(failure))
    }

    async fn interrupted(&mut self, interruption: Interruption) -> Change<T> {
        self.pause(Duration::ZERO).await;
        Change::Interrupted(interruption)
    }

    /// Handles a 404, which says that the type does not exist.
    async fn missing(&mut self, failure: ClusterError) -> Option<Change<T>> {
        let is_first = self.missing_since.is_none();
        let elapsed = self.missing_since.get_or_insert_with(Instant::now).elapsed();
        if !self.is_known_missing && !self.has_objects && elapsed < CONFIRMED {
            tokio::time::sleep(CONFIRMED.saturating_sub(elapsed)).await;
            return None;
        }
        let change = if self.is_known_missing {
            None
        } else if self.has_objects && elapsed < MISSING {
            is_first.then_some(Change::Failed(failure))
        } else {
            let (client, kind) = (self.api.clone().into_client(), self.operation.kind.clone());
            let Err(failure) = confirm_missing(client, kind, failure.clone(), elapsed).await else {
                (self.is_known_missing, self.has_objects) = (true, false);
                return Some(Change::Missing(failure));
            };
            Some(Change::Failed(failure))
        };
        self.pause(Duration::ZERO).await;
        change
    }

    fn restart(&mut self) {
        self.list = None;
        self.events = watcher(self.api.clone(), self.config.clone()).boxed();
    }

    async fn pause(&mut self, at_least: Duration) {
        let pause = self.pauses.next().unwrap_or_default();
        tokio::time::sleep(pause.max(at_least)).await;
        self.last_pause = Some(Instant::now());
    }
}

/// Confirms with the API server's discovery that a type does not exist, as its lists have claimed for `elapsed`. Fails with the error to report.
async fn confirm_missing(
    client: Client,
    kind: ResourceKind,
    failure: ClusterError,
    elapsed: Duration,
) -> Result<(), ClusterError> {
    match is_served(&client, &kind).await {
        Served::No => Ok(()),
        Served::Denied if elapsed >= MISSING => Ok(()),
        Served::Denied | Served::Unknown => Err(failure),
        Served::Yes => {
            let message = format!("{}, although its discovery lists it", failure.message);
            Err(ClusterError { message, ..failure })
        }
    }
}

#[cfg(test)]
mod tests;
