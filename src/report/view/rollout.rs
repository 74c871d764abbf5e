//! Rollout in steps: its state, and the outcome of each step.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::duration::GoDuration;
use crate::model::readable::show;
use crate::model::rollout::{Extension, RolloutPhase, RolloutRecord, StepRecord};
use crate::model::slo::Outcome;
use crate::redact::redact_text;
use crate::report::show::thousands;
use crate::slo::rollout;

/// Maximum number of steps; a document with more is damaged or hostile.
const MAX_STEPS: usize = 100;

/// A rollout in steps.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutReport {
    /// Object whose traffic moves, such as `InferenceService iris`.
    pub target: String,
    /// Version that had all the traffic at the start.
    pub stable: String,
    /// Version to promote.
    pub candidate: String,
    pub phase: RolloutPhase,
    /// Reason for the phase.
    pub reason: Option<String>,
    /// State in one sentence, as `assert` and `run` end with.
    pub sentence: String,
    /// Start, RFC 3339.
    pub start: DateTime<Utc>,
    /// End, RFC 3339; `null` while it goes on.
    pub end: Option<DateTime<Utc>>,
    /// One entry per step, in order; the last one is the promotion or the rollback, if there is one.
    pub steps: Vec<StepReport>,
}

/// One step of a rollout.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// Percent of the traffic for the candidate.
    pub percent: u8,
    /// True if the rollout pauses after the step until a person resumes it.
    pub pause: bool,
    pub state: StepState,
    /// Result of the newest analysis.
    pub outcome: Option<Outcome>,
    /// Start, RFC 3339.
    pub start: Option<DateTime<Utc>>,
    /// First time at which the cluster showed the percent, RFC 3339.
    pub reached: Option<DateTime<Utc>>,
    /// End, RFC 3339.
    pub end: Option<DateTime<Utc>>,
    /// Time from the start until the cluster showed the percent, as Go writes it.
    pub split_after: Option<GoDuration>,
    /// The same in seconds.
    pub split_seconds: Option<f64>,
    /// Duration as Go writes it, pauses included.
    pub duration: Option<GoDuration>,
    /// Duration in seconds.
    pub seconds: Option<f64>,
    /// Number of analyses.
    pub analyses: u64,
    /// Reason for the outcome.
    pub reason: Option<String>,
    /// Load that an inconclusive analysis asked for.
    pub extension: Option<ExtensionReport>,
}

/// Load of further analyses of a step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionReport {
    /// Requests of the version whose verdict needs the most.
    pub requests: u64,
    /// Multiple of the load in the values.
    pub times: f64,
    /// Objective of that verdict; `null` if the document does not name it.
    pub objective: Option<String>,
}

impl ExtensionReport {
    fn of(extension: &Extension) -> Self {
        let objective = extension.objective.as_deref().map(redact_text);
        Self { requests: extension.requests, times: extension.times(), objective }
    }

    /// `asked for 4,100 requests, 2.5 times the load of the values, to decide http/error-rate`.
    fn text(&self) -> String {
        let why = self.objective.as_ref().map(|objective| format!(", to decide {objective}")).unwrap_or_default();
        let plural = if self.requests == 1 { "" } else { "s" };
        let (requests, times) = (thousands(self.requests), show(self.times));
        format!("asked for {requests} request{plural}, {times} times the load of the values{why}")
    }
}

/// State of a step in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepState {
    /// Not started yet.
    Planned,
    /// The traffic is about to move.
    Moving,
    /// The traffic has moved; the analysis is running or about to.
    Analyzing,
    /// Waits until a person resumes or aborts the rollout.
    Paused,
    /// The analysis was satisfied.
    Passed,
    /// The analysis was violated.
    Violated,
    /// The analysis decided nothing.
    Inconclusive,
    /// Ended before an analysis did.
    Unfinished,
    /// Never started: the rollout ended before.
    Skipped,
    /// The candidate is getting all the traffic.
    Promoting,
    /// The candidate has all the traffic.
    Promoted,
    /// The stable version is getting all the traffic back.
    RollingBack,
    /// The stable version has all the traffic.
    RolledBack,
}

impl StepState {
    /// Names the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Moving => "moving",
            Self::Analyzing => "analyzing",
            Self::Paused => "paused",
            Self::Passed => "passed",
            Self::Violated => "violated",
            Self::Inconclusive => "inconclusive",
            Self::Unfinished => "unfinished",
            Self::Skipped => "skipped",
            Self::Promoting => "promoting",
            Self::Promoted => "promoted",
            Self::RollingBack => "rolling back",
            Self::RolledBack => "rolled back",
        }
    }
}

