//! Watches: one task per type, each with its own retries, so that a type that cannot be read does not stop the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DynamicObject, ObjectMeta};
use kube::core::DynamicResourceScope;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::claims;
use super::index::{Affected, RoutemapObject};
use super::keys::{ObjectKey, ResourceKey, TypeId};
use super::live::Live;
use super::shared::{ROUTEMAPS, Shared, routes_of};
use super::watched::WatchedObject;
use crate::adapters::kubernetes::{Change, Operation, api_resource, changes, spaced};
use crate::model::object::ResourceKind;
use crate::model::path::FieldPath;
use crate::ports::cluster::ClusterErrorKind;
use crate::routing::routemap::LABELS;
use crate::routing::{Observed, RawObject, ResourceType, Routemap};
use crate::values::input::{InputError, InputErrors};

/// Label of watched resources, and its value.
const WATCH_LABEL: (&str, &str) = ("iter8.tools/watch", "true");

/// Starts the watches of routemaps and of all resource types. Watches of routing objects follow as routemaps need them.
pub(super) fn start(shared: &Arc<Shared>) {
    shared.spawn(routemaps(Arc::clone(shared)));
    for (of_type, _) in shared.types.all() {
        shared.spawn(resources(Arc::clone(shared), of_type));
    }
}

/// Starts the watches of routing objects of these types, unless they run.
pub(super) fn watch_targets(shared: &Arc<Shared>, types: BTreeSet<TypeId>) {
    for of_type in types {
        if shared.watched_targets.lock().insert(of_type) {
            shared.spawn(targets(Arc::clone(shared), of_type));
        }
    }
}

async fn routemaps(shared: Arc<Shared>) {
    let kind = ResourceKind { group: String::new(), version: "v1".to_owned(), resource: "configmaps".to_owned() };
    let labels = LABELS.map(|(label, value)| format!("{label}={value}")).join(",");
    let parse = {
        let shared = Arc::clone(&shared);
        move |object: DynamicObject| Some(parse(&shared, object))
    };
    let mut changes = std::pin::pin!(collection::<DynamicObject, _, _>(&shared, &kind, Some(&labels), parse));
    shared.metrics.watch_started(ROUTEMAPS);
    while let Some(change) = changes.next().await {
        routemaps_changed(&shared, change).await;
    }
}

/// Takes a change of the routemaps.
pub(super) async fn routemaps_changed(shared: &Arc<Shared>, change: Change<RoutemapObject>) {
    match change {
        Change::Listed(objects) => {
            shared.recovered(ROUTEMAPS);
            routemaps_listed(shared, objects).await;
        }
        Change::Missing(error) => {
            shared.missing(ROUTEMAPS, error);
            routemaps_listed(shared, Vec::new()).await;
        }
        Change::Applied(object) => shared.push(shared.index.routemap_applied(object)),
        Change::Deleted(object) => shared.push(shared.index.routemap_deleted(&object.key)),
        Change::Failed(error) => shared.failed(ROUTEMAPS, error),
        Change::Interrupted(interruption) => shared.interrupted(ROUTEMAPS, interruption),
    }
}

async fn routemaps_listed(shared: &Arc<Shared>, objects: Vec<RoutemapObject>) {
    let affected = shared.index.routemaps_listed(objects);
    let types = claims::claim_all(shared).await;
    watch_targets(shared, types);
    shared.push(affected);
}

async fn resources(shared: Arc<Shared>, of_type: TypeId) {
    let Some(resource_type) = shared.types.get(of_type).cloned() else { return };
    let kind = &resource_type.resource;
    let raw = |object: WatchedObject| Some(object.raw);
    let label = format!("{}={}", WATCH_LABEL.0, WATCH_LABEL.1);
    let mut changes = std::pin::pin!(collection::<WatchedObject, _, _>(&shared, kind, Some(&label), raw));
    shared.metrics.watch_started(&kind.to_string());
    while let Some(change) = changes.next().await {
        resources_changed(&shared, (of_type, &resource_type), change);
    }
}

/// Takes a change of the resources of a type.
pub(super) fn resources_changed(
    shared: &Shared,
    (of_type, resource_type): (TypeId, &ResourceType),
    change: Change<RawObject>,
) {
    let observed = |raw: RawObject| {
        let key = ObjectKey::new(&raw.metadata.namespace, &raw.metadata.name);
        let known = shared.index.resource(&ResourceKey { of_type, key });
        Observed::new(raw, resource_type, known.as_deref(), shared.now())
    };
    let what = resource_type.resource.to_string();
    match change {
        Change::Listed(objects) => {
            let objects = objects.into_iter().map(observed).collect();
            shared.recovered(&what);
            shared.push(shared.index.resources_listed(of_type, objects, Instant::now()));
            shared.listed.notify_waiters();
        }
        Change::Missing(error) => {
            shared.missing(&what, error);
            shared.push(shared.index.resources_listed(of_type, Vec::new(), Instant::now()));
        }
        Change::Applied(object) => shared.push(shared.index.resource_applied(of_type, observed(object))),
        Change::Deleted(object) => shared.push(shared.index.resource_deleted(of_type, &observed(object))),
        Change::Failed(error) => {
            shared.failed(&what, error);
            let routemaps = shared.index.resources_unreadable(of_type, Instant::now());
            shared.push(Affected { routemaps, ..Affected::default() });
        }
        Change::Interrupted(interruption) => shared.interrupted(&what, interruption),
    }
}

