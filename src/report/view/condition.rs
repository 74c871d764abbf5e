//! An SLO in words, as Iter8 writes it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::confidence::Comparison;
use super::objectives::Objective;
use crate::model::slo::Bound;
use crate::report::show;

/// An SLO in words: `http/latency-mean (msec) <= 50` or `8 <= http/request-count`. Serialized as one string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Text before the metric.
    pub before: String,
    /// The metric; percentiles in their shortest spelling.
    pub metric: String,
    /// Text after the metric.
    pub after: String,
    /// True if the limit is a multiple of another version's value.
    is_ratio: bool,
}

impl Condition {
    pub(super) fn new(objective: &Objective, units: Option<&str>) -> Self {
        let limit = show::short(objective.limit);
        let unit = units.map(|units| format!(" ({units})")).unwrap_or_default();
        let metric = objective.metric.to_string();
        match objective.bound {
            Bound::Upper => {
                Self { before: String::new(), metric, after: format!("{unit} <= {limit}"), is_ratio: false }
            }
            Bound::Lower => Self { before: format!("{limit} <= "), metric, after: unit, is_ratio: false },
        }
    }

    /// Describes a limit relative to the version `reference`: `http/latency-p95 <= 1.1 x v1` or `http/error-rate <= v1 + 0.005`.
    pub(super) fn relative(objective: &Objective, comparison: Comparison, reference: &str) -> Self {
        let limit = show::short(objective.limit.abs());
        let is_negative = objective.limit.is_sign_negative();
        let bound = match (comparison, is_negative) {
            (Comparison::Ratio, _) => format!("{} x {reference}", show::short(objective.limit)),
            (Comparison::Difference, false) => format!("{reference} + {limit}"),
            (Comparison::Difference, true) => format!("{reference} - {limit}"),
        };
        let (metric, is_ratio) = (objective.metric.to_string(), comparison == Comparison::Ratio);
        match objective.bound {
            Bound::Upper => Self { before: String::new(), metric, after: format!(" <= {bound}"), is_ratio },
            Bound::Lower => Self { before: format!("{bound} <= "), metric, after: String::new(), is_ratio },
        }
    }

    /// Returns the condition with typographic signs.
    pub fn typeset(&self) -> Self {
        let times = |text: String| if self.is_ratio { text.replacen(" x ", " × ", 1) } else { text };
        let replace = |text: &str| times(text.replace("<=", "≤"));
        Self { before: replace(&self.before), after: replace(&self.after), ..self.clone() }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.before, self.metric, self.after)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
