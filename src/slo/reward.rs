//! The best of the satisfied versions by a reward.
//!
//! Without a confidence the best value decides, as in Iter8 v0.14. With one, another version is worse only if the interval of its comparison
//! with the best excludes that they are equal, at an error of α/(k − 1) for k versions; otherwise both are named. A version that does not
//! satisfy all SLOs is never named.

use super::compare::versions;
use super::comparison::comparison;
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
    let value = |version: usize| match MetricsView::new(insights, version).resolve(metric).reading {
        Reading::Value(value) => Some(value).filter(|value| value.is_finite()),
        Reading::Missing(_) => None,
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
            format!("{metric} of {labels} is the {word}: the samples do not tell them apart ({})", values_text())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::confidence::testing::{TestLoad, insights, objectives};

    const CONFIDENCE: Confidence = Confidence { level: 0.95, burst: Confidence::DEFAULT_BURST, is_strict: false };

    /// Versions whose latencies are these multiples of the same, and their errors per interval of 100 requests.
    fn versions_of(loads: &[(u64, u64)]) -> Insights {
        let load = |(times, errors): &(u64, u64)| {
            let mut load = TestLoad::with_errors(40, 100, |_| *errors);
            load.intervals.iter_mut().flat_map(|(latencies, _)| latencies).for_each(|micros| *micros *= times);
            load
        };
        insights(&loads.iter().map(load).collect::<Vec<_>>())
    }

    fn best(insights: &Insights, rewards: &Rewards, confidence: Option<&Confidence>) -> Vec<RewardVerdict> {
        let slos = Objectives { confidence: None, ..objectives(&[("http/error-rate", 0.5)], &[], &[]) };
        judge(insights, &judge_objectives(insights, &slos).verdicts, rewards, confidence)
    }

    fn min(metric: &str) -> Rewards {
        Rewards { min: vec![metric.into()], ..Rewards::default() }
    }

    #[test]
    fn the_best_satisfied_version_wins_and_one_that_violates_an_slo_is_never_named() {
        let insights = versions_of(&[(3, 0), (2, 0), (1, 90)]);
        for confidence in [None, Some(&CONFIDENCE)] {
            for metric in ["http/latency-p50", "http/latency-p95"] {
                let rewards = Rewards { max: vec![metric.into()], ..min(metric) };
                let all = best(&insights, &rewards, confidence);
                assert_eq!(all.iter().map(|reward| reward.best.clone()).collect::<Vec<_>>(), [[0], [1]], "{all:?}");
                assert_eq!(winners(&all), RewardsWinners { max: vec![0], min: vec![1] });
                assert!(!all[1].reason.contains("version 2"), "{all:?}");
            }
        }
        let none = best(&versions_of(&[(1, 90), (2, 90)]), &min("http/latency-mean"), None);
        assert_eq!((none[0].best.len(), winners(&none).min), (0, vec![-1]));
        assert_eq!(none[0].reason, "http/latency-mean: no version satisfies all SLOs");
    }

    #[test]
    fn versions_that_are_not_told_apart_are_both_named() {
        let insights = versions_of(&[(2, 0), (2, 0), (3, 0)]);
        let by_value = best(&insights, &min("http/latency-p95"), None);
        assert_eq!(by_value[0].best, [0]);
        let open = best(&insights, &min("http/latency-p95"), Some(&CONFIDENCE));
        assert_eq!((open[0].best.clone(), winners(&open).min), (vec![0, 1], vec![-1]), "{open:?}");
        assert_eq!(open[0].confidence, Some(0.95));
        // Nothing shows how sure a count or a missing value is.
        let count = best(&insights, &min("http/error-count"), Some(&CONFIDENCE));
        assert_eq!(count[0].best, [0, 1, 2]);
        let absent = best(&insights, &min("prom/cost"), Some(&CONFIDENCE));
        assert_eq!(absent[0].best.len(), 0);
    }

    #[test]
    fn a_version_that_loses_its_verdicts_is_withdrawn() {
        let mut insights = versions_of(&[(3, 0), (2, 0)]);
        let slos = objectives(&[("http/error-rate", 0.5)], &[], &[]);
        insights.verdicts = judge_objectives(&insights, &slos).verdicts;
        insights.reward_verdicts = judge(&insights, &insights.verdicts, &min("http/latency-p95"), Some(&CONFIDENCE));
        insights.rewards_winners = Some(winners(&insights.reward_verdicts));
        assert_eq!(named(&insights, &insights.reward_verdicts[0]), [1]);
        insights.verdicts[1].verdict = Outcome::Inconclusive;
        assert!(named(&insights, &insights.reward_verdicts[0]).is_empty());
        withdraw(&mut insights);
        assert_eq!(insights.rewards_winners.as_ref().unwrap().min, [-1]);
    }
}
