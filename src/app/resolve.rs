//! Converts merged values to the tasks that will run, in one pass.

use std::io;

use helm_yaml::value_with_lines;
use serde_json::{Map, Value};
use suggest::did_you_mean;

use super::task_list::{Listed, listed_tasks, with_analysis};
use super::{dry, fields};
use crate::manifests::settings;
use crate::model::document::{Experiment, ExperimentResult, TaskSpec};
use crate::model::limit::{Limit, Misfit};
use crate::model::metric_name::MetricName;
use crate::model::path::{FieldPath, Segment};
use crate::pipeline::{self, Prepared, ResultPolicy};
use crate::ports::Files;
use crate::redact::{REDACTED, RequestSecrets, find_redacted, redact_task};

pub(crate) use crate::redact::is_same_spec;
use crate::tasks::registry::{by_value_name, unknown_task, value_names};
use crate::tasks::rollout::{ANALYSIS, NAME as ROLLOUT};
use crate::tasks::{Task, TaskKind};
use crate::values::input::{InputError, InputErrors, Unknown};
use crate::values::mistakes::{Rejected, read_all};
use crate::values::origins::Origins;
use crate::values::{Values, without_nulls};

/// Maximum size of a document that is read again to find the lines of mistakes.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// Maximum number of misspelled metrics that are reported beside other mistakes.
const MAX_MISSPELLED: usize = 20;

/// Tasks made from values.
pub struct Resolved {
    /// The spec, in order.
    pub spec: Vec<TaskSpec>,
    /// Warnings about values without effect.
    pub warnings: Vec<String>,
    /// The parsed spec.
    tasks: Vec<Box<dyn Task>>,
    /// Key of the values that each entry was made from.
    names: Vec<String>,
    origins: Origins,
}

/// Resolves values from files and flags.
pub(crate) fn from_values(values: &Values) -> Result<Resolved, InputErrors> {
    let resolved = spec_from_values(&values.value).and_then(Resolved::checked);
    let resolved = resolved.map_err(|errors| {
        let with_next_step = |error| dry::with_next_step(with_list(error), &values.value);
        values.origins.locate(errors.map(with_next_step))
    })?;
    let warnings = values.warnings.iter().cloned().chain(resolved.warnings).collect();
    Ok(Resolved { origins: values.origins.clone(), warnings, ..resolved })
}

/// Adds the command that lists the known names, if the message leaves them out.
fn with_list(error: InputError) -> InputError {
    let Some(path) = error.unlisted().map(|path| path.to_string()) else { return error };
    // No command for paths that need quoting in a shell, or that the values do not have.
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    if !is_plain || fields::values().find(&path).is_err() {
        return error;
    }
    let command = format!("iter8 explain {path}");
    let list = format!("`{}` lists all names", command.trim_end());
    let hint = error.hint.as_ref().map_or_else(|| list.clone(), |hint| format!("{hint} {list}"));
    error.with_hint(hint)
}

/// Resolves values without known origins.
pub(crate) fn from_value(values: &Value) -> Result<Resolved, InputErrors> {
    spec_from_values(values).and_then(Resolved::checked)
}

impl Resolved {
    /// Finds conflicts between tasks.
    fn checked(self) -> Result<Self, InputErrors> {
        match pipeline::check_together(&self.spec, &self.tasks) {
            Ok(()) => Ok(self),
            Err(errors) => Err(self.misspelled_metrics().into_iter().fold(self.locate(errors), InputErrors::with)),
        }
    }

    /// Finds misspelled metrics of loads in SLOs and rewards, beside other mistakes. Other unmeasured metrics are left out: a mistake may hide
    /// what measures them, and files or earlier loops may provide them.
    fn misspelled_metrics(&self) -> Vec<InputError> {
        let unmeasured = pipeline::unmeasured_slos(&self.tasks, &NoFiles, None).into_iter();
        let located = |error: InputError| self.of_values(InputError { path: self.in_slo_map(error.path), ..error });
        unmeasured.filter(|error| error.is_mistyped).take(MAX_MISSPELLED).map(located).collect()
    }

    pub(crate) fn tasks(&self) -> &[Box<dyn Task>] {
        &self.tasks
    }

    /// Returns the spec without its secrets.
    pub(crate) fn redacted_spec(&self, files: &dyn Files) -> Vec<TaskSpec> {
        pipeline::redacted(&self.spec, &self.secrets(files))
    }

    /// Returns the secrets that are known before the run.
    pub(crate) fn secrets(&self, files: &dyn Files) -> RequestSecrets {
        pipeline::secrets(&self.spec, &self.tasks, files)
    }

