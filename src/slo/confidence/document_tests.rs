//! Loads that are in doubt, and documents that were edited.

use super::testing::{
    P95, RATE, TestLoad, assert_finite, assess, bad, good, insights, objectives, record, series, verdict,
};
use crate::metrics::histogram;
use crate::model::load::Shards;
use crate::model::series::Series;
use crate::model::slo::Outcome;
use Outcome::{Inconclusive, Satisfied};

#[test]
fn doubts_about_the_load_come_first() {
    let mut document = insights(&[good()]);
    record(&mut document, 0).requested_rate = Some(100.0);
    let verdict = verdict(&document, &objectives(&[(P95, 50.0)], &[], &[]));
    assert_eq!((verdict.verdict, verdict.interval, verdict.method), (Inconclusive, None, None));
    assert!(verdict.reason.starts_with("the load achieved 50 of 100 requests/s"), "{}", verdict.reason);
}

#[test]
fn edited_columns_decide_nothing() {
    type Edit = fn(&mut Series);
    let edits: [(&str, Edit); 5] = [
        (RATE, |series| series.errors.truncate(3)),
        (RATE, |series| series.errors[0] = 1_000_000),
        (P95, |series| series.over[0].counts.push(0)),
        (P95, |series| series.over[0].counts[0] = u64::MAX),
        ("http/latency-mean", |series| series.sum.truncate(1)),
    ];
    for (metric, edit) in edits {
        let mut document = insights(&[good()]);
        edit(series(&mut document, 0));
        let verdict = verdict(&document, &objectives(&[(metric, 50.0)], &[], &[]));
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{metric}");
        assert!(verdict.reason.contains("of the load's series in the document does not fit"), "{}", verdict.reason);
    }
    // More errors than requests, and a rate that is not that of the counts.
    let mut document = insights(&[good()]);
    record(&mut document, 0).counts.errors = u64::MAX;
    let verdict = verdict(&document, &objectives(&[(RATE, 0.5)], &[], &[]));
    assert_eq!(verdict.interval, None, "{}", verdict.reason);
}

#[test]
fn hostile_documents_are_judged_without_panics() {
    let mut document = insights(&[good(), bad()]);
    let numbers = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e308];
    let all = [P95, RATE, "http/latency-mean", "http/latency-p99", "http/latency/p50", "http/latency-max"];
    for number in numbers {
        for list in &mut document.non_hist_metric_values {
            list.values_mut().for_each(|values| *values = vec![number]);
        }
        for load in document.load.iter_mut().flat_map(|loads| loads.values_mut()) {
            load.pairs.iter_mut().for_each(|pair| (pair.deff, pair.df) = (number, number));
            let series = load.series.as_mut().unwrap();
            series.over.iter_mut().for_each(|over| over.limit = number);
        }
        let upper = all.map(|metric| (metric, number));
        let relative = [P95, RATE, "http/latency-mean"].map(|metric| (metric, number));
        for verdict in assess(&document, &objectives(&upper, &upper, &relative)).verdicts {
            if verdict.limit.is_finite() && verdict.value.is_none_or(f64::is_finite) {
                assert_finite(&verdict);
            }
        }
    }
    document.histograms.iter_mut().for_each(|histograms| {
        histograms.insert("http/latency".to_owned(), histogram::encode(&histogram::new()).unwrap());
    });
    assess(&document, &objectives(&[(P95, 1.0)], &[], &[(P95, 1.0)]));
}

#[test]
fn counts_of_another_load_than_the_series_decide_nothing() {
    for (requests, errors) in [(1_000_000, 0), (1_500, 3)] {
        let mut document = insights(&[TestLoad::with_errors(30, 50, |_| 0)]);
        let load = record(&mut document, 0);
        (load.counts.requests, load.counts.errors) = (requests, errors);
        let rate = errors as f64 / requests as f64;
        document.non_hist_metric_values[0].insert(RATE.to_owned(), vec![rate]);
        let verdict = verdict(&document, &objectives(&[(RATE, 0.01)], &[], &[]));
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{}", verdict.reason);
        assert!(verdict.reason.ends_with("of the load's series in the document does not fit its requests"));
    }
}

#[test]
fn pods_that_did_not_count_the_same_limits_decide_only_the_error_rate() {
    let mut document = insights(&[good(), good()]);
    for version in [0, 1] {
        record(&mut document, version).shards = Some(Shards { count: 2, ..Shards::default() });
        record(&mut document, version).pairs.clear();
        (series(&mut document, version).over, series(&mut document, version).sum) = (Vec::new(), Vec::new());
    }
    let limits = [(P95, 50.0), ("http/latency-mean", 50.0), ("http/service-time/p95", 50.0)];
    let relative = [("http/latency-p90", 2.0), ("http/latency-mean", 2.0)];
    for verdict in assess(&document, &objectives(&limits, &[], &relative)).verdicts {
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{}", verdict.reason);
        let reason = "; the pods did not count the same limits, so how requests depend on each other is unknown";
        assert!(verdict.reason.ends_with(reason), "{}", verdict.reason);
    }
    let rate = &assess(&document, &objectives(&[(RATE, 0.01)], &[], &[])).verdicts[0];
    assert_eq!(rate.verdict, Satisfied, "{}", rate.reason);
}

#[test]
fn intervals_of_pods_that_started_late_decide_nothing() {
    let mut document = insights(&[good(), good()]);
    record(&mut document, 0).shards = Some(Shards { count: 2, late: vec![1], ..Shards::default() });
    let limits = [(P95, 50.0), ("http/latency-mean", 50.0), (RATE, 0.01)];
    let relative = [(P95, 2.0), ("http/latency-mean", 2.0), (RATE, 0.01)];
    let verdicts = assess(&document, &objectives(&limits, &[], &relative)).verdicts;
    for verdict in verdicts.iter().filter(|verdict| verdict.version == 0 || verdict.reference.is_some()) {
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{}", verdict.reason);
        assert!(verdict.reason.contains("; pod 1 started after the others: "), "{}", verdict.reason);
    }
}
