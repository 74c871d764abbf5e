//! Missing values: the reason, and the effect on the metric's SLOs. All code that records, reads or judges a missing value uses this module.
//!
//! A document keeps both in the metric's observation. With [`NoDataPolicy::Zero`] the metric has a value, 0, and keeps the reason why it
//! was not measured.

use crate::model::contribution::Values;
use crate::model::insights::Observation;
use crate::model::metric::NoDataPolicy;
use crate::model::slo::Outcome;

/// Reason of a metric that earlier loops measured and the newest did not.
pub const NOT_MEASURED: &str = "not measured in this loop";

/// A missing value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoData<'a> {
    pub reason: &'a str,
    /// Effect on SLOs, if the metric defines one and its provider responded without data.
    pub policy: Option<NoDataPolicy>,
}

impl<'a> NoData<'a> {
    /// Reads what the document says about a metric's newest loop; `None` if a value was measured.
    pub fn of(observation: &'a Observation) -> Option<Self> {
        observation.no_data.as_deref().map(|reason| Self { reason, policy: observation.policy })
    }

    /// Returns true if 0 takes the place of the value.
    pub fn is_zero(&self) -> bool {
        self.policy == Some(NoDataPolicy::Zero)
    }

    /// Judges an SLO on a metric without a value: outcome and reason.
    pub fn judge(&self, metric: &str) -> (Outcome, String) {
        let reason = self.reason;
        match self.policy {
            Some(NoDataPolicy::Fail) => {
                (Outcome::Violated, format!("{metric} has no data, which counts as violated: {reason}"))
            }
            Some(NoDataPolicy::Pass) => {
                (Outcome::Satisfied, format!("{metric} has no data, which counts as satisfied: {reason}"))
            }
            Some(NoDataPolicy::Inconclusive) => {
                (Outcome::Inconclusive, format!("no data, which leaves the objective undecided: {reason}"))
            }
            // With `zero` there is a value; a document that has none was edited.
            Some(NoDataPolicy::Zero) | None => (Outcome::Inconclusive, format!("no data: {reason}")),
        }
    }
}

/// Records that a provider responded without data. Returns the metric's values: none, or 0 if the policy says so.
pub(crate) fn record_absence(
    observation: &mut Observation,
    reason: String,
    policy: Option<NoDataPolicy>,
    has_samples: bool,
) -> Values {
    observation.policy = policy;
    observation.no_data = Some(reason.clone());
    match policy {
        Some(NoDataPolicy::Zero) if has_samples => Values::Samples(vec![0.0]),
        Some(NoDataPolicy::Zero) => Values::Scalar(0.0),
        _ => Values::NoData(reason),
    }
}

/// Records that a provider failed. No policy applies: an error is not an absence.
pub(crate) fn record_failure(observation: &mut Observation, reason: String) -> Values {
    observation.no_data = Some(reason.clone());
    Values::NoData(reason)
}

/// Returns the observation to keep of a metric: with the reason, if its value is missing; without one that a value contradicts.
pub(super) fn observation(measured: Option<&Observation>, missing: Option<String>) -> Option<Observation> {
    let observation = measured.cloned();
    if missing.is_some() {
        return Some(Observation { no_data: missing, ..observation.unwrap_or_default() });
    }
    observation.map(|observation| {
        let is_zero = NoData::of(&observation).is_some_and(|no_data| no_data.is_zero());
        Observation { no_data: observation.no_data.filter(|_| is_zero), ..observation }
    })
}

/// Returns the observation of a metric that the newest loop did not measure, whose old value says nothing about that loop.
pub(super) fn not_measured() -> Observation {
    Observation { no_data: Some(NOT_MEASURED.to_owned()), ..Observation::default() }
}
