//! Tests of verdicts on splits.

use proptest::prelude::*;

use super::*;
use crate::metrics::loop_records::keep;
use crate::model::document::{Experiment, TaskStatus};
use crate::model::loops::LoopRule;
use crate::model::number::Number;
use crate::model::slo::{Slo, SloLimits};
use crate::slo::assertion::{AssertCondition, judge as judge_condition};
use crate::slo::assess::assess;
use crate::slo::loops::{ThisLoop, judge};
use crate::slo::summary::overall_verdict;

const NAMES: [&str; 3] = ["v1", "v2", "v3"];

fn of(counts: &[u64], weights: &[f64]) -> Split {
    let observed = counts.iter().zip(NAMES).map(|(count, name)| Observed { name: name.to_owned(), count: Ok(*count) });
    compare(Comparison {
        metric: "http/request-count".into(),
        expected_from: None,
        significance: 0.001,
        observed: observed.collect(),
        weights: Ok(weights.to_vec()),
    })
}

#[track_caller]
fn inconclusive(counts: &[u64], weights: &[f64], reason: &str) {
    let split = of(counts, weights);
    assert_eq!((split.verdict, split.reason.as_str()), (Outcome::Inconclusive, reason));
}

#[test]
fn a_split_near_the_expected_one_is_satisfied() {
    let split = of(&[78, 22], &[80.0, 20.0]);
    assert_eq!(
        (split.verdict, split.reason.as_str()),
        (Outcome::Satisfied, "the split is as expected (binomial test: p = 0.62)")
    );
    let [first, second] = split.versions.as_slice() else { panic!("{split:?}") };
    assert_eq!(
        (first.expected, first.observed, first.percent, first.needed),
        (Some(80.0), Some(78), Some(78.0), Some(5))
    );
    // scipy 1.17.1: binomtest(22, 100).proportion_ci(0.999) is 0.10347849 to 0.37923998.
    let [low, high] = second.interval.unwrap();
    assert!((low - 10.347849).abs() < 1e-5 && (high - 37.923998).abs() < 1e-5, "{low} {high}");
    // Only the ratio of the weights counts.
    assert_eq!(of(&[78, 22], &[4.0, 1.0]).p_value, split.p_value);
    assert_eq!(of(&[100, 0], &[1.0, 0.0]).verdict, Outcome::Satisfied);
}

#[test]
fn a_version_with_the_wrong_share_is_named() {
    inconclusive(
        &[65, 35],
        &[80.0, 20.0],
        "v1 sent 65 of 100 responses (65 %), expected 80 %: the probability of such a split is 0.00041",
    );
    inconclusive(
        &[500, 200, 300],
        &[50.0, 30.0, 20.0],
        "v3 sent 300 of 1000 responses (30 %), expected 20 %: the probability of such a split is less than 0.000001",
    );
}

#[test]
fn a_version_that_gets_no_traffic_is_never_fine() {
    inconclusive(
        &[20, 0],
        &[80.0, 20.0],
        "v2 sent none of 20 responses, although its expected share is 20 %; at least 31 responses are needed to see it",
    );
    inconclusive(&[31, 0], &[80.0, 20.0], "v2 sent none of 31 responses, although its expected share is 20 %");
    inconclusive(&[0, 0], &[80.0, 20.0], "no responses were counted; at least 31 are needed");
}

#[test]
fn a_version_without_a_share_that_gets_traffic_is_wrong() {
    inconclusive(&[99, 1], &[1.0, 0.0], "v2 sent 1 of 100 responses, although its expected share is 0 %");
    let observed = [("v1", 97), ("unknown", 3)];
    let observed = observed.map(|(name, count)| Observed { name: name.to_owned(), count: Ok(count) }).into();
    let (metric, weights) = ("http/request-count".into(), Ok(vec![1.0, 0.0]));
    let split = compare(Comparison { metric, expected_from: None, significance: 0.001, observed, weights });
    assert_eq!(split.reason, "3 of 100 responses are of unknown origin");
}

