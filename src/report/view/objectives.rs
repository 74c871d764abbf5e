//! SLOs of a document.

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
}

/// Lists the SLOs, upper limits first; those that only verdicts name come last.
pub(super) fn of(insights: &Insights) -> Vec<Objective> {
    let limits = insights.slos.iter();
    let upper =
        limits.clone().flat_map(|s| s.upper.iter().enumerate()).map(|(row, slo)| of_slo(Bound::Upper, row, slo));
    let lower = limits.flat_map(|s| s.lower.iter().enumerate()).map(|(row, slo)| of_slo(Bound::Lower, row, slo));
    let mut objectives: Vec<Objective> = upper.chain(lower).take(MAX_OBJECTIVES).collect();
    let mut known: std::collections::BTreeSet<(Bound, String, u64)> =
        objectives.iter().map(|o| (o.bound, o.metric.to_string(), o.limit.to_bits())).collect();
    for verdict in insights.verdicts.iter().take(MAX_OBJECTIVES) {
        if known.insert((verdict.bound, verdict.metric.to_string(), verdict.limit.to_bits())) {
            let Verdict { metric, bound, limit, .. } = verdict;
            objectives.push(Objective { metric: metric.clone(), bound: *bound, limit: *limit, row: None });
        }
    }
    objectives
}

fn of_slo(bound: Bound, row: usize, slo: &Slo) -> Objective {
    Objective { metric: slo.metric.clone(), bound, limit: slo.limit.0, row: Some(row) }
}
