//! Layout of longer texts on standard output.

use serde::Serialize;

use crate::app::error::AppError;

/// Columns of a line; short enough to read, whatever the terminal's width.
const WIDTH: usize = 100;

/// Breaks a text into lines that leave room for `indent` columns.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    wrapped_to(text, WIDTH.saturating_sub(indent))
}

/// Breaks a text into lines of at most `width` columns; longer words stay whole.
pub(crate) fn wrapped_to(text: &str, width: usize) -> String {
    let (mut lines, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        match column {
            0 => column = length,
            _ if column + 1 + length > width => {
                lines.push('\n');
                column = length;
            }
            _ => {
                lines.push(' ');
                column += 1 + length;
            }
        }
        lines.push_str(word);
    }
    lines
}

/// Indents every line, and ends the last one.
pub(crate) fn indented(text: &str, indent: usize) -> String {
    text.lines().map(|line| format!("{:indent$}{line}\n", "")).collect()
}

/// Renders JSON for programs.
pub(crate) fn json(value: &impl Serialize) -> Result<String, AppError> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| format!("{text}\n")).map_err(|error| AppError::input("cannot print JSON").caused_by(error))
}

/// Aligns the columns of rows; cells are our own text.
pub(crate) fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let text = wrapped(&"word ".repeat(30), 90);
        assert!(text.lines().all(|line| line == "word word"), "{text}");
        assert_eq!(wrapped("", 2), "");
        assert_eq!(indented("a\nb", 2), "  a\n  b\n");
    }
}
