//! Removes the controller's finalizers from all resources, so that nothing hangs in deletion after the controller is uninstalled.
//!
//! A running controller would set them again, so the Lease is taken over first: its holder stops writing, and standbys do not take over
//! while the cleanup renews it.
//!
//! A type may have been removed from the configuration since the controller set finalizers on its objects. So all types of the API server
//! are searched, as far as this user may list them. Those of the configuration must be readable.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};

use super::finalizer_search::with_finalizer;
use super::index::FINALIZER;
use super::keys::ObjectKey;
use super::lease::{Leadership, LeaseSettings};
use super::run::{LEASE, Settings};
use super::types::Types;
use super::writer::{WriteError, Writer};
use crate::adapters::kubernetes::{DiscoveredTypes, INTERACTIVE, Operation, api_resource, discover, with_retry};
use crate::model::object::ResourceKind;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Duration of the Lease that the cleanup takes: long enough to delete the controller's pods afterwards, and short enough for a controller
/// that is installed again.
const TERM_SECONDS: i32 = 60;

/// Objects that are changed between two renewals of the Lease; they take a small part of its duration.
const BATCH: usize = 200;

/// Holder of the Lease during a cleanup.
const HOLDER: &str = "cleanup";

/// Consequence of a Lease that cannot be taken, and the next step.
const UNSTOPPED: &str =
    "a controller without leader election would set the finalizers again; scale it to 0 replicas first";

/// Longest pause between two attempts: those on one object take a small part of the Lease's duration.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Attempts to change an object that others change at the same time.
const ATTEMPTS: u32 = 10;

/// Types that are searched at the same time.
const SEARCHES: usize = 8;

/// Objects that are changed at the same time.
const CONCURRENCY: usize = 16;

/// Removes the finalizers in the controller's scope, and returns the resources that had one. Fails at the first resource that cannot be
/// changed; repeating it is safe.
pub(crate) async fn cleanup(client: &Client, settings: &Settings) -> Result<Vec<String>, ClusterError> {
    let has_lease = hold_lease(client, settings).await?;
    let cleanup = Cleanup {
        client,
        settings,
        has_lease,
        namespace: (!settings.config.is_cluster_scoped).then_some(settings.namespace.as_str()),
        writer: Writer::new(client.clone(), Leadership::always()),
    };
    let types = Types::of(&settings.config);
    let configured: Vec<&ResourceKind> = types.all().map(|(_, resource_type)| &resource_type.resource).collect();
    let others = cleanup.others(&configured).await;
    // The Lease may have expired meanwhile.
    cleanup.renew().await?;
    let mut cleaned = Vec::new();
    for kind in configured {
        match cleanup.search(kind).await {
            Ok(found) => cleaned.extend(cleanup.remove_all(kind, &found).await?),
            // The type does not exist in this cluster.
            Err(error) if error.kind == ClusterErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    cleaned.extend(others?);
    Ok(cleaned)
}

/// A cleanup in progress.
struct Cleanup<'a> {
    client: &'a Client,
    settings: &'a Settings,
    has_lease: bool,
    /// Namespace of the resources; `None` for all.
    namespace: Option<&'a str>,
    writer: Writer,
}

impl Cleanup<'_> {
    /// Removes the finalizers from objects of types that are not, or no longer, in the configuration.
    async fn others(&self, configured: &[&ResourceKind]) -> Result<Vec<String>, ClusterError> {
        let is_configured = |kind: &ResourceKind| {
            let id = (&kind.group, &kind.resource);
            configured.iter().any(|configured| (&configured.group, &configured.resource) == id)
        };
        let DiscoveredTypes { types, unknown } = match discover(self.client).await {
            Ok(discovered) => discovered,
            Err(error) => {
                tracing::warn!(
                    "cannot discover the types of the API server, so only the configured types are cleaned; if the configuration \
                     has changed, repeat the cleanup: {error}"
                );
                return Ok(Vec::new());
            }
        };
        let mut searches = stream::iter(types.iter().filter(|kind| !is_configured(kind)))
            .map(|kind| async move { (kind, self.search(kind).await) })
            .buffered(SEARCHES);
        let (mut cleaned, mut skipped) = (Vec::new(), BTreeSet::from_iter(unknown));
        while let Some((kind, found)) = searches.next().await {
            match found {
                Ok(found) => cleaned.extend(self.remove_all(kind, &found).await?),
                Err(error) if error.kind == ClusterErrorKind::NotFound => {}
                Err(error) => {
                    tracing::debug!("{}", error.message);
                    skipped.insert(kind.to_string());
                }
            }
        }
        if !skipped.is_empty() {
            let names: Vec<&str> = skipped.iter().map(String::as_str).collect();
            tracing::warn!(
                "types outside of the configuration that cannot be listed are not cleaned; if the controller was configured for one of \
                 them, repeat the cleanup as a user who may list and patch it: {}",
                names.join(", ")
            );
        }
        Ok(cleaned)
    }

    /// Lists the objects of a type that have our finalizer, with or without the label by which the controller finds them.
    async fn search(&self, kind: &ResourceKind) -> Result<Vec<ObjectKey>, ClusterError> {
        with_finalizer(self.client, kind, self.namespace, |_| true).await
    }

    /// Removes the finalizer of these objects, and returns their names.
    async fn remove_all(&self, kind: &ResourceKind, found: &[ObjectKey]) -> Result<Vec<String>, ClusterError> {
        let resource = api_resource(kind);
        for batch in found.chunks(BATCH) {
            // Many objects take longer than the Lease's duration.
            self.renew().await?;
            let removals = stream::iter(batch).map(|key| remove(&self.writer, &resource, key));
            removals.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        }
        Ok(found.iter().map(|key| format!("{kind} {key}")).collect())
    }

    /// Renews the Lease, if it is held.
    async fn renew(&self) -> Result<(), ClusterError> {
        if self.has_lease {
            hold_lease(self.client, self.settings).await?;
        }
        Ok(())
    }
}

