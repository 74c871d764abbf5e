//! What is written to the outside: artefacts to standard output or a file, everything else to standard error.

use std::io::{self, Write};
use std::path::Path;

use super::error::CliError;
use super::exit::Exit;
use super::style::{Style, label};
use crate::adapters::file_store;

/// Writes an artefact to standard output. A reader that has gone away (`| head`) is not an error.
pub fn to_stdout(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Exit::OutsideWorld, "cannot write to standard output").caused_by(error))
        }
        _ => Ok(()),
    }
}

/// Writes a message to standard error; there is nowhere to tell of a failure to do so.
pub fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes an artefact to a file, whole or not at all; `-` is standard output.
pub fn to_file(path: &Path, text: &str) -> Result<(), CliError> {
    if path.as_os_str() == "-" {
        return to_stdout(text);
    }
    file_store::replace(path, text.as_bytes())
        .map_err(|error| CliError::new(Exit::OutsideWorld, format!("cannot write {}", path.display())).caused_by(error))
}

/// Someone else's text without what would act on a terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !['\t', '\n'].contains(&c) { '\u{fffd}' } else { c }).collect()
}

/// Prints an error and gives its exit code. It may repeat what a service said.
pub fn print_error(error: &CliError, style: Style) -> Exit {
    let mut text = format!("{} {}\n", label("error:", "1;31", style), harmless(&error.message));
    for cause in &error.causes {
        text.push_str(&format!("  {} {}\n", label("caused by:", "33", style), harmless(cause)));
    }
    if let Some(hint) = &error.hint {
        text.push_str(&format!("  {} {}\n", label("hint:", "36", style), harmless(hint)));
    }
    to_stderr(&text);
    error.exit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_does_not_act_on_a_terminal() {
        assert_eq!(harmless("a\tb\nc \u{1b}[2J\r\u{9b}x"), "a\tb\nc \u{fffd}[2J\u{fffd}\u{fffd}x");
    }
}
