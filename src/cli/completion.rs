//! `iter8 completion`.
//!
//! clap writes the scripts. Those of bash, zsh and fish also ask the program for names of values and metrics, with the hidden command
//! `iter8 complete`.

use clap::Args;
use clap_complete::Shell;

use super::exit::Exit;
use super::output;
use crate::app::error::AppError;

/// Words that the program completes, by the name of the argument in the script of zsh. The space before a function keeps `_arguments` from
/// adding arguments to it.
const ZSH_WORDS: [(&str, &str); 4] = [
    (":PATH=VALUE:_default", ":PATH=VALUE: _iter8_values set"),
    (":PATH=JSON:_default", ":PATH=JSON: _iter8_values set"),
    (":PATH=FILE:_default", ":PATH=FILE: _iter8_values set"),
    (":SLO:_default", ":SLO: _iter8_values slo"),
];

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
    output::to_stdout(&with_values(args.shell, &String::from_utf8_lossy(&script)))?;
    Ok(Exit::Done)
}

/// Start of the argument of `explain` in the script of zsh.
const ZSH_PATH: &str = "'::path -- ";

fn zsh_line(line: &str) -> String {
    if line.starts_with(ZSH_PATH) {
        return line.replace(":_default'", ": _iter8_values path'");
    }
    ZSH_WORDS.iter().fold(line.to_owned(), |line, (old, new)| line.replace(old, new))
}

/// Adds the completion of values and metrics to a script.
fn with_values(shell: Shell, script: &str) -> String {
    match shell {
        Shell::Bash => format!("{script}{}", include_str!("completion/iter8.bash")),
        Shell::Fish => format!("{script}{}", include_str!("completion/iter8.fish")),
        Shell::Zsh => {
            let replaced: String = script.split_inclusive('\n').map(zsh_line).collect();
            // The script may run its function at its end, which therefore comes last.
            let (head, rest) = replaced.split_once('\n').unwrap_or((&replaced, ""));
            format!("{head}\n{}{rest}", include_str!("completion/iter8.zsh"))
        }
        _ => script.to_owned(),
    }
}
