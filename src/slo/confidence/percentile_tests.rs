//! Percentiles of a load against limits.

use super::testing::{
    P95, RATE, TestLoad, assert_finite, assess, bad, good, insights, objectives, record, series, upper, verdict,
};
use crate::metrics::histogram::HIGHEST;
use crate::metrics::series::halved;
use crate::model::slo::{DependenceSource, Method, Outcome};
use Outcome::{Inconclusive, Satisfied, Violated};

#[test]
fn a_percentile_whose_upper_end_is_within_the_limit_is_satisfied() {
    let verdict = upper(&good(), P95, 50.0);
    assert_eq!(
        (verdict.verdict, verdict.method, verdict.confidence),
        (Satisfied, Some(Method::Percentile), Some(0.95))
    );
    assert_eq!(
        verdict.reason,
        "http/latency-p95 is at most 10.01 msec (95 % sure; 1,500 requests, worth 1,407 independent ones), within the limit of 50 msec"
    );
    let [lower, end] = verdict.interval.unwrap();
    assert!(lower.unwrap() <= verdict.value.unwrap() && end.unwrap() <= 50.0);
    assert_eq!((verdict.dependence.unwrap().from, verdict.needs), (DependenceSource::Blocks, None));
}

#[test]
fn a_percentile_whose_lower_end_is_above_the_limit_is_violated() {
    let verdict = upper(&bad(), P95, 50.0);
    assert_eq!(verdict.verdict, Violated, "{}", verdict.reason);
    assert!(verdict.reason.starts_with("http/latency-p95 is at least 60 msec "), "{}", verdict.reason);
    assert!(verdict.reason.ends_with("above the limit of 50 msec"), "{}", verdict.reason);
    assert_finite(&verdict);
}

#[test]
fn a_percentile_between_is_inconclusive_and_says_how_many_more_requests_would_tell() {
    let load = TestLoad::with_slow(30, 50, 60_000, |at| 2 + u64::from(at % 4 == 0));
    let verdict = upper(&load, P95, 50.0);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    let needs = verdict.needs.unwrap();
    assert!(needs.requests > 1_000 && (needs.seconds.unwrap() - needs.requests as f64 / 50.0).abs() < 0.11);
    assert!(verdict.reason.contains("; the limit of 50 msec is within that range: about "), "{}", verdict.reason);
    assert!(verdict.reason.ends_with(" would decide"), "{}", verdict.reason);
    assert_finite(&verdict);
}

#[test]
fn too_few_requests_leave_the_upper_end_open() {
    let load = TestLoad::with_slow(3, 10, 60_000, |_| 0);
    let verdict = upper(&load, "http/latency-p99", 50.0);
    assert_eq!((verdict.verdict, verdict.interval.unwrap()[1]), (Inconclusive, None));
    assert!(verdict.needs.unwrap().requests >= 270, "{:?}", verdict.needs);
    assert!(verdict.reason.contains("; no upper bound is known: about"), "{}", verdict.reason);
    assert_finite(&verdict);
}

#[test]
fn requests_that_are_slow_together_are_worth_fewer() {
    // The same number of slow requests, spread evenly and all in one second.
    let spread = upper(&TestLoad::with_slow(30, 50, 60_000, |_| 1), P95, 50.0);
    let clustered = upper(&TestLoad::with_slow(30, 50, 60_000, |at| if at == 7 { 30 } else { 0 }), P95, 50.0);
    assert_eq!([spread.verdict, clustered.verdict], [Satisfied, Inconclusive], "{}", clustered.reason);
    assert!(clustered.effective_samples.unwrap() < spread.effective_samples.unwrap() / 10.0);
}

#[test]
fn one_interval_decides_nothing() {
    let load = TestLoad::with_slow(1, 5_000, 60_000, |_| 0);
    for metric in [P95, RATE, "http/latency-mean", "http/service-time/p95"] {
        let verdict = upper(&load, metric, 50.0);
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{metric}");
        assert!(verdict.reason.ends_with("does not show how requests depend on each other"), "{}", verdict.reason);
    }
    let verdict = upper(&TestLoad::with_slow(2, 5_000, 60_000, |_| 0), P95, 50.0);
    assert_eq!(verdict.dependence.unwrap().df, 1.0);
}

