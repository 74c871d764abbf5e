//! One request and its answer, as a file keeps them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::duration::GoDuration;
use crate::model::text::truncate;
use crate::ports::{WebError, WebErrorKind, WebRequest, WebResponse};
use crate::redact::{REDACTED, RequestSecrets, is_secret, redact_form, redact_text, redact_url, redact_webhook};

/// Longest part of a body that a message shows, in characters.
const SHOWN: usize = 200;

/// A request and what came of it: an answer or a fault.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    /// What was asked.
    pub(super) request: Asked,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

/// A request without its secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The method.
    pub(super) method: String,
    /// The URL, with its secrets hidden.
    pub(super) url: String,
    /// `name: value` of the headers, with their secrets hidden.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
    /// The body, with its secrets hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Whether it tells something rather than asks: what it says does not matter to the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    webhook: bool,
    /// Which of those who asked the same this is, from 1, in the order of their first requests. Several may ask at once, and each
    /// may ask again: each gets its own answers, whenever the others come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asker: Option<u64>,
}

/// What a request is found by: method and URL, and headers, body and asker where they matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    method: String,
    url: String,
    headers: Vec<String>,
    body: Option<String>,
    asker: Option<u64>,
}

/// Those who asked so far.
#[derive(Debug, Default)]
pub(super) struct Askers {
    /// What was asked → who asked it, by the order of first requests.
    seen: BTreeMap<Key, BTreeMap<u64, u64>>,
}

impl Askers {
    /// What may be shown of a request, and which of its askers this is. It counts as asked now.
    pub(super) fn note(&mut self, request: &WebRequest) -> Asked {
        let mut asked = Asked::of(request);
        if let Some(asker) = request.asker {
            let seen = self.seen.entry(asked.key()).or_default();
            let next = seen.len() as u64 + 1;
            asked.asker = Some(*seen.entry(asker).or_insert(next));
        }
        asked
    }
}

/// An answer. It has one body, in the form that is easiest to read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Answer {
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<GoDuration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock_ahead_seconds: Option<i64>,
    /// A map or list in JSON, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<Box<RawValue>>,
    /// Another text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// What is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Why there was no answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    kind: FaultKind,
    reason: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FaultKind {
    Timeout,
    Transport,
    Final,
}

/// Whether the body is a form, by what the request says.
fn is_form(request: &WebRequest) -> bool {
    let form = "application/x-www-form-urlencoded";
    let is = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value.trim().to_ascii_lowercase().starts_with(form)
    };
    request.headers.iter().any(is)
}

