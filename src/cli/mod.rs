//! Command line: one file per subcommand. Only code here prints.

mod args;
mod assert;
mod assess;
mod compare;
mod complete;
mod completion;
mod controllers;
mod demo;
mod document;
pub mod exit;
mod expand;
mod explain;
mod flag_texts;
mod github;
mod globals;
mod help;
mod init;
mod inputs;
mod k;
mod log;
mod man;
mod metrics;
mod narrow;
mod output;
mod output_files;
mod progress;
mod recording;
mod report;
mod rerun;
mod run;
mod schema;
mod short;
mod signals;
mod style;
mod terminal;
mod text;
mod unreached;
mod validate;
mod values;
mod version;

use std::process::ExitCode;

use clap::CommandFactory;

use tokio::runtime::Runtime;

use crate::app::env::open_files;
use crate::app::error::AppError;
use args::{Cli, Command};
use exit::Exit;

/// Runs the program: parses the arguments, runs the command, prints its error, and returns the exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let has_header = expand::has_header(&arguments);
    let cli = match expand::expand(arguments).and_then(|arguments| args::parse(arguments.into_iter())) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(args::print_usage(&error, has_header) as u8),
    };
    let style = cli.globals.style();
    log::start(&cli.globals);
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(dispatch(cli));
        // A hanging task must not block the exit.
        runtime.shutdown_background();
        outcome
    });
    let exit = outcome.unwrap_or_else(|error| output::print_error(&error, style));
    ExitCode::from(exit as u8)
}

fn runtime() -> Result<Runtime, AppError> {
    open_files::check().map_err(|error| {
        AppError::outside("cannot start").caused_by(error).with_hint("raise the limit of open files: `ulimit -n 1024`")
    })?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| AppError::outside("cannot start the runtime").caused_by(error))
}

async fn dispatch(cli: Cli) -> Result<Exit, AppError> {
    let globals = cli.globals;
    match cli.command {
        Command::Run(args) => run::run(*args, &globals).await,
        Command::Assert(args) => assert::run(args).await,
        Command::Assess(args) => assess::run(args, &globals).await,
        Command::Compare(args) => compare::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Validate(args) => validate::run(args).await,
        Command::Demo(args) => demo::run(args, &globals).await,
        Command::Complete(args) => complete::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Metrics(args) => metrics::run(args).await,
        Command::Schema(args) => schema::run(&args),
        Command::Completion(args) => completion::run(&args, &mut Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
        Command::Version(args) => version::run(&args),
        Command::Controllers(args) => controllers::run(*args).await,
        Command::K(command) => k::run(*command, &globals).await,
    }
}
