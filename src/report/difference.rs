//! Difference of a candidate from the baseline, in one line: `candidate against baseline: p99 +4.1 % (+1.2 to +7 %), error rate +0.1 pp`.

use super::load_figures::is_figure;
use super::view::ReportView;
use crate::model::document::Experiment;

/// Maximum number of loads in the line.
const MAX_LOADS: usize = 2;

/// Describes the difference between two versions under the same load; `None` if there are not exactly two.
pub(super) fn difference<'a>(experiment: &Experiment, view: impl FnOnce() -> &'a ReportView) -> Option<String> {
    let insights = experiment.result.as_ref()?.insights.as_ref()?;
    if insights.num_versions != 2 || insights.unknown_version.is_some() || experiment.rollout().is_some() {
        return None;
    }
    let (of_baseline, of_candidate) = (insights.load.first()?, insights.load.get(1)?);
    let both: Vec<&String> = of_baseline.keys().filter(|provider| of_candidate.contains_key(*provider)).collect();
    if both.is_empty() {
        return None;
    }
    let view = view();
    let of_load = |provider: &&String| {
        let figures = figures(view, provider).join(", ");
        let prefix = if both.len() > 1 { format!("{provider} ") } else { String::new() };
        (!figures.is_empty()).then(|| format!("{prefix}{figures}"))
    };
    let loads: Vec<String> = both.iter().take(MAX_LOADS).filter_map(of_load).collect();
    let (baseline, candidate) = (view.versions.first()?, view.versions.get(1)?);
    let text = format!("{} against {}: {}", candidate.name, baseline.name, loads.join("; "));
    (!loads.is_empty()).then(|| text.replace('\u{a0}', " "))
}

/// Describes the changes of a load: median, 99th percentile and share of errors.
fn figures(view: &ReportView, provider: &str) -> Vec<String> {
    let distribution = format!("{provider}/latency");
    let error_rate = format!("{provider}/error-rate");
    let figure = |name: &str, is_its: &dyn Fn(&str) -> bool| {
        let change = view.changes.iter().find(|change| is_its(&change.metric))?;
        Some(format!("{name} {}", change.in_words()?))
    };
    let latency = |label| figure(label, &|metric| is_figure(metric, &distribution, label));
    let error_rate = figure("error rate", &|metric| metric == error_rate);
    [latency("p50"), latency("p99"), error_rate].into_iter().flatten().collect()
}