#[test]
fn stalls_are_intervals_too() {
    // Nothing for ten seconds, then all that has waited.
    let load = TestLoad::with_slow(30, 50, 60_000, |_| 0);
    let mut stalled = load.clone();
    for at in 10..20 {
        stalled.intervals[at].0.clear();
    }
    stalled.intervals[20].0 = vec![60_000; 60];
    let verdict = upper(&stalled, P95, 50.0);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
}

#[test]
fn a_limit_that_was_not_counted_is_bounded_by_its_cell() {
    let mut load = good();
    load.limits = vec![50.0];
    // 60 msec are in the cell from 60 to 60.031 msec.
    let outcomes = [59.99, 60.01, 61.0].map(|limit| {
        let mut slow = bad();
        slow.limits = load.limits.clone();
        upper(&slow, P95, limit).verdict
    });
    assert_eq!(outcomes, [Violated, Inconclusive, Satisfied]);
    let exact = TestLoad { limits: vec![60.01], ..bad() };
    let exact = upper(&exact, P95, 60.01);
    assert_eq!((exact.verdict, exact.interval.unwrap()[1]), (Satisfied, Some(60.01)), "not the edge of the cell");
}

#[test]
fn documents_without_columns_are_judged_as_independent() {
    let mut insights = insights(&[good()]);
    (series(&mut insights, 0).over, series(&mut insights, 0).sum) = (Vec::new(), Vec::new());
    let limits = [(P95, 50.0), ("http/latency-mean", 50.0)];
    for verdict in assess(&insights, &objectives(&limits, &[], &[])).verdicts {
        assert_eq!(verdict.dependence.unwrap().from, DependenceSource::None);
        assert!(verdict.reason.contains("1,500 requests, independence assumed"), "{}", verdict.reason);
        assert_eq!(verdict.verdict, Satisfied);
    }
}

#[test]
fn other_distributions_take_the_dependence_of_the_latency() {
    let verdict = upper(&good(), "http/service-time/p95", 50.0);
    assert_eq!((verdict.verdict, verdict.dependence.unwrap().from), (Satisfied, DependenceSource::Latency));
    let mean = upper(&good(), "http/service-time/mean", 50.0);
    assert_eq!((mean.verdict, mean.dependence.unwrap().from), (Satisfied, DependenceSource::Latency));
}

#[test]
fn lower_limits_are_the_mirror_image() {
    let lower = |load: &TestLoad, metric: &str, limit: f64| {
        verdict(&insights(std::slice::from_ref(load)), &objectives(&[], &[(metric, limit)], &[]))
    };
    assert_eq!(lower(&good(), "http/latency-p50", 5.0).verdict, Satisfied);
    assert_eq!(lower(&good(), "http/latency-p50", 50.0).verdict, Violated);
    assert_eq!(lower(&good(), P95, 55.0).verdict, Violated);
    assert_eq!(lower(&bad(), P95, 55.0).verdict, Satisfied);
    assert_eq!(lower(&good(), "http/latency-mean", 5.0).verdict, Satisfied);
    assert_eq!(lower(&good(), "http/latency-mean", 15.0).verdict, Violated);
    let errors = TestLoad::with_errors(30, 50, |_| 5);
    assert_eq!([0.05, 0.1, 0.2].map(|limit| lower(&errors, RATE, limit).verdict), [Satisfied, Inconclusive, Violated]);
}

#[test]
fn values_just_below_a_fractional_lower_limit_are_counted() {
    // All take 10,000 µs, which is below 10.0005 msec.
    let below = verdict(&insights(&[good()]), &objectives(&[], &[(P95, 10.000_5)], &[]));
    assert_ne!(below.verdict, Satisfied, "{}", below.reason);
}

#[test]
fn latencies_of_an_hour_may_have_been_longer() {
    let load = TestLoad::with_slow(30, 50, HIGHEST * 2, |_| 50);
    let verdict = upper(&load, P95, 2.0 * 3_600_000.0);
    assert_ne!(verdict.verdict, Satisfied, "{}", verdict.reason);
    assert_eq!(verdict.interval.unwrap()[1], None);
    assert_eq!(upper(&load, P95, 50.0).verdict, Violated);
}

