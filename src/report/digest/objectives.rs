//! The objectives of a document.

use crate::model::insights::Insights;
use crate::model::slo::{Bound, Slo, Verdict};

/// Most objectives that are read; a document never grows this large by running.
const MAX_OBJECTIVES: usize = 10_000;

/// A limit on a metric, and where Iter8's matrix has its row.
pub(super) struct Objective {
    pub metric: String,
    pub bound: Bound,
    pub limit: f64,
    pub row: Option<usize>,
}

/// The objectives of the document, upper limits first; those that only verdicts name come last.
pub(super) fn of(insights: &Insights) -> Vec<Objective> {
    let limits = insights.slos.iter();
    let upper =
        limits.clone().flat_map(|s| s.upper.iter().enumerate()).map(|(row, slo)| of_slo(Bound::Upper, row, slo));
    let lower = limits.flat_map(|s| s.lower.iter().enumerate()).map(|(row, slo)| of_slo(Bound::Lower, row, slo));
    let mut found: Vec<Objective> = upper.chain(lower).take(MAX_OBJECTIVES).collect();
    let mut known: std::collections::BTreeSet<(Bound, String, u64)> =
        found.iter().map(|o| (o.bound, o.metric.clone(), o.limit.to_bits())).collect();
    for verdict in insights.verdicts.iter().take(MAX_OBJECTIVES) {
        if known.insert((verdict.bound, verdict.metric.clone(), verdict.limit.to_bits())) {
            let Verdict { metric, bound, limit, .. } = verdict;
            found.push(Objective { metric: metric.clone(), bound: *bound, limit: *limit, row: None });
        }
    }
    found
}

fn of_slo(bound: Bound, row: usize, slo: &Slo) -> Objective {
    Objective { metric: slo.metric.clone(), bound, limit: slo.limit.0, row: Some(row) }
}