/// Returns true if an object with these labels is watched.
pub(super) fn is_watched(labels: &BTreeMap<String, String>) -> bool {
    labels.get(WATCH_LABEL.0).is_some_and(|value| value == WATCH_LABEL.1)
}

async fn targets(shared: Arc<Shared>, of_type: TypeId) {
    let Some(resource_type) = shared.types.get(of_type) else { return };
    let kind = &resource_type.resource;
    let what = routes_of(kind);
    let claimed = {
        let shared = Arc::clone(&shared);
        move |object: DynamicObject| {
            // Most objects of a type are not ours: they are dropped one by one, so that a list never has all of them in memory.
            let key = key_of(&object)?;
            shared.index.is_claimed(&ResourceKey { of_type, key }).then(|| live(object))?
        }
    };
    let mut changes = std::pin::pin!(collection::<DynamicObject, _, _>(&shared, kind, None, claimed));
    shared.metrics.watch_started(&what);
    while let Some(change) = changes.next().await {
        targets_changed(&shared, of_type, &what, change);
    }
}

/// Takes a change of the routing objects of a type.
pub(super) fn targets_changed(shared: &Shared, of_type: TypeId, what: &str, change: Change<(ObjectKey, Live)>) {
    let routemaps = match change {
        Change::Listed(objects) => {
            shared.recovered(what);
            shared.index.targets_listed(of_type, objects)
        }
        Change::Missing(error) => {
            shared.missing(what, error);
            shared.index.targets_listed(of_type, Vec::new())
        }
        Change::Applied((key, live)) => shared.index.target_applied(&ResourceKey { of_type, key }, live),
        Change::Deleted((key, live)) => shared.index.target_deleted(&ResourceKey { of_type, key }, &live),
        Change::Failed(error) => {
            let kind = error.kind;
            shared.failed(what, error);
            match kind {
                ClusterErrorKind::Forbidden => shared.index.targets_unreadable(of_type),
                _ => return,
            }
        }
        Change::Interrupted(interruption) => return shared.interrupted(what, interruption),
    };
    shared.push(Affected { routemaps, ..Affected::default() });
}

/// Reads a watched routing object.
pub(super) fn live(object: DynamicObject) -> Option<(ObjectKey, Live)> {
    Some((key_of(&object)?, Live::of(object)))
}

fn key_of(object: &DynamicObject) -> Option<ObjectKey> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    Some(ObjectKey::new(namespace, object.metadata.name.as_deref()?))
}

/// Streams the objects of a type in the controller's namespace, or in all.
fn collection<K, T, F>(
    shared: &Shared,
    kind: &ResourceKind,
    labels: Option<&str>,
    small: F,
) -> impl Stream<Item = Change<T>> + use<K, T, F>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
    T: Send + 'static,
    F: Fn(K) -> Option<T> + Send + 'static,
{
    let (client, resource) = (spaced(&shared.client), api_resource(kind));
    let namespace = shared.namespace.as_deref();
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    changes(api, labels, Operation::on_collection("watch", kind, namespace), small)
}

/// Reads a watched routemap ConfigMap.
pub(super) fn parse(shared: &Shared, object: DynamicObject) -> RoutemapObject {
    let metadata = object.metadata.clone();
    match object.try_parse::<ConfigMap>() {
        Ok(source) => parse_source(shared, &source),
        Err(error) => {
            let errors = InputError::new(FieldPath::root(), error.to_string()).into();
            routemap_object(&metadata, Err(errors))
        }
    }
}

/// Reads a routemap ConfigMap.
pub(super) fn parse_source(shared: &Shared, source: &ConfigMap) -> RoutemapObject {
    let parsed = Routemap::read(source, &shared.config).map(|routemap| {
        let resources = shared.types.resources(&routemap);
        (routemap, resources)
    });
    routemap_object(&source.metadata, parsed)
}

fn routemap_object(metadata: &ObjectMeta, parsed: Result<(Routemap, Vec<ResourceKey>), InputErrors>) -> RoutemapObject {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    RoutemapObject {
        key: ObjectKey::new(&text(&metadata.namespace), &text(&metadata.name)),
        uid: text(&metadata.uid).into(),
        resource_version: text(&metadata.resource_version).into(),
        parsed,
    }
}
