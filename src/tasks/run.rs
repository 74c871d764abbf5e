//! `run`: a shell script. Its output goes to the log; a non-zero exit fails the task.

use std::time::Duration;

use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Task, TaskContext, TaskError, TaskKind};
use crate::logic::input::{InputError, typed};
use crate::model::contribution::Contribution;
use crate::model::document::TaskSpec;
use crate::model::duration::GoDuration;
use crate::ports::{BoxFuture, Event, ScriptEnd};

/// The registry's row.
pub const KIND: TaskKind = TaskKind {
    name: "run",
    value_names: &["run"],
    summary: "run a shell script; a non-zero exit fails the task",
    from_values,
    parse,
    with_schema: |generator| generator.subschema_for::<RunWith>(),
    values_schema: |_, generator| {
        let settings = generator.subschema_for::<RunSettings>();
        json_schema!({ "anyOf": [{ "description": "The script alone.", "type": "string" }, settings] })
    },
};

/// How long a script may take unless it says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// Settings of a `run` entry in a spec, beside the script.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunWith {
    /// How long the script may take before it is killed with its children; 10 minutes unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<GoDuration>,
}

/// Values of `run` when they are more than the script.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunSettings {
    /// The script, for `bash -c` (`sh -c` where there is no bash).
    script: String,
    /// How long it may take; 10 minutes unless given.
    #[serde(default)]
    timeout: Option<GoDuration>,
}

fn from_values(_: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    let settings = match values {
        Value::String(script) => RunSettings { script: script.clone(), timeout: None },
        // `--set run=true` arrives typed.
        Value::Bool(_) | Value::Number(_) => RunSettings { script: values.to_string(), timeout: None },
        values => typed(values, "")?,
    };
    let with = settings.timeout.map(|timeout| json!({ "timeout": timeout }));
    Ok(vec![TaskSpec { run: Some(settings.script), with, ..TaskSpec::default() }])
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    let script = spec.run.clone().unwrap_or_default();
    if script.trim().is_empty() {
        return Err(InputError::new("run", "the script is empty"));
    }
    let with: RunWith = spec.with.as_ref().map_or_else(|| Ok(RunWith::default()), |with| typed(with, "with"))?;
    Ok(Box::new(Run { script, timeout: with.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0) }))
}

struct Run {
    script: String,
    timeout: Duration,
}

impl Task for Run {
    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(async move {
            let index = cx.index;
            let log = |line: &str| cx.observer.observe(Event::TaskLog { index, line: line.to_owned() });
            let end = cx.shell.run(&self.script, self.timeout, &log, &cx.stop).await;
            match end.map_err(|error| TaskError::failed(format!("cannot start a shell: {error}")))? {
                ScriptEnd::Exited(0) => Ok(Contribution::default()),
                ScriptEnd::Interrupted => Ok(Contribution { interrupted: true, ..Contribution::default() }),
                ScriptEnd::Exited(code) => Err(TaskError::failed(format!("the script exited with code {code}"))),
                ScriptEnd::Killed(signal) => Err(TaskError::failed(format!("signal {signal} killed the script"))),
                ScriptEnd::TimedOut => Err(TaskError::Failed {
                    message: format!("the script did not end within {} and was killed", GoDuration(self.timeout)),
                    hint: Some("set `timeout` to give it longer".to_owned()),
                    partial: None,
                }),
            }
        })
    }
}
