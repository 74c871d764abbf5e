//! Documents that look as if they satisfied an objective, and do not show it.

use super::testing::{
    P95, RATE, TestLoad, assess, fast, insights, objectives, record, relative, series, upper, verdict,
};
use crate::metrics::histogram;
use crate::model::insights::Insights;
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::slo::{DependenceSource, Outcome};
use Outcome::{Inconclusive, Satisfied};

/// A minute of 200 requests per second: two of every second are very slow, and all of every twelfth are slow.
fn with_slow_seconds() -> TestLoad {
    let second = |at: usize| {
        let usual = if at.is_multiple_of(12) { 60_000 } else { 10_000 };
        ((0..200).map(|request| if request < 2 { 200_000 } else { usual }).collect(), 0)
    };
    TestLoad { intervals: (0..60).map(second).collect(), limits: vec![50.0] }
}

#[test]
fn sorted_samples_are_not_paired() {
    let baseline: Vec<f64> = (0..200).map(|at| 100.0 + f64::from(at * 37 % 200)).collect();
    let candidate: Vec<f64> = (0..200).map(|at| 105.0 + 1.05 * f64::from(at * 61 % 200) + f64::from(at % 3)).collect();
    let document = |sort: bool| {
        let lists = [&baseline, &candidate].map(|list| {
            let mut list = list.clone();
            if sort {
                list.sort_by(f64::total_cmp);
            }
            [("p/x".to_owned(), list)].into()
        });
        let meta = MetricMeta { description: String::new(), units: None, kind: MetricType::Sample };
        Insights {
            num_versions: 2,
            metrics_info: [("p/x".to_owned(), meta)].into(),
            non_hist_metric_values: lists.to_vec(),
            ..Insights::default()
        }
    };
    for sort in [false, true] {
        let verdict = relative(&document(sort), "p/x/mean", 1.07);
        assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    }
}

#[test]
fn a_value_of_a_load_needs_its_distribution() {
    let mut document = insights(&[fast(), fast()]);
    for (version, mean) in [30.0, 31.0].into_iter().enumerate() {
        document.non_hist_metric_values[version].insert("http/latency-mean".to_owned(), vec![mean]);
        document.non_hist_metric_values[version].insert(RATE.to_owned(), vec![0.001]);
    }
    let objectives =
        objectives(&[("http/latency-mean", 50.0), (RATE, 0.01)], &[], &[("http/latency-mean", 1.1), (RATE, 0.01)]);
    let verdicts = assess(&document, &objectives).verdicts;
    assert_eq!(verdicts.len(), 6);
    for verdict in verdicts {
        assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    }
}

#[test]
fn few_requests_over_a_limit_borrow_dependence_even_if_its_neighbours_have_many() {
    let verdict = upper(&with_slow_seconds(), "http/service-time/p99.9", 210.0);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    assert!(verdict.effective_samples.unwrap() < 100.0);
    let verdict = upper(&with_slow_seconds(), "http/latency/p99.9", 210.0);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
}

#[test]
fn few_slow_requests_of_both_borrow_the_dependence_of_the_90th_percentile() {
    let mut document = insights(&[fast(), fast()]);
    for version in 0..2 {
        record(&mut document, version).pairs.iter_mut().find(|pair| pair.percentile == 90.0).unwrap().deff = 200.0;
    }
    let dependence = relative(&document, "http/latency/p99.9", 1.1).dependence.unwrap();
    assert_eq!((dependence.deff, dependence.from), (200.0, DependenceSource::P90));
    assert_eq!(relative(&document, "http/latency/p50", 1.1).dependence.unwrap().deff, 1.2);
}

#[test]
fn a_rate_of_no_requests_shows_nothing() {
    let meta = |kind| MetricMeta { description: String::new(), units: None, kind };
    let kinds = [
        ("p/error-rate", MetricType::Gauge),
        ("p/error-count", MetricType::Counter),
        ("p/request-count", MetricType::Counter),
    ];
    let values = kinds.map(|(name, _)| (name.to_owned(), vec![0.0]));
    let document = Insights {
        num_versions: 2,
        metrics_info: kinds.map(|(name, kind)| (name.to_owned(), meta(kind))).into(),
        non_hist_metric_values: vec![values.clone().into(), values.into()],
        ..Insights::default()
    };
    let objectives = objectives(&[("p/error-rate", 0.01)], &[], &[("p/error-rate", 0.01)]);
    for verdict in assess(&document, &objectives).verdicts {
        assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
        assert!(verdict.reason.ends_with("; no requests were counted"), "{}", verdict.reason);
    }
}

#[test]
fn several_values_of_one_request_depend_on_each_other() {
    let mut document = insights(&[TestLoad::with_slow(30, 50, 60_000, |at| if at % 10 == 0 { 20 } else { 0 })]);
    let mut messages = histogram::new();
    (0..30_000).for_each(|at| messages.saturating_record(1_000 + at));
    document.histograms[0].insert("http/service-time".to_owned(), histogram::encode(&messages).unwrap());
    let of = |metric: &str| verdict(&document, &objectives(&[(metric, 50.0)], &[], &[]));
    let percentile = of("http/service-time/p99.9");
    assert_eq!(percentile.verdict, Inconclusive, "{}", percentile.reason);
    assert!(percentile.effective_samples.unwrap() <= 1_500.0);
    let (messages, latency) = (of("http/service-time/mean"), of("http/latency-mean"));
    let [messages, latency] = [messages, latency].map(|verdict| verdict.dependence.unwrap().deff);
    assert!(latency > 2.0 && (messages / latency - 20.0).abs() < 1e-9, "{messages} {latency}");
}

