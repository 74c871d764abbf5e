//! Tokens that are recognized by their form, whatever stands around them.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::names::REDACTED;

/// Documented forms of tokens.
const SHAPES: &[&str] = &[
    // GitHub
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    // GitLab
    r"glpat-[A-Za-z0-9_-]{20,}",
    // Slack
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"xapp-[A-Za-z0-9-]{20,}",
    // JSON Web Tokens: base64 of `{"…`, twice, and a signature
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    // AWS access keys
    r"(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    // Google API keys
    r"AIza[A-Za-z0-9_-]{35}",
    // Google OAuth access tokens
    r"ya29\.[A-Za-z0-9_-]{20,}",
    // OpenAI and others
    r"sk-(?:(?:proj|svcacct|admin|ant-[a-z0-9]+)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9_]{20,})",
    // New Relic
    r"NRAK-[A-Z0-9]{20,}",
    // npm, PyPI, Docker Hub
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{20,}",
    r"dckr_pat_[A-Za-z0-9_-]{20,}",
    // Hugging Face, Databricks
    r"hf_[A-Za-z0-9]{30,}",
    r"dapi[a-f0-9]{32}",
    // SendGrid, Stripe, Shopify
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    // DigitalOcean, Atlassian, Postman
    r"do[opr]_v1_[a-f0-9]{64}",
    r"ATATT3x[A-Za-z0-9_=-]{20,}",
    r"PMAK-[A-Za-z0-9-]{20,}",
    // Grafana, Dynatrace, HashiCorp's Vault and Terraform
    r"gl(?:sa|c)_[A-Za-z0-9_+/=-]{20,}",
    r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{32,}",
    r"hv[sbr]\.[A-Za-z0-9_-]{20,}",
    r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{40,}",
    // Telegram bots, age
    r"(?:bot)?\d{8,10}:AA[A-Za-z0-9_-]{30,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{50,}",
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
            "pypi-AgEIcHlwaS5vcmcCJDAxMjM0NTY3",
            "dckr_pat_abcdefghijklmnopqrstuvwxyz",
            "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
            "dapi0123456789abcdef0123456789abcdef",
            "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz",
            "sk_live_abcdefghijklmnopqrstuvwx",
            "shpat_0123456789abcdef0123456789abcdef",
            "ATATT3xFfGF0abcdefghijklmnopqrstuvwxyz",
            "PMAK-0123456789abcdef01234567-0123456789",
            "glsa_abcdefghijklmnopqrstuvwxyz_01234567",
            "hvs.CAESIabcdefghijklmnopqrstuvwxyz",
            "ya29.a0AfH6SMBabcdefghijklmnop",
            "xapp-1-A0123456789-1234567890123-abcdef",
            "bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
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
