//! Rollouts in steps: the state machine that decides, from the record of a rollout and the result of an analysis, what comes next.
//!
//! ```text
//!             ┌── next step ──┐                        ┌─► Promoting ──► Promoted
//! begin ─► Progressing ──► judged ── satisfied, last ──┤
//!             ▲     ▲         ├── violated ────────────┼─► RollingBack ─► RolledBack
//!             │     └ extend ─┤                        │
//!             └─ resumed ── Paused ◄─ hold, gate       └─► Stopped (the traffic stays)
//! ```
//!
//! Every function returns a new record. The caller saves it before acting on it, so a run that was killed decides the same again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::duration::GoDuration;
use crate::model::rollout::{Extension, LongerLoad, NextLoad, RolloutPhase, RolloutRecord, StepRecord};
use crate::model::slo::Outcome;

/// Reaction to a violated analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnFailure {
    /// Give all the traffic back to the stable version.
    #[default]
    Rollback,
    /// Leave the traffic, and wait until a person resumes or aborts the rollout.
    Pause,
    /// Leave the traffic, and end the rollout.
    None,
}

/// Reaction to an inconclusive analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnInconclusive {
    /// Leave the traffic, and wait until a person resumes or aborts the rollout.
    #[default]
    Hold,
    /// Analyze again, with the requests that the verdicts need, up to `maxExtensions` times; then as `hold`.
    Extend,
    /// Give all the traffic back to the stable version.
    Rollback,
}

/// Reactions of a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Reaction to a violated analysis.
    pub(crate) on_failure: OnFailure,
    /// Reaction to an inconclusive analysis.
    pub(crate) on_inconclusive: OnInconclusive,
    /// Number of further analyses of a step with `onInconclusive: extend`.
    pub(crate) max_extensions: u64,
    /// Longest load of a further analysis.
    pub(crate) max_load: Duration,
}

/// Result of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Analysis {
    /// Number of the loop.
    pub(crate) loop_number: u64,
    /// Result.
    pub(crate) outcome: Outcome,
    /// Reason for the result.
    pub(crate) reason: String,
    /// Load with which it is worth repeating, if it is inconclusive.
    pub(crate) next_load: NextLoad,
}

/// Least multiple of a load that is worth another analysis if the requested one would take too long.
const LEAST_TIMES: f64 = 1.1;

/// Takes the result of an analysis of the current step into account.
pub(crate) fn judged(record: &RolloutRecord, policy: Policy, analysis: Analysis, now: DateTime<Utc>) -> RolloutRecord {
    let Analysis { loop_number, outcome, reason, next_load } = analysis;
    let mut record = RolloutRecord { judged_loop: loop_number, ..record.clone() };
    let at = record.step;
    let Some(step) = record.steps.get_mut(at) else { return record };
    step.analyses = step.analyses.saturating_add(1);
    step.outcome = Some(outcome);
    step.reason = Some(reason.clone());
    let (percent, pause, analyses) = (step.percent, step.pause, step.analyses);
    match outcome {
        Outcome::Satisfied if pause => {
            paused(record, format!("the step at {percent} % has passed, and waits for approval"))
        }
        Outcome::Satisfied => advanced(record, now),
        Outcome::Violated => failed(record, policy, &format!("at {percent} %: {reason}"), now),
        Outcome::Inconclusive => {
            let reason = format!("inconclusive at {percent} %: {reason}");
            match policy.on_inconclusive {
                OnInconclusive::Extend => match extended(&record, next_load, policy) {
                    Ok(record) if analyses <= policy.max_extensions => record,
                    Ok(record) => paused(record, reason),
                    Err(hold) => paused(record, format!("{reason}; {hold}")),
                },
                OnInconclusive::Hold => paused(record, reason),
                OnInconclusive::Rollback => rolling_back(record, reason, now),
            }
        }
    }
}

/// Gives further analyses of the current step the load that they need; an error is the reason not to repeat it.
fn extended(record: &RolloutRecord, next_load: NextLoad, policy: Policy) -> Result<RolloutRecord, String> {
    let longer = match next_load {
        NextLoad::Same => return Ok(record.clone()),
        NextLoad::Futile(objective) => {
            return Err(format!("not repeated, because {objective} is too close to its limit"));
        }
        NextLoad::Longer(longer) => longer,
    };
    let before = record.current().and_then(|step| step.extension.as_ref());
    match extension(before, &longer, policy.max_load) {
        Some(extension) => Ok(changed_step(record, |step| step.extension = Some(extension))),
        None => {
            let limit = GoDuration(policy.max_load);
            Err(format!("not repeated, because {} needs a load longer than maxLoad, {limit}", longer.objective))
        }
    }
}

