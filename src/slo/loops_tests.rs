//! Tests of rules over several loops; each loop is judged on the document that earlier loops left.

use super::*;
use crate::metrics::loop_records::{MAX_LOOPS, keep, keep_failed};
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
    /// `assess` did not run, as its condition was false.
    Unassessed,
    /// A task before `assess` failed, and `assess` did not run.
    Dead,
    /// This value, but another task failed before `assess`.
    HalfDead,
}
use NoDataPolicy::{Fail, Pass, Zero};
use Seen::{Absent, Dead, HalfDead, Nothing, Skipped, Unassessed, Value};

/// Judges these loops by the same rule and returns the insights.
fn after(rule: Option<LoopRule>, loops: &[Seen]) -> Insights {
    let limits = SloLimits { upper: vec![Slo { metric: "prom/errors".into(), limit: Number(1.0) }], lower: Vec::new() };
    let mut insights = Insights { num_versions: 1, ..Insights::default() };
    for (number, seen) in (1..).zip(loops) {
        let mut observation = Observation::default();
        let mut value = None;
        match seen {
            Value(number) => value = Some(*number),
            HalfDead => value = Some(0.5),
            Nothing => observation.no_data = Some("HTTP 503".into()),
            Absent(policy) => {
                (observation.no_data, observation.policy) = (Some("an empty result".into()), Some(*policy));
                value = (*policy == Zero).then_some(0.0);
            }
            Skipped | Unassessed | Dead => {}
        }
        if !matches!(seen, Skipped) {
            insights.observations = vec![[("prom/errors".to_owned(), observation)].into()];
            insights.non_hist_metric_values.resize_with(1, BTreeMap::new);
            insights.non_hist_metric_values[0].entry("prom/errors".into()).or_default().extend(value);
        }
        (insights.verdicts, insights.slos_satisfied) = (Vec::new(), None);
        if matches!(seen, Dead) {
            keep_failed(
                &mut insights.loops,
                LoopRecord { number, failed: Some("ready".into()), ..LoopRecord::default() },
            );
        }
        if matches!(seen, Unassessed | Dead) {
            continue;
        }
        let measured = if matches!(seen, Skipped) { BTreeSet::new() } else { BTreeSet::from(["prom".to_owned()]) };
        let failed = matches!(seen, HalfDead).then(|| "http".to_owned());
        let this = ThisLoop { number, measured, failed, ..ThisLoop::default() };
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
        (Nothing, "loop 2 did not measure it"),
        (Absent(NoDataPolicy::Inconclusive), "loop 2 did not decide it"),
        (Absent(Fail), "loop 2 had no data, which counts as violated"),
        (Skipped, "loop 2 did not measure it"),
        (Dead, "loop 2 was not assessed because ready failed"),
        (HalfDead, "loop 2 did not measure it"),
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
    let undecided = "no data, which leaves the SLO undecided: an empty result";
    for rule in [LoopRule::Consecutive(2), LoopRule::FailureLimit(0)] {
        let newest = Absent(NoDataPolicy::Inconclusive);
        assert_eq!(judged(rule, &[GOOD, newest]), (Inconclusive, undecided.to_owned()));
    }
    assert_eq!(judged(LoopRule::Consecutive(2), &[GOOD, Nothing]), (Inconclusive, "no value: HTTP 503".to_owned()));
}

#[test]
fn a_loop_that_could_not_measure_counts_as_failed() {
    let limit = |loops: &[Seen]| judged(LoopRule::FailureLimit(1), loops);
    for seen in [Nothing, Skipped, Dead, HalfDead] {
        let (outcome, reason) = limit(&[GOOD, seen, GOOD]);
        assert_eq!(outcome, Satisfied, "{reason}");
        assert!(reason.ends_with("; 1 of at most 1 failed loops"), "{reason}");
        let (outcome, reason) = limit(&[GOOD, seen, seen, GOOD]);
        assert_eq!(outcome, Violated, "{reason}");
        assert!(reason.ends_with("; 2 failed loops, and at most 1 may fail"), "{reason}");
    }
    assert_eq!(limit(&[Dead, Nothing, GOOD]).0, Violated);
    assert_eq!(limit(&[Dead, GOOD, Nothing]).0, Violated, "also the newest");
    // Within the limit, the newest loop still has no value.
    assert_eq!(limit(&[GOOD, GOOD, Nothing]), (Inconclusive, "no value: HTTP 503".to_owned()));
    for seen in [Absent(NoDataPolicy::Inconclusive), Absent(Pass), Unassessed] {
        let (outcome, reason) = limit(&[GOOD, seen, seen, GOOD]);
        assert!(reason.ends_with("; 0 of at most 1 failed loops"), "{outcome:?} {reason}");
    }
}

/// Judges a good loop 4 of this spec after three loops with these specs and outcomes.
fn after_specs(rule: LoopRule, earlier: [(Option<&str>, LoopOutcome); 3], spec: Option<&str>) -> (Outcome, String) {
    let limits = SloLimits { upper: vec![Slo { metric: "a/x".into(), limit: Number(1.0) }], lower: Vec::new() };
    let mut insights = Insights { num_versions: 1, ..Insights::default() };
    insights.non_hist_metric_values = vec![[("a/x".to_owned(), vec![0.5])].into()];
    let record = |(number, (spec, outcome)): (u64, (Option<&str>, LoopOutcome))| {
        let spec = spec.map(str::to_owned);
        LoopRecord { number, spec, outcomes: vec![outcome], ..LoopRecord::default() }
    };
    insights.loops = (1..).zip(earlier).map(record).collect();
    let measured = BTreeSet::from(["a".to_owned()]);
    let this = ThisLoop { number: 4, measured, spec: spec.map(str::to_owned), ..ThisLoop::default() };
    let mut assessment = assess(&insights, &limits);
    judge(&mut assessment, &insights, Some(rule), &this);
    assert_eq!(assessment.record.unwrap().spec, this.spec);
    (assessment.verdicts[0].verdict, assessment.verdicts[0].reason.clone())
}

#[test]
fn loops_of_another_spec_do_not_count() {
    use LoopOutcome::{Satisfied as S, Violated as V};
    let (a, b) = (Some("a"), Some("b"));
    let row = |specs: [Option<&str>; 3], this| after_specs(LoopRule::Consecutive(4), specs.map(|spec| (spec, S)), this);
    assert_eq!(row([a, a, a], a).0, Satisfied);
    let good = "a/x is 0.50, within the limit of 1";
    for (specs, this, count, cut) in [([a, a, a], b, 1, 3), ([a, a, b], b, 2, 2), ([b, a, b], b, 2, 2)] {
        let reason = format!("{count} of 4 good loops in a row so far: {good}; loop {cut} measured another spec");
        assert_eq!(row(specs, this), (Inconclusive, reason));
    }
    let limit =
        |specs: [Option<&str>; 3], this| after_specs(LoopRule::FailureLimit(0), specs.map(|spec| (spec, V)), this);
    assert_eq!(limit([a, a, a], a), (Violated, format!("{good}; 3 failed loops, and at most 0 may fail")));
    assert_eq!(limit([b, a, a], b), (Satisfied, format!("{good}; 0 of at most 0 failed loops since loop 4")));
    assert_eq!(limit([a, b, b], b), (Violated, format!("{good}; 2 failed loops since loop 2, and at most 0 may fail")));
    // Records of earlier programs have no digest.
    assert_eq!(row([None, None, None], a).0, Satisfied);
    assert_eq!(limit([None, None, None], a).0, Violated);
    assert_eq!(row([a, a, a], None).0, Satisfied);
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
    let undecided = Absent(NoDataPolicy::Inconclusive);
    let open = "no data, which leaves the SLO undecided: an empty result";
    assert_eq!(limit(&[BAD, BAD, BAD, undecided]), (Violated, format!("{open}; {over}")));
    // An inconclusive loop does not count as failed; one that fails by its policy does.
    assert_eq!(limit(&[BAD, BAD, undecided, Absent(Pass), Unassessed, GOOD]).0, Satisfied);
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
    let rules = [None, Some(LoopRule::Consecutive(1)), Some(LoopRule::FailureLimit(2))];
    for rule in rules {
        for before in [GOOD, BAD, Nothing, Absent(Pass), Absent(Fail), Absent(Zero)] {
            let insights = after(rule, &[before, Skipped]);
            let verdict = &insights.verdicts[0];
            assert_eq!((verdict.verdict, verdict.value, verdict.no_data), (Inconclusive, None, None), "{verdict:?}");
            assert_eq!(verdict.reason, "no data: not measured in this loop");
            assert_eq!(insights.slos_satisfied.unwrap().upper, [[false]]);
            assert_eq!((insights.loops[1].outcomes[0], insights.loops[1].values[0]), (LoopOutcome::Unmeasured, None));
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
        assert_eq!(assessment.record.unwrap().outcomes, [LoopOutcome::Unmeasured], "an old value is no news");
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
    LoopRecord { number, outcomes, values, ..LoopRecord::default() }
}

#[test]
fn a_reassessed_loop_has_one_record() {
    let mut loops = vec![record(1, 2), record(2, 2), record(9, 2)];
    let again = LoopRecord { outcomes: vec![LoopOutcome::Violated; 2], ..record(2, 2) };
    keep(&mut loops, &again);
    assert_eq!(loops, [record(1, 2), again]);
    keep(&mut loops, &record(3, 5));
    assert_eq!(loops, [record(3, 5)], "loops with other SLOs go");
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