    /// Finds tasks that lack files or variables.
    pub(crate) fn check_files(&self, files: &dyn Files) -> Result<(), InputErrors> {
        pipeline::check_files(&self.tasks, files).map_err(|errors| self.locate(errors))
    }

    /// Finds SLOs and rewards that nothing measures; metrics of the earlier result, if there is one, count as measured.
    pub(crate) fn check_slos(&self, earlier: Option<&ExperimentResult>, files: &dyn Files) -> Result<(), InputErrors> {
        let insights = earlier.and_then(|result| result.insights.as_ref());
        let errors = pipeline::unmeasured_slos(&self.tasks, files, insights);
        let errors =
            errors.into_iter().map(|error| InputError { path: self.in_slo_map(error.path), ..error }).collect();
        InputErrors::check(errors, ()).map_err(|errors| self.locate(errors))
    }

    /// Finds tasks that several pods cannot share.
    pub(crate) fn check_pods(&self, pods: u32) -> Result<(), InputErrors> {
        let mut errors = Vec::new();
        for (index, task) in self.tasks.iter().enumerate() {
            let at = FieldPath::root().key("spec").index(index);
            errors.extend(task.check_pods(pods).err().map(|error| error.under(at)));
        }
        InputErrors::check(errors, ()).map_err(|errors| self.locate(errors))
    }

    /// Logs warnings about settings that are valid and probably not meant. A run notes them itself.
    pub(crate) fn warn(&self, files: &dyn Files) {
        for warning in self.tasks.iter().flat_map(|task| task.warnings(files)) {
            tracing::warn!("{warning}");
        }
    }

    /// Finds everything that can be found before the run.
    pub(crate) fn check(&self, earlier: Option<&ExperimentResult>, files: &dyn Files) -> Result<(), InputErrors> {
        match (self.check_files(files), self.check_slos(earlier, files)) {
            (Ok(()), checked) | (checked, Ok(())) => checked,
            (Err(files), Err(slos)) => {
                Err(self.origins.locate(slos.into_vec().into_iter().fold(files, InputErrors::with)))
            }
        }
    }

    /// Converts the path of an SLO in the spec's list into that in the values' map.
    fn in_slo_map(&self, path: FieldPath) -> FieldPath {
        let segments = path.segments();
        let [Segment::Key(_), Segment::Index(task), Segment::Key(_), bound @ .., Segment::Index(slo), Segment::Key(_)] =
            segments
        else {
            return path;
        };
        let with = self.spec.get(*task).and_then(|spec| spec.with.as_ref());
        let slos = bound.iter().try_fold(with, |value, segment| match segment {
            Segment::Key(key) => value?.get(key).map(Some),
            Segment::Index(index) => value?.get(index).map(Some),
        });
        let metric = slos.flatten().and_then(|slos| slos.get(slo)?.get("metric")?.as_str());
        match metric {
            Some(metric) => {
                let task = FieldPath::root().key("spec").index(*task).key("with");
                task.join(FieldPath::from(bound.to_vec())).key(metric)
            }
            None => path,
        }
    }

    /// Checks everything that can be checked before the run. The document is saved without the secrets in the values.
    pub(crate) fn prepare(self, result: Option<ExperimentResult>, files: &dyn Files) -> Result<Prepared, InputErrors> {
        self.check(result.as_ref(), files)?;
        let experiment = Experiment { spec: self.spec, result, ..Experiment::default() };
        Ok(Prepared::new(experiment, self.tasks, files).saved_without_secrets())
    }

    /// Converts paths in the spec into paths in the values, and adds their origins.
    fn locate(&self, errors: InputErrors) -> InputErrors {
        self.origins.locate(errors.map(|error| self.of_values(error)))
    }

    /// Converts a path in the spec into a path in the values.
    fn of_values(&self, error: InputError) -> InputError {
        match error.path.segments() {
            [Segment::Key(spec), Segment::Index(index), inner @ ..] if spec == "spec" => match self.names.get(*index) {
                Some(name) => InputError { path: FieldPath::root().key(name).join(in_values(inner)), ..error },
                None => error,
            },
            _ => error,
        }
    }
}

/// No files and no variables.
struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str, _: u64) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

/// Converts a path in a spec entry into a path in the values that it was made from.
fn in_values(segments: &[Segment]) -> FieldPath {
    match segments {
        [Segment::Key(with), inner @ ..] if with == "with" => inner.to_vec().into(),
        _ => segments.to_vec().into(),
    }
}

