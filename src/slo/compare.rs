//! Two measured experiments, one against the other.
//!
//! Both become the versions of one experiment whose loads ran one after another: [`super::assess`] compares them as it compares a candidate with
//! version 0. A limit that excludes nothing, no difference, makes it say by how much they differ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::comparison::{Comparison, comparison};
use super::confidence::relative::level;
use super::judge::judge_objectives;
use crate::metrics::MetricsView;
use crate::model::insights::{Insights, VersionName};
use crate::model::load::LoadRecord;
use crate::model::metric::Reading;
use crate::model::metric_name::MetricRef;
use crate::model::number::Number;
use crate::model::objectives::{Confidence, Objectives, RelativeLimits};
use crate::model::readable::{self, show};
use crate::model::slo::{Dependence, Outcome, Slo, Verdict};

/// Figures of every load that are compared.
pub(crate) const FIGURES: [&str; 6] =
    ["error-rate", "latency-mean", "latency-p50", "latency-p90", "latency-p95", "latency-p99"];

/// Relative difference between the lengths of two loads that is not worth telling.
const SAME_LENGTH: f64 = 0.05;

/// One version of a measured experiment.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) insights: &'a Insights,
    pub(crate) version: usize,
    /// Name in sentences.
    pub(crate) name: &'a str,
}

/// Comparison of B with A.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Compared {
    /// Confidence of each end of an interval.
    pub(crate) confidence: f64,
    /// Differences between the loads, which the metrics cannot be told from.
    pub(crate) differences: Vec<String>,
    pub(crate) metrics: Vec<ComparedMetric>,
    /// Verdicts on the limits, if there are any.
    pub(crate) verdicts: Vec<Verdict>,
    /// The worst of the verdicts; `None` if there are no limits.
    pub(crate) outcome: Option<Outcome>,
}

/// One metric of both.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ComparedMetric {
    pub(crate) metric: String,
    pub(crate) units: Option<String>,
    pub(crate) comparison: Comparison,
    pub(crate) a: Option<f64>,
    pub(crate) b: Option<f64>,
    /// B minus A, or B divided by A.
    pub(crate) value: Option<f64>,
    /// Ends of the value's interval; null if the samples do not bound that side, or if there is no interval.
    pub(crate) interval: Option<[Option<f64>; 2]>,
    /// Direction of the difference; `None` if the interval does not show one.
    pub(crate) change: Option<Change>,
    pub(crate) effective_samples: Option<f64>,
    pub(crate) dependence: Option<Dependence>,
    /// Reason why there is no interval.
    pub(crate) reason: Option<String>,
}

/// Direction of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    /// B is higher than A.
    Higher,
    /// B is lower than A.
    Lower,
}

/// Compares B with A, and judges the limits of B relative to A.
pub(crate) fn compare(a: Side<'_>, b: Side<'_>, limits: &RelativeLimits, confidence: Confidence) -> Compared {
    let pair = paired(a, b);
    let providers = pair.load.first().into_iter().flatten().map(|(provider, _)| provider);
    let both: Vec<&String> = providers.filter(|provider| load(&pair, 1, provider).is_some()).collect();
    let names = both.iter().flat_map(|provider| FIGURES.map(|figure| format!("{provider}/{figure}")));
    let metrics = names.map(|name| compared(&pair, &name, confidence)).collect();
    let mut differences: Vec<String> = both.iter().filter_map(|provider| different_load(&pair, provider)).collect();
    let level = level(&pair, 1, &confidence);
    differences.extend((level > confidence.level).then(|| {
        let [level, asked] = [level, confidence.level].map(readable::confidence);
        format!("intervals have {level} confidence instead of {asked}: a load ran until its verdict, which used half of the allowed error")
    }));
    let objectives = Objectives { relative: limits.clone(), confidence: Some(confidence), ..Objectives::default() };
    let mut verdicts = judge_objectives(&pair, &objectives).verdicts;
    let has_unknown = [a, b].iter().any(|side| side.insights.unknown_version.is_some());
    for verdict in verdicts.iter_mut().filter(|verdict| has_unknown && verdict.verdict == Outcome::Satisfied) {
        verdict.verdict = Outcome::Inconclusive;
        verdict.reason.push_str("; responses of unknown origin may be of either version");
    }
    Compared { confidence: level, differences, metrics, outcome: worst(&verdicts), verdicts }
}

/// Confidence of the intervals of a comparison, unless the verdicts have one.
const LEVEL: f64 = 0.95;

/// Rule for the intervals between versions: the confidence of the verdicts, if they have a valid one.
pub(crate) fn confidence_of(verdicts: impl IntoIterator<Item = Option<f64>>) -> Confidence {
    let level = verdicts.into_iter().flatten().find(|level| *level > 0.5 && *level <= 0.9999).unwrap_or(LEVEL);
    Confidence { level, burst: Confidence::DEFAULT_BURST, is_strict: false }
}

/// Compares metrics of a version with those of version 0 of the same experiment, whose loads may have run in the same seconds. Returns
/// also the confidence of the intervals, which is higher than requested if a load ran until its verdict. Metrics of that load have no
/// interval: its end was chosen by their values, and the formulas assume an end that does not depend on them.
pub(crate) fn compare_with_baseline(
    insights: &Insights,
    version: usize,
    metrics: &[&str],
    confidence: Confidence,
) -> (Vec<ComparedMetric>, f64) {
    let pair = versions([(insights, 0), (insights, version)]);
    let level = level(&pair, 1, &confidence);
    let of_metric = |name: &&str| {
        let mut metric = compared(&pair, name, confidence);
        if has_ended_early(&pair, name) {
            (metric.interval, metric.change) = (None, None);
        }
        metric
    };
    (metrics.iter().map(of_metric).collect(), level)
}

