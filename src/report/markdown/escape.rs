//! Escapes text from a document for the Markdown of GitHub and GitLab.
//!
//! Entities are never markup, not even inside `<code>` and in tables, where backslashes follow other rules. GitHub turns `@team` and `#1`
//! into links after rendering, but never inside `<code>`, so these signs are wrapped in it.

use crate::model::text::one_line;

/// Escapes text for a paragraph, a list item or a cell.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '@' | '#' => escaped.push_str(&format!("<code>{c}</code>")),
            c => push(&mut escaped, c),
        }
    }
    without_links(&escaped)
}

/// Escapes a name, and formats it as code.
pub(super) fn code(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    one_line(text).chars().for_each(|c| push(&mut escaped, c));
    format!("<code>{}</code>", without_links(&escaped))
}

/// Breaks URLs, which GitHub would turn into links without any markup.
fn without_links(escaped: &str) -> String {
    escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
}

fn push(escaped: &mut String, c: char) {
    match c {
        '<' => escaped.push_str("&lt;"),
        '>' => escaped.push_str("&gt;"),
        '&' => escaped.push_str("&amp;"),
        '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '$' | '!' | '"' | '@' | '#' => {
            escaped.push_str(&format!("&#{};", u32::from(c)));
        }
        c => escaped.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_links_and_mentions_are_inert() {
        assert_eq!(
            text("a|b <img> [x](y) `c` *d* _e_"),
            "a&#124;b &lt;img&gt; &#91;x&#93;(y) &#96;c&#96; &#42;d&#42; &#95;e&#95;"
        );
        assert_eq!(text("@team fixes #1"), "<code>@</code>team fixes <code>#</code>1");
        assert_eq!(text("http://x.example www.y.example"), "http&#58;//x.example www&#46;y.example");
        assert_eq!(code("http/latency-p99"), "<code>http/latency-p99</code>");
        assert_eq!(code("a`|</code>\n@b"), "<code>a&#96;&#124;&lt;/code&gt;&#92;n&#64;b</code>");
    }
}
