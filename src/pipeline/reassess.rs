//! Judging the newest loop of a saved document again, with other SLOs or another confidence.
//!
//! The document stays one that a run could have written: the entry of its `assess` gets the new settings, so that its verdicts are on the
//! objectives of its spec. A note of that task says that they were judged after the run. The same settings give the same document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::metrics::insights;
use crate::model::document::{Experiment, ExperimentResult, SCHEMA_VERSION, TaskRecord, TaskSpec, TaskStatus};
use crate::model::insights::Insights;
use crate::redact::{redact_task, redact_text};
use crate::slo::assertion::{RunState, progress};
use crate::slo::contradictions;
use crate::tasks::assess::{KIND, again};
use crate::tasks::registry;
use crate::values::input::InputError;

/// Note of the task whose verdicts are not those of the run.
const NOTE: &str = "judged again after the run";

/// A document that was judged again.
#[derive(Debug)]
pub(crate) struct Reassessed {
    /// The document with its new verdicts.
    pub(crate) experiment: Experiment,
    /// Number of earlier loops whose verdicts were dropped, because they are on other SLOs.
    pub(crate) dropped_loops: usize,
}

/// Reason why a document was not judged again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReassessError {
    /// The document cannot be judged.
    #[error("{message}")]
    Document { message: String, hint: &'static str },
    /// The settings are invalid; the path starts at the values of `assess`.
    #[error(transparent)]
    Settings(#[from] InputError),
}

impl ReassessError {
    fn document(message: impl Into<String>, hint: &'static str) -> Self {
        Self::Document { message: message.into(), hint }
    }
}

/// Judges the newest loop again, with `settings` in place of those of the document's `assess`.
pub(crate) fn reassess(mut experiment: Experiment, settings: &Map<String, Value>) -> Result<Reassessed, ReassessError> {
    check(&experiment)?;
    let place = place(&experiment)?;
    let Experiment { spec, result, .. } = &mut experiment;
    let result = result.get_or_insert_default();
    add_records(spec, result);
    let added = TaskSpec { task: Some(KIND.name.to_owned()), ..TaskSpec::default() };
    again::check_units(settings, result.insights.as_ref())?;
    let entry = again::with_settings(spec.get(place).unwrap_or(&added), settings)?;
    let dropped_loops = if again::has_same_objectives(&entry, result) { 0 } else { drop_verdicts(result) };
    let measured = measured(spec, result);
    let contribution = again::judge(&entry, result, &measured)?;
    let insights = result.insights.get_or_insert_default();
    insights::merge(insights, &contribution)
        .map_err(|error| ReassessError::document(error.to_string(), "run the experiment again"))?;
    let notes = [NOTE.to_owned()].into_iter().chain(contribution.notes.iter().map(|note| redact_text(note))).collect();
    match (spec.get_mut(place), result.tasks.get_mut(place)) {
        (Some(old), Some(record)) => {
            *old = redact_task(&entry);
            if !matches!(record.status, TaskStatus::Done | TaskStatus::Skipped) {
                result.num_completed_tasks += 1;
            }
            (record.status, record.notes) = (TaskStatus::Done, notes);
        }
        _ => {
            spec.push(redact_task(&entry));
            result.tasks.push(TaskRecord { notes, ..record(&entry) });
            result.num_completed_tasks += 1;
        }
    }
    Ok(Reassessed { experiment, dropped_loops })
}

/// Refuses documents whose newest loop cannot be judged by its measurements alone.
fn check(experiment: &Experiment) -> Result<(), ReassessError> {
    let has_rollout = experiment.spec.iter().any(|task| task.name() == "rollout") || experiment.rollout().is_some();
    if has_rollout {
        let hint = "run the rollout again with other SLOs";
        return Err(ReassessError::document("its rollout was decided by the verdicts of its steps", hint));
    }
    if let Some(contradiction) = contradictions::of_tasks(experiment) {
        return Err(ReassessError::document(redact_text(&contradiction), "run the experiment again"));
    }
    let progress = progress(experiment);
    let has_records = experiment.result.as_ref().is_some_and(ExperimentResult::has_records);
    match progress.state {
        RunState::Completed => Ok(()),
        // A failed load is a result like any other, if the document says which task failed.
        RunState::Failed if has_records => Ok(()),
        RunState::NotStarted => Err(ReassessError::document(progress.sentence(), "run it first")),
        RunState::Running => Err(ReassessError::document(progress.sentence(), "wait for the end of the run")),
        RunState::Failed | RunState::Interrupted => {
            Err(ReassessError::document(progress.sentence(), "run the experiment again"))
        }
    }
}

/// Returns the index of the entry that judges; that after the last one if there is none.
fn place(experiment: &Experiment) -> Result<usize, ReassessError> {
    let mut entries = (0..).zip(&experiment.spec).filter(|(_, task)| task.name() == KIND.name).map(|(index, _)| index);
    let first = entries.next();
    match entries.next() {
        Some(_) => {
            let hint = "keep one of them in the document's `spec`, with its record in `result.tasks`";
            Err(ReassessError::document("it has several `assess` tasks", hint))
        }
        None => Ok(first.unwrap_or(experiment.spec.len())),
    }
}

/// Adds the records of tasks that a document of Iter8 lacks: all are done.
fn add_records(spec: &[TaskSpec], result: &mut ExperimentResult) {
    if !result.has_records() {
        result.tasks = spec.iter().map(record).collect();
        result.num_completed_tasks = spec.len();
        result.schema_version = Some(SCHEMA_VERSION);
    }
}

fn record(task: &TaskSpec) -> TaskRecord {
    let task = task.name().to_owned();
    TaskRecord { task, status: TaskStatus::Done, start: None, duration: None, error: None, notes: Vec::new() }
}

/// Drops the verdicts on other SLOs. Returns the number of earlier loops among them.
fn drop_verdicts(result: &mut ExperimentResult) -> usize {
    let number = result.num_loops;
    let Some(insights) = &mut result.insights else { return 0 };
    (insights.slos, insights.relative) = (None, None);
    let records = std::mem::take(&mut insights.loops);
    records.iter().filter(|record| record.number != number).count()
}

/// Lists the providers that the newest loop has measured, as far as the document shows it.
fn measured(spec: &[TaskSpec], result: &ExperimentResult) -> BTreeSet<String> {
    let nothing = Insights::default();
    let insights = result.insights.as_ref().unwrap_or(&nothing);
    let start = result.tasks.iter().filter_map(|task| task.start).min();
    let Some(start) = start.filter(|_| result.num_loops > 1) else {
        // One loop has measured everything. Documents of Iter8 do not say which loop has measured a value.
        return providers(insights);
    };
    let records = spec.iter().zip(&result.tasks).filter(|(_, record)| record.status == TaskStatus::Done);
    let done = records.filter_map(|(task, _)| registry::parse(task).ok()).flat_map(|task| task.facts().providers);
    let loads = insights.load.iter().flatten();
    let begun = loads.filter(|(_, load)| !load.aborted && load.start.is_some_and(|at| at >= start));
    done.chain(begun.map(|(provider, _)| provider.clone())).collect()
}

/// Lists the providers of all metrics.
fn providers(insights: &Insights) -> BTreeSet<String> {
    fn keys<T>(list: &[BTreeMap<String, T>]) -> impl Iterator<Item = &String> {
        list.iter().flat_map(BTreeMap::keys)
    }
    let Insights { non_hist_metric_values, hist_metric_values, summary_metric_values, histograms, .. } = insights;
    let keys = keys(non_hist_metric_values)
        .chain(keys(hist_metric_values))
        .chain(keys(summary_metric_values))
        .chain(keys(histograms))
        .chain(keys(&insights.observations));
    keys.filter_map(|key| Some(key.split_once('/')?.0.to_owned())).collect()
}
