//! Secrets in free text: scripts, error messages, headers, forms.
//!
//! Everything in the position of a secret is redacted, except references: `$TOKEN`, `${TOKEN}`, `$(cat token)`.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::names::{REDACTED, is_compound, is_secret};
use super::references::Dollars;
use super::urls::redact_url_in;

/// Schemes before the secret in a header.
const SCHEMES: [&str; 5] = ["bearer ", "basic ", "token ", "digest ", "apikey "];

/// A value: quoted, or up to a separator; a command substitution may contain separators.
const VALUE: &str = r#""(?:\\.|[^"\\])*(?:"|\z)|'[^']*(?:'|\z)|(?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|`[^`]*`|\$\{[^}]*\}\}?|[^\s"'`<>|;,&)}])+"#;

/// Positions of secrets. If the expression were invalid, [`Redactor::run`] would redact whole strings and say why; a test compiles it.
static PLACES: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
    let alternatives = [
        r"(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----)".to_owned(),
        r#"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s"'`<>|]+)"#.to_owned(),
        format!(r"(?P<scheme>(?i:\b(?:bearer|basic)\s+))(?P<credential>{VALUE})"),
        format!(r"(?P<login>(?:^|\s)(?:-[A-Za-z]*[uU]\s+|-u|--(?:proxy-)?user[\s=]+))(?P<user>{VALUE})"),
        // `--token X`; `--token=X` is a pair.
        format!(r"(?P<flag>(?:^|\s)--(?P<option>[\w-]+)[ \t]+)(?P<argument>{VALUE})"),
        format!(r#"(?P<quote>["']?)(?P<name>[\w.-]+)(?P<is>["']?[ \t]*(?::[ \t]*|=|[ \t]=[ \t]+))(?P<value>{VALUE})"#),
    ];
    Regex::new(&alternatives.join("|"))
});

/// Redacts secrets in scripts and messages: credentials in URLs, values after `Bearer`, `Authorization:`, `--token` or `curl -u NAME:`, and
/// those of `TOKEN=…` and `"password": …`. References such as `$TOKEN` are kept.
pub fn redact_text(text: &str) -> String {
    Redactor { text, dollars: Dollars::Refer }.run()
}

/// Like [`redact_text`], for a value in which `$` has no special meaning.
pub fn redact_literal(text: &str) -> String {
    Redactor { text, dollars: Dollars::Literal }.run()
}

/// Start, end and replacement of a secret.
type Replacement = (usize, usize, String);

struct Redactor<'a> {
    text: &'a str,
    dollars: Dollars,
}

