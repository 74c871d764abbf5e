//! Finds keys that a jq expression reads from its text, if the expression is too complex for [`crate::templates::jq::Filter::reads`].

/// Returns true if a jq expression reads the key `key` of the response itself: `.errors | length`, but neither `.errorRate` nor
/// `.data.errors`.
pub(super) fn reads(expression: &str, key: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    expression.match_indices(key).any(|(at, _)| {
        let (before, after) = (&expression[..at], &expression[at + key.len()..]);
        let before = before.strip_suffix('"').unwrap_or(before);
        let Some(path) = before.strip_suffix('.').or_else(|| before.strip_suffix('[')) else { return false };
        !after.starts_with(is_word) && !path.ends_with(|c: char| is_word(c) || matches!(c, ']' | '"' | ')' | '?'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_the_response_itself_are_data() {
        for (expression, key, expected) in [
            (".errors | length", "errors", true),
            ("(.errors // []) | length", "errors", true),
            (".[\"errors\"] | length", "errors", true),
            (".errorRate // 0", "error", false),
            (".data.r.errors", "errors", false),
            (".results[0].error", "error", false),
            ("\"error\"", "error", false),
        ] {
            assert_eq!(reads(expression, key), expected, "{expression}");
        }
    }
}
