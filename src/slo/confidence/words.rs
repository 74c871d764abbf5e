//! Numbers in the reasons of verdicts.

use std::time::Duration;

use crate::model::readable::{confidence, in_percent, show, show_pair, thousands};

/// `95 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", show(in_percent(share)))
}

/// `95 % sure; 1,500 requests, worth 1,230 independent ones`.
pub(super) fn basis(alpha: f64, total: u64, effective: Option<f64>, noun: &str) -> String {
    let sure = format!("{} sure", confidence(1.0 - alpha));
    let total_text = thousands(total);
    match effective.map(|effective| effective.round() as u64) {
        None => format!("{sure}; {total_text} {noun}, independence assumed"),
        Some(effective) if effective >= total => format!("{sure}; {total_text} {noun}"),
        Some(effective) => format!("{sure}; {total_text} {noun}, worth {} independent ones", thousands(effective)),
    }
}

/// Form of a metric's values in a sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale<'a> {
    /// A number with its unit, if it has one.
    Unit(Option<&'a str>),
    /// A share, shown in percent.
    Percent,
    /// A difference of shares, shown in percentage points.
    Points,
    /// A ratio.
    Times,
}

impl Scale<'_> {
    /// Formats a value and the limit beside it, so that different numbers never read the same.
    pub fn pair(self, value: f64, limit: f64) -> (String, String) {
        let (value, limit) = self.numbers(value, limit);
        let unit = self.unit();
        (value + &unit, limit + &unit)
    }

    /// Formats the ends of an interval: `between 0.67 and 1.62 times`.
    pub fn between(self, low: f64, high: f64, limit: f64) -> String {
        format!("between {} and {}", self.numbers(low, limit).0, self.text(high, limit))
    }

    fn numbers(self, value: f64, limit: f64) -> (String, String) {
        match self {
            Self::Unit(_) | Self::Times => show_pair(value, limit),
            Self::Percent => show_pair(in_percent(value), in_percent(limit)),
            Self::Points => {
                let (value, limit) = show_pair(in_percent(value), in_percent(limit));
                (signed(&value), signed(&limit))
            }
        }
    }

    fn unit(self) -> String {
        match self {
            Self::Unit(unit) => unit.map(|unit| format!(" {unit}")).unwrap_or_default(),
            Self::Percent => " %".to_owned(),
            Self::Points => " points".to_owned(),
            Self::Times => " times".to_owned(),
        }
    }

    /// Formats a value.
    pub fn text(self, value: f64, limit: f64) -> String {
        self.pair(value, limit).0
    }
}

fn signed(number: &str) -> String {
    if number.starts_with('-') || number == "0" { number.to_owned() } else { format!("+{number}") }
}

/// `, decided after 14.3 s`.
pub(super) fn decided_after(time: Duration) -> String {
    format!(", decided after {} s", (time.as_secs_f64() * 10.0).round() / 10.0)
}

/// `82 s`, `14 min`, `3 h`.
pub(super) fn period(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{} s", s.ceil()),
        s if s < 7_200.0 => format!("{} min", (s / 60.0).ceil()),
        s => format!("{} h", (s / 3_600.0).ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0.95, 0.975, 0.07, 0.9999].map(percent), ["95 %", "97.50 %", "7 %", "99.99 %"]);
        assert_eq!([1.2, 119.0, 121.0, 7_200.0].map(period), ["2 s", "119 s", "3 min", "2 h"]);
        assert_eq!(Scale::Unit(Some("msec")).pair(48.2, 50.0), ("48.20 msec".to_owned(), "50 msec".to_owned()));
        assert_eq!(Scale::Percent.pair(0.008, 0.01), ("0.80 %".to_owned(), "1 %".to_owned()));
        assert_eq!(Scale::Points.pair(-0.001, 0.005), ("-0.10 points".to_owned(), "+0.50 points".to_owned()));
        assert_eq!(Scale::Times.text(1.25, 1.1), "1.25 times");
        assert_eq!(Scale::Times.between(0.67, 1.62, 1.1), "between 0.67 and 1.62 times");
        assert_eq!(Scale::Points.between(-0.001, 0.001, 0.005), "between -0.10 and +0.10 points");
    }

    #[test]
    fn the_basis_says_what_requests_are_worth() {
        assert_eq!(
            basis(0.05, 1_500, Some(1_230.4), "requests"),
            "95 % sure; 1,500 requests, worth 1,230 independent ones"
        );
        assert_eq!(basis(0.05, 1_500, Some(1_500.0), "requests"), "95 % sure; 1,500 requests");
        assert_eq!(basis(0.05, 12, None, "samples"), "95 % sure; 12 samples, independence assumed");
    }
}
