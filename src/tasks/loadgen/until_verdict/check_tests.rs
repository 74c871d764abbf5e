use std::time::Duration;

use super::*;
use crate::load::pacing::{Arrival, Bound as End, Pacer};
use crate::load::plan::LoadPlan;
use crate::model::number::Number;
use crate::model::objectives::Confidence;
use crate::model::slo::Slo;

fn version(version: usize) -> Target {
    let end = End::Duration(Duration::from_secs(9));
    Target::new("http", version, None, &LoadPlan::new("t", Pacer::new(Arrival::Constant { rate: 1.0 }, end), 1))
}

fn message(result: Result<(), InputError>) -> Option<String> {
    result.err().map(|error| error.to_string())
}

#[test]
fn loads_that_no_look_can_end_are_rejected() {
    let confidence = Confidence { level: 0.95, burst: Confidence::DEFAULT_BURST, is_strict: false };
    let slos = |metrics: &[&str]| -> Vec<Slo> {
        metrics.iter().map(|metric| Slo { metric: (*metric).into(), limit: Number(1.0) }).collect()
    };
    let with = |upper: &[&str], relative: &[&str]| {
        let mut objectives = Objectives { confidence: Some(confidence), ..Objectives::default() };
        (objectives.limits.upper, objectives.relative.upper) = (slos(upper), slos(relative));
        objectives
    };
    let (p95, apart) = (["http/latency-p95"], vec![vec![version(0)], vec![version(1)]]);
    let together = vec![vec![version(0), version(1)]];
    let point = Objectives { confidence: None, ..with(&p95, &[]) };
    let cases = [
        (None, &together, Some("requires a later `assess` with a `confidence`")),
        (Some(point), &together, Some("requires a later `assess` with a `confidence`")),
        (Some(with(&["http/latency-mean"], &[])), &together, Some("no SLO on `http` can be decided before the end")),
        (Some(with(&["other/error-rate"], &[])), &together, Some("no SLO on `http` can be decided before the end")),
        (
            Some(with(&p95, &p95)),
            &apart,
            Some("cannot be combined with relative limits on versions that are measured one"),
        ),
        (Some(with(&p95, &p95)), &together, None),
        (Some(with(&p95, &[])), &apart, None),
    ];
    for (objectives, groups, expected) in cases {
        let message = message(check(groups, objectives.as_ref(), &FieldPath::root()));
        let is_expected = match expected {
            Some(text) => message.as_ref().is_some_and(|message| message.contains(text)),
            None => message.is_none(),
        };
        assert!(is_expected, "{message:?}, expected {expected:?}");
    }
}

#[test]
fn loads_whose_first_seconds_are_not_like_the_later_ones_are_rejected() {
    let message = |target, is_warmup| message(check_loads(&[version(0), target], is_warmup, &FieldPath::root()));
    assert_eq!(message(version(1), false), None);
    let has = |message: Option<String>, text: &str| {
        assert!(message.as_ref().is_some_and(|m| m.contains(text)), "{message:?}")
    };
    has(message(version(1), true), "cannot be combined with `warmup: true`");
    has(message(Target { has_stages: true, ..version(1) }, false), "cannot be combined with `stages`");
    has(message(Target { duration: None, ..version(1) }, false), "requires `duration` instead of a number of requests");
}
