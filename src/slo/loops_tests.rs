//! Tests of rules over several loops; each loop is judged on the document that earlier loops left.

use super::*;
use crate::metrics::loop_records::{MAX_LOOPS, keep};
use crate::model::insights::{Insights, Observation};
use crate::model::missing::NoDataPolicy;
use crate::model::number::Number;
use crate::model::slo::{Slo, SloLimits};
use crate::slo::assess::assess;

/// Measurement of `prom/errors` in one loop; at most 1 satisfies the SLO.
#[derive(Clone, Copy)]
enum Seen {
    Value(f64),
    Nothing,
    /// Absent, with a policy.
    Absent(NoDataPolicy),
    /// The measuring task was skipped.
    Skipped,
    /// `assess` did not run.
    Unassessed,
}
use NoDataPolicy::{Fail, Pass, Zero};
use Seen::{Absent, Nothing, Skipped, Unassessed, Value};

/// Judges these loops by the same rule and returns the insights.
fn after(rule: Option<LoopRule>, loops: &[Seen]) -> Insights {
    let limits = SloLimits { upper: vec![Slo { metric: "prom/errors".into(), limit: Number(1.0) }], lower: Vec::new() };
    let mut insights = Insights { num_versions: 1, ..Insights::default() };
    for (number, seen) in (1..).zip(loops) {
        let mut observation = Observation::default();
        let mut value = None;
        match seen {
            Value(number) => value = Some(*number),
            Nothing => observation.no_data = Some("HTTP 503".into()),
            Absent(policy) => {
                (observation.no_data, observation.policy) = (Some("an empty result".into()), Some(*policy));
                value = (*policy == Zero).then_some(0.0);
            }
            Skipped | Unassessed => {}
        }
        if !matches!(seen, Skipped) {
            insights.observations = vec![[("prom/errors".to_owned(), observation)].into()];
            insights.non_hist_metric_values.resize_with(1, BTreeMap::new);
            insights.non_hist_metric_values[0].entry("prom/errors".into()).or_default().extend(value);
        }
        (insights.verdicts, insights.slos_satisfied) = (Vec::new(), None);
        if matches!(seen, Unassessed) {
            continue;
        }
        let measured = if matches!(seen, Skipped) { BTreeSet::new() } else { BTreeSet::from(["prom".to_owned()]) };
        let this = ThisLoop { number, measured, ..ThisLoop::default() };
        let mut assessment = assess(&insights, &limits);
        judge(&mut assessment, &insights, rule, &this);
        keep(&mut insights.loops, assessment.record.as_ref().unwrap());
        (insights.verdicts, insights.slos_satisfied) = (assessment.verdicts, Some(assessment.satisfied));
    }
    insights
}

/// Returns the newest verdict and its reason, and checks that the matrix agrees.
fn judged(rule: LoopRule, loops: &[Seen]) -> (Outcome, String) {
    let insights = after(Some(rule), loops);
    let verdict = &insights.verdicts[0];
    assert_eq!(insights.slos_satisfied.unwrap().upper, [[verdict.verdict == Satisfied]]);
    (verdict.verdict, verdict.reason.clone())
}

const GOOD: Seen = Value(0.5);
const BAD: Seen = Value(2.0);
use Outcome::{Inconclusive, Satisfied, Violated};

#[test]
fn consecutive_requires_good_newest_loops() {
    let row = |loops: &[Seen]| judged(LoopRule::Consecutive(3), loops);
    let good = "prom/errors is 0.50, within the limit of 1";
    let so_far = |count: u32, why: &str| format!("{count} of 3 good loops in a row so far: {good}{why}");
    assert_eq!(row(&[GOOD]), (Inconclusive, so_far(1, "")));
    assert_eq!(row(&[GOOD, GOOD]), (Inconclusive, so_far(2, "")));
    assert_eq!(row(&[GOOD, GOOD, GOOD]), (Satisfied, format!("{good}; 3 of 3 good loops in a row")));
    assert_eq!(row(&[BAD, GOOD, GOOD, GOOD, GOOD]).0, Satisfied);
    let bad = "prom/errors is 2, above the limit of 1; 0 of 3 good loops in a row";
    assert_eq!(row(&[GOOD, GOOD, GOOD, BAD]), (Violated, bad.to_owned()));
    assert_eq!(row(&[GOOD, GOOD, BAD, GOOD]), (Inconclusive, so_far(1, "; loop 3 violated it")));
}

