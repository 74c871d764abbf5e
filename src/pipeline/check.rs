//! Parses and checks a spec before it runs.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::document::{redacted, secrets};
use crate::model::document::{Experiment, TaskSpec};
use crate::model::path::FieldPath;
use crate::ports::{Files, RecordedTask};
use crate::redact::{self, RequestSecrets};
use crate::slo::condition;
use crate::tasks::{Recorded, Task, objectives_after, registry};
use crate::values::input::{InputError, InputErrors};
use crate::values::mistakes::read_all;

/// An experiment whose tasks are parsed and checked.
pub struct Prepared {
    pub(super) experiment: Experiment,
    pub(super) tasks: Vec<Box<dyn Task>>,
    /// Secrets that are known before the run.
    pub(super) secrets: RequestSecrets,
    /// The spec is saved without secrets.
    pub(super) is_saved_redacted: bool,
}

impl Prepared {
    /// Builds an experiment from its checked tasks.
    pub(crate) fn new(experiment: Experiment, tasks: Vec<Box<dyn Task>>, files: &dyn Files) -> Self {
        let secrets = secrets(&experiment.spec, &tasks, files);
        Self { experiment, tasks, secrets, is_saved_redacted: false }
    }

    /// Returns the tasks that are recorded by their outcome, without secrets.
    pub(crate) fn recorded_tasks(&self) -> Vec<RecordedTask> {
        let spec = redacted(&self.experiment.spec, &self.secrets);
        let all = spec.into_iter().zip(&self.tasks).enumerate();
        let recorded = all.filter(|(_, (_, task))| task.facts().recorded == Recorded::Outcome);
        recorded
            .map(|(index, (spec, _))| RecordedTask { number: index + 1, spec: TaskSpec { condition: None, ..spec } })
            .collect()
    }

    /// Saves the document without the secrets in its spec, for specs made from values. A spec written by the user is saved
    /// unchanged.
    #[must_use]
    pub(crate) fn saved_without_secrets(mut self) -> Self {
        self.is_saved_redacted = true;
        self
    }
}

/// Parses and checks every task. Opens no connection and reads only files that tasks name. Paths of errors start at `spec`.
pub fn prepare(experiment: Experiment, files: &dyn Files) -> Result<Prepared, InputErrors> {
    let tasks = parse_all(&experiment.spec)?;
    check_files(&tasks, files)?;
    Ok(Prepared::new(experiment, tasks, files))
}

/// Finds tasks that lack files or variables. A file of a load that an earlier script may write is not missing yet, and the load checks
/// again. Paths of errors start at `spec`.
pub(crate) fn check_files(tasks: &[Box<dyn Task>], files: &dyn Files) -> Result<(), InputErrors> {
    let mut may_be_written = false;
    let mut errors = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let watched = WatchedFiles { files, has_missed: AtomicBool::new(false) };
        let error = task.check(&watched).err();
        let is_later = may_be_written && task.as_load().is_some() && watched.has_missed.load(Ordering::Relaxed);
        errors.extend(error.filter(|_| !is_later).map(|error| error.under(entry(index))));
        may_be_written |= task.facts().writes_files;
    }
    InputErrors::check(errors, ())
}

/// Files that remember if one of them did not exist.
struct WatchedFiles<'a> {
    files: &'a dyn Files,
    has_missed: AtomicBool,
}

impl Files for WatchedFiles<'_> {
    fn read(&self, path: &str, max_bytes: u64) -> io::Result<Vec<u8>> {
        self.files.read(path, max_bytes).inspect_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                self.has_missed.store(true, Ordering::Relaxed);
            }
        })
    }

    fn env(&self, name: &str) -> Option<String> {
        self.files.env(name)
    }

    fn placeholder(&self) -> Option<String> {
        self.files.placeholder()
    }
}

