//! The live state of a routing object, and its comparison with the desired one.
//!
//! Nothing is written if the live object already has all desired fields, so neither a restart nor a resync writes to a cluster that is as it
//! should be. Fields of others do not count. Fields that we applied earlier and that are no longer desired do: the API server records our
//! fields in `metadata.managedFields`.
//!
//! The API server rewrites what it is sent: it adds defaults, drops nulls and converts quantities. After an apply, the object is compared
//! with the result of that apply, not with the template's output.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use kube::api::DynamicObject;
use serde_json::{Map, Value};

use crate::adapters::kubernetes::MANAGER;
use crate::routing::drift;

/// Parts of a live object that are compared, in compact form: a controller keeps one per routing object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    resource_version: Box<str>,
    pub(super) uid: Box<str>,
    /// Time of our last change.
    pub(super) applied_at: Option<DateTime<Utc>>,
    /// The object as JSON, without `managedFields` and `status`.
    body: Box<[u8]>,
    /// `fieldsV1` of our field manager, as JSON; empty if we own nothing.
    owned: Box<[u8]>,
}

impl Live {
    pub(super) fn of(mut object: DynamicObject) -> Self {
        let managed = object.metadata.managed_fields.take().unwrap_or_default();
        let ours = managed.into_iter().find(|entry| {
            entry.manager.as_deref() == Some(MANAGER)
                && entry.operation.as_deref() == Some("Apply")
                && entry.subresource.as_deref().unwrap_or_default().is_empty()
        });
        let applied_at = ours
            .as_ref()
            .and_then(|entry| entry.time.as_ref())
            .and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
        let owned = ours.and_then(|entry| entry.fields_v1).map(|fields| to_json(&fields.0)).unwrap_or_default();
        let resource_version = object.metadata.resource_version.clone().unwrap_or_default().into();
        let uid = object.metadata.uid.clone().unwrap_or_default().into();
        if let Some(data) = object.data.as_object_mut() {
            data.remove("status");
        }
        Self { resource_version, uid, applied_at, body: to_json(&object), owned }
    }

    /// Returns the object, without `managedFields` and `status`.
    pub(super) fn object(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns a field that may differ from `desired`; `None` if an apply would change nothing. For objects whose last apply is
    /// unknown, so it has to guess what the API server makes of `desired`.
    pub(super) fn difference(&self, desired: &Value) -> Option<String> {
        let (desired, live) = (drift::without_server_fields(desired.clone()), self.object());
        let difference = drift::difference(&desired, &live).map(|field| field.to_string());
        let difference = difference.or_else(|| self.undesired_field(&desired));
        difference.or_else(|| drift::addition(&desired, &live).map(|field| field.to_string()))
    }

    /// Returns a digest of the fields that `desired` has. It changes only with them, so the digest of the result of an apply detects drift
    /// whatever the API server made of `desired`.
    pub(super) fn digest(&self, desired: &Value) -> u64 {
        hash(&self.projection(desired))
    }

    /// Returns the first field of `desired` that changed since this state.
    pub(super) fn change(&self, after: &Self, desired: &Value) -> Option<String> {
        drift::change(&self.projection(desired), &after.projection(desired)).map(|field| field.to_string())
    }

    /// Returns the first field that changed since this state, except for those that the API server sets.
    pub(super) fn any_change(&self, after: &Self) -> Option<String> {
        let [before, after] = [self, after].map(|live| drift::without_server_fields(live.object()));
        drift::change(&before, &after).map(|field| field.to_string())
    }

    fn projection(&self, desired: &Value) -> Value {
        drift::projection(&drift::without_server_fields(desired.clone()), &self.object())
    }

    /// Returns true if both are the same version of the object.
    pub(super) fn is_same_version(&self, other: &Self) -> bool {
        self.resource_version == other.resource_version
    }

    /// Returns true if this state is older than `other`. Resource versions are integers that grow.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        match (self.resource_version.parse::<u128>(), other.resource_version.parse::<u128>()) {
            (Ok(ours), Ok(theirs)) => ours < theirs,
            _ => false,
        }
    }

    /// Returns the first field that we own and that is not in `desired`.
    fn undesired_field(&self, desired: &Value) -> Option<String> {
        match serde_json::from_slice(&self.owned) {
            Ok(Value::Object(fields)) => undesired_field(&fields, desired),
            _ => None,
        }
    }
}

/// Hashes an object.
pub(super) fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

