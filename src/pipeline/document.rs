//! The experiment document while its tasks run: records of tasks, merged contributions, and saving it.
//!
//! Only this module edits the document.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{ResultPolicy, spec_digest};
use crate::metrics::{insights, loop_records};
use crate::model::contribution::{Contribution, TaskFailure, TaskOutcome};
use crate::model::document::{Experiment, ExperimentResult, SCHEMA_VERSION, TaskRecord, TaskSpec, TaskStatus};
use crate::model::duration::GoDuration;
use crate::model::loops::LoopRecord;
use crate::model::rollout::{RolloutRecord, StepRecord};
use crate::ports::{DocumentStore, Files, StoreError};
use crate::redact::{self, RequestSecrets};
use crate::slo::{reward, split};
use crate::tasks::Task;

/// Name of the task that judges.
const ASSESS: &str = "assess";

/// Returns a spec with its secrets redacted, by their names and wherever it repeats them.
pub(crate) fn redacted(spec: &[TaskSpec], secrets: &RequestSecrets) -> Vec<TaskSpec> {
    spec.iter().map(|task| redact::redact_task_with(task, secrets)).collect()
}

/// Returns the secrets of a spec that are known before its tasks run.
pub(crate) fn secrets(spec: &[TaskSpec], tasks: &[Box<dyn Task>], files: &dyn Files) -> RequestSecrets {
    let mut secrets = redact::secrets_of(spec);
    secrets.add(&tasks.iter().flat_map(|task| task.secrets(files)).collect::<Vec<_>>());
    secrets
}

/// Returns the document of an experiment before its first run, as revision `revision` of its group.
pub(crate) fn planned(spec: Vec<TaskSpec>, revision: i64, values_digest: Option<String>) -> Experiment {
    let result = ExperimentResult {
        schema_version: Some(SCHEMA_VERSION),
        revision: Some(revision),
        values_digest,
        iter8_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        tasks: planned_tasks(&spec),
        ..ExperimentResult::default()
    };
    Experiment { spec, result: Some(result), ..Experiment::default() }
}

/// Returns records of tasks that have not started.
fn planned_tasks(spec: &[TaskSpec]) -> Vec<TaskRecord> {
    let planned = |task: &TaskSpec| TaskRecord {
        task: task.name().to_owned(),
        status: TaskStatus::Planned,
        start: None,
        duration: None,
        error: None,
        notes: Vec::new(),
    };
    spec.iter().map(planned).collect()
}

/// Records the newest loop if a task failed before it could be assessed, so that rules over several loops count it.
fn keep_unassessed_failure(result: &mut ExperimentResult) {
    let Some(failed) = result.tasks.iter().position(|task| task.status == TaskStatus::Failed) else { return };
    let is_before_assess = result.tasks[failed..].iter().any(|task| task.task == ASSESS);
    let newest = result.insights.as_ref().and_then(|insights| insights.loops.last());
    if !is_before_assess || newest.is_some_and(|record| record.number == result.num_loops) {
        return;
    }
    let record = LoopRecord {
        number: result.num_loops,
        start: result.tasks.iter().filter_map(|task| task.start).min(),
        spec: result.spec_digest.clone(),
        failed: Some(result.tasks[failed].task.clone()),
        ..LoopRecord::default()
    };
    loop_records::keep_failed(&mut result.insights.get_or_insert_default().loops, record);
}

/// The experiment document of a run, with its store.
pub(super) struct Document<'a> {
    experiment: Experiment,
    /// The spec to save if it differs from the one to run: without secrets.
    saved_spec: Option<Vec<TaskSpec>>,
    secrets: RequestSecrets,
    store: &'a dyn DocumentStore,
}

/// End of a task, for its record.
pub(super) struct TaskEnd {
    pub(super) status: TaskStatus,
    pub(super) duration: Duration,
    pub(super) error: Option<String>,
    pub(super) notes: Vec<String>,
}

impl<'a> Document<'a> {
    /// `secrets` are those of the spec, which is saved without them if `is_saved_redacted`.
    pub(super) fn new(
        experiment: Experiment,
        secrets: RequestSecrets,
        is_saved_redacted: bool,
        store: &'a dyn DocumentStore,
    ) -> Self {
        let saved_spec = is_saved_redacted.then(|| redacted(&experiment.spec, &secrets));
        Self { experiment, saved_spec, secrets, store }
    }

    /// Redacts the known secrets in a message.
    pub(super) fn redact(&self, message: &str) -> String {
        self.secrets.redact(message)
    }

    /// Redacts the known secrets in the outcome of a task, for a recording.
    pub(super) fn redact_outcome(&self, outcome: &TaskOutcome) -> TaskOutcome {
        let redacted = serde_json::to_string(&outcome).map(|text| self.secrets.redact(&text));
        redacted.and_then(|text| serde_json::from_str(&text)).unwrap_or_else(|_| {
            let message = "the outcome cannot be recorded without secrets".to_owned();
            TaskOutcome::Failed(TaskFailure { message, hint: None, partial: None })
        })
    }

    pub(super) fn secrets(&self) -> &RequestSecrets {
        &self.secrets
    }

