//! Metrics of providers, without a load.

use super::testing::{TestLoad, assert_finite, insights, objectives, record, verdict};
use crate::model::insights::{HistogramBucket, Insights};
use crate::model::loops::{LoopOutcome, LoopRecord};
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::slo::{DependenceSource, Method, Outcome, Verdict};
use crate::slo::loops::{ThisLoop, with_other_spec};
use Outcome::{Inconclusive, Satisfied, Violated};

/// A document of a provider without a load.
fn provider(values: &[(&str, MetricType, &[f64])]) -> Insights {
    let mut document = Insights { num_versions: 1, ..Insights::default() };
    let meta = |kind| MetricMeta { description: String::new(), units: None, kind };
    document.metrics_info = values.iter().map(|(name, kind, _)| (format!("p/{name}"), meta(*kind))).collect();
    let lists = values.iter().filter(|(_, kind, _)| *kind != MetricType::Summary);
    document.non_hist_metric_values = vec![lists.map(|(name, _, list)| (format!("p/{name}"), list.to_vec())).collect()];
    let summaries = values.iter().filter(|(_, kind, _)| *kind == MetricType::Summary);
    document.summary_metric_values =
        vec![summaries.map(|(name, _, list)| (format!("p/{name}"), list.to_vec())).collect()];
    document
}

fn of_provider(document: &Insights, metric: &str, limit: f64) -> Verdict {
    let verdict = verdict(document, &objectives(&[(metric, limit)], &[], &[]));
    assert_finite(&verdict);
    verdict
}

#[test]
fn a_rate_of_a_provider_with_its_counts_has_an_interval() {
    use MetricType::{Counter, Gauge};
    let with = |errors: f64, requests: f64| {
        provider(&[
            ("error-rate", Gauge, &[errors / requests]),
            ("error-count", Counter, &[errors]),
            ("request-count", Counter, &[requests]),
        ])
    };
    let good = of_provider(&with(1.0, 2_000.0), "p/error-rate", 0.01);
    assert_eq!((good.verdict, good.method), (Satisfied, Some(Method::Binomial)), "{}", good.reason);
    assert!(good.reason.contains("2,000 requests, independence assumed"), "{}", good.reason);
    assert_eq!(of_provider(&with(60.0, 2_000.0), "p/error-rate", 0.01).verdict, Violated);
    assert_eq!(of_provider(&with(0.0, 100.0), "p/error-rate", 0.01).verdict, Inconclusive);
    // Increases that a provider extrapolated are no counts.
    let extrapolated = of_provider(&with(1.4, 2_000.0), "p/error-rate", 0.01);
    assert_eq!((extrapolated.method, extrapolated.interval), (Some(Method::Point), None));
    // Counts of another window are not those of the rate.
    let mut other = with(1.0, 2_000.0);
    other.non_hist_metric_values[0].insert("p/error-rate".to_owned(), vec![0.009]);
    assert_eq!(of_provider(&other, "p/error-rate", 0.01).method, Some(Method::Point));
}

#[test]
fn without_errors_only_the_request_count_is_that_of_the_rate() {
    use MetricType::{Counter, Gauge, Sample};
    let judged = |total: &str, errors: f64| {
        let rate = [errors / 2_000.0];
        let values: [(&str, MetricType, &[f64]); 3] =
            [("error-rate", Gauge, &rate), ("error-count", Counter, &[errors]), (total, Counter, &[2_000.0])];
        of_provider(&provider(&values), "p/error-rate", 0.01).method
    };
    for total in ["count", "total"] {
        assert_eq!([0.0, 1.0].map(|errors| judged(total, errors)), [Some(Method::Point), Some(Method::Binomial)]);
    }
    assert_eq!(judged("request-count", 0.0), Some(Method::Binomial));
    let steps: [(&str, MetricType, &[f64]); 3] =
        [("error-rate", Gauge, &[0.0]), ("error-count", Sample, &[0.0; 30]), ("total", Sample, &[100.0; 30])];
    assert_eq!(of_provider(&provider(&steps), "p/error-rate", 0.01).method, Some(Method::Point));
}

