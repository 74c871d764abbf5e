//! Implementation of [`Cluster`]: watches objects for tasks.

use futures_util::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams, TypeMeta};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::connect::{ConnectOptions, Connection, connect};
use super::error::Operation;
use super::objects::MANAGER;
use super::retry::{INTERACTIVE, RUN, RetryPolicy, with_retry};
use super::watch::states;
use super::watch_spacing::spaced;
use crate::model::object::{ObjectRef, ResourceKind};
use crate::ports::BoxFuture;
use crate::ports::cluster::{Cluster, ClusterError, ClusterErrorKind, ObjectStates};

/// Connects on first use, so experiments without cluster tasks need no cluster.
pub struct LazyCluster {
    options: ConnectOptions,
    connection: OnceCell<Connection>,
    /// Retries of changes.
    retry: RetryPolicy,
}

impl LazyCluster {
    /// Creates a cluster that is found with these options.
    pub fn new(options: ConnectOptions) -> Self {
        Self { options, connection: OnceCell::new(), retry: INTERACTIVE }
    }
}

/// The cluster of a pod. Its run lasts longer than a restart of the API server.
impl From<Connection> for LazyCluster {
    fn from(connection: Connection) -> Self {
        let connection = OnceCell::new_with(Some(connection));
        Self { options: ConnectOptions::default(), connection, retry: RUN }
    }
}

impl Cluster for LazyCluster {
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>> {
        Box::pin(async {
            let Connection { client, namespace } = self.connection.get_or_try_init(|| connect(&self.options)).await?;
            let namespace = object.namespace.as_ref().unwrap_or(namespace);
            let api: Api<DynamicObject> = Api::namespaced_with(spaced(client), namespace, &api_resource(&object.kind));
            let operation = Operation::new("watch", &object.kind, namespace, &object.name);
            let states = states(api, operation).map(|state| state.and_then(|object| object.map(json).transpose()));
            Ok(Box::pin(states) as ObjectStates<'a>)
        })
    }

    fn create<'a>(
        &'a self,
        object: &'a ObjectRef,
        kind: &'a str,
        content: &'a Value,
    ) -> BoxFuture<'a, Result<Value, ClusterError>> {
        Box::pin(async move {
            let Connection { client, namespace } = self.connection.get_or_try_init(|| connect(&self.options)).await?;
            let namespace = object.namespace.as_ref().unwrap_or(namespace);
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &api_resource(&object.kind));
            let operation = Operation::new("create", &object.kind, namespace, &object.name);
            let types = TypeMeta { api_version: api_resource(&object.kind).api_version, kind: kind.to_owned() };
            let metadata = ObjectMeta { name: Some(object.name.clone()), ..ObjectMeta::default() };
            let content = DynamicObject { types: Some(types), metadata, data: content.clone() };
            let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
            json(with_retry(self.retry, &operation, || api.create(&params, &content)).await?)
        })
    }

    fn patch<'a>(&'a self, object: &'a ObjectRef, patch: &'a Value) -> BoxFuture<'a, Result<Value, ClusterError>> {
        Box::pin(async move {
            let Connection { client, namespace } = self.connection.get_or_try_init(|| connect(&self.options)).await?;
            let namespace = object.namespace.as_ref().unwrap_or(namespace);
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &api_resource(&object.kind));
            let operation = Operation::new("patch", &object.kind, namespace, &object.name);
            let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            let patch = Patch::Merge(patch);
            let patched = with_retry(self.retry, &operation, || api.patch(&object.name, &params, &patch)).await?;
            json(patched)
        })
    }

    fn openapi<'a>(&'a self, kind: &'a ResourceKind) -> BoxFuture<'a, Result<Value, ClusterError>> {
        Box::pin(async move {
            let Connection { client, .. } = self.connection.get_or_try_init(|| connect(&self.options)).await?;
            let operation = Operation::on_collection("get", kind, None);
            let path = format!("/openapi/v3/apis/{}/{}", kind.group, kind.version);
            let request = || async {
                let request = http::Request::get(&path).body(Vec::new()).map_err(kube::Error::HttpError)?;
                client.request::<Value>(request).await
            };
            with_retry(INTERACTIVE, &operation, request).await
        })
    }
}

fn json(object: DynamicObject) -> Result<Value, ClusterError> {
    serde_json::to_value(object).map_err(|error| ClusterError::new(ClusterErrorKind::Refused, error.to_string()))
}

/// Describes a resource type for kube's client, without the `kind`: URLs do not contain it.
pub(crate) fn api_resource(kind: &ResourceKind) -> ApiResource {
    let ResourceKind { group, version, resource } = kind;
    let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
    ApiResource {
        group: group.clone(),
        version: version.clone(),
        api_version,
        kind: String::new(),
        plural: resource.clone(),
    }
}

/// Rejects every request; used by replays.
pub struct NoCluster;

impl Cluster for NoCluster {
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>> {
        let message = format!("no cluster is available to watch {object}");
        Box::pin(async { Err(ClusterError::new(ClusterErrorKind::Unreachable, message)) })
    }

    fn create<'a>(
        &'a self,
        object: &'a ObjectRef,
        _: &'a str,
        _: &'a Value,
    ) -> BoxFuture<'a, Result<Value, ClusterError>> {
        let message = format!("no cluster is available to create {object}");
        Box::pin(async { Err(ClusterError::new(ClusterErrorKind::Unreachable, message)) })
    }

    fn patch<'a>(&'a self, object: &'a ObjectRef, _: &'a Value) -> BoxFuture<'a, Result<Value, ClusterError>> {
        let message = format!("no cluster is available to change {object}");
        Box::pin(async { Err(ClusterError::new(ClusterErrorKind::Unreachable, message)) })
    }
}
