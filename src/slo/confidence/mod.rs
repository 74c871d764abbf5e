//! Verdicts with a confidence: it is not enough that a value is on one side of its limit; the samples must show that
//! the true value is, too.
//!
//! The rule without a confidence judges first ([`super::assess`]). Whatever it leaves open stays open: a load that was not the requested one,
//! a missing value, requests of unknown origin. Each value that it decides on is judged again here:
//!
//! | file | metrics |
//! |---|---|
//! | `case` | the metric of a verdict, and the values behind it |
//! | `single` | the method for a metric |
//! | `relative`, `compared` | candidates against version 0 |
//! | `rate_difference`, `percentile_ratio`, `mean_ratio` | their comparisons |
//! | `columns` | counts per interval of a load, and the dependence that they show |
//! | `share` | error rates and percentiles, as shares of bad requests |
//! | `rate`, `percentile` | the counts of both, from loads and from providers |
//! | `harmed` | requests of unknown origin, which may have come together |
//! | `mean` | means |
//! | `certain` | exact counts; extremes, certain on one side; single numbers, of unknown uncertainty |
//! | `stopped` | loads that ended with their verdict |
//! | `family` | several objectives of one version, and several candidates |
//! | `words` | numbers in sentences |
//!
//! Never a false pass: what cannot be computed is inconclusive, with a reason. Judging is a pure function of the document and the objectives, so
//! a saved document can be judged again.

mod case;
mod certain;
mod columns;
mod compared;
mod family;
mod finding;
mod harmed;
mod mean;
mod mean_ratio;
mod percentile;
mod percentile_ratio;
mod rate;
mod rate_difference;
pub(super) mod relative;
mod share;
mod single;
mod stopped;
mod words;

#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod decision_tests;
#[cfg(test)]
mod dependence_tests;
#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod false_pass_tests;
#[cfg(test)]
mod midway_tests;
#[cfg(test)]
mod percentile_tests;
#[cfg(test)]
mod provider_tests;
#[cfg(test)]
mod relative_tests;
#[cfg(test)]
mod stopped_tests;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod unknown_tests;
#[cfg(test)]
mod value_tests;

use crate::model::insights::Insights;
use crate::model::objectives::Confidence;
use crate::model::slo::{Outcome, Verdict};

use case::Case;
use finding::Finding;

/// Judges again, with a confidence, the verdicts that a value has decided, including those relative to version 0.
pub(super) fn apply(verdicts: &mut [Verdict], insights: &Insights, confidence: &Confidence) {
    let judge = |verdict: &Verdict| {
        if !is_decided_by_value(verdict) {
            return None;
        }
        match verdict.reference {
            Some(_) => relative::judge(insights, verdict, confidence),
            None => Case::new(insights, verdict, confidence).map(|case| single::judge(&case)),
        }
    };
    let findings: Vec<Option<Finding>> = verdicts.iter().map(judge).collect();
    let p_values = family::p_values(verdicts, &findings);
    for (verdict, finding) in verdicts.iter_mut().zip(findings) {
        if let Some(finding) = finding {
            finding.write(verdict);
        }
    }
    family::hold_back(verdicts, &p_values);
}

/// Returns true if the value has decided, rather than a policy in its place.
fn is_decided_by_value(verdict: &Verdict) -> bool {
    let is_decided = verdict.verdict != Outcome::Inconclusive && verdict.value.is_some_and(f64::is_finite);
    is_decided && verdict.no_data.is_none() && verdict.on_error.is_none()
}
