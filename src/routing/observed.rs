//! State of an observed object: only what decisions need, because a controller keeps thousands of them.
//!
//! A custom resource may have any status. A field of a wrong type counts as absent, so that one strange object never ends a watch.

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::config::{Condition as Wanted, ResourceType};
use super::weights::Annotated;
use crate::model::text::truncate;

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
    /// Unique id; another one is another object of the same name.
    pub uid: Box<str>,
    /// Version of the object.
    pub resource_version: Box<str>,
    /// Generation of its spec.
    pub generation: Option<i64>,
    /// Generation that its status is about.
    pub observed_generation: Option<i64>,
    /// True if it has a deletion timestamp.
    pub is_being_deleted: bool,
    /// Finalizers, in their order.
    pub finalizers: Box<[Box<str>]>,
    /// True if it has the label `iter8.tools/watch: "true"`.
    pub is_watched: bool,
    /// Weight in its annotation `iter8.tools/weight`.
    pub weight: Option<Annotated>,
    /// Conditions that its resource type asks for, as far as it has them.
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
        Self {
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
        }
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
    let status = truncate(status, MAX_STATUS);
    Some(Condition {
        lost_at: lost_at(&status),
        name: wanted.name.clone(),
        status: status.into(),
        observed_generation: raw.observed_generation,
        since: raw.last_transition_time,
    })
}
