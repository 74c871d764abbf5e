//! Verdicts on SLOs, from our verdicts or from Iter8's matrix of booleans.

use std::collections::BTreeMap;

use super::confidence::{self, Comparison};
use super::objectives::{self, Key, Objective};
use super::{Condition, SloReport, metrics};
use crate::metrics::MetricsView;
use crate::model::insights::Insights;
use crate::model::metric::Reading;
use crate::model::slo::{Bound, Method, Outcome, Verdict};
use crate::redact::redact_text;
use crate::report::show;

/// Reports every SLO for one version; `None` for a relative one that does not apply to it, because it is the baseline.
pub(super) fn of_version(insights: &Insights, version: usize, objectives: &[Objective]) -> Vec<Option<SloReport>> {
    let verdicts: BTreeMap<Key<'_>, &Verdict> =
        insights.verdicts.iter().filter(|v| v.version == version).map(|v| (objectives::key_of(v), v)).collect();
    objectives
        .iter()
        .map(|objective| match verdicts.get(&objective.key()) {
            Some(verdict) => Some(of_verdict(insights, objective, verdict)),
            None if objective.is_relative && version == 0 => None,
            None => Some(of_matrix(insights, version, objective)),
        })
        .collect()
}

fn of_verdict(insights: &Insights, objective: &Objective, verdict: &Verdict) -> SloReport {
    SloReport {
        satisfied: Some(verdict.verdict == Outcome::Satisfied),
        verdict: Some(verdict.verdict),
        value: verdict.value,
        interval: verdict.interval.and_then(confidence::ordered),
        confidence: verdict.confidence,
        samples: verdict.samples,
        effective_samples: verdict.effective_samples.filter(|samples| samples.is_finite() && *samples >= 0.0),
        method: verdict.method,
        needs: verdict.needs,
        dependence: verdict.dependence,
        reason: redact_text(&verdict.reason),
        ..compared_with(insights, objective, verdict.reference, verdict.method)
    }
}

/// Reports an SLO of an Iter8 document, which keeps only a boolean: value and reason come from the metric.
fn of_matrix(insights: &Insights, version: usize, objective: &Objective) -> SloReport {
    let satisfied = insights.slos_satisfied.as_ref().and_then(|matrix| {
        let rows = if objective.bound == Bound::Upper { &matrix.upper } else { &matrix.lower };
        rows.get(objective.row?)?.get(version).copied()
    });
    let read = MetricsView::new(insights, version).resolve(&objective.metric).reading;
    let (verdict, reason) = match (satisfied, &read) {
        (None, _) => (None, "not assessed".to_owned()),
        (Some(false), Reading::Missing(missing)) => {
            (Some(Outcome::Inconclusive), format!("no data: {}", redact_text(&missing.reason)))
        }
        (Some(true), Reading::Missing(_)) => {
            (Some(Outcome::Satisfied), "recorded as satisfied, without a value".to_owned())
        }
        (Some(true), Reading::Value(value)) => (Some(Outcome::Satisfied), compared(*value, objective)),
        // Iter8 counts a missing value as not satisfied; the value may have arrived later.
        (Some(false), Reading::Value(value)) if objective.bound.admits(*value, objective.limit) => (
            Some(Outcome::Inconclusive),
            format!("recorded as not satisfied, although {}", compared(*value, objective)),
        ),
        (Some(false), Reading::Value(value)) => (Some(Outcome::Violated), compared(*value, objective)),
    };
    let value = match read {
        Reading::Value(value) if satisfied.is_some() && value.is_finite() => Some(value),
        _ => None,
    };
    SloReport { satisfied, verdict, value, reason, ..blank(insights, objective) }
}

fn compared(value: f64, objective: &Objective) -> String {
    let (value_text, limit) = (show::value_near(value, objective.limit), show::short(objective.limit));
    let relation = match value.partial_cmp(&objective.limit) {
        Some(std::cmp::Ordering::Less) => "is below",
        Some(std::cmp::Ordering::Equal) => "equals",
        Some(std::cmp::Ordering::Greater) => "is above",
        None => "cannot be compared with",
    };
    format!("{value_text} {relation} the limit of {limit}")
}

/// Reports an SLO without a verdict.
pub(super) fn blank(insights: &Insights, objective: &Objective) -> SloReport {
    compared_with(insights, objective, objective.is_relative.then_some(0), None)
}

/// Reports an SLO without a verdict, relative to the version `reference` if there is one.
fn compared_with(
    insights: &Insights,
    objective: &Objective,
    reference: Option<usize>,
    method: Option<Method>,
) -> SloReport {
    let comparison = reference.map(|_| Comparison::of(method, &objective.metric));
    // Ratios have no unit, and differences are shown as the rates themselves.
    let units = metrics::units(insights, &objective.metric).filter(|_| comparison != Some(Comparison::Ratio));
    let reference = reference.map(|version| insights.version_label(version));
    SloReport {
        condition: match (comparison, &reference) {
            (Some(comparison), Some(name)) => Condition::relative(objective, comparison, name),
            _ => Condition::new(objective, units.as_deref()),
        },
        metric: objective.metric.to_string(),
        bound: objective.bound,
        limit: objective.limit,
        units,
        satisfied: None,
        verdict: None,
        value: None,
        interval: None,
        confidence: None,
        samples: None,
        effective_samples: None,
        method: None,
        needs: None,
        dependence: None,
        reference,
        comparison,
        reason: String::new(),
    }
}
