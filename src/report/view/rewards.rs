//! Best versions by reward.

use crate::model::insights::Insights;
use crate::model::reward::RewardVerdict;
use crate::redact::redact_text;
use crate::report::view::RewardReport;
use crate::slo::reward::named;

/// Reports each reward. Versions that do not satisfy all SLOs are not named.
pub(super) fn of(insights: &Insights) -> Vec<RewardReport> {
    let report = |reward: &RewardVerdict| {
        let best: Vec<String> =
            named(insights, reward).iter().map(|version| insights.version_label(*version)).collect();
        let is_withdrawn = best.is_empty() && !reward.best.is_empty();
        let reason = match is_withdrawn {
            true => format!("{}: not all SLOs of the best version are satisfied", reward.metric),
            false => reward.reason.clone(),
        };
        RewardReport {
            metric: redact_text(&reward.metric.to_string()),
            goal: reward.goal,
            best,
            confidence: reward.confidence,
            reason: redact_text(&reason),
        }
    };
    insights.reward_verdicts.iter().map(report).collect()
}
