//! Secrets in URLs: user and password, parameters, and everything after the host of a webhook.

use super::super::names::{REDACTED, is_secret_parameter};
use super::super::references::Dollars;
use super::super::shapes::redact_shapes;
use super::Place;
use super::percent::redact_encoded;

/// Hosts whose URLs are secret, because the path authorizes to post.
const WEBHOOK_HOSTS: [&str; 5] =
    ["hooks.slack.com", "hooks.slack-gov.com", "webhook.office.com", "discord.com", "chat.googleapis.com"];
/// Path segments after which the rest of a URL is secret.
const WEBHOOK_SEGMENTS: [&str; 4] = ["/hooks/", "/webhook/", "/webhooks/", "/services/hooks/"];
/// Prefixes of the path of a repository dispatch, on github.com and GitHub Enterprise.
const GITHUB_BASES: [&str; 3] = ["", "/api", "/api/v3"];

/// Redacts user, password, secret parameters, secrets within parameters, and the path of a webhook.
pub fn redact_url(url: &str) -> String {
    redact_url_in(url, Dollars::Literal.into())
}

/// Like [`redact_url`], for a URL in a script or a value.
pub(super) fn redact_url_in(url: &str, place: Place) -> String {
    let dollars = place.dollars;
    let Some((scheme, authority, tail)) = split(url) else { return url.to_owned() };
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let login = match user {
        None => String::new(),
        Some(user) if dollars.refer(user.split_once(':').map_or(user, |(_, password)| password)) => format!("{user}@"),
        Some(_) => format!("{REDACTED}@"),
    };
    let lower = host.to_ascii_lowercase();
    let is_webhook = WEBHOOK_HOSTS.iter().any(|known| lower == *known || lower.ends_with(&format!(".{known}")));
    let is_secret = is_webhook && tail.len() > 1 && !dollars.refer(&tail[1..]);
    let tail = if is_secret { format!("/{REDACTED}") } else { redact_tail(tail, place) };
    format!("{scheme}://{login}{host}{}", redact_shapes(&tail))
}

/// Redacts everything after the host, except for a repository dispatch on GitHub, which is useless without a token.
pub fn redact_webhook(url: &str) -> String {
    let redacted = redact_url(url);
    let Some((scheme, authority, tail)) = split(&redacted) else { return REDACTED.to_owned() };
    if tail.len() <= 1 || is_dispatch(tail) { redacted } else { format!("{scheme}://{authority}/{REDACTED}") }
}

/// Redacts secret parameters of a form (`name=value&…`).
pub fn redact_form(form: &str) -> String {
    redact_pairs(form, &['&'], Dollars::Literal.into())
}

/// Scheme, authority and the rest.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

fn is_dispatch(tail: &str) -> bool {
    let Some((base, repository)) = tail.split_once("/repos/") else { return false };
    let segments: Vec<&str> = repository.split('/').collect();
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    GITHUB_BASES.contains(&base)
        && matches!(segments.as_slice(), [owner, name, "dispatches"] if is_name(owner) && is_name(name))
}

/// Redacts path, query and fragment.
fn redact_tail(tail: &str, place: Place) -> String {
    let end = tail.find(['?', '#']).unwrap_or(tail.len());
    let (path, rest) = tail.split_at(end);
    let path = WEBHOOK_SEGMENTS
        .iter()
        .find_map(|segment| path.find(segment).map(|at| at + segment.len()))
        .filter(|end| *end < path.len() && !place.dollars.refer(&path[*end..]))
        .map_or_else(|| redact_pairs(path, &['/'], place), |end| format!("{}{REDACTED}", &path[..end]));
    format!("{path}{}", redact_pairs(rest, &['&', '#'], place))
}

/// Redacts the values of secret parameters, which are separated by `gaps`, and secrets within the values of others.
fn redact_pairs(text: &str, gaps: &[char], place: Place) -> String {
    let redacted = text.split_inclusive(gaps).map(|piece| {
        let (pair, gap) = piece.split_at(piece.trim_end_matches(gaps).len());
        match first_secret(pair, place.dollars) {
            Some(at) => format!("{}{REDACTED}{gap}", &pair[..at]),
            None => format!("{}{gap}", redact_encoded(pair, place)),
        }
    });
    redacted.collect()
}

/// Returns the start of the first secret value in `name=value;name=value…`, which extends to the end: `;` and `?` may start a parameter or
/// belong to a value.
fn first_secret(pair: &str, dollars: Dollars) -> Option<usize> {
    // A URL inside the URL may have credentials, too.
    let (last_scheme, last_at) = (pair.rfind("://"), pair.rfind('@'));
    let mut start = 0;
    for (equals, _) in pair.match_indices('=') {
        let name = &pair[start..equals];
        let last = name.rsplit([';', '?']).next().unwrap_or(name);
        let at = equals + 1;
        let is_login = last_scheme.is_some_and(|scheme| scheme >= at) && last_at.is_some_and(|last| last >= at);
        let is_secret = is_login || is_secret_parameter(last) || is_secret_parameter(name);
        if is_secret && at < pair.len() && !dollars.refer(&pair[at..]) {
            return Some(at);
        }
        start = at;
    }
    None
}