#[test]
fn missing_counts_and_weights_are_the_reason() {
    let missing = |count: Result<u64, String>, weights: Result<Vec<f64>, String>| {
        let observed =
            vec![Observed { name: "v1".to_owned(), count: Ok(5) }, Observed { name: "v2".to_owned(), count }];
        let metric = "istio/request-count".into();
        compare(Comparison { metric, expected_from: None, significance: 0.001, observed, weights })
    };
    let split = missing(Err("v2 has no count: HTTP 503".to_owned()), Ok(vec![1.0, 1.0]));
    assert_eq!((split.verdict, split.reason.as_str()), (Outcome::Inconclusive, "v2 has no count: HTTP 503"));
    assert_eq!((split.responses, split.p_value, split.versions[0].percent), (None, None, None));
    let split = missing(Ok(5), Err("the candidate is not ready".to_owned()));
    assert_eq!(split.reason, "the expected split is not known: the candidate is not ready");
    assert_eq!((split.responses, split.versions[0].percent, split.versions[0].expected), (Some(10), Some(50.0), None));
}

/// An experiment with one SLO on `prom/errors`, satisfied by 0 and violated by 2, and a split with these counts, in this order of tasks.
fn experiment(tasks: [&str; 2], errors: f64, counts: &[u64], rule: Option<LoopRule>, loops: u64) -> Experiment {
    let limits = SloLimits { upper: vec![Slo { metric: "prom/errors".into(), limit: Number(1.0) }], lower: Vec::new() };
    let mut insights = Insights { num_versions: 1, ..Insights::default() };
    for number in 1..=loops {
        insights.non_hist_metric_values = vec![[("prom/errors".to_owned(), vec![errors])].into()];
        insights.splits.clear();
        insights.verdicts.clear();
        insights.slos_satisfied = None;
        for task in tasks {
            if task == "split" {
                insights.splits.push(of(counts, &[80.0, 20.0]));
                apply(&mut insights, number);
                continue;
            }
            let mut assessment = assess(&insights, &limits);
            let this = ThisLoop { number, measured: ["prom".to_owned()].into(), ..ThisLoop::default() };
            judge(&mut assessment, &insights, rule, &this);
            insights.slos = Some(limits.clone());
            insights.slos_satisfied = Some(assessment.satisfied);
            insights.verdicts = assessment.verdicts;
            keep(&mut insights.loops, &assessment.record.unwrap());
        }
    }
    let consecutive = match rule {
        Some(LoopRule::Consecutive(count)) => serde_json::json!({"consecutive": count}),
        Some(LoopRule::FailureLimit(count)) => serde_json::json!({"failureLimit": count}),
        None => serde_json::json!({}),
    };
    let mut with = serde_json::json!({"SLOs": {"upper": [{"metric": "prom/errors", "limit": 1}]}});
    with.as_object_mut().unwrap().extend(consecutive.as_object().unwrap().clone());
    let spec: Vec<_> = tasks
        .map(|task| {
            if task == "assess" {
                serde_json::json!({"task": task, "with": with})
            } else {
                serde_json::json!({"task": task, "with": {}})
            }
        })
        .into();
    let records: Vec<_> = tasks.map(|task| serde_json::json!({"task": task, "status": "done"})).into();
    let result = serde_json::json!({"schemaVersion": 1, "numLoops": loops, "numCompletedTasks": 2, "tasks": records, "insights": insights});
    serde_json::from_value(serde_json::json!({"spec": spec, "result": result})).unwrap()
}

const ORDERS: [[&str; 2]; 2] = [["split", "assess"], ["assess", "split"]];

#[test]
fn a_wrong_split_leaves_satisfied_slos_undecided_in_any_order_of_tasks() {
    for order in ORDERS {
        let right = experiment(order, 0.0, &[80, 20], None, 1);
        assert_eq!(overall_verdict(&right).to_string(), "SLOs: 1 of 1 satisfied");
        assert!(judge_condition(&right, AssertCondition::Slos).holds);
        let wrong = experiment(order, 0.0, &[100, 0], None, 1);
        let overall = overall_verdict(&wrong);
        assert_eq!(overall.outcome, Some(Outcome::Inconclusive));
        assert_eq!(
            overall.to_string(),
            "SLOs: 1 of 1 inconclusive (split of http/request-count: v2 sent none of 100 responses, although its expected share is 20 %)"
        );
        let judgement = judge_condition(&wrong, AssertCondition::Slos);
        assert_eq!((judgement.holds, judgement.inconclusive, judgement.decided), (false, true, true), "{judgement:?}");
        assert!(judgement.sentence.contains("v2 sent none of 100 responses"), "{judgement:?}");
        let insights = wrong.result.unwrap().insights.unwrap();
        assert_eq!(insights.loops[0].outcomes, [LoopOutcome::Inconclusive], "{order:?}");
        assert_eq!(insights.slos_satisfied.unwrap().upper, [[false]]);
    }
}