/// The secrets that a request holds.
pub(super) fn secrets_of(request: &WebRequest) -> RequestSecrets {
    let of = if request.is_webhook { RequestSecrets::of_webhook } else { RequestSecrets::of };
    of(&request.url, &request.headers).with_body(request.body.as_deref().unwrap_or_default())
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}`", self.method, self.url)?;
        if let Some(body) = &self.body {
            write!(f, " with the body `{}`", truncate(body, SHOWN))?;
        }
        Ok(())
    }
}

impl Key {
    /// What sets this request apart from another recorded one of the same method, URL and body.
    pub(super) fn difference(&self, recorded: &Self) -> Option<String> {
        if (&self.method, &self.url, &self.body) != (&recorded.method, &recorded.url, &recorded.body) {
            return None;
        }
        if self.headers == recorded.headers {
            return Some("it was asked less often".to_owned());
        }
        Some(format!("it was asked with the headers `{}`", truncate(&recorded.headers.join("`, `"), SHOWN)))
    }
}

impl Asked {
    /// What may be shown of a request.
    pub(super) fn of(request: &WebRequest) -> Self {
        let secrets = secrets_of(request);
        let url = if request.is_webhook { redact_webhook(&request.url) } else { redact_url(&request.url) };
        let body = request.body.as_deref().map(|body| {
            let body = String::from_utf8_lossy(body);
            let body = if is_form(request) { redact_form(&body) } else { redact_text(&body) };
            secrets.redact(&body)
        });
        let header = |(name, value): &(String, String)| {
            let value = if is_secret(name) { REDACTED.to_owned() } else { secrets.redact(&redact_text(value.trim())) };
            format!("{}: {value}", name.to_ascii_lowercase())
        };
        let mut headers: Vec<_> = request.headers.iter().map(header).collect();
        headers.sort();
        // A webhook's URL is masked as a whole; in others, a secret may stand where nothing says so.
        let url = if request.is_webhook { url } else { secrets.redact(&url) };
        Self { method: request.method.clone(), url, headers, body, webhook: request.is_webhook, asker: None }
    }

    /// What it is found by.
    pub(super) fn key(&self) -> Key {
        // What a webhook is told does not matter to what it answers.
        Key {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: if self.webhook { Vec::new() } else { self.headers.clone() },
            body: self.body.clone().filter(|_| !self.webhook),
            asker: self.asker,
        }
    }
}

impl Exchange {
    /// What may be kept of an exchange.
    pub(super) fn new(request: Asked, secrets: &RequestSecrets, end: &Result<WebResponse, WebError>) -> Self {
        match end {
            Ok(response) => Self { request, answer: Some(Answer::new(response, secrets)), fault: None },
            Err(error) => {
                let kind = match error.kind {
                    WebErrorKind::Timeout => FaultKind::Timeout,
                    WebErrorKind::Transport => FaultKind::Transport,
                    WebErrorKind::Final => FaultKind::Final,
                };
                Self { request, answer: None, fault: Some(Fault { kind, reason: secrets.redact(&error.reason) }) }
            }
        }
    }

    /// What came of it. The error says what is wrong with the file.
    pub(super) fn end(&self) -> Result<Result<WebResponse, (WebErrorKind, String)>, String> {
        match (&self.answer, &self.fault) {
            (Some(answer), None) => answer.response().map(Ok),
            (None, Some(fault)) => {
                let kind = match fault.kind {
                    FaultKind::Timeout => WebErrorKind::Timeout,
                    FaultKind::Transport => WebErrorKind::Transport,
                    FaultKind::Final => WebErrorKind::Final,
                };
                Ok(Err((kind, fault.reason.clone())))
            }
            _ => Err("it needs either `answer` or `fault`".to_owned()),
        }
    }
}

impl Answer {
    fn new(response: &WebResponse, secrets: &RequestSecrets) -> Self {
        let head = Self {
            status: response.status,
            retry_after: response.retry_after.map(GoDuration),
            clock_ahead_seconds: response.clock_ahead.map(|ahead| ahead.num_seconds()),
            ..Self::default()
        };
        let text = match String::from_utf8(secrets.redact_bytes(&response.body)) {
            Ok(text) => text,
            Err(error) => return Self { base64: Some(STANDARD.encode(error.as_bytes())), ..head },
        };
        // What surrounds it means nothing.
        let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
        if trimmed.starts_with(['{', '['])
            && let Ok(json) = RawValue::from_string(trimmed.to_owned())
        {
            return Self { json: Some(json), ..head };
        }
        Self { text: Some(text), ..head }
    }

    fn response(&self) -> Result<WebResponse, String> {
        let body = match (&self.json, &self.text, &self.base64) {
            (Some(json), None, None) => json.get().as_bytes().to_vec(),
            (None, Some(text), None) => text.as_bytes().to_vec(),
            (None, None, Some(base64)) => {
                STANDARD.decode(base64.trim()).map_err(|error| format!("`base64` can't be decoded: {error}"))?
            }
            _ => return Err("`answer` needs one of `json`, `text` and `base64`".to_owned()),
        };
        let retry_after = self.retry_after.map(|wait| wait.0);
        let clock_ahead = self.clock_ahead_seconds.and_then(TimeDelta::try_seconds);
        Ok(WebResponse { status: self.status, body, retry_after, clock_ahead })
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
