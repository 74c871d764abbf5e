//! URLs as they may be shown: in messages, reports and documents, none of which may hold credentials.

use url::Url;

/// What stands where a secret was.
const HIDDEN: &str = "***";

/// Parts of a query parameter's name that make its value a secret.
const SECRET_PARTS: [&str; 10] =
    ["token", "secret", "password", "passwd", "pwd", "key", "auth", "signature", "credential", "session"];

/// Names that are secret as a whole; as parts they occur in harmless words.
const SECRET_NAMES: [&str; 3] = ["sig", "pass", "jwt"];

/// `text` without user name and password, and with the values of secret-looking query parameters hidden. What can't be read as a
/// URL is cut to what comes after the last `@` of its authority and before its query.
pub fn url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return unreadable(text) };
    // Both fail only for URLs that can't hold credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    if let Some(query) = url.query().map(redacted_query) {
        url.set_query(Some(&query));
    }
    url.into()
}

/// The query with the values of secret-looking parameters hidden; the rest stays as it was written.
fn redacted_query(query: &str) -> String {
    let part = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    };
    query.split('&').map(part).collect::<Vec<_>>().join("&")
}

/// Whether a query parameter's value is to be hidden, by its name.
fn is_secret(name: &str) -> bool {
    // The name as the server will read it, so that percent-encoding hides nothing.
    let name =
        url::form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.to_lowercase()).unwrap_or_default();
    SECRET_NAMES.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part))
}

fn unreadable(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn credentials_are_removed() {
        let cases = [
            ("http://user:pa%20ss@host:80/p?q=1", "http://host/p?q=1"),
            ("https://host/p?api_key=1&x=2&Access-Token=3", "https://host/p?api_key=***&x=2&Access-Token=***"),
            ("https://host/p?%74oken=3&sig=4&design=5", "https://host/p?%74oken=***&sig=***&design=5"),
            ("http://host/p#access_token=1", "http://host/p"),
            ("http://user:p@ss@/x?token=1", "http:///x"),
            ("user:pass@host/x", "user:pass@host/x"),
            ("not a url", "not a url"),
        ];
        for (text, shown) in cases {
            // The sixth is a URL of the scheme `user:` to every parser; nothing tells it from `mailto:a@b`.
            assert_eq!(url(text), shown, "{text}");
        }
    }
}
