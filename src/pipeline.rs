//! Runs the tasks of a spec in order, merges what they contribute, saves after each, and tells what happens.
//!
//! Everything that can be found wrong without running is found first: no load starts for an experiment whose last task is
//! mistyped, or whose document can't be written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::metrics::insights;
use crate::model::contribution::{Contribution, TaskOutcome};
use crate::model::document::{Experiment, ExperimentResult, SCHEMA_VERSION, TaskRecord, TaskSpec, TaskStatus};
use crate::model::duration::GoDuration;
use crate::ports::fleet::{Fleet, FleetError};
use crate::ports::{DocumentStore, Event, Files, StoreError, World};
use crate::redact;
use crate::slo::condition;
use crate::tasks::{Recorded, Task, TaskContext, TaskError, registry};
use crate::values::input::InputError;

/// How long an interrupted task may take to hand over what it measured.
const INTERRUPT_GRACE: Duration = Duration::from_secs(15);

/// Whether a run starts afresh or adds a loop to an earlier result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultPolicy {
    /// The result starts empty.
    Fresh,
    /// The earlier result stays, and this run is its next loop.
    Reuse,
}

/// How a run ended when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Every task is done or skipped.
    Completed,
    /// A signal ended it; the document holds what was measured.
    Interrupted,
}

