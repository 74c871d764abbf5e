//! Flags of all commands.

use clap::{Args, ValueEnum};

use super::style::Style;

/// Flags of all commands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Globals {
    /// Log level
    #[arg(short = 'l', long = "loglevel", global = true, value_enum, default_value = "info", env = "ITER8_LOGLEVEL")]
    pub log_level: LogLevel,
    /// Print only results, errors and the verdict: no progress, no log
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// Iter8's log levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// All messages.
    Trace,
    /// Details for debugging.
    Debug,
    /// Progress and results.
    Info,
    /// Possible problems.
    #[value(alias = "warn")]
    Warning,
    /// Errors only.
    Error,
    /// Alias of `error`, from Iter8
    Fatal,
    /// Alias of `error`, from Iter8
    Panic,
}

impl Globals {
    /// Style of standard error: coloured on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn style(&self) -> Style {
        Style::of(&std::io::stderr())
    }
}