/// Takes or renews the Lease, and waits until a controller that held it has stopped writing. Returns false if there is no
/// Lease, or access to it is denied.
async fn hold_lease(client: &Client, settings: &Settings) -> Result<bool, ClusterError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), &settings.namespace);
    let kind = ResourceKind {
        group: "coordination.k8s.io".to_owned(),
        version: "v1".to_owned(),
        resource: "leases".to_owned(),
    };
    let operation = Operation::new("update", &kind, &settings.namespace, LEASE);
    for _ in 0..ATTEMPTS {
        let found = with_retry(INTERACTIVE, &operation, || api.get_opt(LEASE)).await;
        let mut taken = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                tracing::warn!("there is no Lease {LEASE} in namespace {}: {UNSTOPPED}", settings.namespace);
                return Ok(false);
            }
            Err(error) if error.kind == ClusterErrorKind::Forbidden => {
                tracing::warn!("{}: {UNSTOPPED}", error.message);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let holder = taken.spec.take().and_then(|spec| spec.holder_identity).unwrap_or_default();
        let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
        taken.spec = Some(LeaseSpec {
            holder_identity: Some(HOLDER.to_owned()),
            lease_duration_seconds: Some(TERM_SECONDS),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        });
        let params = PostParams::default();
        match with_retry(INTERACTIVE, &operation, || api.replace(LEASE, &params, &taken)).await {
            Ok(_) => {
                if !holder.is_empty() && holder != HOLDER {
                    tracing::info!("waiting for the controller to stop writing");
                    let timing = LeaseSettings::new(&settings.namespace, LEASE, HOLDER);
                    tokio::time::sleep(timing.renew_deadline + timing.call_timeout).await;
                }
                return Ok(true);
            }
            Err(error) if error.kind == ClusterErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    let message = format!(
        "gave up after {ATTEMPTS} conflicts with the controller over Lease {LEASE} in namespace {}",
        settings.namespace
    );
    Err(ClusterError::new(ClusterErrorKind::Conflict, message)
        .with_hint("scale the controller to 0 replicas, then repeat the cleanup"))
}

async fn remove(writer: &Writer, resource: &kube::api::ApiResource, key: &ObjectKey) -> Result<(), ClusterError> {
    let mut pause = Duration::from_millis(100);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match writer.remove_finalizer(resource, key, FINALIZER).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Rejected(error)) if error.kind == ClusterErrorKind::NotFound => return Ok(()),
            Err(WriteError::Rejected(error)) => return Err(error),
            Err(error) => {
                let at_least = if let WriteError::Transient(_, at_least) = &error { *at_least } else { Duration::ZERO };
                if let WriteError::Transient(error, _) = error {
                    last = Some(error);
                }
                tokio::time::sleep(pause.max(at_least)).await;
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let message = format!("gave up removing the finalizer of {} {key} after {ATTEMPTS} attempts", resource.plural);
    let error = last.unwrap_or_else(|| ClusterError::new(ClusterErrorKind::Conflict, message));
    Err(error.with_hint("repeat the cleanup"))
}
