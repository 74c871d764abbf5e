//! Requests for the Lease.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;

use super::LeaseSettings;
use crate::adapters::kubernetes::Operation;
use crate::model::object::ResourceKind;
use crate::ports::cluster::ClusterError;

/// Failure of a request.
#[derive(Debug, Error)]
pub(super) enum CallError {
    /// Another process changed, created or deleted the Lease. Our write was not carried out.
    #[error(transparent)]
    Conflict(ClusterError),
    #[error(transparent)]
    Forbidden(ClusterError),
    /// A write may have been carried out.
    #[error(transparent)]
    Failed(ClusterError),
    /// A write may have been carried out.
    #[error("the API server did not respond in time")]
    TimedOut,
}

/// Storage of the Lease.
pub(super) trait LeaseStore: Send + Sync {
    fn get(&self) -> impl Future<Output = Result<Option<Lease>, CallError>> + Send;

    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, CallError>> + Send;

    /// Replaces the Lease if it has this resourceVersion.
    fn update(&self, lease: &Lease) -> impl Future<Output = Result<Lease, CallError>> + Send;
}

/// Lease in the cluster.
pub(super) struct KubeLease {
    api: Api<Lease>,
    namespace: String,
    name: String,
}

impl KubeLease {
    pub(super) fn new(client: Client, settings: &LeaseSettings) -> Self {
        let api = Api::namespaced(client, &settings.namespace);
        Self { api, namespace: settings.namespace.clone(), name: settings.name.clone() }
    }

    fn error(&self, verb: &'static str, error: &kube::Error) -> CallError {
        let kind = ResourceKind {
            group: "coordination.k8s.io".to_owned(),
            version: "v1".to_owned(),
            resource: "leases".to_owned(),
        };
        let failure = Operation::new(verb, &kind, &self.namespace, &self.name).failed(error);
        match error {
            kube::Error::Api(status) if status.code == 409 => CallError::Conflict(failure),
            kube::Error::Api(status) if status.code == 404 && verb == "update" => CallError::Conflict(failure),
            kube::Error::Api(status) if status.code == 403 => CallError::Forbidden(failure),
            _ => CallError::Failed(failure),
        }
    }
}

impl LeaseStore for KubeLease {
    async fn get(&self) -> Result<Option<Lease>, CallError> {
        self.api.get_opt(&self.name).await.map_err(|error| self.error("get", &error))
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, CallError> {
        self.api.create(&PostParams::default(), lease).await.map_err(|error| self.error("create", &error))
    }

    async fn update(&self, lease: &Lease) -> Result<Lease, CallError> {
        let params = PostParams::default();
        self.api.replace(&self.name, &params, lease).await.map_err(|error| self.error("update", &error))
    }
}
