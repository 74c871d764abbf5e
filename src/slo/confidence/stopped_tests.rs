//! Loads that ended with their verdict.

use super::testing::{
    P95, RATE, TestLoad, assert_finite, assess, attributed, bad, good, insights, objectives, record, verdict,
};
use crate::confidence::blocks::Block;
use crate::confidence::design_effect::DesignEffect;
use crate::confidence::{difference, looks};
use crate::model::duration::GoDuration;
use crate::model::insights::Insights;
use crate::model::load::{Decision, LoadRecord, Stopped};
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::slo::{Bound, Method, Outcome};
use Outcome::{Inconclusive, Satisfied, Violated};

/// A document whose load ended after half a minute, with this decision.
fn stopped(load: TestLoad, decision: Decision) -> Insights {
    let mut document = insights(&[load]);
    stop(&mut document, 0, vec![decision]);
    document
}

fn stop(document: &mut Insights, version: usize, decisions: Vec<Decision>) {
    let at = GoDuration(std::time::Duration::from_secs(30));
    record(document, version).stopped = Some(Stopped { at, confidence: 0.975, decisions });
}

/// The decision that p95 of [`good`] is within 50 msec.
fn made() -> Decision {
    let (metric, bound, reference) = (P95.into(), Bound::Upper, None);
    Decision { metric, bound, limit: 50.0, reference, verdict: Satisfied, n: 1_500, k: 10, deff: 1.1, df: 29.0 }
}

fn with_timeouts(mut document: Insights, version: usize, timeouts: u64) -> Insights {
    record(&mut document, version).causes = [("timeout".to_owned(), timeouts)].into();
    document
}

#[test]
fn a_load_that_ended_with_its_verdict_keeps_it() {
    let limits = objectives(&[(P95, 50.0)], &[], &[]);
    let kept = verdict(&stopped(good(), made()), &limits);
    assert_eq!((kept.verdict, kept.method, kept.confidence), (Satisfied, Some(Method::AlwaysValid), Some(0.975)));
    assert_eq!(
        kept.reason,
        "http/latency-p95 is at most 10.01 msec (97.5 % sure; 1,500 requests, worth 1,199 independent ones), within the limit of 50 msec, \
         decided after 30 s"
    );
    assert!(kept.interval.unwrap()[1].unwrap() <= 50.0);
    let effect = DesignEffect { deff: 1.1, df: 29.0 };
    assert_eq!(kept.effective_samples, looks::effective(1_500.0, effect, 0.05));
    let kept = verdict(&stopped(bad(), Decision { verdict: Violated, k: 200, ..made() }), &limits);
    assert_eq!((kept.verdict, kept.method), (Violated, Some(Method::AlwaysValid)), "{}", kept.reason);
    // A decision that its counts do not show was edited.
    let edited = verdict(&stopped(bad(), Decision { k: 100, ..made() }), &limits);
    assert_eq!((edited.verdict, edited.method), (Violated, Some(Method::Percentile)), "{}", edited.reason);
    assert!(!edited.reason.contains("other SLOs"), "{}", edited.reason);
    // Another objective is judged at half of the error.
    let other = verdict(&stopped(good(), made()), &objectives(&[(RATE, 0.01)], &[], &[]));
    assert_eq!((other.method, other.confidence), (Some(Method::Binomial), Some(0.975)));
    assert!(other.reason.contains("the load ended with the verdict on other SLOs"), "{}", other.reason);
}

#[test]
fn a_decision_that_no_look_can_have_made_is_not_kept() {
    let limits = objectives(&[(P95, 50.0)], &[], &[]);
    let judged = |document: Insights| verdict(&document, &limits);
    assert_eq!(judged(with_timeouts(stopped(good(), made()), 0, 10)).method, Some(Method::AlwaysValid));
    let violated = Decision { verdict: Violated, k: 200, ..made() };
    let slow = with_timeouts(stopped(bad(), violated.clone()), 0, 300);
    assert_eq!(judged(slow).method, Some(Method::AlwaysValid), "timeouts make it worse");
    let edited = [
        ("requests are not more than independent", good(), Decision { deff: 0.5, ..made() }),
        ("no number", good(), Decision { deff: f64::NAN, ..made() }),
        ("more good requests than the load had", good(), Decision { n: 1_511, ..made() }),
        ("no requests", good(), Decision { n: 0, ..made() }),
        ("more bad requests than requests", good(), Decision { n: 9, ..made() }),
        ("too little evidence", good(), Decision { k: 60, ..made() }),
        ("the value is beyond the limit", bad(), made()),
        ("the value is within the limit", good(), violated.clone()),
        ("another limit", good(), Decision { limit: 40.0, ..made() }),
        ("the other side of the limit", good(), Decision { bound: Bound::Lower, ..made() }),
        ("relative to version 0", good(), Decision { reference: Some(0), ..made() }),
        ("undecided", good(), Decision { verdict: Inconclusive, ..made() }),
    ];
    for (why, load, decision) in edited {
        assert_eq!(judged(stopped(load, decision)).method, Some(Method::Percentile), "{why}");
    }
    // Timeouts within the limit: they may have taken longer.
    assert_eq!(judged(with_timeouts(stopped(good(), made()), 0, 11)).method, Some(Method::Percentile));
    // A lower limit is decided by no look.
    let lower = Decision { bound: Bound::Lower, limit: 5.0, ..made() };
    let lower = verdict(&stopped(good(), lower), &objectives(&[], &[(P95, 5.0)], &[]));
    assert_eq!(lower.method, Some(Method::Percentile), "{}", lower.reason);
}

