//! Limits of the method behind verdicts with confidence, stated once per report.

use std::collections::BTreeSet;

use super::confidence::{percent, span};
use super::{LoadReport, VersionVerdict};

/// Lists the sentences; empty if no verdict has a confidence.
pub(super) fn of(verdicts: &[VersionVerdict], load: &[LoadReport]) -> Vec<String> {
    let mut levels: Vec<f64> = verdicts.iter().filter_map(|verdict| verdict.slo.confidence).collect();
    levels.retain(|level| percent(*level).is_some());
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let ends = match levels.as_slice() {
        [] => return Vec::new(),
        [level] => both_ends(*level),
        _ => "Each end of an interval holds with the confidence beside it.".to_owned(),
    };
    let mut sentences = vec![ends];
    let versions: BTreeSet<&str> = verdicts.iter().map(|verdict| verdict.version.as_str()).collect();
    if verdicts.len() > versions.len() {
        sentences.push(
            "A version that satisfies all SLOs does so with the same confidence, without a correction for their number; \
             violations are corrected for it."
                .to_owned(),
        );
    }
    sentences.push(rare(load));
    sentences
}

fn both_ends(level: f64) -> String {
    let each = percent(level).unwrap_or_default();
    match percent(2.0 * level - 1.0) {
        Some(both) => format!("Each end of an interval holds with {each} confidence, both together with {both}."),
        None => format!("Each end of an interval holds with {each} confidence."),
    }
}

/// States the rule of three in time: something that happens every T/3 seconds is missed by a run of T seconds in 1 of 20 cases.
fn rare(load: &[LoadReport]) -> String {
    let seconds = load.iter().map(|row| row.load.duration.0.as_secs_f64()).filter(|seconds| *seconds > 0.0);
    let shortest = seconds.fold(f64::INFINITY, f64::min);
    let every = match shortest.is_finite() {
        true => span(two_digits(shortest / 3.0)),
        false => "third of the measured time".to_owned(),
    };
    format!("What happens less often than every {every} may not have been seen.")
}

/// Rounds to two significant digits: more would pretend that the bound is sharp.
fn two_digits(number: f64) -> f64 {
    let unit = 10_f64.powf(number.log10().floor() - 1.0);
    let rounded = (number / unit).round() * unit;
    if rounded.is_finite() { rounded } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_significant_digits() {
        let texts = [9.99, 20.004, 3.333, 1_234.0, 0.0123].map(|seconds| span(two_digits(seconds)));
        assert_eq!(texts, ["10 s", "20 s", "3.3 s", "20 min", "0.01 s"]);
    }
}
