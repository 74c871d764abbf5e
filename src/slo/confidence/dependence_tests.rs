//! Dependence of requests on each other: the larger one of what shows it.

use std::time::Duration;

use super::columns::{Columns, Place, aligned};
use super::testing::{P95, TestLoad, assess, good, insights, objectives, record, relative, verdict};
use crate::confidence::blocks::Block;
use crate::confidence::proportion;
use crate::metrics::histogram;
use crate::model::duration::GoDuration;
use crate::model::insights::Insights;
use crate::model::load::Pair;
use crate::model::series::{Over, Series};
use crate::model::slo::DependenceSource::{Blocks, P90};
use crate::model::slo::Outcome::{Inconclusive, Satisfied};
use crate::model::slo::{Bound, Dependence};

/// Intervals of [`columns`].
const COUNT: usize = 12;

/// Slow requests in every interval, and as many in a few.
const STEADY: [u64; COUNT] = [10, 9, 11, 10, 9, 11, 10, 9, 11, 10, 9, 11];
const TOGETHER: [u64; COUNT] = [0, 0, 0, 60, 60, 0, 0, 0, 0, 0, 0, 0];

/// Columns of 100 requests per second: limits in msec, percentiles and counts.
fn columns(all: &[(f64, Option<f64>, [u64; COUNT])]) -> Series {
    let over = |(limit, percentile, counts): &(f64, Option<f64>, [u64; COUNT])| Over {
        limit: *limit,
        percentile: *percentile,
        counts: counts.to_vec(),
    };
    Series {
        interval: GoDuration(Duration::from_secs(1)),
        requests: vec![100; COUNT],
        errors: vec![0; COUNT],
        over: all.iter().map(over).collect(),
        ..Series::default()
    }
}

fn deff(counts: [u64; COUNT]) -> f64 {
    let blocks = counts.map(|count| Block { n: 100.0, k: count as f64 });
    proportion::design_effect(&blocks).unwrap().deff
}

#[test]
fn the_columns_that_show_the_most_dependence_count() {
    let [p50, p90] = [Some(50.0), Some(90.0)];
    let (steady, together) = (deff(STEADY), deff(TOGETHER));
    assert!(together > 10.0 * steady, "{together} {steady}");
    let (upper, lower) = (Bound::Upper, Bound::Lower);
    let cases = [
        (
            "the column below the limit",
            vec![(10.0, None, TOGETHER), (30.0, None, STEADY)],
            upper,
            0.5,
            (together, Blocks),
        ),
        (
            "the column above the limit",
            vec![(10.0, None, STEADY), (30.0, None, TOGETHER)],
            upper,
            0.5,
            (together, Blocks),
        ),
        ("p90 if few are bad", vec![(20.0, None, STEADY), (10.0, p90, TOGETHER)], upper, 0.0, (together, P90)),
        ("not p90 if many are bad", vec![(20.0, None, STEADY), (10.0, p90, TOGETHER)], upper, 0.5, (steady, Blocks)),
        (
            "not p90 if it is above the limit",
            vec![(20.0, None, STEADY), (30.0, p90, TOGETHER)],
            upper,
            0.0,
            (steady, Blocks),
        ),
        (
            "p90 for a lower limit",
            vec![(20.0, None, STEADY), (10.0, p50, STEADY), (30.0, p90, TOGETHER)],
            lower,
            0.0,
            (together, P90),
        ),
        (
            "the median for a lower limit",
            vec![(20.0, None, STEADY), (10.0, p50, TOGETHER), (30.0, p90, STEADY)],
            lower,
            0.0,
            (together, Blocks),
        ),
    ];
    for (why, over, bound, bad, expected) in cases {
        let series = columns(&over);
        let effect = Columns::new(&series).unwrap().over_effect(Place::Limit(20.0), bound, bad, None).unwrap().unwrap();
        assert_eq!((effect.effect.deff, effect.from), expected, "{why}");
    }
}

#[test]
fn series_are_compared_in_intervals_of_the_same_length() {
    let of = |seconds: u64, count: usize| Series {
        interval: GoDuration(Duration::from_secs(seconds)),
        requests: vec![50 * seconds; count],
        errors: vec![seconds; count],
        ..Series::default()
    };
    for [a, b] in [[of(1, 12), of(2, 6)], [of(2, 6), of(1, 12)], [of(4, 3), of(1, 12)]] {
        let interval = a.interval.max(b.interval);
        let [a, b] = aligned(&a, &b).unwrap();
        assert_eq!((a.interval, &a.requests, &a.errors), (interval, &b.requests, &b.errors));
    }
    assert_eq!(aligned(&of(2, 6), &of(3, 4)), None, "2 s, 4 s, 8 s, … are never 3 s, 6 s, 12 s, …");
}

