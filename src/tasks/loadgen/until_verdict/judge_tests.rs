//! Looks at loads whose latencies and errors are made up.

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
    let interval = |at| {
        let (latencies, errors) = second(at);
        let mut cells = histogram::with_digits(2);
        latencies.iter().for_each(|micros| cells.saturating_record(*micros));
        let timed = latencies.len() as u64;
        let over = vec![latencies.iter().filter(|micros| **micros > LIMIT).count() as u64];
        let latency = histogram::encode(&cells).ok().filter(|_| timed > 0);
        IntervalShard { requests: timed, errors, latency, timed, sum: latencies.iter().sum(), over }
    };
    let timeline = TimelineShard {
        elapsed_nanos: seconds * 1_000_000_000,
        doublings: 0,
        limits: Some(vec![LIMIT]),
        intervals: (0..seconds).map(interval).collect(),
    };
    let shard = LoadShard { timeline, ..LoadShard::default() };
    LoadOutcome::from_shard(&shard, &plan().pacer, Instant::now()).unwrap().timeline
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
    ended.look(1, state(14, good));
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
    let attribution =
        Attribution { source: Source::Header("v".into()), versions: vec!["a".into(), "b".into()], values: [].into() };
    let load = || [Target::new("http", 0, Some(&attribution), &plan())];
    let with_unknown = |at: u64, slow: u64| {
        let unknown = move |_| (vec![LIMIT * 2; slow as usize], 0);
        LoadState { versions: vec![timeline(at, good), timeline(at, good), timeline(at, unknown)], ..state(at, good) }
    };
    let none = judge(&load(), &objectives(&[P95]));
    assert_eq!(stop(&none, |_, at| with_unknown(at, 0)), Some(14));
    assert_eq!((decisions(&none, 0, 0), decisions(&none, 0, 1)), (vec![Outcome::Satisfied], vec![Outcome::Satisfied]));
    // Neither satisfied with them nor violated without.
    assert_eq!(stop(&judge(&load(), &objectives(&[P95])), |_, at| with_unknown(at, 5)), None);
}

#[test]
fn a_version_is_compared_with_version_0_at_a_few_looks() {
    let two = [version(0), version(1)];
    let relative = |limit| {
        let mut objectives = objectives(&[]);
        objectives.relative.upper = vec![slo("http/latency-p90", limit)];
        objectives
    };
    let pair =
        |factor: u64| move |load, at| state(at, move |second| (steady(second, if load == 0 { 1 } else { factor }), 0));
    let slower = judge(&two, &relative(1.5));
    let end = stop(&slower, pair(3)).unwrap();
    assert!([10, 15, 23].contains(&end), "{end}");
    assert_eq!((decisions(&slower, 1, 1), decisions(&slower, 0, 0)), (vec![Outcome::Violated], vec![]));
    let same = judge(&two, &relative(1.5));
    let end = stop(&same, pair(1)).unwrap();
    assert!([10, 15, 23].contains(&end), "{end}");
    assert_eq!(decisions(&same, 1, 1), [Outcome::Satisfied]);
    let mut errors = objectives(&[]);
    errors.relative.upper = vec![slo("http/error-rate", 0.01)];
    let errors = judge(&two, &errors);
    let failing = |load, at| state(at, move |second| (steady(second, 1), if load == 0 { 0 } else { 5 + second % 3 }));
    assert!(stop(&errors, failing).is_some());
    assert_eq!(decisions(&errors, 1, 1), [Outcome::Violated]);
}

/// Objectives on the latter of two versions, relative to the former.
fn relative_to_first(metric: &str, limit: f64, burst: Duration) -> Objectives {
    let mut objectives = objectives(&[]);
    objectives.relative.upper = vec![slo(metric, limit)];
    objectives.confidence = objectives.confidence.map(|confidence| Confidence { burst, ..confidence });
    objectives
}

#[test]
fn bursts_that_may_be_unseen_keep_a_comparison_open() {
    let judge = |burst| judge(&[version(0), version(1)], &relative_to_first("http/error-rate", 0.02, burst));
    let (without, with) = (judge(Duration::ZERO), judge(Confidence::DEFAULT_BURST));
    assert_eq!(stop(&without, |_, at| state(at, good)), Some(15));
    assert_eq!(decisions(&without, 1, 1), [Outcome::Satisfied]);
    assert_eq!(stop(&with, |_, at| state(at, good)), None);
}

#[test]
fn slow_seconds_keep_the_ratio_of_a_tail_open_while_few_requests_are_in_it() {
    let limit = relative_to_first("http/latency-p99", 1.5, Duration::ZERO);
    // Both have a slow request per second. In one of twenty seconds, half of either one's requests are over p90.
    let with = |slow: bool| {
        move |load: usize, at: u64| {
            let second = move |second: u64| {
                let is_slow = slow && second % 20 == 3 + 4 * load as u64;
                let latency = |request: u64| if is_slow && request.is_multiple_of(2) { 30_000 } else { 10_000 };
                let mut latencies: Vec<u64> = (0..RATE).map(latency).collect();
                latencies[0] = 200_000;
                (latencies, 0)
            };
            state(at, second)
        }
    };
    let (steady, slow) = (judge(&[version(0), version(1)], &limit), judge(&[version(0), version(1)], &limit));
    assert!(stop(&steady, with(false)).is_some_and(|end| end < 40));
    // Until 40 requests of both are over p99, those over p90 say how much they depend on each other.
    assert!(stop(&slow, with(true)).is_none_or(|end| end > 40));
}

#[test]
fn errors_of_unknown_origin_keep_a_comparison_open() {
    let attribution =
        Attribution { source: Source::Header("v".into()), versions: vec!["a".into(), "b".into()], values: [].into() };
    let targets = [Target::new("http", 0, Some(&attribution), &plan())];
    for (metric, limit) in [("http/error-rate", 0.02), ("http/latency-p90", 1.5)] {
        let with_unknown = |at: u64, bad: u64| {
            let unknown = move |_| (vec![LIMIT * 2; bad as usize], bad);
            let versions = vec![timeline(at, good), timeline(at, good), timeline(at, unknown)];
            LoadState { versions, ..state(at, good) }
        };
        let judge = || judge(&targets, &relative_to_first(metric, limit, Duration::ZERO));
        assert!(stop(&judge(), |_, at| with_unknown(at, 0)).is_some(), "{metric}");
        assert_eq!(stop(&judge(), |_, at| with_unknown(at, 5)), None, "{metric}");
    }
}

#[test]
fn a_load_does_not_end_with_fewer_samples_than_a_verdict_needs() {
    let with = |min_samples| judge(&[version(0)], &Objectives { min_samples, ..objectives(&[P95]) });
    assert_eq!(stop(&with(700), |_, at| state(at, good)), Some(14));
    assert_eq!(stop(&with(1_000), |_, at| state(at, good)), Some(20));
    assert_eq!(stop(&with(1_000), |_, at| state(at, bad)), Some(20));
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
