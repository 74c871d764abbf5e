//! Secrets that were sent: what a receiver repeats of them is hidden by what it is, not by what it is called.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::{Position, Url, form_urlencoded};

use super::forms::forms;
use super::names::{HIDDEN, is_secret, is_secret_parameter};

/// Shortest secret that is looked for in an answer, in bytes: what is shorter is a word of any answer.
const SHORTEST: usize = 6;

/// What a request held that only its receiver may know.
#[derive(Clone, Default)]
pub struct SentSecrets {
    secrets: Vec<String>,
    /// How they may be written in an answer. The longest first, so that no part of one is left.
    forms: Vec<String>,
}

impl SentSecrets {
    /// Of a request with this URL and these headers: passwords, secret-looking parameters, credentials.
    pub fn of(url: &str, headers: &[(String, String)]) -> Self {
        let mut secrets = Vec::new();
        if let Ok(url) = Url::parse(url) {
            secrets.extend(parameters(url.query().unwrap_or_default()));
            // A user alone is a token.
            secrets.push(url.password().unwrap_or(url.username()).to_owned());
            secrets.extend(login(&url));
        }
        Self { secrets, forms: Vec::new() }.with_headers(headers)
    }

    /// As [`SentSecrets::of`], for a webhook: of its URL, all that follows the host is a secret.
    pub fn of_webhook(url: &str, headers: &[(String, String)]) -> Self {
        let mut secrets = vec![url.to_owned()];
        if let Ok(url) = Url::parse(url) {
            secrets.extend([url.path().to_owned(), url[Position::BeforePath..].to_owned()]);
            secrets.extend(url.path().split('/').map(str::to_owned));
            secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
            secrets.extend([url.username().to_owned(), url.password().unwrap_or_default().to_owned()]);
            secrets.extend(login(&url));
        }
        Self { secrets, forms: Vec::new() }.with_headers(headers)
    }

    /// The same, and what a body that was sent has in it: a form's parameters, or the fields of JSON.
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
        for (name, value) in headers.iter().filter(|(name, _)| is_secret(name)) {
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
        self.forms = self.secrets.iter().flat_map(|secret| forms(secret)).collect();
        self.forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.forms.dedup();
        self
    }

    /// The text without them, as they are, escaped as in JSON, or percent-encoded.
    pub fn hide(&self, text: &str) -> String {
        self.forms.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }

    /// The bytes without them, as [`SentSecrets::hide`] does.
    pub fn hide_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.forms.iter().fold(bytes.to_vec(), |bytes, secret| {
            let mut shown = Vec::with_capacity(bytes.len());
            let mut from = 0;
            for at in memchr::memmem::find_iter(&bytes, secret.as_bytes()) {
                shown.extend_from_slice(&bytes[from..at]);
                shown.extend_from_slice(HIDDEN.as_bytes());
                from = at + secret.len();
            }
            shown.extend_from_slice(&bytes[from..]);
            shown
        })
    }
}

/// What the user and password of a URL are sent as, and what the password is.
fn login(url: &Url) -> Vec<String> {
    let meant = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = (meant(url.username()), meant(url.password().unwrap_or_default()));
    let sent = STANDARD.encode(format!("{user}:{password}"));
    // A user alone is a token.
    let secret = if url.password().is_some() { password } else { user };
    if secret.is_empty() { Vec::new() } else { vec![sent, secret] }
}

/// The values of secret-looking parameters, as they were written and as they are meant.
fn parameters(form: &str) -> Vec<String> {
    let written = form.split('&').filter_map(|pair| pair.split_once('='));
    let written = written.filter(|(name, _)| is_secret_parameter(name)).map(|(_, value)| value.to_owned());
    let meant = form_urlencoded::parse(form.as_bytes()).filter(|(name, _)| is_secret_parameter(name));
    written.chain(meant.map(|(_, value)| value.into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn credentials_are_hidden_however_they_were_sent() {
        let hide = |url: &str, headers: &[(String, String)], text: &str| SentSecrets::of(url, headers).hide(text);
        assert_eq!(hide("http://user:hunter2@h/", &[], "user hunter2"), "user [hidden]");
        assert_eq!(hide("http://token-of-mine@h/", &[], "token-of-mine"), "[hidden]");
        assert_eq!(
            hide("http://h/?api_key=a%20secret&query=visible", &[], "a secret, a%20secret, visible"),
            "[hidden], [hidden], visible"
        );
        assert_eq!(
            hide("http://h/", &header("Authorization", "Bearer hunter2"), "Bearer hunter2 or hunter2"),
            "[hidden] or [hidden]"
        );
        // user:hunter2
        let basic = header("Authorization", "Basic dXNlcjpodW50ZXIy");
        assert_eq!(hide("http://h/", &basic, "dXNlcjpodW50ZXIy is hunter2"), "[hidden] is [hidden]");
        assert_eq!(
            SentSecrets::of("http://h/", &[]).with_body(b"password=hunter2&x=visible").hide("hunter2 visible"),
            "[hidden] visible"
        );
    }

    #[test]
    fn what_bodies_and_cookies_hold_is_hidden() {
        let sent = SentSecrets::of("http://h/", &header("Cookie", "session=hunter2; theme=\"darkest\""));
        assert_eq!(sent.hide("hunter2 darkest"), "[hidden] [hidden]");
        let hide = |body: &str, text: &str| SentSecrets::default().with_body(body.as_bytes()).hide(text);
        let json = r#"[{"password": {"text": "hunter2"}, "query": "visible", "token": 123456}]"#;
        assert_eq!(hide(json, "hunter2 visible 123456"), "[hidden] visible 123456");
        assert_eq!(hide("password=hunter2&query=visible", "hunter2 visible"), "[hidden] visible");
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let sent = SentSecrets::default().with_body(br#"{"password": "p\"a<s/s w\u00f6rd"}"#);
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
            assert_eq!(sent.hide(&text), "<[hidden]>", "{written}");
            assert_eq!(sent.hide_bytes(text.as_bytes()), b"<[hidden]>", "{written}");
        }
        // The user and password of a URL are sent as a header, and decoded: user:p@ssword.
        let sent = SentSecrets::of("http://user:p%40ssword@h/", &[]);
        assert_eq!(sent.hide("p%40ssword p@ssword dXNlcjpwQHNzd29yZA== user"), "[hidden] [hidden] [hidden] user");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let text = "http://prometheus/api/v1/query?query=up gave prometheus, tenant-1, user and pw";
        let sent = SentSecrets::of("http://prometheus/api/v1/query?query=up", &header("X-Scope-OrgID", "tenant-1"));
        assert_eq!(sent.hide(text), text);
        // Too short to be told from any other word.
        assert_eq!(SentSecrets::of("http://user:pw@h/", &[]).hide(text), text);
    }

    #[test]
    fn of_a_webhook_all_but_the_host_is_hidden() {
        let sent = SentSecrets::of_webhook("http://hook.test/services/T0/SECREThook?x=visible", &[]);
        let text = "hook.test has no SECREThook in /services/T0/SECREThook";
        assert_eq!(sent.hide(text), "hook.test has no [hidden] in [hidden]");
    }

    #[test]
    fn bytes_that_are_no_text_are_searched_too() {
        let sent = SentSecrets::of("http://user:hunter2@h/", &[]);
        assert_eq!(sent.hide_bytes(b"\xffhunter2\xfehunter2"), b"\xff[hidden]\xfe[hidden]");
        assert_eq!(sent.hide_bytes(b"\xff"), b"\xff");
    }
}
