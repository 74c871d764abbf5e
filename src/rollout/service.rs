//! State of an InferenceService: its revisions, their traffic, and its conditions.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::managers;
use super::mode::Mode;
use crate::model::text::{one_line, truncate};

/// Annotation that makes Knative route by tags.
pub(super) const TAG_ROUTING: &str = "serving.kserve.io/enable-tag-routing";

/// Annotation that stops an InferenceService.
const STOP: &str = "serving.kserve.io/stop";

/// Annotation with which KServe ignores changes of an object that is ready.
const DISABLE_AUTO_UPDATE: &str = "serving.kserve.io/disable-auto-update";

/// Longest text of a condition that is kept, in characters.
const MAX_TEXT: usize = 300;

/// Maximum number of entries of traffic and conditions that are read: others write the status.
const MAX_ENTRIES: usize = 100;

/// State of an InferenceService, as far as a rollout of its predictor needs it. A field of a wrong type counts as absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Deployment mode.
    pub mode: Mode,
    /// Percent in `spec.predictor.canaryTrafficPercent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_traffic_percent: Option<i64>,
    /// Newest revision, ready or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_created_revision: Option<String>,
    /// Newest revision that is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_ready_revision: Option<String>,
    /// Last revision that had all the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_rolledout_revision: Option<String>,
    /// Revision that had all the traffic before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_rolledout_revision: Option<String>,
    /// Traffic of revisions, in the order of the status.
    pub traffic: Vec<Traffic>,
    /// True if the revisions have URLs of their own.
    pub tag_routing: bool,
    /// Conditions, in the order of the status.
    pub conditions: Vec<Condition>,
    /// Reason for which KServe would not act on a change, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halted: Option<String>,
    /// Other field managers of the percent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percent_managers: Vec<String>,
    /// Components besides the predictor, whose traffic is split separately.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_components: Vec<Component>,
    /// Time of creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
    /// Other field managers of `spec.canary`.
    #[serde(skip)]
    pub canary_managers: Vec<String>,
    /// True if KServe has not written the status since the spec was changed.
    #[serde(skip)]
    pub is_status_behind: bool,
    /// Version of the object.
    #[serde(skip)]
    pub resource_version: String,
    /// Generation of its spec.
    #[serde(skip)]
    pub generation: i64,
    /// Unique id.
    #[serde(skip)]
    pub uid: String,
}

/// Traffic of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Revision.
    pub revision: String,
    /// Percent.
    pub percent: i64,
    /// True if the entry follows the newest revision that is ready.
    pub latest: bool,
    /// Tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// URL of the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A component besides the predictor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Name: `transformer` or `explainer`.
    pub name: String,
    /// Percent in its spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_traffic_percent: Option<i64>,
    /// Traffic of its revisions, in the order of the status.
    pub traffic: Vec<Traffic>,
}