#[test]
fn a_pass_without_data_is_good_and_any_other_loop_ends_a_row() {
    let row = |loops: &[Seen]| judged(LoopRule::Consecutive(2), loops);
    let why = |seen: Seen| row(&[GOOD, seen, GOOD]);
    for (seen, expected) in [
        (Nothing, "loop 2 did not decide it"),
        (Absent(Fail), "loop 2 had no data, which counts as violated"),
        (Skipped, "loop 2 did not decide it"),
        (Unassessed, "loop 2 was not assessed"),
    ] {
        let (outcome, reason) = why(seen);
        assert_eq!(outcome, Inconclusive, "{reason}");
        assert!(reason.ends_with(expected), "{reason}");
    }
    // With a policy of zero, the value is 0.
    assert_eq!(why(Absent(Zero)).0, Satisfied);
    assert_eq!(why(Absent(Pass)).0, Satisfied);
}

#[test]
fn a_row_needs_its_number_of_loops_even_if_they_pass_without_data() {
    let row = |loops: &[Seen]| judged(LoopRule::Consecutive(3), loops);
    let passes = "prom/errors has no data, which counts as satisfied: an empty result";
    assert_eq!(row(&[Absent(Pass)]), (Inconclusive, format!("1 of 3 good loops in a row so far: {passes}")));
    assert_eq!(row(&[BAD, Absent(Pass), Absent(Pass)]).0, Inconclusive);
    let three = (Satisfied, format!("{passes}; 3 of 3 good loops in a row"));
    assert_eq!(row(&[GOOD, Absent(Pass), Absent(Pass)]), three);
    let fails = "prom/errors has no data, which counts as violated: an empty result; 0 of 3 good loops in a row";
    assert_eq!(row(&[GOOD, GOOD, Absent(Fail)]), (Violated, fails.to_owned()));
}

#[test]
fn an_inconclusive_newest_loop_decides_nothing() {
    for rule in [LoopRule::Consecutive(2), LoopRule::FailureLimit(0)] {
        assert_eq!(judged(rule, &[GOOD, Nothing]), (Inconclusive, "no value: HTTP 503".to_owned()));
    }
}

#[test]
fn failure_limit_is_the_maximum_of_failed_loops() {
    let limit = |loops: &[Seen]| judged(LoopRule::FailureLimit(2), loops);
    let bad = "prom/errors is 2, above the limit of 1";
    assert_eq!(limit(&[GOOD]).1, "prom/errors is 0.50, within the limit of 1; 0 of at most 2 failed loops");
    assert_eq!(limit(&[GOOD, BAD]), (Satisfied, format!("{bad}; 1 of at most 2 failed loops")));
    assert_eq!(limit(&[BAD, GOOD, BAD]), (Satisfied, format!("{bad}; 2 of at most 2 failed loops")));
    let over = "3 failed loops, and at most 2 may fail";
    assert_eq!(limit(&[BAD, BAD, BAD]), (Violated, format!("{bad}; {over}")));
    // A good loop, or one without data, does not undo it.
    assert_eq!(limit(&[BAD, BAD, BAD, GOOD]).0, Violated);
    assert_eq!(limit(&[BAD, BAD, BAD, Absent(Pass)]).0, Violated);
    assert_eq!(limit(&[BAD, BAD, BAD, Nothing]), (Violated, format!("no value: HTTP 503; {over}")));
    // An inconclusive loop does not count as failed; one that fails by its policy does.
    assert_eq!(limit(&[BAD, BAD, Nothing, Absent(Pass), Skipped, Unassessed, GOOD]).0, Satisfied);
    assert_eq!(limit(&[BAD, BAD, Absent(Fail)]).0, Violated);
    assert_eq!(limit(&[BAD, BAD, Absent(Fail), GOOD]).0, Violated);
    let absent = "prom/errors has no data, which counts as";
    let within =
        |word: &str, count: u32| format!("{absent} {word}: an empty result; {count} of at most 2 failed loops");
    assert_eq!(limit(&[GOOD, BAD, Absent(Fail)]), (Satisfied, within("violated", 2)));
    assert_eq!(limit(&[BAD, Absent(Pass)]), (Satisfied, within("satisfied", 1)));
    assert_eq!(judged(LoopRule::FailureLimit(0), &[BAD]).1, format!("{bad}; 1 failed loop, and at most 0 may fail"));
}

