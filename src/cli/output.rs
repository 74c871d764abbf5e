//! Output: artefacts to standard output or a file, everything else to standard error.

use std::io::{self, Write};
use std::path::Path;

use super::exit::Exit;
use super::style::{Style, label};
use crate::app::env::file_store;
use crate::app::error::AppError;
use crate::model::text::one_line;

/// Maximum number of mistakes printed.
const MAX_MISTAKES: usize = 20;

/// Writes an artefact to standard output. A closed pipe (`| head`) is not an error.
pub(crate) fn to_stdout(text: &str) -> Result<(), AppError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(AppError::outside("cannot write to standard output").caused_by(error))
        }
        _ => Ok(()),
    }
}

/// Writes a message to standard error. A failure to do so cannot be reported.
pub(crate) fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Returns true for names of standard output, which may be a file that a shell appends to.
pub(crate) fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Writes an artefact to a file atomically; `-` is standard output.
pub(crate) fn to_file(path: &Path, text: &str) -> Result<(), AppError> {
    if is_standard_output(path) {
        return to_stdout(text);
    }
    file_store::replace(path, text.as_bytes(), file_store::Access::Shared)
        .map_err(|error| AppError::outside(format!("cannot write {}", path.display())).caused_by(error))
}

/// Prints an error and returns its exit code. Escapes its text, which may come from a service.
pub(crate) fn print_error(error: &AppError, style: Style) -> Exit {
    let mut text = format!("{} {}\n", label("error:", "1;31", style), one_line(&error.message));
    for cause in &error.causes {
        text.push_str(&format!("  {} {}\n", label("caused by:", "33", style), one_line(cause)));
    }
    for mistake in error.mistakes.iter().take(MAX_MISTAKES) {
        text.push_str(&format!("  {} {}\n", label("caused by:", "33", style), one_line(&mistake.to_string())));
        text.push_str(&hint(mistake.hint.as_deref(), style));
    }
    if error.mistakes.len() > MAX_MISTAKES {
        text.push_str(&format!("  and {} more\n", error.mistakes.len() - MAX_MISTAKES));
    }
    text.push_str(&hint(error.hint.as_deref(), style));
    to_stderr(&text);
    error.kind.into()
}

fn hint(hint: Option<&str>, style: Style) -> String {
    let line = |hint| format!("  {} {}\n", label("hint:", "36", style), one_line(hint));
    hint.map_or_else(String::new, line)
}