#[test]
fn the_aggregation_says_which_extreme_it_is() {
    // Samples of a metric whose name ends like the other extreme.
    let samples: Vec<f64> = (1..=50).map(f64::from).collect();
    let document =
        provider(&[("latency-min", MetricType::Sample, &samples), ("speed-p0", MetricType::Sample, &samples)]);
    for metric in ["p/latency-min/max", "p/speed-p0/p100"] {
        let highest = of_provider(&document, metric, 60.0);
        assert_eq!(highest.verdict, Inconclusive, "{}", highest.reason);
        assert!(highest.reason.contains("no number of samples excludes a larger one"), "{}", highest.reason);
    }
    assert_eq!(of_provider(&document, "p/latency-min/min", 60.0).verdict, Satisfied);
}

#[test]
fn loops_of_another_spec_do_not_show_how_a_number_varies() {
    let values: Vec<f64> = (0..14).map(|at| if at < 4 { 0.9 } else { 0.3 + 0.02 * f64::from(at % 3) }).collect();
    let mut document = provider(&[("x", MetricType::Gauge, &values)]);
    let record = |number: u64, spec: &str| LoopRecord {
        number,
        spec: Some(spec.to_owned()),
        outcomes: vec![LoopOutcome::Satisfied],
        ..LoopRecord::default()
    };
    let of_loops = |first: u64| {
        (1..=14).map(|number| record(number, if number < first { "a" } else { "b" })).collect::<Vec<LoopRecord>>()
    };
    document.loops = of_loops(5);
    let ten = of_provider(&document, "p/x", 0.5);
    assert!(ten.reason.contains("; the mean of 10 loops is between 0.3"), "{}", ten.reason);
    document.loops = of_loops(6);
    let nine = of_provider(&document, "p/x", 0.5);
    assert_eq!((nine.method, nine.interval), (Some(Method::Point), None), "{}", nine.reason);
    // A loop that failed measured nothing.
    document.loops = of_loops(5);
    document.loops[9].failed = Some("http".to_owned());
    assert_eq!(of_provider(&document, "p/x", 0.5).method, Some(Method::Point));
    // A running loop has no record yet.
    document.loops = of_loops(5);
    let running = |spec: &str| ThisLoop { number: 15, spec: Some(spec.to_owned()), ..ThisLoop::default() };
    assert_eq!(with_other_spec(&document, &running("b")), None);
    let changed = with_other_spec(&document, &running("c")).unwrap();
    assert_eq!(of_provider(&changed, "p/x", 0.5).method, Some(Method::Point));
}

#[test]
fn counts_per_step_show_their_dependence() {
    use MetricType::{Gauge, Sample};
    let with = |errors: &[f64]| {
        provider(&[
            ("error-rate", Gauge, &[errors.iter().sum::<f64>() / 3_000.0]),
            ("error-count", Sample, errors),
            ("request-count", Sample, &[100.0; 30]),
        ])
    };
    let mut burst = [0.0; 30];
    burst[4] = 30.0;
    let (spread, burst) =
        (of_provider(&with(&[1.0; 30]), "p/error-rate", 0.02), of_provider(&with(&burst), "p/error-rate", 0.02));
    assert_eq!([spread.verdict, burst.verdict], [Satisfied, Inconclusive], "{}", burst.reason);
    assert_eq!(burst.dependence.unwrap().from, DependenceSource::Blocks);
}