impl Redactor<'_> {
    fn run(&self) -> String {
        let text = self.text;
        let places = match PLACES.as_ref() {
            Ok(places) => places,
            Err(error) => return format!("{REDACTED} (cannot search for secrets: {error})"),
        };
        let mut redacted = String::with_capacity(text.len());
        let mut from = 0;
        while let Some(matched) = places.captures_at(text, from) {
            let Some(whole) = matched.get(0) else { break };
            let (until, next, with) = self.secret_in(&matched).unwrap_or_else(|| {
                // The value may start another position.
                let lead = ["is", "flag", "login", "scheme"].iter().find_map(|group| matched.name(group));
                let next = lead.map_or(whole.end(), |lead| lead.end());
                (next, next, String::new())
            });
            redacted.push_str(&text[from..until]);
            redacted.push_str(&with);
            from = next;
        }
        redacted.push_str(&text[from..]);
        redacted
    }

    /// Returns the replacement for a match; `None` if it is not a secret.
    fn secret_in(&self, matched: &Captures<'_>) -> Option<Replacement> {
        if let Some(begin) = matched.name("pem") {
            let end = self.text[begin.end()..].find("-----END").map_or(self.text.len(), |at| begin.end() + at);
            return Some((begin.end(), end, REDACTED.to_owned()));
        }
        if let Some(url) = matched.name("url") {
            let bare = url.as_str().trim_end_matches([',', ';', ':', ')', '.', '}']);
            return Some((url.start(), url.start() + bare.len(), redact_url_in(bare, self.dollars)));
        }
        if let Some(value) = matched.name("credential") {
            let inner = unquoted(value.as_str());
            // "basic authentication" is prose; base64 is not.
            let is_basic = matched["scheme"].to_ascii_lowercase().starts_with("basic");
            let is_prose = inner.len() < 6 || (is_basic && inner.chars().all(|c| c.is_ascii_lowercase()));
            return if is_prose { None } else { self.redacted(value.start(), value.as_str()) };
        }
        if let Some(value) = matched.name("user") {
            return self.login(value.start(), value.as_str());
        }
        if let Some(value) = matched.name("argument") {
            let is_secret = is_secret(&matched["option"]) && !value.as_str().starts_with("--");
            return if is_secret { self.redacted(value.start(), value.as_str()) } else { None };
        }
        self.pair(matched)
    }

    /// `name=value`, `Header: value`, `"name": "value"`.
    fn pair(&self, matched: &Captures<'_>) -> Option<Replacement> {
        let (name, value) = (matched.name("name")?, matched.name("value")?);
        let (word, is) = (name.as_str(), matched["is"].trim_end());
        if is.ends_with('=') {
            let last = word.rsplit('.').next().unwrap_or(word);
            // `==` is a comparison.
            let sets = !value.as_str().starts_with('=');
            return if sets && is_secret(last) { self.redacted(value.start(), value.as_str()) } else { None };
        }
        let before = &self.text[..name.start()];
        let line = before.rsplit('\n').next().unwrap_or_default();
        let after = self.text[value.end()..].trim_start_matches([' ', '\t', '\r']);
        let alone = line.trim_matches([' ', '\t', '-']).is_empty() && (after.is_empty() || after.starts_with('\n'));
        let is_header = matches!(word.to_ascii_lowercase().as_str(), "authorization" | "cookie");
        // Field paths at the start of errors have dots, and a single word before a colon is prose.
        let is_name = !word.contains('.') && (is_header || is.len() > 1 || alone || is_compound(word));
        if !is_name || !is_secret(word) {
            return None;
        }
        if is.len() > 1 || value.as_str().starts_with(['"', '\'']) {
            return self.redacted(value.start(), value.as_str());
        }
        let (lead, end) = header_value(&self.text[value.start()..], matched["quote"].chars().next(), word, value.len());
        self.redacted(value.start() + lead, &self.text[value.start() + lead..value.start() + end])
    }

    /// Returns the password in `NAME:PASSWORD`, as in `curl -u`.
    fn login(&self, start: usize, value: &str) -> Option<Replacement> {
        let inner = unquoted(value);
        let (name, password) = inner.split_once(':')?;
        // `docker -u 1000:1000` is a user and a group.
        let is_id = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if is_id(name) && is_id(password) {
            return None;
        }
        self.redacted(start + (value.len() - inner.len()).div_ceil(2) + name.len() + 1, password)
    }

    /// Redacts a value inside its quotes; `None` if it is a reference or a boolean.
    fn redacted(&self, start: usize, value: &str) -> Option<Replacement> {
        let inner = unquoted(value);
        let start = start + (value.len() - inner.len()).div_ceil(2);
        let harmless = inner.is_empty() || matches!(inner, "true" | "false" | "null") || self.dollars.refer(inner);
        (!harmless).then(|| (start, start + inner.len(), REDACTED.to_owned()))
    }
}

/// Start and end of the secret in a header's value: without its scheme, up to the end of its quote or word, for cookies to the end of the
/// line.
fn header_value(rest: &str, quote: Option<char>, name: &str, word: usize) -> (usize, usize) {
    let is_scheme = |scheme: &&&str| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let lead = SCHEMES.iter().find(is_scheme).map_or(0, |scheme| scheme.len());
    let is_cookie = name.to_ascii_lowercase().ends_with("cookie");
    let end = match quote {
        Some(quote) => rest.find(quote),
        None if is_cookie => rest.find(['"', '\'', '\n']),
        None if lead == 0 => Some(word),
        None => rest[lead..].find(|c: char| c.is_whitespace() || "\"'`<>|;,".contains(c)).map(|at| lead + at),
    };
    (lead, end.unwrap_or(rest.len()).max(lead))
}

fn unquoted(value: &str) -> &str {
    let strip = |quote: char| value.strip_prefix(quote).map(|inner| inner.strip_suffix(quote).unwrap_or(inner));
    strip('"').or_else(|| strip('\'')).unwrap_or(value)
}
