//! Values that control how an experiment runs in Kubernetes.
//!
//! A local run ignores them but rejects invalid ones. The defaults are those of the chart, whose `values.yaml` is compiled into the
//! program.

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde_json::{Map, Value, json};

use super::pod_template;
use crate::manifests::dns_names;
use crate::model::codec;
use crate::model::duration::{GoDuration, PositiveDuration};
use crate::model::number::Count;
use crate::model::path::FieldPath;
use crate::values::input::{InputError, typed};
use crate::values::{overlay, without_nulls};

/// Values of the chart.
const DEFAULTS: &str = include_str!("../../charts/iter8/values.yaml");

/// Maximum number of pods per experiment, because Roles and reports name the Secret of each pod.
pub(crate) const MAX_PARALLELISM: u64 = 100;

/// Values of `runner`.
const RUNNERS: [(&str, Runner); 3] = [("job", Runner::Job), ("cronjob", Runner::CronJob), ("none", Runner::None)];

/// String values: name and description.
const STRINGS: [(&str, &str); 5] = [
    ("cronjobSchedule", "Schedule of the cronjob runner, such as `*/10 * * * *`."),
    ("timeZone", "Time zone of the schedule, such as `Europe/Zurich`. Default: that of the cluster's control plane."),
    ("serviceAccountName", "Existing service account to run the experiment under. Default: a new one."),
    ("iter8Image", "Container image of the runner."),
    ("logLevel", "Log level of the runner, such as `info`."),
];

/// Values of `logLevel`, the same as those of `--loglevel`.
pub(crate) const LOG_LEVELS: [&str; 8] = ["trace", "debug", "info", "warning", "warn", "error", "fatal", "panic"];

/// Whole numbers: name, minimum and description.
const INTEGERS: [(&str, i64, &str); 4] = [
    ("ttlSecondsAfterFinished", 0, "Seconds after which a finished Job is deleted with its pods."),
    ("activeDeadlineSeconds", 1, "Seconds after which a Job that still runs is ended."),
    ("successfulJobsHistoryLimit", 0, "Number of successful Jobs of a CronJob that are kept."),
    ("failedJobsHistoryLimit", 0, "Number of failed Jobs of a CronJob that are kept."),
];

/// Further values beside the strings, the numbers, `runner` and `resources`.
const OTHERS: [&str; 4] = ["parallelism", "startTimeout", "suspend", pod_template::NAME];

/// Workload that runs an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// Runs it once.
    Job,
    /// Runs a loop on a schedule.
    CronJob,
    /// None; the user runs it.
    None,
}

/// Settings of a launch, read from the values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Workload that runs the experiment.
    pub runner: Runner,
    /// Cron schedule; empty for other runners.
    pub schedule: String,
    /// Existing service account to run under; `None` to create one.
    pub service_account: Option<String>,
    /// Container image.
    pub image: String,
    /// Value of `--loglevel`.
    pub log_level: String,
    /// CPU and memory of each pod.
    pub resources: ResourceRequirements,
    /// Number of pods that generate the load, at least 1.
    pub parallelism: u32,
    /// Maximum time that they wait for each other.
    pub start_timeout: GoDuration,
    /// Time zone of the schedule.
    pub time_zone: Option<String>,
    /// True if the CronJob starts no Jobs.
    pub suspend: Option<bool>,
    /// Seconds after which a finished Job is deleted.
    pub ttl_seconds_after_finished: Option<i32>,
    /// Seconds after which a running Job is ended.
    pub active_deadline_seconds: Option<i64>,
    /// Number of successful Jobs of a CronJob to keep.
    pub successful_jobs_history_limit: Option<i32>,
    /// Number of failed Jobs of a CronJob to keep.
    pub failed_jobs_history_limit: Option<i32>,
    /// Patch of the pods.
    pub pod_template: Option<Value>,
}

/// Returns the names of these values.
pub(crate) fn value_names() -> impl Iterator<Item = &'static str> + Clone {
    ["runner", "resources"]
        .into_iter()
        .chain(STRINGS.map(|(name, _)| name))
        .chain(INTEGERS.map(|(name, _, _)| name))
        .chain(OTHERS)
}

/// Merges the user's values over the chart's and drops nulls. The result is stored in the experiment's Secret.
pub(crate) fn with_defaults(values: &Value) -> Result<Value, InputError> {
    let defaults = codec::value_from_yaml(DEFAULTS).map_err(|error| InputError::new("", error.to_string()))?;
    let (Value::Object(mut merged), Value::Object(given)) = (defaults, values.clone()) else {
        return Err(InputError::new("", "expected a map"));
    };
    overlay(&mut merged, given);
    Ok(without_nulls(Value::Object(merged)))
}

