//! Verdicts on each loop of an experiment, and rules over several loops.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::series::on_one_line;
use super::slo::{Outcome, Verdict};

/// Rule for judging SLOs over the recorded loops, including the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopRule {
    /// Satisfied only if this number of newest loops all satisfied the SLO.
    Consecutive(u64),
    /// Satisfied as long as at most this number of loops violated the SLO.
    FailureLimit(u64),
}

/// One assessed loop: its verdict by itself, per SLO and version in the order of `verdicts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoopRecord {
    /// Number of the loop, from 1.
    #[serde(rename = "loop")]
    pub number: u64,
    /// Start of its first task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// One letter per SLO and version, regardless of other loops: `s` satisfied, `v` violated, `i` inconclusive; without data, by the
    /// metric's policy, `p` passed, `f` failed.
    #[serde(serialize_with = "as_letters", deserialize_with = "from_letters")]
    #[schemars(with = "String", extend("pattern" = "^[svipf]*$"))]
    pub outcomes: Vec<LoopOutcome>,
    /// Judged values to six significant digits; null if there was none. Large documents keep only those of the newest loops.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "on_one_line")]
    pub values: Vec<Option<f64>>,
}

/// Verdict of one loop on one SLO for one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopOutcome {
    /// The value meets the limit.
    Satisfied,
    /// The value does not meet the limit.
    Violated,
    /// Undecided.
    Inconclusive,
    /// No value, which passes by the metric's policy.
    Passed,
    /// No value, which fails by the metric's policy.
    Failed,
}

impl LoopOutcome {
    const ALL: [Self; 5] = [Self::Satisfied, Self::Violated, Self::Inconclusive, Self::Passed, Self::Failed];

    fn letter(self) -> char {
        match self {
            Self::Satisfied => 's',
            Self::Violated => 'v',
            Self::Inconclusive => 'i',
            Self::Passed => 'p',
            Self::Failed => 'f',
        }
    }

    /// Converts a verdict on one loop.
    pub fn of(verdict: &Verdict) -> Self {
        match (verdict.verdict, verdict.value) {
            (Outcome::Satisfied, Some(_)) => Self::Satisfied,
            (Outcome::Satisfied, None) => Self::Passed,
            (Outcome::Violated, Some(_)) => Self::Violated,
            (Outcome::Violated, None) => Self::Failed,
            (Outcome::Inconclusive, _) => Self::Inconclusive,
        }
    }

    /// Returns the verdict, with or without a value.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Satisfied | Self::Passed => Outcome::Satisfied,
            Self::Violated | Self::Failed => Outcome::Violated,
            Self::Inconclusive => Outcome::Inconclusive,
        }
    }
}

fn as_letters<S: Serializer>(outcomes: &[LoopOutcome], serializer: S) -> Result<S::Ok, S::Error> {
    outcomes.iter().map(|outcome| outcome.letter()).collect::<String>().serialize(serializer)
}

fn from_letters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LoopOutcome>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let outcome = |letter: char| {
        let outcome = LoopOutcome::ALL.into_iter().find(|outcome| outcome.letter() == letter);
        outcome
            .ok_or_else(|| serde::de::Error::custom(format!("`{letter}` is not an outcome; expected s, v, i, p or f")))
    };
    text.chars().map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::{to_yaml, value_from_yaml};
    use serde_json::json;

    #[test]
    fn a_loop_takes_a_few_lines_and_reads_back_the_same() {
        use LoopOutcome::{Failed, Inconclusive, Passed, Satisfied, Violated};
        let outcomes = vec![Satisfied, Violated, Inconclusive, Passed, Failed];
        let record = LoopRecord {
            number: 7,
            start: Some("2025-03-04T10:15:00Z".parse().unwrap()),
            outcomes,
            values: vec![Some(12.5), Some(1e300), None, None, None],
        };
        let yaml = to_yaml(&record).unwrap();
        assert_eq!(yaml.lines().count(), 4, "{yaml}");
        assert!(yaml.contains("outcomes: svipf\n"), "{yaml}");
        let read: LoopRecord = serde_json::from_value(value_from_yaml(&yaml).unwrap()).unwrap();
        assert_eq!(read, record);
    }

    #[test]
    fn a_letter_that_is_no_outcome_is_named() {
        let error = serde_json::from_value::<LoopRecord>(json!({"loop": 1, "outcomes": "sx"})).unwrap_err();
        assert_eq!(error.to_string(), "`x` is not an outcome; expected s, v, i, p or f");
    }
}
