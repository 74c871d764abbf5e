//! Turns values into loads: merges layers, applies defaults, and rejects combinations that cannot work.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use serde_json::Value;

use super::expect::Expect;
use super::field::{DEFAULT_QPS, StatusRange};
use super::route::{Route, route};
use super::values::{HttpValues, RULES};
use crate::load::attribution::Attribution;
use crate::load::http::{ErrorRange, Expectations};
use crate::load::pacing::Pacer;
use crate::model::path::FieldPath;
use crate::redact::redact_url;
use crate::tasks::client_certificate::ClientCertificate;
use crate::tasks::credentials::{Login, login};
use crate::tasks::fields::{HeaderSource, percentiles};
use crate::tasks::loadgen::{self, FieldPaths, Layered, Plan, ResponseKind};
use crate::tasks::schedule::{self, Names, Rate, Schedule, ScheduleInput};
use crate::templates::rows::RowFormat;
use crate::values::input::{InputError, typed};

/// Defaults; those of Iter8 if it has them.
const NUM_REQUESTS: u64 = 100;
const CONNECTIONS: u64 = 4;
const TIMEOUT: Duration = Duration::from_secs(10);
const PERCENTILES: [f64; 6] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9];
const ERRORS: ErrorRange = ErrorRange { lower: Some(400), upper: None };

/// Maximum number of requests in flight over all connections, because each takes a few kilobytes.
const MAX_IN_FLIGHT: usize = 100_000;

/// Reads the template settings; `None` if requests do not vary.
fn template(values: &HttpValues, paths: &FieldPaths) -> Result<Option<Template>, InputError> {
    let rows = match &values.rows {
        None => None,
        Some(path) => {
            let unknown = || {
                paths
                    .error("rows", format!("`{path}` has an unknown extension; expected `.csv`, `.jsonl` or `.ndjson`"))
            };
            Some((path.clone(), RowFormat::of(path).ok_or_else(unknown)?))
        }
    };
    match values.template {
        Some(false) if rows.is_some() => Err(paths.error("rows", "has no effect with `template: false`")),
        Some(false) => Ok(None),
        None if rows.is_none() => Ok(None),
        _ => Ok(Some(Template { rows })),
    }
}

/// Source of the request body.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Payload {
    None,
    Text(String),
    File(String),
    Url(url::Url),
}

/// Client credentials.
#[derive(Clone, Debug)]
pub(super) enum Auth {
    None,
    /// User name and password in the URL.
    Url,
    Login(Login),
}

/// Source of the values of a load's templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// File of rows and its format.
    pub(super) rows: Option<(String, RowFormat)>,
}

/// One load: one endpoint of one version.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// `http` or `http-NAME`.
    pub(super) provider: String,
    /// Index of the version.
    pub(super) version: usize,
    /// Label in progress and notes: `http-get (v2)`.
    pub(super) label: String,
    pub(super) url: url::Url,
    pub(super) method: http::Method,
    pub(super) headers: Vec<(HeaderName, HeaderSource)>,
    pub(super) payload: Payload,
    pub(super) auth: Auth,
    pub(super) pacer: Pacer,
    pub(super) warmup: Option<Pacer>,
    pub(super) connections: usize,
    pub(super) timeout: Duration,
    pub(super) redirects: u32,
    pub(super) error_ranges: Vec<ErrorRange>,
    pub(super) expect: Arc<Expectations>,
    pub(super) attribution: Option<Arc<Attribution>>,
    pub(super) percentiles: Vec<f64>,
    pub(super) allow_initial_errors: bool,
    pub(super) skip_verify: bool,
    pub(super) ca: Option<String>,
    pub(super) identity: Option<ClientCertificate>,
    pub(super) route: Route,
    pub(super) template: Option<Template>,
    pub(super) paths: FieldPaths,
}

impl Load {
    /// Maximum number of requests in flight.
    pub(super) fn in_flight(&self) -> usize {
        let streams = self.route.streams.unwrap_or(1);
        self.connections.saturating_mul(usize::try_from(streams).unwrap_or(usize::MAX))
    }

    /// Renders the target without secrets.
    pub(super) fn display_url(&self) -> String {
        redact_url(self.url.as_str())
    }
}

/// Fields that Iter8 writes as an empty string if they are not set.
const UNSET_IF_EMPTY: [&str; 4] = ["url", "payloadFile", "payloadURL", "contentType"];

