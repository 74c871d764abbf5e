//! The values beside the tasks' own: how and where the experiment runs in Kubernetes.
//!
//! A local run leaves them alone, but a mistyped one is found here and not first in the cluster.

use serde_json::{Map, Value, json};

use crate::logic::input::InputError;
use crate::logic::suggest::nearest;

/// What runs the experiment.
const RUNNERS: [&str; 3] = ["job", "cronjob", "none"];

/// Values that are texts: name and description.
const TEXTS: [(&str, &str); 4] = [
    ("cronjobSchedule", "Schedule of the cronjob runner, such as `*/10 * * * *`."),
    ("serviceAccountName", "Service account that the experiment runs under."),
    ("iter8Image", "Image of this program that the runner uses."),
    ("logLevel", "How much the runner's log says, such as `info`."),
];

/// Refuses what the schema of [`properties`] refuses. `null`s count as absent and are to be taken out before.
pub(super) fn check(values: &Map<String, Value>) -> Result<(), InputError> {
    if let Some(runner) = values.get("runner")
        && !runner.as_str().is_some_and(|name| RUNNERS.contains(&name))
    {
        let shown = runner.as_str().map_or_else(|| runner.to_string(), str::to_owned);
        let expected = RUNNERS.join(", ");
        let error = InputError::new("runner", format!("`{shown}` is not a runner; expected one of {expected}"));
        return Err(match nearest(&shown, RUNNERS) {
            Some(name) => error.with_hint(format!("did you mean `{name}`?")),
            None => error,
        });
    }
    for (name, _) in TEXTS {
        if let Some(other) = values.get(name).filter(|value| !value.is_string()) {
            let error = InputError::new(name, format!("`{other}` is not a text"));
            let is_scalar = other.is_number() || other.is_boolean();
            let hint = || format!("quote it in a file, or use --set-string {name}={other}");
            return Err(if is_scalar { error.with_hint(hint()) } else { error });
        }
    }
    match values.get("resources") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(other) => Err(InputError::new("resources", format!("`{other}` is not a map"))
            .with_hint("give `requests` and `limits`, as in a container of a pod")),
    }
}

/// JSON Schema of each of these values, by name.
pub fn properties() -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert(
        "runner".to_owned(),
        json!({"description": "What runs the experiment in Kubernetes.", "enum": RUNNERS}),
    );
    for (name, description) in TEXTS {
        properties.insert(name.to_owned(), json!({"description": description, "type": "string"}));
    }
    let resources = json!({"description": "CPU and memory of the runner's container.", "type": "object"});
    properties.insert("resources".to_owned(), resources);
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_runner_values_are_named() {
        let cases = [
            (json!({"runner": "cron"}), "runner: `cron` is not a runner; expected one of job, cronjob, none"),
            (json!({"runner": 1}), "runner: `1` is not a runner"),
            (json!({"cronjobSchedule": 5}), "cronjobSchedule: `5` is not a text"),
            (json!({"serviceAccountName": true}), "serviceAccountName: `true` is not a text"),
            (json!({"iter8Image": []}), "iter8Image: `[]` is not a text"),
            (json!({"logLevel": {}}), "logLevel: `{}` is not a text"),
            (json!({"resources": "1Gi"}), "resources: `\"1Gi\"` is not a map"),
        ];
        for (values, expected) in cases {
            let error = check(values.as_object().unwrap()).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
        let good = json!({"runner": "job", "cronjobSchedule": "* * * * *", "logLevel": "info", "resources": {}});
        check(good.as_object().unwrap()).unwrap();
    }
}
