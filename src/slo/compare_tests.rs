use super::*;
use crate::model::duration::GoDuration;
use crate::model::load::{Decision, Stopped};
use crate::model::slo::{Bound, Method};
use crate::slo::confidence::testing::{TestLoad, insights, slo};

const CONFIDENCE: Confidence = Confidence { level: 0.95, burst: Confidence::DEFAULT_BURST, is_strict: false };

fn compared(a: &Insights, b: &Insights, limits: &[(&str, f64)]) -> Compared {
    let side = |insights, name| Side { insights, version: 0, name };
    let upper = limits.iter().map(|(metric, limit)| slo(metric, *limit)).collect();
    compare(side(a, "A"), side(b, "B"), &RelativeLimits { upper }, CONFIDENCE)
}

fn of(load: &TestLoad) -> Insights {
    insights(std::slice::from_ref(load))
}

fn metric<'a>(compared: &'a Compared, name: &str) -> &'a ComparedMetric {
    compared.metrics.iter().find(|metric| metric.metric == name).unwrap()
}

#[test]
fn a_slower_run_with_errors_is_higher_in_both_and_the_reverse_is_lower() {
    let fast = of(&TestLoad::with_errors(40, 100, |_| 0));
    let mut slow = TestLoad::with_errors(40, 100, |at| 10 + at as u64 % 3);
    slow.intervals.iter_mut().flat_map(|(latencies, _)| latencies).for_each(|micros| *micros *= 2);
    let slow = of(&slow);
    let up = compared(&fast, &slow, &[]);
    assert_eq!(up.metrics.len(), FIGURES.len());
    assert_eq!((up.outcome, up.verdicts.len(), up.differences.len()), (None, 0, 0), "{:?}", up.differences);
    let p95 = metric(&up, "http/latency-p95");
    let [low, high] = p95.interval.unwrap().map(Option::unwrap);
    assert!(1.9 < low && low <= 2.0 && (2.0..2.1).contains(&high), "{p95:?}");
    assert_eq!((p95.change, p95.units.as_deref()), (Some(Change::Higher), Some("msec")));
    let rate = metric(&up, "http/error-rate");
    assert_eq!((rate.change, rate.comparison), (Some(Change::Higher), Comparison::Difference));
    let down = compared(&slow, &fast, &[]);
    assert!(down.metrics.iter().all(|metric| metric.change == Some(Change::Lower)), "{:?}", down.metrics);
    let same = compared(&fast, &fast, &[]);
    assert!(same.metrics.iter().all(|metric| metric.change.is_none() && metric.interval.is_some()), "{same:?}");
}

#[test]
fn runs_share_no_disturbance_even_if_they_have_the_same_start() {
    // Every fourth second fails in both: within one run these seconds would cancel.
    let stall = || of(&TestLoad::with_errors(40, 100, |at| if at % 8 < 4 { 50 } else { 0 }));
    let [low, high] =
        metric(&compared(&stall(), &stall(), &[]), "http/error-rate").interval.unwrap().map(Option::unwrap);
    assert!(low < -0.1 && high > 0.1, "{low} {high}");
}

#[test]
fn limits_relative_to_the_other_run_have_verdicts() {
    let (good, bad) = (of(&TestLoad::with_errors(40, 100, |_| 0)), of(&TestLoad::with_errors(40, 100, |_| 10)));
    let outcome = |b: &Insights, limit: f64| compared(&good, b, &[("http/error-rate", limit)]).outcome;
    assert_eq!(outcome(&bad, 0.2), Some(Outcome::Satisfied));
    assert_eq!(outcome(&bad, 0.05), Some(Outcome::Violated));
    assert_eq!(outcome(&bad, 0.1), Some(Outcome::Inconclusive));
    let mut unknown = good.clone();
    unknown.unknown_version = Some(1);
    let doubted = compared(&good, &unknown, &[("http/error-rate", 0.2)]);
    assert_eq!(doubted.outcome, Some(Outcome::Inconclusive));
    assert!(doubted.verdicts[0].reason.ends_with("responses of unknown origin may be of either version"));
}

