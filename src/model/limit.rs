//! Limits as people write them: `60`, `60ms`, `1.5s`, `0.1%`, `+10%`, `+0.5pp`.
//!
//! A unit must fit the metric, because a limit in the wrong unit would satisfy anything. The units of metrics that a load does not measure
//! itself are not known before the run, so limits on them are plain numbers.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::metric_name::{Aggregation, MetricName, split_percentile};
use super::number::Number;
use super::slo::Bound;
use super::text::truncate;

/// Units that a limit may have: spelling, power of ten of the metric's unit, and what it measures. Minutes are not a unit: `60m` is
/// probably a typo for `60ms`, and nothing would violate it.
const UNITS: [(&str, i32, Kind); 9] = [
    ("ns", -6, Kind::Time),
    ("us", -3, Kind::Time),
    ("µs", -3, Kind::Time),
    ("μs", -3, Kind::Time),
    ("ms", 0, Kind::Time),
    ("msec", 0, Kind::Time),
    ("s", 3, Kind::Time),
    ("%", -2, Kind::Percent),
    ("pp", -2, Kind::Points),
];

/// Distributions of times that loads measure.
const TIMES: [&str; 7] =
    ["latency", "service-time", "success-latency", "first-byte", "connect", "first-message", "between-messages"];

/// Fractions that loads measure.
const SHARES: [&str; 2] = ["error-rate", "split"];

/// Numbers of requests that loads count.
const COUNTS: [&str; 2] = ["request-count", "error-count"];

/// Regular expression of a limit; Helm's engine reads it, too.
const PATTERN: &str = r"^\s*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+|\s*(ns|us|µs|μs|ms|msec|s|%|pp))?\s*$";

/// Maximum length of a limit in a message, in characters.
const MAX_EXCERPT: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Time,
    Percent,
    /// Percentage points: a difference of two shares.
    Points,
}

/// Quantity that a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    /// In milliseconds.
    Time,
    /// A fraction of 1.
    Share,
    Count,
    Unknown,
}

/// A limit with its unit, if it has one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    /// The original text, for messages.
    text: String,
    /// The number in the metric's unit.
    number: f64,
    kind: Option<Kind>,
    /// Has a plus or minus sign.
    is_signed: bool,
}

