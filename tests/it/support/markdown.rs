//! The parts of Markdown that tests check against the code: tables below a heading, and fenced blocks with the comment before them.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Info string of the opening fence, such as `sh`.
    pub language: String,
    /// The lines between the fences.
    pub lines: Vec<String>,
    /// Line of the opening fence, from 1.
    pub line: usize,
    /// Text of the HTML comment that ends directly before the block, blank lines apart.
    pub comment: Option<String>,
}

/// Rows of the first table after the heading whose text is `heading` (any level), without its header; code marks are taken off.
/// Empty if there is no such heading, or no table before the next one.
pub fn table_rows(markdown: &str, heading: &str) -> Vec<Vec<String>> {
    let mut in_fence = false;
    let prose = markdown.lines().filter(move |line| {
        let is_mark = line.trim_start().starts_with("```");
        in_fence ^= is_mark;
        !in_fence && !is_mark
    });
    prose
        .skip_while(|line| heading_text(line) != Some(heading))
        .skip(1)
        .take_while(|line| heading_text(line).is_none())
        .skip_while(|line| !line.trim_start().starts_with('|'))
        .take_while(|line| line.trim_start().starts_with('|'))
        .skip(2)
        .map(cells)
        .collect()
}

/// The cells of one row; `\|` is a bar.
pub fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').replace("\\|", "\u{0}");
    let row = row.strip_suffix('|').unwrap_or(&row);
    row.split('|').map(|cell| cell.replace('\u{0}', "|").replace('`', "").trim().to_owned()).collect()
}

/// Every fenced block, in order.
pub fn fences(markdown: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut comment: Option<String> = None;
    let mut lines = markdown.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let text = line.trim();
        if let Some(language) = text.strip_prefix("```") {
            let body = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
            let lines = body.map(str::to_owned).collect();
            found.push(Fence { language: language.trim().to_owned(), lines, line: index + 1, comment: comment.take() });
        } else if let Some(start) = text.strip_prefix("<!--") {
            let mut whole = start.to_owned();
            while !whole.contains("-->") {
                let Some((_, more)) = lines.next() else { break };
                whole = format!("{whole} {}", more.trim());
            }
            comment = whole.split_once("-->").map(|(inner, _)| inner.trim().to_owned());
        } else if !text.is_empty() {
            comment = None;
        }
    }
    found
}

fn heading_text(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len() && text.starts_with(' ')).then(|| text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Title

| not | this |
|---|---|
| a | b |

## Exit codes

Words.

| code | meaning |
|---|---|
| `0` | done |
| 1 | this \\| that |

| second | table |
|---|---|
| c | d |

## Empty

## After

```text
## Fenced
| x | y |
|---|---|
| 1 | 2 |
```
";

    #[test]
    fn the_first_table_below_a_heading_is_read() {
        assert_eq!(table_rows(TEXT, "Exit codes"), [["0", "done"], ["1", "this | that"]]);
    }

    #[test]
    fn tables_of_the_next_heading_are_not_read() {
        assert!(table_rows(TEXT, "Empty").is_empty());
        assert!(table_rows(TEXT, "Missing").is_empty());
    }

    #[test]
    fn code_blocks_are_skipped() {
        assert!(table_rows(TEXT, "Fenced").is_empty());
        assert!(table_rows(TEXT, "After").is_empty());
    }

    #[test]
    fn empty_cells_are_kept() {
        assert_eq!(cells("| `a` | | c |"), ["a", "", "c"]);
        assert_eq!(cells("| a | |"), ["a", ""]);
    }

    #[test]
    fn a_block_has_the_comment_directly_before_it() {
        let found = fences("<!-- test: run -->\n\n```sh\n$ a\n```\n<!-- gone -->\nwords\n```sh\nb\n```\n");
        assert_eq!(found[0].comment.as_deref(), Some("test: run"));
        assert_eq!((found[0].line, found[0].lines.join("\n").as_str()), (3, "$ a"));
        assert_eq!(found[1].comment, None);
    }

    #[test]
    fn a_comment_may_span_lines() {
        assert_eq!(fences("<!-- test:\n run -->\n```\n```\n")[0].comment.as_deref(), Some("test: run"));
    }
}
