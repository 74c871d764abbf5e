//! Decisions that ended a load: edited ones, and those that are judged again at another confidence.

use std::time::Duration;

use super::testing::{P95, RATE, TestLoad, bad, good, insights, objectives, verdict};
use crate::model::duration::GoDuration;
use crate::model::insights::Insights;
use crate::model::load::{Decision, Stopped};
use crate::model::slo::{Bound, Method, Outcome, Verdict};
use Outcome::{Inconclusive, Satisfied, Violated};

fn decision(metric: &str, limit: f64, verdict: Outcome, [n, k]: [u64; 2]) -> Decision {
    let (metric, bound, reference) = (metric.into(), Bound::Upper, None);
    Decision { metric, bound, limit, reference, verdict, n, k, deff: 1.5, df: 29.0 }
}

/// Loads that ended after 30 s at the confidence of objectives at 95 %, with a decision on the last one.
fn stopped(loads: &[TestLoad], decision: &Decision) -> Insights {
    let mut document = insights(loads);
    for (version, loads) in document.load.iter_mut().enumerate() {
        let decisions = if version + 1 == document.num_versions { vec![decision.clone()] } else { Vec::new() };
        let at = GoDuration(Duration::from_secs(30));
        loads.get_mut("http").unwrap().stopped = Some(Stopped { at, confidence: 0.975, decisions });
    }
    document
}

/// The verdict at a confidence on the objective that ended the loads.
fn at(level: f64, document: &Insights, decision: &Decision) -> Verdict {
    let limit = [(&*decision.metric.to_string(), decision.limit)];
    let mut objectives = match decision.reference {
        None => objectives(&limit, &[], &[]),
        Some(_) => objectives(&[], &[], &limit),
    };
    objectives.confidence.as_mut().unwrap().level = level;
    verdict(document, &objectives)
}

#[test]
fn a_decision_with_fewer_bad_requests_than_the_load_had_is_not_kept() {
    // 71 of 1,500 are slow, or fail: 4.7 % of 5 %.
    let share = |at: usize| if at < 11 { 3 } else { 2 };
    let loads =
        [(P95, 50.0, TestLoad::with_slow(30, 50, 60_000, share)), (RATE, 0.05, TestLoad::with_errors(30, 50, share))];
    for (metric, limit, load) in loads {
        let judged = |counts| {
            let decision = decision(metric, limit, Satisfied, counts);
            at(0.95, &stopped(std::slice::from_ref(&load), &decision), &decision)
        };
        // All requests, all good ones, those of the first seconds, and more than there were.
        for edited in [[1_500, 0], [1_429, 0], [500, 2], [1_460, 31], [3_000, 71]] {
            let verdict = judged(edited);
            assert_eq!(verdict.verdict, Inconclusive, "{metric}, {edited:?}: {}", verdict.reason);
            assert_ne!(verdict.method, Some(Method::AlwaysValid), "{metric}, {edited:?}");
        }
    }
}

#[test]
fn a_decision_before_the_last_requests_ended_is_kept() {
    // Three were in flight and slow already, and ended after the decision with two others.
    let mut load = good();
    load.intervals[29].0.extend([60_000; 5]);
    let decision = decision(P95, 50.0, Satisfied, [1_503, 13]);
    let kept = at(0.95, &stopped(&[load], &decision), &decision);
    assert_eq!((kept.verdict, kept.method), (Satisfied, Some(Method::AlwaysValid)), "{}", kept.reason);
}

#[test]
fn a_decision_on_what_no_look_counts_is_not_kept() {
    let decision = decision("http/service-time/p95", 50.0, Satisfied, [1_500, 10]);
    let document = stopped(&[good()], &decision);
    assert_eq!(at(0.95, &document, &decision).method, Some(Method::Percentile));
}

#[test]
fn a_load_that_ended_with_its_verdict_does_not_show_it_with_a_higher_confidence() {
    let relative = |verdict| Decision { reference: Some(0), ..decision(P95, 1.1, verdict, [3_000, 150]) };
    let cases = [
        (vec![good()], Decision { deff: 4.0, ..decision(P95, 50.0, Satisfied, [1_500, 10]) }, Satisfied),
        (vec![bad()], Decision { deff: 8.0, ..decision(P95, 50.0, Violated, [1_500, 195]) }, Violated),
        (vec![good(), good()], relative(Satisfied), Satisfied),
        (vec![good(), bad()], relative(Violated), Violated),
    ];
    for (loads, decision, outcome) in cases {
        let document = stopped(&loads, &decision);
        for level in [0.9, 0.95] {
            let kept = at(level, &document, &decision);
            assert_eq!((kept.verdict, kept.method), (outcome, Some(Method::AlwaysValid)), "{level}: {}", kept.reason);
        }
        // Evidence may be enough for a higher one, and shares of α are those of the run's.
        let higher = if decision.reference.is_some() { 0.96 } else { 0.9999 };
        let refused = at(higher, &document, &decision);
        assert_eq!((refused.verdict, refused.interval), (Inconclusive, None), "{}", refused.reason);
        assert!(
            refused.reason.contains("the load ended as soon as this was decided at 97.5 % confidence"),
            "{}",
            refused.reason
        );
    }
    let (decision, mut document) = (relative(Satisfied), stopped(&[good(), good()], &relative(Satisfied)));
    document.load[1].get_mut("http").unwrap().stopped.as_mut().unwrap().confidence = f64::NAN;
    assert_eq!(at(0.6, &document, &decision).verdict, Inconclusive);
}
