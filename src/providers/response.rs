//! Reads the value of a metric from a provider's response.

use super::prometheus::{Data, Envelope, envelope};
use super::reduce::Reduce;
use super::spec::MetricSpec;
use crate::model::readable::show;
use crate::model::text::truncate;
use crate::redact::redact_text;
use crate::templates::jq::Output;

/// Maximum length of a provider's message within ours, in characters.
const MAX_MESSAGE: usize = 300;

/// Maximum length of a verbatim value, in characters.
const RAW: usize = 100;

/// Maximum number of warnings kept.
const MAX_WARNINGS: usize = 5;

/// A provider's response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Response<'a> {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: &'a [u8],
}

/// Result of reading a response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The value, or the reason why there is none.
    pub outcome: Outcome,
    /// Number of series in the response, if known.
    pub series: Option<u64>,
    /// The value verbatim.
    pub raw: Option<String>,
    /// Warnings of the provider.
    pub warnings: Vec<String>,
    /// Remark about the values.
    pub remark: Option<String>,
}

/// The value, or the reason why there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// A finite number.
    Value(f64),
    /// Finite numbers, at least one.
    Samples(Vec<f64>),
    /// The provider has no data.
    Absent(String),
    /// The response is an error, or not usable.
    Unusable(String),
}

impl Reading {
    fn plain(outcome: Outcome) -> Self {
        Self { outcome, series: None, raw: None, warnings: Vec::new(), remark: None }
    }
}

/// Reads the value of a metric from a response.
pub(crate) fn read(metric: &MetricSpec, response: Response<'_>) -> Reading {
    let envelope = envelope(response.body);
    if !(200..300).contains(&response.status) {
        return error_response(response, envelope);
    }
    match envelope {
        Some(Envelope::Error { kind, message, warnings }) => {
            let reason = format!("the provider reports an error: {}", message_of(&kind, &message));
            Reading { warnings: redacted(warnings), ..Reading::plain(Outcome::Unusable(reason)) }
        }
        Some(Envelope::Success { data, warnings }) => {
            Reading { warnings: redacted(warnings), ..of_prometheus(metric, data, response.body) }
        }
        None => match &metric.expression {
            Some(_) => by_expression(metric, response.body),
            None => {
                let reason = match metric.reduce {
                    Some(_) => ", which `reduce` requires",
                    None => ", and no `jqExpression` extracts a value",
                };
                let reason =
                    format!("the response is not in Prometheus's format{reason}{}", describe_body(response.body));
                Reading::plain(Outcome::Unusable(reason))
            }
        },
    }
}

/// Reads a response with an error status.
fn error_response(response: Response<'_>, envelope: Option<Envelope>) -> Reading {
    let Response { status, body } = response;
    let (message, warnings) = match envelope {
        Some(Envelope::Error { kind, message, warnings }) => (Some(message_of(&kind, &message)), warnings),
        _ => (message_in(body), Vec::new()),
    };
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    let outcome = match status {
        404 => Outcome::Absent(format!("the provider responded with 404 (not found){message}")),
        401 => {
            Outcome::Unusable(format!("the provider responded with 401 (unauthorized){message}; check the credentials"))
        }
        403 => Outcome::Unusable(format!(
            "the provider responded with 403 (forbidden){message}; check the permissions of the credentials"
        )),
        300..=399 => Outcome::Unusable(format!("the provider responded with {status}, a redirect without a location")),
        _ => Outcome::Unusable(format!("the provider responded with {status}{message}")),
    };
    Reading { warnings: redacted(warnings), ..Reading::plain(outcome) }
}

