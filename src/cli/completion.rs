//! `iter8 completion`.

use clap::Args;
use clap_complete::Shell;

use super::exit::Exit;
use super::output;
use crate::app::error::AppError;

/// Flags of `completion`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    source <(iter8 completion bash)\n  \
    iter8 completion zsh > \"${fpath[1]}/_iter8\"\n  \
    iter8 completion fish > ~/.config/fish/completions/iter8.fish")]
pub(crate) struct CompletionArgs {
    /// Shell to generate the script for
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for `command`.
pub(crate) fn run(args: &CompletionArgs, command: &mut clap::Command) -> Result<Exit, AppError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "iter8", &mut script);
    output::to_stdout(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