fn has_ended_early(pair: &Insights, metric: &str) -> bool {
    let Ok(name) = MetricRef::from(metric).name().cloned() else { return false };
    pair.load.iter().any(|loads| loads.get(&name.provider).is_some_and(|load| load.stopped.is_some()))
}

/// Returns the worst verdict; `None` if there are none.
fn worst(verdicts: &[Verdict]) -> Option<Outcome> {
    let has = |outcome: Outcome| verdicts.iter().any(|verdict| verdict.verdict == outcome);
    match () {
        () if verdicts.is_empty() => None,
        () if has(Outcome::Violated) => Some(Outcome::Violated),
        () if has(Outcome::Inconclusive) => Some(Outcome::Inconclusive),
        () => Some(Outcome::Satisfied),
    }
}

/// Builds an experiment with A as version 0 and B as version 1.
fn paired(a: Side<'_>, b: Side<'_>) -> Insights {
    let mut pair = versions([a, b].map(|side| (side.insights, side.version)));
    for record in pair.load.iter_mut().flat_map(BTreeMap::values_mut) {
        // Different runs share no disturbance that would cancel.
        record.start = None;
        record.pairs.clear();
        // An early end was decided on other SLOs: its decisions do not apply here, but it has spent half of the error probability.
        if let Some(stopped) = &mut record.stopped {
            stopped.decisions.clear();
        }
    }
    let name = |side: Side<'_>| VersionName { version: side.name.to_owned(), ..VersionName::default() };
    pair.version_names = vec![name(a), name(b)];
    pair
}

/// Builds an experiment of two measured versions.
pub(super) fn versions(sides: [(&Insights, usize); 2]) -> Insights {
    fn of<T: Clone + Default>(list: fn(&Insights) -> &Vec<T>, sides: [(&Insights, usize); 2]) -> Vec<T> {
        sides.map(|(insights, version)| list(insights).get(version).cloned().unwrap_or_default()).into()
    }
    let infos = sides.map(|(insights, _)| insights.metrics_info.clone());
    Insights {
        num_versions: 2,
        version_names: of(|insights| &insights.version_names, sides),
        metrics_info: infos.into_iter().rev().flatten().collect(),
        non_hist_metric_values: of(|insights| &insights.non_hist_metric_values, sides),
        hist_metric_values: of(|insights| &insights.hist_metric_values, sides),
        summary_metric_values: of(|insights| &insights.summary_metric_values, sides),
        histograms: of(|insights| &insights.histograms, sides),
        observations: of(|insights| &insights.observations, sides),
        load: of(|insights| &insights.load, sides),
        ..Insights::default()
    }
}

fn load<'a>(pair: &'a Insights, version: usize, provider: &str) -> Option<&'a LoadRecord> {
    pair.load.get(version)?.get(provider)
}

/// Compares one metric.
fn compared(pair: &Insights, name: &str, confidence: Confidence) -> ComparedMetric {
    let metric = MetricRef::from(name);
    let comparison = comparison(&metric).unwrap_or(Comparison::Ratio);
    let none = comparison.no_difference();
    let relative = RelativeLimits { upper: vec![Slo { metric: metric.clone(), limit: Number(none) }] };
    let objectives = Objectives { relative, confidence: Some(confidence), ..Objectives::default() };
    let verdict = judge_objectives(pair, &objectives).verdicts.pop();
    let values = [0, 1].map(|version| match MetricsView::new(pair, version).resolve(&metric).reading {
        Reading::Value(value) => Some(value),
        Reading::Missing(_) => None,
    });
    let units = MetricsView::new(pair, 0).resolve(&metric).unit.map(str::to_owned);
    let interval = verdict.as_ref().and_then(|verdict| verdict.interval);
    let change = match interval {
        Some([Some(low), _]) if low > none => Some(Change::Higher),
        Some([_, Some(high)]) if high < none => Some(Change::Lower),
        _ => None,
    };
    ComparedMetric {
        metric: name.to_owned(),
        units,
        comparison,
        a: values[0],
        b: values[1],
        value: verdict.as_ref().and_then(|verdict| verdict.value),
        interval,
        change,
        effective_samples: verdict.as_ref().and_then(|verdict| verdict.effective_samples),
        dependence: verdict.as_ref().and_then(|verdict| verdict.dependence),
        reason: verdict.filter(|_| interval.is_none()).map(|verdict| verdict.reason),
    }
}

/// Describes how the loads of a provider differ; `None` if they do not.
fn different_load(pair: &Insights, provider: &str) -> Option<String> {
    let (a, b) = (load(pair, 0, provider)?, load(pair, 1, provider)?);
    let mut parts = Vec::new();
    let mut differ = |what: &str, of_a: String, of_b: String| {
        if of_a != of_b {
            parts.push(format!("{what} {of_a} against {of_b}"));
        }
    };
    differ("URL", a.url.clone(), b.url.clone());
    differ("method", a.method.clone(), b.method.clone());
    let rate =
        |load: &LoadRecord| load.requested_rate.map_or_else(|| "max".to_owned(), |rate| format!("{}/s", show(rate)));
    differ("rate", rate(a), rate(b));
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    differ("stages", or_none(&a.stages), or_none(&b.stages));
    let arrival = |load: &LoadRecord| format!("{:?}", load.arrival).to_lowercase();
    differ("arrival", arrival(a), arrival(b));
    differ("connections", a.connections.to_string(), b.connections.to_string());
    let [x, y] = [a, b].map(|load| load.duration.0.as_secs_f64());
    if (x - y).abs() > SAME_LENGTH * x.max(y) {
        parts.push(format!("duration {} s against {} s", show(x), show(y)));
    }
    (!parts.is_empty()).then(|| format!("{provider}: another load: {}", parts.join(", ")))
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
