//! Contradictions in a document: between its parts, and between its result and its spec.
//!
//! A run never writes them. They arise when a document is edited, truncated or merged, and when its spec changes after the run. What such a
//! document says about its SLOs is not about its spec, so no condition of `assert` that depends on the contradicting parts holds. Documents
//! written by Iter8 have no task records and no verdicts: their counters, SLOs and matrix are compared.

use crate::metrics::MetricsView;
use crate::metrics::loop_records::comparable;
use crate::model::document::{Experiment, ExperimentResult, TaskStatus};
use crate::model::insights::Insights;
use crate::model::loops::{LoopOutcome, LoopRecord, LoopRule};
use crate::model::metric::{MetricType, Reading};
use crate::model::missing::NoDataPolicy;
use crate::model::slo::{Bound, Method, Outcome, Slo, Verdict};
use crate::slo::comparison::comparison;
use crate::slo::planned_slos::{self, PlannedSlos, label, relative_label};
use crate::slo::relative::{self, BASELINE};

/// Largest relative difference between a percentile's value, which is the edge of a cell, and a limit that exact counts decide.
const MAX_ROUNDING: f64 = 0.01;
/// Tasks that measure.
const MEASURING: [&str; 4] = ["http", "grpc", "custommetrics", "abnmetrics"];

/// Returns the first contradiction of a document, if there is one.
pub(crate) fn first(experiment: &Experiment) -> Option<String> {
    of_tasks(experiment).or_else(|| of_slos(experiment))
}

/// Returns the first contradiction between the tasks of the spec, their records and the counters of the newest loop.
pub(crate) fn of_tasks(experiment: &Experiment) -> Option<String> {
    let result = experiment.result.as_ref().filter(|result| result.has_records())?;
    let (spec, records) = (&experiment.spec, &result.tasks);
    if spec.len() != records.len() {
        let count = |count: usize| format!("{count} task{}", if count == 1 { "" } else { "s" });
        return Some(format!("the spec has {}, but the result has records of {}", count(spec.len()), records.len()));
    }
    let renamed = spec.iter().zip(records).position(|(task, record)| task.name() != record.task);
    if let Some(at) = renamed {
        let (task, record) = (spec[at].name(), &records[at].task);
        return Some(format!("task {} of the spec is {task}, but the result records it as {record}", at + 1));
    }
    let with = |status: TaskStatus| records.iter().find(|record| record.status == status);
    let failed = with(TaskStatus::Failed);
    match failed {
        Some(record) if !result.failure => return Some(format!("`failure` is false, but {} failed", record.task)),
        None if result.failure => return Some("`failure` is true, but no task failed".to_owned()),
        _ => {}
    }
    if let Some(record) = with(TaskStatus::Interrupted).filter(|_| !result.interrupted) {
        return Some(format!("`interrupted` is false, but {} was interrupted", record.task));
    }
    let is_done = |status: TaskStatus| matches!(status, TaskStatus::Done | TaskStatus::Skipped);
    let done = records.iter().filter(|record| is_done(record.status)).count();
    if done != result.num_completed_tasks {
        let counted = result.num_completed_tasks;
        return Some(format!("`numCompletedTasks` is {counted}, but {done} of {} tasks are done", records.len()));
    }
    // Tasks run in order; only after a failed load are some left out.
    let open = records.iter().position(|record| !is_done(record.status)).filter(|_| failed.is_none())?;
    let later = records[open..].iter().find(|record| is_done(record.status))?;
    Some(format!("{} is done, but {} before it is not", later.task, records[open].task))
}

/// Returns the first contradiction between the SLOs of the spec, those that were judged, and their verdicts. Without verdicts there is
/// none.
pub(super) fn of_slos(experiment: &Experiment) -> Option<String> {
    let result = experiment.result.as_ref()?;
    let insights = result.insights.as_ref()?;
    if insights.slos_satisfied.is_none() && insights.verdicts.is_empty() {
        return None;
    }
    let planned = match planned_slos::of(experiment, result) {
        Ok(planned) => planned,
        Err(contradiction) => return Some(contradiction),
    };
    of_spec(insights, &planned)
        .or_else(|| of_matrix(insights))
        .or_else(|| of_verdicts(result, insights, planned.rule()))
        .or_else(|| of_confidence(insights, &planned))
        .or_else(|| of_loops(result, insights, planned.rule()))
        .or_else(|| of_values(experiment, insights, planned.rule()))
}

