//! How objectives went from loop to loop, from the document's record of its loops, or from the lists of values that Iter8 keeps.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::objectives::Objective;
use super::{VersionReport, slos};
use crate::metrics::reading::history;
use crate::model::document::ExperimentResult;
use crate::model::insights::Insights;
use crate::model::loops::LoopRecord;
use crate::model::slo::{Bound, Outcome};

/// Most loops that are told; a document never keeps more by running.
const MAX_LOOPS: usize = 1_000;
/// Most values in all; of a damaged document, the newest.
const MAX_CELLS: usize = 100_000;

/// One loop.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopReport {
    /// Its number, from 1; `null` where Iter8's document does not tell.
    #[serde(rename = "loop")]
    pub number: Option<u64>,
    /// When its first task started, RFC 3339.
    pub start: Option<DateTime<Utc>>,
}

/// How one objective went for one version: an entry per loop of the report's `loops` in each list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trend {
    /// Name of the version, as in `versions`.
    pub version: String,
    /// The objective in words: `http/latency-mean (msec) <= 50`.
    pub condition: String,
    /// The metric.
    pub metric: String,
    /// Which side the limit is on.
    pub bound: Bound,
    /// The limit.
    pub limit: f64,
    /// Unit of limit and values.
    pub units: Option<String>,
    /// What each loop came to by itself; `null` where it is not known.
    pub verdicts: Vec<Option<Outcome>>,
    /// The value of each loop; `null` where there was none or it is not kept any more.
    pub values: Vec<Option<f64>>,
}

/// The loops, oldest first, and how each objective went in them; nothing for fewer than two loops.
pub(super) fn of(
    result: &ExperimentResult,
    insights: &Insights,
    objectives: &[Objective],
    versions: &[VersionReport],
) -> (Vec<LoopReport>, Vec<Trend>) {
    let objectives: Vec<&Objective> = objectives.iter().filter(|objective| objective.row.is_some()).collect();
    let cells = objectives.len().saturating_mul(insights.num_versions.max(1));
    let most = MAX_LOOPS.min(MAX_CELLS / cells.max(1));
    if cells == 0 || most < 2 || insights.num_versions > versions.len() {
        return (Vec::new(), Vec::new());
    }
    let mut records: Vec<&LoopRecord> = insights.loops.iter().filter(|record| record.outcomes.len() == cells).collect();
    records.drain(..records.len().saturating_sub(most));
    match records.len() {
        0 | 1 => of_lists(result, insights, &objectives, versions, most),
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

/// Each list ends with the newest loop, but begins with the first loop that had a value.
fn of_lists(
    result: &ExperimentResult,
    insights: &Insights,
    objectives: &[&Objective],
    versions: &[VersionReport],
    most: usize,
) -> (Vec<LoopReport>, Vec<Trend>) {
    let mut trends = Vec::new();
    for objective in objectives {
        for (index, version) in versions.iter().enumerate().take(insights.num_versions.max(1)) {
            let mut values = history(insights, index, &objective.metric);
            values.drain(..values.len().saturating_sub(most));
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
    // Iter8 leaves out what it could not measure: only as many values as loops are surely one of each.
    let is_whole = result.num_loops == longest as u64;
    let number = |at: usize| is_whole.then_some(at as u64 + 1);
    ((0..longest).map(|at| LoopReport { number: number(at), start: None }).collect(), trends)
}

fn judged(bound: Bound, value: f64, limit: f64) -> Outcome {
    let holds = if bound == Bound::Upper { value <= limit } else { value >= limit };
    if holds { Outcome::Satisfied } else { Outcome::Violated }
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
