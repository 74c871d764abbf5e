//! Standard error as the terminal for live progress.
//!
//! Live lines are padded to the reported width. The reported width is a little less than that of the terminal, to leave room for
//! the echo of Ctrl-C: after a full line, the echo would start a new one, and clearing the live lines would miss a line. Because
//! such lines no longer wrap, line breaks are written here.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::TermLike;

/// Columns reserved for two echoes of Ctrl-C.
const ECHO: u16 = "^C^C".len() as u16;

/// Standard error that reports a smaller width.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    /// Columns written in the current line.
    column: AtomicUsize,
}

/// Columns and rows; 80 by 24 if unknown.
fn size() -> (u16, u16) {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stderr())
        && size.ws_col > 0
    {
        return (size.ws_col, size.ws_row);
    }
    (80, 24)
}

/// Counts the columns of a live line: one per character, none for colours.
pub(super) fn columns(text: &str) -> usize {
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().unwrap_or_default().chars().count();
    let after_colour = |piece: &str| piece.split_once('m').map_or(0, |(_, rest)| rest.chars().count());
    first + pieces.map(after_colour).sum::<usize>()
}

/// Width of a live line.
pub(super) fn live_width() -> usize {
    Terminal::default().width().into()
}

fn write(text: &str) -> io::Result<()> {
    io::stderr().lock().write_all(text.as_bytes())
}

/// Moves the cursor by `n`. Terminals read 0 as 1, so 0 is not sent.
fn move_cursor(n: usize, direction: char) -> io::Result<()> {
    if n == 0 { Ok(()) } else { write(&format!("\x1b[{n}{direction}")) }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        size().0.saturating_sub(ECHO).max(1)
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        move_cursor(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.column.store(0, Ordering::Relaxed);
        write(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let before = self.column.load(Ordering::Relaxed);
        let is_full = before >= usize::from(self.width());
        let start = if is_full { 0 } else { before };
        self.column.store(start + columns(text), Ordering::Relaxed);
        if is_full { write(&format!("\n{text}")) } else { write(text) }
    }

    fn clear_line(&self) -> io::Result<()> {
        self.column.store(0, Ordering::Relaxed);
        write("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_take_no_columns() {
        assert_eq!(columns("ab \x1b[31m✗ c\x1b[0m, d"), "ab ✗ c, d".chars().count());
        assert_eq!(columns(""), 0);
    }
}
