//! Queries a provider for one metric, with retries.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::access::{Access, Credentials};
use super::native::{FORM, api, seconds};
use crate::model::duration::GoDuration;
use crate::model::missing::{ErrorKind, Missing};
use crate::model::tls_problem::TlsProblem;
use crate::ports::{Env, WebError, WebErrorKind, WebRequest, WebResponse};
use crate::providers::response::{Reading, Response, read};
use crate::providers::retry::{delay, is_transient};
use crate::providers::sample_time::Asked;
use crate::providers::{MetricSpec, ProviderSpec};
use crate::redact::{RequestSecrets, redact_text, redact_url};
use crate::templates::random::RandomBits;
use crate::values::input::InputError;

/// Maximum size of a response, in bytes.
const MAX_RESPONSE: usize = 4 << 20;

/// Maximum total size of concurrent responses, in bytes.
const MAX_IN_FLIGHT: usize = 32 << 20;

/// Media type of a POST request that names none, as in Iter8.
const JSON: &str = "application/json;charset=utf-8";

/// Path suffixes of Prometheus's instant and range queries.
const QUERY: &str = "/api/v1/query";
const QUERY_RANGE: &str = "/api/v1/query_range";

/// Clock skew above which a note is made.
const SKEW: TimeDelta = TimeDelta::seconds(5);

/// Everything needed to query one provider for one version.
#[derive(Clone, Copy)]
pub(super) struct ProviderClient<'a> {
    pub(super) env: &'a Env<'a>,
    pub(super) spec: &'a ProviderSpec,
    pub(super) access: &'a Access,
    pub(super) credentials: &'a Credentials,
    pub(super) random: &'a RandomBits,
    pub(super) instant: DateTime<Utc>,
    /// Maximum size of a response, in bytes.
    pub(super) max_response: usize,
}

/// Returns the maximum size of a response with this many requests in flight, in bytes.
pub(super) fn max_response(concurrency: usize) -> usize {
    MAX_RESPONSE.min(MAX_IN_FLIGHT / concurrency.max(1))
}

/// Result of a query.
pub(super) struct QueryResult {
    pub(super) reading: Reading,
    /// The URL without query and credentials.
    pub(super) source: String,
    /// The query, without secrets.
    pub(super) query: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) attempts: u32,
    /// Clock skew of the provider, if it is large.
    pub(super) skew: Option<TimeDelta>,
    /// Kind of a failed TLS handshake.
    pub(super) tls: Option<TlsProblem>,
}

impl QueryResult {
    /// Logs the query and its end; none of the texts has a secret.
    pub(super) fn log(&self) {
        let Self { source, query, status, attempts, reading, .. } = self;
        let query = query.as_deref().unwrap_or("no query");
        let status = status.map_or_else(|| "no response".to_owned(), |status| format!("status {status}"));
        let end = match &reading.outcome {
            Ok(_) => "has a value",
            Err(missing) => &missing.reason,
        };
        tracing::debug!("{source}: {query}: {status}, attempt {attempts}: {end}");
    }
}

/// Result of one attempt.
type Attempt = Result<WebResponse, WebError>;

/// Result of all attempts.
struct End {
    /// Result of the last attempt.
    last: Attempt,
    /// Status and reason of the attempt before it, which caused the retry.
    before: Option<(Option<u16>, String)>,
}

