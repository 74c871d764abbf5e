//! Reads the steps of an action and the script of a GitLab job.

use std::collections::BTreeMap;

use serde_json::Value;

/// A step of a composite action.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    /// Condition, as an expression.
    pub(crate) condition: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) uses: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) with: BTreeMap<String, String>,
}

/// Scalars of a map as text, as a runner passes them.
pub(crate) fn texts(value: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// Steps of an action. Its scripts are for `sh`.
pub(crate) fn of_action(action: &Value) -> Vec<Step> {
    assert_eq!(action["runs"]["using"], "composite");
    let steps = action["runs"]["steps"].as_array().unwrap().iter();
    let read = |step: &Value| {
        let text = |name: &str| step[name].as_str().map(str::to_owned);
        assert!(step["run"].is_null() || step["shell"] == "sh", "{step}");
        Step {
            name: text("name").unwrap(),
            id: text("id"),
            condition: text("if"),
            run: text("run"),
            uses: text("uses"),
            env: texts(&step["env"]),
            with: texts(&step["with"]),
        }
    };
    steps.map(read).collect()
}

/// Script of a GitLab job: `before_script` and `script`, which run in one shell.
pub(crate) fn gitlab_script(job: &Value) -> String {
    let lines = ["before_script", "script"].into_iter().flat_map(|name| job[name].as_array().unwrap());
    lines.map(|line| line.as_str().unwrap().trim_end().to_owned() + "\n").collect()
}
