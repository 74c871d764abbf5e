//! Aligned columns between bars, and wrapping of prose.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::prose;

/// A table of one named column and one column per title.
pub(in crate::report) struct Table {
    rows: Vec<(String, Vec<String>)>,
    /// Text below a row, by its index.
    notes: BTreeMap<usize, String>,
}

impl Table {
    /// Creates a table with a header.
    pub fn new(first: &str, others: Vec<String>) -> Self {
        let dashes = |title: &String| "-".repeat(title.chars().count());
        let line = (dashes(&first.to_owned()), others.iter().map(dashes).collect());
        Self { rows: vec![(first.to_owned(), others), line], notes: BTreeMap::new() }
    }

    pub fn row(&mut self, first: String, others: Vec<String>) {
        self.rows.push((first, others));
    }

    /// Adds text below the newest row, across all columns.
    pub fn note(&mut self, text: &str) {
        self.notes.insert(self.rows.len() - 1, text.to_owned());
    }

    /// Writes the table, indented; each column is as wide as its widest cell.
    pub fn write(&self, out: &mut String) {
        let width = |cell: &String| cell.chars().count();
        let first = self.rows.iter().map(|(cell, _)| width(cell)).max().unwrap_or(0);
        let columns = self.rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().filter_map(|(_, cells)| cells.get(column)).map(width).max().unwrap_or(0))
            .collect();
        for (index, (cell, others)) in self.rows.iter().enumerate() {
            let mut line = format!("  {cell:<first$}");
            for (other, width) in others.iter().zip(&widths) {
                let _ = write!(line, " | {other:<width$}");
            }
            let _ = writeln!(out, "{}", line.trim_end());
            if let Some(note) = self.notes.get(&index) {
                prose(out, "      ", note);
            }
        }
    }
}

/// Wraps text to lines of at most `width` characters, but at least one; a longer word is broken.
pub(in crate::report) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_whitespace() {
            let mut word: Vec<char> = word.chars().collect();
            if used > 0 && used + 1 + word.len() <= width {
                line.push(' ');
                used += 1;
            } else if used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            while word.len() > width {
                let rest = word.split_off(width);
                lines.push(std::mem::replace(&mut word, rest).into_iter().collect());
            }
            used += word.len();
            line.extend(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_exceeds_the_width_and_no_word_is_lost() {
        let text = "alpha beta gammagammagamma d\n\n  e   é";
        let lines = wrapped(text, 8);
        assert_eq!(lines, ["alpha", "beta", "gammagam", "magamma", "d", "", "e é"]);
        assert_eq!(wrapped("é f", 0), ["é", "f"], "labels of other scripts may leave no space");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new("Metric", vec!["v1".into(), "candidate".into()]);
        table.row("a".into(), vec!["1.00".into(), "2.00".into()]);
        let mut out = String::new();
        table.write(&mut out);
        assert_eq!(out, "  Metric | v1   | candidate\n  ------ | --   | ---------\n  a      | 1.00 | 2.00\n");
    }
}
