//! The real Helm, with a home directory of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::cli_case::{CliCase, CliOutput};
use super::tools;

/// Helm, and the directory in which it runs.
pub struct Helm {
    pub program: PathBuf,
    pub cli: CliCase,
}

impl Helm {
    /// Returns None if it is missing.
    pub fn new() -> Option<Self> {
        Some(Self { program: tools::needed("helm")?, cli: CliCase::new() })
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.cli.path("")).env("HOME", self.cli.path("")).args(args).stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> CliOutput {
        CliOutput::run(&mut self.command(args), &self.cli.path(""))
    }
}
