//! A watched object of any resource type: as much of it as decisions need.

use std::borrow::Cow;

use kube::Resource;
use kube::api::{ApiResource, ObjectMeta};
use kube::core::DynamicResourceScope;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::routing::RawObject;

/// An object as it arrives from a watch. Its status may have any form, so that one strange object never ends a watch.
#[derive(Clone, Debug)]
pub(super) struct WatchedObject {
    /// Name, namespace, uid and resource version; the watcher needs them.
    metadata: ObjectMeta,
    pub(super) raw: RawObject,
}

impl<'de> Deserialize<'de> for WatchedObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let raw = RawObject::deserialize(value).unwrap_or_default();
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let metadata = ObjectMeta {
            name: given(&raw.metadata.name),
            namespace: given(&raw.metadata.namespace),
            uid: given(&raw.metadata.uid),
            resource_version: given(&raw.metadata.resource_version),
            ..ObjectMeta::default()
        };
        Ok(Self { metadata, raw })
    }
}

impl Resource for WatchedObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.kind)
    }

    fn group(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.group)
    }

    fn version(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.version)
    }

    fn plural(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.plural)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
