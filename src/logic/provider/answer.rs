//! What a provider's answer says of a metric.

use super::prometheus::{Data, Envelope, envelope};
use super::reduce::Reduce;
use super::spec::{MetricSpec, clipped};
use crate::logic::jq::Output;
use crate::logic::mask::mask_text;
use crate::logic::numbers::show;

/// How much of a provider's own words is told, in characters.
const TOLD: usize = 300;

/// How much of a value is kept as it was written, in characters.
const RAW: usize = 100;

/// Most warnings that are kept.
const MAX_WARNINGS: usize = 5;

/// A provider's answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The value, or why there is none.
    pub found: Found,
    /// How many series the answer had, where that is known.
    pub series: Option<u64>,
    /// The value as it was written.
    pub raw: Option<String>,
    /// What the provider warns of.
    pub warnings: Vec<String>,
}

/// The value, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A finite number.
    Value(f64),
    /// Finite numbers, at least one.
    Samples(Vec<f64>),
    /// The provider was asked and has nothing.
    Absent(String),
    /// The answer can't be used.
    Unusable(String),
}

impl Reading {
    fn plain(found: Found) -> Self {
        Self { found, series: None, raw: None, warnings: Vec::new() }
    }
}

/// Reads what an answer says of a metric.
pub fn read(metric: &MetricSpec, answer: Answer<'_>) -> Reading {
    let envelope = envelope(answer.body);
    if !(200..300).contains(&answer.status) {
        return refused(answer, envelope);
    }
    match envelope {
        Some(Envelope::Error { kind, message, warnings }) => {
            let reason = format!("the provider reports an error: {}", told(&kind, &message));
            Reading { warnings: shown(warnings), ..Reading::plain(Found::Unusable(reason)) }
        }
        Some(Envelope::Success { data, warnings }) => {
            Reading { warnings: shown(warnings), ..of_prometheus(metric, data, answer.body) }
        }
        None => match &metric.expression {
            Some(_) => by_expression(metric, answer.body),
            None => Reading::plain(Found::Unusable(format!(
                "the answer is not Prometheus's, and there is no `jqExpression` to read it with{}",
                looks(answer.body)
            ))),
        },
    }
}

/// An answer whose status says that it is none.
fn refused(answer: Answer<'_>, envelope: Option<Envelope>) -> Reading {
    let Answer { status, body } = answer;
    let (words, warnings) = match envelope {
        Some(Envelope::Error { kind, message, warnings }) => (Some(told(&kind, &message)), warnings),
        _ => (words(body), Vec::new()),
    };
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    let found = match status {
        404 => Found::Absent(format!("the provider answered 404 (not found){words}")),
        401 => Found::Unusable(format!("the provider answered 401 (unauthorized){words}; check the credentials")),
        403 => Found::Unusable(format!("the provider answered 403 (forbidden){words}; check the credentials' rights")),
        300..=399 => Found::Unusable(format!("the provider answered {status}, a redirect that names no place to go")),
        _ => Found::Unusable(format!("the provider answered {status}{words}")),
    };
    Reading { warnings: shown(warnings), ..Reading::plain(found) }
}