/// Reason why a limit does not fit its metric, and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Limit {
    /// Parses a number with or without a unit.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| c.is_alphabetic() || c == '%').unwrap_or(trimmed.len());
        let (digits, unit) = (trimmed[..end].trim_end(), &trimmed[end..]);
        let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
        let (number, kind) = match UNITS.iter().find(|(name, ..)| *name == unit) {
            // The exponent keeps 0.7 % from becoming 0.006999999999999999.
            Some((_, power, kind)) if is_plain => (format!("{digits}e{power}").parse::<f64>().ok()?, Some(*kind)),
            Some(_) => return None,
            None => (trimmed.parse::<f64>().ok()?, None),
        };
        let is_signed = digits.starts_with(['+', '-']);
        number.is_finite().then(|| Self { text: trimmed.to_owned(), number, kind, is_signed })
    }

    /// Returns true for `+10%` and `+0.5pp`, which are limits relative to version 0.
    pub(crate) fn is_relative(&self) -> bool {
        self.kind == Some(Kind::Points) || (self.is_signed && self.kind == Some(Kind::Percent))
    }

    /// Returns true if the limit has a unit.
    pub(crate) fn has_unit(&self) -> bool {
        self.kind.is_some()
    }

    /// Returns true for a number that has a plus sign and no unit.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.kind.is_none() && self.text.starts_with('+')
    }

    /// Returns the limit in the unit of the metric, moved such that the limit itself violates it. A time stays: what is measured is rounded,
    /// so equal times are equal by chance.
    pub(crate) fn strictly(&self, metric: &MetricName, bound: Bound) -> Result<f64, Misfit> {
        let limit = self.of(metric)?;
        Ok(match (quantity(metric), bound) {
            (Quantity::Time, _) => limit,
            (Quantity::Count, Bound::Upper) => limit.ceil() - 1.0,
            (Quantity::Count, Bound::Lower) => limit.floor() + 1.0,
            (Quantity::Share | Quantity::Unknown, Bound::Upper) => limit.next_down(),
            (Quantity::Share | Quantity::Unknown, Bound::Lower) => limit.next_up(),
        })
    }

    /// Builds the error of an upper limit on a share that every share satisfies: `error-rate <= 1` was probably meant as 1 %. `None` for other
    /// limits.
    pub(crate) fn every_share_satisfies(&self, metric: &MetricName) -> Option<Misfit> {
        let is_share = matches!(self.kind, None | Some(Kind::Percent)) && quantity(metric) == Quantity::Share;
        (is_share && self.number >= 1.0).then(|| {
            let text = truncate(&self.text, MAX_EXCERPT);
            self.misfit(
                &format!("`{text}` is a limit that every share satisfies; expected less than 1"),
                "write a share such as `1%` or 0.01",
            )
        })
    }

    /// Returns true for a metric of a load that is at most 1.
    pub(crate) fn is_of_share(metric: &MetricName) -> bool {
        quantity(metric) == Quantity::Share
    }

    /// Builds the error of a limit that every measurement of a load satisfies or violates, because none is below 0. `None` for other limits.
    /// `is_strict` says that the limit itself violates it.
    pub(crate) fn nothing_decides(&self, metric: &MetricName, bound: Bound, is_strict: bool) -> Option<Misfit> {
        let is_zero = self.number == 0.0;
        let always = match bound {
            Bound::Upper if self.number < 0.0 || is_zero && is_strict => "violates",
            Bound::Lower if self.number < 0.0 || is_zero && !is_strict => "satisfies",
            _ => return None,
        };
        (quantity(metric) != Quantity::Unknown).then(|| {
            let text = truncate(&self.text, MAX_EXCERPT);
            let message = format!("`{text}` is a limit that every value {always}, because none is below 0");
            self.misfit(&message, "write `<=` for the highest accepted value, `>=` for the lowest")
        })
    }

    /// Builds the error of a limit with a unit on a metric of a custom metrics template, whose unit is not known.
    pub(crate) fn unknown_unit(&self, metric: &MetricName) -> Misfit {
        let text = truncate(&self.text, MAX_EXCERPT);
        self.misfit(
            &format!("the unit of `{metric}` is not known before the run, so `{text}` cannot be converted to it"),
            "write the number in the metric's own unit, without a unit",
        )
    }

    /// Returns the limit in the unit of the metric.
    pub(crate) fn of(&self, metric: &MetricName) -> Result<f64, Misfit> {
        let quantity = quantity(metric);
        match (self.kind, quantity) {
            (Some(_), _) if self.is_relative() => Err(self.misfit(
                &format!("`{}` is relative to version 0, and this limit is not", self.text),
                "set it as `assess.relative.upper`, or write it without the sign",
            )),
            (None, _) | (Some(Kind::Time), Quantity::Time) | (Some(Kind::Percent), Quantity::Share) => Ok(self.number),
            (Some(_), Quantity::Time) => Err(self.unfit(metric, "a time", "write a time, such as `60ms` or `1.5s`")),
            (Some(_), Quantity::Share) => {
                Err(self.unfit(metric, "a fraction", "write a share, such as `0.1%` or 0.001"))
            }
            (Some(_), Quantity::Count) => {
                let hint = match metric.metric.as_str() {
                    "error-count" => "write a number without a unit, or limit `error-rate` to a share",
                    _ => "write a number without a unit",
                };
                Err(self.unfit(metric, "a number of requests", hint))
            }
            (Some(_), Quantity::Unknown) if metric.is_of_load() => Err(self.unmeasured(metric)),
            (Some(_), Quantity::Unknown) => Err(self.unknown_unit(metric)),
        }
    }

    /// Builds the error of a limit with a unit on a metric that no load measures.
    fn unmeasured(&self, metric: &MetricName) -> Misfit {
        let text = truncate(&self.text, MAX_EXCERPT);
        let message = format!("no load measures `{metric}`, so `{text}` cannot be converted to its unit");
        let hint = nearest_metric(metric).map(|nearest| format!("did you mean `{nearest}`?"));
        self.misfit(&message, &hint.unwrap_or_else(|| "write the number in the metric's own unit, without a unit; `iter8 metrics` lists the metrics of loads".to_owned()))
    }

    /// Returns the ratio to version 0 that the limit accepts: 1.1 for `+10%`.
    pub(crate) fn ratio(&self) -> Result<f64, Misfit> {
        match self.kind {
            None => Ok(self.number),
            // Without the error of the sum: 1.1, not 1.1000000000000001.
            Some(Kind::Percent) if self.is_signed => Ok(((1.0 + self.number) * 1e12).round() / 1e12),
            Some(Kind::Percent) => Err(self.misfit(
                &format!("`{}` has no sign", self.text),
                &format!("write `+{}` to accept that much more than version 0", self.text),
            )),
            Some(Kind::Time | Kind::Points) => Err(self.misfit(
                &format!("`{}` is not a ratio to version 0", self.text),
                "write a percentage with a sign, such as `+10%`, or a ratio, such as 1.1",
            )),
        }
    }

    /// Returns the difference from version 0 that the limit accepts: 0.005 for `+0.5pp`.
    pub(crate) fn difference(&self) -> Result<f64, Misfit> {
        match self.kind {
            None | Some(Kind::Points) => Ok(self.number),
            Some(Kind::Time | Kind::Percent) => Err(self.misfit(
                &format!("`{}` is not a difference of two rates", self.text),
                "write percentage points, such as `+0.5pp`, or a difference, such as +0.005",
            )),
        }
    }

    fn unfit(&self, metric: &MetricName, quantity: &str, hint: &str) -> Misfit {
        self.misfit(&format!("the unit of `{}` does not fit `{metric}`, which is {quantity}", self.text), hint)
    }

    fn misfit(&self, message: &str, hint: &str) -> Misfit {
        Misfit { message: message.to_owned(), hint: hint.to_owned() }
    }
}

