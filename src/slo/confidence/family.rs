//! Several objectives at once: of twenty good ones, one looks violated by chance.
//!
//! Holm's procedure holds violations back: over the objectives of a version that have an interval, and over the candidates of an objective
//! relative to version 0. Satisfied verdicts need no correction.

use super::finding::Finding;
use crate::confidence::family::holm;
use crate::model::slo::{Outcome, Verdict};

/// P-values of "violated", divided by the allowed error, which differs between loads; `None` for verdicts without an
/// interval.
pub(super) fn p_values(verdicts: &[Verdict], findings: &[Option<Finding>]) -> Vec<Option<f64>> {
    let p = |(_, finding): (&Verdict, &Option<Finding>)| {
        let finding = finding.as_ref()?;
        finding.p_violated.map(|p| p / finding.alpha)
    };
    verdicts.iter().zip(findings).map(p).collect()
}

/// Makes violations inconclusive that only the number of objectives may have caused.
pub(super) fn hold_back(verdicts: &mut [Verdict], p_values: &[Option<f64>]) {
    let mut held = vec![None; verdicts.len()];
    let versions = verdicts.iter().map(|verdict| verdict.version).max().map_or(0, |last| last.saturating_add(1));
    for version in 0..versions.min(verdicts.len()) {
        let of_version = |verdict: &Verdict| verdict.version == version;
        hold(verdicts, p_values, &mut held, "objectives", of_version);
    }
    for objective in verdicts.iter().filter(|verdict| verdict.reference.is_some()) {
        let is_same = |other: &Verdict| {
            other.reference.is_some() && other.metric == objective.metric && other.limit == objective.limit
        };
        hold(verdicts, p_values, &mut held, "candidates", is_same);
    }
    for (verdict, held) in verdicts.iter_mut().zip(held) {
        let Some((count, what)) = held else { continue };
        let alpha = verdict.confidence.map_or(0.05, |confidence| 1.0 - confidence);
        verdict.verdict = Outcome::Inconclusive;
        verdict.reason = format!(
            "{}; alone it would be violated, but of {count} {what} one in {} looks violated by chance",
            verdict.reason,
            (1.0 / alpha).round().max(1.0)
        );
    }
}

/// Marks the violations of one family that Holm's procedure does not confirm.
fn hold(
    verdicts: &[Verdict],
    p_values: &[Option<f64>],
    held: &mut [Option<(usize, &'static str)>],
    what: &'static str,
    is_member: impl Fn(&Verdict) -> bool,
) {
    let member = |(at, verdict): (usize, &Verdict)| {
        let p = p_values.get(at).copied().flatten()?;
        is_member(verdict).then_some((at, p))
    };
    let members: Vec<(usize, f64)> = verdicts.iter().enumerate().filter_map(member).collect();
    let p: Vec<f64> = members.iter().map(|(_, p)| *p).collect();
    for ((at, _), is_confirmed) in members.iter().zip(holm(&p, 1.0)) {
        let is_violated = verdicts.get(*at).is_some_and(|verdict| verdict.verdict == Outcome::Violated);
        if is_violated
            && !is_confirmed
            && let Some(slot) = held.get_mut(*at)
        {
            *slot = slot.or(Some((members.len(), what)));
        }
    }
}