/// Removes such fields from every layer.
fn without_empty(value: &Value) -> Value {
    let Some(level) = value.as_object() else { return value.clone() };
    let is_unset = |name: &str, value: &Value| UNSET_IF_EMPTY.contains(&name) && value == "";
    let layer = |(name, value): (&String, &Value)| {
        let value = match (name.as_str(), value) {
            ("endpoints", Value::Object(map)) => {
                Value::Object(map.iter().map(|(name, endpoint)| (name.clone(), without_empty(endpoint))).collect())
            }
            ("versionValues", Value::Array(versions)) => versions.iter().map(without_empty).collect(),
            _ => value.clone(),
        };
        (name.clone(), value)
    };
    Value::Object(level.iter().filter(|(name, value)| !is_unset(name, value)).map(layer).collect())
}

/// Reads the values at path `at`.
pub(super) fn plan(value: &Value, at: impl Into<FieldPath>) -> Result<Plan<Load>, InputError> {
    let at = at.into();
    let value = &without_empty(value);
    HttpValues::read(value, &at)?;
    loadgen::plan(value, &at, "http", &RULES, load)
}

/// Applies defaults, and rejects combinations that cannot work.
fn load(layered: Layered) -> Result<Load, InputError> {
    let Layered { values, provider, version, label, paths } = layered;
    let values: HttpValues = typed(&values, paths.of(""))?;
    let Some(url) = values.url.clone().map(|url| url.0) else {
        let hint = "set `http.url`, or `url` of every entry in `http.endpoints`";
        return Err(paths.error("url", "required: URL to load").with_hint(hint));
    };
    let payload = payload(&values, &paths)?;
    let has_header = values.headers.iter().flat_map(|headers| &headers.0).any(|(name, _)| name == AUTHORIZATION);
    let auth = match auth(&values, &url, &paths)? {
        // As in curl, the header wins.
        Auth::Url if has_header => Auth::None,
        auth => auth,
    };
    let field = match auth {
        Auth::Login(Login::Basic(..)) => Some("basicAuth"),
        Auth::Login(Login::Bearer(_)) => Some("bearerToken"),
        Auth::Url | Auth::None => None,
    };
    if let Some(field) = field.filter(|_| has_header) {
        return Err(paths.error(field, "cannot be combined with an `Authorization` header"));
    }
    let route = route(&values, &url, &paths)?;
    let template = template(&values, &paths)?;
    let attribution = values.version_from.as_ref().map(|from| from.plan(ResponseKind::Http, &paths)).transpose()?;
    let Schedule { pacer, warmup } = schedule(&values, &paths)?;
    let error_at = |field: &str, message: String| paths.error(field, message);
    let identity = ClientCertificate::plan(values.cert, values.key, values.key_passphrase.as_ref(), &error_at)?;
    let insecure = values.insecure_skip_verify.unwrap_or(false);
    if insecure && values.ca.is_some() {
        return Err(paths.error("ca", "has no effect with `insecureSkipVerify: true`; set one of them"));
    }
    let has_body = payload != Payload::None || values.content_type.is_some();
    let method = match values.method {
        Some(method) => method.0,
        None if has_body => http::Method::POST,
        None => http::Method::GET,
    };
    let load = Load {
        provider,
        version,
        label,
        headers: headers(values.headers.map(|h| h.0), values.content_type.as_deref(), &payload, &paths)?,
        url,
        method,
        payload,
        auth,
        pacer,
        warmup,
        connections: usize::try_from(values.connections.map_or(CONNECTIONS, |c| c.0)).unwrap_or(usize::MAX),
        timeout: values.timeout.map_or(TIMEOUT, |timeout| timeout.0.0),
        redirects: values.follow_redirects.map_or(0, |redirects| redirects.0),
        error_ranges: match (values.error_ranges.as_deref(), &values.expect) {
            (None, Some(expect)) if expect.has_status() => Vec::new(),
            (given, _) => error_ranges(given, &paths)?,
        },
        expect: Arc::new(values.expect.as_ref().map(Expect::expectations).unwrap_or_default()),
        attribution: attribution.map(Arc::new),
        percentiles: percentiles(&PERCENTILES, values.percentiles.as_deref()),
        allow_initial_errors: values.allow_initial_errors.unwrap_or(false) || values.warmup == Some(true),
        skip_verify: insecure,
        ca: values.ca,
        identity,
        route,
        template,
        paths,
    };
    let in_flight = load.in_flight();
    if in_flight > MAX_IN_FLIGHT {
        let message = format!("{in_flight} requests in flight over all connections; expected at most {MAX_IN_FLIGHT}");
        return Err(load.paths.error("streams", message));
    }
    Ok(load)
}

