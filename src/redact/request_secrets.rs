//! Secrets of a request. Responses that repeat them are redacted by value, not by name.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::{Position, Url, form_urlencoded};

use super::encodings::{encodings, unbroken};
use super::names::{REDACTED, is_secret, is_secret_header, is_secret_parameter};
use super::wrapped::{find_wrapped, replace_ranges};

/// Minimum length of a secret that is searched for, in bytes. Shorter ones occur in any response by chance.
const SHORTEST: usize = 6;

/// Secrets of a request, known to its receiver only.
#[derive(Clone, Default)]
pub struct RequestSecrets {
    secrets: Vec<String>,
    /// Encodings of the secrets, longest first, so that no part of one is left.
    encodings: Vec<String>,
    /// Encodings that are also found across line breaks.
    unbroken: Vec<String>,
}

impl RequestSecrets {
    /// Collects passwords, secret parameters and credentials from the URL and headers of a request.
    pub fn of(url: &str, headers: &[(String, String)]) -> Self {
        let mut secrets = Vec::new();
        if let Ok(url) = Url::parse(url) {
            secrets.extend(parameters(url.query().unwrap_or_default()));
            // A user without a password is a token.
            secrets.push(url.password().unwrap_or(url.username()).to_owned());
            secrets.extend(login(&url));
        }
        Self { secrets, ..Self::default() }.with_headers(headers)
    }

    /// Like [`RequestSecrets::of`], for a webhook: everything after the host of its URL is secret.
    pub fn of_webhook(url: &str, headers: &[(String, String)]) -> Self {
        let mut secrets = vec![url.to_owned()];
        if let Ok(url) = Url::parse(url) {
            secrets.extend([url.path().to_owned(), url[Position::BeforePath..].to_owned()]);
            secrets.extend(url.path().split('/').map(str::to_owned));
            secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
            secrets.extend([url.username().to_owned(), url.password().unwrap_or_default().to_owned()]);
            secrets.extend(login(&url));
        }
        Self { secrets, ..Self::default() }.with_headers(headers)
    }

    /// Builds a set of known secrets; short ones are ignored.
    pub(crate) fn from_values(secrets: Vec<String>) -> Self {
        Self { secrets, ..Self::default() }.sorted()
    }

    /// Redacts the secrets in a setting. A secret that is an ordinary word, such as `prometheus`, is redacted only if it is the whole
    /// setting: it also occurs in addresses and names.
    pub(crate) fn redact_setting(&self, text: &str) -> String {
        if self.secrets.iter().any(|secret| secret == text) {
            return REDACTED.to_owned();
        }
        let is_word = |secret: &str| secret.bytes().all(|byte| byte.is_ascii_lowercase());
        let phrases = self.encodings.iter().filter(|secret| !is_word(secret));
        replace_all(&self.without_wrapped(text), phrases)
    }

    /// Adds known secrets, and returns true if any was new.
    pub(crate) fn add(&mut self, secrets: &[String]) -> bool {
        // All encodings are computed anew otherwise.
        if secrets.iter().all(|secret| self.secrets.contains(secret)) {
            return false;
        }
        let known = self.secrets.len();
        self.secrets.extend_from_slice(secrets);
        *self = std::mem::take(self).sorted();
        self.secrets.len() > known
    }

    /// Returns these secrets and the lines of those that have several, for output that is redacted line by line.
    pub(crate) fn with_lines(&self) -> Self {
        let mut secrets = self.clone();
        let several = self.secrets.iter().filter(|secret| secret.contains('\n'));
        secrets.add(&several.flat_map(|secret| secret.lines()).map(|line| line.trim().to_owned()).collect::<Vec<_>>());
        secrets
    }

