//! File format of one request and its response.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use url::{Url, form_urlencoded};

use crate::model::duration::GoDuration;
use crate::model::text::truncate;
use crate::model::tls_problem::TlsProblem;
use crate::ports::{WebError, WebErrorKind, WebRequest, WebResponse};
use crate::redact::{
    REDACTED, RequestSecrets, is_secret_header, redact_body, redact_form, redact_text, redact_url, redact_webhook,
    secrets_in_literal,
};

/// Maximum length of a body excerpt in a message, in characters.
const MAX_EXCERPT: usize = 200;

/// A request with its response or error.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    pub(super) request: RecordedRequest,
    #[serde(default, rename = "answer", skip_serializing_if = "Option::is_none")]
    response: Option<RecordedResponse>,
    #[serde(default, rename = "fault", skip_serializing_if = "Option::is_none")]
    error: Option<RecordedError>,
}

/// A request with its secrets redacted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedRequest {
    pub(super) method: String,
    pub(super) url: String,
    /// Headers as `name: value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// True for a notification, whose content does not affect the response.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    webhook: bool,
    /// Number of the caller among those with the same request, from 1, in the order of their first requests. Callers are concurrent
    /// and retry; in a replay each gets its own responses, in any order.
    #[serde(default, rename = "asker", skip_serializing_if = "Option::is_none")]
    caller: Option<u64>,
}

/// Lookup key of a request: method and URL, and headers, body and caller if they affect the response.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    method: String,
    url: String,
    headers: Vec<String>,
    body: Option<String>,
    caller: Option<u64>,
}

/// Callers so far.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// Request → ID of the caller → its number.
    seen: BTreeMap<Key, BTreeMap<u64, u64>>,
}

impl Callers {
    /// Redacts a request and numbers its caller.
    pub(super) fn note(&mut self, request: &WebRequest) -> RecordedRequest {
        let mut recorded = RecordedRequest::of(request);
        if let Some(caller) = request.caller {
            let seen = self.seen.entry(recorded.key()).or_default();
            let next = seen.len() as u64 + 1;
            recorded.caller = Some(*seen.entry(caller).or_insert(next));
        }
        recorded
    }
}

/// A response. Its body is in the most readable of three forms.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RecordedResponse {
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<GoDuration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock_ahead_seconds: Option<i64>,
    /// JSON object or array, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<Box<RawValue>>,
    /// Other UTF-8 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Other bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Error instead of a response.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedError {
    kind: RecordedErrorKind,
    reason: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecordedErrorKind {
    Timeout,
    Transport,
    Tls(TlsProblem),
    Final,
}

/// Returns true if the content type of the body is that of a form.
fn is_form(request: &WebRequest) -> bool {
    let form = "application/x-www-form-urlencoded";
    let is = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value.trim().to_ascii_lowercase().starts_with(form)
    };
    request.headers.iter().any(is)
}

/// Returns the secrets in a request.
pub(super) fn secrets_of(request: &WebRequest) -> RequestSecrets {
    let collect = if request.is_webhook { RequestSecrets::of_webhook } else { RequestSecrets::of };
    let mut secrets = collect(&request.url, &request.headers);
    secrets.add(&request.secrets);
    let body = request.body.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    for text in texts_of(request, body) {
        found.extend(secrets_in_literal(&text));
        found.extend(RequestSecrets::of(&text, &[]).into_values());
    }
    secrets.add(&found);
    secrets.with_body(body)
}

/// Returns the strings in a request as the service decodes them. Responses may repeat them, such as the labels of a query.
fn texts_of(request: &WebRequest, body: &[u8]) -> Vec<String> {
    let mut texts: Vec<String> = request.headers.iter().map(|(_, value)| value.clone()).collect();
    if let Ok(url) = Url::parse(&request.url) {
        texts.push(percent_decode_str(url.path()).decode_utf8_lossy().into_owned());
        texts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    }
    match serde_json::from_slice::<Value>(body) {
        _ if is_form(request) => texts.extend(form_urlencoded::parse(body).map(|(_, value)| value.into_owned())),
        Ok(json) => strings(&json, &mut texts),
        Err(_) => {
            texts.push(String::from_utf8_lossy(body).into_owned());
            texts.extend(form_urlencoded::parse(body).map(|(_, value)| value.into_owned()));
        }
    }
    texts
}

