//! One loop: every task once, in order. The document is saved before and after each task.

use std::collections::BTreeSet;
use std::time::Instant;

use super::check::measured_twice;
use super::document::{Document, TaskEnd};
use super::{PipelineError, ResultPolicy, RunEnd, interrupt_grace_over};
use crate::model::contribution::{Contribution, TaskOutcome};
use crate::model::document::TaskStatus;
use crate::ports::{Env, Event, StoreError};
use crate::slo::condition;
use crate::tasks::{AfterFailedLoad, Recorded, Task, TaskContext, TaskError, objectives_after};
use crate::values::input::InputError;

/// Runs one loop and saves its outcome, even a failure, in the document.
pub(super) async fn run_loop(
    document: &mut Document<'_>,
    tasks: &[Box<dyn Task>],
    policy: ResultPolicy,
    env: &Env<'_>,
) -> Result<RunEnd, PipelineError> {
    let is_replay = env.recording.is_some_and(|recording| recording.is_replay());
    let loop_number = document.begin_loop(policy, env.clock.now(), is_replay);
    env.observer.observe(Event::RunStarted { loop_number, tasks: tasks.len() });
    document.save().await?;
    let mut run = LoopRun { document, tasks, env, measured: BTreeSet::new() };
    for (index, task) in tasks.iter().enumerate() {
        match run.step(index, task.as_ref()).await? {
            Step::Continue => {}
            Step::Interrupted => return Ok(RunEnd::Interrupted),
            Step::Failed(source) => {
                let task = run.name(index);
                if is_failed_load(tasks[index].as_ref(), &source) {
                    run.after_failed_load(tasks, index).await;
                }
                return Err(PipelineError::Task { number: index + 1, total: tasks.len(), task, source });
            }
        }
    }
    Ok(RunEnd::Completed)
}

/// Returns true if a load was attempted and failed.
fn is_failed_load(task: &dyn Task, error: &TaskError) -> bool {
    task.as_load().is_some() && matches!(error, TaskError::Failed { .. })
}

/// Consequence of a task's end for the loop.
enum Step {
    Continue,
    Interrupted,
    Failed(TaskError),
}

struct LoopRun<'a, 'd> {
    document: &'a mut Document<'d>,
    tasks: &'a [Box<dyn Task>],
    env: &'a Env<'a>,
    /// Providers measured in this loop.
    measured: BTreeSet<String>,
}

impl LoopRun<'_, '_> {
    async fn step(&mut self, index: usize, task: &dyn Task) -> Result<Step, StoreError> {
        if self.env.stop.is_cancelled() {
            self.document.interrupt();
            self.document.save().await?;
            return Ok(Step::Interrupted);
        }
        let started = Instant::now();
        let start = self.env.clock.now();
        match self.skip_reason(index) {
            Ok(None) => {}
            Ok(Some(reason)) => {
                self.end(index, TaskStatus::Skipped, started, None, vec![reason]).await?;
                return Ok(Step::Continue);
            }
            Err(error) => return Ok(self.fail(index, started, error).await),
        }
        for provider in task.facts().providers {
            if self.measured.contains(&provider) {
                return Ok(self.fail(index, started, measured_twice(index, &provider).into()).await);
            }
        }
        // Read again: an earlier task may have written a file, and secrets are rotated.
        self.document.add_secrets(&task.secrets(self.env.files));
        self.env.observer.observe(Event::TaskStarted { index, task: self.name(index) });
        self.document.start_task(index, start);
        self.document.save().await?;
        match self.run_or_replay(index, task).await {
            Ok(contribution) => self.accept(index, started, contribution).await,
            Err(error) => Ok(self.fail(index, started, error).await),
        }
    }

    /// Runs the tasks that judge and report the failure of a load. The run fails anyway, so their failures are only recorded.
    async fn after_failed_load(&mut self, tasks: &[Box<dyn Task>], failed: usize) {
        for (index, task) in tasks.iter().enumerate().skip(failed + 1) {
            let is_conditional = self.document.experiment().spec[index].condition.is_some();
            let runs = match task.facts().after_failed_load {
                AfterFailedLoad::Stop => false,
                AfterFailedLoad::RunIfConditional => is_conditional,
                AfterFailedLoad::Run => true,
            };
            if runs && !matches!(self.step(index, task.as_ref()).await, Ok(Step::Continue | Step::Failed(_))) {
                return;
            }
        }
    }