impl Settings {
    /// Returns the default image: this version of the program. Releases name their registry; users of other builds push the image
    /// themselves.
    pub(crate) fn default_image() -> String {
        concat!(env!("ITER8_IMAGE"), ":", env!("CARGO_PKG_VERSION")).to_owned()
    }

    /// Reads the settings from values [with defaults](with_defaults).
    pub(crate) fn from_values(values: &Value) -> Result<Self, InputError> {
        let empty = Map::new();
        let map = values.as_object().unwrap_or(&empty);
        check(map)?;
        let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let runner = text("runner").and_then(|name| RUNNERS.iter().find(|(known, _)| *known == name));
        let runner = runner.map_or(Runner::None, |(_, runner)| *runner);
        let schedule = match (runner, text("cronjobSchedule")) {
            (Runner::CronJob, None) => {
                return Err(InputError::new("cronjobSchedule", "required by the cronjob runner")
                    .with_hint("for example: --set cronjobSchedule=\"*/10 * * * *\""));
            }
            (Runner::CronJob, Some(schedule)) => schedule.to_owned(),
            _ => String::new(),
        };
        let service_account = text("serviceAccountName").map(str::to_owned);
        if let Some(name) = service_account.as_ref().filter(|name| !dns_names::is_subdomain(name)) {
            return Err(InputError::new("serviceAccountName", format!("`{name}` is not a valid service account name")));
        }
        let image = text("iter8Image").map_or_else(Self::default_image, str::to_owned);
        let parallelism = map.get("parallelism").map_or(Ok(1), parallelism)?;
        let start_timeout = map.get("startTimeout").map_or(Ok(GoDuration::default()), start_timeout)?;
        Ok(Self {
            runner,
            schedule,
            service_account,
            image,
            log_level: text("logLevel").unwrap_or("info").to_owned(),
            resources: resources(map.get("resources").unwrap_or(&Value::Null))?,
            parallelism,
            start_timeout,
            time_zone: text("timeZone").map(str::to_owned),
            suspend: map.get("suspend").and_then(Value::as_bool),
            ttl_seconds_after_finished: number(map, "ttlSecondsAfterFinished")?,
            active_deadline_seconds: number(map, "activeDeadlineSeconds")?.map(i64::from),
            successful_jobs_history_limit: number(map, "successfulJobsHistoryLimit")?,
            failed_jobs_history_limit: number(map, "failedJobsHistoryLimit")?,
            pod_template: map.get(pod_template::NAME).cloned(),
        })
    }
}

/// Rejects values that the schema of [`properties`] rejects. Expects values without nulls.
pub fn check(values: &Map<String, Value>) -> Result<(), InputError> {
    if let Some(runner) = values.get("runner")
        && !runner.as_str().is_some_and(|name| RUNNERS.iter().any(|(known, _)| *known == name))
    {
        let text = runner.as_str().map_or_else(|| runner.to_string(), str::to_owned);
        let names = RUNNERS.map(|(name, _)| name);
        let expected = names.join(", ");
        let error = InputError::new("runner", format!("`{text}` is not a valid runner; expected one of {expected}"));
        return Err(error.with_suggestion(&text, names));
    }
    for (name, _) in STRINGS {
        if let Some(other) = values.get(name).filter(|value| !value.is_string()) {
            let error = InputError::new(name, format!("`{other}` is not a string"));
            let is_scalar = other.is_number() || other.is_boolean();
            let hint = || format!("quote it in a file, or use --set-string {name}={other}");
            return Err(if is_scalar { error.with_hint(hint()) } else { error });
        }
    }
    let log_level = values.get("logLevel").and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    if let Some(level) = log_level.filter(|level| !LOG_LEVELS.contains(level)) {
        let error = InputError::new(
            "logLevel",
            format!("`{level}` is not a valid level; expected one of {}", LOG_LEVELS.join(", ")),
        );
        return Err(error.with_suggestion(level, LOG_LEVELS));
    }
    if let Some(schedule) = values.get("cronjobSchedule").and_then(Value::as_str).filter(|text| !text.trim().is_empty())
    {
        check_schedule(schedule.trim())?;
    }
    values.get("parallelism").map_or(Ok(1), parallelism)?;
    values.get("startTimeout").map_or(Ok(GoDuration::default()), start_timeout)?;
    INTEGERS.into_iter().try_for_each(|(name, _, _)| number(values, name).map(|_| ()))?;
    if let Some(suspend) = values.get("suspend").filter(|value| !value.is_boolean()) {
        return Err(InputError::new("suspend", format!("`{suspend}` is not a boolean; expected true or false")));
    }
    values.get(pod_template::NAME).map_or(Ok(()), pod_template::check)?;
    match values.get("resources") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(other) => Err(InputError::new("resources", format!("`{other}` is not a map"))
            .with_hint("set `requests` and `limits`, as in a container spec")),
    }
}