/// Returns the name without a percentile or a statistic: `latency` of `latency-p99`.
fn base(metric: &MetricName) -> &str {
    let name = metric.metric.as_str();
    let statistic = || ["-mean", "-stddev", "-min", "-max"].iter().find_map(|suffix| name.strip_suffix(suffix));
    split_percentile(name).map(|(base, _)| base).or_else(statistic).unwrap_or(name)
}

/// Returns the metric of the same load with the nearest name.
fn nearest_metric(metric: &MetricName) -> Option<String> {
    let base = base(metric);
    let is_whole = metric.aggregation.is_none() && base == metric.metric;
    let others = if is_whole { [&SHARES[..], &COUNTS[..]].concat() } else { TIMES.to_vec() };
    let nearest = suggest::nearest(base, others)?;
    Some(metric.to_string().replacen(&format!("/{base}"), &format!("/{nearest}"), 1))
}

/// Returns what a metric measures, if a load measures it. Other providers choose their own units.
fn quantity(metric: &MetricName) -> Quantity {
    if !metric.is_of_load() {
        return Quantity::Unknown;
    }
    let (name, base) = (metric.metric.as_str(), base(metric));
    match metric.aggregation {
        Some(Aggregation::Count) if TIMES.contains(&name) => Quantity::Count,
        Some(_) if TIMES.contains(&name) => Quantity::Time,
        Some(_) => Quantity::Unknown,
        None if TIMES.contains(&base) => Quantity::Time,
        None if SHARES.contains(&name) => Quantity::Share,
        None if COUNTS.contains(&name) => Quantity::Count,
        None => Quantity::Unknown,
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Self::parse(&text).ok_or_else(|| {
                let expected = "expected a number, or one with a unit, such as `60ms`, `1.5s` or `0.1%`";
                serde::de::Error::custom(format!("`{}` is not a number; {expected}", truncate(&text, MAX_EXCERPT)))
            }),
            other => {
                let Number(number) = Number::deserialize(&other).map_err(serde::de::Error::custom)?;
                Ok(Self { text: number.to_string(), number, kind: None, is_signed: number < 0.0 })
            }
        }
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number in the metric's unit, or one with a unit that fits the metric: `60ms`, `1.5s`, `0.1%`.",
            "anyOf": [{"type": "number"}, {"type": "string", "pattern": PATTERN}]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, metric: &str) -> Result<f64, String> {
        let limit = Limit::parse(text).unwrap_or_else(|| panic!("{text}"));
        limit.of(&metric.parse().unwrap()).map_err(|misfit| misfit.message)
    }

    #[test]
    fn units_convert_exactly_to_that_of_the_metric() {
        for (text, metric, expected) in [
            ("60ms", "http/latency-p99", 60.0),
            ("60 ms", "http/latency/p99", 60.0),
            ("1.5s", "grpc/latency-mean", 1500.0),
            ("250us", "http-get/connect/max", 0.25),
            ("250µs", "http/service-time-p50", 0.25),
            ("100ns", "grpc/first-message/p99", 0.0001),
            ("0.1%", "http/error-rate", 0.001),
            ("0.7%", "http-get/error-rate", 0.007),
            (".3 %", "grpc/split", 0.003),
            ("60", "http/latency-p99", 60.0),
            ("1e3", "prom/memory", 1000.0),
            ("-5", "prom/drift", -5.0),
        ] {
            assert_eq!(of(text, metric), Ok(expected), "{text} of {metric}");
        }
    }

    #[test]
    fn a_unit_that_does_not_fit_the_metric_is_refused() {
        for (text, metric, expected) in [
            ("60ms", "http/error-rate", "the unit of `60ms` does not fit `http/error-rate`, which is a fraction"),
            ("1%", "http/latency-p99", "the unit of `1%` does not fit `http/latency-p99`, which is a time"),
            (
                "1s",
                "http/error-count",
                "the unit of `1s` does not fit `http/error-count`, which is a number of requests",
            ),
            (
                "1%",
                "http/latency/count",
                "the unit of `1%` does not fit `http/latency/count`, which is a number of requests",
            ),
            (
                "60ms",
                "prom/latency-p99",
                "the unit of `prom/latency-p99` is not known before the run, so `60ms` cannot be converted to it",
            ),
            (
                "90%",
                "httpd/error-rate",
                "the unit of `httpd/error-rate` is not known before the run, so `90%` cannot be converted to it",
            ),
            ("5%", "http/eror-rate", "no load measures `http/eror-rate`, so `5%` cannot be converted to its unit"),
            ("+10%", "http/error-rate", "`+10%` is relative to version 0, and this limit is not"),
            ("0.5pp", "http/error-rate", "`0.5pp` is relative to version 0, and this limit is not"),
        ] {
            assert_eq!(of(text, metric), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_misspelled_metric_of_a_load_has_a_suggestion() {
        let hint = |metric: &str| Limit::parse("5%").unwrap().of(&metric.parse().unwrap()).unwrap_err().hint;
        for (metric, expected) in [
            ("http/eror-rate", "did you mean `http/error-rate`?"),
            ("grpc-a/reqest-count", "did you mean `grpc-a/request-count`?"),
            ("http/latncy-p95", "did you mean `http/latency-p95`?"),
            ("grpc/sevice-time/mean", "did you mean `grpc/service-time/mean`?"),
            (
                "http/nothing-near",
                "write the number in the metric's own unit, without a unit; `iter8 metrics` lists the metrics of loads",
            ),
        ] {
            assert_eq!(hint(metric), expected);
        }
    }

    #[test]
    fn a_strict_limit_is_violated_by_its_own_value() {
        let strictly = |text: &str, metric: &str, bound| {
            Limit::parse(text).unwrap().strictly(&metric.parse().unwrap(), bound).unwrap()
        };
        for (text, metric, bound, expected) in [
            ("1", "http/error-count", Bound::Upper, 0.0),
            ("1.5", "http/error-count", Bound::Upper, 1.0),
            ("95", "grpc/request-count", Bound::Lower, 96.0),
            ("60ms", "http/latency-p99", Bound::Upper, 60.0),
        ] {
            assert_eq!(strictly(text, metric, bound), expected, "{text} of {metric}");
        }
        assert!(strictly("0.1%", "http/error-rate", Bound::Upper) < 0.001);
        assert!(strictly("0.9", "prom/hits", Bound::Lower) > 0.9 && strictly("0", "prom/drift", Bound::Upper) < 0.0);
    }

    #[test]
    fn relative_limits_are_percentages_or_points() {
        let of = |text: &str| Limit::parse(text).unwrap();
        for (text, expected) in [("+10%", 1.1), ("-5%", 0.95), ("+7 %", 1.07), ("1.25", 1.25), ("+0.1%", 1.001)] {
            assert_eq!(of(text).ratio(), Ok(expected), "{text}");
        }
        for (text, expected) in [("+0.5pp", 0.005), ("0.5pp", 0.005), ("-1 pp", -0.01), ("+0.005", 0.005)] {
            assert_eq!(of(text).difference(), Ok(expected), "{text}");
        }
        assert!(["10%", "60ms", "+1pp"].iter().all(|text| of(text).ratio().is_err()));
        assert!(["+0.5%", "1%", "5ms"].iter().all(|text| of(text).difference().is_err()));
        assert!(of("+5").is_ambiguous() && !of("-5").is_ambiguous() && !of("5").is_ambiguous());
    }

    #[test]
    fn other_texts_are_no_limits() {
        for text in [
            "",
            "ms",
            "fast",
            "60 parsecs",
            "1e3ms",
            "1 000",
            "60m",
            "1h",
            "NaN",
            "inf",
            "6_0",
            "60ms60",
            "++5%",
            "1e999",
            "5%%",
        ] {
            assert_eq!(Limit::parse(text), None, "{text}");
        }
    }
}
