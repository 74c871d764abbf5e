//! Verdicts with confidence in words.

use serde::Serialize;

use super::SloReport;
use crate::model::metric_name::MetricRef;
use crate::model::readable::confidence;
use crate::model::slo::Method;
use crate::report::show::{rounded, short, thousands, value_near};
use crate::slo::comparison::{self, comparison};

/// Meaning of a value that is relative to another version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    /// The version's value divided by the other version's.
    Ratio,
    /// The version's value minus the other version's.
    Difference,
}

impl Comparison {
    /// Returns the comparison of a method; a verdict that has none yet is known by its metric.
    pub(super) fn of(method: Option<Method>, metric: &MetricRef) -> Self {
        match method {
            Some(Method::Difference) => Self::Difference,
            Some(Method::Ratio) => Self::Ratio,
            _ if comparison(metric) == Some(comparison::Comparison::Difference) => Self::Difference,
            _ => Self::Ratio,
        }
    }
}

/// Returns an interval without ends that are no numbers; `None` if its ends are in the wrong order.
pub(super) fn ordered(interval: [Option<f64>; 2]) -> Option<[Option<f64>; 2]> {
    let ends = interval.map(|end| end.filter(|end| end.is_finite()));
    let [low, high] = ends;
    let is_reversed = low.zip(high).is_some_and(|(low, high)| low > high);
    (!is_reversed).then_some(ends)
}

impl SloReport {
    /// Formats the value: `47.1`, `× 1.04`, `+0.0012`.
    pub fn value_text(&self) -> Option<String> {
        let value = self.value?;
        Some(self.compared(value, value_near(value, self.limit)))
    }

    /// Formats the limit like the value, in its shortest form.
    pub fn limit_text(&self) -> String {
        self.compared(self.limit, short(self.limit))
    }

    /// Formats the interval: `45.2 to 48.2`, `at least 45.2`.
    pub fn interval_text(&self) -> Option<String> {
        let end = |end: f64| self.compared(end, value_near(end, self.limit));
        Some(match self.interval? {
            [Some(low), Some(high)] => format!("{} to {}", end(low), end(high)),
            [Some(low), None] => format!("at least {}", end(low)),
            [None, Some(high)] => format!("at most {}", end(high)),
            [None, None] => "unknown".to_owned(),
        })
    }

    /// Returns the confidence of each end of the interval, in percent.
    pub fn percent(&self) -> Option<String> {
        percent(self.confidence?)
    }

    /// Formats the effective samples: `1,230 of 1,500`. Those of a comparison are of both versions.
    pub fn effective_text(&self) -> Option<String> {
        let effective = self.effective_samples?;
        let count = if effective < 100.0 { rounded(effective) } else { thousands(effective.round() as u64) };
        Some(match self.samples {
            _ if self.comparison.is_some() => format!("{count} of both versions"),
            Some(samples) if effective <= samples as f64 => format!("{count} of {}", thousands(samples)),
            _ => count,
        })
    }

    /// Formats the further requests that would probably decide: `about 4,100 more requests (82 s at this rate)`. `None` if the reason
    /// has them.
    pub fn needs_text(&self) -> Option<String> {
        let needs = self.needs.filter(|needs| needs.requests > 0 && !self.reason.contains(" more request"))?;
        let noun = if needs.requests == 1 { "request" } else { "requests" };
        let seconds = needs.seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
        let time = seconds.map(|seconds| format!(" ({} at this rate)", span(seconds))).unwrap_or_default();
        Some(format!("about {} more {noun}{time}", thousands(needs.requests)))
    }

    /// Adds the sign of a comparison to a number, with a non-breaking space.
    pub(in crate::report) fn compared(&self, number: f64, text: String) -> String {
        match self.comparison {
            None => text,
            Some(Comparison::Ratio) => format!("×\u{a0}{text}"),
            Some(Comparison::Difference) if number > 0.0 => format!("+{text}"),
            Some(Comparison::Difference) => text,
        }
    }
}

/// Formats a confidence in percent; `None` if it is none.
pub(super) fn percent(level: f64) -> Option<String> {
    (level > 0.0 && level < 1.0).then(|| confidence(level))
}

/// Formats seconds in the unit that people would use.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{} s", rounded(seconds)),
        seconds if seconds < 7_200.0 => format!("{} min", rounded(seconds / 60.0)),
        seconds if seconds < 172_800.0 => format!("{} h", rounded(seconds / 3_600.0)),
        seconds => format!("{} days", rounded(seconds / 86_400.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_that_are_no_numbers_are_open_and_reversed_ends_are_none() {
        assert_eq!(ordered([Some(1.0), Some(2.0)]), Some([Some(1.0), Some(2.0)]));
        assert_eq!(ordered([Some(f64::NAN), Some(f64::INFINITY)]), Some([None, None]));
        assert_eq!(ordered([Some(2.0), Some(1.0)]), None);
    }

    #[test]
    fn confidences_have_the_digits_that_matter() {
        let texts = [0.95, 0.975, 0.99995, 0.5, 1.0, f64::NAN, -3.0].map(percent);
        let expected = [Some("95 %"), Some("97.5 %"), Some("99.995 %"), Some("50 %"), None, None, None];
        assert_eq!(texts.each_ref().map(|text| text.as_deref()), expected);
    }

    #[test]
    fn times_are_in_units_that_people_use() {
        let texts = [0.4, 82.0, 300.0, 36_000.0, 1e7].map(span);
        assert_eq!(texts, ["0.4 s", "82 s", "5 min", "10 h", "116 days"]);
    }
}
