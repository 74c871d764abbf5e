//! Summary, tasks, versions and loads of a report.

use std::collections::HashSet;

use super::{
    LoadReport, Overall, ReportView, Summary, TaskReport, VerdictCounts, VersionReport, VersionVerdict, caveats,
    changes, failures, metrics, objectives, observations, rewards, rollout, slos, splits, trends,
};
use crate::model::document::{Experiment, ExperimentResult, TaskRecord, TaskStatus};
use crate::model::insights::Insights;
use crate::model::slo::{Outcome, Verdict};
use crate::model::split::Split;
use crate::redact::{redact_text, redact_url};
use crate::slo::assertion::{AssertCondition, RunState, judge, progress, sentence};
use crate::slo::contradictions;
use crate::slo::summary::overall_verdict;

/// Maximum number of versions; a document with more is damaged or hostile.
const MAX_VERSIONS: usize = 100;

/// Maximum number of verdicts whose reasons every format lists.
const MAX_REASONS: usize = 50;

impl ReportView {
    /// Builds the report of a document.
    pub fn of(experiment: &Experiment) -> Self {
        let empty = ExperimentResult::default();
        let result = experiment.result.as_ref().unwrap_or(&empty);
        let versions = result.insights.as_ref().map(versions).unwrap_or_default();
        let verdicts: Vec<VersionVerdict> = versions
            .iter()
            .flat_map(|v| v.slos().map(|slo| VersionVerdict { version: v.name.clone(), slo: slo.clone() }))
            .collect();
        let load = result.insights.as_ref().map(|insights| loads(insights, &versions)).unwrap_or_default();
        let splits = result.insights.as_ref().map(splits::of).unwrap_or_default();
        let trends = |insights| trends::of(result, insights, &objectives::of(insights), &versions);
        let (loops, trends) = result.insights.as_ref().map(trends).unwrap_or_default();
        let mut summary = Summary {
            outcome: Overall::Incomplete,
            completed: judge(experiment, AssertCondition::Completed).holds,
            failure: result.failure,
            interrupted: result.interrupted,
            replayed: result.replayed,
            tasks: experiment.spec.len(),
            completed_tasks: result.num_completed_tasks,
            loops: result.num_loops,
            completed_loops: experiment.completed_loops(),
            start_time: result.start_time,
            version: result.iter8_version.clone(),
            revision: result.revision,
            contradiction: None,
            verdicts: counts(&verdicts),
        };
        summary.outcome = overall(&summary, experiment, splits.iter().all(Split::is_satisfied));
        if let Some(contradiction) = contradiction(experiment, summary.outcome) {
            summary.outcome = Overall::Invalid;
            summary.contradiction = Some(redact_text(&contradiction));
        }
        let rewards = result.insights.as_ref().map(rewards::of).unwrap_or_default();
        let rollout = experiment.rollout().map(rollout::of);
        let caveats = caveats::of(&verdicts, &load);
        let tasks = tasks(experiment, result);
        let changes =
            result.insights.as_ref().map(|insights| changes::of(insights, &versions, &load)).unwrap_or_default();
        Self { summary, rollout, tasks, versions, verdicts, caveats, changes, rewards, splits, load, loops, trends }
    }
}

fn overall(summary: &Summary, experiment: &Experiment, is_split: bool) -> Overall {
    let counts = summary.verdicts;
    // A rollout that did not promote the candidate has not passed, whatever the newest verdicts say.
    let rollout = experiment.rollout().and_then(|_| overall_verdict(experiment).outcome);
    // An abort interrupts an analysis, but the rollout goes on to its end.
    let has_ended = experiment.rollout().is_some_and(|record| record.phase.is_over());
    if summary.failure {
        Overall::Failed
    } else if summary.interrupted && !has_ended {
        Overall::Interrupted
    } else if !summary.completed {
        Overall::Incomplete
    } else if counts.violated > 0 || rollout == Some(Outcome::Violated) {
        Overall::Violated
    } else if !is_split
        || counts.inconclusive > 0
        || (counts.unassessed > 0 && counts.satisfied > 0)
        || rollout == Some(Outcome::Inconclusive)
    {
        Overall::Inconclusive
    } else if counts.satisfied > 0 {
        Overall::Satisfied
    } else {
        Overall::Unassessed
    }
}

/// Returns the contradiction of a document that has run, unless its outcome is a failure anyway.
fn contradiction(experiment: &Experiment, outcome: Overall) -> Option<String> {
    let is_failure = matches!(outcome, Overall::Failed | Overall::Violated | Overall::Interrupted);
    let has_run = progress(experiment).state != RunState::NotStarted;
    if has_run && !is_failure { contradictions::first(experiment) } else { None }
}

fn counts(verdicts: &[VersionVerdict]) -> VerdictCounts {
    let mut counts = VerdictCounts::default();
    for verdict in verdicts {
        *match verdict.slo.verdict {
            Some(Outcome::Satisfied) => &mut counts.satisfied,
            Some(Outcome::Violated) => &mut counts.violated,
            Some(Outcome::Inconclusive) => &mut counts.inconclusive,
            None => &mut counts.unassessed,
        } += 1;
    }
    counts
}

