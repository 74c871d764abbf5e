//! Requests of unknown origin, which may be any version's.

use super::testing::{P95, RATE, TestLoad, attributed, fast, good, insights, objectives, record, relative, verdict};
use crate::model::counts::Counts;
use crate::model::load::{LoadRecord, VersionFrom};
use crate::model::slo::Outcome::{Inconclusive, Satisfied};

/// A minute of `count` slow requests, all of which fail: in one second, or evenly.
fn unknown(count: usize, are_together: bool) -> TestLoad {
    let second = |at: usize| {
        let count = match are_together {
            true if at == 7 => count,
            true => 0,
            false => (at + 1) * count / 60 - at * count / 60,
        };
        (vec![60_000; count], count as u64)
    };
    TestLoad { intervals: (0..60).map(second).collect(), limits: vec![50.0] }
}

#[test]
fn requests_of_unknown_origin_count_against_a_version() {
    let unknown = TestLoad::with_slow(30, 1, 60_000, |_| 1);
    let mut document = insights(&[good(), unknown]);
    (document.num_versions, document.unknown_version) = (1, Some(1));
    let whole = LoadRecord::default().counts;
    record(&mut document, 0).version_from = Some(VersionFrom { counts: whole, ..VersionFrom::default() });
    record(&mut document, 0).version_from.as_mut().unwrap().counts.requests = 1_530;
    let limits = objectives(&[(P95, 50.0)], &[], &[]);
    let with = verdict(&document, &limits);
    // 40 of 1,530 are within the limit of 5 %, and not surely.
    assert_eq!(with.verdict, Satisfied, "{}", with.reason);
    // 30 of 1,500 are surely within the limit, and 62 of 1,532 are within it, but not surely.
    let mut close = insights(&[TestLoad::with_slow(30, 50, 60_000, |_| 1), TestLoad::with_slow(32, 1, 60_000, |_| 1)]);
    (close.num_versions, close.unknown_version) = (1, Some(1));
    let whole = VersionFrom { counts: Counts { requests: 1_532, ..Counts::default() }, ..VersionFrom::default() };
    record(&mut close, 0).version_from = Some(whole);
    let harmed = verdict(&close, &limits);
    assert_eq!(harmed.verdict, Inconclusive, "{}", harmed.reason);
    assert!(harmed.reason.contains("requests of unknown origin may be its own"), "{}", harmed.reason);
    assert_eq!(harmed.needs, None);
    document.load[1].get_mut("http").unwrap().counts.errors = 20;
    let errors = verdict(&document, &objectives(&[(RATE, 0.01)], &[], &[]));
    assert_eq!(errors.verdict, Inconclusive, "{}", errors.reason);
}

#[test]
fn requests_of_unknown_origin_that_came_together_are_worth_fewer() {
    for (are_together, expected) in [(false, Satisfied), (true, Inconclusive)] {
        let document = attributed(&[fast(), unknown(12, are_together)]);
        let rate = verdict(&document, &objectives(&[(RATE, 0.01)], &[], &[]));
        assert_eq!(rate.verdict, expected, "{}", rate.reason);
        let document = attributed(&[fast(), unknown(60, are_together)]);
        for metric in [P95, "http/service-time/p95"] {
            let slow = verdict(&document, &objectives(&[(metric, 50.0)], &[], &[]));
            assert_eq!(slow.verdict, expected, "{}", slow.reason);
        }
        let document = attributed(&[fast(), fast(), unknown(12, are_together)]);
        let difference = relative(&document, RATE, 0.01);
        assert_eq!(difference.verdict, expected, "{}", difference.reason);
    }
    for (metric, limit) in [(RATE, 0.01), (P95, 50.0)] {
        let mut document = attributed(&[fast(), unknown(12, false)]);
        record(&mut document, 1).series = None;
        let open = verdict(&document, &objectives(&[(metric, limit)], &[], &[]));
        assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
        assert!(open.reason.contains("; nothing shows when the requests of unknown origin came"), "{}", open.reason);
    }
}

#[test]
fn requests_of_unknown_origin_may_be_fast_ones_of_version_0() {
    let slow = |first: usize| TestLoad::with_slow(60, 50, 60_000, move |at| u64::from(at % 3 == first));
    let quick = TestLoad::with_slow(60, 2, 1_000, |_| 2);
    let known = relative(&insights(&[slow(0), slow(1)]), "http/latency-mean", 1.5);
    let end = known.interval.unwrap()[1].unwrap();
    let mut document = attributed(&[slow(0), slow(1), quick]);
    let verdict = relative(&document, "http/latency-mean", end * 1.02);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    assert!(verdict.reason.ends_with("requests of unknown origin may be its own"), "{}", verdict.reason);
    // Without a response they may as well have been slow ones of the candidate.
    document.histograms[2].clear();
    let lost = relative(&document, "http/latency-mean", end * 1.02);
    assert_eq!(lost.verdict, Inconclusive, "{}", lost.reason);
    record(&mut document, 2).counts.requests = 0;
    let verdict = relative(&document, "http/latency-mean", end * 1.02);
    assert_eq!(verdict.verdict, Satisfied, "{}", verdict.reason);
}

