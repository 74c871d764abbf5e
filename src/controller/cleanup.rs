//! Removes the controller's finalizers from all resources, so that nothing hangs in deletion after the controller is uninstalled.
//!
//! A running controller would set them again, so the Lease is taken over first: its holder stops writing, and standbys do not take over
//! while the cleanup renews it.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::{Api, Client};

use super::index::FINALIZER;
use super::keys::ObjectKey;
use super::lease::{Leadership, LeaseSettings};
use super::run::{LEASE, Settings};
use super::types::Types;
use super::writer::{WriteError, Writer};
use crate::adapters::kubernetes::{INTERACTIVE, Operation, api_resource, with_retry};
use crate::model::object::ResourceKind;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Duration of the Lease that the cleanup takes: long enough to delete the controller's pods afterwards, and short enough for a controller
/// that is installed again.
const TERM_SECONDS: i32 = 60;

/// Objects per request.
const PAGE: u32 = 500;

/// Objects that are changed between two renewals of the Lease; they take a small part of its duration.
const BATCH: usize = 200;

/// Holder of the Lease during a cleanup.
const HOLDER: &str = "cleanup";

/// Consequence of a Lease that cannot be taken, and the next step.
const UNSTOPPED: &str =
    "a controller without leader election would set the finalizers again; scale it to 0 replicas first";

/// Attempts to change an object that others change at the same time.
const ATTEMPTS: u32 = 10;

/// Objects that are changed at the same time.
const CONCURRENCY: usize = 16;

/// Removes the finalizers in the controller's scope, and returns the resources that had one. Fails at the first resource that cannot be
/// changed; repeating it is safe.
pub(crate) async fn cleanup(client: &Client, settings: &Settings) -> Result<Vec<String>, ClusterError> {
    let has_lease = hold_lease(client, settings).await?;
    let types = Types::of(&settings.config);
    let writer = Writer::new(client.clone(), Leadership::always());
    let namespace = (!settings.config.is_cluster_scoped).then_some(settings.namespace.as_str());
    let mut cleaned = Vec::new();
    for (_, resource_type) in types.all() {
        let resource = api_resource(&resource_type.resource);
        let found = match with_finalizer(client, &resource_type.resource, namespace).await {
            Ok(found) => found,
            // The type does not exist in this cluster.
            Err(error) if error.kind == ClusterErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for batch in found.chunks(BATCH) {
            // Many objects take longer than the Lease's duration.
            if has_lease {
                hold_lease(client, settings).await?;
            }
            let removals = stream::iter(batch).map(|key| remove(&writer, &resource, key));
            removals.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
            cleaned.extend(batch.iter().map(|key| format!("{} {key}", resource_type.resource)));
        }
    }
    Ok(cleaned)
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

/// Lists the objects of a type that have our finalizer, with or without the label by which the controller finds them.
async fn with_finalizer(
    client: &Client,
    kind: &ResourceKind,
    namespace: Option<&str>,
) -> Result<Vec<ObjectKey>, ClusterError> {
    let resource = api_resource(kind);
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let operation = Operation::on_collection("list", kind, namespace);
    let mut found = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = with_retry(INTERACTIVE, &operation, || api.list_metadata(&params)).await?;
        for object in page.items {
            let metadata = object.metadata;
            if metadata.finalizers.iter().flatten().any(|name| name == FINALIZER) {
                let (namespace, name) = (metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default());
                found.push(ObjectKey::new(&namespace, &name));
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(found),
        }
    }
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
        pause *= 2;
    }
    let message = format!("gave up removing the finalizer of {} {key} after {ATTEMPTS} attempts", resource.plural);
    let error = last.unwrap_or_else(|| ClusterError::new(ClusterErrorKind::Conflict, message));
    Err(error.with_hint("repeat the cleanup"))
}
