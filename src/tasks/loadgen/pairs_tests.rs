//! Tests of pairs on loads of known intervals.

use std::time::Instant;

use super::*;
use crate::load::pacing::{Arrival, Bound, Pacer};
use crate::metrics::histogram;
use crate::model::number::Number;
use crate::model::objectives::RelativeLimits;
use crate::model::shard::{IntervalShard, LoadShard, TimelineShard};
use crate::model::slo::Slo;

/// Returns a load with these latencies in µs in each second.
fn load(seconds: &[Vec<u64>]) -> LoadOutcome {
    let interval = |latencies: &Vec<u64>| {
        let mut recorded = histogram::new();
        latencies.iter().for_each(|micros| recorded.saturating_record(*micros));
        let count = latencies.len() as u64;
        let latency = (count > 0).then(|| histogram::encode(&recorded).unwrap());
        IntervalShard {
            requests: count,
            timed: count,
            sum: latencies.iter().sum(),
            latency,
            ..IntervalShard::default()
        }
    };
    let timeline = TimelineShard {
        elapsed_nanos: 1_000_000_000 * seconds.len() as u64,
        limits: Some(Vec::new()),
        intervals: seconds.iter().map(interval).collect(),
        ..TimelineShard::default()
    };
    let pacer = Pacer::new(Arrival::Max, Bound::Count(1));
    LoadOutcome::from_shard(&LoadShard { timeline, ..LoadShard::default() }, &pacer, Instant::now()).unwrap()
}

/// 30 seconds of 100 requests each of 1 to 2 ms; every tenth second they take five times as long, beginning with this one.
fn disturbed(first: usize) -> Vec<Vec<u64>> {
    let second = |second: usize| {
        let factor = if second % 10 == first { 5 } else { 1 };
        (0..100).map(|request| (1_000 + (request * 37 + second as u64 * 11) % 100 * 10) * factor).collect()
    };
    (0..30).map(second).collect()
}

fn pairs(candidate: &[Vec<u64>], baseline: &[Vec<u64>], relative: &[(&str, f64)]) -> Vec<Pair> {
    let slo = |(metric, limit): &(&str, f64)| Slo { metric: (*metric).into(), limit: Number(*limit) };
    let relative = RelativeLimits { upper: relative.iter().map(slo).collect() };
    let paired = simultaneous(&LoadOutcome { started: Instant::now(), ..load(candidate) }, &load(baseline));
    paired.map(|paired| of(&paired, &Objectives { relative, ..Objectives::default() }, "http")).unwrap_or_default()
}

fn deff(pairs: &[Pair], percentile: f64) -> f64 {
    pairs.iter().find(|pair| pair.percentile == percentile).unwrap().deff
}

#[test]
fn a_disturbance_of_both_versions_cancels_out_and_one_of_each_does_not() {
    let common = pairs(&disturbed(3), &disturbed(3), &[]);
    assert!(common.iter().all(|pair| pair.deff <= 1.0 && pair.df >= 2.0), "{common:?}");
    let own = pairs(&disturbed(3), &disturbed(6), &[]);
    assert!(deff(&own, 90.0) > 20.0, "{own:?}");
}

#[test]
fn pairs_have_the_percentiles_of_relative_limits_beside_the_usual_ones() {
    let relative =
        [("http/latency-p75.0", 1.1), ("http/latency/p95", 1.1), ("http/error-rate", 0.1), ("grpc/latency-p1", 2.0)];
    let pairs = pairs(&disturbed(0), &disturbed(5), &relative);
    assert_eq!(pairs.iter().map(|pair| pair.percentile).collect::<Vec<_>>(), [50.0, 75.0, 90.0, 95.0, 99.0]);
}

#[test]
fn too_few_slow_requests_are_as_dependent_as_those_over_p90() {
    // 3 of 300 requests are over p99, none of which is next to another.
    let short: Vec<Vec<u64>> = disturbed(1).into_iter().take(3).collect();
    let other: Vec<Vec<u64>> = disturbed(2).into_iter().take(3).collect();
    let pairs = pairs(&short, &other, &[]);
    let [_, p90, p95, p99] = &pairs[..] else { panic!("{pairs:?}") };
    assert!(!p90.is_from_p90 && p99.is_from_p90, "{pairs:?}");
    assert_eq!((p99.deff, p99.df), (p90.deff, p90.df));
    assert!(p95.deff >= p90.deff, "{pairs:?}");
}

#[test]
fn equal_latencies_depend_on_nothing() {
    let constant = vec![vec![1_000; 50]; 20];
    let pairs = pairs(&constant, &constant, &[]);
    assert_eq!(pairs.len(), 4);
    assert!(pairs.iter().all(|pair| pair.deff > 0.0 && pair.deff <= 1.0 && pair.df.is_finite()), "{pairs:?}");
}

#[test]
fn loads_that_say_nothing_of_each_other_have_no_pairs() {
    let second = disturbed(0).into_iter().take(1).collect::<Vec<_>>();
    assert_eq!(pairs(&second, &second, &[]), []);
    assert_eq!(pairs(&disturbed(0), &[], &[]), []);
    assert_eq!(pairs(&disturbed(0), &vec![Vec::new(); 30], &[]), []);
    let (early, mut late) = (load(&disturbed(0)), load(&disturbed(0)));
    late.started = early.started + Duration::from_millis(500);
    assert!(simultaneous(&late, &early).is_some() && simultaneous(&early, &late).is_some());
    late.started += Duration::from_millis(1);
    assert!(simultaneous(&late, &early).is_none() && simultaneous(&early, &late).is_none());
}
