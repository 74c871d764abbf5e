//! Hiding secrets in what is shown: specs in reports and dry runs, URLs and error texts.
//!
//! A value is hidden by what it is called (`Authorization`, `apiKey`, `token` …) or by where it stands (user and password of a URL,
//! the path of a webhook). What names a file or variable that holds a secret (`tokenFile`, `passwordEnv`) stays: it helps, and harms
//! nobody. When in doubt, hide.

use serde_json::{Map, Value};

use super::input::join;

/// What stands in place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// Parts of names that make a value secret; compared in lower case, without `-`, `_` and `.`.
const SECRET: [&str; 12] = [
    "authorization",
    "cookie",
    "token",
    "passw",
    "secret",
    "apikey",
    "credential",
    "privatekey",
    "accesskey",
    "passphrase",
    "signature",
    "bearer",
];
/// Ends of names that only say where a secret is.
const REFERENCES: [&str; 6] = ["file", "env", "path", "dir", "name", "url"];
/// Hosts whose URLs are secrets as a whole: who knows the path may post.
const WEBHOOK_HOSTS: [&str; 5] =
    ["hooks.slack.com", "hooks.slack-gov.com", "webhook.office.com", "discord.com", "chat.googleapis.com"];
/// Path segments after which the rest of a URL is a secret.
const WEBHOOK_SEGMENTS: [&str; 4] = ["/hooks/", "/webhook/", "/webhooks/", "/services/hooks/"];
/// Longest text that is looked into as JSON, and how deep values are followed.
const MAX_EMBEDDED: usize = 64 * 1024;
const MAX_DEPTH: usize = 64;

/// The same value with every secret replaced by [`HIDDEN`].
pub fn mask(value: &Value) -> Value {
    masked(value, "", MAX_DEPTH)
}

/// The path of the first text that holds [`HIDDEN`]: a value that once was masked can't be used again.
pub fn find_hidden(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains(HIDDEN).then(String::new),
        Value::Object(map) => map.iter().find_map(|(key, value)| Some(join(key, &find_hidden(value)?))),
        Value::Array(list) => {
            list.iter().enumerate().find_map(|(at, item)| Some(join(&format!("[{at}]"), &find_hidden(item)?)))
        }
        _ => None,
    }
}

fn masked(value: &Value, within: &str, depth: usize) -> Value {
    if depth == 0 {
        return Value::String(HIDDEN.to_owned());
    }
    match value {
        Value::Object(map) => Value::Object(masked_map(map, within, depth)),
        Value::Array(list) => Value::Array(list.iter().map(|item| masked(item, within, depth - 1)).collect()),
        Value::String(text) => Value::String(mask_string(text, depth)),
        other => other.clone(),
    }
}

fn masked_map(map: &Map<String, Value>, within: &str, depth: usize) -> Map<String, Value> {
    // A spec entry says what its settings belong to beside them; values say it as their key.
    let task = map.get("task").and_then(Value::as_str).unwrap_or_default();
    // `{name: Authorization, value: …}`, as lists of headers and parameters are written.
    let named_secret = map.get("name").and_then(Value::as_str).is_some_and(is_secret);
    map.iter()
        .map(|(key, value)| {
            let shown = if is_secret(key) || (named_secret && key == "value") {
                hidden(value)
            } else {
                match value {
                    Value::String(url) if is_webhook_key(key, within) => Value::String(mask_webhook(url)),
                    _ => masked(value, if key == "with" { task } else { key }, depth - 1),
                }
            };
            (key.clone(), shown)
        })
        .collect()
}

/// Everything in a secret's place is hidden, except what only says where the secret is.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Object(map) => {
            let shown = |(key, value): (&String, &Value)| {
                let value = if is_reference(key) { value.clone() } else { hidden(value) };
                (key.clone(), value)
            };
            // One level of references is kept; what lies deeper is hidden with its names.
            let flat = map.iter().map(|(k, v)| (k, if v.is_object() || v.is_array() { &HIDDEN_VALUE } else { v }));
            Value::Object(flat.map(shown).collect())
        }
        _ => Value::String(HIDDEN.to_owned()),
    }
}

static HIDDEN_VALUE: Value = Value::String(String::new());

/// Whether what is called `name` is a secret.
pub fn is_secret(name: &str) -> bool {
    let plain = plain(name);
    // `max_tokens` is a setting of language models, not a secret.
    !is_reference(name)
        && !plain.ends_with("tokens")
        && (matches!(plain.as_str(), "auth" | "xauth" | "pwd") || SECRET.iter().any(|s| plain.contains(s)))
}