/// Compares the SLOs of the spec with those that were judged.
fn of_spec(insights: &Insights, planned: &PlannedSlos) -> Option<String> {
    let judged = insights.slos.clone().unwrap_or_default();
    let difference = planned.difference(&judged, &insights.relative.clone().unwrap_or_default())?;
    Some(match difference {
        planned_slos::Difference::NotJudged(slo) => format!("the SLO {slo} of the spec was not judged"),
        planned_slos::Difference::NotPlanned(slo) => format!("the SLO {slo} was judged, but is not in the spec"),
    })
}

/// Compares the matrix with the SLOs and versions.
fn of_matrix(insights: &Insights) -> Option<String> {
    let matrix = insights.slos_satisfied.as_ref()?;
    let slos = insights.slos.clone().unwrap_or_default();
    let versions = insights.num_versions.max(1);
    let sides = [("upper", &slos.upper, &matrix.upper), ("lower", &slos.lower, &matrix.lower)];
    sides.into_iter().find_map(|(side, slos, rows)| {
        if slos.len() != rows.len() {
            return Some(format!("`SLOsSatisfied` has {} {side} rows for {} SLOs", rows.len(), slos.len()));
        }
        let row = rows.iter().find(|row| row.len() != versions)?;
        Some(format!("`SLOsSatisfied` has {} columns for {versions} versions", row.len()))
    })
}

/// One cell of the matrix.
struct Cell<'a> {
    bound: Bound,
    slo: &'a Slo,
    version: usize,
    /// Iter8's verdict, if the document has one.
    is_satisfied: Option<bool>,
}

/// Lists the cells in the order of the verdicts.
fn cells(insights: &Insights) -> impl Iterator<Item = Cell<'_>> {
    let (slos, matrix) = (insights.slos.as_ref(), insights.slos_satisfied.as_ref());
    let side = move |bound: Bound| {
        let slos = slos.map(|slos| if bound == Bound::Upper { &slos.upper } else { &slos.lower });
        let rows = matrix.map(|matrix| if bound == Bound::Upper { &matrix.upper } else { &matrix.lower });
        slos.into_iter().flatten().enumerate().flat_map(move |(at, slo)| {
            let row = rows.and_then(|rows| rows.get(at));
            let cell = move |version: usize| row.and_then(|row| row.get(version)).copied();
            (0..insights.num_versions.max(1)).map(move |version| Cell {
                bound,
                slo,
                version,
                is_satisfied: cell(version),
            })
        })
    };
    side(Bound::Upper).chain(side(Bound::Lower))
}

/// Compares the verdicts with the matrix, and each with itself.
fn of_verdicts(result: &ExperimentResult, insights: &Insights, rule: Option<LoopRule>) -> Option<String> {
    let mut verdicts = insights.verdicts.iter();
    if !result.has_records() {
        // Iter8 has no verdicts and no limits relative to version 0.
        return None;
    }
    for cell in cells(insights) {
        let slo = label(cell.bound, cell.slo);
        let is_its = |verdict: &&Verdict| {
            verdict.bound == cell.bound
                && verdict.version == cell.version
                && verdict.limit == cell.slo.limit.0
                && verdict.metric.to_string() == cell.slo.metric.to_string()
        };
        let Some(verdict) = verdicts.next().filter(is_its) else {
            return Some(format!("the SLO {slo} has no verdict"));
        };
        let is_satisfied = verdict.verdict == Outcome::Satisfied;
        match cell.is_satisfied {
            Some(other) if other != is_satisfied => {
                let word = word(verdict.verdict);
                return Some(format!("the verdict on {slo} is {word}, but `SLOsSatisfied` says {other}"));
            }
            None => return Some(format!("the verdict on {slo} is not in `SLOsSatisfied`")),
            Some(_) => {}
        }
        if let Some(contradiction) = of_satisfied(verdict, &slo, rule) {
            return Some(contradiction);
        }
    }
    let slos = insights.relative.iter().flat_map(|relative| &relative.upper);
    for (slo, version) in slos.flat_map(|slo| relative::candidates(insights).map(move |version| (slo, version))) {
        let name = relative_label(slo);
        let is_its = |verdict: &&Verdict| {
            verdict.bound == Bound::Upper
                && verdict.version == version
                && verdict.reference == Some(BASELINE)
                && verdict.limit == slo.limit.0
                && verdict.metric.to_string() == slo.metric.to_string()
        };
        let Some(verdict) = verdicts.next().filter(is_its) else {
            return Some(format!("the SLO {name} has no verdict"));
        };
        if let Some(contradiction) = of_satisfied(verdict, &name, rule) {
            return Some(contradiction);
        }
    }
    verdicts.next().map(|verdict| format!("the verdict on {} has no SLO", verdict.metric))
}

