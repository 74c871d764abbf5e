use std::time::Duration;

use super::*;
use crate::model::duration::GoDuration;
use crate::model::load::LoadRecord;
use crate::model::slo::{Needs, Slo};

/// An open verdict on 200 requests of version 0.
fn open(metric: &str, needs: Option<u64>) -> Verdict {
    let slo: Slo = serde_json::from_value(serde_json::json!({"metric": metric, "limit": 50})).unwrap();
    Verdict {
        method: Some(Method::Percentile),
        interval: Some([Some(40.0), None]),
        samples: Some(200),
        needs: needs.map(|requests| Needs { requests, seconds: None }),
        ..Verdict::undecided(&slo, Bound::Upper, 0)
    }
}

fn insights(verdicts: Vec<Verdict>) -> Insights {
    let load = LoadRecord { duration: GoDuration(Duration::from_secs(4)), ..LoadRecord::default() };
    let load = vec![BTreeMap::from([("http".to_owned(), load)])];
    Insights { num_versions: 1, verdicts, load, ..Insights::default() }
}

#[test]
fn the_objective_that_needs_the_most_requests_decides() {
    let many = Verdict { samples: Some(20), ..open("http/latency-p95", Some(280)) };
    let satisfied = Verdict { verdict: Outcome::Satisfied, ..open("http/latency-p50", Some(9_000)) };
    let next = next_load(&insights(vec![open("http/error-rate", Some(300)), many, satisfied]));
    let took = Duration::from_secs(4);
    let expected = LongerLoad { objective: "http/latency-p95".to_owned(), requests: 300, times: 15.0, took };
    assert_eq!(next, NextLoad::Longer(expected));
}

#[test]
fn a_value_too_close_to_its_limit_is_not_worth_another_load() {
    let next = next_load(&insights(vec![open("http/error-rate", Some(300)), open("http/latency-p95", None)]));
    assert_eq!(next, NextLoad::Futile("http/latency-p95".to_owned()));
}

#[test]
fn a_limit_within_the_interval_is_too_close_whichever_side_it_is_on() {
    let next = |bound, interval| {
        let verdict = Verdict { bound, interval: Some(interval), ..open("http/latency-p95", None) };
        next_load(&insights(vec![verdict])) == NextLoad::Futile("http/latency-p95".to_owned())
    };
    let (upper, lower) = (Bound::Upper, Bound::Lower);
    let cases = [
        (upper, [Some(40.0), Some(60.0)], true),
        (upper, [Some(50.0), Some(60.0)], true),
        (upper, [Some(51.0), Some(60.0)], false),
        (upper, [Some(40.0), Some(50.0)], false),
        (lower, [Some(40.0), Some(60.0)], true),
        (lower, [Some(40.0), Some(50.0)], true),
        (lower, [Some(40.0), Some(49.0)], false),
        (lower, [Some(50.0), Some(60.0)], false),
        (lower, [None, Some(60.0)], true),
    ];
    for (bound, interval, expected) in cases {
        assert_eq!(next(bound, interval), expected, "{bound:?} {interval:?}");
    }
}

#[test]
fn the_longest_load_takes_the_time_and_requests_of_the_load_are_its_samples() {
    let mut insights = insights(vec![Verdict { samples: None, ..open("http/error-rate", Some(300)) }]);
    let short = LoadRecord { duration: GoDuration(Duration::from_secs(1)), ..LoadRecord::default() };
    insights.load.push([("other".to_owned(), short)].into());
    assert_eq!(next_load(&insights), NextLoad::Same, "a load without requests");
    insights.load[0].get_mut("http").unwrap().counts.requests = 100;
    let (objective, took) = ("http/error-rate".to_owned(), Duration::from_secs(4));
    assert_eq!(next_load(&insights), NextLoad::Longer(LongerLoad { objective, requests: 400, times: 4.0, took }));
}

#[test]
fn whatever_says_nothing_about_requests_is_measured_again_with_the_same_load() {
    // Held back by Holm's procedure, or by requests of unknown origin.
    let above = Verdict { interval: Some([Some(51.0), Some(60.0)]), ..open("http/latency-p95", None) };
    let below = Verdict { interval: Some([Some(40.0), Some(50.0)]), ..open("http/latency-p95", None) };
    let no_data = Verdict { method: None, interval: None, ..open("http/latency-p95", None) };
    let point = Verdict { method: Some(Method::Point), ..open("http/latency-p95", None) };
    let unknown = Verdict { samples: Some(0), ..open("http/latency-p95", Some(10)) };
    let enough = open("http/latency-p95", Some(0));
    let no_ends = Verdict { interval: Some([None, None]), ..open("http/latency-p95", None) };
    for verdict in [above, below, no_data, point, unknown, enough, no_ends] {
        assert_eq!(next_load(&insights(vec![verdict.clone()])), NextLoad::Same, "{verdict:?}");
    }
    let no_load = Insights { load: Vec::new(), ..insights(vec![open("prometheus/errors", Some(10))]) };
    assert_eq!(next_load(&no_load), NextLoad::Same);
    assert_eq!(next_load(&Insights::default()), NextLoad::Same);
}
