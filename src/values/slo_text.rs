//! Grammar of `--slo`: `METRIC SIGN LIMIT`, such as `p99 < 60ms`, `error-rate <= 0.1%` or `p95 <= +10%`.
//!
//! Every SLO becomes a value of `assess`. `<` and `>` exclude the limit itself, except for times and for limits relative to the baseline,
//! where a value equals the limit only by coincidence.

use serde_json::{Map, Value, json};
use suggest::did_you_mean;

use super::input::InputError;
use super::origin::Origin;
use crate::model::codec;
use crate::model::limit::{Limit, Misfit};
use crate::model::metric_name::{MetricName, percentile};
use crate::model::slo::Bound;
use crate::model::text::truncate;
use crate::redact::redact_text;

/// Name of the flag in messages.
pub(crate) const FLAG: &str = "--slo";

/// Maximum length of an SLO in a message, in characters.
const MAX_EXCERPT: usize = 80;

/// Short names and the metrics of a load that they stand for; percentiles (`p99`) are latencies, too.
const SHORT: [(&str, &str); 8] = [
    ("mean", "latency-mean"),
    ("min", "latency-min"),
    ("max", "latency-max"),
    ("stddev", "latency-stddev"),
    ("error-rate", "error-rate"),
    ("error-count", "error-count"),
    ("errors", "error-count"),
    ("requests", "request-count"),
];

/// Words for the request rate, which is no metric: a load that misses its rate makes every SLO inconclusive anyway.
const RATES: [&str; 4] = ["qps", "rps", "rate", "throughput"];

/// Aggregations that gRPC loads have no metrics of their own for.
const STATISTICS: [&str; 4] = ["mean", "min", "max", "stddev"];

/// Returns the short names of a metric; `latency-pX` stands for every percentile, and a distribution is read by several.
pub(crate) fn short_names(provider: &str, metric: &str) -> Vec<&'static str> {
    match (provider, metric) {
        ("http", "latency-pX") => vec!["pX"],
        ("grpc", "latency") => ["pX"].into_iter().chain(STATISTICS).collect(),
        ("http" | "grpc", _) => SHORT.iter().filter(|(_, full)| *full == metric).map(|(short, _)| *short).collect(),
        _ => Vec::new(),
    }
}

/// An SLO as a flag gives it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SloText {
    metric: MetricName,
    bound: Bound,
    is_relative: bool,
    /// Has a short name, such as `p99`.
    is_short: bool,
    /// Reason against the limit if the metric's unit turns out to be unknown; `None` for a limit without a unit.
    unknown_unit: Option<Misfit>,
    /// The limit, as a value.
    limit: Value,
    /// The flag's text.
    text: String,
}

/// Parses the SLOs of a command line. Short names are metrics of `provider`, a load.
pub(crate) fn parse_slos(texts: &[String], provider: &str) -> Result<Vec<SloText>, Vec<InputError>> {
    let (mut slos, mut errors) = (Vec::<SloText>::new(), Vec::new());
    for text in texts {
        match parse(text, provider) {
            // One of them would be forgotten.
            Ok(slo) if slos.iter().any(|known| known.is_same_metric(&slo)) => {
                let message = format!("`{}` already has a limit in this direction; give only one", slo.metric);
                errors.push(error_in(text, None, &message));
            }
            Ok(slo) => slos.push(slo),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(slos) } else { Err(errors) }
}

impl SloText {
    fn is_same_metric(&self, other: &Self) -> bool {
        (&self.metric, self.bound, self.is_relative) == (&other.metric, other.bound, other.is_relative)
    }

    /// Returns true for a limit relative to version 0.
    pub(crate) fn is_relative(&self) -> bool {
        self.is_relative
    }

    /// Returns true for a short name, which is a metric of the load.
    pub(crate) fn is_short(&self) -> bool {
        self.is_short
    }

    /// Builds the error of a limit with a unit on a metric of a template, whose metrics have units of their own.
    pub(crate) fn lacks_unit_of(&self, is_template: impl Fn(&str) -> bool) -> Option<InputError> {
        let Misfit { message, hint } = self.unknown_unit.as_ref().filter(|_| is_template(&self.metric.provider))?;
        Some(error_in(&self.text, None, message).with_hint(hint))
    }

    /// Builds the error of an SLO that is relative to a version that does not exist.
    pub(crate) fn lacks_baseline(&self) -> InputError {
        error_in(&self.text, None, "the limit is relative to a baseline, and there is only one version")
            .with_hint("name the baseline with --against URL")
    }

    /// Adds the SLO to the values of `assess`. Iter8 also writes the bounds of `SLOs` with a capital; `given` are those of other values, with
    /// which they are merged.
    pub(crate) fn add_to(&self, assess: &mut Map<String, Value>, given: &Value) {
        let [bound, capital] = if self.bound == Bound::Upper { ["upper", "Upper"] } else { ["lower", "Lower"] };
        let (key, bound) = match (self.is_relative, given.get(capital)) {
            (true, _) => ("relative", bound),
            (false, None | Some(Value::Null)) => ("SLOs", bound),
            (false, Some(_)) => ("SLOs", capital),
        };
        let limits = assess.entry(key).or_insert_with(|| json!({}));
        limits[bound][self.metric.to_string()] = self.limit.clone();
    }
}

/// A part of the text, and its column.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    column: usize,
}