/// Why a run did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The spec can't work; nothing was run.
    #[error("the experiment is not valid")]
    Input(#[source] InputError),
    /// A task failed; the document says which and why.
    #[error("task {number} of {total} (`{task}`) failed")]
    Task {
        /// The task's place, from 1.
        number: usize,
        /// How many tasks the spec has.
        total: usize,
        /// The task's name.
        task: String,
        /// Why.
        #[source]
        source: TaskError,
    },
    /// The document could not be saved.
    #[error("the experiment document could not be saved")]
    Store(#[source] StoreError),
    /// This machine could not make its part of the experiment, as it lost the others.
    #[error("this machine could not make its part of the experiment")]
    Fleet(#[source] FleetError),
}

/// A spec whose tasks are parsed and checked.
pub struct Prepared {
    experiment: Experiment,
    tasks: Vec<Box<dyn Task>>,
    /// The spec as it is saved, when it differs from the one that runs: without secrets.
    saved_spec: Option<Vec<TaskSpec>>,
}

/// Parses and checks every task; opens no connection and reads only what tasks name. Paths of errors start at `spec`.
pub fn prepare(experiment: Experiment, files: &dyn Files) -> Result<Prepared, InputError> {
    let tasks = parse_all(&experiment.spec)?;
    for (index, task) in tasks.iter().enumerate() {
        task.check(files).map_err(|error| error.under(&format!("spec[{index}]")))?;
    }
    Ok(Prepared { experiment, tasks, saved_spec: None })
}

/// Parses every task and condition; touches nothing outside. Paths of errors start at `spec`.
pub fn parse_all(spec: &[TaskSpec]) -> Result<Vec<Box<dyn Task>>, InputError> {
    if spec.is_empty() {
        return Err(InputError::new("spec", "there are no tasks"));
    }
    let parse = |(index, task): (usize, &TaskSpec)| {
        let at = format!("spec[{index}]");
        if let Some(place) = task.with.as_ref().and_then(redact::find_hidden) {
            return Err(InputError::new(place, format!("a secret stands here as `{}`", redact::HIDDEN))
                .with_hint("documents keep no secrets: run from the values again, or give the secret by file or environment variable")
                .under("with")
                .under(&at));
        }
        if task.run.as_ref().is_some_and(|script| script.contains(redact::HIDDEN)) {
            return Err(InputError::new("run", format!("a secret in the script stands here as `{}`", redact::HIDDEN))
                .with_hint("documents keep no secrets: run from the values again, or let the script read the secret from a file or variable (`$NAME`)")
                .under(&at));
        }
        if let Some(text) = &task.condition {
            condition::check(text).map_err(|error| InputError::new("if", error.to_string()).under(&at))?;
        }
        registry::parse(task).map_err(|error| error.under(&at))
    };
    let tasks: Vec<_> = spec.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    check_together(spec, &tasks)?;
    Ok(tasks)
}

/// Finds tasks that do not fit each other: a loop measures a provider once, and all for the same number of versions.
fn check_together(spec: &[TaskSpec], tasks: &[Box<dyn Task>]) -> Result<(), InputError> {
    let mut versions: Option<(usize, usize)> = None;
    let mut providers = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        let measures = task.measures();
        if let Some(count) = measures.versions {
            let (first, expected) = *versions.get_or_insert((index, count));
            if count != expected {
                let message = format!("it measures {count} versions, and spec[{first}] measures {expected}");
                return Err(InputError::new(format!("spec[{index}]"), message)
                    .with_hint("all tasks of an experiment measure the same versions"));
            }
        }
        // Of two tasks with conditions, one may be skipped; that is seen when they run.
        for provider in measures.providers {
            if let Some(first) = providers.insert(provider.clone(), index)
                && spec[first].condition.is_none()
                && spec[index].condition.is_none()
            {
                return Err(measured_twice(index, &provider));
            }
        }
    }
    Ok(())
}

fn measured_twice(index: usize, provider: &str) -> InputError {
    InputError::new(format!("spec[{index}]"), format!("`{provider}` is measured by an earlier task already"))
        .with_hint("give each target a name of its own in `endpoints` of one task")
}

impl Prepared {
    /// The same, saved without the secrets in its spec. For a spec made of values; one that the user wrote is saved as it is.
    #[must_use]
    pub fn saved_without_secrets(mut self) -> Self {
        self.saved_spec = Some(masked(&self.experiment.spec));
        self
    }

    /// Runs the tasks in order. Whatever happens, the document holds it. Where several machines run the experiment this is the
    /// coordinator's part, and the others are told when it is over; not of an interruption, which may be followed by another life of
    /// the coordinator: nobody else can tell.
    pub async fn run(
        self,
        policy: ResultPolicy,
        store: &dyn DocumentStore,
        world: &World<'_>,
    ) -> Result<RunEnd, PipelineError> {
        let last = self.tasks.len().saturating_sub(1);
        let end = self.run_tasks(policy, store, world).await;
        if let Some(fleet) = world.fleet.filter(|_| !matches!(end, Ok(RunEnd::Interrupted))) {
            let told = tokio::time::timeout(INTERRUPT_GRACE, fleet.dismiss()).await;
            let problem = match told {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer".to_owned()),
            };
            if let Some(problem) = problem {
                // They find out by themselves, later.
                let line = format!("can't tell the other machines that the run is over: {problem}");
                world.observer.observe(Event::TaskLog { index: last, line });
            }
        }
        end
    }

    /// Makes this machine's part of the experiment: its share of the loads that the coordinator comes to, until the run is over.
    /// What fails is the coordinator's to tell; an error here says that this machine could not take part.
    pub async fn assist(&self, fleet: &dyn Fleet, world: &World<'_>) -> Result<RunEnd, PipelineError> {
        // Which loop it is, only the coordinator knows.
        world.observer.observe(Event::RunStarted { loop_number: 1, tasks: self.tasks.len() });
        while !world.stop.is_cancelled() {
            let next = tokio::select! {
                biased;
                () = world.stop.cancelled() => break,
                next = fleet.next_task() => next,
            };
            let end = match next {
                Ok(None) => return Ok(RunEnd::Completed),
                Ok(Some(index)) => self.assist_with(index, fleet, world).await,
                Err(error) => Err(error),
            };
            match end {
                Ok(()) | Err(FleetError::Restarted) => {}
                Err(error) => return Err(PipelineError::Fleet(error)),
            }
        }
        Ok(RunEnd::Interrupted)
    }

    /// Makes this machine's part of one task.
    async fn assist_with(&self, index: usize, fleet: &dyn Fleet, world: &World<'_>) -> Result<(), FleetError> {
        let Some(task) = self.tasks.get(index).filter(|task| task.is_shared()) else {
            let message = format!("the coordinator asks for task {}, which makes no load here", index + 1);
            return Err(FleetError::Failed(format!("{message}: do all machines run the same experiment?")));
        };
        let name = self.experiment.spec[index].name().to_owned();
        let started = Instant::now();
        world.observer.observe(Event::TaskStarted { index, task: name.clone() });
        let measured = BTreeSet::new();
        let context = TaskContext { index, experiment: &self.experiment, measured: &measured, world };
        let end = tokio::select! {
            end = task.assist(&context, fleet) => end,
            () = given_up(world) => Ok(()),
        };
        let (status, notes) = match &end {
            Ok(()) if !world.stop.is_cancelled() => (TaskStatus::Done, Vec::new()),
            Ok(()) => (TaskStatus::Interrupted, Vec::new()),
            Err(FleetError::Restarted) => (TaskStatus::Interrupted, vec!["recalled by the coordinator".to_owned()]),
            Err(error) => (TaskStatus::Failed, vec![error.to_string()]),
        };
        world.observer.observe(Event::TaskEnded { index, task: name, status, duration: started.elapsed(), notes });
        end
    }

    async fn run_tasks(
        self,
        policy: ResultPolicy,
        store: &dyn DocumentStore,
        world: &World<'_>,
    ) -> Result<RunEnd, PipelineError> {
        let total = self.tasks.len();
        let mut run =
            Run { experiment: self.experiment, saved_spec: self.saved_spec, store, world, measured: BTreeSet::new() };
        if policy == ResultPolicy::Reuse {
            run.check_earlier(&self.tasks).map_err(PipelineError::Input)?;
        }
        run.start(policy);
        run.save().await.map_err(PipelineError::Store)?;
        for (index, task) in self.tasks.iter().enumerate() {
            match run.step(index, task.as_ref()).await? {
                Step::Next => {}
                Step::Interrupted => return Ok(RunEnd::Interrupted),
                Step::Failed(source) => {
                    let task = run.experiment.spec[index].name().to_owned();
                    return Err(PipelineError::Task { number: index + 1, total, task, source });
                }
            }
        }
        Ok(RunEnd::Completed)
    }
}

/// A spec with its secrets hidden.
pub fn masked(spec: &[TaskSpec]) -> Vec<TaskSpec> {
    spec.iter().map(redact::mask_task).collect()
}

/// The document of an experiment before its first run: revision `revision` of its group.
pub fn planned(spec: Vec<TaskSpec>, revision: i64) -> Experiment {
    let result = ExperimentResult {
        schema_version: Some(SCHEMA_VERSION),
        revision: Some(revision),
        iter8_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        tasks: planned_tasks(&spec),
        ..ExperimentResult::default()
    };
    Experiment { spec, result: Some(result), ..Experiment::default() }
}

/// The records of tasks that have not started.
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

/// Waits until the run is interrupted, and a task has had its time to hand over what it measured.
async fn given_up(world: &World<'_>) {
    world.stop.cancelled().await;
    tokio::time::sleep(INTERRUPT_GRACE).await;
}

enum Step {
    Next,
    Interrupted,
    Failed(TaskError),
}

struct Run<'a> {
    experiment: Experiment,
    saved_spec: Option<Vec<TaskSpec>>,
    store: &'a dyn DocumentStore,
    world: &'a World<'a>,
    /// Providers that this loop has measured.
    measured: BTreeSet<String>,
}