#[test]
fn a_run_that_ended_early_has_half_of_the_error_left_and_its_decisions_are_on_other_limits() {
    let (good, mut early) = (of(&TestLoad::with_errors(40, 100, |_| 0)), of(&TestLoad::with_errors(40, 100, |_| 0)));
    // A decision on the same limit, relative to another version 0.
    let decision = Decision {
        metric: "http/error-rate".into(),
        bound: Bound::Upper,
        limit: 0.01,
        reference: Some(0),
        verdict: Outcome::Satisfied,
        n: 8_000,
        k: 0,
        deff: 1.0,
        df: 39.0,
    };
    let at = GoDuration(std::time::Duration::from_secs(40));
    early.load[0].get_mut("http").unwrap().stopped = Some(Stopped { at, confidence: 0.975, decisions: vec![decision] });
    let fixed = compared(&good, &good, &[("http/error-rate", 0.01)]);
    assert_eq!((fixed.confidence, fixed.differences.len()), (0.95, 0));
    assert_eq!((fixed.verdicts[0].confidence, fixed.verdicts[0].method), (Some(0.95), Some(Method::Difference)));
    for (a, b) in [(&good, &early), (&early, &good)] {
        let both = compared(a, b, &[("http/error-rate", 0.01)]);
        let verdict = &both.verdicts[0];
        assert_eq!(both.confidence, 0.975);
        assert_eq!(
            both.differences,
            [
                "intervals have 97.5 % confidence instead of 95 %: a load ran until its verdict, which used half of the allowed error"
            ]
        );
        assert_eq!((verdict.confidence, verdict.method), (Some(0.975), Some(Method::Difference)));
        assert!(verdict.reason.contains("the load ended with the verdict on other SLOs"), "{}", verdict.reason);
        let high = |run: &Compared| metric(run, "http/error-rate").interval.unwrap()[1].unwrap();
        assert!(high(&compared(a, b, &[])) > high(&fixed));
    }
}

#[test]
fn versions_whose_load_ended_by_its_verdict_have_no_interval() {
    let load = TestLoad::with_errors(40, 100, |_| 1);
    let mut document = insights(&[load.clone(), load]);
    let metrics = ["http/latency-p95", "http/error-rate"];
    let intervals = |document: &Insights| {
        let (compared, _) = compare_with_baseline(document, 1, &metrics, CONFIDENCE);
        compared.iter().map(|metric| (metric.value.is_some(), metric.interval.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(intervals(&document), [(true, true); 2]);
    let at = GoDuration(std::time::Duration::from_secs(40));
    document.load[1].get_mut("http").unwrap().stopped = Some(Stopped { at, confidence: 0.975, decisions: Vec::new() });
    assert_eq!(intervals(&document), [(true, false); 2]);
}

#[test]
fn another_load_is_named_with_what_differs() {
    let (a, mut b) = (of(&TestLoad::with_errors(40, 100, |_| 0)), of(&TestLoad::with_errors(20, 100, |_| 0)));
    let load = b.load[0].get_mut("http").unwrap();
    (load.url, load.requested_rate) = ("http://b/".to_owned(), Some(100.0));
    assert_eq!(
        compared(&a, &b, &[]).differences,
        ["http: another load: URL  against http://b/, rate max against 100/s, duration 40 s against 20 s"]
    );
}

#[test]
fn damaged_documents_are_compared_without_a_panic() {
    let a = of(&TestLoad::with_errors(40, 100, |_| 0));
    assert!(compared(&Insights::default(), &a, &[]).metrics.is_empty());
    let mut b = a.clone();
    b.histograms.clear();
    b.load[0].get_mut("http").unwrap().series.as_mut().unwrap().errors.pop();
    let damaged = compared(&a, &b, &[("http/latency-p95", 2.0), ("http/error-rate", 1.0)]);
    assert_eq!(damaged.outcome, Some(Outcome::Inconclusive));
    assert!(damaged.metrics.iter().all(|metric| metric.change.is_none()), "{damaged:?}");
}
