//! Runs an experiment of the tasks custommetrics and assess with the whole program, and reads its result.

use std::process::Command;

use serde_json::Value;

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

/// The jq expression of Iter8's templates for Prometheus.
pub const FIRST: &str = ".data.result[0].value[1] | tonumber";

/// A trial, in a directory of its own.
pub struct Trial {
    pub cli: CliCase,
    sets: Vec<String>,
}

/// Prometheus's response with these values, one series each.
pub fn vector(values: &[&str]) -> String {
    let series = |value: &&str| format!(r#"{{"metric":{{"pod":"x"}},"value":[1700000000.5,"{value}"]}}"#);
    let series: Vec<String> = values.iter().map(series).collect();
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, series.join(","))
}

/// The same as a complete response.
pub fn number(value: &str) -> Reply {
    Reply::ok(&vector(&[value]))
}

/// A provider template for metrics, each with its expression; a metric's query is its name.
pub fn template(url: &str, metrics: &[(&str, &str)]) -> String {
    let metric = |(name, expression): &(&str, &str)| {
        format!(
            "- {{name: {name}, type: gauge, params: [{{name: query, value: {name}}}], jqExpression: '{expression}'}}\n"
        )
    };
    format!("url: {url}api/v1/query\nmetrics:\n{}", metrics.iter().map(metric).collect::<String>())
}

impl Trial {
    /// Asks a server for these metrics, as the provider `p`; each is to be at most 5.
    pub fn of(server: &MisbehavingServer, metrics: &[(&str, &str)]) -> Self {
        let trial = Self::with_template("p.tpl", &template(&server.url(), metrics));
        metrics.iter().fold(trial, |trial, (name, _)| trial.set(format!("assess.SLOs.upper.p/{name}=5")))
    }

    /// One provider `p` with a template of its own.
    pub fn with_template(file: &str, text: &str) -> Self {
        let cli = CliCase::new();
        cli.write(file, text);
        Self { cli, sets: Vec::new() }.set(format!("custommetrics.templates.p={file}"))
    }

    /// No template: everything is in the values.
    pub fn bare() -> Self {
        Self { cli: CliCase::new(), sets: Vec::new() }
    }

    /// With one more value, as `--set` has it.
    pub fn set(mut self, value: impl Into<String>) -> Self {
        self.sets.push(value.into());
        self
    }

    /// The command that runs it.
    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = self.cli.command();
        command.args(["run", "--set", "tasks={custommetrics,assess}"]);
        command.args(self.sets.iter().flat_map(|value| ["--set", value])).args(more);
        command
    }

    /// Runs it.
    pub fn run(&self) -> CliOutput {
        self.run_with(&[])
    }

    /// Runs it with more arguments.
    pub fn run_with(&self, more: &[&str]) -> CliOutput {
        CliOutput::run(&mut self.command(more), &self.cli.path(""))
    }

    /// The result in the document.
    pub fn outcome(&self) -> Outcome {
        Outcome(self.cli.document()["result"].take())
    }

    /// Fails unless the SLOs have this exit code.
    #[track_caller]
    pub fn expect_slos(&self, code: i32) -> String {
        let output = self.cli.run(["assert", "-c", "slos"]);
        assert_eq!(output.code, Some(code), "{output:#?}");
        output.stdout
    }

    /// Every command still works on the document.
    #[track_caller]
    pub fn expect_intact(&self) {
        for format in ["text", "json", "html"] {
            let output = self.cli.run(["report", "-o", format]);
            assert_eq!(output.code, Some(0), "{format}: {output:#?}");
            assert!(!output.stdout.contains('\u{1b}'), "{format} acts on the terminal");
        }
    }
}

/// The result of a document.
pub struct Outcome(pub Value);

impl Outcome {
    /// The observation of a metric of a version.
    pub fn seen(&self, version: usize, metric: &str) -> &Value {
        &self.0["insights"]["observations"][version][metric]
    }

    /// The newest value of a metric of a version.
    pub fn value(&self, version: usize, metric: &str) -> Option<f64> {
        self.0["insights"]["nonHistMetricValues"][version][metric].as_array()?.last()?.as_f64()
    }

    /// The verdict on the only objective of a metric, for a version.
    pub fn verdict(&self, version: usize, metric: &str) -> &Value {
        let verdicts = self.0["insights"]["verdicts"].as_array().unwrap();
        let found = verdicts.iter().find(|verdict| verdict["metric"] == metric && verdict["version"] == version);
        found.unwrap_or_else(|| panic!("no verdict on {metric} for version {version}: {verdicts:?}"))
    }

    /// The verdict on the objective of a metric with this bound.
    pub fn verdict_on(&self, bound: &str, metric: &str) -> &Value {
        let verdicts = self.0["insights"]["verdicts"].as_array().unwrap();
        verdicts.iter().find(|verdict| verdict["metric"] == metric && verdict["bound"] == bound).unwrap()
    }

    /// The notes of the task custommetrics.
    pub fn notes(&self) -> String {
        let notes = self.0["tasks"][0]["notes"].as_array().into_iter().flatten();
        notes.map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    /// Fails unless a metric has no value, its objective is not satisfied, and both the verdict and the observation have the reason.
    #[track_caller]
    pub fn expect_no_value(&self, version: usize, metric: &str, reason: &str) {
        assert_eq!(self.value(version, metric), None, "{metric}");
        let (verdict, seen) = (self.verdict(version, metric), self.seen(version, metric));
        for (place, text) in [("verdict", &verdict["reason"]), ("observation", &seen["noData"])] {
            let text = text.as_str().unwrap_or_default();
            assert!(text.contains(reason), "{metric}: the {place} says {text:?}, not {reason:?}");
        }
        assert_ne!(verdict["verdict"], "satisfied", "{metric}: {verdict}");
    }
}