impl ProviderClient<'_> {
    /// Queries until there is a usable response, the retries are exhausted, or the run is stopped.
    pub(super) async fn query(&self, metric: &MetricSpec) -> QueryResult {
        let result = |reading, source, query| QueryResult {
            reading,
            source,
            query,
            status: None,
            attempts: 0,
            skew: None,
            tls: None,
        };
        if let Some(defect) = &metric.defect {
            let sent = super::secrets_of(self.spec);
            let known = RequestSecrets::from_values([sent, self.credentials.secrets.clone()].concat());
            let query = rendered_query(metric).map(|query| known.redact(&query));
            return result(Reading::error(ErrorKind::Expression, known.redact(defect)), String::new(), query);
        }
        let request = match self.request(metric) {
            Ok(request) => request,
            Err(error) => return result(Reading::error(ErrorKind::Other, error.to_string()), String::new(), None),
        };
        let secrets = RequestSecrets::of(&request.url, &request.headers);
        let mut secrets = secrets.with_body(request.body.as_deref().unwrap_or_default());
        secrets.add(&self.credentials.secrets);
        let (source, query) = (secrets.redact(&source(&request.url)), rendered_query(metric));
        let query = query.map(|query| secrets.redact(&query));
        let mut result = result(Reading::error(ErrorKind::Other, "not queried"), source, query);
        let stop = &self.env.stop;
        let asked = asked(&request);
        let attempts = self.attempts(metric, request, &secrets, &mut result.attempts);
        let End { last, before } = tokio::select! {
            end = attempts => end,
            () = stop.cancelled() => {
                let reason = "the run was interrupted before the provider responded";
                result.reading = Reading::error(ErrorKind::Interrupted, reason);
                return result;
            }
        };
        match last {
            Ok(response) => {
                result.status = Some(response.status);
                result.skew = response.clock_ahead.filter(|ahead| ahead.abs() > SKEW);
                let response = Response { status: response.status, body: &response.body, asked };
                result.reading = reading(metric, response, &secrets);
            }
            Err(error) if error.kind == WebErrorKind::Timeout => {
                let timeout = GoDuration(self.access.timeout);
                let reason = match before {
                    None => format!("no complete response from the provider within {timeout}"),
                    Some((status, reason)) => {
                        result.status = status;
                        format!("{reason}; the retry got no complete response within {timeout}")
                    }
                };
                result.reading = Reading::error(ErrorKind::Timeout, reason);
            }
            Err(error) => {
                if let WebErrorKind::Tls(problem) = error.kind {
                    result.tls = Some(problem);
                }
                result.reading = not_sent(&error, &secrets);
            }
        }
        result
    }

    async fn attempts(
        &self,
        metric: &MetricSpec,
        request: WebRequest,
        secrets: &RequestSecrets,
        count: &mut u32,
    ) -> End {
        let started = Instant::now();
        let mut before = None;
        loop {
            *count += 1;
            let left = self.access.timeout.saturating_sub(started.elapsed());
            let last = self.env.web.send(WebRequest { timeout: left, ..request.clone() }).await;
            let retry_after = match &last {
                Ok(response) if is_transient(response.status) => response.retry_after,
                Err(error) if error.kind == WebErrorKind::Transport => None,
                _ => return End { last, before },
            };
            let pause = delay(*count, retry_after, (self.random)());
            let left = self.access.timeout.saturating_sub(started.elapsed());
            if *count > self.access.retries || pause >= left {
                return End { last, before };
            }
            // Drop the response before the next attempt.
            let (status, retried) = match last {
                Ok(WebResponse { status, body, .. }) => {
                    (Some(status), reading(metric, Response { status, body: &body, asked: None }, secrets))
                }
                Err(error) => (None, not_sent(&error, secrets)),
            };
            before = retried.outcome.err().map(|missing| (status, missing.reason));
            self.env.clock.sleep(pause).await;
        }
    }

    fn request(&self, metric: &MetricSpec) -> Result<WebRequest, InputError> {
        let invalid = || InputError::new("url", "not a valid URL");
        let mut url = match &self.access.url {
            Some(url) => with_api(url, &self.spec.url),
            None => Url::parse(&self.spec.url).map_err(|_| invalid())?,
        };
        let mut params = metric.params.clone();
        if metric.is_range {
            let path = url.path().strip_suffix(QUERY).map(|base| format!("{base}{QUERY_RANGE}"));
            url.set_path(&path.ok_or_else(invalid)?);
        } else if url.path().ends_with(QUERY) && params.iter().all(|(name, _)| name != "time") {
            // One instant for all metrics of the loop.
            params.push(("time".to_owned(), seconds(self.instant)));
        }
        let is_overridden =
            |name: &String| self.credentials.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let given = self.spec.headers.iter().filter(|(name, _)| !is_overridden(name));
        let mut headers: Vec<(String, String)> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        headers.extend(self.credentials.headers.iter().cloned());
        let is_form =
            |(name, value): &(String, String)| name.eq_ignore_ascii_case("content-type") && value.starts_with(FORM);
        let body = match &metric.body {
            Some(body) => Some(body.clone().into_bytes()),
            None if self.spec.method == "POST" && headers.iter().any(is_form) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                Some(form.extend_pairs(params.drain(..)).finish().into_bytes())
            }
            None => None,
        };
        let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if self.spec.method == "POST" && !has_type {
            headers.push(("Content-Type".to_owned(), JSON.to_owned()));
        }
        if !params.is_empty() {
            url.query_pairs_mut().extend_pairs(&params);
        }
        Ok(WebRequest {
            method: self.spec.method.clone(),
            url: url.to_string(),
            headers,
            body,
            max_response_bytes: self.max_response,
            timeout: Duration::ZERO,
            tls: self.credentials.tls.clone(),
            secrets: self.credentials.secrets.clone(),
            // 64 random bits: unique within a run.
            caller: Some((self.random)()),
            ..WebRequest::default()
        })
    }
}