#[test]
fn a_metric_that_only_earlier_loops_measured_has_no_data_with_or_without_a_rule() {
    let rules = [None, Some(LoopRule::Consecutive(1)), Some(LoopRule::FailureLimit(1))];
    for rule in rules {
        for before in [GOOD, BAD, Nothing, Absent(Pass), Absent(Fail), Absent(Zero)] {
            let insights = after(rule, &[before, Skipped]);
            let verdict = &insights.verdicts[0];
            assert_eq!((verdict.verdict, verdict.value, verdict.no_data), (Inconclusive, None, None), "{verdict:?}");
            assert_eq!(verdict.reason, "no data: not measured in this loop");
            assert_eq!(insights.slos_satisfied.unwrap().upper, [[false]]);
            assert_eq!((insights.loops[1].outcomes[0], insights.loops[1].values[0]), (LoopOutcome::Inconclusive, None));
        }
    }
    // A metric that no loop measured keeps its own reason.
    assert_eq!(after(None, &[Skipped]).verdicts[0].reason, "no data: `prom/errors` was not measured");
}

#[test]
fn values_of_iter8_documents_count_because_their_loop_is_unknown() {
    let limits = SloLimits { upper: vec![Slo { metric: "prom/errors".into(), limit: Number(1.0) }], lower: Vec::new() };
    let values = vec![[("prom/errors".to_owned(), vec![2.0, 0.5])].into()];
    let insights = Insights { num_versions: 1, non_hist_metric_values: values, ..Insights::default() };
    let this = ThisLoop { number: 3, ..ThisLoop::default() };
    for (rule, outcome, value) in [(None, Satisfied, Some(0.5)), (Some(LoopRule::Consecutive(1)), Inconclusive, None)] {
        let mut assessment = assess(&insights, &limits);
        judge(&mut assessment, &insights, rule, &this);
        assert_eq!((assessment.verdicts[0].verdict, assessment.verdicts[0].value), (outcome, value));
        assert_eq!(assessment.satisfied.upper, [[outcome == Satisfied]]);
        assert_eq!(assessment.record.unwrap().outcomes, [LoopOutcome::Inconclusive], "an old value is no news");
    }
}

