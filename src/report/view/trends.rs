//! Verdicts and values over loops, from the document's loop records, or from the lists of values that Iter8 keeps.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::objectives::Objective;
use super::{Condition, VersionReport, slos};
use crate::metrics::MetricsView;
use crate::model::document::ExperimentResult;
use crate::model::insights::Insights;
use crate::model::loops::LoopRecord;
use crate::model::slo::{Bound, Outcome};

/// Maximum loops; no run keeps more.
const MAX_LOOPS: usize = 1_000;
/// Maximum values in total; a damaged document keeps only the newest.
const MAX_CELLS: usize = 100_000;

/// One loop.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopReport {
    /// Number, from 1; `null` if an Iter8 document does not determine it.
    #[serde(rename = "loop")]
    pub number: Option<u64>,
    /// Start of its first task, RFC 3339.
    pub start: Option<DateTime<Utc>>,
}

/// One SLO of one version over time: each list has an entry per loop of the report's `loops`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trend {
    /// Name of the version, as in `versions`.
    pub version: String,
    pub condition: Condition,
    pub metric: String,
    pub bound: Bound,
    pub limit: f64,
    /// Unit of limit and values.
    pub units: Option<String>,
    /// Verdict on each loop by itself; `null` if unknown.
    pub verdicts: Vec<Option<Outcome>>,
    /// Value of each loop; `null` if there was none or it is no longer kept.
    pub values: Vec<Option<f64>>,
}

/// Reports the loops, oldest first, and the trend of each SLO; empty for fewer than two loops.
pub(super) fn of(
    result: &ExperimentResult,
    insights: &Insights,
    objectives: &[Objective],
    versions: &[VersionReport],
) -> (Vec<LoopReport>, Vec<Trend>) {
    let objectives: Vec<&Objective> = objectives.iter().filter(|objective| objective.row.is_some()).collect();
    let cells = objectives.len().saturating_mul(insights.num_versions.max(1));
    let max = MAX_LOOPS.min(MAX_CELLS / cells.max(1));
    if cells == 0 || max < 2 || insights.num_versions > versions.len() {
        return (Vec::new(), Vec::new());
    }
    let mut records: Vec<&LoopRecord> = insights.loops.iter().filter(|record| record.outcomes.len() == cells).collect();
    records.drain(..records.len().saturating_sub(max));
    match records.len() {
        0 | 1 => of_lists(result, insights, &objectives, versions, max),
        _ => of_records(insights, &objectives, versions, &records),
    }
}

fn of_records(
    insights: &Insights,
    objectives: &[&Objective],
    versions: &[VersionReport],
    records: &[&LoopRecord],
) -> (Vec<LoopReport>, Vec<Trend>) {
    let count = insights.num_versions.max(1);
    let trend = |row: usize, version: usize| {
        let place = row * count + version;
        let value = |record: &&LoopRecord| record.values.get(place).copied().flatten().filter(|v| v.is_finite());
        Trend {
            verdicts: records.iter().map(|record| record.outcomes.get(place).map(|o| o.outcome())).collect(),
            values: records.iter().map(value).collect(),
            ..blank(insights, objectives[row], &versions[version])
        }
    };
    let loops = records.iter().map(|record| LoopReport { number: Some(record.number), start: record.start });
    let trends = (0..objectives.len()).flat_map(|row| (0..count).map(move |version| (row, version)));
    (loops.collect(), trends.map(|(row, version)| trend(row, version)).collect())
}

/// Reports Iter8's lists of values. Each ends with the newest loop, but begins with the first loop that had a value.
fn of_lists(
    result: &ExperimentResult,
    insights: &Insights,
    objectives: &[&Objective],
    versions: &[VersionReport],
    max: usize,
) -> (Vec<LoopReport>, Vec<Trend>) {
    let mut trends = Vec::new();
    for objective in objectives {
        for (index, version) in versions.iter().enumerate().take(insights.num_versions.max(1)) {
            let view = MetricsView::new(insights, index);
            let mut values = objective.metric.name().map_or_else(|_| Vec::new(), |name| view.history(name));
            values.drain(..values.len().saturating_sub(max));
            trends.push(Trend { values, ..blank(insights, objective, version) });
        }
    }
    let longest = trends.iter().map(|trend| trend.values.len()).max().unwrap_or(0);
    if longest < 2 {
        return (Vec::new(), Vec::new());
    }
    for trend in &mut trends {
        let missing = longest - trend.values.len();
        trend.values.splice(..0, std::iter::repeat_n(None, missing));
        let judged = |value: &Option<f64>| value.map(|value| judged(trend.bound, value, trend.limit));
        trend.verdicts = trend.values.iter().map(judged).collect();
    }
    // Iter8 skips loops without a value, so values belong to loops for certain only if there are as many.
    let is_whole = result.num_loops == longest as u64;
    let number = |at: usize| is_whole.then_some(at as u64 + 1);
    ((0..longest).map(|at| LoopReport { number: number(at), start: None }).collect(), trends)
}

fn judged(bound: Bound, value: f64, limit: f64) -> Outcome {
    if bound.admits(value, limit) { Outcome::Satisfied } else { Outcome::Violated }
}

fn blank(insights: &Insights, objective: &Objective, version: &VersionReport) -> Trend {
    let slo = slos::blank(insights, objective);
    Trend {
        version: version.name.clone(),
        condition: slo.condition,
        metric: slo.metric,
        bound: slo.bound,
        limit: slo.limit,
        units: slo.units,
        verdicts: Vec::new(),
        values: Vec::new(),
    }
}