impl Run<'_> {
    fn result(&mut self) -> &mut ExperimentResult {
        self.experiment.result.get_or_insert_default()
    }

    /// Finds what does not fit the result that this run adds a loop to.
    fn check_earlier(&self, tasks: &[Box<dyn Task>]) -> Result<(), InputError> {
        let result = self.experiment.result.as_ref();
        let Some(insights) = result.and_then(|result| result.insights.as_ref()) else { return Ok(()) };
        for (index, task) in tasks.iter().enumerate() {
            let at = format!("spec[{index}]");
            task.check_earlier(insights).map_err(|error| error.under(&at))?;
            if let Some(count) = task.measures().versions.filter(|count| ![0, *count].contains(&insights.num_versions))
            {
                let message = format!("it measures {count} versions, and the earlier loops {}", insights.num_versions);
                return Err(InputError::new(at, message).with_hint("start afresh without --reuseResult"));
            }
        }
        Ok(())
    }

    fn start(&mut self, policy: ResultPolicy) {
        let now = self.world.clock.now();
        let tasks = planned_tasks(&self.experiment.spec);
        let count = tasks.len();
        if policy == ResultPolicy::Fresh {
            // The revision belongs to the launch, not to the run.
            let revision = self.experiment.result.take().and_then(|result| result.revision);
            self.result().revision = revision;
        }
        let result = self.result();
        result.schema_version = Some(SCHEMA_VERSION);
        result.start_time.get_or_insert(now);
        result.num_loops += 1;
        result.num_completed_tasks = 0;
        result.failure = false;
        result.interrupted = false;
        result.iter8_version = Some(env!("CARGO_PKG_VERSION").to_owned());
        result.tasks = tasks;
        if let Some(insights) = &mut result.insights {
            // They judge the loop before; this one has none until it is assessed.
            insights.verdicts.clear();
            insights.slos_satisfied = None;
        }
        let loop_number = result.num_loops;
        self.world.observer.observe(Event::RunStarted { loop_number, tasks: count });
    }

    async fn save(&self) -> Result<(), StoreError> {
        match &self.saved_spec {
            None => self.store.save(&self.experiment).await,
            Some(spec) => {
                let saved = Experiment { spec: spec.clone(), ..self.experiment.clone() };
                self.store.save(&saved).await
            }
        }
    }

    async fn step(&mut self, index: usize, task: &dyn Task) -> Result<Step, PipelineError> {
        if self.world.stop.is_cancelled() {
            self.result().interrupted = true;
            self.save().await.map_err(PipelineError::Store)?;
            return Ok(Step::Interrupted);
        }
        let name = self.experiment.spec[index].name().to_owned();
        let started = Instant::now();
        let start = self.world.clock.now();
        match self.skip_reason(index) {
            Ok(None) => {}
            Ok(Some(reason)) => {
                self.end(index, &name, TaskStatus::Skipped, started, None, vec![reason]);
                self.save().await.map_err(PipelineError::Store)?;
                return Ok(Step::Next);
            }
            Err(error) => return self.fail(index, &name, started, error).await,
        }
        for provider in task.measures().providers {
            if self.measured.contains(&provider) {
                return self.fail(index, &name, started, measured_twice(index, &provider).into()).await;
            }
        }
        self.world.observer.observe(Event::TaskStarted { index, task: name.clone() });
        let record = &mut self.result().tasks[index];
        record.status = TaskStatus::Running;
        record.start = Some(start);
        self.save().await.map_err(PipelineError::Store)?;
        match self.run_or_replay(index, &name, task).await {
            Ok(contribution) => self.accept(index, &name, started, contribution).await,
            Err(error) => self.fail(index, &name, started, error).await,
        }
    }

    /// Why the task is skipped, if its condition is false.
    fn skip_reason(&self, index: usize) -> Result<Option<String>, TaskError> {
        let Some(text) = &self.experiment.spec[index].condition else { return Ok(None) };
        match condition::evaluate(text, &self.experiment) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(format!("the condition `{text}` is false"))),
            Err(error) => Err(InputError::new(format!("spec[{index}].if"), error.to_string()).into()),
        }
    }

    /// Runs a task, or takes its outcome from the recording that is replayed.
    async fn run_or_replay(&self, index: usize, name: &str, task: &dyn Task) -> Result<Contribution, TaskError> {
        let tape = self.world.tape.filter(|_| task.recorded() == Recorded::Outcome);
        let Some(tape) = tape else { return self.run_task(index, task).await };
        if let Some(outcome) = tape.begin(index, name) {
            let line = "not run: its outcome is taken from the recording".to_owned();
            self.world.observer.observe(Event::TaskLog { index, line });
            return outcome.into();
        }
        let end = self.run_task(index, task).await;
        tape.keep(index, name, &TaskOutcome::from(&end));
        end
    }

    async fn run_task(&self, index: usize, task: &dyn Task) -> Result<Contribution, TaskError> {
        let world = self.world;
        let context = TaskContext { index, experiment: &self.experiment, measured: &self.measured, world };
        tokio::select! {
            end = task.run(&context) => end,
            () = given_up(world) => Ok(Contribution { interrupted: true, ..Contribution::default() }),
        }
    }

    async fn accept(
        &mut self,
        index: usize,
        name: &str,
        started: Instant,
        contribution: Contribution,
    ) -> Result<Step, PipelineError> {
        if let Err(reason) = self.merge(&contribution) {
            return self.fail(index, name, started, TaskError::failed(reason)).await;
        }
        self.measured.extend(contribution.providers().into_iter().map(str::to_owned));
        let (status, step) = match contribution.interrupted {
            true => (TaskStatus::Interrupted, Step::Interrupted),
            false => (TaskStatus::Done, Step::Next),
        };
        self.result().interrupted = contribution.interrupted;
        self.end(index, name, status, started, None, contribution.notes);
        self.save().await.map_err(PipelineError::Store)?;
        Ok(step)
    }

    fn merge(&mut self, contribution: &Contribution) -> Result<(), String> {
        let insights = self.result().insights.get_or_insert_default();
        insights::merge(insights, contribution).map_err(|error| error.to_string())
    }

    /// Keeps the failure and what was measured. The task's error is what the caller hears of, even if saving fails too.
    async fn fail(
        &mut self,
        index: usize,
        name: &str,
        started: Instant,
        mut error: TaskError,
    ) -> Result<Step, PipelineError> {
        if let TaskError::Failed { partial, .. } = &mut error
            && let Some(partial) = partial.take()
        {
            // The measurements of a failed task are worth keeping; one that can't be merged changes nothing about the failure.
            let _ = self.merge(&partial);
        }
        self.result().failure = true;
        self.end(index, name, TaskStatus::Failed, started, Some(error.to_string()), Vec::new());
        if let Err(store) = self.save().await {
            self.world.observer.observe(Event::TaskLog { index, line: format!("{store}") });
        }
        Ok(Step::Failed(error))
    }

    fn end(
        &mut self,
        index: usize,
        name: &str,
        status: TaskStatus,
        started: Instant,
        error: Option<String>,
        notes: Vec<String>,
    ) {
        let duration = started.elapsed();
        let told = error.iter().cloned().chain(notes.iter().cloned()).collect();
        let result = self.result();
        if matches!(status, TaskStatus::Done | TaskStatus::Skipped) {
            result.num_completed_tasks += 1;
        }
        let record = &mut result.tasks[index];
        record.status = status;
        record.error = error;
        record.notes = notes;
        if record.start.is_some() {
            // To the microsecond: more says nothing.
            record.duration = Some(GoDuration(Duration::from_micros(duration.as_micros() as u64)));
        }
        self.world.observer.observe(Event::TaskEnded { index, task: name.to_owned(), status, duration, notes: told });
    }
}