    /// Returns the length of the longest secret in its longest encoding, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.encodings.first().map_or(0, String::len)
    }

    /// Returns the secrets.
    pub(crate) fn values(&self) -> &[String] {
        &self.secrets
    }

    /// Returns the secrets.
    pub(crate) fn into_values(self) -> Vec<String> {
        self.secrets
    }

    /// Adds the secrets of the request's body: parameters of a form, or fields of JSON.
    #[must_use]
    pub fn with_body(mut self, body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => self.add_fields(&json, false),
            Err(_) => self.secrets.extend(parameters(&String::from_utf8_lossy(body))),
        }
        self.sorted()
    }

    fn add_fields(&mut self, json: &Value, is_within: bool) {
        match json {
            Value::Object(map) => {
                map.iter().for_each(|(name, value)| self.add_fields(value, is_within || is_secret(name)))
            }
            Value::Array(list) => list.iter().for_each(|value| self.add_fields(value, is_within)),
            Value::String(text) if is_within => self.secrets.push(text.clone()),
            _ => {}
        }
    }

    fn with_headers(mut self, headers: &[(String, String)]) -> Self {
        for (name, value) in headers.iter().filter(|(name, _)| is_secret_header(name)) {
            self.secrets.push(value.clone());
            if name.eq_ignore_ascii_case("cookie") {
                let cookies = value.split(';').filter_map(|cookie| cookie.split_once('='));
                self.secrets.extend(cookies.map(|(_, value)| value.trim().trim_matches('"').to_owned()));
                continue;
            }
            let Some((scheme, credential)) = value.split_once(' ') else { continue };
            self.secrets.push(credential.to_owned());
            let login = STANDARD.decode(credential.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
            let login = login.and_then(|login| String::from_utf8(login).ok());
            self.secrets.extend(login.and_then(|login| Some(login.split_once(':')?.1.to_owned())));
        }
        self.sorted()
    }

    fn sorted(mut self) -> Self {
        self.secrets.retain(|secret| secret.len() >= SHORTEST);
        self.secrets.sort();
        self.secrets.dedup();
        self.encodings = self.secrets.iter().flat_map(|secret| encodings(secret)).collect();
        self.encodings.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.encodings.dedup();
        self.unbroken = self.secrets.iter().flat_map(|secret| unbroken(secret)).collect();
        self
    }

    /// Redacts the secrets in a string, in all [`encodings`].
    pub fn redact(&self, text: &str) -> String {
        replace_all(&self.without_wrapped(text), self.encodings.iter())
    }

    /// Redacts encodings with line breaks.
    fn without_wrapped<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let wrapped = find_wrapped(text.as_bytes(), &self.unbroken);
        if wrapped.is_empty() {
            return Cow::Borrowed(text);
        }
        // The encodings are ASCII: what is left of the text is still UTF-8.
        let redacted = replace_ranges(text.as_bytes(), &wrapped, REDACTED.as_bytes());
        Cow::Owned(String::from_utf8_lossy(&redacted).into_owned())
    }

    /// Like [`RequestSecrets::redact`], for bytes.
    pub fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let unwrapped = replace_ranges(bytes, &find_wrapped(bytes, &self.unbroken), REDACTED.as_bytes());
        self.encodings.iter().fold(unwrapped, |bytes, secret| {
            // Most encodings do not occur, and need no copy.
            if memchr::memmem::find(&bytes, secret.as_bytes()).is_none() {
                return bytes;
            }
            let mut redacted = Vec::with_capacity(bytes.len());
            let mut from = 0;
            for at in memchr::memmem::find_iter(&bytes, secret.as_bytes()) {
                redacted.extend_from_slice(&bytes[from..at]);
                redacted.extend_from_slice(REDACTED.as_bytes());
                from = at + secret.len();
            }
            redacted.extend_from_slice(&bytes[from..]);
            redacted
        })
    }
}

/// Replaces texts by [`REDACTED`]. Most do not occur, and need no copy.
fn replace_all<'a>(text: &str, secrets: impl Iterator<Item = &'a String>) -> String {
    secrets.fold(text.to_owned(), |text, secret| {
        if text.len() >= secret.len() && text.contains(secret.as_str()) {
            text.replace(secret.as_str(), REDACTED)
        } else {
            text
        }
    })
}

/// Returns the credentials of a URL: encoded as a header, and the decoded password.
fn login(url: &Url) -> Vec<String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    // A user without a password is a token.
    let secret = if url.password().is_some() { password } else { user };
    if secret.is_empty() { Vec::new() } else { vec![encoded, secret] }
}

