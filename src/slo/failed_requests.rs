//! Failed requests, which satisfy no limit on a latency.
//!
//! An error is often faster than a success, and a request without a response has no latency at all. So a service that is down or responds with
//! errors would satisfy any upper limit. A satisfied one must not rest on them:
//!
//! - Requests that timed out or got no response are beyond every upper limit ([`super::timeouts`]). A mean is undecided if they are more than
//!   5 % of the requests, or if it violates the limit once each took as long as the slowest response.
//! - The successes alone must satisfy the limit, too.
//! - If more than half of the requests failed, no latency is decided.

use super::load_validity::named_statistic;
use super::timeouts::Timeouts;
use crate::metrics::Distribution;
use crate::metrics::histogram::{self, HIGHEST, Histogram};
use crate::model::insights::Insights;
use crate::model::load::LoadRecord;
use crate::model::metric_name::{Aggregation, MetricName};
use crate::model::readable::show;
use crate::model::slo::Bound;

/// Maximum share of failed requests with which a latency describes the service.
const MAX_FAILED: f64 = 0.5;

/// Maximum share of requests without a known latency with which a mean describes the service.
const MAX_UNENDED: f64 = 0.05;

/// Distributions that a failing service distorts: with its errors, or because its failed requests are not in them.
const DISTORTED: [&str; 6] = ["latency", "service-time", "first-byte", "connect", "first-message", "between-messages"];

/// Explains that failed requests may violate a satisfied limit on a latency; `None` if they cannot, and for other metrics.
pub(super) fn doubt(
    insights: &Insights,
    version: usize,
    name: &MetricName,
    bound: Bound,
    limit: f64,
) -> Option<String> {
    let load = insights.load.get(version)?.get(&name.provider)?;
    let (key, aggregation) = latency(name)?;
    if let Some(failed) = failed(load) {
        return Some(format!("{failed}, so this is mostly the latency of errors"));
    }
    if bound == Bound::Lower || load.counts.errors == 0 && load.version_from.is_none() {
        return None;
    }
    let Some(responses) = values(insights, version, &key) else { return Some(UNREADABLE.to_owned()) };
    let of_successes = || of_successes(insights, version, &key, aggregation, limit);
    unended(insights, version, (load, &key), &responses, aggregation, limit).or_else(of_successes)
}

/// Returns true for a latency of a load that mostly failed.
pub(super) fn is_of_errors(insights: &Insights, version: usize, name: &MetricName) -> bool {
    let load = insights.load.get(version).and_then(|loads| loads.get(&name.provider));
    latency(name).is_some() && load.and_then(failed).is_some()
}

/// Explains that most requests to the candidate or to the baseline failed, so that they cannot be compared; `None` otherwise. `label` names
/// the baseline, whose failures do not matter to a comparison of error rates.
pub(super) fn doubt_of_comparison(
    candidate: Option<&LoadRecord>,
    baseline: Option<&LoadRecord>,
    name: &MetricName,
    label: &str,
) -> Option<String> {
    if let Some(failed) = candidate.and_then(failed) {
        return Some(format!("{failed}, so the versions cannot be compared"));
    }
    no_baseline(baseline, name, label)
}

/// Explains that the latency of a baseline is mostly that of errors; `None` if it is not.
pub(super) fn no_baseline(baseline: Option<&LoadRecord>, name: &MetricName, label: &str) -> Option<String> {
    let failed = baseline.and_then(failed).filter(|_| latency(name).is_some())?;
    Some(format!("of {label}, {failed}, so its latency is mostly that of errors"))
}

/// Splits the name of a metric to which failed requests belong into its distribution and its statistic.
fn latency(name: &MetricName) -> Option<(String, Aggregation)> {
    let (key, aggregation) = name.distribution().or_else(|| named_statistic(name))?;
    let has_failed = key.split_once('/').is_some_and(|(_, base)| DISTORTED.contains(&base));
    has_failed.then_some((key, aggregation))
}

/// Returns `100 of 100 requests failed` if most of them did.
fn failed(load: &LoadRecord) -> Option<String> {
    let (errors, requests) = (load.counts.errors, load.counts.requests);
    is_most(errors, requests).then(|| format!("{errors} of {requests} requests failed"))
}

/// Returns true if so many requests failed that no latency of the load is decided.
pub(crate) fn is_most(errors: u64, requests: u64) -> bool {
    errors as f64 > MAX_FAILED * requests as f64
}