#[test]
fn a_version_0_that_the_load_generator_delayed_is_no_reference() {
    let mut document = insights(&[fast(), fast()]);
    assert_eq!(relative(&document, P95, 1.1).verdict, Satisfied);
    let mut values = histogram::new();
    values.saturating_record_n(8_000, 3_000);
    record(&mut document, 0).undelayed = [("latency".to_owned(), histogram::encode(&values).unwrap())].into();
    let verdict = relative(&document, P95, 1.1);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    assert!(verdict.reason.contains(", but 1.25 times without the delays of the load generator"), "{}", verdict.reason);
    // Without its own delays, the candidate is as fast.
    record(&mut document, 1).undelayed = document.load[0]["http"].undelayed.clone();
    assert_eq!(relative(&document, P95, 1.1).verdict, Satisfied);
}

#[test]
fn timeouts_may_have_taken_longer_than_any_limit() {
    let mut document = insights(&[fast()]);
    let limits = objectives(&[(P95, 60_000.0), ("http/service-time/p95", 60_000.0)], &[], &[]);
    assert!(assess(&document, &limits).verdicts.iter().all(|verdict| verdict.verdict == Satisfied));
    record(&mut document, 0).causes = [("timeout".to_owned(), 200)].into();
    for verdict in assess(&document, &limits).verdicts {
        assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    }
}

#[test]
fn timeouts_within_a_limit_are_bad_beside_the_requests_over_it() {
    let mut document = insights(&[TestLoad::with_slow(60, 50, 70_000, |_| 1)]);
    let judged = |document: &Insights| verdict(document, &objectives(&[(P95, 50.0)], &[], &[])).verdict;
    record(&mut document, 0).causes = [("timeout".to_owned(), 100)].into();
    assert_eq!(judged(&document), Inconclusive);
    // If all requests within the limit were successes, the timeouts are among those over it.
    let fast = TestLoad::with_slow(59, 50, 70_000, |_| 0);
    let successes = insights(&[fast]).histograms[0]["http/latency"].clone();
    document.histograms[0].insert("http/success-latency".to_owned(), successes);
    record(&mut document, 0).causes = [("timeout".to_owned(), 50)].into();
    assert_eq!(judged(&document), Satisfied);
}

#[test]
fn lower_limits_borrow_dependence_too() {
    let of = |load: TestLoad| verdict(&insights(&[load]), &objectives(&[], &[("http/latency/p1", 1.0)], &[]));
    let (together, spread) = (of(with_slow_seconds()), of(fast()));
    assert_eq!([together.verdict, spread.verdict], [Inconclusive, Satisfied], "{}", together.reason);
}

#[test]
fn timeouts_of_a_candidate_may_have_taken_any_longer_than_those_of_version_0() {
    let slow = || TestLoad::with_slow(60, 50, 5_000_000, |_| 10);
    let mut document = insights(&[slow(), slow()]);
    assert_eq!(relative(&document, P95, 1.1).verdict, Satisfied);
    record(&mut document, 1).causes = [("timeout".to_owned(), 600)].into();
    let verdict = relative(&document, P95, 1.1);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    assert!(verdict.reason.ends_with("; requests that timed out or got no response may have taken arbitrarily long"));
    // They are not in the middle of the latencies.
    assert_eq!(relative(&document, "http/latency/p50", 1.1).verdict, Satisfied);
    // Those of version 0 would make the ratio smaller.
    let causes = std::mem::take(&mut record(&mut document, 1).causes);
    record(&mut document, 0).causes = causes;
    assert_eq!(relative(&document, P95, 1.1).verdict, Satisfied);
}

#[test]
fn requests_without_a_response_are_beyond_an_upper_limit() {
    // 4.8 % of 6,300 requests were reset: the share beyond any limit is at most 5 % by its value, and not with confidence.
    let fast = || TestLoad::with_slow(60, 100, 60_000, |_| 0);
    let mut document = insights(&[fast()]);
    let upper = objectives(&[(P95, 1_000.0)], &[], &[]);
    assert_eq!(verdict(&document, &upper).verdict, Satisfied);
    let lost = |document: &mut Insights, each: u64| {
        record(document, 0).counts.requests += each * 60;
        record(document, 0).counts.errors += each * 60;
        let series = series(document, 0);
        series.timed = series.requests.clone();
        [&mut series.requests, &mut series.errors].into_iter().flatten().for_each(|count| *count += each);
    };
    lost(&mut document, 5);
    let open = verdict(&document, &upper);
    assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
    assert!(open.interval.is_some_and(|[_, end]| end.is_none_or(|end| end > 1_000.0)), "{open:?}");
    // Fewer leave it satisfied.
    let mut document = insights(&[fast()]);
    lost(&mut document, 1);
    assert_eq!(verdict(&document, &upper).verdict, Satisfied);
}
