//! A rollout in steps, as the experiment document records it.
//!
//! The record is the state of the rollout: after a kill, the next run continues from it. It is saved before and after the traffic moves.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slo::Outcome;

/// A rollout in steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutRecord {
    /// Object whose traffic moves, such as `InferenceService iris`.
    pub target: String,
    /// Unique id of the object.
    pub uid: String,
    /// Version that had all the traffic at the start.
    pub stable: String,
    /// Version to promote.
    pub candidate: String,
    /// Phase.
    pub phase: RolloutPhase,
    /// Reason for the phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Percent that the object requested for the candidate when this run last set or read it; absent if it requested none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<i64>,
    /// Index of the current step, from 0.
    pub step: usize,
    /// Newest loop whose result was taken into account; 0 if there is none.
    pub judged_loop: u64,
    /// Start of the rollout.
    pub start: DateTime<Utc>,
    /// End of the rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime<Utc>>,
    /// Steps, in order. The promotion to 100 % that follows them is not one of them.
    pub steps: Vec<StepRecord>,
}

impl RolloutRecord {
    /// Returns the current step.
    pub fn current(&self) -> Option<&StepRecord> {
        self.steps.get(self.step)
    }

    /// Returns the multiple of the load in the values with which the current step is analyzed.
    pub(crate) fn times(&self) -> f64 {
        let step = self.current().filter(|_| self.phase == RolloutPhase::Progressing);
        step.and_then(|step| step.extension.as_ref()).map_or(1.0, Extension::times)
    }

    /// Returns true if the newest analysis of the current step was violated.
    pub fn is_violated(&self) -> bool {
        self.current().is_some_and(|step| step.outcome == Some(Outcome::Violated))
    }
}

/// Phase of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RolloutPhase {
    /// A step moves the traffic, or is analyzed.
    Progressing,
    /// Waits until a person resumes or aborts it.
    Paused,
    /// The steps have passed, and the candidate gets all the traffic.
    Promoting,
    /// The stable version gets all the traffic back.
    RollingBack,
    /// Ended: the candidate has all the traffic.
    Promoted,
    /// Ended: the stable version has all the traffic.
    RolledBack,
    /// Ended: the traffic stays as it is.
    Stopped,
}

impl RolloutPhase {
    /// All phases.
    const ALL: [Self; 7] = [
        Self::Progressing,
        Self::Paused,
        Self::Promoting,
        Self::RollingBack,
        Self::Promoted,
        Self::RolledBack,
        Self::Stopped,
    ];

    /// Returns the phase with this name, as it is displayed.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.to_string() == name)
    }

    /// Returns true if the rollout has ended.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Promoted | Self::RolledBack | Self::Stopped)
    }
}

impl fmt::Display for RolloutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Progressing => "progressing",
            Self::Paused => "paused",
            Self::Promoting => "being promoted",
            Self::RollingBack => "rolling back",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
            Self::Stopped => "stopped",
        })
    }
}

/// One step of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StepRecord {
    /// Percent of the traffic for the candidate.
    pub percent: u8,
    /// The rollout pauses after the step until a person resumes it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
    /// Start of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// First time at which the cluster showed the percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<DateTime<Utc>>,
    /// End of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime<Utc>>,
    /// Number of analyses; each is a loop of the experiment.
    pub analyses: u64,
    /// Result of the newest analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Reason for that result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Load of further analyses of the step, if an inconclusive one has asked for more requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<Extension>,
}

/// Load of an analysis that is repeated with more requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Extension {
    /// Requests of the version whose verdict needs the most.
    pub requests: u64,
    /// Multiple of the load in the values, from 1 to 1000000.
    pub times: f64,
    /// SLO of that verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
}

impl Extension {
    /// Longest extension.
    const MAX_TIMES: f64 = 1e6;

    /// Returns the multiple of the load, within its bounds: a document can be edited.
    pub(crate) fn times(&self) -> f64 {
        if self.times.is_finite() { self.times.clamp(1.0, Self::MAX_TIMES) } else { 1.0 }
    }
}

/// Load with which an inconclusive analysis is worth repeating.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum NextLoad {
    /// The same: nothing says how many more requests would decide.
    #[default]
    Same,
    /// A longer one.
    Longer(LongerLoad),
    /// None: the value of this objective is too close to its limit.
    Futile(String),
}

/// Load that is longer than that of the newest analysis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LongerLoad {
    /// Objective that needs the most requests.
    pub(crate) objective: String,
    /// Requests that it needs, of its version.
    pub(crate) requests: u64,
    /// Multiple of the load of the newest analysis.
    pub(crate) times: f64,
    /// Duration of that load.
    pub(crate) took: Duration,
}
