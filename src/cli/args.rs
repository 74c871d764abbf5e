//! Command-line grammar: all commands, and usage errors.

use clap::{Parser, Subcommand};

use super::exit::Exit;
use super::globals::Globals;
use super::output;
use super::style::Style;
use super::{assert, assess, compare, completion, controllers, demo, k, report, run, schema, validate, version};

/// Run experiments against services and ML models, check SLOs, and report the result.
#[derive(Debug, Parser)]
#[command(name = "iter8", version, propagate_version = true, disable_help_subcommand = true, max_term_width = 110)]
#[command(after_help = "Examples:\n  \
    iter8 demo\n  \
    iter8 run --set \"tasks={http,assess}\" --set http.url=http://localhost:8080 \\\n            --set assess.SLOs.upper.http/error-count=0\n  \
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
    Run(run::RunArgs),
    /// Check conditions on an experiment: exit code 0 if they hold, 1 if not
    Assert(assert::AssertArgs),
    /// Judge a saved experiment again, with other objectives or a confidence
    Assess(assess::AssessArgs),
    /// Compare a saved experiment with another one
    Compare(compare::CompareArgs),
    /// Report on an experiment as text, HTML or JSON
    Report(report::ReportArgs),
    /// Check an experiment document or values without running anything
    Validate(validate::ValidateArgs),
    /// Run an experiment against a built-in sample service
    Demo(demo::DemoArgs),
    /// Print the JSON Schema of values or of the experiment document
    Schema(schema::SchemaArgs),
    /// Print a completion script for a shell
    Completion(completion::CompletionArgs),
    /// Print the version
    Version(version::VersionArgs),
    /// Run the release controller: it keeps the routes of routemaps up to date
    #[command(visible_alias = "controller")]
    Controllers(Box<controllers::ControllersArgs>),
    /// Run and inspect experiments in a Kubernetes cluster
    #[command(subcommand)]
    K(Box<k::KCommand>),
}

/// Prints help or a usage error, and returns its exit code.
pub(super) fn print_usage(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        output::to_stderr(&error.render().to_string());
        return Exit::BadInput;
    }
    match output::to_stdout(&error.render().to_string()) {
        Ok(()) => Exit::Done,
        Err(error) => output::print_error(&error, Style::Plain),
    }
}
