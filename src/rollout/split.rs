//! A split of traffic between a stable version and a candidate, as it is shown.

use serde::Serialize;

/// Versions of a target and their traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// Kind of the target, as in `kubectl get`: `InferenceService`.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Version that has had all the traffic.
    pub stable: Share,
    /// Version that a rollout would promote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Share>,
    /// Reasons why the traffic is not as requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Traffic of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Name of the version.
    pub version: String,
    /// Percent that the spec requests.
    pub requested: i64,
    /// Percent in the routes; `None` if there are none, or if they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<i64>,
    /// True if the version can take traffic.
    pub ready: bool,
}

impl Split {
    /// Describes the traffic of each version in one line.
    pub fn verdict(&self) -> String {
        let share = |share: &Share, role: &str| match share.percent {
            Some(percent) => format!("{percent} % to {} ({role})", share.version),
            None => format!("unknown traffic to {} ({role})", share.version),
        };
        let shares = self.candidate.iter().map(|candidate| share(candidate, "candidate"));
        let shares: Vec<String> = shares.chain([share(&self.stable, "stable")]).collect();
        format!("{}: {}", self.name, shares.join(", "))
    }
}
