//! Reads the value of a metric from a provider's response.
//!
//! Everything that is not a complete, proper response is an error. Absence needs a proper response that says so: an empty result, null, or
//! a fraction of nothing (NaN).

use serde_json::Value;

use super::duplicates::duplicate_key;
use super::failure;
use super::jq_text;
use super::nested;
use super::partial;
use super::prometheus::{Data, Envelope, envelope};
use super::question::Question;
use super::reduce::{Aggregate, Reduce};
use super::sample_time::{Asked, of_another_time};
use super::spec::MetricSpec;
use super::words::{self, one_line};
use crate::model::metric::MetricType;
use crate::model::missing::{DoubtPolicy, ErrorKind, Missing, MissingCause};
use crate::model::readable::show;
use crate::model::text::{is_html, truncate};
use crate::redact;
use crate::templates::jq::{Filter, Output};

/// Maximum length of a provider's message within ours, in characters.
const MAX_MESSAGE: usize = 300;

/// Maximum length of a verbatim value or of an excerpt, in characters.
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
    /// The time that the query asks for, if it names one.
    pub asked: Option<Asked>,
}

/// Result of reading a response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The value, or the reason why there is none.
    pub outcome: Result<Found, Missing>,
    /// Number of series in the response, if known.
    pub series: Option<u64>,
    /// The value verbatim.
    pub raw: Option<String>,
    /// Warnings of the provider.
    pub warnings: Vec<String>,
    /// Remark about the values.
    pub remark: Option<String>,
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// A finite number.
    One(f64),
    /// Finite numbers, at least one.
    Many(Vec<f64>),
}

impl Reading {
    pub(crate) fn plain(outcome: Result<Found, Missing>) -> Self {
        Self { outcome, series: None, raw: None, warnings: Vec::new(), remark: None }
    }

    pub(crate) fn error(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self::plain(Err(Missing::error(kind, reason)))
    }
}

/// Reads the value of a metric from a response.
pub(crate) fn read(metric: &MetricSpec, response: Response<'_>) -> Reading {
    let reading = read_any(metric, response);
    match reading.outcome {
        // A count that went down, or another metric than was meant.
        Ok(Found::One(value)) if metric.meta.kind == MetricType::Counter && value < 0.0 => {
            let reason = format!("the value {} of a counter is negative; `type: gauge` accepts it", show(value));
            Reading { outcome: Err(Missing::error(ErrorKind::Value, reason)), ..reading }
        }
        _ => reading,
    }
}

fn read_any(metric: &MetricSpec, response: Response<'_>) -> Reading {
    let Response { status, body, asked } = response;
    let envelope = envelope(body);
    if !(200..300).contains(&status) {
        return error_response(response, envelope);
    }
    if let Some(key) = duplicate_key(body) {
        let key = redact::excerpt(&key, RAW);
        return Reading::error(ErrorKind::Format, format!("the response has the key `{key}` twice in one object"));
    }
    let question = Question::of(metric);
    match envelope {
        Some(Envelope::Error { kind, message, warnings }) => {
            let message = own_words(&kind, &message, body);
            let message = message.unwrap_or_else(|| format!("the response is `{}`", excerpt(body)));
            let reason = format!("the provider reports an error: {message}");
            Reading { warnings: redacted(warnings), ..Reading::error(ErrorKind::Provider, reason) }
        }
        Some(Envelope::Success { data, mut warnings, infos }) => {
            if let Some(reason) = of_another_time(&data, asked) {
                return Reading::error(ErrorKind::Format, reason);
            }
            let partial = partial::sign(status, body, &warnings, &question);
            let others = warnings_in(body, &question).into_iter().filter(|warning| !warnings.contains(warning));
            warnings.extend(others.collect::<Vec<_>>());
            let doubts = Doubts { partial, warnings };
            let reading = doubts.judge(metric, of_prometheus(metric, data, body));
            Reading { warnings: redacted(reading.warnings.into_iter().chain(infos).collect()), ..reading }
        }
        None => {
            let warnings = warnings_in(body, &question);
            let doubts = Doubts { partial: partial::sign(status, body, &[], &question), warnings };
            let reading = doubts.judge(metric, of_other(metric, &question, body));
            Reading { warnings: redacted(reading.warnings), ..reading }
        }
    }
}

/// Signs that the value of a response with status 2xx may be wrong.
struct Doubts {
    /// Description of the missing part of the data.
    partial: Option<String>,
    warnings: Vec<String>,
}