fn schedule(values: &HttpValues, paths: &FieldPaths) -> Result<Schedule, InputError> {
    let input = ScheduleInput {
        names: Names { rate: "qps", count: "numRequests" },
        rate: values.qps.as_ref().map(|qps| qps.0.map_or(Rate::Max, Rate::PerSecond)),
        default_rate: Rate::PerSecond(DEFAULT_QPS),
        arrival: values.arrival.map(|arrival| arrival.0),
        stages: values.stages.as_deref(),
        count: values.num_requests.as_ref().map(|count| count.0),
        duration: values.duration.map(|duration| duration.0.0),
        default_count: NUM_REQUESTS,
        warmup: schedule::warmup(values.warmup_num_requests.as_ref(), values.warmup_duration),
    };
    schedule::schedule(&input, &|field| paths.of(field))
}

fn payload(values: &HttpValues, paths: &FieldPaths) -> Result<Payload, InputError> {
    // As in Iter8, a file overrides a string, and a URL is downloaded instead of a file: its chart writes both, the file being the download.
    match (&values.payload_url, &values.payload_file, &values.payload_str) {
        (Some(_), None, Some(_)) => Err(paths.error("payloadURL", "cannot be combined with `payloadStr`")),
        (Some(url), ..) => Ok(Payload::Url(url.0.clone())),
        (None, Some(file), _) => Ok(Payload::File(file.clone())),
        (None, None, Some(text)) => Ok(Payload::Text(text.clone())),
        (None, None, None) => Ok(Payload::None),
    }
}

fn auth(values: &HttpValues, url: &url::Url, paths: &FieldPaths) -> Result<Auth, InputError> {
    let error_at = |field: &str, message: String| paths.error(field, message);
    let login = login(values.basic_auth.as_ref(), values.bearer_token.as_ref(), &error_at)?;
    let in_url = !url.username().is_empty() || url.password().is_some();
    Ok(login.map_or(if in_url { Auth::Url } else { Auth::None }, Auth::Login))
}

/// Builds all headers except `Authorization` from `basicAuth` and `bearerToken`.
fn headers(
    given: Option<Vec<(HeaderName, HeaderSource)>>,
    content_type: Option<&str>,
    payload: &Payload,
    paths: &FieldPaths,
) -> Result<Vec<(HeaderName, HeaderSource)>, InputError> {
    let mut headers = given.unwrap_or_default();
    let has = |headers: &[(HeaderName, HeaderSource)], name| headers.iter().any(|(known, _)| *known == name);
    if let Some(text) = content_type {
        let value = HeaderValue::from_str(text)
            .map_err(|_| paths.error("contentType", format!("`{text}` is not a valid header value")))?;
        headers.retain(|(name, _)| name != CONTENT_TYPE);
        headers.push((CONTENT_TYPE, HeaderSource::Literal(value)));
    } else if *payload != Payload::None && !has(&headers, CONTENT_TYPE) {
        let value = HeaderValue::from_static("application/octet-stream");
        headers.push((CONTENT_TYPE, HeaderSource::Literal(value)));
    }
    if !has(&headers, USER_AGENT) {
        let value = HeaderValue::from_static(concat!("iter8/", env!("CARGO_PKG_VERSION")));
        headers.push((USER_AGENT, HeaderSource::Literal(value)));
    }
    Ok(headers)
}

fn error_ranges(given: Option<&[StatusRange]>, paths: &FieldPaths) -> Result<Vec<ErrorRange>, InputError> {
    let Some(given) = given else { return Ok(vec![ERRORS]) };
    let range = |(index, range): (usize, &StatusRange)| {
        let at = paths.of("errorRanges").index(index);
        let end = |name: &str, end: Option<u64>| match end.map(u16::try_from) {
            None => Ok(None),
            Some(Ok(status)) if status <= 999 => Ok(Some(status)),
            _ => Err(InputError::new(at.clone().key(name), "not a valid status; expected 0 to 999")),
        };
        let lower = end("lower", range.lower.map(|n| n.0))?;
        let upper = end("upper", range.upper.map(|n| n.0))?;
        match (lower, upper) {
            (None, None) => Err(InputError::new(&at, "requires `lower`, `upper` or both")),
            (Some(low), Some(high)) if low > high => {
                Err(InputError::new(&at, format!("lower {low} is greater than upper {high}")))
            }
            _ => Ok(ErrorRange { lower, upper }),
        }
    };
    given.iter().enumerate().map(range).collect()
}