/// Formats a provider's error without secrets: `bad_data: parse error`.
fn message_of(kind: &str, message: &str) -> String {
    let text = [kind, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    truncate(&redact_text(&text), MAX_MESSAGE)
}

/// Extracts a message from the body of an error response.
fn message_in(body: &[u8]) -> Option<String> {
    if let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(body) {
        let text =
            ["message", "error", "detail", "error_description"].into_iter().find_map(|key| map.get(key)?.as_str());
        return text.map(|text| message_of("", text));
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_plain = !text.is_empty() && text.len() <= 1_000 && !text.starts_with(['<', '{', '[']);
    is_plain.then(|| message_of("", &text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// Describes a body that is not JSON.
fn describe_body(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(&body[..body.len().min(200)]).trim_start().to_lowercase();
    match start.as_str() {
        "" => "; it is empty".to_owned(),
        text if text.starts_with("<!doctype html") || text.starts_with("<html") => {
            "; it is an HTML page, perhaps from a login or a proxy".to_owned()
        }
        _ => String::new(),
    }
}

fn redacted(warnings: Vec<String>) -> Vec<String> {
    warnings.into_iter().take(MAX_WARNINGS).map(|warning| message_of("", &warning)).collect()
}

fn of_prometheus(metric: &MetricSpec, data: Data, body: &[u8]) -> Reading {
    let empty = |reason: &str| absent(metric, reason);
    // Count series before an expression can reduce them to one.
    let count = match &data {
        Data::Vector(samples) => samples.len(),
        Data::Matrix(series) => series.len(),
        Data::Broken { count, .. } => *count,
        Data::Scalar(_) | Data::Other(_) => 1,
    };
    let several = count > 1 && metric.reduce.is_none();
    let reading = match data {
        Data::Other(_) if metric.expression.is_some() => return by_expression(metric, body),
        Data::Other(kind) => {
            return Reading::plain(Outcome::Unusable(format!("the result is a {kind}, expected a number")));
        }
        _ if several => Reading::plain(Outcome::Unusable(several_series(count))),
        Data::Broken { .. } if metric.reduce == Some(Reduce::Jq) => by_expression(metric, body),
        Data::Broken { reason, .. } => Reading::plain(Outcome::Unusable(reason)),
        Data::Matrix(series) if metric.is_range => of_range(&series, metric.reduce, &empty),
        Data::Vector(list) if list.is_empty() => of_nothing(metric, body),
        Data::Matrix(list) if list.is_empty() => of_nothing(metric, body),
        Data::Matrix(_) if metric.expression.is_some() && !metric.takes_first => by_expression(metric, body),
        Data::Matrix(_) => {
            let reason = "the query returns many values per series, expected one number";
            Reading::plain(Outcome::Unusable(reason.to_owned()))
        }
        Data::Vector(samples) => of_vector(metric, &samples, body, &empty),
        Data::Scalar(sample) => of_vector(metric, &[sample], body, &empty),
    };
    Reading { series: Some(count as u64), ..reading }
}

/// Creates an absent value, with the metric's own explanation if it has one.
fn absent(metric: &MetricSpec, reason: &str) -> Outcome {
    Outcome::Absent(metric.when_empty.clone().unwrap_or_else(|| reason.to_owned()))
}

/// Reads an empty result: the expression may have a default for it.
fn of_nothing(metric: &MetricSpec, body: &[u8]) -> Reading {
    if metric.expression.is_some() && !metric.takes_first {
        let reading = by_expression(metric, body);
        if matches!(reading.outcome, Outcome::Value(_)) {
            return reading;
        }
    }
    Reading::plain(absent(metric, "no series matches the query (the result is empty)"))
}

/// Reads one number from at least one sample.
fn of_vector(metric: &MetricSpec, samples: &[(f64, String)], body: &[u8], empty: &dyn Fn(&str) -> Outcome) -> Reading {
    let first = || of_samples(samples, Reduce::First, empty);
    match metric.reduce {
        Some(reduce) if reduce != Reduce::Jq => of_samples(samples, reduce, empty),
        _ if metric.expression.is_none() || metric.takes_first => first(),
        _ => match (by_expression(metric, body), samples) {
            // The expression may have failed because the sample is not a finite number.
            (Reading { outcome: Outcome::Absent(_) | Outcome::Unusable(_), .. }, [(_, text)]) if !is_finite(text) => {
                first()
            }
            (reading, _) => reading,
        },
    }
}

fn several_series(count: usize) -> String {
    format!(
        "the query returns {count} series, expected one number: aggregate in the query, or set `reduce` to sum, max, min, avg, first or jq"
    )
}

fn is_finite(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}

/// Parses a value in Prometheus's format.
fn number(text: &str) -> Result<f64, Outcome> {
    text.trim()
        .parse::<f64>()
        .map_err(|_| Outcome::Unusable(format!("the value `{}` is not a number", message_of("", text))))
}

/// Aggregates samples to one number.
fn of_samples(samples: &[(f64, String)], reduce: Reduce, empty: &dyn Fn(&str) -> Outcome) -> Reading {
    let values: Result<Vec<f64>, Outcome> = samples.iter().map(|(_, text)| number(text)).collect();
    let outcome = match values.map(|values| reduce.of(&values)) {
        Err(unusable) => unusable,
        Ok(None) => empty("the result is empty"),
        Ok(Some(value)) if value.is_nan() && samples.len() > 1 => {
            empty(&format!("one of the {} series is NaN (such as 0/0)", samples.len()))
        }
        Ok(Some(value)) => finite(value, empty),
    };
    let raw = if let [(_, text)] = samples { Some(truncate(&redact_text(text), RAW)) } else { None };
    Reading { raw, ..Reading::plain(outcome) }
}

/// Treats NaN as absent, because Prometheus computes it for 0/0. Infinity is unusable, so that it is never mistaken for missing data.
fn finite(value: f64, empty: &dyn Fn(&str) -> Outcome) -> Outcome {
    match value {
        value if value.is_nan() => empty("the value is NaN (such as 0/0)"),
        value if value.is_infinite() => {
            Outcome::Unusable(format!("the value is {}Inf", if value > 0.0 { "+" } else { "-" }))
        }
        value => Outcome::Value(value),
    }
}

/// Reads the values of a range query. NaN values are gaps, which the remark counts.
fn of_range(series: &[Vec<(f64, String)>], reduce: Option<Reduce>, empty: &dyn Fn(&str) -> Outcome) -> Reading {
    if series.is_empty() {
        return Reading::plain(empty("no series matches the query in that range (the result is empty)"));
    }
    let parse = |(time, text): &(f64, String)| Ok((*time, number(text)?));
    let parsed: Result<Vec<Vec<(f64, f64)>>, Outcome> =
        series.iter().map(|samples| samples.iter().map(parse).collect()).collect();
    let mut values = match parsed {
        Ok(series) => reduce.unwrap_or(Reduce::First).of_series(&series),
        Err(unusable) => return Reading::plain(unusable),
    };
    let all = values.len();
    values.retain(|value| !value.is_nan());
    let gaps = all - values.len();
    let outcome = match values {
        values if values.iter().any(|value| value.is_infinite()) => {
            Outcome::Unusable("one of the values is infinite".to_owned())
        }
        values if values.is_empty() => empty("none of the values is a number"),
        values => Outcome::Samples(values),
    };
    let remark = (gaps > 0).then(|| format!("{gaps} of {all} values are NaN and were left out"));
    Reading { remark, ..Reading::plain(outcome) }
}

/// Evaluates the metric's expression to one number, or to a string that is a number.
fn by_expression(metric: &MetricSpec, body: &[u8]) -> Reading {
    let Some(expression) = &metric.expression else {
        return Reading::plain(Outcome::Unusable("no expression".to_owned()));
    };
    let empty = |reason: &str| absent(metric, reason);
    match expression.value(body) {
        Output::Number(value, raw) => {
            let raw = if value.is_finite() { raw } else { show(value) };
            Reading { raw: Some(truncate(&raw, RAW)), ..Reading::plain(finite(value, &empty)) }
        }
        Output::Text(text) => {
            let outcome = match text.trim().parse::<f64>() {
                Ok(value) => finite(value, &empty),
                Err(_) => {
                    let excerpt = truncate(&redact_text(&text), RAW);
                    Outcome::Unusable(format!("the jqExpression yields the string `{excerpt}`, expected a number"))
                }
            };
            Reading { raw: Some(truncate(&redact_text(&text), RAW)), ..Reading::plain(outcome) }
        }
        Output::Nothing(output) => Reading::plain(empty(&format!("the jqExpression yields {output}"))),
        Output::Other(other) => {
            let excerpt = truncate(&redact_text(&other), RAW);
            Reading::plain(Outcome::Unusable(format!("the jqExpression yields {excerpt}, expected one number")))
        }
        Output::NotJson(error) => {
            let error = truncate(&error, RAW);
            Reading::plain(Outcome::Unusable(format!("the response is not JSON ({error}){}", describe_body(body))))
        }
        Output::Failed(error) => {
            Reading::plain(Outcome::Unusable(format!("the jqExpression fails: {}", message_of("", &error))))
        }
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