/// Parses every task and condition, without I/O. Paths of errors start at `spec`.
pub(crate) fn parse_all(spec: &[TaskSpec]) -> Result<Vec<Box<dyn Task>>, InputErrors> {
    if spec.is_empty() {
        return Err(InputError::new("spec", "at least one task is required").into());
    }
    let (mut tasks, mut errors) = (Vec::new(), Vec::new());
    for (index, task) in spec.iter().enumerate() {
        let with = json!({ "with": task.with });
        let parsed = read_all(&with, |with| {
            let with = with.get("with").filter(|_| task.with.is_some()).cloned();
            parse_entry(&TaskSpec { with, ..task.clone() })
        });
        match parsed {
            Ok(task) => tasks.push(task),
            Err(rejected) => errors.extend(rejected.mistakes.into_iter().map(|error| error.under(entry(index)))),
        }
    }
    let tasks = InputErrors::check(errors, tasks)?;
    check_together(spec, &tasks)?;
    Ok(tasks)
}

/// Parses a task and its condition. Paths of errors start at the entry.
pub(crate) fn parse_entry(task: &TaskSpec) -> Result<Box<dyn Task>, Vec<InputError>> {
    if let Some(path) = task.with.as_ref().and_then(redact::find_redacted) {
        return Err(vec![InputError::new(path, format!("contains a redacted secret, `{}`", redact::REDACTED))
            .with_hint("documents contain no secrets: run from the values again, or provide the secret in a file or environment variable")
            .under("with")]);
    }
    if task.run.as_ref().is_some_and(|script| script.contains(redact::REDACTED)) {
        return Err(vec![InputError::new("run", format!("the script contains a redacted secret, `{}`", redact::REDACTED))
            .with_hint("documents contain no secrets: run from the values again, or let the script read the secret from a file or variable (`$NAME`)")]);
    }
    let condition = task.condition.as_ref().and_then(|text| condition::check(text).err());
    let condition = condition.map(|error| InputError::new("if", error.to_string()));
    match (registry::parse(task), condition) {
        (Ok(task), None) => Ok(task),
        (parsed, condition) => Err(condition.into_iter().chain(parsed.err()).collect()),
    }
}

/// Returns the path of a task in an experiment.
pub(super) fn entry(index: usize) -> FieldPath {
    FieldPath::root().key("spec").index(index)
}

/// Finds conflicts between tasks: a loop measures a provider once, all tasks measure the same number of versions, and a split is compared with
/// counts that show it.
pub(crate) fn check_together(spec: &[TaskSpec], tasks: &[Box<dyn Task>]) -> Result<(), InputErrors> {
    let mut errors = Vec::new();
    let mut versions: Option<(usize, usize)> = None;
    let mut providers: BTreeMap<String, usize> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        let facts = task.facts();
        if let Some(count) = facts.versions {
            let (first, expected) = *versions.get_or_insert((index, count));
            if count != expected {
                let message = format!("measures {count} versions, but spec[{first}] measures {expected}");
                let hint = "all tasks of an experiment measure the same versions";
                errors.push(InputError::new(entry(index), message).with_hint(hint));
            }
        }
        errors.extend(check_relative(index, task.as_ref(), versions.map(|(_, count)| count)));
        errors
            .extend(task.check_objectives(objectives_after(tasks, index)).err().map(|error| error.under(entry(index))));
        errors.extend(check_split(index, task.as_ref(), tasks, &providers));
        // Tasks with conditions may be skipped, so these are checked when they run.
        for provider in facts.providers {
            if let Some(first) = providers.insert(provider.clone(), index)
                && spec[first].condition.is_none()
                && spec[index].condition.is_none()
            {
                errors.push(measured_twice(index, &provider));
            }
        }
    }
    errors.extend(check_rollout(tasks));
    InputErrors::check(errors, ())
}

