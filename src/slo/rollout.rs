//! Result of a rollout in steps, in words.

use crate::model::rollout::{RolloutPhase, RolloutRecord};
use crate::model::slo::Outcome;
use crate::redact::redact_text;

/// Returns the result of a rollout: violated only if an analysis was, because nothing else says that the candidate is bad.
pub(crate) fn outcome(record: &RolloutRecord) -> Outcome {
    match record.phase {
        RolloutPhase::Promoted => Outcome::Satisfied,
        _ if record.is_violated() => Outcome::Violated,
        _ => Outcome::Inconclusive,
    }
}

/// Describes the state of a rollout: `iris-00002 was promoted (10 → 25 → 100 %)`.
pub(crate) fn sentence(record: &RolloutRecord) -> String {
    let candidate = &record.candidate;
    let total = record.steps.len();
    let step = record.step.saturating_add(1).min(total);
    let percent = record.steps.get(record.step).or(record.steps.last()).map_or(0, |step| step.percent);
    let state = match record.phase {
        RolloutPhase::Promoted => format!("{candidate} was promoted ({} → 100 %)", percents(record)),
        RolloutPhase::RolledBack => format!("{candidate} was rolled back"),
        RolloutPhase::Stopped => format!("the rollout of {candidate} was stopped"),
        RolloutPhase::Promoting => format!("{candidate} is being promoted"),
        RolloutPhase::RollingBack => format!("{candidate} is being rolled back"),
        RolloutPhase::Paused => format!("the rollout of {candidate} is paused at {percent} %, step {step} of {total}"),
        RolloutPhase::Progressing => format!("the rollout of {candidate} is at {percent} %, step {step} of {total}"),
    };
    match &record.reason {
        Some(reason) => format!("{state}: {}", redact_text(reason)),
        None => state,
    }
}

/// Lists the percents of the steps that have started: `10 → 25 → 50`.
fn percents(record: &RolloutRecord) -> String {
    let started = record.steps.iter().filter(|step| step.start.is_some());
    started.map(|step| step.percent.to_string()).collect::<Vec<_>>().join(" → ")
}