/// Compares a satisfied verdict with its own value and interval.
fn of_satisfied(verdict: &Verdict, slo: &str, rule: Option<LoopRule>) -> Option<String> {
    // A failure limit may satisfy an SLO that the newest loop violates.
    if verdict.verdict != Outcome::Satisfied || matches!(rule, Some(LoopRule::FailureLimit(_))) {
        return None;
    }
    match verdict.value {
        Some(value) if !verdict.bound.admits(value, verdict.limit) && !is_rounded(verdict, value) => {
            return Some(format!("the verdict on {slo} is satisfied, but the value is {value}"));
        }
        None if verdict.no_data != Some(NoDataPolicy::Pass) => {
            return Some(format!("the verdict on {slo} is satisfied, but there is no value"));
        }
        _ => {}
    }
    let [lower, upper] = verdict.interval?;
    let end = if verdict.bound == Bound::Upper { upper } else { lower };
    match end {
        Some(end) if verdict.bound.admits(end, verdict.limit) => None,
        Some(end) => Some(format!("the verdict on {slo} is satisfied, but its interval ends at {end}")),
        None => Some(format!("the verdict on {slo} is satisfied, but its interval has no end on that side")),
    }
}

/// Returns true if a satisfied percentile is beyond its limit only by the rounding of its cell: the load counted the requests over the limit
/// exactly, and those decided.
fn is_rounded(verdict: &Verdict, value: f64) -> bool {
    let [lower, upper] = verdict.interval.unwrap_or_default();
    let end = if verdict.bound == Bound::Upper { upper } else { lower };
    verdict.method == Some(Method::Percentile)
        && end.is_some_and(|end| verdict.bound.admits(end, verdict.limit))
        && (value - verdict.limit).abs() <= MAX_ROUNDING * verdict.limit.abs()
}

/// Finds satisfied verdicts that were judged with less confidence than the spec asks for.
fn of_confidence(insights: &Insights, planned: &PlannedSlos) -> Option<String> {
    let level = planned.confidence()?;
    if insights.verdicts.is_empty() {
        return Some(format!("the SLOs were not judged with the confidence of the spec, {level}"));
    }
    let by_value = |verdict: &&Verdict| {
        verdict.verdict == Outcome::Satisfied && verdict.no_data.is_none() && verdict.on_error.is_none()
    };
    let is_less = |verdict: &&Verdict| verdict.confidence.is_none_or(|confidence| confidence < level - 1e-9);
    let verdict = insights.verdicts.iter().filter(by_value).find(is_less)?;
    Some(format!("the verdict on {} was not judged with the confidence of the spec, {level}", verdict.metric))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Satisfied => "satisfied",
        Outcome::Violated => "violated",
        Outcome::Inconclusive => "inconclusive",
    }
}

