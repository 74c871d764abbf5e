//! Loads whose latencies and errors are made up.

use std::time::Instant;

use super::*;
use crate::load::attribution::{Attribution, Source};
use crate::load::outcome::LoadOutcome;
use crate::load::pacing::{Arrival, Bound as End, Pacer};
use crate::load::plan::LoadPlan;
use crate::metrics::histogram;
use crate::model::number::Number;
use crate::model::shard::{IntervalShard, LoadShard, TimelineShard};
use crate::model::slo::{Slo, SloLimits};

#[path = "judge_comparison_tests.rs"]
mod comparison_tests;
#[path = "judge_state_tests.rs"]
mod state_tests;

/// Requests per second of the loads.
const RATE: u64 = 50;

/// Limit on p95 in µs.
const LIMIT: u64 = 50_000;

fn plan() -> LoadPlan {
    let end = End::Duration(Duration::from_secs(120));
    LoadPlan::new("t", Pacer::new(Arrival::Constant { rate: RATE as f64 }, end), 4)
}

fn version(version: usize) -> Target {
    Target::new("http", version, None, &plan())
}

fn slo(metric: &str, limit: f64) -> Slo {
    Slo { metric: metric.into(), limit: Number(limit) }
}

fn objectives(upper: &[(&str, f64)]) -> Objectives {
    let confidence = Confidence { level: 0.95, burst: Confidence::DEFAULT_BURST, is_strict: false };
    let upper = upper.iter().map(|(metric, limit)| slo(metric, *limit)).collect();
    let limits = SloLimits { upper, lower: Vec::new() };
    Objectives { limits, confidence: Some(confidence), ..Objectives::default() }
}

fn judge(targets: &[Target], objectives: &Objectives) -> Arc<Judge> {
    Judge::new(targets.to_vec(), Some(objectives)).unwrap()
}

/// Requests of every second: their latencies in µs, and the errors among them.
fn timeline(seconds: u64, second: impl Fn(u64) -> (Vec<u64>, u64)) -> Timeline {
    timeline_of(seconds, 0, second)
}

/// Requests of every interval, whose length was doubled so many times.
fn timeline_of(count: u64, doublings: u32, second: impl Fn(u64) -> (Vec<u64>, u64)) -> Timeline {
    timeline_with(&[LIMIT], count, doublings, second)
}

/// As [`timeline_of`], with counts over these limits in µs.
fn timeline_with(limits: &[u64], count: u64, doublings: u32, second: impl Fn(u64) -> (Vec<u64>, u64)) -> Timeline {
    timeline_from(shard(limits, count, doublings, second))
}

fn timeline_from(timeline: TimelineShard) -> Timeline {
    let shard = LoadShard { timeline, ..LoadShard::default() };
    LoadOutcome::from_shard(&shard, &plan().pacer, Instant::now()).unwrap().timeline
}

fn shard(limits: &[u64], count: u64, doublings: u32, second: impl Fn(u64) -> (Vec<u64>, u64)) -> TimelineShard {
    let interval = |at| {
        let (latencies, errors) = second(at);
        let mut cells = histogram::with_digits(2);
        latencies.iter().for_each(|micros| cells.saturating_record(*micros));
        let timed = latencies.len() as u64;
        let over = |limit: &u64| latencies.iter().filter(|micros| *micros > limit).count() as u64;
        let over = limits.iter().map(over).collect();
        let latency = histogram::encode(&cells).ok().filter(|_| timed > 0);
        IntervalShard { requests: timed, errors, latency, timed, sum: latencies.iter().sum(), over }
    };
    TimelineShard {
        elapsed_nanos: (count << doublings) * 1_000_000_000,
        doublings,
        limits: Some(limits.to_vec()),
        intervals: (0..count).map(interval).collect(),
    }
}

/// State after `seconds` seconds at the planned rate.
fn state(seconds: u64, second: impl Fn(u64) -> (Vec<u64>, u64)) -> LoadState {
    LoadState {
        seconds,
        elapsed: Duration::from_secs(seconds),
        timeline: timeline(seconds, second),
        due: Some(seconds * RATE),
        sent: seconds * RATE,
        older: vec![0, 0],
        ..LoadState::default()
    }
}

/// Latencies from 10 to 20 msec; `factor` times as long.
fn steady(at: u64, factor: u64) -> Vec<u64> {
    (0..RATE).map(|request| (10_000 + (request * 7 + at * 13) % 50 * 200) * factor).collect()
}

fn good(at: u64) -> (Vec<u64>, u64) {
    (steady(at, 1), 0)
}

fn bad(at: u64) -> (Vec<u64>, u64) {
    (steady(at, 4), 0)
}

