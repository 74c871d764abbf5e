//! Rejects loads that no look can end, before they run.

use super::claim::Claim;
use super::target::Target;
use crate::model::objectives::Objectives;
use crate::model::path::FieldPath;
use crate::values::input::InputError;

/// Next step if nothing can end the load.
const HINT: &str = "add `assess.confidence=0.95` and an upper limit on the error rate or on a percentile of the latency, such as \
                    `assess.SLOs.upper.http/latency-p95=50`";

/// Checks that looks at `objectives` can end the loads of a group. The path of `until` is `at`.
pub(in crate::tasks::loadgen) fn check(
    groups: &[Vec<Target>],
    objectives: Option<&Objectives>,
    at: &FieldPath,
) -> Result<(), InputError> {
    let error = |message: String, hint: &str| Err(InputError::new(at.clone(), message).with_hint(hint));
    let Some(objectives) = objectives.filter(|objectives| objectives.confidence.is_some()) else {
        return error("`verdict` requires a later `assess` with a `confidence`".to_owned(), HINT);
    };
    for group in groups {
        let all: Vec<Claim> = group.iter().flat_map(|target| Claim::list(objectives, 0, target)).collect();
        let Some(Target { provider, .. }) = group.first() else { continue };
        if !all.iter().any(|claim| claim.share().is_some()) {
            return error(format!("no SLO on `{}` can be decided before the end of the load", provider), HINT);
        }
        let is_compared = all.iter().any(|claim| claim.is_relative);
        let has_baseline = group.iter().any(|target| target.versions.contains(&0));
        if is_compared && !has_baseline {
            let message = "cannot be combined with relative limits on versions that are measured one after the other";
            return error(message.to_owned(), "remove `parallel: false`");
        }
    }
    Ok(())
}

/// Checks that loads have a longest duration, and that their first seconds are like the later ones. The path of `until` is `at`.
pub(in crate::tasks::loadgen) fn check_loads(
    loads: &[Target],
    is_warmup: bool,
    at: &FieldPath,
) -> Result<(), InputError> {
    let error = |message: &str| Err(InputError::new(at.clone(), message));
    if is_warmup {
        return error("cannot be combined with `warmup: true`, which measures nothing");
    }
    for Target { duration, has_stages, .. } in loads {
        if *has_stages {
            return error(
                "cannot be combined with `stages`: a verdict on the first ones says nothing about the later ones",
            );
        }
        if duration.is_none() {
            let error = InputError::new(at.clone(), "`verdict` requires `duration` instead of a number of requests");
            return Err(error.with_hint("set `duration` to the longest time that the load may take, such as 5m"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
