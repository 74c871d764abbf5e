//! The best of the satisfied versions by a reward.
//!
//! Without a confidence the best value decides, as in Iter8 v0.14. With one, another version is worse only if the interval of its comparison
//! with the best excludes that they are equal, at an error of α/(k − 1) for k versions; otherwise both are named. A version that does not
//! satisfy all SLOs is never named.

use super::compare::versions;
use super::comparison::comparison;
use super::failed_requests;
use super::judge::judge_objectives;
use crate::metrics::MetricsView;
use crate::model::insights::Insights;
use crate::model::metric::Reading;
use crate::model::metric_name::MetricRef;
use crate::model::number::Number;
use crate::model::objectives::{Confidence, Objectives, RelativeLimits};
use crate::model::readable::show;
use crate::model::reward::{Goal, RewardVerdict, Rewards, RewardsWinners};
use crate::model::slo::{Outcome, Slo, Verdict};

/// Maximum versions that are compared.
const MAX_VERSIONS: usize = 100;

/// Judges all rewards, after the SLOs.
pub(crate) fn judge(
    insights: &Insights,
    verdicts: &[Verdict],
    rewards: &Rewards,
    confidence: Option<&Confidence>,
) -> Vec<RewardVerdict> {
    let satisfied: Vec<usize> =
        (0..insights.num_versions.min(MAX_VERSIONS)).filter(|version| is_satisfied(verdicts, *version)).collect();
    let goals = [(Goal::Max, &rewards.max), (Goal::Min, &rewards.min)];
    let all = goals.into_iter().flat_map(|(goal, metrics)| metrics.iter().map(move |metric| (goal, metric)));
    all.map(|(goal, metric)| judge_one(insights, &satisfied, metric, goal, confidence)).collect()
}

/// Returns Iter8's form of the verdicts.
pub(crate) fn winners(verdicts: &[RewardVerdict]) -> RewardsWinners {
    let of = |goal: Goal| {
        let winner = |verdict: &RewardVerdict| match verdict.best.as_slice() {
            [one] => i64::try_from(*one).unwrap_or(-1),
            _ => -1,
        };
        verdicts.iter().filter(|verdict| verdict.goal == goal).map(winner).collect()
    };
    RewardsWinners { max: of(Goal::Max), min: of(Goal::Min) }
}

/// Withdraws verdicts that name a version which no longer satisfies all SLOs.
pub(crate) fn withdraw(insights: &mut Insights) {
    let verdicts = &insights.verdicts;
    for reward in &mut insights.reward_verdicts {
        if !reward.best.iter().all(|version| is_satisfied(verdicts, *version)) {
            reward.best.clear();
            reward.reason = format!("{}: not all SLOs of the best version are satisfied any more", reward.metric);
        }
    }
    if insights.rewards_winners.is_some() {
        insights.rewards_winners = Some(winners(&insights.reward_verdicts));
    }
}

/// Returns the versions that a reward of a document names; none if one of them does not satisfy all SLOs.
pub(crate) fn named<'a>(insights: &Insights, reward: &'a RewardVerdict) -> &'a [usize] {
    let is_sound = reward.best.iter().all(|version| is_satisfied(&insights.verdicts, *version));
    if is_sound { &reward.best } else { &[] }
}

/// Returns true if a version satisfies all SLOs. The baseline of limits relative to it may have no SLO of its own.
fn is_satisfied(verdicts: &[Verdict], version: usize) -> bool {
    let mut own = verdicts.iter().filter(|verdict| verdict.version == version).peekable();
    let is_baseline = || verdicts.iter().any(|verdict| verdict.reference == Some(version));
    (own.peek().is_some() || is_baseline()) && own.all(|verdict| verdict.verdict == Outcome::Satisfied)
}

