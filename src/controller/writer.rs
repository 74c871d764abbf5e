//! Writes to the cluster: only as the leader, few at a time, each with a timeout.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::keys::ObjectKey;
use super::lease::Leadership;
use super::live::Live;
use crate::adapters::kubernetes::{MANAGER, Operation, is_transient, retry_after};
use crate::model::object::ResourceKind;
use crate::ports::cluster::ClusterError;

/// Writes in flight. The API server queues at most 300 requests of one service account, and rejects more with 429.
const CONCURRENCY: usize = 32;

/// Timeout of one write.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Field managers, by prefix, of tools that install the first version of a routing object, and of Iter8's own controller. Their fields are
/// taken over. Some of these tools apply their source again and again; repairs are spaced out then. Fields of other controllers are left
/// alone, because the two would overwrite each other for ever.
const TAKEN_OVER: [&str; 8] =
    ["kubectl", "helm", "argocd", "kustomize-controller", "helm-controller", "before-first-apply", "iter8", "unknown"];

/// Failure of a write.
#[derive(Debug)]
pub(super) enum WriteError {
    /// This process does not lead, or lost leadership during the write.
    NotLeader,
    /// These field managers own fields that we would change.
    Owned(Vec<String>),
    /// The object is not the one that was read.
    Replaced,
    /// A retry may help, after a pause of at least this length.
    Transient(ClusterError, Duration),
    /// The API server rejects it.
    Rejected(ClusterError),
}

/// Result of an apply.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) live: Live,
    /// Field managers whose fields were taken over.
    pub(super) taken_from: Vec<String>,
}

/// Gate and limiter for all writes but the Lease.
pub(super) struct Writer {
    client: Client,
    leadership: Leadership,
    permits: Semaphore,
}

impl Writer {
    pub(super) fn new(client: Client, leadership: Leadership) -> Self {
        Self { client, leadership, permits: Semaphore::new(CONCURRENCY) }
    }

    /// Applies an object and creates it if it is missing. Fields of installation tools are taken over.
    pub(super) async fn apply(
        &self,
        resource: &ApiResource,
        key: &ObjectKey,
        desired: &Value,
    ) -> Result<Applied, WriteError> {
        let api = self.api(resource, key);
        let operation = operation("patch", resource, key);
        let params = PatchParams::apply(MANAGER);
        let patch = Patch::Apply(desired);
        match self.write(&operation, api.patch(&key.name, &params, &patch)).await {
            Ok(object) => Ok(Applied { live: Live::of(object), taken_from: Vec::new() }),
            Err(WriteError::Owned(managers)) if managers.iter().all(|manager| is_taken_over(manager)) => {
                let params = params.force();
                let object = self.write(&operation, api.patch(&key.name, &params, &patch)).await?;
                Ok(Applied { live: Live::of(object), taken_from: managers })
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces the finalizers of an object as it was read: the API server rejects the patch if the object changed since.
    pub(super) async fn set_finalizers(
        &self,
        resource: &ApiResource,
        key: &ObjectKey,
        read: ReadVersion<'_>,
        wanted: &[String],
    ) -> Result<(), WriteError> {
        let patch = json!({"metadata": {
            "uid": read.uid,
            "resourceVersion": read.resource_version,
            "finalizers": wanted,
        }});
        let api = self.api(resource, key);
        let operation = operation("patch", resource, key);
        self.write(&operation, api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch))).await?;
        Ok(())
    }

    /// Removes a finalizer of an object that is not watched.
    pub(super) async fn remove_finalizer(
        &self,
        resource: &ApiResource,
        key: &ObjectKey,
        finalizer: &str,
    ) -> Result<(), WriteError> {
        let operation = operation("get", resource, key);
        let object = self.write(&operation, self.api(resource, key).get_metadata(&key.name)).await?;
        let metadata = object.metadata;
        let (uid, version) = (metadata.uid.unwrap_or_default(), metadata.resource_version.unwrap_or_default());
        let before = metadata.finalizers.unwrap_or_default();
        let after: Vec<String> = before.iter().filter(|name| *name != finalizer).cloned().collect();
        if after.len() == before.len() {
            return Ok(());
        }
        self.set_finalizers(resource, key, ReadVersion { uid: &uid, resource_version: &version }, &after).await
    }

    /// Returns true unless the API server says that this routemap is gone or being deleted.
    pub(super) async fn routemap_exists(&self, key: &ObjectKey, uid: &str) -> bool {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &key.namespace);
        match tokio::time::timeout(TIMEOUT, api.get_metadata_opt(&key.name)).await {
            Ok(Ok(None)) => false,
            Ok(Ok(Some(found))) => {
                found.metadata.uid.as_deref() == Some(uid) && found.metadata.deletion_timestamp.is_none()
            }
            _ => true,
        }
    }

    fn api(&self, resource: &ApiResource, key: &ObjectKey) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &key.namespace, resource)
    }

    /// Sends a write as the leader; aborts it when leadership ends.
    async fn write<T>(
        &self,
        operation: &Operation,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        let Ok(_permit) = self.permits.acquire().await else { return Err(WriteError::NotLeader) };
        if !self.leadership.is_leader() {
            return Err(WriteError::NotLeader);
        }
        let response = tokio::select! {
            biased;
            () = self.leadership.lost() => return Err(WriteError::NotLeader),
            response = tokio::time::timeout(TIMEOUT, request) => response,
        };
        match response {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(error)) => Err(write_error(operation, &error)),
            Err(_) => Err(WriteError::Transient(operation.timed_out(TIMEOUT), Duration::ZERO)),
        }
    }
}

/// Version of an object that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadVersion<'a> {
    pub(super) uid: &'a str,
    pub(super) resource_version: &'a str,
}

fn operation(verb: &'static str, resource: &ApiResource, key: &ObjectKey) -> Operation {
    let kind = ResourceKind {
        group: resource.group.clone(),
        version: resource.version.clone(),
        resource: resource.plural.clone(),
    };
    Operation::new(verb, &kind, &key.namespace, &key.name)
}

fn write_error(operation: &Operation, error: &kube::Error) -> WriteError {
    if let kube::Error::Api(status) = error {
        let managers = conflicting_managers(status);
        match status.code {
            409 if !managers.is_empty() => return WriteError::Owned(managers),
            409 => return WriteError::Replaced,
            _ => {}
        }
    }
    let failure = operation.failed(error);
    if is_transient(error) || matches!(error, kube::Error::Api(status) if status.code == 401) {
        return WriteError::Transient(failure, retry_after(error).unwrap_or_default());
    }
    WriteError::Rejected(failure)
}

/// Returns the managers in the causes of a 409, such as `conflict with "helm" using networking.istio.io/v1beta1`.
fn conflicting_managers(status: &kube::core::Status) -> Vec<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let names = causes.filter(|cause| cause.reason == "FieldManagerConflict").filter_map(|cause| {
        let name = cause.message.strip_prefix("conflict with \"")?;
        Some(name.split_once('"')?.0.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

fn is_taken_over(manager: &str) -> bool {
    TAKEN_OVER.iter().any(|known| manager.to_ascii_lowercase().starts_with(known))
}