fn is_reference(name: &str) -> bool {
    let plain = plain(name);
    REFERENCES.iter().any(|end| plain.ends_with(end))
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ')).flat_map(char::to_lowercase).collect()
}

fn is_webhook_key(key: &str, within: &str) -> bool {
    let (key, within) = (plain(key), plain(within));
    key.contains("webhook") || (key == "url" && (within.contains("slack") || within.contains("webhook")))
}

fn mask_string(text: &str, depth: usize) -> String {
    let start = text.trim_start();
    if text.len() <= MAX_EMBEDDED
        && (start.starts_with('{') || start.starts_with('['))
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        let shown = masked(&value, "", depth - 1);
        return if shown == value { text.to_owned() } else { shown.to_string() };
    }
    mask_text(text)
}

/// The same text, with what looks like a secret in it hidden: credentials in URLs, what follows `Bearer`, `Authorization:` or `--token`,
/// the value of `TOKEN=…`.
pub fn mask_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = "";
    for word in words(text) {
        if word.chars().all(is_gap) {
            shown.push_str(word);
            continue;
        }
        if follows_secret_name(before, word) {
            shown.push_str(HIDDEN);
        } else if word.contains("://") {
            shown.push_str(&mask_url(word));
        } else {
            shown.push_str(&mask_pair(word));
        }
        before = word;
    }
    shown
}

/// Whether `word` is a secret because of the word before it.
fn follows_secret_name(before: &str, word: &str) -> bool {
    let is_scheme = |word: &str| matches!(word.to_ascii_lowercase().as_str(), "bearer" | "basic");
    let header = before
        .strip_suffix(':')
        .filter(|name| name.contains('-') || matches!(plain(name).as_str(), "authorization" | "cookie"));
    match before.to_ascii_lowercase().as_str() {
        "bearer" => word.len() >= 6,
        // "basic authentication" is a word; a user and password in base64 is not one.
        "basic" => word.len() >= 6 && !word.chars().all(|c| c.is_ascii_lowercase()),
        _ => header.or(before.strip_prefix("--")).is_some_and(is_secret) && !is_scheme(word),
    }
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '|' | ';' | ',')
}

/// Splits into words and what stands between them; nothing is lost.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(is_gap).flat_map(|piece| {
        let end = piece.char_indices().next_back().filter(|(_, c)| is_gap(*c)).map_or(piece.len(), |(at, _)| at);
        let (word, gap) = piece.split_at(end);
        [word, gap].into_iter().filter(|part| !part.is_empty())
    })
}

/// The same URL without user and password, with secret-looking parameters and the path of a webhook hidden.
pub fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| (HIDDEN, host));
    let at = if user.is_empty() { "" } else { "@" };
    let lower = host.to_ascii_lowercase();
    let is_webhook = WEBHOOK_HOSTS.iter().any(|known| lower == *known || lower.ends_with(&format!(".{known}")));
    let tail = if is_webhook && tail.len() > 1 { format!("/{HIDDEN}") } else { mask_tail(tail) };
    format!("{scheme}://{user}{at}{host}{tail}")
}

fn mask_webhook(url: &str) -> String {
    let shown = mask_url(url);
    let Some((scheme, rest)) = shown.split_once("://") else { return HIDDEN.to_owned() };
    let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if host.len() == rest.trim_end_matches('/').len() { shown } else { format!("{scheme}://{host}/{HIDDEN}") }
}

/// Path, query and fragment.
fn mask_tail(tail: &str) -> String {
    let (path, query) = tail.split_once('?').map_or((tail, None), |(path, query)| (path, Some(query)));
    let path = WEBHOOK_SEGMENTS
        .iter()
        .find_map(|segment| path.find(segment).map(|at| at + segment.len()))
        .filter(|end| *end < path.len())
        .map_or_else(|| path.to_owned(), |end| format!("{}{HIDDEN}", &path[..end]));
    let Some(query) = query else { return path };
    let pairs: Vec<String> = query.split('&').map(mask_pair).collect();
    format!("{path}?{}", pairs.join("&"))
}

fn mask_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if is_secret(name) || matches!(plain(name).as_str(), "key" | "sig" | "code") => {
            format!("{name}={HIDDEN}")
        }
        _ => pair.to_owned(),
    }
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
