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

#[cfg(test)]
mod tests {
    use super::super::testing::{P95, RATE, slo};
    use super::*;
    use crate::model::slo::{Bound, Method};

    fn violated(metric: &str, version: usize, reference: Option<usize>) -> Verdict {
        let open = Verdict::undecided(&slo(metric, 1.0), Bound::Upper, version);
        Verdict { verdict: Outcome::Violated, reference, confidence: Some(0.95), ..open }
    }

    /// Number of verdicts that stay violated with these p-values, as parts of the allowed error.
    fn confirmed(mut verdicts: Vec<Verdict>, p_values: &[f64]) -> usize {
        hold_back(&mut verdicts, &p_values.iter().copied().map(Some).collect::<Vec<_>>());
        verdicts.iter().filter(|verdict| verdict.verdict == Outcome::Violated).count()
    }

    #[test]
    fn a_violation_is_held_back_within_its_version_and_within_its_limit() {
        let own = |metric, version| violated(metric, version, None);
        let compared = |metric, version| violated(metric, version, Some(0));
        let cases = [
            ("alone", vec![own(P95, 0)], vec![0.8], 1),
            ("one of two objectives", vec![own(P95, 0), own(RATE, 0)], vec![0.8, 1.0], 0),
            ("objectives of two versions", vec![own(P95, 0), own(P95, 1)], vec![0.8, 0.8], 2),
            ("one of two candidates", vec![compared(P95, 1), compared(P95, 2)], vec![0.8, 1.0], 0),
            ("both candidates", vec![compared(P95, 1), compared(P95, 2)], vec![0.4, 0.4], 2),
            ("candidates on two limits", vec![compared(P95, 1), compared(RATE, 2)], vec![0.8, 0.8], 2),
        ];
        for (why, verdicts, p_values, count) in cases {
            assert_eq!(confirmed(verdicts, &p_values), count, "{why}");
        }
    }

    #[test]
    fn p_values_are_parts_of_the_error_that_is_left() {
        let finding =
            |alpha| Some(Finding { p_violated: Some(0.25), ..Finding::open(Method::Mean, alpha, String::new()) });
        let verdicts = [violated(P95, 0, None), violated(P95, 1, None), violated(P95, 2, None)];
        let values = p_values(&verdicts, &[finding(0.5), finding(0.25), None]);
        assert_eq!(values, [Some(0.5), Some(1.0), None]);
    }
}
