//! The `run` task: a shell script. Its output goes to the log; a non-zero exit code fails the task.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{OnStop, Recorded, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::model::contribution::Contribution;
use crate::model::document::TaskSpec;
use crate::model::duration::{GoDuration, PositiveDuration};
use crate::ports::{BoxFuture, ScriptEnd, ScriptLog};
use crate::redact::{RequestSecrets, redact_text};
use crate::values::input::{InputError, typed};

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "run",
    value_names: &["run"],
    summary: "run a shell script; a non-zero exit code fails the task",
    from_values,
    parse,
    with_schema: |generator| generator.subschema_for::<RunWith>(),
    values_schema: |_, generator| {
        let settings = generator.subschema_for::<RunSettings>();
        let script = generator.subschema_for::<Script>();
        json_schema!({ "anyOf": [script, settings] })
    },
    permissions: None,
};

/// Default timeout of a script.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// Settings of a `run` entry in a spec, beside the script.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunWith {
    /// Timeout of the script, after which it is killed with its children. Default: 10 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<PositiveDuration>,
}

/// Values of `run` with settings beside the script.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunSettings {
    /// The script, run by `bash -c` (`sh -c` if there is no bash).
    script: Script,
    /// Timeout of the script. Default: 10 minutes.
    #[serde(default)]
    timeout: Option<PositiveDuration>,
}

/// A script. `--set run=true` and `--set run=5` set typed values but mean the words.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
struct Script(String);

impl TryFrom<Value> for Script {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(script) => Ok(Self(script)),
            Value::Bool(_) | Value::Number(_) => Ok(Self(value.to_string())),
            other => Err(format!("`{other}` is not a script")),
        }
    }
}

impl JsonSchema for Script {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Script".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A shell script.", "type": ["string", "boolean", "number"], "pattern": r"\S"})
    }
}

fn from_values(_: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    let settings = match values {
        Value::Object(_) => typed(values, "")?,
        script => RunSettings { script: typed(script, "")?, timeout: None },
    };
    let with = settings.timeout.map(|timeout| json!({ "timeout": timeout }));
    Ok(vec![TaskSpec { run: Some(settings.script.0), with, ..TaskSpec::default() }])
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    let script = spec.run.clone().unwrap_or_default();
    if script.trim().is_empty() {
        return Err(InputError::new("run", "the script is empty"));
    }
    let with: RunWith = spec.with.as_ref().map_or_else(|| Ok(RunWith::default()), |with| typed(with, "with"))?;
    Ok(Box::new(Run { script, timeout: with.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0.0) }))
}

struct Run {
    script: String,
    timeout: Duration,
}

impl Task for Run {
    fn facts(&self) -> TaskFacts {
        // The shell kills the whole process group, which takes a moment.
        TaskFacts { recorded: Recorded::Outcome, on_stop: OnStop::Finish, writes_files: true, ..TaskFacts::default() }
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(async move {
            let log = RedactedLog { cx, secrets: cx.secrets.with_lines() };
            let end = cx.env.shell.run(&self.script, self.timeout, &log, &cx.env.stop).await;
            match end.map_err(|error| TaskError::failed(format!("cannot start a shell: {error}")))? {
                ScriptEnd::Exited(0) => Ok(Contribution::default()),
                ScriptEnd::Interrupted => Err(TaskError::Interrupted),
                ScriptEnd::Exited(code) => Err(TaskError::failed(format!("the script exited with code {code}"))),
                ScriptEnd::Killed(signal) => {
                    Err(TaskError::failed(format!("the script was killed by signal {signal}")))
                }
                ScriptEnd::TimedOut => Err(TaskError::Failed {
                    message: format!("the script did not finish within {} and was killed", GoDuration(self.timeout)),
                    hint: Some("set a longer `timeout`".to_owned()),
                    partial: None,
                }),
            }
        })
    }
}

/// Log of a script's output without secrets: those of the run by value, others by their form, as in `Authorization: Bearer …`.
struct RedactedLog<'a> {
    cx: &'a TaskContext<'a>,
    secrets: RequestSecrets,
}

impl ScriptLog for RedactedLog<'_> {
    fn line(&self, line: &str) {
        self.cx.log(&self.redact(line));
    }

    fn redact(&self, text: &str) -> String {
        redact_text(&self.secrets.redact(text))
    }

    fn longest_secret(&self) -> usize {
        self.secrets.longest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_scripts_are_read_as_words() {
        for (values, script) in [
            (json!("echo"), "echo"),
            (json!(true), "true"),
            (json!({"script": false}), "false"),
            (json!({"script": 5}), "5"),
        ] {
            assert_eq!(from_values("run", &values).unwrap()[0].run.as_deref(), Some(script), "{values}");
        }
        let error = from_values("run", &json!({"script": []})).unwrap_err();
        assert_eq!(error.to_string(), "script: `[]` is not a script");
    }

    #[test]
    fn a_zero_timeout_is_rejected() {
        let error = from_values("run", &json!({"script": "echo", "timeout": "0s"})).unwrap_err();
        assert_eq!(error.to_string(), "timeout: `0s` is too short; expected a duration greater than 0");
        let with = Some(json!({"timeout": "0s"}));
        let spec = TaskSpec { run: Some("echo".to_owned()), with, ..TaskSpec::default() };
        assert_eq!(parse(&spec).err().unwrap().path, "with.timeout");
    }
}