/// A condition of the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Type.
    #[serde(rename = "type")]
    pub name: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Service {
    /// Reads an InferenceService.
    pub fn of(object: &Value) -> Self {
        let (metadata, spec) = (&object["metadata"], &object["spec"]);
        let predictor = &object["status"]["components"]["predictor"];
        let annotation = |name: &str| metadata["annotations"][name].as_str();
        Self {
            namespace: text(&metadata["namespace"]).unwrap_or_default(),
            name: text(&metadata["name"]).unwrap_or_default(),
            url: text(&object["status"]["url"]),
            mode: Mode::of(object),
            canary_traffic_percent: spec["predictor"]["canaryTrafficPercent"].as_i64(),
            latest_created_revision: text(&predictor["latestCreatedRevision"]),
            latest_ready_revision: text(&predictor["latestReadyRevision"]),
            latest_rolledout_revision: text(&predictor["latestRolledoutRevision"]),
            previous_rolledout_revision: text(&predictor["previousRolledoutRevision"]),
            traffic: items(&predictor["traffic"]).filter_map(Traffic::of).collect(),
            tag_routing: annotation(TAG_ROUTING) == Some("true"),
            conditions: items(&object["status"]["conditions"]).filter_map(Condition::of).collect(),
            halted: halted(metadata, annotation),
            percent_managers: managers::others(metadata, &["spec", "predictor", "canaryTrafficPercent"]),
            canary_managers: managers::others(metadata, &["spec", "canary"]),
            is_status_behind: managers::is_status_behind(metadata),
            other_components: ["transformer", "explainer"]
                .iter()
                .filter_map(|name| Component::of(object, name))
                .collect(),
            created: metadata["creationTimestamp"].as_str().and_then(|time| time.parse().ok()),
            resource_version: text(&metadata["resourceVersion"]).unwrap_or_default(),
            generation: metadata["generation"].as_i64().unwrap_or_default(),
            uid: text(&metadata["uid"]).unwrap_or_default(),
        }
    }

    /// Returns the candidate: the newest revision, if it has never had all the traffic.
    pub fn candidate(&self) -> Option<&str> {
        self.latest_created_revision
            .as_deref()
            .filter(|created| Some(*created) != self.latest_rolledout_revision.as_deref())
    }

    /// Returns the percent of a revision: the sum of its entries, because Knative may have several while it shifts traffic gradually.
    pub fn percent_of(&self, revision: &str) -> i64 {
        self.traffic.iter().filter(|entry| entry.revision == revision).map(|entry| entry.percent).sum()
    }

    /// Returns the reason why the newest revision is not ready; `None` if it is.
    pub fn unready(&self) -> Option<String> {
        let created = self.latest_created_revision.as_deref()?;
        if self.latest_ready_revision.as_deref() == Some(created) {
            return None;
        }
        let reason = self.untrue(&["PredictorReady", "PredictorConfigurationReady", "LatestDeploymentReady", "Ready"]);
        Some(format!("revision {created} is not ready: {}", reason.unwrap_or_else(|| "it is starting".to_owned())))
    }

    /// Describes the first of these conditions that is not true.
    pub(super) fn untrue(&self, names: &[&str]) -> Option<String> {
        let found = |name: &&str| {
            self.conditions.iter().find(|condition| condition.name == **name && condition.status != "True")
        };
        names.iter().find_map(found).map(Condition::describe)
    }

    /// Returns the status of a condition; `Unknown` if there is none.
    pub fn condition(&self, name: &str) -> &str {
        self.conditions.iter().find(|condition| condition.name == name).map_or("Unknown", |condition| &condition.status)
    }
}

/// Returns the reason for which KServe would not act on a change.
fn halted<'a>(metadata: &Value, annotation: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    if !metadata["deletionTimestamp"].is_null() {
        return Some("it is being deleted".to_owned());
    }
    [STOP, DISABLE_AUTO_UPDATE]
        .into_iter()
        .find(|name| annotation(name) == Some("true"))
        .map(|name| format!("it has the annotation {name}"))
}

impl Component {
    /// Reads a component, if the spec has it.
    fn of(object: &Value, name: &str) -> Option<Self> {
        let spec = Some(&object["spec"][name]).filter(|spec| !spec.is_null())?;
        Some(Self {
            name: name.to_owned(),
            canary_traffic_percent: spec["canaryTrafficPercent"].as_i64(),
            traffic: items(&object["status"]["components"][name]["traffic"]).filter_map(Traffic::of).collect(),
        })
    }
}

impl Traffic {
    fn of(entry: &Value) -> Option<Self> {
        Some(Self {
            revision: text(&entry["revisionName"])?,
            percent: entry["percent"].as_i64().unwrap_or_default(),
            latest: entry["latestRevision"] == true,
            tag: text(&entry["tag"]),
            url: text(&entry["url"]),
        })
    }
}

impl Condition {
    fn of(condition: &Value) -> Option<Self> {
        Some(Self {
            name: text(&condition["type"])?,
            status: text(&condition["status"])?,
            reason: text(&condition["reason"]),
            message: text(&condition["message"]),
        })
    }

    fn describe(&self) -> String {
        let details: Vec<&str> = [&self.reason, &self.message].into_iter().flatten().map(String::as_str).collect();
        match details.is_empty() {
            true => format!("{} is {}", self.name, self.status),
            false => format!("{} is {} ({})", self.name, self.status, details.join(": ")),
        }
    }
}

/// Reads a string that is not empty, truncated to [`MAX_TEXT`].
fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(|text| one_line(&truncate(text, MAX_TEXT)))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten().take(MAX_ENTRIES)
}