fn parse(text: &str, provider: &str) -> Result<SloText, InputError> {
    let at = text.find(['<', '>', '=', '!', '~']).unwrap_or(text.len());
    let rest = &text[at..];
    let sign_end = rest.find(|c| !matches!(c, '<' | '>' | '=' | '!' | '~')).unwrap_or(rest.len());
    let [name, sign, limit] = [0..at, at..at + sign_end, at + sign_end..text.len()].map(|range| {
        let part = &text[range.clone()];
        let skipped = part.len() - part.trim_start().len();
        Part { text: part.trim(), column: text[..range.start + skipped].chars().count() + 1 }
    });
    if name.text.is_empty() {
        return Err(error_in(text, Some(name), "expected a metric, such as `p99` or `error-rate`").with_hint(EXAMPLE));
    }
    // The first word is the metric, so that `p99 is 5` names what is missing.
    if sign.text.is_empty() {
        let end = name.text.find(char::is_whitespace).unwrap_or(name.text.len());
        let after = &name.text[end..];
        let skipped = end + after.len() - after.trim_start().len();
        let column = name.column + name.text[..skipped].chars().count();
        let sign = Part { text: "", column };
        return Err(error_in(text, Some(sign), "expected `<=`, `<`, `>=` or `>`").with_hint(EXAMPLE));
    }
    let metric = metric(text, name, provider)?;
    let bound = match sign.text {
        "<" | "<=" => Bound::Upper,
        ">" | ">=" => Bound::Lower,
        // No count is below 0.
        "=" | "==" if limit.text == "0" && matches!(metric.metric.as_str(), "error-count" | "error-rate") => {
            Bound::Upper
        }
        other => {
            let message = format!("`{other}` is not a comparison; expected `<=`, `<`, `>=` or `>`");
            return Err(error_in(text, Some(sign), &message));
        }
    };
    let in_limit = |message: &str| error_in(text, Some(limit), message);
    if limit.text.is_empty() {
        return Err(in_limit("expected a limit, such as `60ms`, `0.1%` or `+10%`"));
    }
    let Some(parsed) = Limit::parse(limit.text) else {
        let message = "is not a limit; expected a number, optionally with a unit (`60ms`, `1.5s`, `0.1%`), or one relative to \
                       the baseline: `+10%`, `+0.5pp`";
        return Err(in_limit(&format!("`{}` {message}", limit.text)));
    };
    if parsed.is_ambiguous() {
        let number = limit.text.trim_start_matches('+');
        let message = format!(
            "`{}` has a sign and no unit; expected `{number}`, or `+{number}%` more than the baseline",
            limit.text
        );
        return Err(in_limit(&message));
    }
    let is_relative = parsed.is_relative();
    if is_relative && bound == Bound::Lower {
        return Err(in_limit("a limit relative to the baseline must be an upper one; expected `<=` or `<`"));
    }
    let misfit = |Misfit { message, hint }| in_limit(&message).with_hint(hint);
    let is_strict = matches!(sign.text, "<" | ">");
    let of_share = || parsed.every_share_satisfies(&metric).filter(|_| bound == Bound::Upper);
    let vacuous =
        if is_relative { None } else { of_share().or_else(|| parsed.nothing_decides(&metric, bound, is_strict)) };
    if let Some(reason) = vacuous {
        return Err(misfit(reason));
    }
    let limit = match is_relative {
        true => json!(limit.text),
        false => {
            let number = if is_strict { parsed.strictly(&metric, bound) } else { parsed.of(&metric) };
            // A file has integers without a fraction.
            let number = codec::number(number.map_err(misfit)?);
            Value::Number(number.ok_or_else(|| in_limit(&format!("`{}` is out of range", limit.text)))?)
        }
    };
    let unknown_unit = (parsed.has_unit() && !is_relative).then(|| parsed.unknown_unit(&metric));
    let is_short = !name.text.contains('/');
    Ok(SloText { metric, bound, is_relative, is_short, unknown_unit, limit, text: text.to_owned() })
}