#[test]
fn counts_that_do_not_fit_each_other_have_no_interval() {
    use MetricType::{Counter, Gauge, Sample};
    let judged = |(errors, kind): (&[f64], MetricType), (requests, other): (&[f64], MetricType)| {
        let rate = [errors.iter().sum::<f64>() / requests.iter().sum::<f64>()];
        let values =
            [("error-rate", Gauge, &rate[..]), ("error-count", kind, errors), ("request-count", other, requests)];
        of_provider(&provider(&values), "p/error-rate", 0.02)
    };
    let (errors, requests) = ([1.0; 30], [100.0; 30]);
    assert_eq!(judged((&errors, Sample), (&requests, Sample)).method, Some(Method::Binomial));
    // Steps of which some have 0.6 errors and others 1.4 are extrapolated.
    let extrapolated: Vec<f64> = (0..30).map(|step| if step % 2 == 0 { 0.6 } else { 1.4 }).collect();
    let cases = [
        ("other lengths", judged((&errors, Sample), (&[200.0; 15], Sample))),
        ("steps beside a total", judged((&errors, Sample), (&[3_000.0], Counter))),
        ("a total beside steps", judged((&[30.0], Counter), (&requests, Sample))),
        ("not whole", judged((&extrapolated, Sample), (&requests, Sample))),
    ];
    for (why, verdict) in cases {
        assert_eq!(verdict.method, Some(Method::Point), "{why}: {}", verdict.reason);
    }
    let one = judged((&[1.0], Sample), (&[1_000.0], Sample));
    assert_eq!(one.verdict, Inconclusive, "{}", one.reason);
    assert!(one.reason.ends_with("; one step does not show how requests depend on each other"), "{}", one.reason);
}

#[test]
fn steps_of_two_versions_show_their_dependence() {
    use MetricType::{Gauge, Sample};
    let steps = |errors: &[f64]| {
        provider(&[
            ("error-rate", Gauge, &[errors.iter().sum::<f64>() / 3_000.0]),
            ("error-count", Sample, errors),
            ("request-count", Sample, &[100.0; 30]),
        ])
    };
    let judged = |errors: &[f64]| {
        let (mut document, candidate) = (steps(&[1.0; 30]), steps(errors));
        document.num_versions = 2;
        document.non_hist_metric_values.extend(candidate.non_hist_metric_values);
        verdict(&document, &objectives(&[], &[], &[("p/error-rate", 0.01)]))
    };
    let mut burst = [0.0; 30];
    burst[4] = 30.0;
    let (spread, burst) = (judged(&[1.0; 30]), judged(&burst));
    assert_eq!([spread.verdict, burst.verdict], [Satisfied, Inconclusive], "{}", burst.reason);
}

#[test]
fn counts_of_a_provider_take_the_largest_dependence_of_the_loads() {
    type Errors = fn(usize) -> u64;
    let with = |first: Errors, second: Errors| {
        let mut document = insights(&[TestLoad::with_errors(30, 50, first)]);
        let other = insights(&[TestLoad::with_errors(30, 50, second)]).load.remove(0).remove("http").unwrap();
        document.load[0].insert("other".to_owned(), other);
        for (name, value) in [("error-count", 30.0), ("request-count", 3_000.0), ("error-rate", 0.01)] {
            document.non_hist_metric_values[0].insert(format!("p/{name}"), vec![value]);
        }
        document
    };
    let (spread, together): (Errors, Errors) = (|_| 1, |at| if at == 7 { 30 } else { 0 });
    let deff = |document: &Insights| of_provider(document, "p/error-rate", 0.02).dependence.unwrap().deff;
    assert_eq!(deff(&with(spread, spread)), 1.0);
    for document in [with(spread, together), with(together, spread)] {
        assert!(deff(&document) > 20.0);
    }
    let mut damaged = with(spread, spread);
    record(&mut damaged, 0).counts.errors = 1;
    let open = of_provider(&damaged, "p/error-rate", 0.02);
    assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
}