impl StepReport {
    /// Returns true for the promotion and for the rollback, which follow the steps.
    pub fn is_final(&self) -> bool {
        use StepState::{Promoted, Promoting, RolledBack, RollingBack};
        matches!(self.state, Promoting | Promoted | RollingBack | RolledBack)
    }

    /// Returns the reason for the outcome, and the load that the step has asked for.
    pub fn reason_text(&self) -> Option<String> {
        let parts = [self.reason.clone(), self.extension.as_ref().map(ExtensionReport::text)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

pub(super) fn of(record: &RolloutRecord) -> RolloutReport {
    let planned = record.steps.iter().enumerate().take(MAX_STEPS);
    let steps = planned.map(|(index, planned)| step(record, index, planned));
    RolloutReport {
        target: redact_text(&record.target),
        stable: redact_text(&record.stable),
        candidate: redact_text(&record.candidate),
        phase: record.phase,
        reason: record.reason.as_deref().map(redact_text),
        sentence: redact_text(&rollout::sentence(record)),
        start: record.start,
        end: record.end,
        steps: steps.chain(last_move(record)).collect(),
    }
}

fn step(record: &RolloutRecord, index: usize, step: &StepRecord) -> StepReport {
    let (split_after, duration) = (between(step.start, step.reached), between(step.start, step.end));
    StepReport {
        // A higher percent means a damaged document.
        percent: step.percent.min(100),
        pause: step.pause,
        state: state(record, index, step),
        outcome: step.outcome,
        start: step.start,
        reached: step.reached,
        end: step.end,
        split_after,
        split_seconds: split_after.map(seconds),
        duration,
        seconds: duration.map(seconds),
        analyses: step.analyses,
        reason: step.reason.as_deref().map(redact_text),
        extension: step.extension.as_ref().map(ExtensionReport::of),
    }
}

fn state(record: &RolloutRecord, index: usize, step: &StepRecord) -> StepState {
    let goes_on = matches!(record.phase, RolloutPhase::Progressing | RolloutPhase::Paused);
    match (record.phase, step.outcome) {
        _ if step.start.is_none() && goes_on => StepState::Planned,
        _ if step.start.is_none() => StepState::Skipped,
        (RolloutPhase::Paused, _) if index == record.step => StepState::Paused,
        (RolloutPhase::Progressing, _) if index == record.step && step.reached.is_none() => StepState::Moving,
        (RolloutPhase::Progressing, _) if index == record.step => StepState::Analyzing,
        (_, Some(Outcome::Satisfied)) => StepState::Passed,
        (_, Some(Outcome::Violated)) => StepState::Violated,
        (_, Some(Outcome::Inconclusive)) => StepState::Inconclusive,
        (_, None) => StepState::Unfinished,
    }
}

/// Reports the promotion or the rollback, if there is one. It starts when the last analyzed step ends.
fn last_move(record: &RolloutRecord) -> Option<StepReport> {
    let (percent, state) = match record.phase {
        RolloutPhase::Promoting => (100, StepState::Promoting),
        RolloutPhase::Promoted => (100, StepState::Promoted),
        RolloutPhase::RollingBack => (0, StepState::RollingBack),
        RolloutPhase::RolledBack => (0, StepState::RolledBack),
        RolloutPhase::Progressing | RolloutPhase::Paused | RolloutPhase::Stopped => return None,
    };
    let before = if percent == 100 { record.steps.last() } else { record.current() };
    let start = before.and_then(|step| step.end);
    let duration = between(start, record.end);
    Some(StepReport {
        percent,
        pause: false,
        state,
        outcome: None,
        start,
        reached: record.end,
        end: record.end,
        split_after: duration,
        split_seconds: duration.map(seconds),
        duration,
        seconds: duration.map(seconds),
        analyses: 0,
        reason: record.reason.as_deref().map(redact_text),
        extension: None,
    })
}

/// Returns the time from `start` to `end` in milliseconds; none if a clock was set back in between.
fn between(start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Option<GoDuration> {
    let millis = end?.signed_duration_since(start?).num_milliseconds();
    u64::try_from(millis).ok().map(|millis| GoDuration(Duration::from_millis(millis)))
}

fn seconds(duration: GoDuration) -> f64 {
    duration.0.as_secs_f64()
}