fn strings(json: &Value, texts: &mut Vec<String>) {
    match json {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| strings(value, texts)),
        Value::Object(map) => map.values().for_each(|value| strings(value, texts)),
        _ => {}
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}`", self.method, self.url)?;
        if let Some(body) = &self.body {
            write!(f, " with the body `{}`", truncate(body, MAX_EXCERPT))?;
        }
        Ok(())
    }
}

impl Key {
    /// Explains the difference from a recorded request with the same method, URL and body.
    pub(super) fn difference(&self, recorded: &Self) -> Option<String> {
        if (&self.method, &self.url, &self.body) != (&recorded.method, &recorded.url, &recorded.body) {
            return None;
        }
        if self.headers == recorded.headers {
            return Some("it was recorded fewer times".to_owned());
        }
        Some(format!("it was recorded with the headers `{}`", truncate(&recorded.headers.join("`, `"), MAX_EXCERPT)))
    }
}

impl RecordedRequest {
    /// Redacts a request.
    pub(super) fn of(request: &WebRequest) -> Self {
        let secrets = secrets_of(request);
        let url = if request.is_webhook { redact_webhook(&request.url) } else { redact_url(&request.url) };
        let body = request.body.as_deref().map(|body| {
            let body = String::from_utf8_lossy(body);
            let body = if is_form(request) { redact_form(&body) } else { redact_body(&body) };
            secrets.redact(&body)
        });
        let header = |(name, value): &(String, String)| {
            let value =
                if is_secret_header(name) { REDACTED.to_owned() } else { secrets.redact(&redact_text(value.trim())) };
            format!("{}: {value}", name.to_ascii_lowercase())
        };
        let mut headers: Vec<_> = request.headers.iter().map(header).collect();
        headers.sort();
        // A webhook's URL is redacted as a whole; others may contain a secret in an unexpected place.
        let url = if request.is_webhook { url } else { secrets.redact(&url) };
        Self { method: request.method.clone(), url, headers, body, webhook: request.is_webhook, caller: None }
    }

    /// Redacts a recorded request again: earlier versions redacted less.
    pub(super) fn redacted(self) -> Self {
        let header = |header: &String| {
            let (name, value) = header.split_once(": ").unwrap_or((header, ""));
            (name.to_owned(), value.to_owned())
        };
        let request = WebRequest {
            method: self.method,
            url: self.url,
            headers: self.headers.iter().map(header).collect(),
            body: self.body.map(String::into_bytes),
            is_webhook: self.webhook,
            ..WebRequest::default()
        };
        Self { caller: self.caller, ..Self::of(&request) }
    }

    /// Returns the lookup key.
    pub(super) fn key(&self) -> Key {
        Key {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: if self.webhook { Vec::new() } else { self.headers.clone() },
            body: self.body.clone().filter(|_| !self.webhook),
            caller: self.caller,
        }
    }
}

impl Exchange {
    /// Redacts an exchange.
    pub(super) fn new(request: RecordedRequest, secrets: &RequestSecrets, end: &Result<WebResponse, WebError>) -> Self {
        match end {
            Ok(response) => Self { request, response: Some(RecordedResponse::new(response, secrets)), error: None },
            Err(error) => {
                let kind = match error.kind {
                    WebErrorKind::Timeout => RecordedErrorKind::Timeout,
                    WebErrorKind::Transport => RecordedErrorKind::Transport,
                    WebErrorKind::Tls(problem) => RecordedErrorKind::Tls(problem),
                    WebErrorKind::Final => RecordedErrorKind::Final,
                };
                Self {
                    request,
                    response: None,
                    error: Some(RecordedError { kind, reason: secrets.redact(&error.reason) }),
                }
            }
        }
    }

    /// Returns the recorded response or error. Fails on a malformed file.
    pub(super) fn end(&self) -> Result<Result<WebResponse, (WebErrorKind, String)>, String> {
        match (&self.response, &self.error) {
            (Some(response), None) => response.decode().map(Ok),
            (None, Some(error)) => {
                let kind = match error.kind {
                    RecordedErrorKind::Timeout => WebErrorKind::Timeout,
                    RecordedErrorKind::Transport => WebErrorKind::Transport,
                    RecordedErrorKind::Tls(problem) => WebErrorKind::Tls(problem),
                    RecordedErrorKind::Final => WebErrorKind::Final,
                };
                Ok(Err((kind, error.reason.clone())))
            }
            _ => Err("requires either `answer` or `fault`".to_owned()),
        }
    }
}

impl RecordedResponse {
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
        // Surrounding whitespace has no meaning in JSON.
        let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
        if trimmed.starts_with(['{', '['])
            && let Ok(json) = RawValue::from_string(trimmed.to_owned())
        {
            return Self { json: Some(json), ..head };
        }
        Self { text: Some(text), ..head }
    }

    fn decode(&self) -> Result<WebResponse, String> {
        let body = match (&self.json, &self.text, &self.base64) {
            (Some(json), None, None) => json.get().as_bytes().to_vec(),
            (None, Some(text), None) => text.as_bytes().to_vec(),
            (None, None, Some(base64)) => {
                STANDARD.decode(base64.trim()).map_err(|error| format!("invalid `base64`: {error}"))?
            }
            _ => return Err("`answer` requires one of `json`, `text` and `base64`".to_owned()),
        };
        let retry_after = self.retry_after.map(|wait| wait.0);
        let clock_ahead = self.clock_ahead_seconds.and_then(TimeDelta::try_seconds);
        Ok(WebResponse { status: self.status, body, retry_after, clock_ahead })
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
