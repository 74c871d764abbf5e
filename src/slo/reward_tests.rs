use super::*;
use crate::model::slo::Bound;
use crate::slo::confidence::testing::{TestLoad, insights, objectives, record};

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
fn responses_of_unknown_origin_may_be_of_any_version() {
    let mut insights = versions_of(&[(3, 0), (2, 0), (9, 0)]);
    (insights.num_versions, insights.unknown_version) = (2, Some(2));
    let open = best(&insights, &min("http/latency-p95"), Some(&CONFIDENCE));
    assert_eq!(open[0].best, [1, 0], "{open:?}");
    assert!(open[0].reason.contains(": responses of unknown origin may have come from any of them ("), "{open:?}");
    insights.load[2].get_mut("http").unwrap().counts.requests = 0;
    assert_eq!(best(&insights, &min("http/latency-p95"), Some(&CONFIDENCE))[0].best, [1]);
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

#[test]
fn of_several_versions_each_needs_more_evidence_to_be_worse() {
    // Version 1 has a few more errors than version 0, and version 2 has many.
    let errors = |more: usize, others: usize| {
        let load = |errors: &dyn Fn(usize) -> u64| TestLoad::with_errors(40, 100, errors);
        let second = |at: usize| 2 + u64::from(at * 7 % 40 < more);
        let all = [load(&|_| 2), load(&second), load(&|_| 30), load(&|_| 30), load(&|_| 30)];
        best(&insights(&all[..2 + others]), &min("http/error-rate"), Some(&CONFIDENCE)).remove(0).best
    };
    let is_between = |more: &usize| errors(*more, 0) == [0] && errors(*more, 3) == [0, 1];
    assert!((0..=40).any(|more| is_between(&more)));
}

#[test]
fn pairs_are_those_of_a_version_with_version_0() {
    let with = |loads: &[(u64, u64)], paired: usize| {
        let mut insights = versions_of(loads);
        // As if nearly all requests depended on each other.
        record(&mut insights, paired).pairs.iter_mut().for_each(|pair| pair.deff = 1e6);
        best(&insights, &min("http/latency-p95"), Some(&CONFIDENCE)).remove(0).best
    };
    assert_eq!(with(&[(2, 0), (3, 0)], 1), [0, 1]);
    assert_eq!(with(&[(3, 0), (2, 0)], 1), [1, 0]);
    assert_eq!(with(&[(9, 90), (2, 0), (3, 0)], 2), [1], "versions 1 and 2 have no pairs");
}

#[test]
fn a_version_without_a_value_may_be_the_best() {
    let mut insights = versions_of(&[(2, 0), (3, 0)]);
    insights.histograms[1].clear();
    assert_eq!(best(&insights, &min("http/latency-p95"), None)[0].best, [0]);
    let open = best(&insights, &min("http/latency-p95"), Some(&CONFIDENCE));
    assert_eq!(open[0].best, [0, 1], "{open:?}");
}

#[test]
fn only_versions_that_were_judged_satisfy_their_slos() {
    let verdict = |version, reference, verdict| Verdict {
        verdict,
        reference,
        ..Verdict::undecided(&Slo { metric: "http/m".into(), limit: Number(1.0) }, Bound::Upper, version)
    };
    let (satisfied, open) = (Outcome::Satisfied, Outcome::Inconclusive);
    let compared = [verdict(1, Some(0), satisfied)];
    let cases = [
        ("without any verdict", &[][..], 0, false),
        ("its only SLO is satisfied", &[verdict(0, None, satisfied)][..], 0, true),
        ("one of its SLOs is open", &[verdict(0, None, satisfied), verdict(0, None, open)][..], 0, false),
        ("it is compared with version 0", &compared[..], 1, true),
        ("version 0, with which others are compared", &compared[..], 0, true),
        ("another version was judged", &compared[..], 2, false),
    ];
    for (why, verdicts, version, expected) in cases {
        assert_eq!(is_satisfied(verdicts, version), expected, "{why}");
    }
}

#[test]
fn a_version_that_mostly_fails_is_not_the_fastest() {
    let insights = versions_of(&[(3, 0), (1, 90)]);
    let slos = objectives(&[], &[("http/request-count", 1.0)], &[]);
    let verdicts = judge_objectives(&insights, &slos).verdicts;
    let best = |metric: &str| judge(&insights, &verdicts, &min(metric), None)[0].best.clone();
    assert_eq!([best("http/latency-mean"), best("http/latency-p95")], [[0], [0]]);
    assert_eq!(best("http/error-rate"), [0]);
}
