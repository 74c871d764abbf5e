//! Typed objects: server-side apply, get, list and delete.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PropagationPolicy};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Operation;
use super::retry::{INTERACTIVE, with_retry};
use crate::model::object::ResourceKind;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Field manager of all objects applied by this program.
pub(crate) const MANAGER: &str = "iter8";

/// A namespaced type of the Kubernetes API.
pub(crate) trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

/// Effect of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Real,
    /// The API server validates the request and drops it.
    DryRun,
}

pub(crate) fn kind_of<K: Object>() -> ResourceKind {
    ResourceKind {
        group: K::group(&()).into_owned(),
        version: K::version(&()).into_owned(),
        resource: K::plural(&()).into_owned(),
    }
}

/// Applies an object and takes ownership of its fields.
pub(crate) async fn apply<K: Object>(client: &Client, object: &K, effect: Effect) -> Result<K, ClusterError> {
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    let api: Api<K> = Api::namespaced(client.clone(), &namespace);
    let params = PatchParams { dry_run: effect == Effect::DryRun, ..PatchParams::apply(MANAGER).force() };
    let operation = Operation::new("patch", &kind_of::<K>(), &namespace, &name);
    let patch = Patch::Apply(object);
    with_retry(INTERACTIVE, &operation, || api.patch(&name, &params, &patch)).await
}

/// Result of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// The object did not exist.
    Absent,
    Done,
    /// The object exists until these finalizers are removed.
    Pending(Vec<String>),
}

/// Deletes an object and, in the background, its dependents.
pub(crate) async fn delete<K: Object>(client: &Client, namespace: &str, name: &str) -> Result<Deletion, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let params = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    let operation = Operation::new("delete", &kind_of::<K>(), namespace, name);
    match with_retry(INTERACTIVE, &operation, || api.delete(name, &params)).await {
        Ok(deleted) => Ok(match deleted.left() {
            Some(object) if !object.finalizers().is_empty() => Deletion::Pending(object.finalizers().to_vec()),
            _ => Deletion::Done,
        }),
        Err(error) if error.kind == ClusterErrorKind::NotFound => Ok(Deletion::Absent),
        Err(error) => Err(error),
    }
}

/// Lists the objects that match a label selector, in one namespace or in all.
pub(crate) async fn list_labelled<K: Object>(
    client: &Client,
    namespace: Option<&str>,
    labels: &str,
) -> Result<Vec<K>, ClusterError> {
    list(client, namespace, &ListParams::default().labels(labels)).await
}

/// Lists objects, in one namespace or in all.
pub(crate) async fn list<K: Object>(
    client: &Client,
    namespace: Option<&str>,
    params: &ListParams,
) -> Result<Vec<K>, ClusterError> {
    let api: Api<K> = in_namespace(client, namespace);
    let operation = Operation::on_collection("list", &kind_of::<K>(), namespace);
    Ok(with_retry(INTERACTIVE, &operation, || api.list(params)).await?.items)
}

/// Lists the metadata of all objects, in one namespace or in all.
pub(crate) async fn list_metadata<K: Object>(
    client: &Client,
    namespace: Option<&str>,
) -> Result<Vec<ObjectMeta>, ClusterError> {
    let api: Api<K> = in_namespace(client, namespace);
    let operation = Operation::on_collection("list", &kind_of::<K>(), namespace);
    let params = ListParams::default();
    let objects = with_retry(INTERACTIVE, &operation, || api.list_metadata(&params)).await?;
    Ok(objects.items.into_iter().map(|object| object.metadata).collect())
}

fn in_namespace<K: Object>(client: &Client, namespace: Option<&str>) -> Api<K> {
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Gets an object; `None` if it does not exist.
pub(crate) async fn find<K: Object>(client: &Client, namespace: &str, name: &str) -> Result<Option<K>, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let operation = Operation::new("get", &kind_of::<K>(), namespace, name);
    with_retry(INTERACTIVE, &operation, || api.get_opt(name)).await
}