const EXAMPLE: &str = "for example, --slo 'p99 < 60ms' or --slo 'error-rate <= 0.1%'";

/// Reads a full name or a short one.
fn metric(text: &str, name: Part<'_>, provider: &str) -> Result<MetricName, InputError> {
    let full = match SHORT.iter().find(|(short, _)| *short == name.text) {
        Some((short, _)) if provider != "http" && STATISTICS.contains(short) => format!("{provider}/latency/{short}"),
        Some((_, metric)) => format!("{provider}/{metric}"),
        None if percentile(name.text).is_some() && provider == "http" => format!("{provider}/latency-{}", name.text),
        None if percentile(name.text).is_some() => format!("{provider}/latency/{}", name.text),
        None if name.text.contains('/') => name.text.to_owned(),
        None if RATES.contains(&name.text) => {
            let message = format!("`{}` is a setting of the load, not a metric", name.text);
            let hint = "a load that misses its rate is inconclusive already; for the number of requests, write --slo 'requests >= N'";
            return Err(error_in(text, Some(name), &message).with_hint(hint));
        }
        None => {
            let names = SHORT.map(|(short, _)| short);
            let percentiles = ["p50", "p75", "p90", "p95", "p99", "p99.9"];
            let known = names.join(", ");
            let message = format!(
                "`{}` is not a metric; expected a percentile of the latency such as p99, one of {known}, or a full name such as \
                 `{provider}/latency-p99`",
                name.text
            );
            let error = error_in(text, Some(name), &message);
            let nearest = did_you_mean(name.text, names.into_iter().chain(percentiles));
            return Err(nearest.into_iter().fold(error, InputError::with_hint));
        }
    };
    full.parse().map_err(|error| error_in(text, Some(name), &format!("{error}")))
}

