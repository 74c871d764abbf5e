//! Limits far above what a load has seen.

use super::testing::{TestLoad, insights, objectives, verdict};
use crate::model::slo::DependenceSource::{Blocks, Midway, P90};
use crate::model::slo::Outcome::{Inconclusive, Satisfied};
use crate::model::slo::Verdict;

const P99: &str = "http/latency-p99";

/// A minute of a hundred requests per second. Their latencies wander around 0.3 ms, so a tenth of them is slowest in a few seconds;
/// `slow` of them take 30 ms in each of three neighbouring seconds.
fn wandering(slow: usize) -> TestLoad {
    let interval = |second: usize| {
        let level = 300.0 + 40.0 * (second as f64 / 12.0).sin();
        let stalled = if (30..33).contains(&second) { slow } else { 0 };
        let latency = |request: usize| if request < stalled { 30_000 } else { level as u64 + request as u64 % 10 };
        ((0..100).map(latency).collect(), 0)
    };
    TestLoad { intervals: (0..60).map(interval).collect(), limits: vec![0.36, 100.0] }
}

fn p99(load: TestLoad, limit: f64) -> Verdict {
    verdict(&insights(&[load]), &objectives(&[(P99, limit)], &[], &[]))
}

#[test]
fn latencies_that_wander_far_below_a_limit_satisfy_it() {
    let far = p99(wandering(0), 100.0);
    assert_eq!(far.verdict, Satisfied, "{}", far.reason);
    assert!(far.effective_samples.unwrap() > 5_000.0, "{}", far.reason);
    assert_eq!(far.dependence.unwrap().from, Blocks);
}

#[test]
fn latencies_that_wander_close_to_a_limit_are_worth_few_independent_ones() {
    let close = p99(wandering(0), 0.36);
    assert_eq!(close.verdict, Inconclusive, "{}", close.reason);
    assert_eq!(close.dependence.unwrap().from, P90);
}

#[test]
fn requests_on_their_way_to_the_limit_show_how_slow_ones_come_together() {
    let stalled = p99(wandering(19), 100.0);
    let dependence = stalled.dependence.unwrap();
    assert_eq!(dependence.from, Midway, "{}", stalled.reason);
    assert!(dependence.deff > 19.0, "{}", dependence.deff);
    assert_eq!(stalled.verdict, Inconclusive, "{}", stalled.reason);
}

#[test]
fn a_limit_that_the_load_did_not_know_takes_the_larger_one_of_the_columns_next_to_its_middle() {
    // The middle for 80 ms is 4.9 ms, where no column is.
    let unknown = p99(wandering(1), 80.0);
    let known = p99(wandering(1), 100.0);
    assert!(unknown.dependence.unwrap().deff >= known.dependence.unwrap().deff);
    // Nothing was on the way to 80 ms: no column is needed.
    let none = p99(wandering(0), 80.0);
    assert_eq!(none.verdict, Satisfied, "{}", none.reason);
}

#[test]
fn other_distributions_of_the_load_use_the_same_rule() {
    let objectives = objectives(&[("http/service-time/p99", 100.0)], &[], &[]);
    let far = verdict(&insights(&[wandering(0)]), &objectives);
    assert_eq!(far.verdict, Satisfied, "{}", far.reason);
}