/// Explains that requests that timed out or got no response may violate an upper limit.
fn unended(
    insights: &Insights,
    version: usize,
    (load, key): (&LoadRecord, &str),
    responses: &Histogram,
    aggregation: Aggregation,
    limit: f64,
) -> Option<String> {
    let own = Timeouts::of(insights, version, key);
    let unknown = match load.version_from {
        Some(_) => Timeouts::of_unknown(insights, key),
        None => Timeouts::default(),
    };
    let count = own.count.saturating_add(own.lost).saturating_add(unknown.count).saturating_add(unknown.lost);
    let lost = own.lost.saturating_add(unknown.lost);
    let worst = match aggregation {
        Aggregation::Percentile(_) | Aggregation::Max => {
            let mut worst = own.without_end(responses);
            worst.saturating_record_n(HIGHEST, unknown.count.saturating_add(unknown.lost));
            worst
        }
        _ => {
            let mut worst = responses.clone();
            worst.saturating_record_n(responses.max(), lost);
            worst
        }
    };
    let is_bounded = match aggregation {
        Aggregation::Mean | Aggregation::StdDev => count as f64 <= MAX_UNENDED * load.whole_counts().requests as f64,
        _ => true,
    };
    (count > 0 && !(is_bounded && is_within(worst, aggregation, limit))).then(|| {
        let requests = load.whole_counts().requests;
        format!("{count} of {requests} requests timed out or got no response, which counts as beyond any limit")
    })
}

/// Explains that the successes alone violate an upper limit, which fast errors conceal.
fn of_successes(
    insights: &Insights,
    version: usize,
    key: &str,
    aggregation: Aggregation,
    limit: f64,
) -> Option<String> {
    let provider = key.strip_suffix("/latency").filter(|_| aggregation != Aggregation::Count)?;
    let successes = values(insights, version, &format!("{provider}/success-latency"))?;
    let value = Distribution::of_histogram(successes).aggregate(aggregation)?;
    (!Bound::Upper.admits(value, limit)).then(|| format!("without the errors, which are faster, it is {}", show(value)))
}

fn is_within(values: Histogram, aggregation: Aggregation, limit: f64) -> bool {
    Distribution::of_histogram(values).aggregate(aggregation).is_some_and(|worst| Bound::Upper.admits(worst, limit))
}

/// Reads a distribution of a version; `None` if there is none, or if it cannot be read.
fn values(insights: &Insights, version: usize, key: &str) -> Option<Histogram> {
    histogram::decode(insights.histograms.get(version)?.get(key)?).ok()
}

