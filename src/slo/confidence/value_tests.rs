//! Error rates, means, counts and extremes of a load against limits.

use super::testing::{P95, RATE, TestLoad, assert_finite, good, insights, objectives, record, upper, verdict};
use crate::model::slo::{Method, Outcome};
use Outcome::{Inconclusive, Satisfied, Violated};

#[test]
fn an_error_rate_is_judged_by_its_limits() {
    let judged = |errors: fn(usize) -> u64, limit: f64| {
        let verdict = upper(&TestLoad::with_errors(60, 50, errors), RATE, limit);
        assert_finite(&verdict);
        (verdict.verdict, verdict.reason)
    };
    let (outcome, reason) = judged(|_| 0, 0.01);
    assert_eq!(outcome, Satisfied);
    assert_eq!(
        reason,
        "http/error-rate is at most 0.10 % (95 % sure; 3,000 requests, worth 2,908 independent ones), within the limit of 1 %; errors taken as independent: fewer than 20 were seen"
    );
    let (outcome, reason) = judged(|at| u64::from(at % 2 == 0), 0.01);
    assert_eq!(outcome, Inconclusive);
    assert!(reason.starts_with("http/error-rate is 1 %, between "), "{reason}");
    let (outcome, reason) = judged(|_| 2, 0.01);
    assert_eq!(outcome, Violated);
    assert!(reason.ends_with("above the limit of 1 %"), "{reason}");
    // A few errors, each in a second of its own.
    let (outcome, reason) = judged(|at| u64::from(at % 6 == 0), 0.01);
    assert_eq!(outcome, Satisfied);
    assert!(reason.ends_with("errors taken as independent: fewer than 20 were seen"), "{reason}");
}

#[test]
fn a_limit_of_zero_is_violated_by_one_error_and_never_satisfied() {
    let none = upper(&TestLoad::with_errors(30, 50, |_| 0), RATE, 0.0);
    assert_eq!((none.verdict, none.needs), (Inconclusive, None));
    assert!(none.reason.contains("; no number of requests shows that there are no errors"), "{}", none.reason);
    let one = upper(&TestLoad::with_errors(30, 50, |at| u64::from(at == 3)), RATE, 0.0);
    assert_eq!(one.verdict, Violated, "{}", one.reason);
    let all = upper(&TestLoad::with_errors(30, 50, |_| 50), RATE, 1.0);
    assert_eq!((all.verdict, all.interval.unwrap()[1]), (Satisfied, Some(1.0)));
    assert_eq!(upper(&TestLoad::with_errors(30, 50, |_| 50), RATE, 0.9).verdict, Violated);
}

#[test]
fn a_billion_requests_are_judged() {
    let mut document = insights(&[TestLoad::with_errors(30, 50, |_| 0)]);
    let load = record(&mut document, 0);
    load.counts.requests = 1_000_000_000;
    load.series.as_mut().unwrap().requests = vec![100_000_000, 900_000_000 / 29];
    load.series.as_mut().unwrap().requests.resize(30, 900_000_000 / 29);
    load.series.as_mut().unwrap().requests[29] += 900_000_000 % 29;
    let verdict = verdict(&document, &objectives(&[(RATE, 1e-6)], &[], &[]));
    assert_eq!((verdict.verdict, verdict.effective_samples), (Satisfied, Some(1e7)), "{}", verdict.reason);
}

#[test]
fn a_mean_is_judged_by_its_interval() {
    let at = |limit| upper(&good(), "http/latency-mean", limit);
    assert_eq!([12.0, 10.5, 9.0].map(|limit| at(limit).verdict), [Satisfied, Inconclusive, Violated]);
    let verdict = at(10.35);
    assert_eq!((verdict.method, verdict.verdict), (Some(Method::Mean), Inconclusive), "{}", verdict.reason);
    assert!(verdict.needs.unwrap().requests > 0);
    assert_finite(&verdict);
}

#[test]
fn an_open_verdict_on_a_mean_needs_more_requests() {
    // Latencies rise during the load, so that its intervals say little.
    let rising = TestLoad::with_slow(20, 100, 60_000, |at| 1 + at as u64);
    for load in [good(), rising] {
        let mean = upper(&load, "http/latency-mean", 100.0);
        let ends = [mean.interval.unwrap()[0].unwrap(), mean.value.unwrap(), mean.interval.unwrap()[1].unwrap()];
        for (from, to) in [(ends[0], ends[1]), (ends[1], ends[2])] {
            for part in [0.05, 0.2, 0.5, 0.8, 0.95] {
                let open = upper(&load, "http/latency-mean", from + (to - from) * part);
                assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
                assert!(open.needs.unwrap().requests > 0, "{}", open.reason);
                assert!(open.reason.ends_with("would decide"), "{}", open.reason);
            }
        }
    }
}

#[test]
fn equal_values_do_not_show_how_far_others_may_be() {
    let load = TestLoad::with_slow(30, 50, 60_000, |_| 0);
    let mean = upper(&load, "http/latency-mean", 50.0);
    // The cell of 10 ms has a width, and its middle no spread.
    assert_ne!(mean.verdict, Violated, "{}", mean.reason);
    assert_eq!(upper(&load, P95, 50.0).verdict, Satisfied);
}

#[test]
fn counts_are_what_they_are() {
    let verdict = upper(&TestLoad::with_errors(30, 50, |at| u64::from(at == 0)), "http/error-count", 1.0);
    assert_eq!((verdict.verdict, verdict.method), (Satisfied, Some(Method::Point)));
    assert_eq!(verdict.reason, "http/error-count is 1, within the limit of 1");
}

#[test]
fn an_extreme_is_certain_on_one_side_only() {
    for metric in ["http/latency-max", "http/latency/max", "http/latency-p100", "http/latency/p100"] {
        let within = upper(&good(), metric, 100.0);
        assert_eq!((within.verdict, within.interval.unwrap()[1]), (Inconclusive, None), "{metric}");
        assert!(within.reason.contains("no number of samples excludes a larger one"), "{}", within.reason);
        assert_eq!(upper(&good(), metric, 50.0).verdict, Violated, "{metric}");
    }
    for metric in ["http/latency/min", "http/latency-p0"] {
        assert_eq!(upper(&good(), metric, 50.0).verdict, Satisfied, "{metric}");
        assert_eq!(upper(&good(), metric, 5.0).verdict, Inconclusive, "{metric}");
    }
}

#[test]
fn a_metric_without_an_interval_is_judged_by_its_value_unless_objectives_are_strict() {
    let mut objectives = objectives(&[("http/latency-stddev", 50.0)], &[], &[]);
    let document = insights(&[good()]);
    let point = verdict(&document, &objectives);
    assert_eq!((point.verdict, point.method), (Satisfied, Some(Method::Point)));
    assert!(point.reason.ends_with("; a deviation has no interval"), "{}", point.reason);
    objectives.confidence.as_mut().unwrap().is_strict = true;
    let strict = verdict(&document, &objectives);
    assert_eq!(strict.verdict, Inconclusive);
    assert!(strict.reason.ends_with("and `strict` needs an interval"), "{}", strict.reason);
}