    /// Adds secrets that a task sent.
    pub(super) fn add_secrets(&mut self, secrets: &[String]) {
        if self.secrets.add(secrets) && self.saved_spec.is_some() {
            self.saved_spec = Some(redacted(&self.experiment.spec, &self.secrets));
        }
    }

    /// Names the experiment for others that share its objects.
    pub(super) fn owner(&self) -> String {
        self.store.owner()
    }

    pub(super) fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// Starts the next loop, and returns its number.
    pub(super) fn begin_loop(&mut self, policy: ResultPolicy, now: DateTime<Utc>, is_replay: bool) -> u64 {
        let tasks = planned_tasks(&self.experiment.spec);
        let completed_loops = if policy == ResultPolicy::Fresh { 0 } else { self.experiment.completed_loops() };
        if policy == ResultPolicy::Fresh {
            self.clear_result();
        }
        keep_unassessed_failure(self.result());
        let spec_digest = spec_digest::of(&redacted(&self.experiment.spec, &self.secrets));
        let result = self.result();
        result.spec_digest = Some(spec_digest);
        result.schema_version = Some(SCHEMA_VERSION);
        result.start_time.get_or_insert(now);
        result.num_loops += 1;
        result.num_completed_loops = Some(completed_loops);
        result.num_completed_tasks = 0;
        result.failure = false;
        result.interrupted = false;
        result.replayed |= is_replay;
        result.iter8_version = Some(env!("CARGO_PKG_VERSION").to_owned());
        result.tasks = tasks;
        if let Some(insights) = &mut result.insights {
            // These belong to the previous loop; this loop has none until it is assessed.
            insights.verdicts.clear();
            insights.slos_satisfied = None;
            insights.rewards_winners = None;
            insights.reward_verdicts.clear();
            insights.splits.clear();
        }
        result.num_loops
    }

    /// Drops the earlier result.
    pub(super) fn clear_result(&mut self) {
        // These belong to the launch, not to the run.
        let ExperimentResult { revision, values_digest, .. } = self.experiment.result.take().unwrap_or_default();
        self.experiment.result = Some(ExperimentResult { revision, values_digest, ..ExperimentResult::default() });
    }

    /// Replaces the state of the rollout. Its reasons come from the cluster and from providers.
    pub(super) fn set_rollout(&mut self, record: RolloutRecord) {
        let redact = |text: Option<String>| text.map(|text| self.redact(&text));
        let steps = record.steps.into_iter().map(|step| StepRecord { reason: redact(step.reason), ..step }).collect();
        let record = RolloutRecord { reason: redact(record.reason), steps, ..record };
        self.result().rollout = Some(record);
    }

    pub(super) fn start_task(&mut self, index: usize, start: DateTime<Utc>) {
        let record = &mut self.result().tasks[index];
        record.status = TaskStatus::Running;
        record.start = Some(start);
    }

    pub(super) fn end_task(&mut self, index: usize, end: TaskEnd) {
        let tasks = self.experiment.spec.len();
        let result = self.result();
        match end.status {
            TaskStatus::Done | TaskStatus::Skipped => result.num_completed_tasks += 1,
            TaskStatus::Failed => result.failure = true,
            TaskStatus::Interrupted => result.interrupted = true,
            TaskStatus::Planned | TaskStatus::Running => {}
        }
        let record = &mut result.tasks[index];
        record.status = end.status;
        record.error = end.error;
        record.notes = end.notes;
        if record.start.is_some() {
            // Finer resolution than microseconds would be noise.
            record.duration = Some(GoDuration(Duration::from_micros(end.duration.as_micros() as u64)));
        }
        if result.num_completed_tasks == tasks {
            *result.num_completed_loops.get_or_insert_default() += 1;
        }
    }

    /// Marks a loop that was interrupted between two tasks.
    pub(super) fn interrupt(&mut self) {
        self.result().interrupted = true;
    }

    pub(super) fn merge(&mut self, contribution: &Contribution) -> Result<(), String> {
        if let Some(rollout) = &contribution.rollout {
            self.set_rollout(rollout.clone());
        }
        let result = self.result();
        let number = result.num_loops;
        let insights = result.insights.get_or_insert_default();
        insights::merge(insights, contribution).map_err(|error| error.to_string())?;
        if contribution.split.is_some() {
            split::apply(insights, number);
            reward::withdraw(insights);
        }
        Ok(())
    }

    /// Returns the document in the form that is saved.
    pub(super) fn into_saved(self) -> Experiment {
        let Self { experiment, saved_spec, .. } = self;
        match saved_spec {
            None => experiment,
            Some(spec) => Experiment { spec, ..experiment },
        }
    }

    pub(super) async fn save(&self) -> Result<(), StoreError> {
        match &self.saved_spec {
            None => self.store.save(&self.experiment).await,
            Some(spec) => {
                let saved = Experiment { spec: spec.clone(), ..self.experiment.clone() };
                self.store.save(&saved).await
            }
        }
    }

    fn result(&mut self) -> &mut ExperimentResult {
        self.experiment.result.get_or_insert_default()
    }
}
