//! Candidates against version 0.

use super::testing::{
    P95, RATE, TestLoad, assert_finite, assess, bad, good, insights, objectives, record, relative, verdict,
};
use crate::model::slo::{Method, Outcome, Verdict};
use Outcome::{Inconclusive, Satisfied, Violated};

#[test]
fn comparisons_have_no_row_in_the_matrix_of_iter8() {
    let assessment = assess(&insights(&[good(), bad()]), &objectives(&[(RATE, 0.1)], &[], &[(P95, 1.1)]));
    assert_eq!((assessment.satisfied.upper, assessment.verdicts.len()), (vec![vec![true, true]], 3));
}

#[test]
fn two_versions_in_the_same_seconds_are_compared_interval_by_interval() {
    let relative = |candidate: TestLoad, metric: &str, limit: f64| {
        let verdict = verdict(&insights(&[good(), candidate]), &objectives(&[], &[], &[(metric, limit)]));
        assert_finite(&verdict);
        assert_eq!((verdict.version, verdict.reference), (1, Some(0)));
        verdict
    };
    let same = relative(good(), "http/latency-p95", 1.10);
    assert_eq!((same.verdict, same.method, same.value), (Satisfied, Some(Method::Ratio), Some(1.0)), "{}", same.reason);
    assert!(
        same.reason.starts_with("http/latency-p95 is at most 1.00 times that of version 0 (95 % sure; 3,000 requests"),
        "{}",
        same.reason
    );
    let slower = relative(bad(), "http/latency-p95", 1.10);
    assert_eq!(slower.verdict, Violated, "{}", slower.reason);
    let mean = relative(good(), "http/latency-mean", 1.10);
    assert_eq!(mean.verdict, Inconclusive, "{}", mean.reason);
    let mean = relative(bad(), "http/latency-mean", 1.10);
    assert_eq!(mean.verdict, Violated, "{}", mean.reason);
    let rate = relative(TestLoad::with_errors(30, 50, |_| 0), RATE, 0.01);
    assert_eq!((rate.verdict, rate.method), (Satisfied, Some(Method::Difference)), "{}", rate.reason);
    assert!(rate.reason.starts_with("http/error-rate differs by at most +"), "{}", rate.reason);
    let rate = relative(TestLoad::with_errors(30, 50, |_| 3), RATE, 0.01);
    assert_eq!(rate.verdict, Violated, "{}", rate.reason);
    let open = relative(TestLoad::with_errors(30, 50, |at| u64::from(at % 2 == 0)), RATE, 0.012);
    assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
    assert!(open.needs.unwrap().requests > 0 && open.reason.ends_with("would decide"), "{}", open.reason);
}

#[test]
fn versions_that_ran_one_after_another_are_compared_with_a_note() {
    let mut document = insights(&[good(), bad()]);
    record(&mut document, 1).start = Some(chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(40));
    record(&mut document, 1).pairs.clear();
    for (metric, limit) in [(P95, 1.10), ("http/latency-mean", 1.10), (RATE, 0.01)] {
        let verdict = verdict(&document, &objectives(&[], &[], &[(metric, limit)]));
        assert!(verdict.interval.is_some(), "{}", verdict.reason);
        let note = "; measured one after another: what changed in between counts as difference";
        assert!(verdict.reason.ends_with(note), "{}", verdict.reason);
    }
}

#[test]
fn a_relative_limit_without_a_candidate_has_an_open_verdict() {
    let verdict = verdict(&insights(&[good()]), &objectives(&[], &[], &[(P95, 1.1)]));
    assert_eq!((verdict.verdict, verdict.version, verdict.reference), (Inconclusive, 1, Some(0)));
    assert_eq!(verdict.reason, "no candidate was measured: there is only version 0");
}

#[test]
fn a_baseline_of_zero_has_no_ratio() {
    let mut document = insights(&[good(), good()]);
    document.non_hist_metric_values[0].insert("http/latency-mean".to_owned(), vec![0.0]);
    let verdict = verdict(&document, &objectives(&[], &[], &[("http/latency-mean", 1.1)]));
    assert_eq!((verdict.verdict, verdict.value), (Inconclusive, None));
    assert_eq!(verdict.reason, "there is no ratio to version 0, whose value is 0");
}

#[test]
fn an_invalid_load_of_either_version_leaves_a_comparison_open() {
    for version in [0, 1] {
        let mut document = insights(&[good(), good()]);
        record(&mut document, version).requested_rate = Some(100.0);
        let verdict = verdict(&document, &objectives(&[], &[], &[(P95, 1.1)]));
        assert_eq!(verdict.verdict, Inconclusive);
        assert!(verdict.reason.starts_with(&format!("of version {version}: the load achieved")), "{}", verdict.reason);
    }
}

#[test]
fn without_a_confidence_the_ratio_decides() {
    let mut objectives = objectives(&[], &[], &[(P95, 1.1), (RATE, 0.0)]);
    objectives.confidence = None;
    let [ratio, rate] = <[Verdict; 2]>::try_from(assess(&insights(&[good(), bad()]), &objectives).verdicts).unwrap();
    assert_eq!((ratio.verdict, rate.verdict, ratio.confidence, ratio.interval), (Violated, Satisfied, None, None));
    assert_eq!(
        ratio.reason,
        "http/latency-p95 is 6.00 times that of version 0 (60.03 msec against 10.01 msec), above the limit of 1.10 times"
    );
    assert_eq!(rate.reason, "http/error-rate differs from that of version 0 by 0 (0 against 0), within the limit of 0");
}

#[test]
fn seconds_pair_means_of_the_latency_only() {
    // Both versions are slow in the same seconds, but only the series of `latency` shows it.
    let load = |more: usize| TestLoad::with_slow(60, 50, 60_000, move |at| [0, 25, 0][at % 3] + (at * more % 4) as u64);
    let document = insights(&[load(3), load(1)]);
    let width = |metric: &str| {
        let verdict = relative(&document, metric, 2.0);
        let [Some(lower), Some(upper)] = verdict.interval.unwrap() else { panic!("{verdict:?}") };
        upper - lower
    };
    let (latency, other) = (width("http/latency-mean"), width("http/service-time/mean"));
    assert!(latency < 0.8 * other, "{latency} {other}");
}
