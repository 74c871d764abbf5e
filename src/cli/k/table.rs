//! Tables and times for people.

use chrono::{DateTime, Utc};

use crate::cli::text::aligned;
use crate::model::text::one_line;

/// Renders a time that has passed, such as `5m ago`.
pub(super) fn age(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ago", duration(time, now))
}

/// Renders the time between two times in its largest unit.
pub(super) fn duration(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - time).num_seconds().max(0);
    let (count, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "m"),
        7_200..172_800 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{count}{unit}")
}

/// Aligns the columns of the rows, and escapes the cells: names and reasons come from objects of the cluster.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let rows: Vec<[String; COLUMNS]> = rows.iter().map(|row| row.each_ref().map(|cell| one_line(cell))).collect();
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_one_line() {
        let rows = [["NAME", "REASON"], ["a\n::error::x", "b\u{202e}\u{1b}[31m"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "NAME           REASON\na\\n::error::x  b\\u{202e}\\u{1b}[31m\n");
    }
}