/// `bad_data: parse error`, without secrets.
fn told(kind: &str, message: &str) -> String {
    let text = [kind, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    clipped(&mask_text(&text), TOLD)
}

/// What a body says in plain words, if it does.
fn words(body: &[u8]) -> Option<String> {
    if let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(body) {
        let word =
            ["message", "error", "detail", "error_description"].into_iter().find_map(|key| map.get(key)?.as_str());
        return word.map(|word| told("", word));
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_plain = !text.is_empty() && text.len() <= 1_000 && !text.starts_with(['<', '{', '[']);
    is_plain.then(|| told("", &text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// What a body that is no JSON looks like.
fn looks(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(&body[..body.len().min(200)]).trim_start().to_lowercase();
    match start.as_str() {
        "" => "; it is empty".to_owned(),
        text if text.starts_with("<!doctype html") || text.starts_with("<html") => {
            "; it is an HTML page, perhaps that of a login or a proxy".to_owned()
        }
        _ => String::new(),
    }
}

fn shown(warnings: Vec<String>) -> Vec<String> {
    warnings.into_iter().take(MAX_WARNINGS).map(|warning| told("", &warning)).collect()
}

fn of_prometheus(metric: &MetricSpec, data: Data, body: &[u8]) -> Reading {
    let empty = |words: &str| Found::Absent(metric.when_empty.clone().unwrap_or_else(|| words.to_owned()));
    let (count, samples) = match data {
        Data::Vector(samples) => (samples.len(), samples),
        Data::Scalar(sample) => (1, vec![sample]),
        Data::Matrix(series) => return of_matrix(metric, series, &empty, body),
        Data::Other(_) if metric.expression.is_some() => return by_expression(metric, body),
        Data::Other(kind) => {
            return Reading::plain(Found::Unusable(format!("the result is a {kind}, which is not a number")));
        }
    };
    let several = count > 1 && metric.reduce.is_none();
    let reading = match metric.reduce {
        _ if count == 0 => Reading::plain(empty("no series matches the query (the result is empty)")),
        _ if several => Reading::plain(Found::Unusable(several_series(count))),
        Some(reduce) if reduce != Reduce::Jq => of_samples(&samples, reduce, &empty),
        _ if metric.expression.is_some() => match by_expression(metric, body) {
            // What the expression stumbled over may be a sample that is no number.
            Reading { found: Found::Absent(_) | Found::Unusable(_), .. } if count == 1 && !is_finite(&samples[0].1) => {
                of_samples(&samples, Reduce::First, &empty)
            }
            reading => reading,
        },
        _ => of_samples(&samples, Reduce::First, &empty),
    };
    let raw = reading.raw.or_else(|| (count == 1).then(|| clipped(&samples[0].1, RAW)));
    Reading { series: Some(count as u64), raw, ..reading }
}

fn several_series(count: usize) -> String {
    format!(
        "the query gives {count} series, and one number is wanted: aggregate in the query, or say `reduce`: sum, max, min, avg, first or jq"
    )
}

fn is_finite(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}

/// One number of samples as Prometheus writes them.
fn of_samples(samples: &[(f64, String)], reduce: Reduce, empty: &dyn Fn(&str) -> Found) -> Reading {
    let parsed: Result<Vec<f64>, &String> =
        samples.iter().map(|(_, text)| text.trim().parse::<f64>().map_err(|_| text)).collect();
    let found = match parsed {
        Err(text) => Found::Unusable(format!("the value `{}` is not a number", told("", text))),
        Ok(values) => match reduce.of(&values) {
            None => empty("the result is empty"),
            Some(value) => finite(value, empty),
        },
    };
    Reading::plain(found)
}

/// NaN is what Prometheus makes of nothing divided by nothing. Infinity is more than any limit, and never passes for nothing.
fn finite(value: f64, empty: &dyn Fn(&str) -> Found) -> Found {
    match value {
        value if value.is_nan() => empty("the value is NaN, as of nothing divided by nothing"),
        value if value.is_infinite() => {
            Found::Unusable(format!("the value is {}Inf", if value > 0.0 { "+" } else { "-" }))
        }
        value => Found::Value(value),
    }
}

fn of_matrix(
    metric: &MetricSpec,
    series: Vec<Vec<(f64, String)>>,
    empty: &dyn Fn(&str) -> Found,
    body: &[u8],
) -> Reading {
    let count = series.len();
    let found = match metric.reduce {
        _ if !metric.is_range && metric.expression.is_some() => return by_expression(metric, body),
        _ if !metric.is_range => {
            Found::Unusable("the query gives many values of each series, and one number is wanted".to_owned())
        }
        _ if count == 0 => empty("no series matches the query in that range (the result is empty)"),
        None if count > 1 => Found::Unusable(several_series(count)),
        reduce => {
            let parse = |(time, text): &(f64, String)| Some((*time, text.trim().parse::<f64>().ok()?));
            let series: Vec<Vec<(f64, f64)>> =
                series.iter().map(|samples| samples.iter().filter_map(parse).collect()).collect();
            let values = reduce.unwrap_or(Reduce::First).of_series(&series);
            let numbers: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            if values.iter().any(|value| value.is_infinite()) {
                Found::Unusable("one of the values is infinite".to_owned())
            } else if numbers.is_empty() {
                empty("none of the values is a number")
            } else {
                Found::Samples(numbers)
            }
        }
    };
    Reading { series: Some(count as u64), ..Reading::plain(found) }
}

/// One number, made by the metric's expression. A text counts where it is a number.
fn by_expression(metric: &MetricSpec, body: &[u8]) -> Reading {
    let Some(expression) = &metric.expression else {
        return Reading::plain(Found::Unusable("no expression".to_owned()));
    };
    let empty = |words: &str| Found::Absent(metric.when_empty.clone().unwrap_or_else(|| words.to_owned()));
    match expression.value(body) {
        Output::Number(value, raw) => {
            let raw = if value.is_finite() { raw } else { show(value) };
            Reading { raw: Some(clipped(&raw, RAW)), ..Reading::plain(finite(value, &empty)) }
        }
        Output::Text(text) => {
            let found = match text.trim().parse::<f64>() {
                Ok(value) => finite(value, &empty),
                Err(_) => {
                    let shown = clipped(&mask_text(&text), RAW);
                    Found::Unusable(format!("the jqExpression yields the text `{shown}`, which is not a number"))
                }
            };
            Reading { raw: Some(clipped(&mask_text(&text), RAW)), ..Reading::plain(found) }
        }
        Output::Nothing(word) => Reading::plain(empty(&format!("the jqExpression yields {word}"))),
        Output::Other(shown) => {
            let shown = clipped(&mask_text(&shown), RAW);
            Reading::plain(Found::Unusable(format!("the jqExpression yields {shown}, which is not one number")))
        }
        Output::NotJson(words) => {
            let words = clipped(&words, RAW);
            Reading::plain(Found::Unusable(format!("the answer is not JSON ({words}){}", looks(body))))
        }
        Output::Failed(words) => {
            Reading::plain(Found::Unusable(format!("the jqExpression fails: {}", told("", &words))))
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