impl Doubts {
    /// Withdraws a value, or an absence, that these signs contradict. Partial data can be allowed, but nothing in it is not absence.
    fn judge(self, metric: &MetricSpec, reading: Reading) -> Reading {
        let Self { partial, warnings } = self;
        let is_error = |missing: &Missing| matches!(missing.cause, MissingCause::Error(_));
        let is_allowed = reading.outcome.is_ok() && metric.policies.partial == Some(DoubtPolicy::Allow);
        let is_warning = metric.policies.on_warning == Some(DoubtPolicy::Inconclusive);
        let error = match (&reading.outcome, &partial, warnings.first()) {
            (Err(missing), _, _) if is_error(missing) => None,
            (_, Some(sign), _) if !is_allowed => {
                let hint = if reading.outcome.is_ok() { "; `partial: allow` accepts it" } else { "" };
                let reason = format!("the provider returned partial data: {}{hint}", message_of("", sign));
                Some(Missing::error(ErrorKind::Partial, reason))
            }
            (_, _, Some(warning)) if is_warning => {
                let reason = format!("warning from the provider: {}", message_of("", warning));
                Some(Missing::error(ErrorKind::Warning, reason))
            }
            _ => None,
        };
        let of_partial = partial.filter(|sign| !warnings.contains(sign)).map(|sign| format!("partial data: {sign}"));
        let outcome = error.map_or(reading.outcome, Err);
        Reading { outcome, warnings: of_partial.into_iter().chain(warnings).collect(), ..reading }
    }
}

/// Reads the warnings of a response, at any depth.
fn warnings_in(body: &[u8], question: &Question<'_>) -> Vec<String> {
    serde_json::from_slice(body).map(|body: Value| nested::warnings(&body, question)).unwrap_or_default()
}

/// Reads a response with an error status.
fn error_response(response: Response<'_>, envelope: Option<Envelope>) -> Reading {
    let Response { status, body, .. } = response;
    let (message, warnings) = match envelope {
        Some(Envelope::Error { kind, message, warnings }) => (own_words(&kind, &message, body), warnings),
        _ => (message_in(body), Vec::new()),
    };
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    let reason = match status {
        404 => format!("the provider responded with 404 (not found){message}; check the URL"),
        401 => format!("the provider responded with 401 (unauthorized){message}; check the credentials"),
        403 => {
            format!("the provider responded with 403 (forbidden){message}; check the permissions of the credentials")
        }
        300..=399 => format!("the provider responded with {status}, a redirect without a location"),
        _ => format!("the provider responded with {status}{message}"),
    };
    Reading { warnings: redacted(warnings), ..Reading::error(ErrorKind::Status, reason) }
}

/// Returns the words of an error in Prometheus's format: its message, or else what the response has in its place.
fn own_words(kind: &str, message: &str, body: &[u8]) -> Option<String> {
    if !message.trim().is_empty() {
        return Some(message_of(kind, message));
    }
    // The status alone says nothing.
    let other = message_in(body).filter(|words| !words.eq_ignore_ascii_case("error"));
    let parts = [Some(message_of("", kind)).filter(|kind| !kind.is_empty()), other];
    parts.into_iter().flatten().reduce(|kind, words| format!("{kind}: {words}"))
}

