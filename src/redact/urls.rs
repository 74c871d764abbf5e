//! Secrets in URLs: user and password, parameters, and all that follows the host of a webhook.

use super::names::{HIDDEN, is_secret_parameter};
use super::references::Dollars;

/// Hosts whose URLs are secrets as a whole: who knows the path may post.
const WEBHOOK_HOSTS: [&str; 5] =
    ["hooks.slack.com", "hooks.slack-gov.com", "webhook.office.com", "discord.com", "chat.googleapis.com"];
/// Path segments after which the rest of a URL is a secret.
const WEBHOOK_SEGMENTS: [&str; 4] = ["/hooks/", "/webhook/", "/webhooks/", "/services/hooks/"];
/// What may stand before the path of a repository dispatch: nothing, or what GitHub's own servers have there.
const GITHUB_BASES: [&str; 3] = ["", "/api", "/api/v3"];

/// The same URL without user and password, with secret-looking parameters and the path of a webhook hidden.
pub fn mask_url(url: &str) -> String {
    mask_url_in(url, Dollars::Literal)
}

/// As [`mask_url`], for a URL in a script or a value.
pub fn mask_url_in(url: &str, dollars: Dollars) -> String {
    let Some((scheme, authority, tail)) = split(url) else { return url.to_owned() };
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let login = match user {
        None => String::new(),
        Some(user) if dollars.refer(user.split_once(':').map_or(user, |(_, password)| password)) => format!("{user}@"),
        Some(_) => format!("{HIDDEN}@"),
    };
    let lower = host.to_ascii_lowercase();
    let is_webhook = WEBHOOK_HOSTS.iter().any(|known| lower == *known || lower.ends_with(&format!(".{known}")));
    let is_secret = is_webhook && tail.len() > 1 && !dollars.refer(&tail[1..]);
    let tail = if is_secret { format!("/{HIDDEN}") } else { mask_tail(tail, dollars) };
    format!("{scheme}://{login}{host}{tail}")
}

/// The same URL without what follows its host: the whole of it is a secret. A repository dispatch on GitHub, which is of no use
/// without a token, is shown.
pub fn mask_webhook(url: &str) -> String {
    let shown = mask_url(url);
    let Some((scheme, authority, tail)) = split(&shown) else { return HIDDEN.to_owned() };
    if tail.len() <= 1 || is_dispatch(tail) { shown } else { format!("{scheme}://{authority}/{HIDDEN}") }
}

/// The same form (`name=value&…`) with secret-looking parameters hidden.
pub fn mask_form(form: &str) -> String {
    mask_pairs(form, &['&'], Dollars::Literal)
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

/// Path, query and fragment.
fn mask_tail(tail: &str, dollars: Dollars) -> String {
    let end = tail.find(['?', '#']).unwrap_or(tail.len());
    let (path, rest) = tail.split_at(end);
    let path = WEBHOOK_SEGMENTS
        .iter()
        .find_map(|segment| path.find(segment).map(|at| at + segment.len()))
        .filter(|end| *end < path.len() && !dollars.refer(&path[*end..]))
        .map_or_else(|| mask_pairs(path, &['/'], dollars), |end| format!("{}{HIDDEN}", &path[..end]));
    format!("{path}{}", mask_pairs(rest, &['&', '#'], dollars))
}

/// The same text, with the values of secret-looking parameters hidden; `gaps` stand between them.
fn mask_pairs(text: &str, gaps: &[char], dollars: Dollars) -> String {
    let shown = text.split_inclusive(gaps).map(|piece| {
        let (pair, gap) = piece.split_at(piece.trim_end_matches(gaps).len());
        // `;` and `?` begin a parameter too, or belong to a value: a secret ends where it surely does.
        let starts = std::iter::once(0).chain(pair.match_indices([';', '?']).map(|(at, _)| at + 1));
        let values = starts.filter_map(|start| {
            let (name, value) = pair[start..].split_once('=')?;
            // A URL within the URL may hold credentials of its own.
            let is_login = value.contains("://") && value.contains('@');
            ((is_secret_parameter(name) || is_login) && !value.is_empty() && !dollars.refer(value))
                .then_some(start + name.len() + 1)
        });
        values.min().map_or_else(|| piece.to_owned(), |at| format!("{}{HIDDEN}{gap}", &pair[..at]))
    });
    shown.collect()
}
