use super::*;
use crate::metrics::histogram;
use crate::model::objectives::Objectives;
use crate::slo::confidence::testing::{P95, RATE, TestLoad, attributed, fast, insights, objectives, record, verdict};

/// The verdict on one limit relative to version 0, by the values alone.
fn by_values(document: &Insights, metric: &str, limit: f64) -> Verdict {
    verdict(document, &Objectives { confidence: None, ..objectives(&[], &[], &[(metric, limit)]) })
}

#[test]
fn requests_of_unknown_origin_may_be_those_that_a_comparison_lacks() {
    let failing = || TestLoad::with_errors(60, 50, |_| 1);
    let all = |micros: u64| TestLoad::with_slow(60, 20, micros, |_| 20);
    let cases = [
        ("errors of the candidate", [fast(), fast(), TestLoad::with_errors(60, 1, |_| 1)], (RATE, 0.01)),
        ("successes of version 0", [failing(), failing(), all(10_000)], (RATE, 0.0)),
        ("slow ones of the candidate", [fast(), fast(), all(60_000)], (P95, 1.1)),
        ("fast ones of version 0", [fast(), fast(), all(1_000)], ("http/latency-mean", 1.1)),
    ];
    for (why, loads, (metric, limit)) in cases {
        let known = by_values(&insights(&loads[..2]), metric, limit);
        assert_eq!(known.verdict, Outcome::Satisfied, "{why}: {}", known.reason);
        let open = by_values(&attributed(&loads), metric, limit);
        assert_eq!(open.verdict, Outcome::Inconclusive, "{why}: {}", open.reason);
        assert!(open.reason.contains(" requests are of unknown origin, "), "{why}: {}", open.reason);
    }
}

#[test]
fn delays_of_the_load_generator_do_not_violate_a_comparison() {
    let mut document = insights(&[fast(), TestLoad::with_slow(60, 50, 60_000, |_| 50)]);
    assert_eq!(by_values(&document, P95, 1.1).verdict, Outcome::Violated);
    let mut values = histogram::new();
    values.saturating_record_n(10_000, 3_000);
    let load = record(&mut document, 1);
    load.counts.own_late = 3_000;
    load.undelayed = [("latency".to_owned(), histogram::encode(&values).unwrap())].into();
    let open = by_values(&document, P95, 1.1);
    assert_eq!(open.verdict, Outcome::Inconclusive, "{}", open.reason);
    assert!(open.reason.contains("without the delays of the load generator"), "{}", open.reason);
}

#[test]
fn values_without_delays_are_ratios_or_differences() {
    let text = |comparison, value, limit| without_delays(comparison, value, limit, "v1");
    insta::assert_snapshot!(
        text(Comparison::Ratio, 1.25, 1.1),
        @", but 1.25 times without the delays of the load generator, above the limit of 1.10 times: it sent requests to v1 late although a connection was free"
    );
    insta::assert_snapshot!(
        text(Comparison::Difference, 0.02, 0.01),
        @", but +0.02 without the delays of the load generator, above the limit of +0.01: it sent requests to v1 late although a connection was free"
    );
}

#[test]
fn requests_without_a_response_do_not_make_a_candidate_as_fast() {
    let mut document = insights(&[fast(), fast()]);
    assert_eq!(by_values(&document, P95, 1.1).verdict, Outcome::Satisfied);
    // The series of the load is not changed: 1,000 further requests got no response.
    let lost = |record: &mut crate::model::load::LoadRecord| {
        record.counts.requests += 1_000;
        record.counts.errors += 1_000;
    };
    lost(record(&mut document, 1));
    let open = by_values(&document, P95, 1.1);
    assert_eq!(open.verdict, Outcome::Inconclusive, "{}", open.reason);
    assert!(open.reason.contains("1000 of 4000 requests timed out or got no response"), "{}", open.reason);
    // Those of version 0 make the candidate no slower.
    let mut document = insights(&[fast(), fast()]);
    lost(record(&mut document, 0));
    assert_eq!(by_values(&document, P95, 1.1).verdict, Outcome::Satisfied);
    // Errors alone are no baseline for a latency.
    record(&mut document, 0).counts.errors = 3_000;
    let open = by_values(&document, P95, 1.1);
    assert!(open.verdict == Outcome::Inconclusive && open.reason.contains("mostly that of errors"), "{}", open.reason);
    // A candidate is not slower than it, either.
    let slow = TestLoad::with_slow(60, 50, 60_000, |_| 50);
    let mut document = insights(&[fast(), slow]);
    record(&mut document, 0).counts.errors = 3_000;
    let open = by_values(&document, P95, 1.1);
    assert!(open.verdict == Outcome::Inconclusive && open.reason.contains("mostly that of errors"), "{}", open.reason);
}
