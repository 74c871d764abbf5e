//! `iter8 complete`: candidates for the completion scripts.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::output;
use crate::app::candidates::{Candidate, Word, candidates};
use crate::app::error::AppError;

/// Flags of `complete`.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    /// Kind of word
    #[arg(value_enum)]
    kind: Kind,
    /// Word to complete
    #[arg(default_value = "", allow_hyphen_values = true)]
    word: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Set,
    Path,
    Slo,
}

/// Prints one candidate per line, with a tab before its summary.
pub(crate) fn run(args: &CompleteArgs) -> Result<Exit, AppError> {
    let word = match args.kind {
        Kind::Set => Word::Assignment,
        Kind::Path => Word::Path,
        Kind::Slo => Word::Slo,
    };
    let line = |candidate: &Candidate| format!("{}\t{}\n", candidate.text, candidate.summary);
    let lines: String = candidates(word, &args.word)?.iter().map(line).collect();
    output::to_stdout(&lines)?;
    Ok(Exit::Done)
}