#[test]
fn several_values_of_one_request_are_worth_one() {
    let load = TestLoad::with_slow(30, 50, 60_000, |at| if at % 10 == 0 { 20 } else { 0 });
    let deff = |times: u64| {
        let mut document = insights(&[load.clone(), load.clone()]);
        let latency = histogram::decode(&document.histograms[0]["http/latency"]).unwrap();
        let mut values = histogram::new();
        for cell in latency.iter_recorded() {
            values.saturating_record_n(cell.value_iterated_to(), cell.count_at_value() * times);
        }
        let values = histogram::encode(&values).unwrap();
        for histograms in &mut document.histograms {
            histograms.insert("http/service-time".to_owned(), values.clone());
        }
        let p90 = "http/service-time/p90";
        let own = assess(&document, &objectives(&[(p90, 50.0)], &[], &[])).verdicts.remove(0);
        [own, relative(&document, p90, 1.1)].map(|verdict| verdict.dependence.unwrap().deff)
    };
    for (one, twenty) in deff(1).into_iter().zip(deff(20)) {
        assert!(one > 1.0 && (twenty / one - 20.0).abs() < 1e-9, "{one} {twenty}");
    }
}

#[test]
fn timeouts_within_a_limit_depend_on_each_other_as_errors_do() {
    let judged = |errors: fn(usize) -> u64| {
        let load = TestLoad { limits: vec![60_000.0], ..TestLoad::with_errors(60, 50, errors) };
        let mut document = insights(&[load]);
        record(&mut document, 0).causes = [("timeout".to_owned(), 100)].into();
        verdict(&document, &objectives(&[(P95, 60_000.0)], &[], &[]))
    };
    let (spread, together) = (judged(|at| 1 + u64::from(at % 3 != 0)), judged(|at| if at / 2 == 5 { 50 } else { 0 }));
    assert_eq!(spread.verdict, Satisfied, "{}", spread.reason);
    assert_eq!(together.verdict, Inconclusive, "{}", together.reason);
}

/// Two loads of the same version, one after the other.
fn apart(load: &TestLoad) -> Insights {
    let mut document = insights(&[load.clone(), load.clone()]);
    record(&mut document, 1).start = Some(chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(400));
    document
}

fn dependence(document: &Insights, metric: &str) -> Dependence {
    relative(document, metric, 1.1).dependence.unwrap()
}

#[test]
fn the_larger_one_of_the_pairs_next_to_a_percentile_counts() {
    for (below, above) in [(8.0, 1.2), (1.2, 8.0)] {
        let mut document = insights(&[good(), good()]);
        for pair in &mut record(&mut document, 1).pairs {
            pair.deff = if pair.percentile == 99.0 {
                above
            } else if pair.percentile == 95.0 {
                below
            } else {
                1.2
            };
        }
        assert_eq!(dependence(&document, "http/latency/p97").deff, 8.0, "{below} {above}");
    }
}

#[test]
fn edited_pairs_show_nothing() {
    let with = |pairs: Vec<Pair>| {
        let mut document = insights(&[good(), good()]);
        record(&mut document, 1).pairs = pairs;
        dependence(&document, P95)
    };
    let pair = |deff, df| vec![Pair { percentile: 95.0, deff, df, is_from_p90: false }];
    assert_eq!(with(pair(3.0, 20.0)).deff, 3.0);
    let by_columns = with(Vec::new());
    assert_eq!(by_columns.from, Blocks);
    for (deff, df) in [(f64::NAN, 20.0), (f64::INFINITY, 20.0), (0.0, 20.0), (-1.0, 20.0), (3.0, f64::NAN), (3.0, 0.5)]
    {
        assert_eq!(with(pair(deff, df)), by_columns, "{deff} {df}");
    }
    assert_eq!(with(pair(1e-9, 20.0)).deff, 0.95, "requests are at most independent");
}

#[test]
fn loads_that_ran_one_after_another_have_their_own_dependence() {
    let mut document = apart(&good());
    record(&mut document, 1).pairs.iter_mut().for_each(|pair| pair.deff = 8.0);
    assert!(dependence(&document, P95).deff < 2.0, "pairs are those of the same seconds");
    // Two of 200 requests are always very slow, and in every twelfth second all are slow.
    let second = |at: usize| {
        let usual = if at.is_multiple_of(12) { 60_000 } else { 10_000 };
        ((0..200).map(|request| if request < 2 { 200_000 } else { usual }).collect(), 0)
    };
    let document = apart(&TestLoad { intervals: (0..60).map(second).collect(), limits: vec![50.0] });
    let cases = [
        ("http/latency/p99", "enough are very slow", false, Blocks),
        ("http/latency/p95", "those over p90 come together", true, Blocks),
        ("http/latency/p99.95", "too few are slower", true, P90),
    ];
    for (metric, why, is_large, from) in cases {
        let found = dependence(&document, metric);
        assert_eq!((found.deff > 50.0, found.from), (is_large, from), "{metric}: {why}: {}", found.deff);
    }
}