/// Second of the first look that ends the loads, within 60 s.
fn stop(judge: &Arc<Judge>, state: impl Fn(usize, u64) -> LoadState) -> Option<u64> {
    let count = judge.loads.len();
    (9..=60).find(|seconds| {
        (0..count).for_each(|load| judge.look(load, state(load, *seconds)));
        judge.decided.is_cancelled()
    })
}

/// Verdicts in the record of a load's version.
fn decisions(judge: &Judge, load: usize, version: usize) -> Vec<Outcome> {
    let record = [("http".to_owned(), LoadRecord::default())].into();
    let mut versions = vec![VersionMetrics { load: record, ..VersionMetrics::default() }; version + 1];
    judge.complete(load, "http", Some(Duration::from_secs(10)), &mut versions);
    let record = &versions[version].load["http"];
    assert!(record.until_verdict);
    record.stopped.as_ref().unwrap().decisions.iter().map(|decision| decision.verdict).collect()
}

const P95: (&str, f64) = ("http/latency-p95", 50.0);

/// Objectives on the latter of two versions, relative to the former.
fn relative_to_first(metric: &str, limit: f64, burst: Duration) -> Objectives {
    let mut objectives = objectives(&[]);
    objectives.relative.upper = vec![slo(metric, limit)];
    objectives.confidence = objectives.confidence.map(|confidence| Confidence { burst, ..confidence });
    objectives
}

/// A load whose responses are of two versions.
fn attributed() -> Target {
    let attribution =
        Attribution { source: Source::Header("v".into()), versions: vec!["a".into(), "b".into()], values: [].into() };
    Target::new("http", 0, Some(&attribution), &plan())
}

/// State of an [`attributed`] load whose versions are both good, with requests of unknown origin.
fn with_unknown(at: u64, unknown: impl Fn(u64) -> (Vec<u64>, u64)) -> LoadState {
    LoadState { versions: vec![timeline(at, good), timeline(at, good), timeline(at, unknown)], ..state(at, good) }
}

#[test]
fn a_clearly_good_service_and_a_clearly_bad_one_end_early_but_not_before_10_s() {
    let versions = [version(0)];
    let satisfied = judge(&versions, &objectives(&[P95]));
    assert_eq!(stop(&satisfied, |_, at| state(at, good)), Some(14));
    assert_eq!(decisions(&satisfied, 0, 0), [Outcome::Satisfied]);
    let violated = judge(&versions, &objectives(&[P95]));
    assert_eq!(stop(&violated, |_, at| state(at, bad)), Some(10));
    assert_eq!(decisions(&violated, 0, 0), [Outcome::Violated]);
}

#[test]
fn latencies_that_wander_far_below_a_limit_do_not_keep_a_load_from_ending() {
    let wandering = |at: u64| {
        let level = 300.0 + 40.0 * (at as f64 / 12.0).sin();
        ((0..RATE).map(|request| level as u64 + request % 10).collect(), 0)
    };
    assert_eq!(stop(&judge(&[version(0)], &objectives(&[P95])), |_, at| state(at, wandering)), Some(14));
}

#[test]
fn a_service_at_the_limit_runs_to_its_end() {
    // One of 20 requests takes too long.
    let at_limit = |at: u64| {
        let slow = 2 + at % 2;
        ((0..RATE).map(|request| if request < slow { 60_000 } else { 10_000 }).collect(), 0)
    };
    let judge = judge(&[version(0)], &objectives(&[P95]));
    assert_eq!(stop(&judge, |_, at| state(at, at_limit)), None);
    assert_eq!(judge.progress(0), "p95 ≤ 50 msec: 0 % of the evidence");
}

#[test]
fn a_load_that_is_not_as_asked_is_not_ended() {
    let missed = |at| LoadState { sent: at * RATE * 9 / 10, ..state(at, good) };
    let limited = |at| LoadState { client_limits: 1, ..state(at, good) };
    for load in [&missed as &dyn Fn(u64) -> LoadState, &limited] {
        assert_eq!(stop(&judge(&[version(0)], &objectives(&[P95])), |_, at| load(at)), None);
    }
}

#[test]
fn a_stall_is_not_silence() {
    let stalled = |at: u64| {
        // Nothing has ended since the fifth second.
        let sent = at * RATE;
        let second = |second| if second < 5 { good(second) } else { (Vec::new(), 0) };
        LoadState { older: vec![sent.saturating_sub(5 * RATE), 0], ..state(at, second) }
    };
    let failing = judge(&[version(0)], &objectives(&[("http/error-rate", 0.05)]));
    let judge = judge(&[version(0)], &objectives(&[P95]));
    let at = stop(&judge, |_, at| stalled(at));
    assert!(at.is_none() || decisions(&judge, 0, 0) == [Outcome::Violated], "{at:?}");
    // Requests that may fail keep an error rate open.
    assert_eq!(stop(&failing, |_, at| LoadState { older: vec![at * 4], ..state(at, good) }), None);
}