/// Rejects malformed schedules. The full grammar is left to the API server, which checks it in the dry run of a launch.
fn check_schedule(schedule: &str) -> Result<(), InputError> {
    let fields = schedule.split_whitespace().count();
    let is_word = schedule.strip_prefix('@').is_some_and(|word| word.starts_with(|first: char| !first.is_whitespace()));
    if is_word || fields == 5 {
        return Ok(());
    }
    let expected = "expected 5 (minute, hour, day of month, month, day of week)";
    let message = format!("`{schedule}` is not a valid schedule: {fields} fields, {expected}");
    Err(InputError::new("cronjobSchedule", message))
}

fn parallelism(value: &Value) -> Result<u32, InputError> {
    let count = typed(value, "parallelism").map(|Count(count)| count).ok().filter(|count| *count <= MAX_PARALLELISM);
    match count.and_then(|count| u32::try_from(count).ok()) {
        Some(pods @ 1..) => Ok(pods),
        _ => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let message = format!("`{text}` is not a valid number of pods; expected 1 to {MAX_PARALLELISM}");
            Err(InputError::new("parallelism", message))
        }
    }
}

/// Reads one of the [`INTEGERS`]. Strings of digits are accepted, as `--set-string` writes them.
fn number(values: &Map<String, Value>, name: &str) -> Result<Option<i32>, InputError> {
    let Some(value) = values.get(name) else { return Ok(None) };
    let least = INTEGERS.iter().find(|(known, _, _)| *known == name).map_or(0, |(_, least, _)| *least);
    let count = typed(value, name).map(|Count(count)| count).ok().and_then(|count| i32::try_from(count).ok());
    count.filter(|count| i64::from(*count) >= least).map(Some).ok_or_else(|| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        InputError::new(name, format!("`{text}` is not a whole number from {least} to {}", i32::MAX))
    })
}

fn start_timeout(value: &Value) -> Result<GoDuration, InputError> {
    typed::<PositiveDuration>(value, "startTimeout").map(|timeout| timeout.0)
}

/// Fields of `resources`, as in a container of a pod.
const RESOURCE_KEYS: [&str; 3] = ["requests", "limits", "claims"];

/// Reads `resources`. Quantities are strings in the API, but users often write numbers.
fn resources(value: &Value) -> Result<ResourceRequirements, InputError> {
    let mut value = value.clone();
    let mut keys = value.as_object().into_iter().flat_map(Map::keys);
    if let Some(key) = keys.find(|key| !RESOURCE_KEYS.contains(&key.as_str())) {
        let message = format!("unknown field `{key}`; expected one of {}", RESOURCE_KEYS.join(", "));
        let error = InputError::new(FieldPath::root().key("resources").key(key), message);
        return Err(error.with_suggestion(key, RESOURCE_KEYS));
    }
    for list in ["requests", "limits"] {
        for quantity in value.get_mut(list).and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut())
        {
            if quantity.is_number() {
                *quantity = Value::String(quantity.to_string());
            }
        }
    }
    if value.is_null() {
        return Ok(ResourceRequirements::default());
    }
    typed(&value, "resources")
}