/// Reason for a doubt that rests on no values.
const UNREADABLE: &str = "requests failed, and the distribution of the others is not known";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::counts::Counts;
    use crate::model::load::VersionFrom;
    use crate::model::metric_name::MetricRef;

    /// A load of 100 requests, of which some failed, and the latencies of the others: 1 to 100 ms, as many as got a response.
    fn insights(errors: u64, responses: u64) -> Insights {
        let mut latencies = histogram::new();
        (1..=responses).for_each(|ms| latencies.saturating_record(ms * 1_000));
        let encoded = histogram::encode(&latencies).unwrap();
        let keys = ["http/latency", "http/success-latency", "http/first-byte", "http/connect"];
        Insights {
            load: vec![[("http".to_owned(), load(errors))].into()],
            histograms: vec![keys.map(|key| (key.to_owned(), encoded.clone())).into()],
            ..Insights::default()
        }
    }

    fn load(errors: u64) -> LoadRecord {
        LoadRecord { counts: Counts { requests: 100, errors, ..Counts::default() }, ..LoadRecord::default() }
    }

    fn of(insights: &Insights, metric: &str, bound: Bound, limit: f64) -> Option<String> {
        doubt(insights, 0, MetricRef::from(metric).name().unwrap(), bound, limit)
    }

    #[test]
    fn a_latency_says_nothing_if_most_requests_failed() {
        let expected = "51 of 100 requests failed, so this is mostly the latency of errors";
        for metric in
            ["http/latency-p99", "http/latency/p99.9", "http/latency-mean", "http/first-byte/max", "http/connect/p50"]
        {
            let [most, half] = [51, 50].map(|errors| of(&insights(errors, 100), metric, Bound::Upper, 1_000.0));
            assert_eq!((most.as_deref(), half), (Some(expected), None), "{metric}");
        }
        for metric in ["http/success-latency/p99", "http/error-rate", "http/request-count", "prom/latency"] {
            assert_eq!(of(&insights(100, 50), metric, Bound::Upper, 1_000.0), None, "{metric}");
        }
    }

    #[test]
    fn requests_without_a_response_are_beyond_every_upper_limit() {
        let doubted = |metric: &str, unanswered: u64, limit: f64| {
            let doubt = of(&insights(unanswered, 100 - unanswered), metric, Bound::Upper, limit);
            let expected = format!("{unanswered} of 100 requests timed out or got no response");
            assert!(doubt.iter().all(|doubt| doubt.starts_with(&expected)), "{doubt:?}");
            doubt.is_some()
        };
        // The 96 responses took 1 to 96 ms: the p95 of all 100 requests is 95 ms, their p97 is not known.
        assert_eq!([96.0, 94.0].map(|limit| doubted("http/latency-p95", 4, limit)), [false, true]);
        assert!(doubted("http/latency-p97", 4, 1e6) && doubted("http/latency/max", 1, 1e6));
        assert_eq!([0, 5, 6].map(|count| doubted("http/latency-mean", count, 1e6)), [false, false, true]);
        // The mean of the 95 responses is 48 ms, that of 100 with the slowest of them five times more is 50.35 ms.
        assert_eq!([50.4, 50.3].map(|limit| doubted("http/latency-mean", 5, limit)), [false, true]);
        assert!(!doubted("http/latency-min", 40, 1e6) && !doubted("http/latency/max", 0, 1e6));
        assert_eq!(of(&insights(40, 60), "http/latency-p99", Bound::Lower, 1.0), None);
        // A document without a load or without its distribution is Iter8's.
        assert_eq!(of(&Insights::default(), "http/latency-p99", Bound::Upper, 1.0), None);
        let mut unreadable = insights(40, 60);
        unreadable.histograms[0].values_mut().for_each(|encoded| encoded.data.clear());
        assert_eq!(of(&unreadable, "http/latency-p99", Bound::Upper, 1e6).as_deref(), Some(UNREADABLE));
    }

    #[test]
    fn requests_that_timed_out_are_beyond_every_upper_limit() {
        // 20 of 60 requests ended with the timeout, which is below the limit.
        let mut document = insights(20, 60);
        document.load[0].values_mut().for_each(|load| {
            load.counts.requests = 60;
            load.causes = [("timeout".to_owned(), 20)].into();
        });
        document.histograms[0].remove("http/success-latency");
        let of = |metric: &str, limit: f64| of(&document, metric, Bound::Upper, limit);
        let expected = "20 of 60 requests timed out or got no response, which counts as beyond any limit";
        assert_eq!(of("http/latency-p99", 70.0).as_deref(), Some(expected));
        assert_eq!(of("http/latency-mean", 70.0).as_deref(), Some(expected));
        assert_eq!(of("http/latency-p50", 70.0), None);
    }

    #[test]
    fn fast_errors_do_not_conceal_slow_successes() {
        // 40 errors took 1 to 40 ms, 60 successes 41 to 100 ms.
        let mut document = insights(40, 100);
        let mut successes = histogram::new();
        (41..=100).for_each(|ms| successes.saturating_record(ms * 1_000));
        document.histograms[0].insert("http/success-latency".to_owned(), histogram::encode(&successes).unwrap());
        let concealed = of(&document, "http/latency-p50", Bound::Upper, 60.0);
        assert!(concealed.unwrap().starts_with("without the errors, which are faster, it is 70"));
        assert!(of(&document, "http/latency-mean", Bound::Upper, 60.0).is_some());
        assert_eq!(of(&document, "http/latency-p50", Bound::Upper, 71.0), None);
    }

    #[test]
    fn lost_requests_of_unknown_origin_count_against_every_version() {
        let mut document = insights(0, 100);
        let mut whole = VersionFrom::default();
        whole.counts.requests = 110;
        document.load[0].values_mut().for_each(|load| load.version_from = Some(whole.clone()));
        assert_eq!(of(&document, "http/latency-p99", Bound::Upper, 1e6), None);
        let unknown =
            LoadRecord { counts: Counts { requests: 10, errors: 10, ..Counts::default() }, ..LoadRecord::default() };
        document.load.push([("http".to_owned(), unknown)].into());
        document.histograms.push(Default::default());
        document.unknown_version = Some(1);
        let expected = "10 of 110 requests timed out or got no response, which counts as beyond any limit";
        assert_eq!(of(&document, "http/latency-p99", Bound::Upper, 1e6).as_deref(), Some(expected));
        assert_eq!(of(&document, "http/latency-p50", Bound::Upper, 1e6), None);
    }

    #[test]
    fn a_candidate_is_compared_with_a_failing_baseline_by_its_errors_only() {
        let of = |candidate: u64, baseline: u64, metric: &str| {
            let (candidate, baseline) = (load(candidate), load(baseline));
            doubt_of_comparison(Some(&candidate), Some(&baseline), MetricRef::from(metric).name().unwrap(), "v1")
        };
        let candidate = Some("100 of 100 requests failed, so the versions cannot be compared".to_owned());
        let baseline = Some("of v1, 100 of 100 requests failed, so its latency is mostly that of errors".to_owned());
        for metric in ["http/error-rate", "http/latency-p99"] {
            let doubts = (of(100, 100, metric), of(100, 0, metric), of(0, 0, metric));
            assert_eq!(doubts, (candidate.clone(), candidate.clone(), None));
        }
        assert_eq!((of(0, 100, "http/latency-p99"), of(0, 100, "http/error-rate")), (baseline, None));
    }
}