#[test]
fn timeouts_of_unknown_origin_that_no_look_saw_undo_its_decision() {
    let unknown = || TestLoad::with_slow(30, 1, 60_000, |_| 0);
    let (absolute, compared) = (objectives(&[(P95, 50.0)], &[], &[]), objectives(&[], &[], &[(P95, 1.1)]));
    let relative = Decision { limit: 1.1, reference: Some(0), n: 3_000, k: 40, deff: 1.5, ..made() };
    for (limits, known, decision) in [(absolute, 1, made()), (compared, 2, relative)] {
        for (timeouts, method) in [(0, Method::AlwaysValid), (11, Method::Percentile)] {
            let loads: Vec<TestLoad> = (0..known).map(|_| good()).chain([unknown()]).collect();
            let mut document = with_timeouts(attributed(&loads), known, timeouts);
            stop(&mut document, known - 1, vec![decision.clone()]);
            let judged = verdict(&document, &limits);
            let anew = if known == 2 && timeouts > 0 { Method::Ratio } else { method };
            assert_eq!(judged.method, Some(anew), "{}", judged.reason);
        }
    }
}

#[test]
fn a_load_that_no_look_ended_has_half_of_the_error_left() {
    let mut document = insights(&[good()]);
    record(&mut document, 0).until_verdict = true;
    let limits = objectives(&[(P95, 50.0), (RATE, 0.01)], &[], &[]);
    let verdicts = assess(&document, &limits).verdicts;
    assert_eq!(verdicts.iter().map(|verdict| verdict.confidence).collect::<Vec<_>>(), [Some(0.975); 2]);
}

