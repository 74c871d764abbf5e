//! Secrets in texts: scripts, error messages, headers written out, forms.
//!
//! What is written where a secret belongs is hidden, unless it only refers to one: `$TOKEN`, `${TOKEN}`, `$(cat token)`.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::names::{HIDDEN, is_compound, is_secret};
use super::references::Dollars;
use super::urls::mask_url_in;

/// What may stand before the secret in a header.
const SCHEMES: [&str; 5] = ["bearer ", "basic ", "token ", "digest ", "apikey "];

/// One value: quoted, or up to a gap; a command in it may have gaps.
const VALUE: &str = r#""(?:\\.|[^"\\])*(?:"|\z)|'[^']*(?:'|\z)|(?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|`[^`]*`|\$\{[^}]*\}\}?|[^\s"'`<>|;,&)}])+"#;

/// What may begin a secret. Each alternative ends before the secret itself, and `VALUE` or the rest of a quote follows.
static PLACES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let alternatives = [
        r"(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----)".to_owned(),
        r#"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s"'`<>|]+)"#.to_owned(),
        format!(r"(?P<scheme>(?i:\b(?:bearer|basic)\s+))(?P<credential>{VALUE})"),
        format!(r"(?P<login>(?:^|\s)(?:-[A-Za-z]*[uU]\s+|-u|--(?:proxy-)?user[\s=]+))(?P<user>{VALUE})"),
        // `--token X`; with `=` it is a pair as any other.
        format!(r"(?P<flag>(?:^|\s)--(?P<option>[\w-]+)[ \t]+)(?P<argument>{VALUE})"),
        format!(r#"(?P<quote>["']?)(?P<name>[\w.-]+)(?P<is>["']?[ \t]*(?::[ \t]*|=|[ \t]=[ \t]+))(?P<value>{VALUE})"#),
    ];
    Regex::new(&alternatives.join("|")).ok()
});

/// The same text, with what looks like a secret in it hidden: credentials in URLs, what follows `Bearer`, `Authorization:`, `--token`
/// or `curl -u NAME:`, the value of `TOKEN=…` and of `"password": …`. For scripts and messages: `$TOKEN` stays.
pub fn mask_text(text: &str) -> String {
    Masker { text, dollars: Dollars::Refer }.run()
}

/// As [`mask_text`], for a value in which `$` is a character like any other.
pub fn mask_literal(text: &str) -> String {
    Masker { text, dollars: Dollars::Literal }.run()
}

/// Where a secret starts and ends, and what stands for it.
type Hide = (usize, usize, String);

struct Masker<'a> {
    text: &'a str,
    dollars: Dollars,
}

impl Masker<'_> {
    fn run(&self) -> String {
        let (Some(places), text) = (PLACES.as_ref(), self.text) else { return HIDDEN.to_owned() };
        let mut shown = String::with_capacity(text.len());
        let mut from = 0;
        while let Some(found) = places.captures_at(text, from) {
            let Some(whole) = found.get(0) else { break };
            let (until, next, with) = self.secret_in(&found).unwrap_or_else(|| {
                // What follows the name may be the start of another place.
                let lead = ["is", "flag", "login", "scheme"].iter().find_map(|group| found.name(group));
                let next = lead.map_or(whole.end(), |lead| lead.end());
                (next, next, String::new())
            });
            shown.push_str(&text[from..until]);
            shown.push_str(&with);
            from = next;
        }
        shown.push_str(&text[from..]);
        shown
    }

    /// The secret that was found; nothing if it is none.
    fn secret_in(&self, found: &Captures<'_>) -> Option<Hide> {
        if let Some(begin) = found.name("pem") {
            let end = self.text[begin.end()..].find("-----END").map_or(self.text.len(), |at| begin.end() + at);
            return Some((begin.end(), end, HIDDEN.to_owned()));
        }
        if let Some(url) = found.name("url") {
            let bare = url.as_str().trim_end_matches([',', ';', ':', ')', '.', '}']);
            return Some((url.start(), url.start() + bare.len(), mask_url_in(bare, self.dollars)));
        }
        if let Some(value) = found.name("credential") {
            let inner = unquoted(value.as_str());
            // "basic authentication" is a word; a user and password in base64 is not one.
            let is_basic = found["scheme"].to_ascii_lowercase().starts_with("basic");
            let is_prose = inner.len() < 6 || (is_basic && inner.chars().all(|c| c.is_ascii_lowercase()));
            return if is_prose { None } else { self.hidden(value.start(), value.as_str()) };
        }
        if let Some(value) = found.name("user") {
            return self.login(value.start(), value.as_str());
        }
        if let Some(value) = found.name("argument") {
            let is_secret = is_secret(&found["option"]) && !value.as_str().starts_with("--");
            return if is_secret { self.hidden(value.start(), value.as_str()) } else { None };
        }
        self.pair(found)
    }

    /// `name=value`, `Header: value`, `"name": "value"`.
    fn pair(&self, found: &Captures<'_>) -> Option<Hide> {
        let (name, value) = (found.name("name")?, found.name("value")?);
        let (word, is) = (name.as_str(), found["is"].trim_end());
        if is.ends_with('=') {
            let last = word.rsplit('.').next().unwrap_or(word);
            // `==` compares.
            let sets = !value.as_str().starts_with('=');
            return if sets && is_secret(last) { self.hidden(value.start(), value.as_str()) } else { None };
        }
        let before = &self.text[..name.start()];
        let line = before.rsplit('\n').next().unwrap_or_default();
        let after = self.text[value.end()..].trim_start_matches([' ', '\t', '\r']);
        let alone = line.trim_matches([' ', '\t', '-']).is_empty() && (after.is_empty() || after.starts_with('\n'));
        let is_header = matches!(word.to_ascii_lowercase().as_str(), "authorization" | "cookie");
        // Paths that errors begin with have dots, and a single word before a colon is prose.
        let is_name = !word.contains('.') && (is_header || is.len() > 1 || alone || is_compound(word));
        if !is_name || !is_secret(word) {
            return None;
        }
        if is.len() > 1 || value.as_str().starts_with(['"', '\'']) {
            return self.hidden(value.start(), value.as_str());
        }
        let (lead, end) = header_value(&self.text[value.start()..], found["quote"].chars().next(), word, value.len());
        self.hidden(value.start() + lead, &self.text[value.start() + lead..value.start() + end])
    }

    /// The password of `NAME:PASSWORD`, as `curl -u` takes it.
    fn login(&self, start: usize, value: &str) -> Option<Hide> {
        let inner = unquoted(value);
        let (name, password) = inner.split_once(':')?;
        // `docker -u 1000:1000` names a user and a group.
        let is_id = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if is_id(name) && is_id(password) {
            return None;
        }
        self.hidden(start + (value.len() - inner.len()).div_ceil(2) + name.len() + 1, password)
    }

    /// Hides a value that starts at `start`, within its quotes; nothing if it only refers to a secret or is a switch.
    fn hidden(&self, start: usize, value: &str) -> Option<Hide> {
        let inner = unquoted(value);
        let start = start + (value.len() - inner.len()).div_ceil(2);
        let harmless = inner.is_empty() || matches!(inner, "true" | "false" | "null") || self.dollars.refer(inner);
        (!harmless).then(|| (start, start + inner.len(), HIDDEN.to_owned()))
    }
}

/// Start and end of what is secret in a header's value: without its scheme, up to the end of its quote or word; a cookie goes to the
/// end of the line.
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