    fn name(&self, index: usize) -> String {
        self.document.experiment().spec[index].name().to_owned()
    }

    /// Returns the reason to skip the task, if its condition is false.
    fn skip_reason(&self, index: usize) -> Result<Option<String>, TaskError> {
        let experiment = self.document.experiment();
        let Some(text) = &experiment.spec[index].condition else { return Ok(None) };
        match condition::evaluate(text, experiment) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(format!("the condition `{text}` is false"))),
            Err(error) => Err(InputError::new(format!("spec[{index}].if"), error.to_string()).into()),
        }
    }

    /// Runs a task, or returns its outcome from the replayed recording.
    async fn run_or_replay(&self, index: usize, task: &dyn Task) -> Result<Contribution, TaskError> {
        let recording = self.env.recording.filter(|_| task.facts().recorded == Recorded::Outcome);
        let Some(recording) = recording else { return self.run_task(index, task).await };
        let name = self.name(index);
        if let Some(outcome) = recording.begin(index, &name) {
            let line = "not run: using the recorded outcome".to_owned();
            self.env.observer.observe(Event::TaskLog { index, line });
            return outcome.into();
        }
        let end = self.run_task(index, task).await;
        recording.keep(index, &name, &self.document.redact_outcome(&TaskOutcome::from(&end)));
        end
    }

    async fn run_task(&self, index: usize, task: &dyn Task) -> Result<Contribution, TaskError> {
        let env = self.env;
        let (experiment, secrets) = (self.document.experiment(), self.document.secrets());
        let objectives = objectives_after(self.tasks, index);
        let times = experiment.rollout().map_or(1.0, |record| record.times());
        let context = TaskContext { index, experiment, measured: &self.measured, objectives, times, secrets, env };
        let end = tokio::select! {
            // A task that needs no waiting, such as `assess`, always ends.
            biased;
            end = task.run(&context) => end,
            () = interrupt_grace_over(env, task.facts().on_stop) => Err(TaskError::Interrupted),
        };
        match end {
            Err(TaskError::Interrupted) => Ok(Contribution::interrupted()),
            end => end,
        }
    }

    async fn accept(&mut self, index: usize, started: Instant, contribution: Contribution) -> Result<Step, StoreError> {
        self.document.add_secrets(&contribution.secrets);
        if let Err(reason) = self.document.merge(&contribution) {
            return Ok(self.fail(index, started, TaskError::failed(reason)).await);
        }
        self.measured.extend(contribution.providers().into_iter().map(str::to_owned));
        let (status, step) = match contribution.interrupted {
            true => (TaskStatus::Interrupted, Step::Interrupted),
            false => (TaskStatus::Done, Step::Continue),
        };
        self.end(index, status, started, None, contribution.notes).await?;
        Ok(step)
    }

    /// Records the failure and its partial measurements. The task's error is returned even if saving fails too.
    async fn fail(&mut self, index: usize, started: Instant, mut error: TaskError) -> Step {
        let mut notes = Vec::new();
        if let TaskError::Failed { partial, .. } = &mut error
            && let Some(partial) = partial.take()
        {
            self.document.add_secrets(&partial.secrets);
            match self.document.merge(&partial) {
                Ok(()) => self.measured.extend(partial.providers().into_iter().map(str::to_owned)),
                Err(reason) => notes.push(format!("its measurements could not be recorded: {reason}")),
            }
        }
        if let Err(store) = self.end(index, TaskStatus::Failed, started, Some(error.to_string()), notes).await {
            self.env.observer.observe(Event::TaskLog { index, line: self.document.redact(&store.to_string()) });
        }
        Step::Failed(error.map_text(|text| self.document.redact(text)))
    }

    /// Records the end of a task, saves it, and then reports it: what is said to be done must survive a crash.
    async fn end(
        &mut self,
        index: usize,
        status: TaskStatus,
        started: Instant,
        error: Option<String>,
        notes: Vec<String>,
    ) -> Result<(), StoreError> {
        let duration = started.elapsed();
        let redact = |text: String| self.document.redact(&text);
        let (error, notes) = (error.map(redact), notes.into_iter().map(redact).collect::<Vec<_>>());
        let messages = error.iter().chain(&notes).cloned().collect();
        let task = self.name(index);
        self.document.end_task(index, TaskEnd { status, duration, error, notes });
        self.document.save().await?;
        self.env.observer.observe(Event::TaskEnded { index, task, status, duration, notes: messages });
        Ok(())
    }
}