/// Prepares an experiment that was read from `location` and is saved unchanged. Errors have line numbers if that is a file. Logs a warning
/// about every SLO and reward that nothing measures: such documents exist, and their verdicts are inconclusive.
pub(crate) fn document(
    experiment: Experiment,
    policy: ResultPolicy,
    location: &str,
    files: &dyn Files,
) -> Result<Prepared, InputErrors> {
    let prepared = pipeline::prepare(experiment, files).map_err(|errors| in_document(errors, location, files))?;
    warn_about(prepared.unmeasured_slos(policy, files), location, files);
    Ok(prepared)
}

/// Parses and checks the tasks of a document that is not run, with the warnings of [`document`].
pub(crate) fn check_document(
    experiment: &Experiment,
    policy: ResultPolicy,
    location: &str,
    files: &dyn Files,
) -> Result<Vec<Box<dyn Task>>, InputErrors> {
    let tasks = pipeline::parse_all(&experiment.spec).map_err(|errors| in_document(errors, location, files))?;
    let result = experiment.result.as_ref().filter(|_| policy == ResultPolicy::Reuse);
    let earlier = result.and_then(|result| result.insights.as_ref());
    warn_about(pipeline::unmeasured_slos(&tasks, files, earlier), location, files);
    Ok(tasks)
}

fn warn_about(unmeasured: Vec<InputError>, location: &str, files: &dyn Files) {
    let Err(unmeasured) = InputErrors::check(unmeasured, ()) else { return };
    for warning in in_document(unmeasured, location, files).iter() {
        let hint = warning.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let is_reward =
            warning.path.segments().iter().any(|segment| matches!(segment, Segment::Key(key) if key == "rewards"));
        let effect = if is_reward { "no best version will be named" } else { "the verdict will be inconclusive" };
        tracing::warn!("{warning}: {effect}{hint}");
    }
}

/// Returns a spec without the secrets that its tasks send.
pub(crate) fn redacted_spec(spec: &[TaskSpec], tasks: &[Box<dyn Task>], files: &dyn Files) -> Vec<TaskSpec> {
    pipeline::redacted(spec, &pipeline::secrets(spec, tasks, files))
}

/// Returns a spec without the secrets that its names show.
pub(crate) fn redacted(spec: &[TaskSpec]) -> Vec<TaskSpec> {
    spec.iter().map(redact_task).collect()
}

/// Adds line numbers to errors in a document.
fn in_document(errors: InputErrors, location: &str, files: &dyn Files) -> InputErrors {
    let content = files.read(location, MAX_DOCUMENT_BYTES).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match content.and_then(|text| value_with_lines(&text).ok()) {
        Some((_, lines)) => Origins::of_file(location, lines).locate(errors),
        None => errors,
    }
}

