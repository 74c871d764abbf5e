//! Removes the controller's finalizers from all resources, so that nothing hangs in deletion after the controller is uninstalled.
//!
//! A running controller would set them again, so the Lease is taken over first: its holder stops writing, and standbys do not take over
//! before the end of a long term.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::{Api, Client};

use super::index::FINALIZER;
use super::keys::ObjectKey;
use super::lease::{Leadership, LeaseSettings};
use super::run::{LEASE, Settings};
use super::types::{Types, api_resource};
use super::writer::{WriteError, Writer};
use crate::adapters::kubernetes::{INTERACTIVE, Operation, with_retry};
use crate::model::object::ResourceKind;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Term of the Lease that cleanup takes: the pods of the controller are deleted in the meantime, and a controller that is installed again
/// does not wait for long.
const TERM_SECONDS: i32 = 60;

/// Objects per request.
const PAGE: u32 = 500;

/// Attempts to change an object that others change at the same time.
const ATTEMPTS: u32 = 10;

/// Result of a cleanup.
#[derive(Debug, Default)]
pub(crate) struct Cleaned {
    /// Resources whose finalizer was removed.
    pub(crate) removed: Vec<String>,
    /// Types that do not exist in this cluster.
    pub(crate) missing: Vec<String>,
}

/// Removes the finalizers in the controller's scope. Fails at the first resource that cannot be changed; it can be repeated.
pub(crate) async fn cleanup(client: &Client, settings: &Settings) -> Result<Cleaned, ClusterError> {
    stop_controller(client, settings).await?;
    let types = Types::of(&settings.config);
    let writer = Writer::new(client.clone(), Leadership::always());
    let namespace = (!settings.config.is_cluster_scoped).then_some(settings.namespace.as_str());
    let mut cleaned = Cleaned::default();
    for (_, resource_type) in types.all() {
        let resource = api_resource(&resource_type.resource);
        let found = match with_finalizer(client, &resource_type.resource, namespace).await {
            Ok(found) => found,
            Err(error) if error.kind == ClusterErrorKind::NotFound => {
                cleaned.missing.push(resource_type.resource.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        for key in found {
            remove(&writer, &resource, &key).await?;
            cleaned.removed.push(format!("{} {key}", resource_type.resource));
        }
    }
    Ok(cleaned)
}

/// Takes the Lease over and waits until its holder has stopped writing.
async fn stop_controller(client: &Client, settings: &Settings) -> Result<(), ClusterError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), &settings.namespace);
    let lease = LeaseSettings::new(&settings.namespace, LEASE, "cleanup");
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
            Ok(None) => return Ok(()),
            Err(error) if error.kind == ClusterErrorKind::Forbidden => {
                tracing::warn!("{}; a controller that runs without an election is not stopped", error.message);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let had_holder =
            taken.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).is_some_and(|name| !name.is_empty());
        let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
        taken.spec = Some(LeaseSpec {
            holder_identity: Some(lease.identity.clone()),
            lease_duration_seconds: Some(TERM_SECONDS),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        });
        let params = PostParams::default();
        match with_retry(INTERACTIVE, &operation, || api.replace(LEASE, &params, &taken)).await {
            Ok(_) if had_holder => {
                tracing::info!("waiting for the controller to stop writing");
                tokio::time::sleep(lease.renew_deadline + lease.call_timeout).await;
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(error) if error.kind == ClusterErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    let message = format!("gave up after {ATTEMPTS} conflicts with the controller over Lease {LEASE}");
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
    for _ in 0..ATTEMPTS {
        match writer.remove_finalizer(resource, key, FINALIZER).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Rejected(error)) if error.kind == ClusterErrorKind::NotFound => return Ok(()),
            Err(WriteError::Rejected(error)) => return Err(error),
            Err(WriteError::Transient(_, at_least)) => tokio::time::sleep(pause.max(at_least)).await,
            Err(WriteError::Replaced | WriteError::Owned(_) | WriteError::NotLeader) => tokio::time::sleep(pause).await,
        }
        pause *= 2;
    }
    let message = format!("gave up removing the finalizer of {} {key} after {ATTEMPTS} attempts", resource.plural);
    Err(ClusterError::new(ClusterErrorKind::Conflict, message))
}
