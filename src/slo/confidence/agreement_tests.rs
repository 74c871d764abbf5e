//! Documents whose parts contradict each other: the samples and the judged value have to agree.

use super::case;
use super::finding::Finding;
use super::testing::{P95, RATE, TestLoad, bad, fast, good, insights, objectives, record, relative, series, verdict};
use crate::model::histogram::EncodedHistogram;
use crate::model::insights::{HistogramBucket, Insights};
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::missing::NoDataPolicy;
use crate::model::objectives::Confidence;
use crate::model::slo::{Bound, Dependence, DependenceSource, Method, Outcome, Verdict};
use Outcome::{Inconclusive, Satisfied, Violated};

const MEAN: &str = "http/latency-mean";

/// Replaces the value of a metric by a multiple of it.
fn scale(document: &mut Insights, version: usize, metric: &str, times: f64) {
    document.non_hist_metric_values[version].get_mut(metric).unwrap()[0] *= times;
}

/// A minute of latencies from 9 to 9.3 msec.
fn narrow() -> TestLoad {
    TestLoad::with_errors(60, 50, |_| 0)
}

#[test]
fn counts_over_a_limit_that_contradict_the_latencies_are_not_used() {
    let mut document = insights(&[bad()]);
    series(&mut document, 0).over[0].counts = vec![0; 30];
    let slow = verdict(&document, &objectives(&[(P95, 50.0)], &[], &[]));
    assert_eq!(slow.verdict, Violated, "{}", slow.reason);
}

#[test]
fn a_value_on_the_other_side_of_the_limit_than_its_interval_decides_nothing() {
    // The value of a mean may differ from that of its distribution by 1 %.
    for (times, limit) in [(1.009, 1.005), (0.991, 0.995)] {
        let mut document = insights(&[narrow()]);
        let mean = document.non_hist_metric_values[0][MEAN][0];
        scale(&mut document, 0, MEAN, times);
        let upper = verdict(&document, &objectives(&[(MEAN, mean * limit)], &[], &[]));
        assert_eq!(upper.verdict, Inconclusive, "{times}: {}", upper.reason);
        let lower = verdict(&document, &objectives(&[], &[(MEAN, mean * limit)], &[]));
        assert_eq!(lower.verdict, Inconclusive, "{times}: {}", lower.reason);
        // Pairs of equal loads have no interval; these were measured one after another.
        let mut document = insights(&[narrow(), narrow()]);
        record(&mut document, 1).start = None;
        scale(&mut document, 1, MEAN, times);
        let compared = relative(&document, MEAN, limit);
        assert!(compared.interval.unwrap().iter().all(Option::is_some), "{}", compared.reason);
        assert_eq!(compared.verdict, Inconclusive, "{times}: {}", compared.reason);
    }
}

#[test]
fn a_value_that_is_not_that_of_its_distribution_decides_nothing() {
    let mut document = insights(&[good(), good()]);
    // Measured one after another: pairs of equal loads have no interval.
    record(&mut document, 1).start = None;
    (0..2).for_each(|version| scale(&mut document, version, MEAN, 3.0));
    for judged in [&objectives(&[(MEAN, 50.0)], &[], &[]), &objectives(&[], &[], &[(MEAN, 2.0)])] {
        let verdicts = super::testing::assess(&document, judged).verdicts;
        assert!(verdicts.iter().all(|verdict| verdict.verdict == Inconclusive), "{verdicts:?}");
    }
}

#[test]
fn sums_of_other_requests_than_those_of_the_distribution_show_no_mean() {
    let mut document = insights(&[good()]);
    // A million requests of each second, all of which took 10 msec.
    let series = series(&mut document, 0);
    series.timed = vec![1_000_000; 30];
    series.sum = vec![10_000_000_000; 30];
    let mean = verdict(&document, &objectives(&[(MEAN, 10.4)], &[], &[]));
    assert_eq!(mean.verdict, Inconclusive, "{}", mean.reason);
}

