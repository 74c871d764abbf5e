//! SLOs of a document.

use std::collections::BTreeSet;

use crate::model::insights::Insights;
use crate::model::metric_name::MetricRef;
use crate::model::slo::{Bound, Slo, Verdict};

/// Maximum number of SLOs; no run produces a document with more.
const MAX_OBJECTIVES: usize = 10_000;

/// A limit on a metric, and its row in Iter8's matrix.
pub(super) struct Objective {
    pub metric: MetricRef,
    pub bound: Bound,
    pub limit: f64,
    pub row: Option<usize>,
    /// True if the limit is relative to another version.
    pub is_relative: bool,
}

/// Identity of an SLO; the limit by its bits, because floats are not ordered.
pub(super) type Key<'a> = (bool, Bound, &'a str, u64);

/// Returns the identity of the SLO of a verdict.
pub(super) fn key_of(verdict: &Verdict) -> Key<'_> {
    (verdict.reference.is_some(), verdict.bound, verdict.metric.as_str(), verdict.limit.to_bits())
}

impl Objective {
    /// Returns the identity of the SLO.
    pub(super) fn key(&self) -> Key<'_> {
        (self.is_relative, self.bound, self.metric.as_str(), self.limit.to_bits())
    }
}

/// Lists the SLOs: upper limits, lower limits, those that only verdicts name, and last the relative ones.
pub(super) fn of(insights: &Insights) -> Vec<Objective> {
    let limits = insights.slos.iter();
    let upper =
        limits.clone().flat_map(|s| s.upper.iter().enumerate()).map(|(row, slo)| of_slo(Bound::Upper, row, slo));
    let lower = limits.flat_map(|s| s.lower.iter().enumerate()).map(|(row, slo)| of_slo(Bound::Lower, row, slo));
    let mut objectives: Vec<Objective> = upper.chain(lower).take(MAX_OBJECTIVES).collect();
    let relative = insights.relative.iter().flat_map(|limits| &limits.upper).take(MAX_OBJECTIVES);
    let mut relative: Vec<Objective> = relative.map(of_relative).collect();
    let mut known: BTreeSet<(bool, Bound, String, u64)> =
        objectives.iter().chain(&relative).map(|objective| owned(objective.key())).collect();
    for verdict in insights.verdicts.iter().take(MAX_OBJECTIVES) {
        if known.insert(owned(key_of(verdict))) {
            let Verdict { metric, bound, limit, reference, .. } = verdict;
            let is_relative = reference.is_some();
            let list = if is_relative { &mut relative } else { &mut objectives };
            list.push(Objective { metric: metric.clone(), bound: *bound, limit: *limit, row: None, is_relative });
        }
    }
    objectives.append(&mut relative);
    objectives
}

fn owned((is_relative, bound, metric, limit): Key<'_>) -> (bool, Bound, String, u64) {
    (is_relative, bound, metric.to_owned(), limit)
}

fn of_relative(slo: &Slo) -> Objective {
    Objective { row: None, is_relative: true, ..of_slo(Bound::Upper, 0, slo) }
}

fn of_slo(bound: Bound, row: usize, slo: &Slo) -> Objective {
    Objective { metric: slo.metric.clone(), bound, limit: slo.limit.0, row: Some(row), is_relative: false }
}
