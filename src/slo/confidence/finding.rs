//! Result of judging one verdict again.

use crate::model::slo::{Dependence, Method, Needs, Outcome, Verdict};

/// Verdict with a confidence, before other SLOs are considered.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub outcome: Outcome,
    pub method: Method,
    /// Error of each one-sided claim.
    pub alpha: f64,
    /// In the metric's unit.
    pub interval: Option<[Option<f64>; 2]>,
    pub effective: Option<f64>,
    pub dependence: Option<Dependence>,
    pub needs: Option<Needs>,
    /// The error at which the objective would be violated; `None` if there is no interval.
    pub p_violated: Option<f64>,
    pub reason: String,
}

impl Finding {
    /// An undecided finding without an interval.
    pub fn open(method: Method, alpha: f64, reason: String) -> Self {
        Self {
            outcome: Outcome::Inconclusive,
            method,
            alpha,
            interval: None,
            effective: None,
            dependence: None,
            needs: None,
            p_violated: None,
            reason,
        }
    }

    /// Writes the finding into its verdict. Numbers that no document can hold are left out.
    pub fn write(self, verdict: &mut Verdict) {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        verdict.verdict = self.outcome;
        verdict.reason = self.reason;
        verdict.method = Some(self.method);
        verdict.confidence = finite(Some(rounded(1.0 - self.alpha)));
        verdict.interval = self.interval.map(|ends| ends.map(finite));
        verdict.effective_samples = finite(self.effective);
        let is_number = |dependence: &Dependence| dependence.deff.is_finite() && dependence.df.is_finite();
        verdict.dependence = self.dependence.filter(is_number);
        verdict.needs = self.needs;
    }
}

/// Rounds a confidence: 1 − 0.05 is not 0.95 in every digit.
pub(super) fn rounded(confidence: f64) -> f64 {
    (confidence * 1e9).round() / 1e9
}