#[test]
fn a_rule_judges_each_slo_and_version_separately() {
    let limits = |metrics: &[&str]| -> Vec<Slo> {
        metrics.iter().map(|metric| Slo { metric: (*metric).into(), limit: Number(1.0) }).collect()
    };
    let limits = SloLimits { upper: limits(&["a/x", "a/y"]), lower: limits(&["a/z"]) };
    let values = |x: f64, y: f64, z: f64| {
        [("a/x", x), ("a/y", y), ("a/z", z)].map(|(name, value)| (name.to_owned(), vec![value])).into()
    };
    let mut insights = Insights {
        num_versions: 2,
        non_hist_metric_values: vec![values(0.0, 2.0, 1.0), values(0.0, 0.0, 0.0)],
        ..Insights::default()
    };
    use LoopOutcome::{Satisfied as S, Violated as V};
    let record = LoopRecord { number: 1, outcomes: vec![S, V, S, S, V, V], ..LoopRecord::default() };
    let this = ThisLoop { number: 2, measured: BTreeSet::from(["a".to_owned()]), ..ThisLoop::default() };
    let mut assessment = assess(&insights, &limits);
    insights.loops = vec![record.clone()];
    judge(&mut assessment, &insights, Some(LoopRule::Consecutive(2)), &this);
    let outcomes: Vec<Outcome> = assessment.verdicts.iter().map(|verdict| verdict.verdict).collect();
    assert_eq!(outcomes, [Satisfied, Inconclusive, Violated, Satisfied, Inconclusive, Violated]);
    assert_eq!(assessment.satisfied.upper, [[true, false], [false, true]]);
    assert_eq!(assessment.satisfied.lower, [[false, false]]);
    assert_eq!(assessment.record.unwrap().outcomes, [S, S, V, S, S, V], "each loop by itself");
    // Records of other SLOs or versions do not count.
    insights.loops = vec![LoopRecord { outcomes: vec![S; 3], ..record }];
    let mut assessment = assess(&insights, &limits);
    judge(&mut assessment, &insights, Some(LoopRule::Consecutive(2)), &this);
    assert!(assessment.verdicts[0].reason.ends_with("; loop 1 was not assessed"), "{:?}", assessment.verdicts[0]);
}

#[test]
fn values_are_rounded_to_six_digits_but_never_to_their_limit() {
    let limits = SloLimits { upper: vec![Slo { metric: "a/x".into(), limit: Number(50.0) }], lower: Vec::new() };
    for (value, kept) in
        [(12.345_678_9, 12.3457), (50.000_000_1, 50.000_000_1), (-1e-300, -1e-300), (f64::MAX, 1.79769e308)]
    {
        let values = vec![[("a/x".to_owned(), vec![value])].into()];
        let insights = Insights { num_versions: 1, non_hist_metric_values: values, ..Insights::default() };
        let mut assessment = assess(&insights, &limits);
        judge(
            &mut assessment,
            &insights,
            None,
            &ThisLoop { measured: BTreeSet::from(["a".to_owned()]), ..ThisLoop::default() },
        );
        assert_eq!(assessment.record.unwrap().values, [Some(kept)]);
    }
}

fn record(number: u64, cells: usize) -> LoopRecord {
    let (outcomes, values) = (vec![LoopOutcome::Satisfied; cells], vec![Some(1.0); cells]);
    LoopRecord { number, start: None, outcomes, values }
}

#[test]
fn a_reassessed_loop_has_one_record() {
    let mut loops = vec![record(1, 2), record(2, 2), record(9, 2)];
    let again = LoopRecord { outcomes: vec![LoopOutcome::Violated; 2], ..record(2, 2) };
    keep(&mut loops, &again);
    assert_eq!(loops, [record(1, 2), again]);
    keep(&mut loops, &record(3, 5));
    assert_eq!(loops, [record(3, 5)], "loops with other objectives go");
}

#[test]
fn the_oldest_loops_lose_their_values_and_are_dropped_next() {
    for (cells, kept, whole) in [(3, MAX_LOOPS, MAX_LOOPS), (300, 100, 10), (40_000, 1, 1)] {
        let mut loops = Vec::new();
        for number in 1..=600 {
            keep(&mut loops, &record(number, cells));
        }
        assert_eq!(loops.len(), kept, "{cells} cells");
        assert_eq!(loops.iter().filter(|record| !record.values.is_empty()).count(), whole, "{cells} cells");
        assert_eq!(loops.last(), Some(&record(600, cells)));
        assert_eq!(loops[0].number, 601 - kept as u64);
    }
}
