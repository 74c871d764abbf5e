//! Missing values in a document: recording them, reading them back, and deciding what follows for SLOs.
//!
//! [`decide`] is the only place where a cause and its policies become a verdict. A document keeps the cause, the reason, and the policy
//! that applies in the metric's observation. With [`NoDataPolicy::Zero`] an absent metric has a value, 0, and keeps the reason.

use crate::model::contribution::Values;
use crate::model::insights::Observation;
use crate::model::missing::{ErrorKind, Missing, MissingCause, NoDataPolicy, OnErrorPolicy, Policies};
use crate::model::slo::Outcome;

/// Reason of a metric that earlier loops measured and the newest did not.
pub const NOT_MEASURED: &str = "not measured in this loop";

/// Consequence of a missing value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// 0 takes the place of the value.
    Zero,
    /// A policy decides the verdict.
    ByPolicy(Outcome),
    /// Nothing decides the verdict: it is inconclusive, and a failure to measure.
    Open,
}

/// Decides what follows from a missing value. An error never satisfies an SLO and never becomes a value.
pub(crate) fn decide(cause: MissingCause, no_data: Option<NoDataPolicy>, on_error: Option<OnErrorPolicy>) -> Decision {
    match cause {
        MissingCause::Absent | MissingCause::NothingToCount => match no_data {
            Some(NoDataPolicy::Fail) => Decision::ByPolicy(Outcome::Violated),
            Some(NoDataPolicy::Pass) => Decision::ByPolicy(Outcome::Satisfied),
            Some(NoDataPolicy::Inconclusive) => Decision::ByPolicy(Outcome::Inconclusive),
            Some(NoDataPolicy::Zero) => Decision::Zero,
            None => Decision::Open,
        },
        MissingCause::Error(_) => match on_error {
            Some(OnErrorPolicy::Fail) => Decision::ByPolicy(Outcome::Violated),
            Some(OnErrorPolicy::Inconclusive) => Decision::ByPolicy(Outcome::Inconclusive),
            None => Decision::Open,
        },
        MissingCause::NotMeasured | MissingCause::Undefined => Decision::Open,
    }
}

/// A missing value with the policies that the document records for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub missing: Missing,
    no_data: Option<NoDataPolicy>,
    on_error: Option<OnErrorPolicy>,
}

impl Recorded {
    /// Reads what the document says about a metric's newest loop; `None` if a value was measured.
    pub fn of(observation: &Observation) -> Option<Self> {
        let reason = observation.no_data.clone()?;
        // Documents of earlier versions record no cause. They have a policy for absent metrics only.
        let cause = observation.missing.unwrap_or(match observation.policy {
            Some(_) => MissingCause::Absent,
            None if reason == NOT_MEASURED => MissingCause::NotMeasured,
            None => MissingCause::Error(ErrorKind::Other),
        });
        let missing = Missing { cause, reason };
        Some(Self { missing, no_data: observation.policy, on_error: observation.on_error })
    }

    /// A missing value to which no policy applies.
    pub fn without_policy(missing: Missing) -> Self {
        Self { missing, no_data: None, on_error: None }
    }

    fn decision(&self) -> Decision {
        decide(self.missing.cause, self.no_data, self.on_error)
    }

    /// Returns true if 0 takes the place of the value.
    pub fn is_zero(&self) -> bool {
        self.decision() == Decision::Zero
    }

    /// Judges an SLO on a metric without a value.
    pub fn judge(&self, metric: &str) -> Judged {
        let Missing { cause, reason } = &self.missing;
        let is_error = matches!(cause, MissingCause::Error(_));
        let what = if is_error { "has no value" } else { "has no data" };
        let (outcome, reason) = match self.decision() {
            Decision::ByPolicy(Outcome::Violated) => {
                (Outcome::Violated, format!("{metric} {what}, which counts as violated: {reason}"))
            }
            Decision::ByPolicy(Outcome::Satisfied) => {
                (Outcome::Satisfied, format!("{metric} {what}, which counts as satisfied: {reason}"))
            }
            Decision::ByPolicy(Outcome::Inconclusive) => {
                let what = if is_error { "no value" } else { "no data" };
                (Outcome::Inconclusive, format!("{what}, which leaves the SLO undecided: {reason}"))
            }
            // With `zero` there is a value; a document that has none was edited.
            Decision::Zero | Decision::Open if is_error => (Outcome::Inconclusive, format!("no value: {reason}")),
            Decision::Zero | Decision::Open => (Outcome::Inconclusive, format!("no data: {reason}")),
        };
        let is_by_policy = matches!(self.decision(), Decision::ByPolicy(_));
        Judged {
            outcome,
            reason,
            no_data: self.no_data.filter(|_| is_by_policy && !is_error),
            on_error: self.on_error.filter(|_| is_by_policy && is_error),
        }
    }
}

/// Verdict on an SLO whose metric has no value.
pub(crate) struct Judged {
    pub outcome: Outcome,
    /// Reason in one sentence.
    pub reason: String,
    /// The policy that decided, if one did.
    pub no_data: Option<NoDataPolicy>,
    pub on_error: Option<OnErrorPolicy>,
}

/// Records a missing value with the policy that applies to it. Returns the metric's values: none, or 0 if the policy says so.
pub(crate) fn record(
    observation: &mut Observation,
    missing: Missing,
    policies: &Policies,
    has_samples: bool,
) -> Values {
    let (no_data, on_error) = match missing.cause {
        MissingCause::Absent | MissingCause::NothingToCount => (policies.no_data, None),
        MissingCause::Error(kind) => (None, policies.of_error(kind)),
        MissingCause::NotMeasured | MissingCause::Undefined => (None, None),
    };
    (observation.policy, observation.on_error) = (no_data, on_error);
    observation.missing = Some(missing.cause);
    observation.no_data = Some(missing.reason.clone());
    match decide(missing.cause, no_data, on_error) {
        Decision::Zero if has_samples => Values::Samples(vec![0.0]),
        Decision::Zero => Values::Scalar(0.0),
        Decision::ByPolicy(_) | Decision::Open => Values::NoData(missing),
    }
}

/// Returns the observation to keep of a metric: with the cause and the reason, if its value is missing; without those that a value
/// contradicts.
pub(super) fn observation(measured: Option<&Observation>, missing: Option<Missing>) -> Option<Observation> {
    let observation = measured.cloned();
    if let Some(Missing { cause, reason }) = missing {
        let observation = observation.unwrap_or_default();
        return Some(Observation { no_data: Some(reason), missing: Some(cause), ..observation });
    }
    observation.map(|observation| match Recorded::of(&observation) {
        Some(recorded) if !recorded.is_zero() => Observation { no_data: None, missing: None, ..observation },
        _ => observation,
    })
}

/// Returns the observation of a metric that the newest loop did not measure, whose old value says nothing about that loop.
pub(super) fn not_measured() -> Observation {
    Observation {
        no_data: Some(NOT_MEASURED.to_owned()),
        missing: Some(MissingCause::NotMeasured),
        ..Observation::default()
    }
}