/// Finds limits relative to version 0 in an experiment whose earlier tasks measure only that version.
fn check_relative(index: usize, task: &dyn Task, versions: Option<usize>) -> Option<InputError> {
    let is_relative = task.judges().is_some_and(|objectives| !objectives.relative.upper.is_empty());
    if !is_relative || versions.is_none_or(|count| count > 1) {
        return None;
    }
    let at = entry(index).key("with").key("relative");
    let hint = "list two versions or more in `versionValues` of the tasks that measure; the first is the baseline";
    Some(InputError::new(at, "nothing can be compared: the experiment measures 1 version").with_hint(hint))
}

/// Finds a rollout that the other tasks of the spec cannot analyze.
fn check_rollout(tasks: &[Box<dyn Task>]) -> Vec<InputError> {
    let mut rollouts = (0..).zip(tasks).filter(|(_, task)| task.as_rollout().is_some()).map(|(index, _)| index);
    let Some(first) = rollouts.next() else { return Vec::new() };
    let mut errors: Vec<InputError> = rollouts
        .map(|index| {
            InputError::new(entry(index), "an experiment can have only one rollout").with_hint("run another experiment")
        })
        .collect();
    for (index, task) in tasks.iter().enumerate().take(first) {
        if task.facts().versions.is_some() || task.judges().is_some() {
            let message = "comes before the rollout, so it would not see the traffic of the step";
            errors.push(
                InputError::new(entry(index), message).with_hint("list it after `rollout`, or in `rollout.analysis`"),
            );
        }
    }
    for (index, task) in tasks.iter().enumerate().skip(first) {
        if task.judges_several_loops() {
            let message = "`consecutive` and `failureLimit` cannot be combined with a rollout, whose loops measure different traffic";
            errors.push(
                InputError::new(entry(index).key("with"), message)
                    .with_hint("remove them; each step is judged by itself"),
            );
        }
    }
    if tasks.iter().skip(first).all(|task| task.judges().is_none()) {
        let hint = "for example: --set \"rollout.analysis={http,assess}\" --set assess.SLOs.upper.http/error-rate=0";
        errors.push(InputError::new(entry(first), "nothing judges its steps: no `assess` follows").with_hint(hint));
    }
    errors
}

/// Checks that the metric of a split shows how a router splits the traffic. `providers` are those of earlier tasks.
fn check_split(
    index: usize,
    task: &dyn Task,
    tasks: &[Box<dyn Task>],
    providers: &BTreeMap<String, usize>,
) -> Option<InputError> {
    let metric = task.counts()?;
    let provider = &metric.name().ok()?.provider;
    let facts = tasks.get(*providers.get(provider)?)?.facts();
    let at = entry(index).key("with");
    if facts.selects_versions {
        let message =
            format!("`{provider}` selects the version of each request itself, so `{metric}` does not show a split");
        let hint =
            "compare the counts of a load with `versionFrom`, or those of a provider, such as `istio/request-count`";
        return Some(InputError::new(at.key("metric"), message).with_hint(hint));
    }
    if tasks.get(*providers.get(provider)?)?.as_load().is_some()
        && metric.name().is_ok_and(|name| name.metric != "request-count")
    {
        let message = format!("`{metric}` does not count the responses of `{provider}`");
        return Some(InputError::new(at.key("metric"), message).with_hint(format!("use `{provider}/request-count`")));
    }
    let (expected, versions) = (task.expected_versions()?, facts.versions?);
    if expected == versions {
        return None;
    }
    let versions = format!("{versions} version{}", if versions == 1 { "" } else { "s" });
    let message = format!("there are {expected} expected shares, but `{provider}` measures {versions}");
    Some(InputError::new(at, message).with_hint("a split needs one share per version, in their order"))
}

/// Builds the error for a provider that two tasks of one loop measure.
pub(super) fn measured_twice(index: usize, provider: &str) -> InputError {
    InputError::new(entry(index), format!("`{provider}` is already measured by an earlier task"))
        .with_hint("use `endpoints` of one task, which gives each target its own name")
}
