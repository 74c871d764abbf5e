//! State of an observed object: only what decisions need, because a controller keeps thousands of them.
//!
//! A custom resource may have any status. A field of a wrong type counts as absent, so that one strange object never ends a watch.

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::config::{Condition as Wanted, ResourceType};
use super::weights::Annotated;
use crate::model::text::{one_line, truncate};

/// Longest status of a condition that is kept, in characters. Real ones are `True`, `False` and `Unknown`.
const MAX_STATUS: usize = 32;

/// An object as the API server sends it. Reading one never fails for the types of its fields.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct RawObject {
    /// Metadata of the object.
    #[serde(default, deserialize_with = "lenient")]
    pub metadata: RawMetadata,
    #[serde(default, deserialize_with = "lenient")]
    status: RawStatus,
}

/// Metadata of an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawMetadata {
    /// Name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Box<str>,
    /// Namespace; empty for objects without one.
    #[serde(default, deserialize_with = "lenient")]
    pub namespace: Box<str>,
    /// Unique id.
    #[serde(default, deserialize_with = "lenient")]
    pub uid: Box<str>,
    /// Version of the object.
    #[serde(default, deserialize_with = "lenient")]
    pub resource_version: Box<str>,
    #[serde(default, deserialize_with = "lenient")]
    generation: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    deletion_timestamp: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient_list")]
    finalizers: Vec<Box<str>>,
    #[serde(default, deserialize_with = "lenient")]
    labels: RawLabels,
    #[serde(default, deserialize_with = "lenient")]
    annotations: RawAnnotations,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct RawLabels {
    #[serde(default, rename = "iter8.tools/watch", deserialize_with = "lenient")]
    watch: Box<str>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct RawAnnotations {
    #[serde(default, rename = "iter8.tools/weight", deserialize_with = "lenient")]
    weight: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus {
    #[serde(default, deserialize_with = "lenient")]
    observed_generation: Option<i64>,
    #[serde(default, deserialize_with = "lenient_list")]
    conditions: Vec<RawCondition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCondition {
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    name: Box<str>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Box<str>>,
    #[serde(default, deserialize_with = "lenient")]
    observed_generation: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    last_transition_time: Option<DateTime<Utc>>,
}

/// Reads a value; one of a wrong type is the default.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// Reads a list without its items of a wrong type.
fn lenient_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let Value::Array(items) = Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    Ok(items.into_iter().filter_map(|item| T::deserialize(item).ok()).collect())
}

/// State of an observed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Name.
    pub name: Box<str>,
    /// Namespace.
    pub namespace: Box<str>,
    /// Unique id. A new object of the same name has another one.
    pub uid: Box<str>,
    /// Version of the object.
    pub resource_version: Box<str>,
    /// Generation of its spec.
    pub generation: Option<i64>,
    /// Generation that its status is about.
    pub observed_generation: Option<i64>,
    /// Time at which its status was seen to fall behind its generation; `None` if it is not behind, or was never seen up to date.
    pub behind_since: Option<DateTime<Utc>>,
    /// True if it has a deletion timestamp.
    pub is_being_deleted: bool,
    /// Finalizers, in their order.
    pub finalizers: Box<[Box<str>]>,
    /// True if it has the label `iter8.tools/watch: "true"`.
    pub is_watched: bool,
    /// Weight in its annotation `iter8.tools/weight`.
    pub weight: Option<Annotated>,
    /// Those conditions of its resource type that it has.
    pub conditions: Box<[Condition]>,
}

/// A condition of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Type, in the spelling of the configuration.
    pub name: Box<str>,
    /// Status.
    pub status: Box<str>,
    /// Generation that the condition is about.
    pub observed_generation: Option<i64>,
    /// Time of the last change of its status, as its controller says.
    pub since: Option<DateTime<Utc>>,
    /// Time at which it was observed to change from the wanted status to `Unknown`, while it is `Unknown`.
    pub lost_at: Option<DateTime<Utc>>,
}

impl Observed {
    /// Extracts the state of an object. `previous` is the last observed state of that name, if there is one, and `now` the time of the
    /// observation.
    pub fn new(raw: RawObject, kind: &ResourceType, previous: Option<&Self>, now: DateTime<Utc>) -> Self {
        let RawObject { metadata, status } = raw;
        let previous = previous.filter(|previous| previous.uid == metadata.uid);
        let condition = |wanted: &Wanted| {
            let lost = |status: &str| previous.and_then(|previous| previous.lost_at(wanted, status, now));
            condition(&status.conditions, wanted, lost)
        };
        let mut observed = Self {
            behind_since: None,
            conditions: kind.conditions.iter().filter_map(condition).collect(),
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            observed_generation: status.observed_generation,
            is_being_deleted: metadata.deletion_timestamp.is_some(),
            finalizers: metadata.finalizers.into(),
            is_watched: &*metadata.labels.watch == "true",
            weight: metadata.annotations.weight.map(|text| Annotated::parse(&text)),
        };
        observed.behind_since = match previous.filter(|_| observed.is_behind()) {
            Some(previous) if previous.is_behind() => previous.behind_since,
            Some(_) => Some(now),
            None => None,
        };
        observed
    }

    /// Returns true if the status, or one of its conditions, is about an earlier generation.
    fn is_behind(&self) -> bool {
        let of_conditions = self.conditions.iter().filter_map(|condition| condition.observed_generation);
        let mut observed = of_conditions.chain(self.observed_generation);
        self.generation.is_some_and(|generation| observed.any(|observed| observed < generation))
    }

