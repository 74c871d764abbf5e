//! One request and its answer, as a file keeps them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::logic::mask::{SentSecrets, mask_form, mask_text, mask_url, mask_webhook};
use crate::model::duration::GoDuration;
use crate::ports::{WebError, WebFault, WebRequest, WebResponse};

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
    /// Names of the headers; their values are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
    /// The body, with its secrets hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Whether it tells something rather than asks: what it says does not matter to the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    webhook: bool,
}

/// What a request is found by: method, URL, and the body where it matters.
pub(super) type Key = (String, String, Option<String>);

/// An answer. It has one body, in the form that is easiest to read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Answer {
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<GoDuration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    date: Option<DateTime<Utc>>,
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
pub(super) fn secrets_of(request: &WebRequest) -> SentSecrets {
    if request.is_webhook {
        return SentSecrets::of_webhook(&request.url, &request.headers);
    }
    let secrets = SentSecrets::of(&request.url, &request.headers);
    let form = request.body.as_deref().filter(|_| is_form(request)).and_then(|body| std::str::from_utf8(body).ok());
    form.map_or(secrets.clone(), |form| secrets.with_form(form))
}

impl Asked {
    /// What may be shown of a request.
    pub(super) fn of(request: &WebRequest) -> Self {
        let secrets = secrets_of(request);
        let url = if request.is_webhook { mask_webhook(&request.url) } else { mask_url(&request.url) };
        let body = request.body.as_deref().map(|body| {
            let body = String::from_utf8_lossy(body);
            let body = if is_form(request) { mask_form(&body) } else { mask_text(&body) };
            secrets.hide(&body)
        });
        let mut headers: Vec<_> = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        headers.sort();
        // A webhook's URL is masked as a whole; in others, a secret may stand where nothing says so.
        let url = if request.is_webhook { url } else { secrets.hide(&url) };
        Self { method: request.method.clone(), url, headers, body, webhook: request.is_webhook }
    }

    /// What it is found by.
    pub(super) fn key(&self) -> Key {
        (self.method.clone(), self.url.clone(), self.body.clone().filter(|_| !self.webhook))
    }
}

impl Exchange {
    /// What may be kept of an exchange.
    pub(super) fn new(request: Asked, secrets: &SentSecrets, end: &Result<WebResponse, WebError>) -> Self {
        match end {
            Ok(response) => Self { request, answer: Some(Answer::new(response, secrets)), fault: None },
            Err(error) => {
                let kind = match error.fault {
                    WebFault::Timeout => FaultKind::Timeout,
                    WebFault::Transport => FaultKind::Transport,
                    WebFault::Final => FaultKind::Final,
                };
                Self { request, answer: None, fault: Some(Fault { kind, reason: secrets.hide(&error.reason) }) }
            }
        }
    }

    /// What came of it. The error says what is wrong with the file.
    pub(super) fn end(&self) -> Result<Result<WebResponse, (WebFault, String)>, String> {
        match (&self.answer, &self.fault) {
            (Some(answer), None) => answer.response().map(Ok),
            (None, Some(fault)) => {
                let kind = match fault.kind {
                    FaultKind::Timeout => WebFault::Timeout,
                    FaultKind::Transport => WebFault::Transport,
                    FaultKind::Final => WebFault::Final,
                };
                Ok(Err((kind, fault.reason.clone())))
            }
            _ => Err("it needs either `answer` or `fault`".to_owned()),
        }
    }

    /// Whether one asks again after such an end.
    pub(super) fn invites_another(&self) -> bool {
        let answered = self.answer.as_ref().is_some_and(|answer| matches!(answer.status, 429 | 500..));
        answered || self.fault.as_ref().is_some_and(|fault| matches!(fault.kind, FaultKind::Transport))
    }
}

impl Answer {
    fn new(response: &WebResponse, secrets: &SentSecrets) -> Self {
        let head = Self {
            status: response.status,
            retry_after: response.retry_after.map(GoDuration),
            date: response.date,
            ..Self::default()
        };
        let text = match String::from_utf8(secrets.hide_bytes(&response.body)) {
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
        Ok(WebResponse { status: self.status, body, retry_after, date: self.date })
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