/// Returns the load of the next analysis as a multiple of that in the values; `None` if `max_load` leaves no room for a longer one.
fn extension(before: Option<&Extension>, longer: &LongerLoad, max_load: Duration) -> Option<Extension> {
    let room = max_load.as_secs_f64() / longer.took.as_secs_f64().max(1e-3);
    let is_whole = longer.times <= room;
    if !is_whole && room < LEAST_TIMES {
        return None;
    }
    let times = if is_whole { longer.times } else { room };
    let requests = if is_whole { longer.requests } else { (longer.requests as f64 / longer.times * room) as u64 };
    let times = before.map_or(1.0, Extension::times) * times;
    // Digits beyond that would be noise in the document.
    let times = (times * 1e6).ceil() / 1e6;
    let asked = Extension { requests, times, objective: Some(longer.objective.clone()) };
    Some(Extension { times: asked.times(), ..asked })
}

/// Ends the current step because of a failure: a violated analysis, or a split that did not take effect.
pub(crate) fn failed(record: RolloutRecord, policy: Policy, reason: &str, now: DateTime<Utc>) -> RolloutRecord {
    match policy.on_failure {
        OnFailure::Rollback => rolling_back(record, reason.to_owned(), now),
        OnFailure::Pause => paused(record, reason.to_owned()),
        OnFailure::None => stopped(record, reason.to_owned(), now),
    }
}

/// Ends the current step, and goes on to the next one or to the promotion.
fn advanced(mut record: RolloutRecord, now: DateTime<Utc>) -> RolloutRecord {
    end_step(&mut record, now);
    record.reason = None;
    record.step = record.step.saturating_add(1);
    record.phase = match record.step < record.steps.len() {
        true => RolloutPhase::Progressing,
        false => RolloutPhase::Promoting,
    };
    record
}

fn paused(record: RolloutRecord, reason: String) -> RolloutRecord {
    RolloutRecord { phase: RolloutPhase::Paused, reason: Some(reason), ..record }
}

/// Goes on after a pause: with the next step if the current one has passed, else with another analysis; after all steps, with the promotion.
pub(crate) fn resumed(record: &RolloutRecord, now: DateTime<Utc>) -> RolloutRecord {
    let phase = match record.current() {
        Some(step) if step.outcome == Some(Outcome::Satisfied) => return advanced(record.clone(), now),
        Some(_) => RolloutPhase::Progressing,
        None => RolloutPhase::Promoting,
    };
    RolloutRecord { phase, reason: None, ..record.clone() }
}

/// Decides to give all the traffic back to the stable version.
pub(crate) fn rolling_back(mut record: RolloutRecord, reason: String, now: DateTime<Utc>) -> RolloutRecord {
    end_step(&mut record, now);
    RolloutRecord { phase: RolloutPhase::RollingBack, reason: Some(reason), ..record }
}

/// Ends a rollout without moving the traffic.
pub(crate) fn stopped(mut record: RolloutRecord, reason: String, now: DateTime<Utc>) -> RolloutRecord {
    end_step(&mut record, now);
    RolloutRecord { phase: RolloutPhase::Stopped, reason: Some(reason), end: Some(now), ..record }
}

/// Ends a rollout whose traffic has been moved as its phase says.
pub(crate) fn ended(record: &RolloutRecord, now: DateTime<Utc>) -> RolloutRecord {
    let (phase, percent) = match record.phase {
        RolloutPhase::Promoting => (RolloutPhase::Promoted, 100),
        RolloutPhase::RollingBack => (RolloutPhase::RolledBack, 0),
        phase => return RolloutRecord { phase, ..record.clone() },
    };
    RolloutRecord { phase, percent: Some(percent), end: Some(now), ..record.clone() }
}

/// Returns the percents that the spec of the target may request, because this rollout has set them, or a run that was killed may have.
pub(crate) fn possible_percents(record: &RolloutRecord) -> Vec<Option<i64>> {
    let mut percents = vec![record.percent];
    percents.extend(record.current().map(|step| Some(step.percent.into())));
    if record.phase == RolloutPhase::RollingBack {
        percents.push(Some(0));
    }
    if record.step >= record.steps.len() {
        // A promotion sets 100, or removes the percent.
        percents.extend([Some(100), None]);
    }
    percents
}

fn end_step(record: &mut RolloutRecord, now: DateTime<Utc>) {
    let at = record.step;
    if let Some(step) = record.steps.get_mut(at).filter(|step| step.start.is_some()) {
        step.end.get_or_insert(now);
    }
}

/// Notes that the current step starts; saved before the traffic moves.
pub(crate) fn started(record: &RolloutRecord, now: DateTime<Utc>) -> RolloutRecord {
    changed_step(record, |step| step.start = step.start.or(Some(now)))
}

/// Notes that the cluster shows the percent of the current step.
pub(crate) fn reached(record: &RolloutRecord, now: DateTime<Utc>) -> RolloutRecord {
    let percent = record.current().map(|step| i64::from(step.percent)).or(record.percent);
    let record = RolloutRecord { percent, ..record.clone() };
    changed_step(&record, |step| step.reached = step.reached.or(Some(now)))
}

fn changed_step(record: &RolloutRecord, change: impl FnOnce(&mut StepRecord)) -> RolloutRecord {
    let mut record = record.clone();
    let at = record.step;
    record.steps.get_mut(at).map(change);
    record
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