/// Builds an error at a part of the text.
fn error_in(text: &str, part: Option<Part<'_>>, message: &str) -> InputError {
    let origin = Origin::Flag(format!("{FLAG} \"{}\"", truncate(&redact_text(text), MAX_EXCERPT)));
    let column = part.map(|part| format!("column {}: ", part.column)).unwrap_or_default();
    InputError::of_source(origin, format!("{column}{}", redact_text(message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str], provider: &str) -> Result<Value, Vec<String>> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let slos = parse_slos(&texts, provider)
            .map_err(|errors| errors.iter().map(InputError::with_next_step).collect::<Vec<_>>())?;
        let mut assess = Map::new();
        slos.iter().for_each(|slo| slo.add_to(&mut assess, &Value::Null));
        Ok(Value::Object(assess))
    }

    #[test]
    fn slos_become_values_of_assess() {
        let texts = [
            "p99 < 60ms",
            "p99.9<=1.5s",
            " mean  <  20ms ",
            "error-rate <= 0.1%",
            "errors = 0",
            "requests >= 95",
            "http-get/latency/p95 <= 0.25 s",
            "app/foo >= -5",
            "errors >= 1",
            "http-get/request-count > 0",
            "requests < 200",
            "p95 <= +10%",
            "error-rate <= +0.5pp",
        ];
        let expected = json!({
            "SLOs": {
                "upper": {
                    "http/latency-p99": 60,
                    "http/latency-p99.9": 1500,
                    "http/latency-mean": 20,
                    "http/error-rate": 0.001,
                    "http/error-count": 0,
                    "http-get/latency/p95": 250,
                    "http/request-count": 199,
                },
                "lower": {"http/request-count": 95, "http/error-count": 1, "app/foo": -5, "http-get/request-count": 1},
            },
            "relative": {"upper": {"http/latency-p95": "+10%", "http/error-rate": "+0.5pp"}},
        });
        assert_eq!(values(&texts, "http"), Ok(expected));
        let expected =
            json!({"SLOs": {"upper": {"grpc/latency/p99": 60, "grpc/latency/mean": 5, "grpc/error-rate": 0}}});
        assert_eq!(values(&["p99 < 60ms", "mean <= 5", "error-rate == 0"], "grpc"), Ok(expected));
    }

    #[test]
    fn short_names_are_those_that_are_read() {
        for (provider, metric) in [
            ("http", "latency-pX"),
            ("http", "latency-mean"),
            ("http", "latency-stddev"),
            ("http", "error-count"),
            ("http", "request-count"),
            ("grpc", "latency"),
            ("grpc", "error-rate"),
        ] {
            let names = short_names(provider, metric);
            assert!(!names.is_empty(), "{provider}/{metric}");
            for name in names {
                let text = format!("{} <= 0.5", name.replace("pX", "p99"));
                let slos = parse_slos(&[text], provider).unwrap();
                let full = format!("{provider}/{}", metric.replace("pX", "p99"));
                assert!(slos[0].is_short && slos[0].metric.to_string().starts_with(&full), "{:?}", slos[0]);
            }
        }
        assert!(short_names("http-cart", "error-rate").is_empty() && short_names("http", "service-time-pX").is_empty());
    }

    #[test]
    fn limits_that_decide_nothing_are_refused() {
        for (text, expected) in [
            ("error-rate <= 100%", "`100%` is a limit that every share satisfies; expected less than 1"),
            ("p99 > -5ms", "`-5ms` is a limit that every value satisfies, because none is below 0"),
            ("requests >= 0", "`0` is a limit that every value satisfies, because none is below 0"),
            ("errors < 0", "`0` is a limit that every value violates, because none is below 0"),
            ("p99 < -5ms", "`-5ms` is a limit that every value violates, because none is below 0"),
        ] {
            let errors = values(&[text], "http").expect_err(text);
            assert!(errors[0].contains(expected), "{errors:?}");
        }
        // Metrics of providers may be negative.
        values(&["app/score >= -5", "app/score <= -1"], "http").unwrap();
    }

    #[test]
    fn mistakes_name_the_column() {
        let column = |text: &str| {
            let message = values(&[text], "http").expect_err(text).remove(0);
            message.split("column ").nth(1).and_then(|rest| rest.split(':').next()?.parse::<usize>().ok())
        };
        for (text, expected) in [
            ("< 60ms", 1),
            ("p99", 4),
            ("p99 is 60ms", 5),
            ("p99 != 60ms", 5),
            ("p99 = 60ms", 5),
            ("p99 <=", 7),
            (" p99  <=  fast", 11),
            ("eror-rate <= 1%", 1),
            ("p99 <= +5", 8),
            ("p99 >= +10%", 8),
            ("p99 < 60m", 7),
            ("error-rate <= 1", 15),
            ("error-rate <= 100%", 15),
        ] {
            assert_eq!(column(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_metric_has_one_limit_on_each_side() {
        assert!(values(&["p99 < 60ms", "http/latency-p99.0 <= 50"], "http").is_err());
        assert!(values(&["p99 < 60ms", "p99 > 1ms", "p99 <= +10%"], "http").is_ok());
    }
}
