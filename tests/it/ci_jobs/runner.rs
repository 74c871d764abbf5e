//! A runner of composite actions: expressions, environment files, conditions and outputs, as far as our action uses them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::steps::{Step, of_action, texts};
use super::{below, release, yaml};
use crate::support::files;

/// A job with one step, which uses the action.
pub(crate) struct Job {
    directory: tempfile::TempDir,
    releases: String,
}

/// Result of a job.
#[derive(Debug, Default)]
pub(crate) struct JobResult {
    /// Step that failed, and its exit code.
    pub(crate) failed: Option<(String, i32)>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) summary: String,
    /// Uploaded artifacts: names and files.
    pub(crate) artifacts: BTreeMap<String, Vec<String>>,
    /// Everything that the steps printed.
    pub(crate) log: String,
}

/// State while the steps run.
struct Context {
    inputs: BTreeMap<String, String>,
    /// Outputs of the steps, by id.
    steps: BTreeMap<String, BTreeMap<String, String>>,
    path: Vec<PathBuf>,
}

impl Job {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let releases = release(directory.path());
        below(directory.path(), "workspace");
        Self { directory, releases }
    }

    /// Path of a file in the workspace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("workspace").join(name)
    }

    /// Runs the action with these inputs.
    pub(crate) fn run(&self, with: &[(&str, &str)]) -> JobResult {
        let action = yaml("action.yml");
        let mut context = Context { inputs: inputs(&action, with), steps: BTreeMap::new(), path: Vec::new() };
        let mut result = JobResult::default();
        for step in of_action(&action) {
            let is_wanted = step.condition.as_ref().is_none_or(|condition| context.holds(condition));
            if result.failed.is_none() && is_wanted {
                self.step(&step, &mut context, &mut result);
            }
        }
        let outputs = action["outputs"].as_object().unwrap();
        let value = |output: &Value| context.render(output["value"].as_str().unwrap());
        result.outputs = outputs.iter().map(|(name, output)| (name.clone(), value(output))).collect();
        result
    }

    fn step(&self, step: &Step, context: &mut Context, result: &mut JobResult) {
        match (&step.run, &step.uses) {
            (Some(script), None) => self.script(step, script, context, result),
            (None, Some(action)) if action.starts_with("actions/upload-artifact@") => {
                let with = |name: &str| context.render(&step.with[name]);
                let paths = with("path");
                let found: Vec<String> =
                    paths.lines().filter(|path| self.path(path).is_file()).map(str::to_owned).collect();
                if found.is_empty() && with("if-no-files-found") == "error" {
                    result.failed = Some((step.name.clone(), 1));
                }
                if !found.is_empty() {
                    result.artifacts.insert(with("name"), found);
                }
            }
            _ => panic!("the runner cannot run {step:?}"),
        }
    }

    fn script(&self, step: &Step, script: &str, context: &mut Context, result: &mut JobResult) {
        let file = |name: &str| self.directory.path().join(name);
        std::fs::write(file("script"), script).unwrap();
        let mut command = Command::new("sh");
        command.arg("-e").arg(file("script")).current_dir(self.path(""));
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths(context.path.iter().cloned().chain(std::env::split_paths(&path))).unwrap();
        command.env("PATH", path).env("ITER8_RELEASES", &self.releases).env_remove("ITER8_REPOSITORY");
        command.env("RUNNER_TEMP", below(self.directory.path(), "temp"));
        command.env("GITHUB_ACTION_PATH", files::root()).env("GITHUB_REPOSITORY", "acme/shop");
        let environment_files = ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"];
        for name in environment_files {
            std::fs::write(file(name), "").unwrap();
            command.env(name, file(name));
        }
        for (name, value) in &step.env {
            command.env(name, context.render(value));
        }
        let output = command.output().unwrap();
        result.log +=
            &format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let [outputs, paths, summary] = environment_files.map(|name| files::text(&file(name)));
        if let Some(id) = &step.id {
            let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            context.steps.insert(id.clone(), outputs.lines().map(|line| pair(line).unwrap()).collect());
        }
        context.path.extend(paths.lines().map(PathBuf::from));
        result.summary += &summary;
        if !output.status.success() {
            result.failed = Some((step.name.clone(), output.status.code().unwrap()));
        }
    }
}

/// Inputs of the action: those given, and defaults.
fn inputs(action: &Value, with: &[(&str, &str)]) -> BTreeMap<String, String> {
    let declared = action["inputs"].as_object().unwrap();
    let defaults = declared.iter().map(|(name, input)| (name.clone(), input["default"].as_str().unwrap().to_owned()));
    let mut inputs: BTreeMap<String, String> = defaults.collect();
    for (name, value) in with {
        assert!(inputs.insert((*name).to_owned(), (*value).to_owned()).is_some(), "there is no input `{name}`");
    }
    inputs
}

impl Context {
    /// Text with its `${{ … }}` replaced.
    fn render(&self, text: &str) -> String {
        let mut pieces = text.split("${{");
        let mut rendered = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (expression, rest) = piece.split_once("}}").unwrap();
            rendered += &self.value(expression.trim());
            rendered += rest;
        }
        rendered
    }

    /// Value of `inputs.NAME`, `steps.ID.outputs.NAME` or a string.
    fn value(&self, expression: &str) -> String {
        if let Some(text) = expression.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return text.to_owned();
        }
        match expression.split('.').collect::<Vec<_>>()[..] {
            ["inputs", name] => self.inputs[name].clone(),
            ["steps", id, "outputs", name] => {
                self.steps.get(id).and_then(|outputs| outputs.get(name)).cloned().unwrap_or_default()
            }
            _ => panic!("the runner does not know `{expression}`"),
        }
    }

    /// Value of a condition: comparisons that are joined by `&&`.
    fn holds(&self, condition: &str) -> bool {
        condition.split("&&").all(|comparison| match comparison.split_once("!=") {
            Some((left, right)) => self.value(left.trim()) != self.value(right.trim()),
            None => {
                let (left, right) = comparison.split_once("==").unwrap();
                self.value(left.trim()) == self.value(right.trim())
            }
        })
    }
}

/// The `with` of the step of an example workflow that uses the action.
pub(crate) fn example() -> Vec<(String, String)> {
    let workflow = yaml("ci/examples/github.yml");
    let jobs = workflow["jobs"].as_object().unwrap();
    let steps = jobs.values().flat_map(|job| job["steps"].as_array().unwrap());
    let mut ours = steps.filter(|step| step["uses"].as_str().is_some_and(|action| action.starts_with("OWNER/iter8@")));
    texts(&ours.next().unwrap()["with"]).into_iter().collect()
}