#[test]
fn values_that_cannot_be_read_are_no_values() {
    let of = |edit: fn(&mut Insights)| {
        let mut document = Insights {
            num_versions: 1,
            non_hist_metric_values: vec![Default::default()],
            hist_metric_values: vec![Default::default()],
            histograms: vec![Default::default()],
            summary_metric_values: vec![Default::default()],
            ..Insights::default()
        };
        edit(&mut document);
        case::values(&document, 0, "p/x").is_some()
    };
    let sound: [fn(&mut Insights); 3] = [
        |d| drop(d.non_hist_metric_values[0].insert("p/x".to_owned(), vec![1.0, 2.0])),
        |d| drop(d.summary_metric_values[0].insert("p/x".to_owned(), vec![1.0; 5])),
        |d| {
            let bucket = HistogramBucket { lower: 0.0, upper: 1.0, count: 3 };
            d.hist_metric_values[0].insert("p/x".to_owned(), vec![bucket]);
        },
    ];
    assert_eq!(sound.map(of), [true; 3]);
    let damaged: [fn(&mut Insights); 6] = [
        |_| (),
        |d| drop(d.non_hist_metric_values[0].insert("p/x".to_owned(), vec![1.0, f64::NAN])),
        |d| drop(d.non_hist_metric_values[0].insert("p/x".to_owned(), Vec::new())),
        |d| drop(d.summary_metric_values[0].insert("p/x".to_owned(), vec![1.0; 4])),
        |d| {
            let bucket = HistogramBucket { lower: 0.0, upper: f64::NAN, count: 3 };
            d.hist_metric_values[0].insert("p/x".to_owned(), vec![bucket]);
        },
        |d| {
            let encoded = EncodedHistogram { unit: "usec".to_owned(), count: 3, data: "?".to_owned() };
            d.histograms[0].insert("p/x".to_owned(), encoded);
        },
    ];
    assert_eq!(damaged.map(of), [false; 6]);
}

#[test]
fn a_verdict_by_a_policy_stays_as_it_is() {
    let document = insights(&[fast()]);
    let confidence = Confidence { level: 0.95, burst: Confidence::DEFAULT_BURST, is_strict: false };
    let by_value = verdict(&document, &objectives(&[(RATE, 0.01)], &[], &[]));
    let policy = Verdict { no_data: Some(NoDataPolicy::Zero), method: None, interval: None, ..by_value };
    let mut verdicts = [policy.clone()];
    super::apply(&mut verdicts, &document, &confidence);
    assert_eq!(verdicts, [policy]);
}

#[test]
fn two_single_numbers_decide_unless_objectives_are_strict() {
    let meta = MetricMeta { description: String::new(), units: None, kind: MetricType::Gauge };
    let document = Insights {
        num_versions: 2,
        metrics_info: [("p/latency-mean".to_owned(), meta)].into(),
        non_hist_metric_values: [10.0, 10.5].map(|mean| [("p/latency-mean".to_owned(), vec![mean])].into()).to_vec(),
        ..Insights::default()
    };
    let mut limits = objectives(&[], &[], &[("p/latency-mean", 1.1)]);
    let point = verdict(&document, &limits);
    assert_eq!((point.verdict, point.method), (Satisfied, Some(Method::Point)), "{}", point.reason);
    limits.confidence.as_mut().unwrap().is_strict = true;
    let strict = verdict(&document, &limits);
    assert_eq!(strict.verdict, Inconclusive, "{}", strict.reason);
    assert!(strict.reason.ends_with(", and `strict` needs an interval"), "{}", strict.reason);
}

#[test]
fn a_comparison_has_half_of_the_error_if_either_load_was_to_end_with_its_verdict() {
    for version in [0, 1] {
        let mut document = insights(&[good(), good()]);
        record(&mut document, version).until_verdict = true;
        assert_eq!(relative(&document, P95, 1.1).confidence, Some(0.975), "version {version}");
    }
}

#[test]
fn numbers_that_no_document_can_hold_are_left_out() {
    let dependence = Dependence { deff: f64::NAN, df: 9.0, from: DependenceSource::Blocks };
    let finding = Finding {
        interval: Some([Some(f64::NEG_INFINITY), Some(f64::NAN)]),
        effective: Some(f64::INFINITY),
        dependence: Some(dependence),
        ..Finding::open(Method::Mean, f64::NAN, String::new())
    };
    let mut verdict = Verdict::undecided(&super::testing::slo(P95, 50.0), Bound::Upper, 0);
    finding.write(&mut verdict);
    assert_eq!(verdict.interval, Some([None, None]));
    assert_eq!((verdict.effective_samples, verdict.confidence, verdict.dependence), (None, None, None));
}
