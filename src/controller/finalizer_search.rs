//! Search for objects that have our finalizer, with or without the label by which the controller finds them.

use kube::api::{DynamicObject, ListParams, ObjectMeta};
use kube::{Api, Client};

use super::index::FINALIZER;
use super::keys::ObjectKey;
use crate::adapters::kubernetes::{INTERACTIVE, Operation, api_resource, with_retry};
use crate::model::object::ResourceKind;
use crate::ports::cluster::ClusterError;

/// Objects per request.
const PAGE: u32 = 500;

/// Lists the objects of a type that have our finalizer and are selected, in one namespace or in all. Fails with `NotFound` if the type does
/// not exist.
pub(super) async fn with_finalizer(
    client: &Client,
    kind: &ResourceKind,
    namespace: Option<&str>,
    is_selected: fn(&ObjectMeta) -> bool,
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
            if metadata.finalizers.iter().flatten().any(|name| name == FINALIZER) && is_selected(&metadata) {
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