    /// Returns the condition of this type.
    pub(super) fn condition(&self, name: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.name.eq_ignore_ascii_case(name))
    }

    /// Returns the time at which the condition was lost, if its status is `Unknown` now.
    fn lost_at(&self, wanted: &Wanted, status: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let before = self.condition(&wanted.name).filter(|_| status.eq_ignore_ascii_case("Unknown"))?;
        if before.status.eq_ignore_ascii_case(&wanted.status) { Some(now) } else { before.lost_at }
    }
}

/// Finds a condition. As in `kubectl wait`, an entry without a status does not count.
fn condition(
    conditions: &[RawCondition],
    wanted: &Wanted,
    lost_at: impl Fn(&str) -> Option<DateTime<Utc>>,
) -> Option<Condition> {
    let of_name = conditions.iter().filter(|condition| condition.name.eq_ignore_ascii_case(&wanted.name));
    let (raw, status) = of_name.filter_map(|raw| Some((raw, raw.status.as_deref()?))).next()?;
    let status = one_line(&truncate(status, MAX_STATUS));
    Some(Condition {
        lost_at: lost_at(&status),
        name: wanted.name.clone(),
        status: status.into(),
        observed_generation: raw.observed_generation,
        since: raw.last_transition_time,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::object::ResourceKind;

    fn kind() -> ResourceType {
        let resource = ResourceKind { group: "g".into(), version: "v1".into(), resource: "things".into() };
        let conditions = vec![Wanted { name: "Ready".into(), status: "True".into() }];
        ResourceType { resource, kind: None, conditions }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn observe(object: Value, previous: Option<&Observed>, seconds: i64) -> Observed {
        Observed::new(serde_json::from_value(object).unwrap(), &kind(), previous, at(seconds))
    }

    #[test]
    fn only_what_decisions_need_is_kept() {
        let observed = observe(
            json!({
                "apiVersion": "g/v1", "kind": "Thing", "spec": {"large": "x"},
                "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 2, "managedFields": [{}],
                    "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["f", "g"],
                    "labels": {"iter8.tools/watch": "true", "x": "y"}, "annotations": {"iter8.tools/weight": "5"}},
                "status": {"observedGeneration": 1, "conditions": [
                    {"type": "Other", "status": "True"},
                    {"type": "ready"},
                    {"type": "ready", "status": "true", "observedGeneration": 2, "lastTransitionTime": "1970-01-01T00:00:09Z"}]},
            }),
            None,
            10,
        );
        let condition = Condition {
            name: "Ready".into(),
            status: "true".into(),
            observed_generation: Some(2),
            since: Some(at(9)),
            lost_at: None,
        };
        let expected = Observed {
            name: "a".into(),
            namespace: "n".into(),
            uid: "u".into(),
            resource_version: "7".into(),
            generation: Some(2),
            observed_generation: Some(1),
            behind_since: None,
            is_being_deleted: true,
            finalizers: ["f".into(), "g".into()].into(),
            is_watched: true,
            weight: Some(Annotated::Weight(5)),
            conditions: [condition].into(),
        };
        assert_eq!(observed, expected);
    }

    #[test]
    fn fields_of_wrong_types_count_as_absent() {
        for object in [
            json!({}),
            json!({"metadata": [], "status": 5}),
            json!({"metadata": {"name": 5, "generation": "2", "finalizers": {}, "labels": [], "annotations": {"iter8.tools/weight": 5}},
                   "status": {"observedGeneration": 1.5, "conditions": {"type": "Ready"}}}),
            json!({"metadata": null, "status": {"conditions": [null, 5, "x", [], {"type": ["Ready"]}, {"type": "Ready", "status": true}]}}),
        ] {
            let observed = observe(object.clone(), None, 0);
            assert_eq!((&*observed.name, observed.generation, observed.conditions.len()), ("", None, 0), "{object}");
            assert!(!observed.is_being_deleted && observed.weight.is_none(), "{object}");
        }
        // A deletion timestamp of a wrong type still counts.
        assert!(observe(json!({"metadata": {"deletionTimestamp": 5}}), None, 0).is_being_deleted);
    }

    #[test]
    fn behind_since_is_the_time_of_the_first_state_that_is_behind() {
        let object = |uid: &str, generation: i64, observed: i64| json!({"metadata": {"uid": uid, "generation": generation}, "status": {"observedGeneration": observed}});
        let mut last = None;
        for (seconds, uid, generation, observed, since) in [
            (1, "a", 2, 1, None),
            (2, "a", 2, 2, None),
            (3, "a", 3, 2, Some(3)),
            (4, "a", 4, 2, Some(3)),
            (5, "a", 4, 4, None),
            (6, "a", 5, 4, Some(6)),
            (7, "b", 2, 1, None),
        ] {
            let observed = observe(object(uid, generation, observed), last.as_ref(), seconds);
            assert_eq!(observed.behind_since, since.map(at), "at {seconds}");
            last = Some(observed);
        }
    }

    #[test]
    fn the_first_loss_of_a_condition_counts_until_it_is_satisfied_again() {
        let object = |uid: &str, status: &str| json!({"metadata": {"uid": uid}, "status": {"conditions": [{"type": "Ready", "status": status}]}});
        let mut last = None;
        for (seconds, uid, status, lost_at) in [
            (1, "a", "Unknown", None),
            (2, "a", "True", None),
            (3, "a", "Unknown", Some(3)),
            (4, "a", "unknown", Some(3)),
            (5, "a", "True", None),
            (6, "a", "Unknown", Some(6)),
            (7, "a", "False", None),
            (8, "a", "Unknown", None),
            (9, "a", "True", None),
            (10, "b", "Unknown", None),
        ] {
            let observed = observe(object(uid, status), last.as_ref(), seconds);
            assert_eq!(observed.conditions[0].lost_at, lost_at.map(at), "at {seconds}");
            last = Some(observed);
        }
    }
}