/// Reads a response and redacts secrets that the provider repeats. They are redacted before truncation, because a truncated secret
/// is not recognized.
fn reading(metric: &MetricSpec, response: Response<'_>, secrets: &RequestSecrets) -> Reading {
    let reading = read(metric, response);
    let body = secrets.redact_bytes(response.body);
    let redacted =
        if body == response.body { reading.clone() } else { read(metric, Response { body: &body, ..response }) };
    let redact = |text: String| secrets.redact(&text);
    let reason = redacted.outcome.err().map(|missing| missing.reason);
    let outcome = reading
        .outcome
        .map_err(|missing| Missing { cause: missing.cause, reason: redact(reason.unwrap_or(missing.reason)) });
    Reading {
        outcome,
        series: reading.series,
        raw: redacted.raw.map(redact),
        warnings: redacted.warnings.into_iter().map(redact).collect(),
        remark: reading.remark,
    }
}

/// Returns the time that a request to Prometheus's API asks for, in its URL or form.
fn asked(request: &WebRequest) -> Option<Asked> {
    let url = Url::parse(&request.url).ok()?;
    let is_query = [QUERY, QUERY_RANGE].iter().any(|path| url.path().ends_with(path));
    let form = url::form_urlencoded::parse(request.body.as_deref().unwrap_or_default());
    let params: Vec<_> = url.query_pairs().chain(form).collect();
    Asked::of(params.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))).filter(|_| is_query)
}

/// Reading for a request that could not be sent.
fn not_sent(error: &WebError, secrets: &RequestSecrets) -> Reading {
    let host =
        Url::parse(&error.url).map(|url| format!(" ({})", url.origin().ascii_serialization())).unwrap_or_default();
    let kind = if error.kind == WebErrorKind::Timeout { ErrorKind::Timeout } else { ErrorKind::Transport };
    Reading::error(kind, format!("cannot query the provider: {}{host}", secrets.redact(&error.reason)))
}

/// Returns the user's URL; the template's API path is appended if it has none.
fn with_api(base: &Url, template: &str) -> Url {
    match Url::parse(template)
        .ok()
        .as_ref()
        .and_then(|template| template.path().find("/api/").map(|at| &template.path()[at..]))
    {
        Some(path) if !base.path().ends_with(QUERY) => api(base, path),
        _ => base.clone(),
    }
}

/// Returns a URL without query and credentials.
fn source(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return redact_url(url) };
    url.set_query(None);
    redact_url(url.as_str())
}

/// Returns the query, or all parameters, or the body.
fn rendered_query(metric: &MetricSpec) -> Option<String> {
    if let Some((_, query)) = metric.params.iter().find(|(name, _)| name == "query") {
        return Some(redact_text(query));
    }
    if metric.params.is_empty() {
        return metric.body.as_deref().map(|body| redact_text(body.trim()));
    }
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    // Redacted like the query of a URL.
    let redacted = redact_url(&format!("http://provider/?{}", form.extend_pairs(&metric.params).finish()));
    redacted.split_once('?').map(|(_, query)| query.to_owned())
}