#[test]
fn timeouts_of_unknown_origin_may_be_of_a_version_and_have_taken_longer() {
    let mut document = attributed(&[fast(), fast()]);
    assert_eq!(verdict(&document, &objectives(&[(P95, 60_000.0)], &[], &[])).verdict, Satisfied);
    record(&mut document, 1).causes = [("timeout".to_owned(), 1_000)].into();
    let verdict = verdict(&document, &objectives(&[(P95, 60_000.0)], &[], &[]));
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
}

#[test]
fn timeouts_and_slow_requests_among_those_of_unknown_origin_may_have_come_together() {
    let p95 = objectives(&[(P95, 50.0)], &[], &[]);
    for (are_together, expected) in [(false, Satisfied), (true, Inconclusive)] {
        // Within the limit, as requests that time out sooner are.
        let mut timeouts = unknown(60, are_together);
        timeouts.intervals.iter_mut().flat_map(|(latencies, _)| latencies).for_each(|micros| *micros = 10_000);
        let mut document = attributed(&[fast(), timeouts]);
        record(&mut document, 1).causes = [("timeout".to_owned(), 60)].into();
        let judged = verdict(&document, &p95);
        assert_eq!(judged.verdict, expected, "{}", judged.reason);
        // Among others that come evenly.
        let mut slow = unknown(60, are_together);
        slow.intervals.iter_mut().for_each(|(latencies, _)| latencies.extend([10_000; 20]));
        let judged = verdict(&attributed(&[fast(), slow]), &p95);
        assert_eq!(judged.verdict, expected, "{}", judged.reason);
        // Fast ones below a lower limit, which was counted or not.
        for limits in [vec![50.0], vec![5.0]] {
            let mut quick = TestLoad { limits: limits.clone(), ..unknown(60, are_together) };
            quick.intervals.iter_mut().for_each(|(latencies, _)| latencies.fill(1_000));
            let document = attributed(&[TestLoad { limits, ..fast() }, quick]);
            let judged = verdict(&document, &objectives(&[], &[("http/latency/p5", 5.0)], &[]));
            assert_eq!(judged.verdict, expected, "{}", judged.reason);
        }
    }
}

#[test]
fn requests_of_unknown_origin_in_the_cell_of_a_limit_may_be_over_it() {
    let own = TestLoad { limits: vec![60.01], ..fast() };
    let document = attributed(&[own, TestLoad::with_slow(50, 3, 60_000, |_| 3)]);
    let judged = verdict(&document, &objectives(&[(P95, 60.01)], &[], &[]));
    assert_eq!(judged.verdict, Inconclusive, "{}", judged.reason);
}

#[test]
fn requests_of_unknown_origin_keep_a_comparison_open_that_the_known_ones_satisfy() {
    let failing = || TestLoad::with_errors(60, 50, |_| 1);
    let slow = || TestLoad::with_slow(50, 3, 60_000, |_| 3);
    let successes = || TestLoad::with_slow(60, 20, 60_000, |_| 0);
    let cases = [
        ("errors may be the candidate's", [fast(), fast(), unknown(24, false)], (RATE, 0.01)),
        ("successes may be version 0's", [failing(), failing(), successes()], (RATE, 0.01)),
        ("slow ones may be the candidate's", [fast(), fast(), slow()], (P95, 1.1)),
    ];
    for (why, loads, (metric, limit)) in cases {
        let known = relative(&insights(&loads[..2]), metric, limit);
        assert_eq!(known.verdict, Satisfied, "{why}: {}", known.reason);
        let all = relative(&attributed(&loads), metric, limit);
        assert_eq!(all.verdict, Inconclusive, "{why}: {}", all.reason);
        assert!(all.reason.contains(": requests of unknown origin may be its own"), "{why}: {}", all.reason);
        assert_eq!(all.needs, None, "{why}: more requests would not tell");
    }
    let mut timeouts = attributed(&[fast(), fast(), TestLoad::with_slow(50, 3, 60_000, |_| 0)]);
    assert_eq!(relative(&timeouts, P95, 1.1).verdict, Satisfied);
    record(&mut timeouts, 2).causes = [("timeout".to_owned(), 150)].into();
    let open = relative(&timeouts, P95, 1.1);
    assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
}

#[test]
fn slow_requests_of_unknown_origin_may_raise_a_mean() {
    let known = verdict(&insights(&[good()]), &objectives(&[("http/latency-mean", 50.0)], &[], &[]));
    let end = known.interval.unwrap()[1].unwrap();
    // Six slow ones raise the mean by 0.2 msec.
    let limit = [("http/latency-mean", end + 0.1)];
    let document = attributed(&[good(), TestLoad::with_slow(6, 1, 60_000, |_| 1)]);
    let mean = verdict(&document, &objectives(&limit, &[], &[]));
    assert_eq!(mean.verdict, Inconclusive, "{}", mean.reason);
    assert!(mean.reason.contains(": requests of unknown origin may be its own"), "{}", mean.reason);
    assert_eq!(mean.needs, None);
    assert_eq!(verdict(&insights(&[good()]), &objectives(&limit, &[], &[])).verdict, Satisfied);
}