fn judge_one(
    insights: &Insights,
    satisfied: &[usize],
    metric: &MetricRef,
    goal: Goal,
    confidence: Option<&Confidence>,
) -> RewardVerdict {
    let confidence = confidence.filter(|_| satisfied.len() > 1);
    let verdict = |best: Vec<usize>, reason: String| {
        let confidence = confidence.map(|confidence| confidence.level).filter(|_| !best.is_empty());
        RewardVerdict { metric: metric.clone(), goal, best, confidence, reason }
    };
    if satisfied.is_empty() {
        return verdict(Vec::new(), format!("{metric}: no version satisfies all SLOs"));
    }
    let is_of_errors =
        |version: usize| metric.name().is_ok_and(|name| failed_requests::is_of_errors(insights, version, name));
    let value = |version: usize| match MetricsView::new(insights, version).resolve(metric).reading {
        Reading::Value(value) if !is_of_errors(version) => Some(value),
        _ => None,
    };
    let values: Vec<(usize, f64)> = satisfied.iter().filter_map(|version| Some((*version, value(*version)?))).collect();
    let is_better = |a: f64, b: f64| if goal == Goal::Max { a > b } else { a < b };
    let best = values.iter().copied().reduce(|best, other| if is_better(other.1, best.1) { other } else { best });
    let Some((first, best_value)) = best else {
        return verdict(Vec::new(), format!("{metric}: no data of a version that satisfies all SLOs"));
    };
    let unit =
        MetricsView::new(insights, first).resolve(metric).unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let word = if goal == Goal::Max { "highest" } else { "lowest" };
    let values_text = || {
        let others = values.iter().filter(|(version, _)| *version != first);
        let all = [(first, best_value)].into_iter().chain(others.copied());
        all.map(|(version, value)| format!("{} {}{unit}", insights.version_label(version), show(value)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let label = insights.version_label(first);
    let Some(confidence) = confidence else {
        return verdict(vec![first], format!("{metric} of {label} is the {word} ({})", values_text()));
    };
    let alpha = (1.0 - confidence.level) / values.len().saturating_sub(1).max(1) as f64;
    let level = Confidence { level: 1.0 - alpha, ..*confidence };
    let is_worse = |other: usize| is_shown_worse(insights, metric, goal, first, other, level);
    // A satisfied version without a value may be the best.
    let others = satisfied.iter().copied().filter(|version| *version != first);
    let all: Vec<usize> = [first].into_iter().chain(others.filter(|other| !is_worse(*other))).collect();
    let sure = show((confidence.level * 1e9).round() / 1e7);
    let reason = match all.as_slice() {
        [_] => format!("{metric} of {label} is the {word} ({sure} % sure; {})", values_text()),
        several => {
            let labels: Vec<String> = several.iter().map(|version| insights.version_label(*version)).collect();
            let labels = labels.join(" or ");
            let why = match has_unknown(insights, metric) {
                true => "responses of unknown origin may have come from any of them",
                false => "the samples do not tell them apart",
            };
            format!("{metric} of {labels} is the {word}: {why} ({})", values_text())
        }
    };
    verdict(all, reason)
}

/// Returns true if the interval of the comparison of two versions excludes that `other` is as good as `best`.
fn is_shown_worse(
    insights: &Insights,
    metric: &MetricRef,
    goal: Goal,
    best: usize,
    other: usize,
    confidence: Confidence,
) -> bool {
    let Some(comparison) = comparison(metric) else { return false };
    if has_unknown(insights, metric) {
        return false;
    }
    let [baseline, candidate] = [best.min(other), best.max(other)];
    let mut pair = versions([(insights, baseline), (insights, candidate)]);
    if baseline != 0 {
        // They are recorded for comparisons with version 0.
        pair.load.iter_mut().flat_map(|loads| loads.values_mut()).for_each(|load| load.pairs.clear());
    }
    let limit = comparison.no_difference();
    let relative = RelativeLimits { upper: vec![Slo { metric: metric.clone(), limit: Number(limit) }] };
    let objectives = Objectives { relative, confidence: Some(confidence), ..Objectives::default() };
    let interval = judge_objectives(&pair, &objectives).verdicts.pop().and_then(|verdict| verdict.interval);
    let Some([low, high]) = interval else { return false };
    // The interval is that of the later version against the earlier one.
    let is_other_higher =
        if other == candidate { low.is_some_and(|low| low > limit) } else { high.is_some_and(|high| high < limit) };
    let is_other_lower =
        if other == candidate { high.is_some_and(|high| high < limit) } else { low.is_some_and(|low| low > limit) };
    match goal {
        Goal::Max => is_other_lower,
        Goal::Min => is_other_higher,
    }
}

/// Returns true if some responses of the metric's load are of unknown origin.
fn has_unknown(insights: &Insights, metric: &MetricRef) -> bool {
    let Ok(name) = metric.name() else { return false };
    let unknown = insights.unknown_version.and_then(|version| insights.load.get(version)?.get(&name.provider));
    unknown.is_some_and(|unknown| unknown.counts.requests > 0)
}

#[cfg(test)]
#[path = "reward_tests.rs"]
mod tests;