/// Returns the JSON Schema of each value by name.
pub(crate) fn properties() -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert(
        "runner".to_owned(),
        json!({"description": "Workload that runs the experiment in Kubernetes.", "enum": RUNNERS.map(|(name, _)| name)}),
    );
    for (name, description) in STRINGS {
        properties.insert(name.to_owned(), json!({"description": description, "type": "string"}));
    }
    properties["cronjobSchedule"]["pattern"] = r"^\s*(@\S.*|\S+(\s+\S+){4})?\s*$".into();
    properties["logLevel"]["pattern"] = format!(r"^\s*({})?\s*$", LOG_LEVELS.join("|")).into();
    properties["serviceAccountName"]["pattern"] = r"^\s*([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?\s*$".into();
    let resources = json!({
        "description": "CPU and memory of the runner's container.",
        "type": "object",
        "propertyNames": {"enum": RESOURCE_KEYS},
    });
    properties.insert("resources".to_owned(), resources);
    let pods = format!(
        "Number of pods that generate the load together, from 1 to {MAX_PARALLELISM}; each generates its share."
    );
    properties.insert("parallelism".to_owned(), json!({"description": pods, "type": ["integer", "string"]}));
    for (name, least, description) in INTEGERS {
        let schema = json!({"description": description, "type": ["integer", "string"], "minimum": least, "maximum": i32::MAX,
            "pattern": r"^\+?[0-9]{1,10}$"});
        properties.insert(name.to_owned(), schema);
    }
    let suspend = "If true, a CronJob starts no Jobs until it is resumed.";
    properties.insert("suspend".to_owned(), json!({"description": suspend, "type": "boolean"}));
    let patch = "Patch of the pods, merged as by `kubectl patch`: labels, annotations, scheduling, volumes, variables, further containers. The container of iter8 is called `iter8`.";
    properties.insert(
        pod_template::NAME.to_owned(),
        json!({
            "description": patch,
            "type": "object",
            "properties": {
                "metadata": {"description": "Labels and annotations of the pods.", "type": "object"},
                "spec": {"description": "Patch of the pods' spec.", "type": "object"},
            },
            "additionalProperties": false,
        }),
    );
    properties.insert(
        "startTimeout".to_owned(),
        json!({
            "description": "Time that pods of one load wait for each other at the start, such as `5m`.",
            "type": "string",
            "pattern": r"^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$",
        }),
    );
    let defaults = codec::value_from_yaml(DEFAULTS).unwrap_or_default();
    for (name, default) in defaults.as_object().into_iter().flatten() {
        let is_scalar = default.is_number() || default.as_str().is_some_and(|text| !text.is_empty());
        if let Some(property) = properties.get_mut(name).filter(|_| is_scalar) {
            property["default"] = default.clone();
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_runner_values_are_rejected() {
        let cases = [
            (json!({"runner": "cron"}), "runner: `cron` is not a valid runner; expected one of job, cronjob, none"),
            (json!({"runner": 1}), "runner: `1` is not a valid runner"),
            (json!({"cronjobSchedule": 5}), "cronjobSchedule: `5` is not a string"),
            (json!({"cronjobSchedule": "* * *"}), "cronjobSchedule: `* * *` is not a valid schedule: 3 fields"),
            (json!({"serviceAccountName": true}), "serviceAccountName: `true` is not a string"),
            (json!({"iter8Image": []}), "iter8Image: `[]` is not a string"),
            (json!({"logLevel": {}}), "logLevel: `{}` is not a string"),
            (
                json!({"logLevel": "verbose"}),
                "logLevel: `verbose` is not a valid level; expected one of trace, debug, info",
            ),
            (json!({"resources": "1Gi"}), "resources: `\"1Gi\"` is not a map"),
            (json!({"parallelism": 0}), "parallelism: `0` is not a valid number of pods; expected 1 to 100"),
            (json!({"parallelism": "many"}), "parallelism: `many` is not a valid number of pods; expected 1 to 100"),
            (json!({"startTimeout": "soon"}), "startTimeout: `soon` is not a duration"),
        ];
        for (values, expected) in cases {
            let error = check(values.as_object().unwrap()).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
        let good = json!({"runner": "job", "cronjobSchedule": "* * * * *", "logLevel": "info", "resources": {}});
        check(good.as_object().unwrap()).unwrap();
    }

    #[test]
    fn user_values_override_chart_values() {
        let given = json!({"runner": "job", "resources": {"limits": {"cpu": 2, "memory": null}}, "logLevel": null});
        let settings = Settings::from_values(&with_defaults(&given).unwrap()).unwrap();
        let text = serde_json::to_value(&settings.resources).unwrap();
        assert_eq!(text, json!({"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"cpu": "2"}}));
        assert_eq!((settings.runner, settings.parallelism), (Runner::Job, 1));
        assert_eq!((settings.log_level.as_str(), settings.start_timeout.to_string().as_str()), ("info", "5m0s"));
        assert_eq!(settings.image, concat!(env!("ITER8_IMAGE"), ":", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn unknown_resource_keys_are_rejected() {
        let error = Settings::from_values(&json!({"resources": {"limit": {"memory": "1Gi"}}})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "resources.limit: unknown field `limit`; expected one of requests, limits, claims"
        );
        assert_eq!(error.hint.as_deref(), Some("did you mean `limits`?"));
    }

    #[test]
    fn the_cronjob_runner_needs_a_schedule() {
        let error = Settings::from_values(&json!({"runner": "cronjob"})).unwrap_err();
        assert_eq!(error.path, "cronjobSchedule");
    }
}
