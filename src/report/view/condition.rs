//! An SLO in words, as Iter8 writes it.

use std::fmt;

use serde::{Serialize, Serializer};

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
}

impl Condition {
    pub(super) fn new(objective: &Objective, units: Option<&str>) -> Self {
        let limit = show::short(objective.limit);
        let unit = units.map(|units| format!(" ({units})")).unwrap_or_default();
        let metric = objective.metric.to_string();
        match objective.bound {
            Bound::Upper => Self { before: String::new(), metric, after: format!("{unit} <= {limit}") },
            Bound::Lower => Self { before: format!("{limit} <= "), metric, after: unit },
        }
    }

    /// Returns the condition with typographic signs.
    pub fn typeset(&self) -> Self {
        let replace = |text: &str| text.replace("<=", "≤");
        Self { before: replace(&self.before), metric: self.metric.clone(), after: replace(&self.after) }
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