/// Compares the satisfied verdicts with the records of the loops, by the rule of the spec.
fn of_loops(result: &ExperimentResult, insights: &Insights, rule: Option<LoopRule>) -> Option<String> {
    let newest = insights.loops.last()?;
    if newest.number != result.num_loops {
        return Some(format!(
            "the newest loop is {}, but the verdicts are on loop {}",
            result.num_loops, newest.number
        ));
    }
    let counted: Vec<&LoopRecord> = [newest].into_iter().chain(comparable(&insights.loops, newest)).collect();
    let outcomes = |number: u64, place: usize| {
        let record = counted.iter().find(|record| record.number == number)?;
        record.outcome(place).map(LoopOutcome::outcome)
    };
    let oldest = insights.loops.first().map_or(1, |record| record.number);
    let satisfied = insights.verdicts.iter().enumerate().filter(|(_, v)| v.verdict == Outcome::Satisfied);
    satisfied.into_iter().find_map(|(place, verdict)| {
        let metric = &verdict.metric;
        match rule {
            None => {
                let is_violated = outcomes(newest.number, place) == Some(Outcome::Violated);
                is_violated.then(|| format!("the verdict on {metric} is satisfied, but this loop violated it"))
            }
            Some(LoopRule::Consecutive(required)) => {
                let first = (newest.number + 1).checked_sub(required).filter(|first| *first > 0);
                // Large documents do not keep all loops.
                let is_good = |number: u64| outcomes(number, place) == Some(Outcome::Satisfied);
                let is_row = first.is_some_and(|first| (first.max(oldest)..=newest.number).all(is_good));
                let message = || format!("the verdict on {metric} is satisfied without {required} good loops in a row");
                (!is_row).then(message)
            }
            Some(LoopRule::FailureLimit(most)) => {
                let outcomes = counted.iter().filter_map(|record| record.outcome(place));
                let failed = outcomes.filter(|outcome| outcome.is_failed()).count() as u64;
                (failed > most).then(|| format!("the verdict on {metric} is satisfied, but {failed} loops failed it"))
            }
        }
    })
}

/// Compares satisfied SLOs with the newest values of their metrics. A task after the assessment may have measured again.
fn of_values(experiment: &Experiment, insights: &Insights, rule: Option<LoopRule>) -> Option<String> {
    let after = experiment.spec.iter().rev().take_while(|task| task.name() != "assess");
    if matches!(rule, Some(LoopRule::FailureLimit(_))) || after.into_iter().any(|task| MEASURING.contains(&task.name()))
    {
        return None;
    }
    let satisfied = cells(insights).enumerate().filter(|(_, cell)| cell.is_satisfied == Some(true));
    let of_cells = satisfied.into_iter().find_map(|(place, cell)| {
        let metric = MetricsView::new(insights, cell.version).resolve(&cell.slo.metric);
        // Iter8 aggregates many values differently.
        let is_plain = matches!(metric.kind(), Some(MetricType::Counter | MetricType::Gauge));
        let Reading::Value(value) = metric.reading else { return None };
        let is_rounded = || insights.verdicts.get(place).is_some_and(|verdict| is_rounded(verdict, value));
        let contradicts = is_plain && !cell.bound.admits(value, cell.slo.limit.0) && !is_rounded();
        contradicts
            .then(|| format!("{} is recorded as satisfied, but the value is {value}", label(cell.bound, cell.slo)))
    });
    of_cells.or_else(|| of_compared_values(insights))
}

/// Compares satisfied SLOs relative to version 0 with the newest values of their metrics.
fn of_compared_values(insights: &Insights) -> Option<String> {
    let verdicts = insights.verdicts.iter().filter(|verdict| verdict.verdict == Outcome::Satisfied);
    verdicts.filter(|verdict| verdict.reference == Some(BASELINE)).find_map(|verdict| {
        let value = |version: usize| match MetricsView::new(insights, version).resolve(&verdict.metric).reading {
            Reading::Value(value) => Some(value),
            Reading::Missing(_) => None,
        };
        let compared = relative::compared(comparison(&verdict.metric)?, value(verdict.version)?, value(BASELINE)?)?;
        let contradicts = !verdict.bound.admits(compared, verdict.limit);
        let slo = format!("{} <= {} relative to version 0", verdict.metric, verdict.limit);
        contradicts.then(|| format!("{slo} is recorded as satisfied, but the value is {compared}"))
    })
}

#[cfg(test)]
#[path = "contradictions_tests.rs"]
mod tests;
