//! Command-line grammar: all commands, and usage errors.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::exit::Exit;
use super::globals::Globals;
use super::output;
use super::style::Style;
use super::{
    assert, assess, compare, complete, completion, controllers, demo, explain, help, init, k, man, metrics, report,
    run, schema, validate, version,
};
use crate::app::values::redact_text;

/// Run experiments against services and ML models, check SLOs, and report the result.
#[derive(Debug, Parser)]
#[command(name = "iter8", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Examples:\n  \
    iter8 demo\n  \
    iter8 run http://localhost:8080/ --qps 100 --duration 30s --slo 'p99 < 60ms' --slo 'errors = 0' --assert\n  \
    iter8 run -f values.yaml --set http.qps=50\n  \
    iter8 assert -c completed,nofailure,slos\n  \
    iter8 report -o html --outputFile report.html")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) globals: Globals,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run an experiment, from values or from an experiment document
    #[command(visible_alias = "launch")]
    Run(Box<run::RunArgs>),
    /// Check conditions on an experiment: exit code 0 if they hold, 1 if not
    Assert(assert::AssertArgs),
    /// Judge a saved experiment again, with other SLOs or a confidence
    Assess(assess::AssessArgs),
    /// Compare a saved experiment with another one
    Compare(compare::CompareArgs),
    /// Report on an experiment: text, HTML, JSON, JUnit, Markdown, OpenMetrics, CSV
    Report(report::ReportArgs),
    /// Check an experiment document or values without running anything
    Validate(validate::ValidateArgs),
    /// Run an experiment against a built-in sample service
    Demo(demo::DemoArgs),
    /// Write a values file to start from
    Init(init::InitArgs),
    /// Describe values: types, defaults, examples
    Explain(explain::ExplainArgs),
    /// List names of metrics, for SLOs
    Metrics(metrics::MetricsArgs),
    /// Print the JSON Schema of values or of the experiment document
    Schema(schema::SchemaArgs),
    /// Print a completion script for a shell
    Completion(completion::CompletionArgs),
    /// Print candidates for a completion script
    #[command(hide = true)]
    Complete(complete::CompleteArgs),
    /// Write man pages to a directory
    #[command(hide = true)]
    Man(man::ManArgs),
    /// Print the version
    Version(version::VersionArgs),
    /// Run the release controller: it keeps the routes of routemaps up to date
    #[command(visible_alias = "controller")]
    Controllers(Box<controllers::ControllersArgs>),
    /// Run and inspect experiments in a Kubernetes cluster
    #[command(subcommand)]
    K(Box<k::KCommand>),
}

/// Parses the command line.
pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = help::grouped(Cli::command()).try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))
}

/// Prints help or a usage error, and returns its exit code. With a header among the arguments, an unexpected one is not repeated.
pub(super) fn print_usage(error: &clap::Error, has_header: bool) -> Exit {
    if error.use_stderr() {
        let text = without_secrets(&error.render().to_string());
        let is_part = has_header && is_unexpected(error);
        output::to_stderr(&if is_part { without_argument(&text) } else { with_tip(&text, error) });
        return Exit::BadInput;
    }
    match output::to_stdout(&error.render().to_string()) {
        Ok(()) => Exit::Done,
        Err(error) => output::print_error(&error, Style::Plain),
    }
}

/// Returns true for an unexpected argument that is not spelled like a flag.
fn is_unexpected(error: &clap::Error) -> bool {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return false };
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let is_flag = argument.strip_prefix('-').is_some_and(|flag| flag.chars().count() == 1 || is_name(flag));
    error.kind() == ErrorKind::UnknownArgument && !is_flag
}

/// Leaves out the unexpected argument, which may be a part of a header that is not quoted.
fn without_argument(text: &str) -> String {
    let usage = text.split_once("\n\nUsage:").map_or("", |(_, usage)| usage);
    format!(
        "error: unexpected argument, possibly a part of a header\n\n  tip: quote headers: -H 'NAME: VALUE'\n\nUsage:{usage}"
    )
}

/// Redacts the line that repeats an argument: a URL may have a password.
fn without_secrets(text: &str) -> String {
    let line = |line: &str| if line.starts_with("error:") { redact_text(line) } else { line.to_owned() };
    text.split_inclusive('\n').map(line).collect()
}

/// Adds the next step after an unexpected argument or command that other programs have.
fn with_tip(text: &str, error: &clap::Error) -> String {
    let Some(tip) = tip(text, error) else { return text.to_owned() };
    // clap's own tips would pass the argument as the URL, or name a flag that is only spelled alike.
    let text = text.lines().filter(|line| !line.starts_with("  tip: ")).collect::<Vec<_>>().join("\n");
    let text = text.replace("\n\n\n", "\n\n");
    match text.split_once("\n\nUsage:") {
        Some((message, usage)) => format!("{message}\n\n  tip: {tip}\n\nUsage:{usage}\n"),
        None => format!("{text}\n  tip: {tip}\n"),
    }
}

fn tip(text: &str, error: &clap::Error) -> Option<&'static str> {
    let kind = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return None,
    };
    let Some(ContextValue::String(argument)) = error.get(kind) else { return None };
    if kind == ContextKind::InvalidSubcommand {
        return argument.contains("://").then_some("load a URL with `run`: iter8 run http://HOST/");
    }
    match argument.split('=').next().unwrap_or_default() {
        "--url" => Some("give the URL without a flag: iter8 run http://HOST/, or --set http.url=http://HOST/"),
        "--slo" if text.contains("Usage: iter8 assess") => {
            Some("write SLOs as values: --set assess.SLOs.upper.http/latency-p99=60ms")
        }
        "--slo" => Some("judge other SLOs with `iter8 assess`, or measure with `iter8 run URL --slo 'p99 < 60ms'`"),
        flag if flag.starts_with('-') && text.contains("Usage: iter8 run") => {
            FLAGS_OF_OTHERS.iter().find(|(names, _)| names.contains(&flag)).map(|(_, tip)| *tip)
        }
        _ if !argument.starts_with('-') && argument.contains('=') => {
            Some("quote values that contain braces or spaces: --set \"tasks={http,assess}\"")
        }
        _ => None,
    }
}

/// Flags of other load generators, and what stands for them in `run`.
const FLAGS_OF_OTHERS: [(&[&str], &str); 7] = [
    (&["-X", "--request"], "the HTTP method is -m: -m POST"),
    (&["--concurrency", "--workers", "-w", "--vus", "-u", "--users"], "the number of connections is -c: -c 50"),
    (
        &["-t", "--threads"],
        "threads need no setting: -c 50 is the number of connections, --set http.timeout=5s a timeout",
    ),
    (&["--timeout"], "write the timeout as a value: --set http.timeout=5s"),
    (&["--confidence"], "write the confidence as a value: --set assess.confidence=0.95"),
    (&["--body"], "the body is -d, and a file with it -D"),
    (&["--total", "--iterations"], "the number of requests is -n: -n 1000"),
];
