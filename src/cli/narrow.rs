//! Live lines in narrow terminals: whole fields are left out, so that no word or number is cut.

use super::terminal::columns;

/// Joins as many fields as fit into `width` columns, in their order; those with the highest rank are left out first.
pub(super) fn fields(mut fields: Vec<(u8, String)>, width: usize) -> String {
    loop {
        let line = fields.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(", ");
        let least = fields.iter().map(|(rank, _)| *rank).max().unwrap_or_default();
        if columns(&line) <= width || least == 0 {
            return line;
        }
        fields.retain(|(rank, _)| *rank < least);
    }
}

/// Joins as many items as fit, and counts the others together with those that were left out before.
pub(super) fn list(items: &[String], left_out: usize, width: usize) -> String {
    let line = |count: usize| {
        let more = items.len() - count + left_out;
        let more = match (count, more) {
            (_, 0) => None,
            (0, more) => Some(format!("{more} SLOs")),
            (_, more) => Some(format!("and {more} more")),
        };
        items.iter().take(count).cloned().chain(more).collect::<Vec<_>>().join(", ")
    };
    (1..=items.len()).rev().map(line).find(|line| columns(line) <= width).unwrap_or_else(|| line(0))
}

/// Shortens a sentence without colours after a word.
pub(super) fn words(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut line = String::new();
    for word in text.split_whitespace() {
        if columns(&line) + columns(word) + 2 > width {
            break;
        }
        line.push_str(word);
        line.push(' ');
    }
    format!("{}…", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_fields_are_left_out_by_rank() {
        let all = || vec![(1, "18s left".to_owned()), (3, "5.0/s".to_owned()), (0, "2 errors".to_owned())];
        assert_eq!(fields(all(), 25), "18s left, 5.0/s, 2 errors");
        assert_eq!(fields(all(), 24), "18s left, 2 errors");
        assert_eq!(fields(all(), 17), "2 errors");
        assert_eq!(fields(all(), 3), "2 errors", "the terminal cuts it");
    }

    #[test]
    fn items_that_do_not_fit_are_counted() {
        let items = ["✓ a/b 1 <= 2", "\x1b[31m✗ a/c\x1b[0m", "? a/d"].map(str::to_owned);
        assert_eq!(list(&items, 0, 26), format!("{}, {}, ? a/d", items[0], items[1]));
        assert_eq!(list(&items, 4, 40), format!("{}, {}, ? a/d, and 4 more", items[0], items[1]));
        assert_eq!(list(&items, 0, 25), format!("{}, and 2 more", items[0]));
        assert_eq!(list(&items, 1, 5), "4 SLOs");
        assert_eq!(list(&[], 0, 5), "");
    }

    #[test]
    fn sentences_end_after_a_word() {
        assert_eq!(words("2 of 3 decided", 14), "2 of 3 decided");
        assert_eq!(words("2 of 3 decided", 13), "2 of 3…");
        assert_eq!(words("decided", 3), "…");
    }
}
