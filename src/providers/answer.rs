//! What a provider's answer says of a metric.

use super::prometheus::{Data, Envelope, envelope};
use super::reduce::Reduce;
use super::spec::MetricSpec;
use crate::model::readable::show;
use crate::model::text::truncate;
use crate::redact::redact_text;
use crate::templates::jq::Output;

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
    /// What there is to say of the values themselves.
    pub remark: Option<String>,
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
        Self { found, series: None, raw: None, warnings: Vec::new(), remark: None }
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
            None => {
                let lack = match metric.reduce {
                    Some(_) => "which `reduce` is for",
                    None => "and there is no `jqExpression` to read it with",
                };
                let reason = format!("the answer is not Prometheus's, {lack}{}", looks(answer.body));
                Reading::plain(Found::Unusable(reason))
            }
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
    truncate(&redact_text(&text), TOLD)
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
    let empty = |words: &str| absent(metric, words);
    // Series are counted before anything else looks at them.
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
            return Reading::plain(Found::Unusable(format!("the result is a {kind}, which is not a number")));
        }
        _ if several => Reading::plain(Found::Unusable(several_series(count))),
        Data::Broken { .. } if metric.reduce == Some(Reduce::Jq) => by_expression(metric, body),
        Data::Broken { reason, .. } => Reading::plain(Found::Unusable(reason)),
        Data::Matrix(series) if metric.is_range => of_range(&series, metric.reduce, &empty),
        Data::Vector(list) if list.is_empty() => of_nothing(metric, body),
        Data::Matrix(list) if list.is_empty() => of_nothing(metric, body),
        Data::Matrix(_) if metric.expression.is_some() && !metric.takes_first => by_expression(metric, body),
        Data::Matrix(_) => {
            let reason = "the query gives many values of each series, and one number is wanted";
            Reading::plain(Found::Unusable(reason.to_owned()))
        }
        Data::Vector(samples) => of_vector(metric, &samples, body, &empty),
        Data::Scalar(sample) => of_vector(metric, &[sample], body, &empty),
    };
    Reading { series: Some(count as u64), ..reading }
}

/// Why there is nothing, in the metric's own words if it has some.
fn absent(metric: &MetricSpec, words: &str) -> Found {
    Found::Absent(metric.when_empty.clone().unwrap_or_else(|| words.to_owned()))
}

/// What is made of a result without series: the number that the expression has for that, if it has one.
fn of_nothing(metric: &MetricSpec, body: &[u8]) -> Reading {
    if metric.expression.is_some() && !metric.takes_first {
        let reading = by_expression(metric, body);
        if matches!(reading.found, Found::Value(_)) {
            return reading;
        }
    }
    Reading::plain(absent(metric, "no series matches the query (the result is empty)"))
}

/// One number of at least one sample.
fn of_vector(metric: &MetricSpec, samples: &[(f64, String)], body: &[u8], empty: &dyn Fn(&str) -> Found) -> Reading {
    let first = || of_samples(samples, Reduce::First, empty);
    match metric.reduce {
        Some(reduce) if reduce != Reduce::Jq => of_samples(samples, reduce, empty),
        _ if metric.expression.is_none() || metric.takes_first => first(),
        _ => match (by_expression(metric, body), samples) {
            // What the expression stumbled over may be a sample that is no number.
            (Reading { found: Found::Absent(_) | Found::Unusable(_), .. }, [(_, text)]) if !is_finite(text) => first(),
            (reading, _) => reading,
        },
    }
}

fn several_series(count: usize) -> String {
    format!(
        "the query gives {count} series, and one number is wanted: aggregate in the query, or say `reduce`: sum, max, min, avg, first or jq"
    )
}

fn is_finite(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}

/// A value as Prometheus writes it, or what is wrong with it.
fn number(text: &str) -> Result<f64, Found> {
    text.trim().parse::<f64>().map_err(|_| Found::Unusable(format!("the value `{}` is not a number", told("", text))))
}

/// One number of samples as Prometheus writes them.
fn of_samples(samples: &[(f64, String)], reduce: Reduce, empty: &dyn Fn(&str) -> Found) -> Reading {
    let values: Result<Vec<f64>, Found> = samples.iter().map(|(_, text)| number(text)).collect();
    let found = match values.map(|values| reduce.of(&values)) {
        Err(unusable) => unusable,
        Ok(None) => empty("the result is empty"),
        Ok(Some(value)) if value.is_nan() && samples.len() > 1 => {
            empty(&format!("one of the {} series is NaN, as of nothing divided by nothing", samples.len()))
        }
        Ok(Some(value)) => finite(value, empty),
    };
    let raw = if let [(_, text)] = samples { Some(truncate(&redact_text(text), RAW)) } else { None };
    Reading { raw, ..Reading::plain(found) }
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

/// The values of a range. NaN among them is a gap, which is told.
fn of_range(series: &[Vec<(f64, String)>], reduce: Option<Reduce>, empty: &dyn Fn(&str) -> Found) -> Reading {
    if series.is_empty() {
        return Reading::plain(empty("no series matches the query in that range (the result is empty)"));
    }
    let parse = |(time, text): &(f64, String)| Ok((*time, number(text)?));
    let parsed: Result<Vec<Vec<(f64, f64)>>, Found> =
        series.iter().map(|samples| samples.iter().map(parse).collect()).collect();
    let mut values = match parsed {
        Ok(series) => reduce.unwrap_or(Reduce::First).of_series(&series),
        Err(unusable) => return Reading::plain(unusable),
    };
    let all = values.len();
    values.retain(|value| !value.is_nan());
    let gaps = all - values.len();
    let found = match values {
        values if values.iter().any(|value| value.is_infinite()) => {
            Found::Unusable("one of the values is infinite".to_owned())
        }
        values if values.is_empty() => empty("none of the values is a number"),
        values => Found::Samples(values),
    };
    let remark = (gaps > 0).then(|| format!("{gaps} of {all} values are NaN, and left out"));
    Reading { remark, ..Reading::plain(found) }
}

/// One number, made by the metric's expression. A text counts where it is a number.
fn by_expression(metric: &MetricSpec, body: &[u8]) -> Reading {
    let Some(expression) = &metric.expression else {
        return Reading::plain(Found::Unusable("no expression".to_owned()));
    };
    let empty = |words: &str| absent(metric, words);
    match expression.value(body) {
        Output::Number(value, raw) => {
            let raw = if value.is_finite() { raw } else { show(value) };
            Reading { raw: Some(truncate(&raw, RAW)), ..Reading::plain(finite(value, &empty)) }
        }
        Output::Text(text) => {
            let found = match text.trim().parse::<f64>() {
                Ok(value) => finite(value, &empty),
                Err(_) => {
                    let shown = truncate(&redact_text(&text), RAW);
                    Found::Unusable(format!("the jqExpression yields the text `{shown}`, which is not a number"))
                }
            };
            Reading { raw: Some(truncate(&redact_text(&text), RAW)), ..Reading::plain(found) }
        }
        Output::Nothing(word) => Reading::plain(empty(&format!("the jqExpression yields {word}"))),
        Output::Other(shown) => {
            let shown = truncate(&redact_text(&shown), RAW);
            Reading::plain(Found::Unusable(format!("the jqExpression yields {shown}, which is not one number")))
        }
        Output::NotJson(words) => {
            let words = truncate(&words, RAW);
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