#[test]
fn samples_and_summaries_have_intervals_of_their_own() {
    use MetricType::{Sample, Summary};
    let samples: Vec<f64> = (0..100).map(|at| f64::from(at * 37 % 100)).collect();
    let document = provider(&[("x", Sample, &samples), ("y", Summary, &[100.0, 5_000.0, 1.0, 99.0, 260_000.0])]);
    assert_eq!(
        [90.0, 50.0, 20.0].map(|limit| of_provider(&document, "p/x/p50", limit).verdict),
        [Satisfied, Inconclusive, Violated]
    );
    assert_eq!(
        [60.0, 50.0, 40.0].map(|limit| of_provider(&document, "p/x/mean", limit).verdict),
        [Satisfied, Inconclusive, Violated]
    );
    assert_eq!(
        [60.0, 50.0, 40.0].map(|limit| of_provider(&document, "p/y/mean", limit).verdict),
        [Satisfied, Inconclusive, Violated]
    );
    for metric in ["p/x/p50", "p/x/mean"] {
        let one = of_provider(&provider(&[("x", Sample, &[1.0])]), metric, 5.0);
        assert_eq!(one.verdict, Inconclusive, "{}", one.reason);
        assert!(one.reason.ends_with("; one sample does not show how far others may be"), "{}", one.reason);
    }
    let equal = of_provider(&provider(&[("x", Sample, &[1.0; 9])]), "p/x/mean", 5.0);
    assert_eq!(equal.verdict, Inconclusive, "{}", equal.reason);
}

#[test]
fn a_single_number_does_not_show_how_sure_it_is_but_ten_loops_do() {
    use MetricType::Gauge;
    let one = of_provider(&provider(&[("x", Gauge, &[0.4])]), "p/x", 0.5);
    assert_eq!((one.verdict, one.method, one.interval), (Satisfied, Some(Method::Point), None));
    assert_eq!(one.reason, "p/x is 0.40, within the limit of 0.50; a single number does not show how sure it is");
    let loops: Vec<f64> = (0..12).map(|at| 0.3 + 0.02 * f64::from(at % 3)).collect();
    let many = of_provider(&provider(&[("x", Gauge, &loops)]), "p/x", 0.5);
    assert_eq!((many.verdict, many.method), (Satisfied, Some(Method::Mean)), "{}", many.reason);
    assert!(many.reason.contains("; the mean of 12 loops is between 0.31 and 0.33"), "{}", many.reason);
    // The newest value is on the other side of the limit than the mean.
    for (newest, limit) in [(0.4, 0.35), (0.3, 0.31)] {
        let loops: Vec<f64> = loops.iter().copied().take(11).chain([newest]).collect();
        let open = of_provider(&provider(&[("x", Gauge, &loops)]), "p/x", limit);
        assert_eq!((open.verdict, open.method), (Inconclusive, Some(Method::Mean)), "{}", open.reason);
    }
    let cases = [
        ("nine loops", provider(&[("x", Gauge, &loops[..9])])),
        ("equal values", provider(&[("x", Gauge, &[0.3; 12])])),
        ("an exact count", provider(&[("x", MetricType::Counter, &loops)])),
    ];
    for (why, document) in cases {
        let point = of_provider(&document, "p/x", 0.5);
        assert_eq!((point.verdict, point.method), (Satisfied, Some(Method::Point)), "{why}: {}", point.reason);
        assert_eq!(point.reason.contains("a single number"), why != "an exact count", "{}", point.reason);
    }
}

#[test]
fn a_bucket_that_holds_the_limit_leaves_it_open() {
    let bucket = |lower: f64, upper: f64, count: u64| HistogramBucket { lower, upper, count };
    let mut document = provider(&[]);
    let meta = MetricMeta { description: String::new(), units: None, kind: MetricType::Histogram };
    document.metrics_info = [("p/x".to_owned(), meta)].into();
    document.hist_metric_values = vec![
        [("p/x".to_owned(), vec![bucket(0.0, 10.0, 900), bucket(10.0, 50.0, 90), bucket(50.0, 100.0, 10)])].into(),
    ];
    let judged = |limit| of_provider(&document, "p/x/p95", limit);
    assert_eq!([9.0, 50.0, 100.0].map(|limit| judged(limit).verdict), [Violated, Satisfied, Satisfied]);
    let open = judged(30.0);
    assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
    assert!(open.reason.ends_with("a bucket that ends at the limit would be counted exactly"), "{}", open.reason);
    assert!(!open.reason.contains("unknown origin"), "{}", open.reason);
}