fn to_json(value: &impl serde::Serialize) -> Box<[u8]> {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Walks a field set of `managedFields`: keys are `f:NAME` for a field, `.` for the object itself, and `k:…` or `v:…` for items of
/// keyed lists, which replace each other and are not followed.
fn undesired_field(fields: &Map<String, Value>, desired: &Value) -> Option<String> {
    fields.iter().find_map(|(key, below)| {
        let name = key.strip_prefix("f:")?;
        let Some(desired) = desired.get(name) else { return Some(name.to_owned()) };
        let field = undesired_field(below.as_object()?, desired)?;
        Some(format!("{name}.{field}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(resource_version: &str, owned: &Value) -> Live {
        let object = json!({
            "apiVersion": "networking.istio.io/v1beta1",
            "kind": "VirtualService",
            "metadata": {
                "name": "wisdom",
                "namespace": "models",
                "resourceVersion": resource_version,
                "labels": {"team": "search"},
                "managedFields": [
                    {"manager": "kubectl", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:gone": {}}}},
                    {"manager": "iter8", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": owned},
                ],
            },
            "spec": {"hosts": ["wisdom"], "http": [{"route": [{"destination": {"host": "a"}, "weight": 80}]}]},
            "status": {"observed": 1},
        });
        Live::of(serde_json::from_value(object).unwrap())
    }

    fn desired(spec: &Value) -> Value {
        json!({
            "apiVersion": "networking.istio.io/v1beta1",
            "kind": "VirtualService",
            "metadata": {"name": "wisdom"},
            "spec": spec,
        })
    }

    #[test]
    fn fields_of_others_do_not_count() {
        let live = live("7", &json!({"f:spec": {"f:hosts": {}}}));
        assert_eq!(live.difference(&desired(&json!({"hosts": ["wisdom"]}))), None);
        assert_eq!(live.difference(&desired(&json!({"hosts": ["other"]}))).as_deref(), Some("spec.hosts[0]"));
    }

    #[test]
    fn fields_that_are_no_longer_desired_are_found() {
        let live = live("7", &json!({"f:metadata": {"f:labels": {".": {}, "f:team": {}}}, "f:spec": {"f:hosts": {}}}));
        assert_eq!(live.difference(&desired(&json!({"hosts": ["wisdom"]}))).as_deref(), Some("metadata.labels"));
        let mut with_label = desired(&json!({"hosts": ["wisdom"]}));
        with_label["metadata"]["labels"] = json!({"team": "search"});
        assert_eq!(live.difference(&with_label), None);
    }

    #[test]
    fn additions_to_items_of_lists_may_be_changes() {
        let live = live("7", &json!({"f:spec": {"f:hosts": {}, "f:http": {}}}));
        let mut desired = desired(&json!({"hosts": ["wisdom"], "http": [{"route": [{"destination": {"host": "a"}}]}]}));
        assert_eq!(live.difference(&desired).as_deref(), Some("spec.http[0].route[0].weight"));
        desired["spec"]["http"][0]["route"][0]["weight"] = json!(80);
        assert_eq!(live.difference(&desired), None);
    }

    #[test]
    fn fields_that_the_api_server_sets_are_no_difference() {
        let live = live("7", &json!({"f:spec": {"f:hosts": {}}}));
        let mut desired = desired(&json!({"hosts": ["wisdom"], "gateways": [], "tls": null}));
        desired["apiVersion"] = json!("networking.istio.io/v1");
        desired["metadata"]["creationTimestamp"] = json!(null);
        desired["status"] = json!({"conditions": []});
        assert_eq!(live.difference(&desired), None);
    }

    #[test]
    fn digests_change_with_the_desired_fields_alone() {
        let changed = |path: &str, value: Value| {
            let mut object = live("7", &json!({})).object();
            *object.pointer_mut(path).unwrap() = value;
            Live::of(serde_json::from_value(object).unwrap())
        };
        let before = live("7", &json!({}));
        let mut desired = desired(&json!({"http": [{"route": [{"destination": {"host": "a"}}]}], "tls": null}));
        desired["metadata"]["creationTimestamp"] = json!(null);
        for (path, value) in [
            ("/metadata/labels", json!({"other": "label"})),
            ("/metadata/resourceVersion", json!("8")),
            ("/apiVersion", json!("networking.istio.io/v1")),
            ("/kind", json!("")),
            ("/spec/hosts", json!([])),
        ] {
            let after = changed(path, value);
            assert_eq!(before.digest(&desired), after.digest(&desired), "{path}");
            assert_eq!(before.change(&after, &desired), None, "{path}");
        }
        // A default inside of a list is a part of our list.
        let after = changed("/spec/http/0/route/0/weight", json!(81));
        assert_ne!(before.digest(&desired), after.digest(&desired));
        assert_eq!(before.change(&after, &desired).as_deref(), Some("spec.http[0].route[0].weight"));
    }

    #[test]
    fn changes_of_any_field_are_seen_but_for_those_of_the_api_server() {
        let before = live("7", &json!({}));
        let mut object = before.object();
        object["metadata"]["resourceVersion"] = json!("8");
        object["metadata"]["generation"] = json!(2);
        let after = |object: &Value| Live::of(serde_json::from_value(object.clone()).unwrap());
        assert_eq!(before.any_change(&after(&object)), None);
        object["metadata"]["labels"] = json!({});
        assert_eq!(before.any_change(&after(&object)).as_deref(), Some("metadata.labels.team"));
    }

    #[test]
    fn states_are_ordered_by_resource_version() {
        let (older, newer) = (live("99", &json!({})), live("100", &json!({})));
        assert!(older.is_older_than(&newer));
        assert!(!newer.is_older_than(&older) && !older.is_older_than(&older));
        assert!(!live("x", &json!({})).is_older_than(&newer), "an unknown format");
    }
}