/// Formats a provider's error without secrets: `bad_data: parse error`.
fn message_of(kind: &str, message: &str) -> String {
    let text = [kind, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    redact::excerpt(&text, MAX_MESSAGE)
}

/// Extracts a message from the body of an error response.
fn message_in(body: &[u8]) -> Option<String> {
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(body) {
        return words::words(&value).map(|text| message_of("", &text));
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    if let Some(title) = title(text) {
        return Some(message_of("", &title));
    }
    let is_plain = !text.is_empty() && text.len() <= 1_000 && !text.starts_with(['<', '{', '[']);
    is_plain.then(|| message_of("", &one_line(text)))
}

/// Returns the title of an HTML page.
fn title(page: &str) -> Option<String> {
    let start: String = page.chars().take(2_000).collect();
    let lower = start.to_ascii_lowercase();
    let from = lower.find("<title>")? + "<title>".len();
    let length = lower.get(from..)?.find("</title>")?;
    Some(one_line(start.get(from..from + length)?)).filter(|title| !title.is_empty())
}

/// Describes a body that is not JSON.
fn describe_body(body: &[u8]) -> &'static str {
    match body {
        body if body.trim_ascii().is_empty() => "; it is empty",
        body if is_html(body) => "; it is an HTML page, perhaps from a login or a proxy",
        _ => "",
    }
}

fn redacted(warnings: Vec<String>) -> Vec<String> {
    warnings.into_iter().take(MAX_WARNINGS).map(|warning| message_of("", &warning)).collect()
}

/// Reads a response that is not in Prometheus's format.
fn of_other(metric: &MetricSpec, question: &Question<'_>, body: &[u8]) -> Reading {
    let reason = match (&metric.expression, metric.reduce) {
        (Some(expression), _) => {
            if let Some(error) = error_in(question, body) {
                return Reading::plain(Err(error));
            }
            let reading = by_expression(metric, expression, body);
            let is_of_null = |missing: &Missing| {
                matches!(missing.cause, MissingCause::Absent | MissingCause::Error(ErrorKind::Expression))
            };
            if !metric.takes_first || !reading.outcome.as_ref().is_err_and(is_of_null) {
                return reading;
            }
            // The expression is one for Prometheus, so its null means another format.
            format!("; it is `{}`", excerpt(body))
        }
        (None, Some(_)) => format!(", which `reduce` requires{}", describe_body(body)),
        (None, None) => format!(", and no `jqExpression` extracts a value{}", describe_body(body)),
    };
    Reading::error(ErrorKind::Format, format!("the response is not in Prometheus's format{reason}"))
}

fn of_prometheus(metric: &MetricSpec, data: Data, body: &[u8]) -> Reading {
    // Count series before an expression can reduce them to one.
    let count = match &data {
        Data::Vector(samples) => samples.len(),
        Data::Matrix(series) => series.len(),
        Data::Broken { count, .. } => *count,
        Data::Scalar(_) | Data::Other(_) => 1,
    };
    let several = count > 1 && metric.reduce.is_none() && !metric.considers_all;
    if count > 1
        && metric.reduce.is_none()
        && let Some(expression) = metric.expression.as_ref().filter(|_| !several)
        && matches!(expression.value(body), Output::Text(_))
    {
        let reason = format!(
            "the jqExpression yields a string for {count} series, whose values are strings; convert them with `tonumber`"
        );
        return Reading::error(ErrorKind::Series, reason);
    }
    let own_expression = metric.expression.as_ref().filter(|_| !metric.takes_first);
    let reading = match (data, &metric.expression) {
        (Data::Other(_), Some(expression)) => return by_expression(metric, expression, body),
        (Data::Other(kind), None) => {
            return Reading::error(ErrorKind::Value, format!("the result is a {kind}, expected a number"));
        }
        _ if several => Reading::error(ErrorKind::Series, several_series(count)),
        (Data::Broken { .. }, Some(expression)) if metric.reduce == Some(Reduce::Jq) => {
            by_expression(metric, expression, body)
        }
        (Data::Broken { reason, .. }, _) => Reading::error(ErrorKind::Value, reason),
        (Data::Matrix(series), _) if metric.is_range => of_range(metric, &series),
        (Data::Vector(list), _) if list.is_empty() => of_nothing(metric, own_expression, body),
        (Data::Matrix(list), _) if list.is_empty() => of_nothing(metric, own_expression, body),
        (Data::Matrix(_), _) => match own_expression {
            Some(expression) => by_expression(metric, expression, body),
            None => {
                let reason = "the query returns many values per series, expected one number";
                Reading::error(ErrorKind::Value, reason)
            }
        },
        (Data::Vector(samples), _) => of_vector(metric, own_expression, &samples, body),
        (Data::Scalar(sample), _) => of_vector(metric, own_expression, &[sample], body),
    };
    Reading { series: Some(count as u64), ..reading }
}

/// Creates an absent value, with the metric's own explanation if it has one.
fn absent(metric: &MetricSpec, reason: &str) -> Missing {
    Missing::absent(metric.when_empty.as_deref().unwrap_or(reason))
}

/// Creates a missing fraction of nothing, with the metric's own explanation if it has one.
fn nothing_to_count(metric: &MetricSpec, reason: &str) -> Missing {
    Missing::nothing_to_count(metric.when_empty.as_deref().unwrap_or(reason))
}

/// Reads an empty result: the expression may have a default for it.
fn of_nothing(metric: &MetricSpec, expression: Option<&Filter>, body: &[u8]) -> Reading {
    let empty = Reading::plain(Err(absent(metric, "no series matches the query (the result is empty)")));
    let Some(expression) = expression else { return empty };
    match expression.value(body) {
        Output::Nothing(_) => empty,
        // The expression has no default for what is not there.
        Output::Failed(error) if error.contains("null") => empty,
        Output::Number(value, _) if value.is_nan() => empty,
        output => of_output(metric, expression, output, body),
    }
}

/// Reads one number from at least one sample.
fn of_vector(metric: &MetricSpec, expression: Option<&Filter>, samples: &[(f64, String)], body: &[u8]) -> Reading {
    let reduce = metric.reduce.filter(|reduce| *reduce != Reduce::Jq);
    let Some(expression) = expression.filter(|_| reduce.is_none()) else {
        return of_samples(metric, samples, reduce.unwrap_or(Reduce::First));
    };
    match (by_expression(metric, expression, body), samples) {
        // The expression may have failed because the sample is not a finite number.
        (Reading { outcome: Err(_), .. }, [(_, text)]) if !is_finite(text) => {
            of_samples(metric, samples, Reduce::First)
        }
        (Reading { outcome: Err(missing), .. }, _) if missing.cause == MissingCause::NothingToCount => {
            // The expression's NaN may be that of one series.
            let reading = of_samples(metric, samples, Reduce::Sum);
            let is_unusable = |missing: &Missing| samples.len() > 1 && matches!(missing.cause, MissingCause::Error(_));
            let outcome = reading.outcome.err().filter(is_unusable).unwrap_or(missing);
            Reading::plain(Err(outcome))
        }
        (reading, _) => reading,
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
fn number(text: &str) -> Result<f64, Missing> {
    let not_a_number =
        |_| Missing::error(ErrorKind::Value, format!("the value `{}` is not a number", message_of("", text)));
    text.trim().parse::<f64>().map_err(not_a_number)
}

/// Aggregates samples to one number.
fn of_samples(metric: &MetricSpec, samples: &[(f64, String)], reduce: Reduce) -> Reading {
    let values: Result<Vec<f64>, Missing> = samples.iter().map(|(_, text)| number(text)).collect();
    let outcome = values.and_then(|values| match reduce.of(&values) {
        Aggregate::Value(value) => Ok(Found::One(value)),
        Aggregate::Empty => Err(absent(metric, "the result is empty")),
        Aggregate::Nan if samples.len() > 1 => {
            Err(nothing_to_count(metric, &format!("all {} series are NaN (such as 0/0)", samples.len())))
        }
        Aggregate::Nan => finite(metric, f64::NAN),
        Aggregate::Mixed { nans, of } => Err(Missing::error(ErrorKind::Value, some_nan(nans, of))),
        Aggregate::Infinite(value) => finite(metric, value),
    });
    let raw = if let [(_, text)] = samples { Some(redact::excerpt(text, RAW)) } else { None };
    Reading { raw, ..Reading::plain(outcome) }
}

/// Explains series that are NaN beside values.
fn some_nan(nans: usize, of: usize) -> String {
    let are = if nans == 1 { "is" } else { "are" };
    format!(
        "{nans} of the {of} series {are} NaN (such as 0/0), beside values: aggregate in the query, or exclude NaN from it, such as with `>= 0`"
    )
}

/// Treats NaN as nothing to count, because Prometheus computes it for 0/0. Infinity is an error, so that it is never mistaken for missing
/// data.
fn finite(metric: &MetricSpec, value: f64) -> Result<Found, Missing> {
    match value {
        value if value.is_nan() => Err(nothing_to_count(metric, "the value is NaN (such as 0/0)")),
        value if value.is_infinite() => {
            let sign = if value > 0.0 { "+" } else { "-" };
            Err(Missing::error(ErrorKind::Value, format!("the value is {sign}Inf")))
        }
        value => Ok(Found::One(value)),
    }
}

/// Reads the values of a range query. Instants at which all series are NaN are gaps, which the remark counts.
fn of_range(metric: &MetricSpec, series: &[Vec<(f64, String)>]) -> Reading {
    if series.is_empty() {
        let reason = "no series matches the query in that range (the result is empty)";
        return Reading::plain(Err(absent(metric, reason)));
    }
    let parse = |(time, text): &(f64, String)| Ok((*time, number(text)?));
    let parsed: Result<Vec<Vec<(f64, f64)>>, Missing> =
        series.iter().map(|samples| samples.iter().map(parse).collect()).collect();
    let parsed = match parsed {
        Ok(series) => series,
        Err(missing) => return Reading::plain(Err(missing)),
    };
    let instants = metric.reduce.unwrap_or(Reduce::First).of_series(&parsed);
    let error = |reason: String| Reading::error(ErrorKind::Value, reason);
    if instants.iter().any(|instant| matches!(instant, Aggregate::Infinite(_))) {
        return error("one of the values is infinite".to_owned());
    }
    let mixed = instants.iter().find_map(|instant| match instant {
        Aggregate::Mixed { nans, of } => Some((*nans, *of)),
        _ => None,
    });
    if let Some((nans, of)) = mixed {
        return error(format!("at one instant, {}", some_nan(nans, of)));
    }
    let value = |instant: &Aggregate| if let Aggregate::Value(value) = instant { Some(*value) } else { None };
    let values: Vec<f64> = instants.iter().filter_map(value).collect();
    let (all, gaps) = (instants.len(), instants.len() - values.len());
    let has_values = |samples: &Vec<(f64, f64)>| samples.iter().any(|(_, value)| !value.is_nan());
    let outcome = match values.is_empty() {
        // The first series alone has none.
        true if parsed.iter().any(has_values) => {
            let reason = format!("the first of the {} series has no values; others have", parsed.len());
            Err(Missing::error(ErrorKind::Value, reason))
        }
        true => Err(nothing_to_count(metric, "none of the values is a number")),
        false => Ok(Found::Many(values)),
    };
    let remark = (gaps > 0).then(|| format!("{gaps} of {all} values are NaN and were left out"));
    Reading { remark, ..Reading::plain(outcome) }
}

/// Evaluates the metric's expression to one number, or to a string that is a number.
fn by_expression(metric: &MetricSpec, expression: &Filter, body: &[u8]) -> Reading {
    of_output(metric, expression, expression.value(body), body)
}

fn of_output(metric: &MetricSpec, expression: &Filter, output: Output, body: &[u8]) -> Reading {
    match output {
        Output::Number(value, raw) => {
            let raw = if value.is_finite() { raw } else { show(value) };
            Reading { raw: Some(truncate(&raw, RAW)), ..Reading::plain(finite(metric, value)) }
        }
        Output::Text(text) => {
            let outcome = match text.trim().parse::<f64>() {
                Ok(value) => finite(metric, value),
                Err(_) => {
                    let excerpt = redact::excerpt(&text, RAW);
                    let reason = format!("the jqExpression yields the string `{excerpt}`, expected a number");
                    Err(Missing::error(ErrorKind::Value, reason))
                }
            };
            Reading { raw: Some(redact::excerpt(&text, RAW)), ..Reading::plain(outcome) }
        }
        Output::Nothing(output) => Reading::plain(Err(nothing(metric, output, body))),
        Output::Other(other) => {
            let excerpt = redact::excerpt(&other, RAW);
            Reading::error(ErrorKind::Value, format!("the jqExpression yields {excerpt}, expected one number"))
        }
        Output::NotJson(error) => {
            let error = truncate(&error, RAW);
            let reason = format!("the response is not JSON ({error}){}", describe_body(body));
            Reading::error(ErrorKind::Format, reason)
        }
        Output::Failed(error) => {
            let text = redact::excerpt(&one_line(expression.text()), RAW);
            let reason = format!("the jqExpression `{text}` fails: {}", message_of("", &error));
            Reading::error(ErrorKind::Expression, reason)
        }
    }
}

/// Returns the error of a response that does not answer the question, which an expression may turn into a number all the same:
/// `.data.v // 0`.
fn error_in(question: &Question<'_>, body: &[u8]) -> Option<Missing> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let format = |reason: String| Some(Missing::error(ErrorKind::Format, reason));
    if jq_text::reads(question.text, "data.result") && json.pointer("/data/result").is_none() {
        return match failure::of_provider(&json) {
            Some(error) => Some(reported(&error)),
            None => format(format!("the response is not in Prometheus's format; it is `{}`", excerpt(body))),
        };
    }
    if let Some(error) = question.error_instead(&json) {
        return Some(reported(&error));
    }
    if !question.is_foreign(&json) || question.reads_errors() {
        return None;
    }
    let (keys, excerpt) = (message_of("", &question.first_keys()), excerpt(body));
    format(format!("the response has none of the keys that the jqExpression reads ({keys}); it is `{excerpt}`"))
}

fn reported(error: &str) -> Missing {
    Missing::error(ErrorKind::Provider, format!("the provider reports an error: {}", message_of("", error)))
}

/// Explains null or no output.
fn nothing(metric: &MetricSpec, output: &str, body: &[u8]) -> Missing {
    absent(metric, &format!("the jqExpression yields {output}; the response is `{}`", excerpt(body)))
}

/// Returns the start of a body, in one line and without secrets.
fn excerpt(body: &[u8]) -> String {
    let start = &body[..body.len().min(MAX_MESSAGE * 4)];
    redact::excerpt(&one_line(&String::from_utf8_lossy(start)), RAW)
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