#[test]
fn all_objectives_of_all_versions_are_awaited() {
    let two = [version(0), version(1)];
    let rate = ("http/error-rate", 0.01);
    // 1 % needs more requests than p95.
    let both = judge(&two, &objectives(&[P95, rate]));
    let end = stop(&both, |_, at| state(at, good)).unwrap();
    assert!(end > 40, "{end}");
    assert_eq!(decisions(&both, 1, 1), [Outcome::Satisfied; 2]);
    // A violation decides its version, and the other one is awaited.
    let one_bad = judge(&two, &objectives(&[P95]));
    assert_eq!(stop(&one_bad, |load, at| state(at, if load == 0 { good } else { bad })), Some(14));
    assert_eq!(
        (decisions(&one_bad, 0, 0), decisions(&one_bad, 1, 1)),
        (vec![Outcome::Satisfied], vec![Outcome::Violated])
    );
    // One that is slower to start is waited for, and one that has ended is not.
    let behind = judge(&two, &objectives(&[P95]));
    assert_eq!(stop(&behind, |load, at| state(if load == 0 { at } else { at.saturating_sub(6) }, good)), Some(20));
    let ended = judge(&two, &objectives(&[P95]));
    ended.look(1, state(11, bad));
    ended.leave(1);
    let second = |at: &u64| {
        ended.look(0, state(*at, good));
        ended.decided.is_cancelled()
    };
    assert_eq!((9..=60).find(second), Some(14));
}

#[test]
fn an_objective_that_no_look_decides_lets_a_good_load_run_to_its_end() {
    for metric in ["http/latency-mean", "http/latency-max", "http/latency/p100", "http/success-latency/p95"] {
        let objectives = objectives(&[P95, (metric, 500.0)]);
        assert_eq!(stop(&judge(&[version(0)], &objectives), |_, at| state(at, good)), None, "{metric}");
        assert_eq!(stop(&judge(&[version(0)], &objectives), |_, at| state(at, bad)), Some(10), "{metric}");
    }
    // Those of other providers do not concern this load.
    let objectives = objectives(&[P95, ("other/m", 1.0)]);
    assert_eq!(stop(&judge(&[version(0)], &objectives), |_, at| state(at, good)), Some(14));
}

#[test]
fn responses_of_unknown_origin_may_be_any_versions() {
    let load = || [attributed()];
    let with_unknown = |at: u64, slow: u64| with_unknown(at, move |_| (vec![LIMIT * 2; slow as usize], 0));
    let none = judge(&load(), &objectives(&[P95]));
    assert_eq!(stop(&none, |_, at| with_unknown(at, 0)), Some(14));
    assert_eq!((decisions(&none, 0, 0), decisions(&none, 0, 1)), (vec![Outcome::Satisfied], vec![Outcome::Satisfied]));
    // Neither satisfied with them nor violated without.
    assert_eq!(stop(&judge(&load(), &objectives(&[P95])), |_, at| with_unknown(at, 5)), None);
}

#[test]
fn timeouts_may_have_taken_longer_than_a_limit_beyond_them() {
    let with = |millis| Target { timeout: Duration::from_millis(millis), ..version(0) };
    let failing = |second| (steady(second, 1), 5);
    assert_eq!(stop(&judge(&[with(5_000)], &objectives(&[P95])), |_, at| state(at, failing)), Some(14));
    assert_eq!(stop(&judge(&[with(50)], &objectives(&[P95])), |_, at| state(at, failing)), None);
    assert_eq!(stop(&judge(&[with(50)], &objectives(&[P95])), |_, at| state(at, good)), Some(14));
}

#[test]
fn a_load_does_not_end_with_fewer_samples_than_a_verdict_needs() {
    let with = |min_samples| judge(&[version(0)], &Objectives { min_samples, ..objectives(&[P95]) });
    assert_eq!(stop(&with(700), |_, at| state(at, good)), Some(14));
    assert_eq!(stop(&with(1_000), |_, at| state(at, good)), Some(20));
    assert_eq!(stop(&with(1_000), |_, at| state(at, bad)), Some(20));
    // Requests in flight are no samples yet.
    let stalled = |at| LoadState { older: vec![300; 2], ..state(at, bad) };
    assert_eq!(stop(&with(1_000), |_, at| stalled(at)), Some(20));
    // A comparison rests on both versions.
    let relative = Objectives { min_samples: 600, ..relative_to_first("http/latency-p90", 1.5, Duration::ZERO) };
    let end = stop(&judge(&[version(0), version(1)], &relative), |_, at| state(at, good));
    assert!(end.is_some_and(|end| end >= 15), "{end:?}");
}