/// Returns the values of secret parameters, verbatim and decoded.
fn parameters(form: &str) -> Vec<String> {
    let raw = form.split('&').filter_map(|pair| pair.split_once('='));
    let raw = raw.filter(|(name, _)| is_secret_parameter(name)).map(|(_, value)| value.to_owned());
    let decoded = form_urlencoded::parse(form.as_bytes()).filter(|(name, _)| is_secret_parameter(name));
    raw.chain(decoded.map(|(_, value)| value.into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn credentials_of_urls_headers_and_forms_are_redacted() {
        let redact =
            |url: &str, headers: &[(String, String)], text: &str| RequestSecrets::of(url, headers).redact(text);
        assert_eq!(redact("http://user:hunter2@h/", &[], "user hunter2"), "user [hidden]");
        assert_eq!(redact("http://token-of-mine@h/", &[], "token-of-mine"), "[hidden]");
        assert_eq!(
            redact("http://h/?api_key=a%20secret&query=visible", &[], "a secret, a%20secret, visible"),
            "[hidden], [hidden], visible"
        );
        assert_eq!(
            redact("http://h/", &header("Authorization", "Bearer hunter2"), "Bearer hunter2 or hunter2"),
            "[hidden] or [hidden]"
        );
        // user:hunter2
        let basic = header("Authorization", "Basic dXNlcjpodW50ZXIy");
        assert_eq!(redact("http://h/", &basic, "dXNlcjpodW50ZXIy is hunter2"), "[hidden] is [hidden]");
        assert_eq!(
            RequestSecrets::of("http://h/", &[]).with_body(b"password=hunter2&x=visible").redact("hunter2 visible"),
            "[hidden] visible"
        );
    }

    #[test]
    fn secrets_of_bodies_and_cookies_are_redacted() {
        let sent = RequestSecrets::of("http://h/", &header("Cookie", "session=hunter2; theme=\"darkest\""));
        assert_eq!(sent.redact("hunter2 darkest"), "[hidden] [hidden]");
        let redact = |body: &str, text: &str| RequestSecrets::default().with_body(body.as_bytes()).redact(text);
        let json = r#"[{"password": {"text": "hunter2"}, "query": "visible", "token": 123456}]"#;
        assert_eq!(redact(json, "hunter2 visible 123456"), "[hidden] visible 123456");
        assert_eq!(redact("password=hunter2&query=visible", "hunter2 visible"), "[hidden] visible");
    }

    #[test]
    fn a_secret_is_found_in_all_encodings() {
        let sent = RequestSecrets::default().with_body(br#"{"password": "p\"a<s/s w\u00f6rd"}"#);
        for written in [
            r#"p"a<s/s wörd"#,
            r#"p\"a<s/s wörd"#,
            r#"p\"a<s\/s wörd"#,
            r#"p\"a\u003cs/s wörd"#,
            r#"p\"a\u003Cs\/s w\u00F6rd"#,
            r#"p\"a<s/s w\u00f6rd"#,
            "p%22a%3Cs%2Fs%20w%C3%B6rd",
            "p%22a%3cs%2fs%20w%c3%b6rd",
            "p%22a%3Cs%2Fs+w%C3%B6rd",
            "p%22a%3Cs/s%20w%C3%B6rd",
        ] {
            let text = format!("<{written}>");
            assert_eq!(sent.redact(&text), "<[hidden]>", "{written}");
            assert_eq!(sent.redact_bytes(text.as_bytes()), b"<[hidden]>", "{written}");
        }
        // Sent as a header, decoded: user:p@ssword.
        let sent = RequestSecrets::of("http://user:p%40ssword@h/", &[]);
        assert_eq!(sent.redact("p%40ssword p@ssword dXNlcjpwQHNzd29yZA== user"), "[hidden] [hidden] [hidden] user");
    }

    #[test]
    fn anything_else_is_kept() {
        let text = "http://prometheus/api/v1/query?query=up gave prometheus, tenant-1, user and pw";
        let sent = RequestSecrets::of("http://prometheus/api/v1/query?query=up", &header("X-Scope-OrgID", "tenant-1"));
        assert_eq!(sent.redact(text), text);
        // Too short.
        assert_eq!(RequestSecrets::of("http://user:pw@h/", &[]).redact(text), text);
    }

    #[test]
    fn all_of_a_webhook_but_its_host_is_redacted() {
        let sent = RequestSecrets::of_webhook("http://hook.test/services/T0/SECREThook?x=visible", &[]);
        let text = "hook.test has no SECREThook in /services/T0/SECREThook";
        assert_eq!(sent.redact(text), "hook.test has no [hidden] in [hidden]");
    }

    #[test]
    fn lines_of_a_secret_are_redacted() {
        let secrets = RequestSecrets::from_values(vec!["first-line\r\nlast-line\n".to_owned(), "other".repeat(2)]);
        let lines = secrets.with_lines();
        assert_eq!(lines.redact("first-line, last-line, otherother"), "[hidden], [hidden], [hidden]");
        assert_eq!(lines.longest(), 4 * "first-line\r\nlast-line\n".len());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_searched_too() {
        let sent = RequestSecrets::of("http://user:hunter2@h/", &[]);
        assert_eq!(sent.redact_bytes(b"\xffhunter2\xfehunter2"), b"\xff[hidden]\xfe[hidden]");
        assert_eq!(sent.redact_bytes(b"\xff"), b"\xff");
    }
}
