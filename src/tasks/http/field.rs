//! Field types of the `http` task: each parses one value and has a schema.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::model::number::{Count, Number};
use crate::tasks::fields::{MAX_CONNECTIONS, TargetUrl, display, display_url, field};
use crate::tasks::schema_fragments::{HTTP_URL, each_given};

/// Maximum number of requests in flight per HTTP/2 connection.
const MAX_STREAMS: u64 = 1_000;

/// Requests per second if no rate is given, as in Iter8.
pub(super) const DEFAULT_QPS: f64 = 8.0;

/// Maximum number of redirects per request.
const MAX_REDIRECTS: u64 = 50;

field! {
    /// A number of connections.
    Connections(u64) as "Connections", Count,
    json_schema!({"description": "An integer from 1 to 10000, or a string that contains one.", "anyOf": [{"type": "integer", "minimum": 1, "maximum": 10000}, {"type": "string", "pattern": r"^\s*\+?0*([1-9][0-9]{0,3}|10000)\s*$"}]}),
    |Count(count)| {
        if (1..=MAX_CONNECTIONS).contains(&count) {
            Ok(count)
        } else {
            Err(format!("{count} is out of range; expected 1 to {MAX_CONNECTIONS} connections"))
        }
    }
}

field! {
    /// A number of requests in flight on one connection.
    Streams(u64) as "Streams", Count,
    json_schema!({"description": "An integer from 1 to 1000, or a string that contains one.", "anyOf": [{"type": "integer", "minimum": 1, "maximum": 1000}, {"type": "string", "pattern": r"^\s*\+?0*([1-9][0-9]{0,2}|1000)\s*$"}]}),
    |Count(count)| {
        if (1..=MAX_STREAMS).contains(&count) {
            Ok(count)
        } else {
            Err(format!("{count} is out of range; expected 1 to {MAX_STREAMS} streams"))
        }
    }
}

/// Supported proxies, for messages on those that are not.
pub(super) const NO_SOCKS: &str =
    "only HTTP proxies are supported: `http://HOST:PORT`, or `env` for that of the environment";

/// Returns true for `socks5:`, `socks5h:`, `socks4:` and so on.
pub(super) fn is_socks(url: &url::Url) -> bool {
    url.scheme().starts_with("socks")
}

field! {
    /// A proxy: its URL, or `None` for that of the environment.
    ProxySetting(Option<url::Url>) as "ProxySetting", String,
    json_schema!({"type": "string", "description": "An http URL, or `env` for the proxy of the environment.", "anyOf": [
        {"pattern": HTTP_URL}, {"const": "env"}]}),
    |text| {
        if text.trim() == "env" {
            return Ok(None);
        }
        if url::Url::parse(&text).is_ok_and(|url| is_socks(&url)) {
            return Err(format!("`{}` is a SOCKS proxy; {NO_SOCKS}", display_url(&text)));
        }
        serde_json::from_value(Value::String(text)).map(|TargetUrl(url)| Some(url)).map_err(|error| error.to_string())
    }
}

field! {
    /// The URL to load: an `http` or `https` URL with a host. As in Iter8 and curl, the scheme may be left out.
    LoadUrl(url::Url) as "LoadUrl", String,
    json_schema!({"type": "string", "description": "An http or https URL; without a scheme, http.", "anyOf": [
        {"pattern": HTTP_URL},
        {"pattern": r"^\s*[^/\\?#:\s]", "allOf": [{"not": {"pattern": r"^\s*[a-zA-Z][a-zA-Z0-9+.-]*://"}}, {"not": {"pattern": r"^\s*[hH][tT][tT][pP][sS]?:"}}]},
    ]}),
    |text| {
        let text = if has_scheme(&text) { text } else { format!("http://{}", text.trim_start()) };
        TargetUrl::deserialize(Value::String(text)).map(|url| url.0).map_err(|error| error.to_string())
    }
}

/// Returns true for `ftp://host`, and for `http:host`, which is a mistake rather than a host called `http`.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.trim_start().split_once(':') else { return false };
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let is_name = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    is_http || is_name && rest.starts_with("//")
}

field! {
    /// Requests per second; `None` for as many as possible.
    Qps(Option<f64>) as "Qps", Value,
    json_schema!({"description": "Requests per second, or `max`. As in Iter8, a negative number is `max`, and 0 the default.", "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*max\s*$"}, {"type": "string", "pattern": r"^\s*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"}]}),
    |value| {
        if value.as_str().is_some_and(|text| text.trim() == "max") {
            return Ok(None);
        }
        match serde_json::from_value::<Number>(value.clone()) {
            Ok(Number(rate)) if rate > 0.0 => Ok(Some(rate)),
            // As in Iter8, whose load generator reads them so.
            Ok(Number(rate)) if rate < 0.0 => Ok(None),
            Ok(Number(0.0)) => Ok(Some(DEFAULT_QPS)),
            _ => Err(format!("{} is not a rate; expected a number or `max`", display(&value))),
        }
    }
}

field! {
    /// Number of redirects to follow.
    Redirects(u32) as "Redirects", Value,
    json_schema!({"description": "Number of redirects to follow per request, up to 50; true means 10, false means none.", "anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 50}, {"type": "string", "pattern": r"^\s*\+?0*([0-9]|[1-4][0-9]|50)\s*$"}]}),
    |value| match &value {
        Value::Bool(true) => Ok(10),
        Value::Bool(false) => Ok(0),
        other => match serde_json::from_value::<Count>(other.clone()) {
            Ok(Count(count)) if count <= MAX_REDIRECTS => Ok(count as u32),
            _ => Err(format!("{} is not a number of redirects; expected 0 to {MAX_REDIRECTS}, true or false", display(other))),
        },
    }
}

field! {
    /// An HTTP method.
    Method(http::Method) as "Method", String,
    json_schema!({"type": "string", "description": "An HTTP method, such as GET or PUT.", "pattern": r"^\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*$", "not": {"pattern": r"^\s*[cC][oO][nN][nN][eE][cC][tT]\s*$"}}),
    |text| {
        let method = text.trim().to_ascii_uppercase().parse::<http::Method>();
        match method {
            Ok(method) if method != http::Method::CONNECT => Ok(method),
            _ => Err(format!("`{text}` is not a supported method; expected GET, POST, PUT …")),
        }
    }
}

/// Schema of an end of a [`StatusRange`], whose range is checked when the layers are merged.
struct Status;

impl JsonSchema for Status {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "An HTTP status from 0 to 999, or a string that contains one.", "anyOf": [{"type": "integer", "minimum": 0, "maximum": 999}, {"type": "string", "pattern": r"^\s*\+?0*[0-9]{1,3}\s*$"}]})
    }
}

/// A range of statuses that count as errors; at least one end is given.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = each_given(&["lower", "upper"])))]
pub(super) struct StatusRange {
    /// Lowest status, included.
    #[schemars(with = "Option<Status>")]
    pub(super) lower: Option<Count>,
    /// Highest status, included.
    #[schemars(with = "Option<Status>")]
    pub(super) upper: Option<Count>,
}