#[test]
fn a_violated_slo_stays_violated_whatever_the_split_is() {
    for order in ORDERS {
        let wrong = experiment(order, 2.0, &[100, 0], None, 1);
        let overall = overall_verdict(&wrong);
        assert_eq!(overall.outcome, Some(Outcome::Violated));
        assert!(
            overall.to_string().contains("prom/errors 2 > 1; split of http/request-count: v2 sent none"),
            "{overall}"
        );
        assert!(!judge_condition(&wrong, AssertCondition::Slos).inconclusive);
    }
}

#[test]
fn loops_with_a_wrong_split_are_not_good_loops() {
    for order in ORDERS {
        let two = |counts: &[u64]| overall_verdict(&experiment(order, 0.0, counts, Some(LoopRule::Consecutive(2)), 2));
        assert_eq!(two(&[80, 20]).outcome, Some(Outcome::Satisfied));
        assert_eq!(two(&[100, 0]).outcome, Some(Outcome::Inconclusive));
        // A rule may satisfy what this loop violated, but the split leaves it open.
        let limit = Some(LoopRule::FailureLimit(5));
        let failed = |counts: &[u64]| overall_verdict(&experiment(order, 2.0, counts, limit, 2)).outcome;
        assert_eq!([failed(&[80, 20]), failed(&[100, 0])], [Some(Outcome::Satisfied), Some(Outcome::Inconclusive)]);
    }
}

#[test]
fn verdicts_do_not_count_before_the_split_is_checked() {
    let mut open = experiment(["assess", "split"], 0.0, &[80, 20], None, 1);
    let result = open.result.as_mut().unwrap();
    (result.tasks[1].status, result.num_completed_tasks) = (TaskStatus::Running, 1);
    result.insights.as_mut().unwrap().splits.clear();
    let judgement = judge_condition(&open, AssertCondition::Slos);
    assert_eq!((judgement.holds, judgement.decided), (false, false));
    assert_eq!(judgement.sentence, "the split is not checked in this loop: 1 of 2 tasks are done; split is running");
    assert_eq!(overall_verdict(&open).outcome, None);
    // A split that was skipped claims nothing.
    let result = open.result.as_mut().unwrap();
    (result.tasks[1].status, result.num_completed_tasks) = (TaskStatus::Skipped, 2);
    assert!(judge_condition(&open, AssertCondition::Slos).holds);
}

#[test]
fn a_wrong_split_leaves_an_experiment_without_slos_undecided() {
    let mut wrong = experiment(["assess", "split"], 0.0, &[100, 0], None, 1);
    wrong.spec.remove(0);
    let result = wrong.result.as_mut().unwrap();
    (result.num_completed_tasks, _) = (1, result.tasks.remove(0));
    let insights = result.insights.as_mut().unwrap();
    (insights.slos, insights.slos_satisfied) = (None, None);
    insights.verdicts.clear();
    let overall = overall_verdict(&wrong);
    assert_eq!(overall.outcome, Some(Outcome::Inconclusive));
    assert!(
        overall.to_string().starts_with("SLOs: none defined (split of http/request-count: v2 sent none"),
        "{overall}"
    );
    assert!(!judge_condition(&wrong, AssertCondition::Slos).inconclusive, "there is nothing to decide");
}

proptest! {
    #[test]
    fn a_split_is_never_violated_and_an_unseen_version_never_satisfies_it(
        counts in prop::collection::vec(0_u64..200, 2..4), weights in prop::collection::vec(0.0_f64..100.0, 3),
    ) {
        let split = of(&counts, &weights[..counts.len()]);
        prop_assert!(split.verdict != Outcome::Violated && !split.reason.is_empty());
        let unseen = counts.iter().zip(&weights).any(|(count, weight)| *count == 0 && *weight > 0.0);
        prop_assert!(!(unseen && split.is_satisfied()), "{split:?}");
        prop_assert!(split.is_satisfied() || split.verdict == Outcome::Inconclusive);
    }
}