#[test]
fn a_comparison_that_ended_its_loads_is_kept() {
    let document = |candidate: TestLoad, metric: &str, limit, verdict, deff| {
        let mut document = insights(&[good(), candidate]);
        let at = GoDuration(std::time::Duration::from_secs(30));
        let (metric, bound, reference) = (metric.into(), Bound::Upper, Some(0));
        let decision = Decision { metric, bound, limit, reference, verdict, n: 3_000, k: 40, deff, df: 29.0 };
        for version in [0, 1] {
            let decisions = if version == 1 { vec![decision.clone()] } else { Vec::new() };
            record(&mut document, version).stopped = Some(Stopped { at, confidence: 0.975, decisions });
        }
        document
    };
    let clean = || TestLoad::with_errors(30, 50, |_| 0);
    let cases = [
        (document(good(), P95, 1.1, Satisfied, 1.5), (P95, 1.1), Satisfied),
        (document(bad(), P95, 1.1, Violated, 1.5), (P95, 1.1), Violated),
        (document(clean(), RATE, 0.02, Satisfied, 1.5), (RATE, 0.02), Satisfied),
    ];
    for (document, limit, outcome) in cases {
        let kept = verdict(&document, &objectives(&[], &[], &[limit]));
        assert_eq!((kept.verdict, kept.method), (outcome, Some(Method::AlwaysValid)), "{}", kept.reason);
        assert_eq!(kept.confidence, Some(0.975));
        assert!(kept.reason.contains("(97.5 % sure; 3,000 requests, worth"), "{}", kept.reason);
        assert!(kept.reason.ends_with(", decided after 30 s"), "{}", kept.reason);
        assert_finite(&kept);
    }
    // One that the samples do not show was edited.
    let failing = || TestLoad::with_errors(30, 50, |_| 3);
    let edited = [
        ("no design effect", good(), (P95, 1.1), (Satisfied, f64::NAN)),
        ("none is 0", good(), (P95, 1.1), (Satisfied, 0.0)),
        ("below that of independent requests", good(), (P95, 1.1), (Satisfied, 1e-9)),
        ("below 0", good(), (P95, 1.1), (Satisfied, -1.0)),
        ("the upper end is beyond the limit", clean(), (RATE, 0.02), (Satisfied, 500.0)),
        ("the lower end is within the limit", failing(), (RATE, 0.02), (Violated, 500.0)),
        ("undecided", clean(), (RATE, 0.02), (Inconclusive, 1.5)),
    ];
    for (why, candidate, (metric, limit), (outcome, deff)) in edited {
        let document = document(candidate, metric, limit, outcome, deff);
        let edited = verdict(&document, &objectives(&[], &[], &[(metric, limit)]));
        assert_ne!(edited.method, Some(Method::AlwaysValid), "{why}: {}", edited.reason);
    }
    // Its value contradicts its counts.
    let mut contradictory = document(clean(), RATE, 0.02, Satisfied, 1.5);
    contradictory.non_hist_metric_values[1].insert(RATE.to_owned(), vec![0.5]);
    let edited = verdict(&contradictory, &objectives(&[], &[], &[(RATE, 0.02)]));
    assert_eq!((edited.verdict, edited.method), (Inconclusive, Some(Method::Difference)), "{}", edited.reason);
    // It was made on a limit that is not relative.
    let mut absolute = document(good(), P95, 1.1, Satisfied, 1.5);
    record(&mut absolute, 1).stopped.as_mut().unwrap().decisions[0].reference = None;
    let edited = verdict(&absolute, &objectives(&[], &[], &[(P95, 1.1)]));
    assert_eq!(edited.method, Some(Method::Ratio), "{}", edited.reason);
    // Timeouts may have taken longer.
    let timeouts = with_timeouts(document(bad(), P95, 7.0, Satisfied, 1.5), 1, 200);
    let edited = verdict(&timeouts, &objectives(&[], &[], &[(P95, 7.0)]));
    assert_eq!((edited.verdict, edited.method), (Inconclusive, Some(Method::Ratio)), "{}", edited.reason);
    // Three looks were planned until then, each of which had a third of half of the error.
    let effect = DesignEffect { deff: 1.5, df: 29.0 };
    let none = Block { n: 1_500.0, k: 0.0 };
    let [loose, strict] = [0.025, 0.025 / 3.0].map(|alpha| difference::interval(none, none, effect, alpha).unwrap()[1]);
    for (limit, method) in [((loose + strict) / 2.0, Method::Difference), (strict * 1.01, Method::AlwaysValid)] {
        let judged = document(clean(), RATE, limit, Satisfied, 1.5);
        let judged = verdict(&judged, &objectives(&[], &[], &[(RATE, limit)]));
        assert_eq!(judged.method, Some(method), "{limit}: {}", judged.reason);
    }
    let edited = verdict(&document(bad(), P95, 1.1, Satisfied, 1.5), &objectives(&[], &[], &[(P95, 1.1)]));
    assert_eq!((edited.verdict, edited.method), (Violated, Some(Method::Ratio)), "{}", edited.reason);
    // Another limit is judged at half of the error, and says why.
    let other = verdict(&document(good(), P95, 1.1, Satisfied, 1.5), &objectives(&[], &[], &[(P95, 1.2)]));
    assert_eq!((other.method, other.confidence), (Some(Method::Ratio), Some(0.975)));
    assert!(other.reason.contains("the load ended with the verdict on other SLOs"), "{}", other.reason);
}

#[test]
fn metrics_of_other_providers_have_half_of_the_error_left_too() {
    let with = |stopped: Option<Stopped>| {
        let mut document = insights(&[good(), good()]);
        for version in [0, 1] {
            document.load[version].insert("another".to_owned(), LoadRecord::default());
            let load = record(&mut document, version);
            (load.until_verdict, load.stopped) = (true, stopped.clone());
            for (name, value) in [("error-count", 1.0), ("request-count", 2_000.0), ("error-rate", 0.000_5)] {
                document.non_hist_metric_values[version].insert(format!("p/{name}"), vec![value]);
                let kind = if name == "error-rate" { MetricType::Gauge } else { MetricType::Counter };
                let meta = MetricMeta { description: String::new(), units: None, kind };
                document.metrics_info.insert(format!("p/{name}"), meta);
            }
        }
        assess(&document, &objectives(&[("p/error-rate", 0.01)], &[], &[("p/error-rate", 0.02)])).verdicts
    };
    for verdict in with(None) {
        assert_eq!(verdict.confidence, Some(0.975), "{}", verdict.reason);
    }
    let at = GoDuration(std::time::Duration::from_secs(30));
    for verdict in with(Some(Stopped { at, confidence: 0.975, decisions: Vec::new() })) {
        assert_eq!(verdict.confidence, Some(0.975), "{}", verdict.reason);
        assert!(verdict.reason.contains("so this one is judged at 97.5"), "{}", verdict.reason);
    }
}