#[test]
fn more_requests_do_not_decide_about_a_limit_within_a_cell() {
    // Eight of a hundred are in the cell of the limit, so they may all be over it, and none may be.
    let load = TestLoad::with_slow(30, 50, 60_000, |_| 4);
    let open = upper(&load, P95, 60.02);
    assert_eq!((open.verdict, open.needs), (Inconclusive, None), "{}", open.reason);
    let why = "the limit of 60.02 msec is within that range: requests this close to it were counted as one; a run with this limit among its \
               SLOs counts those over it exactly";
    assert!(open.reason.ends_with(why), "{}", open.reason);
    let service_time = upper(&load, "http/service-time/p95", 60.02);
    assert!(service_time.reason.ends_with(": values this close to it were counted as one"), "{}", service_time.reason);
    // In the limit's own run, they were counted.
    let counted = upper(&TestLoad { limits: vec![60.02], ..load.clone() }, P95, 60.02);
    assert_eq!(counted.verdict, Satisfied, "{}", counted.reason);
    // On one side of the limit whether they are over it or not: more requests would decide.
    let mut many = load;
    many.intervals.iter_mut().for_each(|(latencies, _)| latencies[..2].fill(70_000));
    let few = upper(&TestLoad { intervals: many.intervals[..4].to_vec(), ..many }, P95, 65.0);
    assert!(few.reason.ends_with(" would decide"), "{}", few.reason);
}

#[test]
fn more_requests_do_not_decide_how_long_those_that_timed_out_would_have_taken() {
    let mut document = insights(&[good()]);
    record(&mut document, 0).causes = [("timeout".to_owned(), 100)].into();
    let open = verdict(&document, &objectives(&[(P95, 50.0)], &[], &[]));
    assert_eq!((open.verdict, open.needs), (Inconclusive, None), "{}", open.reason);
    assert!(open.reason.ends_with(": requests that timed out may have taken longer than that"), "{}", open.reason);
}

#[test]
fn a_value_at_its_limit_is_too_close_to_it() {
    let close = upper(&TestLoad::with_errors(40, 500, |_| 5), RATE, 0.01);
    assert_eq!((close.verdict, close.needs), (Inconclusive, None));
    assert!(close.reason.contains("too close to the limit to decide"), "{}", close.reason);
}

#[test]
fn a_drifting_load_was_not_steady() {
    let load = TestLoad::with_slow(40, 50, 60_000, |at| at as u64 / 8);
    let verdict = upper(&load, P95, 50.0);
    assert!(verdict.reason.ends_with("during the run: it was not steady"), "{}", verdict.reason);
    assert!(verdict.reason.contains("the share over 50 msec went from "), "{}", verdict.reason);
}

#[test]
fn halved_series_never_give_the_opposite_verdict() {
    for load in [good(), bad(), TestLoad::with_errors(30, 50, |at| u64::from(at % 2 == 0))] {
        for (metric, limit) in [(P95, 50.0), (RATE, 0.01), ("http/latency-mean", 12.0)] {
            let mut document = insights(std::slice::from_ref(&load));
            let objectives = objectives(&[(metric, limit)], &[], &[]);
            let mut outcomes = vec![verdict(&document, &objectives).verdict];
            for _ in 0..2 {
                let half = halved(series(&mut document, 0));
                *series(&mut document, 0) = half;
                outcomes.push(verdict(&document, &objectives).verdict);
            }
            assert!(!(outcomes.contains(&Satisfied) && outcomes.contains(&Violated)), "{metric}: {outcomes:?}");
        }
    }
}

#[test]
fn of_many_objectives_one_looks_violated_by_chance() {
    let limits = |others: usize| {
        let others = (0..others).map(|at| ("http/latency-p50", 40.0 + at as f64));
        [(P95, 50.0)].into_iter().chain(others).collect::<Vec<(&str, f64)>>()
    };
    let judged = |load: &TestLoad, others: usize| {
        let objectives = objectives(&limits(others), &[], &[]);
        assess(&insights(std::slice::from_ref(load)), &objectives).verdicts.remove(0)
    };
    // Somewhere between surely within the limit and clearly above it, a violation is sure alone, and not among ten.
    let held = (0..=60).find_map(|more| {
        let load = TestLoad::with_slow(60, 50, 60_000, |at| 2 + u64::from(at * 7 % 60 < more));
        let (alone, among) = (judged(&load, 0), judged(&load, 9));
        (alone.verdict == Violated && among.verdict == Inconclusive).then_some(among.reason)
    });
    let reason = held.unwrap();
    assert!(
        reason.ends_with("alone it would be violated, but of 10 objectives one in 20 looks violated by chance"),
        "{reason}"
    );
    // A clear violation stands among many.
    assert_eq!(judged(&bad(), 9).verdict, Violated);
}
