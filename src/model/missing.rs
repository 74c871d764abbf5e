//! Missing values: the cause, the reason in words, and the policies that users set for them.
//!
//! Absence is a proper response without data; an error is anything else that went wrong. Only the cause decides which policy applies:
//! [`NoDataPolicy`] is about absence alone, [`OnErrorPolicy`] about errors alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A missing value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "MissingForm")]
pub struct Missing {
    /// Cause, which decides the verdict.
    pub cause: MissingCause,
    /// Reason for readers.
    pub reason: String,
}

/// Forms of a missing value in files: recordings of earlier versions have only the reason.
#[derive(Deserialize)]
#[serde(untagged)]
enum MissingForm {
    Reason(String),
    Whole { cause: MissingCause, reason: String },
}

impl From<MissingForm> for Missing {
    fn from(form: MissingForm) -> Self {
        match form {
            MissingForm::Reason(reason) => Self::error(ErrorKind::Other, reason),
            MissingForm::Whole { cause, reason } => Self { cause, reason },
        }
    }
}

impl Missing {
    /// The provider responded properly, and has no data.
    pub fn absent(reason: impl Into<String>) -> Self {
        Self { cause: MissingCause::Absent, reason: reason.into() }
    }

    /// There was nothing to count, such as no requests.
    pub fn nothing_to_count(reason: impl Into<String>) -> Self {
        Self { cause: MissingCause::NothingToCount, reason: reason.into() }
    }

    /// Measuring failed.
    pub fn error(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self { cause: MissingCause::Error(kind), reason: reason.into() }
    }

    /// The document defines no such value.
    pub fn undefined(reason: impl Into<String>) -> Self {
        Self { cause: MissingCause::Undefined, reason: reason.into() }
    }
}

/// Cause of a missing value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MissingCause {
    /// The provider responded properly, without a series or with null.
    Absent,
    /// The provider responded properly, with a fraction of nothing (0/0), or no request was sent.
    NothingToCount,
    /// Measuring failed.
    Error(ErrorKind),
    /// This loop did not measure the metric.
    NotMeasured,
    /// The document has no such metric or aggregation, or it is damaged.
    Undefined,
}

/// Kind of an error that leaves a metric without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ErrorKind {
    /// No complete response in time.
    Timeout,
    /// No connection, a broken one, an untrusted server, a response that is too large, or a rejected redirect.
    Transport,
    /// A status other than 2xx.
    Status,
    /// A response that is not in the expected format.
    Format,
    /// The provider reports an error in a response with status 2xx.
    Provider,
    /// The provider reports that a part of the data is missing.
    Partial,
    /// The provider reports a warning, and `onWarning` does not allow it.
    Warning,
    /// Several series, where one value is expected.
    Series,
    /// A value that is not a finite number.
    Value,
    /// The jq expression does not compile, or fails.
    Expression,
    /// The run was interrupted.
    Interrupted,
    /// Another error, or one of a document that does not record its kind.
    Other,
}

/// Effect on an SLO if its metric is absent: the provider was queried, and has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoDataPolicy {
    /// The SLO is violated.
    Fail,
    /// The SLO is satisfied.
    Pass,
    /// The verdict is inconclusive.
    Inconclusive,
    /// The value counts as 0.
    Zero,
}

/// Effect on an SLO if its metric could not be measured. An error never satisfies an SLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnErrorPolicy {
    /// The verdict is inconclusive.
    Inconclusive,
    /// The SLO is violated.
    Fail,
}

/// Effect of a doubtful response that has a value: one with partial data, or with warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DoubtPolicy {
    /// The value counts.
    Allow,
    /// The verdict is inconclusive.
    Inconclusive,
}

/// Policies of one level: the task, a provider or a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// For absent values.
    pub no_data: Option<NoDataPolicy>,
    /// For errors.
    pub on_error: Option<OnErrorPolicy>,
    /// For partial data; inconclusive by default.
    pub partial: Option<DoubtPolicy>,
    /// For warnings; allowed by default.
    pub on_warning: Option<DoubtPolicy>,
}

impl Policies {
    /// Completes these policies with those of an outer level.
    #[must_use]
    pub fn or(self, outer: Self) -> Self {
        Self {
            no_data: self.no_data.or(outer.no_data),
            on_error: self.on_error.or(outer.on_error),
            partial: self.partial.or(outer.partial),
            on_warning: self.on_warning.or(outer.on_warning),
        }
    }

    /// Returns the policy for an error of this kind: the one that names this kind, if it is set, else `onError`.
    pub fn of_error(&self, kind: ErrorKind) -> Option<OnErrorPolicy> {
        let doubt = match kind {
            ErrorKind::Partial => self.partial,
            ErrorKind::Warning => self.on_warning,
            ErrorKind::Timeout
            | ErrorKind::Transport
            | ErrorKind::Status
            | ErrorKind::Format
            | ErrorKind::Provider
            | ErrorKind::Series
            | ErrorKind::Value
            | ErrorKind::Expression
            | ErrorKind::Interrupted
            | ErrorKind::Other => None,
        };
        let is_inconclusive = doubt == Some(DoubtPolicy::Inconclusive);
        if is_inconclusive { Some(OnErrorPolicy::Inconclusive) } else { self.on_error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_inner_level_takes_precedence() {
        let inner = Policies { on_error: Some(OnErrorPolicy::Fail), ..Policies::default() };
        let outer = Policies {
            no_data: Some(NoDataPolicy::Pass),
            on_error: Some(OnErrorPolicy::Inconclusive),
            partial: Some(DoubtPolicy::Allow),
            on_warning: Some(DoubtPolicy::Inconclusive),
        };
        assert_eq!(inner.or(outer), Policies { on_error: inner.on_error, ..outer });
        assert_eq!(Policies::default().or(outer), outer);
        assert_eq!(outer.or(inner), outer);
    }

    #[test]
    fn a_policy_that_names_the_error_takes_precedence_over_on_error() {
        let fail = Policies { on_error: Some(OnErrorPolicy::Fail), ..Policies::default() };
        let doubtful = Some(DoubtPolicy::Inconclusive);
        let named = Policies { partial: doubtful, on_warning: doubtful, ..fail };
        for kind in [ErrorKind::Partial, ErrorKind::Warning] {
            assert_eq!(fail.of_error(kind), Some(OnErrorPolicy::Fail));
            assert_eq!(named.of_error(kind), Some(OnErrorPolicy::Inconclusive));
        }
        assert_eq!(named.of_error(ErrorKind::Status), Some(OnErrorPolicy::Fail));
        assert_eq!(Policies::default().of_error(ErrorKind::Partial), None);
    }

    #[test]
    fn causes_read_back_and_old_recordings_are_errors() {
        for cause in [MissingCause::Absent, MissingCause::NothingToCount, MissingCause::Error(ErrorKind::Timeout)] {
            let missing = Missing { cause, reason: "why".to_owned() };
            let text = serde_json::to_string(&missing).unwrap();
            assert_eq!(serde_json::from_str::<Missing>(&text).unwrap(), missing, "{text}");
        }
        let timeout = json!({"cause": {"error": "timeout"}, "reason": "late"});
        assert_eq!(serde_json::to_value(Missing::error(ErrorKind::Timeout, "late")).unwrap(), timeout);
        let old: Missing = serde_json::from_value(json!("HTTP 503")).unwrap();
        assert_eq!(old, Missing::error(ErrorKind::Other, "HTTP 503"));
    }
}
