//! What each loop of an experiment came to, and rules that look at several of them.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::series::on_one_line;
use super::slo::{Outcome, Verdict};

/// How objectives are judged over the loops that the document keeps, the newest one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopRule {
    /// Satisfied only when the newest so many loops all satisfied the objective.
    Consecutive(u64),
    /// Satisfied while at most so many loops violated the objective.
    FailureLimit(u64),
}

/// One loop that was assessed: per objective and version, in the order of `verdicts`, what the loop came to by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoopRecord {
    /// Number of the loop, from 1.
    #[serde(rename = "loop")]
    pub number: u64,
    /// When its first task started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    /// One letter per objective and version, without regard to other loops: `s` satisfied, `v` violated, `i` inconclusive;
    /// without data and by the metric's policy, `p` passed, `f` failed.
    #[serde(serialize_with = "as_letters", deserialize_with = "from_letters")]
    #[schemars(with = "String", extend("pattern" = "^[svipf]*$"))]
    pub outcomes: Vec<LoopOutcome>,
    /// The values that were judged, to six significant digits; null where there was none. Large documents keep those of the newest loops alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "on_one_line")]
    pub values: Vec<Option<f64>>,
}

/// What one loop came to for one objective and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopOutcome {
    /// There is a value, and it meets the limit.
    Satisfied,
    /// There is a value, and it does not meet the limit.
    Violated,
    /// It can't be told.
    Inconclusive,
    /// There is no value, and the metric says that this passes.
    Passed,
    /// There is no value, and the metric says that this fails.
    Failed,
}

impl LoopOutcome {
    const LETTERS: [(Self, char); 5] = [
        (Self::Satisfied, 's'),
        (Self::Violated, 'v'),
        (Self::Inconclusive, 'i'),
        (Self::Passed, 'p'),
        (Self::Failed, 'f'),
    ];

    /// What a verdict on one loop comes to.
    pub fn of(verdict: &Verdict) -> Self {
        match (verdict.verdict, verdict.value) {
            (Outcome::Satisfied, Some(_)) => Self::Satisfied,
            (Outcome::Satisfied, None) => Self::Passed,
            (Outcome::Violated, Some(_)) => Self::Violated,
            (Outcome::Violated, None) => Self::Failed,
            (Outcome::Inconclusive, _) => Self::Inconclusive,
        }
    }

    /// The answer, whether or not there was a value.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Satisfied | Self::Passed => Outcome::Satisfied,
            Self::Violated | Self::Failed => Outcome::Violated,
            Self::Inconclusive => Outcome::Inconclusive,
        }
    }
}

fn as_letters<S: Serializer>(outcomes: &[LoopOutcome], serializer: S) -> Result<S::Ok, S::Error> {
    let letter = |outcome: &LoopOutcome| LoopOutcome::LETTERS.iter().find(|(o, _)| o == outcome).map(|(_, c)| *c);
    outcomes.iter().filter_map(letter).collect::<String>().serialize(serializer)
}

fn from_letters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LoopOutcome>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let outcome = |letter: char| {
        let found = LoopOutcome::LETTERS.iter().find(|(_, c)| *c == letter).map(|(outcome, _)| *outcome);
        found.ok_or_else(|| serde::de::Error::custom(format!("`{letter}` is no outcome; expected s, v, i, p or f")))
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
        assert_eq!(error.to_string(), "`x` is no outcome; expected s, v, i, p or f");
    }
}
