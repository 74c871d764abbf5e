//! Tokens that are recognized by their form, whatever stands around them.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::names::REDACTED;

/// Documented forms of tokens.
const SHAPES: [&str; 10] = [
    // GitHub
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    // GitLab
    r"glpat-[A-Za-z0-9_-]{20,}",
    // Slack
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    // JSON Web Tokens: base64 of `{"…`, twice, and a signature
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    // AWS access keys
    r"(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    // Google API keys
    r"AIza[A-Za-z0-9_-]{35}",
    // OpenAI and others
    r"sk-(?:(?:proj|svcacct|admin|ant-[a-z0-9]+)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9_]{20,})",
    // New Relic
    r"NRAK-[A-Z0-9]{20,}",
    // npm
    r"npm_[A-Za-z0-9]{36}",
];

static EXPRESSION: LazyLock<Result<Regex, regex::Error>> =
    LazyLock::new(|| Regex::new(&format!(r"\b(?:{})", SHAPES.join("|"))));

/// Replaces tokens with a well-known form.
pub(super) fn redact_shapes(text: &str) -> Cow<'_, str> {
    match EXPRESSION.as_ref() {
        Ok(expression) => expression.replace_all(text, REDACTED),
        Err(error) => Cow::Owned(format!("{REDACTED} (cannot search for tokens: {error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_tokens_are_redacted_wherever_they_are() {
        let tokens = [
            "ghp_0123456789abcdefghij0123456789abcdef",
            "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
            "glpat-abcdefghij0123456789",
            "xoxb-1234567890-abcdef",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
            "AKIAIOSFODNN7EXAMPLE",
            "AIzaSyA-0123456789abcdefghijklmnopqrstu",
            "sk-abcdefghijklmnopqrstuvwxyz",
            "sk-proj-abcdefghijklm-nopqrst_uvwxyz-0123",
            "sk-ant-api03-abcdefghijklm-nopqrst_uvwxyz",
            "NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ0",
            "npm_0123456789abcdefghij0123456789abcdef",
        ];
        for token in tokens {
            for text in
                [token.to_owned(), format!("\"{token}\""), format!("x {token}, y"), format!("https://h/?q={token}")]
            {
                assert_eq!(redact_shapes(&text), text.replace(token, REDACTED));
            }
        }
    }

    #[test]
    fn similar_words_are_kept() {
        for text in [
            "sk-learn",
            "sk-recommender-predictor-default",
            "ask-for-abcdefghijklmnopqrstuvwxyz",
            "eyJ.eyJ.x",
            "AKIA",
            "xoxo-hugs",
            "npm_config",
        ] {
            assert_eq!(redact_shapes(text), text);
        }
    }
}