/// Builds the spec from merged values: one or more entries per name in `tasks`. Paths of errors start at the values.
pub fn spec_from_values(values: &Value) -> Result<Resolved, InputErrors> {
    // Helm keeps a `null` that overrides no default; here it means "not set" as well.
    let values = without_nulls(values.clone());
    let map = values.as_object().ok_or_else(|| InputError::new("", "expected a map"))?;
    if map.contains_key("spec") && !map.contains_key("tasks") {
        return Err(InputError::new("spec", "expected values, not an experiment document")
            .with_hint("run it as experiment.yaml in its directory: iter8 run --runDir DIR")
            .into());
    }
    let mut errors = Vec::new();
    let listed = listed_tasks(map.get("tasks"), &mut errors);
    let listed = with_analysis(listed, map, &mut errors);
    let warnings = check_names(map, &listed, &mut errors);
    for name in settings::value_names() {
        // Settings are independent of each other.
        if let Some(value) = map.get(name) {
            errors.extend(settings::check(&Map::from_iter([(name.to_owned(), value.clone())])).err());
        }
    }
    errors.extend(units_of_templates(&values));
    let (mut spec, mut tasks, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut add = |entries: Vec<Entry>, name: &str| {
        for (entry, task) in entries {
            spec.push(entry);
            tasks.push(task);
            names.push(name.to_owned());
        }
    };
    let empty = Value::Object(Map::new());
    for (at, name) in listed {
        let Some(kind) = by_value_name(&name) else {
            errors.push(unknown_task(&name, value_names()).under(at));
            continue;
        };
        match read_all(map.get(&name).unwrap_or(&empty), |values| entries(kind, &name, values)) {
            Ok(entries) => add(entries, &name),
            Err(Rejected { mistakes, rest }) => {
                add(rest.unwrap_or_default(), &name);
                add_once(&mut errors, mistakes.into_iter().map(|error| error.under(FieldPath::root().key(&name))));
            }
        }
    }
    // Tasks refuse redacted values themselves.
    if let Some(path) = find_redacted(&Value::Object(map.clone())).filter(|_| errors.is_empty()) {
        errors.push(InputError::new(path, format!("contains a redacted secret, `{REDACTED}`")));
    }
    let resolved = Resolved { spec, warnings, tasks, names, origins: Origins::default() };
    if !errors.is_empty() {
        add_once(&mut errors, resolved.misspelled_metrics());
    }
    InputErrors::check(errors, resolved)
}

/// Adds mistakes. A task may be listed twice; the mistakes in its values are reported once.
fn add_once(errors: &mut Vec<InputError>, more: impl IntoIterator<Item = InputError>) {
    for error in more {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
}

/// Finds limits with a unit on metrics of custom metrics templates. A template may be named like a load, whose units are known.
fn units_of_templates(values: &Value) -> Vec<InputError> {
    let templates = &values["custommetrics"]["templates"];
    let bounds = values["assess"]["SLOs"].as_object().into_iter().flatten();
    let limits =
        bounds.flat_map(|(bound, limits)| limits.as_object().into_iter().flatten().map(move |limit| (bound, limit)));
    let unknown = |(bound, (metric, limit)): (&String, (&String, &Value))| {
        let name: MetricName = metric.parse().ok()?;
        // Other names have an error already.
        let limit = Limit::parse(limit.as_str()?).filter(|limit| limit.has_unit() && limit.of(&name).is_ok())?;
        templates.get(&name.provider)?;
        let Misfit { message, hint } = limit.unknown_unit(&name);
        Some(
            InputError::new(FieldPath::root().key("assess").key("SLOs").key(bound).key(metric), message)
                .with_hint(hint),
        )
    };
    limits.filter_map(unknown).collect()
}

type Entry = (TaskSpec, Box<dyn Task>);

/// Builds and parses the entries of one task. Paths of errors start at its values.
fn entries(kind: &TaskKind, name: &str, values: &Value) -> Result<Vec<Entry>, Vec<InputError>> {
    let one = |error| vec![error];
    let (mut values, condition) = take_condition(values).map_err(one)?;
    if name == ROLLOUT
        && let Some(map) = values.as_object_mut()
    {
        // These are entries of their own.
        map.remove(ANALYSIS);
    }
    let (mut entries, mut errors) = (Vec::new(), Vec::new());
    for mut entry in (kind.from_values)(name, &values).map_err(one)? {
        entry.condition = condition.clone().or(entry.condition);
        match pipeline::parse_entry(&entry) {
            Ok(task) => entries.push((entry, task)),
            Err(mistakes) => {
                let relocate = |error: InputError| InputError { path: in_values(error.path.segments()), ..error };
                errors.extend(mistakes.into_iter().map(relocate));
            }
        }
    }
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

/// Finds unknown names. Returns warnings about values without effect.
fn check_names(map: &Map<String, Value>, listed: &[Listed], errors: &mut Vec<InputError>) -> Vec<String> {
    let known = || settings::value_names().chain(["tasks"]).chain(value_names());
    let mut warnings = Vec::new();
    for key in map.keys() {
        if by_value_name(key).is_some() {
            if !listed.iter().any(|(_, name)| name == key) {
                warnings.push(format!("the values of `{key}` have no effect, because `tasks` does not list it"));
            }
        } else if !known().any(|name| name == key) {
            let suggestion = did_you_mean(key, known());
            let names = match &suggestion {
                Some(_) => String::new(),
                None => format!("; expected one of {}", known().collect::<Vec<_>>().join(", ")),
            };
            let error = InputError::new(FieldPath::root().key(key), format!("unknown value `{key}`{names}"));
            let unlisted = suggestion.is_some().then_some(Unknown::Field);
            errors.push(InputError { hint: suggestion, unlisted, ..error });
        }
    }
    warnings
}

/// Removes `if` from the values of a task.
fn take_condition(values: &Value) -> Result<(Value, Option<String>), InputError> {
    let mut values = values.clone();
    let condition = values.as_object_mut().and_then(|map| map.remove("if"));
    match condition {
        None => Ok((values, None)),
        Some(Value::String(condition)) => Ok((values, Some(condition))),
        // `--set http.if=true` sets a boolean.
        Some(Value::Bool(literal)) => Ok((values, Some(literal.to_string()))),
        Some(other) => {
            Err(InputError::new("if", format!("`{other}` is not a condition; expected a string such as `SLOs()`")))
        }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