#[test]
fn delays_of_the_load_generator_violate_nothing() {
    let with = |own_late: u64, at| {
        let counts = Counts { own_late: own_late * at, ..Counts::default() };
        LoadState { counts, ..state(at, bad) }
    };
    let absolute = || judge(&[version(0)], &objectives(&[P95]));
    assert_eq!(stop(&absolute(), |_, at| with(1, at)), Some(10));
    assert_eq!(stop(&absolute(), |_, at| with(RATE, at)), None);
    let limit = relative_to_first("http/latency-p90", 1.5, Duration::ZERO);
    let relative = || judge(&[version(0), version(1)], &limit);
    let of = |own_late| move |load, at| if load == 0 { state(at, good) } else { with(own_late, at) };
    assert!(stop(&relative(), of(1)).is_some());
    assert_eq!(stop(&relative(), of(RATE)), None);
}

#[test]
fn progress_names_the_objective_with_the_least_evidence_first() {
    let judge = judge(&[version(0)], &objectives(&[P95, ("http/error-rate", 0.01)]));
    judge.look(0, state(9, good));
    assert_eq!(judge.progress(0), "");
    judge.look(0, state(13, good));
    assert_eq!(judge.progress(0), "error-rate ≤ 0.01: 15 %, p95 ≤ 50 msec: 95 % of the evidence");
}

#[test]
fn a_limit_of_many_seconds_has_its_column() {
    // 32,768,001 µs, as the load counts them.
    let claims = Claim::list(&objectives(&[("http/latency-p95", 32_768.001)]), 0, &version(0));
    assert_eq!(claims[0].micros(), Some(crate::metrics::series::limit_micros(32_768.001)));
}

#[test]
#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
#[ignore = "a benchmark: prints the time of a look"]
fn time_of_a_look_at_240_intervals() {
    // Every percentile has a limit of its own, so nothing that a look computes is the same for two of them.
    let percentiles = ["p50", "p75", "p90", "p95", "p98", "p99", "p99.9"].map(|p| format!("http/latency/{p}"));
    let limits = [27, 40, 47, 50, 51, 52, 53].map(|msec| msec * 1_000);
    let limits_of = percentiles.iter().zip(limits).map(|(metric, micros)| (&**metric, micros as f64 / 1_000.0));
    let objectives = objectives(&limits_of.chain([("http/error-rate", 0.01)]).collect::<Vec<_>>());
    // Latencies of some 200 cells, with slow seconds now and then.
    let second =
        |at: u64| ((0..500).map(|n| 1_000 + (n * 7_919 + at * 31) % (51_700 + at % 7 * 300)).collect(), at * at % 9);
    for (name, targets) in [("one version", vec![version(0)]), ("two versions", vec![version(0), version(1)])] {
        let timeline = timeline_with(&limits, 240, 0, second);
        let (due, sent) = (Some(240 * 500), 240 * 500);
        let state = LoadState { due, sent, older: vec![25; 8], timeline, ..state(240, |_| (Vec::new(), 0)) };
        let mut times: Vec<Duration> = (0..400)
            .map(|_| {
                // A judge that has ended its loads no longer looks, so each run needs a new one.
                let judge = judge(&targets, &objectives);
                let states = vec![state.clone(); targets.len()];
                let before = Instant::now();
                states.into_iter().enumerate().for_each(|(load, state)| judge.look(load, state));
                let time = before.elapsed();
                assert!(judge.state.lock().results.iter().all(Option::is_some));
                time
            })
            .collect();
        times.sort_unstable();
        println!("{name}: median {:?}, 99 % within {:?}", times[200], times[396]);
    }
}

#[test]
fn requests_without_a_response_keep_a_latency_open() {
    let lost = |each: u64| {
        let judge = judge(&[version(0)], &objectives(&[("http/latency-p95", 50.0)]));
        stop(&judge, move |_, seconds| {
            let mut shard = shard(&[LIMIT], seconds, 0, good);
            shard.intervals.iter_mut().for_each(|interval| {
                interval.requests += each;
                interval.errors += each;
            });
            LoadState { timeline: timeline_from(shard), ..state(seconds, good) }
        })
    };
    assert!(lost(0).is_some());
    // Of 53 requests in each second, 3 got no response.
    assert_eq!(lost(3), None);
}