/// Reports the tasks that the document records. Iter8's documents have no records; their counters decide.
fn tasks(experiment: &Experiment, result: &ExperimentResult) -> Vec<TaskReport> {
    let done = result.num_completed_tasks;
    let inferred = |index: usize| match index {
        _ if !result.tasks.is_empty() => TaskStatus::Planned,
        _ if index < done => TaskStatus::Done,
        _ if index == done && result.failure => TaskStatus::Failed,
        _ => TaskStatus::Planned,
    };
    let verdicts = result.insights.as_ref().map(unsatisfied).unwrap_or_default();
    let notes = |record: &TaskRecord| {
        let notes = record.notes.iter().filter(|note| !verdicts.contains(*note));
        notes.map(|note| redact_text(note)).collect()
    };
    let report = |(index, spec): (usize, &crate::model::document::TaskSpec)| {
        let record = result.tasks.get(index);
        let duration = record.and_then(|r| r.duration);
        TaskReport {
            task: record.map_or_else(|| spec.name(), |r| r.task.as_str()).to_owned(),
            status: record.map_or_else(|| inferred(index), |r| r.status),
            start: record.and_then(|r| r.start),
            duration,
            seconds: duration.map(|d| d.0.as_secs_f64()),
            condition: spec.condition.as_deref().map(redact_text),
            error: record.and_then(|r| r.error.as_deref()).map(redact_text),
            notes: record.map(notes).unwrap_or_default(),
        }
    };
    experiment.spec.iter().enumerate().map(report).collect()
}

/// Returns the sentences of the verdicts that are not satisfied. Tasks note them for the log; a report shows them with their SLO. Empty if they
/// are so many that a report may cut them, and only the notes have them all.
fn unsatisfied(insights: &Insights) -> HashSet<String> {
    let verdicts = insights.verdicts.iter().filter(|verdict| verdict.verdict != Outcome::Satisfied);
    let verdicts: Vec<&Verdict> = verdicts.take(MAX_REASONS + 1).collect();
    if verdicts.len() > MAX_REASONS {
        return HashSet::new();
    }
    let is_shown = |verdict: &&Verdict| verdict.version < MAX_VERSIONS && is_known(insights, verdict.version);
    let shown = verdicts.into_iter().filter(is_shown);
    shown.map(|verdict| sentence(insights, verdict)).collect()
}

/// Returns false for the version of responses of unknown origin.
fn is_known(insights: &Insights, version: usize) -> bool {
    insights.unknown_version != Some(version) || version < insights.num_versions
}

fn versions(insights: &Insights) -> Vec<VersionReport> {
    let objectives = objectives::of(insights);
    let names = version_names(insights);
    // Responses of unknown origin have no verdicts, and only the metrics of the loads that they belong to.
    let known = |index: usize| is_known(insights, index);
    let is_listed = |index: usize, metric: &str| {
        let load = || insights.load.get(index).zip(metric.split_once('/'));
        known(index) || load().is_some_and(|(loads, (provider, _))| loads.contains_key(provider))
    };
    let report = |(index, name): (usize, String)| VersionReport {
        track: insights.version_names.get(index).map(|v| v.track.clone()).filter(|track| !track.is_empty()),
        metrics: metrics::of_version(insights, index, &objectives)
            .into_iter()
            .filter(|(metric, _)| is_listed(index, metric))
            .collect(),
        observations: observations::of_version(insights, index),
        distributions: metrics::distributions(insights, index),
        slos: if known(index) { slos::of_version(insights, index, &objectives) } else { Vec::new() },
        name,
    };
    names.into_iter().enumerate().map(report).collect()
}

/// Names each version that the document knows.
fn version_names(insights: &Insights) -> Vec<String> {
    let measured = [
        insights.version_names.len(),
        insights.non_hist_metric_values.len(),
        insights.hist_metric_values.len(),
        insights.summary_metric_values.len(),
        insights.load.len(),
        insights.observations.len(),
        insights.verdicts.iter().map(|v| v.version.saturating_add(1)).max().unwrap_or(0),
        insights.num_versions,
    ];
    let count = measured.into_iter().max().unwrap_or(0).min(MAX_VERSIONS);
    (0..count).map(|version| insights.version_label(version)).collect()
}

fn loads(insights: &Insights, versions: &[VersionReport]) -> Vec<LoadReport> {
    let per_version = |(version, loads): (&VersionReport, &std::collections::BTreeMap<String, _>)| {
        let report = |(provider, load): (&String, &crate::model::load::LoadRecord)| {
            let mut load = load.clone();
            load.url = redact_url(&load.url);
            let failures = failures::of(provider, &load);
            LoadReport { version: version.name.clone(), provider: provider.clone(), failures, load }
        };
        loads.iter().map(report).collect::<Vec<_>>()
    };
    let mut loads: Vec<LoadReport> = versions.iter().zip(&insights.load).flat_map(per_version).collect();
    loads.sort_by_key(|load| !load.is_failed());
    loads
}
