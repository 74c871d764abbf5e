//! The command line's grammar, and the flags that every command has.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::IsTerminal;

use super::error::Style;
use super::exit::Exit;
use super::output;
use super::{assert, completion, demo, report, run, schema, validate, version};

/// Runs experiments: load, metrics, SLO verdicts; one document, from which assert makes an exit code and report a page.
#[derive(Debug, Parser)]
#[command(name = "iter8", version, propagate_version = true, disable_help_subcommand = true, max_term_width = 110)]
#[command(after_help = "Examples:\n  \
    iter8 demo\n  \
    iter8 run --set \"tasks={http,assess}\" --set http.url=http://localhost:8080 \\\n            --set assess.SLOs.upper.http/error-count=0\n  \
    iter8 assert -c completed,nofailure,slos\n  \
    iter8 report -o html --outputFile report.html")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub globals: Globals,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment, from values or from an experiment document
    #[command(visible_alias = "launch")]
    Run(run::RunArgs),
    /// Check conditions on an experiment: exit code 0 when they hold, 1 when they do not
    Assert(assert::AssertArgs),
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
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub struct Globals {
    /// How much to log
    #[arg(short = 'l', long = "loglevel", global = true, value_enum, default_value = "info", env = "ITER8_LOGLEVEL")]
    pub log_level: LogLevel,
    /// Print no progress and no log: only what was asked for, and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// Iter8's log levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What happens.
    Info,
    /// What may be wrong.
    #[value(alias = "warn")]
    Warning,
    /// What is wrong.
    Error,
    /// Iter8's name for errors that end the program; as `error` here.
    Fatal,
    /// As `fatal`.
    Panic,
}

impl Globals {
    /// Whether standard error may be coloured: a terminal, and `NO_COLOR` not set.
    pub fn style(&self) -> Style {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if plain || !std::io::stderr().is_terminal() { Style::Plain } else { Style::Coloured }
    }
}

/// Prints help or a usage error, and gives its exit code.
pub fn print_usage(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        output::to_stderr(&error.render().to_string());
        return Exit::BadInput;
    }
    match output::to_stdout(&error.render().to_string()) {
        Ok(()) => Exit::Done,
        Err(error) => super::error::print(&error, Style::Plain),
    }
}
