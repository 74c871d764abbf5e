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

/// One loop: its verdict by itself, per SLO and version in the order of `verdicts`. Loops that were not assessed have no record, unless a
/// task failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoopRecord {
    /// Number of the loop, from 1.
    #[serde(rename = "loop")]
    pub number: u64,
    /// Start of its first task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// Digest of the tasks that measured, without their secrets. Loops with another digest measured something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// Task that failed, so that the loop was not assessed. Such a loop counts as failed for every SLO and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// One letter per SLO and version, regardless of other loops: `s` satisfied, `v` violated, `i` inconclusive; without data, by the
    /// metric's policy, `p` passed, `f` failed; `u` not measured, or only in part because a task failed.
    #[serde(serialize_with = "as_letters", deserialize_with = "from_letters")]
    #[schemars(with = "String", extend("pattern" = "^[svipfu]*$"))]
    pub outcomes: Vec<LoopOutcome>,
    /// Judged values to six significant digits; null if there was none. Large documents keep only those of the newest loops.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "on_one_line")]
    pub values: Vec<Option<f64>>,
}

impl LoopRecord {
    /// Returns the outcome for an SLO and version; `None` if there is none.
    pub fn outcome(&self, place: usize) -> Option<LoopOutcome> {
        match self.failed {
            Some(_) => Some(LoopOutcome::Unmeasured),
            None => self.outcomes.get(place).copied(),
        }
    }
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
    /// No value, and no policy for that; or a task failed, so that the measurements are only a part.
    Unmeasured,
}

impl LoopOutcome {
    const ALL: [Self; 6] =
        [Self::Satisfied, Self::Violated, Self::Inconclusive, Self::Passed, Self::Failed, Self::Unmeasured];

    fn letter(self) -> char {
        match self {
            Self::Satisfied => 's',
            Self::Violated => 'v',
            Self::Inconclusive => 'i',
            Self::Passed => 'p',
            Self::Failed => 'f',
            Self::Unmeasured => 'u',
        }
    }

    /// Converts a verdict on one loop.
    pub fn of(verdict: &Verdict) -> Self {
        match (verdict.verdict, verdict.value) {
            (Outcome::Satisfied, Some(_)) => Self::Satisfied,
            (Outcome::Satisfied, None) => Self::Passed,
            (Outcome::Violated, Some(_)) => Self::Violated,
            (Outcome::Violated, None) => Self::Failed,
            (Outcome::Inconclusive, _) if verdict.is_founded() => Self::Inconclusive,
            (Outcome::Inconclusive, _) => Self::Unmeasured,
        }
    }

    /// Returns the verdict, with or without a value.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Satisfied | Self::Passed => Outcome::Satisfied,
            Self::Violated | Self::Failed => Outcome::Violated,
            Self::Inconclusive | Self::Unmeasured => Outcome::Inconclusive,
        }
    }

    /// Returns true for a loop that counts as failed: it violated the SLO, or the failure to measure hides whether it did.
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Violated | Self::Failed | Self::Unmeasured)
    }
}

fn as_letters<S: Serializer>(outcomes: &[LoopOutcome], serializer: S) -> Result<S::Ok, S::Error> {
    outcomes.iter().map(|outcome| outcome.letter()).collect::<String>().serialize(serializer)
}

fn from_letters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LoopOutcome>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let outcome = |letter: char| {
        let outcome = LoopOutcome::ALL.into_iter().find(|outcome| outcome.letter() == letter);
        outcome.ok_or_else(|| {
            serde::de::Error::custom(format!("`{letter}` is not an outcome; expected s, v, i, p, f or u"))
        })
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
        use LoopOutcome::{Failed, Inconclusive, Passed, Satisfied, Unmeasured, Violated};
        let outcomes = vec![Satisfied, Violated, Inconclusive, Passed, Failed, Unmeasured];
        let record = LoopRecord {
            number: 7,
            start: Some("2025-03-04T10:15:00Z".parse().unwrap()),
            spec: Some("0123456789abcdef".to_owned()),
            failed: None,
            outcomes,
            values: vec![Some(12.5), Some(1e300), None, None, None, None],
        };
        let yaml = to_yaml(&record).unwrap();
        assert_eq!(yaml.lines().count(), 5, "{yaml}");
        assert!(yaml.contains("outcomes: svipfu\n"), "{yaml}");
        let read: LoopRecord = serde_json::from_value(value_from_yaml(&yaml).unwrap()).unwrap();
        assert_eq!(read, record);
    }

    #[test]
    fn a_letter_that_is_no_outcome_is_named() {
        let error = serde_json::from_value::<LoopRecord>(json!({"loop": 1, "outcomes": "sx"})).unwrap_err();
        assert_eq!(error.to_string(), "`x` is not an outcome; expected s, v, i, p, f or u");
    }
}
