//! Minimum number of samples: a verdict on fewer decides nothing, whatever the value.
//!
//! It applies to metrics whose samples are known: those of loads, and those of providers that count them. A count of a load rests on the
//! load's requests.

use crate::model::contribution::Assessment;
use crate::model::insights::Insights;
use crate::model::metric_name::Aggregation;
use crate::model::slo::{Outcome, Verdict};

/// Makes verdicts on fewer than `minimum` samples inconclusive, and says how many are missing. The matrix is built from the verdicts later.
pub(crate) fn apply(assessment: &mut Assessment, insights: &Insights, minimum: u64) {
    for verdict in &mut assessment.verdicts {
        let Some(samples) = samples(verdict, insights).filter(|samples| *samples < minimum) else { continue };
        let missing = minimum - samples;
        verdict.verdict = Outcome::Inconclusive;
        verdict.reason =
            format!("{} rests on {samples} of at least {minimum} samples: {missing} are missing", verdict.metric);
    }
}

/// Returns the number of samples of a judged value; `None` if there is no value, or if its samples are unknown.
fn samples(verdict: &Verdict, insights: &Insights) -> Option<u64> {
    verdict.value?;
    let requests = |version: usize| {
        let load = verdict.metric.name().ok().and_then(|name| insights.load.get(version)?.get(&name.provider));
        load.map(|load| load.counts.requests)
    };
    let own = verdict.samples.or(requests(verdict.version));
    // A comparison rests on both versions.
    match verdict.reference.and_then(requests) {
        Some(reference) => own.map(|own| own.min(reference)),
        None => own,
    }
}

/// Returns a note on each percentile of so few samples that it is their maximum. Verdicts with confidence say this themselves.
pub(crate) fn sparse_percentiles(verdicts: &[Verdict]) -> Vec<String> {
    let mut notes: Vec<String> = verdicts.iter().filter_map(sparse_percentile).collect();
    // Versions under the same load have the same note.
    notes.dedup();
    notes
}

fn sparse_percentile(verdict: &Verdict) -> Option<String> {
    let (samples, Aggregation::Percentile(p)) = (verdict.samples?, verdict.metric.name().ok()?.distribution()?.1)
    else {
        return None;
    };
    let is_point = verdict.value.is_some() && verdict.confidence.is_none() && p < 100.0;
    let needed = (100.0 / (100.0 - p) - 1e-6).ceil();
    let is_sparse = is_point && samples > 0 && (samples as f64) < needed;
    is_sparse.then(|| {
        format!(
            "{}: with {samples} sample{}, this percentile is just the maximum; at least {needed} are needed",
            verdict.metric,
            if samples == 1 { "" } else { "s" }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::load::LoadRecord;
    use crate::model::metric::{MetricMeta, MetricType};
    use crate::model::number::Number;
    use crate::model::slo::{Bound, Slo, SloLimits};
    use crate::slo::assess::assess;

    #[test]
    fn a_verdict_on_too_few_samples_is_inconclusive_and_names_the_missing_number() {
        let meta = |kind| MetricMeta { description: String::new(), units: None, kind };
        let values = [("http/error-count".to_owned(), vec![0.0]), ("http/latency-mean".to_owned(), vec![90.0])];
        let (request_count, outside) = (("http/request-count".to_owned(), vec![40.0]), ("p/m".to_owned(), vec![1.0]));
        let mut load = LoadRecord::default();
        load.counts.requests = 40;
        let insights = Insights {
            num_versions: 1,
            metrics_info: [
                ("http/error-count".to_owned(), meta(MetricType::Counter)),
                ("http/latency-mean".to_owned(), meta(MetricType::Gauge)),
                ("http/request-count".to_owned(), meta(MetricType::Counter)),
                ("p/m".to_owned(), meta(MetricType::Gauge)),
            ]
            .into(),
            non_hist_metric_values: vec![values.into_iter().chain([request_count, outside]).collect()],
            load: vec![[("http".to_owned(), load)].into()],
            ..Insights::default()
        };
        let slo = |metric: &str, limit: f64| Slo { metric: metric.into(), limit: Number(limit) };
        let limits = SloLimits {
            upper: vec![slo("http/error-count", 0.0), slo("http/latency-mean", 50.0), slo("p/m", 2.0)],
            lower: vec![slo("http/absent", 1.0)],
        };
        let judged = |minimum| {
            let mut assessment = assess(&insights, &limits);
            apply(&mut assessment, &insights, minimum);
            let outcomes: Vec<Outcome> = assessment.verdicts.iter().map(|verdict| verdict.verdict).collect();
            (outcomes, assessment.verdicts[1].reason.clone())
        };
        use Outcome::{Inconclusive, Satisfied, Violated};
        assert_eq!(judged(40).0, [Satisfied, Violated, Satisfied, Inconclusive]);
        let (outcomes, reason) = judged(100);
        // The samples of `p/m` are unknown.
        assert_eq!(outcomes, [Inconclusive, Inconclusive, Satisfied, Inconclusive]);
        assert_eq!(reason, "http/latency-mean rests on 40 of at least 100 samples: 60 are missing");
    }

    #[test]
    fn a_comparison_rests_on_the_version_with_fewer_requests() {
        let load = |requests: u64| {
            let mut load = LoadRecord::default();
            load.counts.requests = requests;
            [("http".to_owned(), load)].into()
        };
        let slo = Slo { metric: "http/error-rate".into(), limit: Number(0.0) };
        for (requests, least) in [([40, 400], 40), ([400, 30], 30)] {
            let insights = Insights { num_versions: 2, load: requests.map(load).to_vec(), ..Insights::default() };
            let compared = Verdict {
                reference: Some(0),
                value: Some(0.0),
                verdict: Outcome::Satisfied,
                ..Verdict::undecided(&slo, Bound::Upper, 1)
            };
            let mut assessment = Assessment { verdicts: vec![compared], ..Assessment::default() };
            apply(&mut assessment, &insights, 100);
            let [verdict] = assessment.verdicts.as_slice() else { panic!("{assessment:?}") };
            assert_eq!(verdict.verdict, Outcome::Inconclusive, "{requests:?}");
            assert!(verdict.reason.contains(&format!(" rests on {least} of at least 100 ")), "{}", verdict.reason);
        }
    }

    #[test]
    fn a_percentile_that_is_the_maximum_has_a_note() {
        let verdict = |metric: &str, samples| {
            let slo = Slo { metric: metric.into(), limit: Number(1.0) };
            Verdict { value: Some(1.0), samples, ..Verdict::undecided(&slo, Bound::Upper, 0) }
        };
        let is_noted = |metric: &str, samples| !sparse_percentiles(&[verdict(metric, samples)]).is_empty();
        for (metric, needed) in [
            ("http/latency-p99", 100),
            ("http/latency-p99.9", 1000),
            ("grpc/latency/p95", 20),
            ("http/latency-p97", 34),
        ] {
            assert!(is_noted(metric, Some(needed - 1)) && !is_noted(metric, Some(needed)), "{metric}");
        }
        assert!(!is_noted("http/latency-p100", Some(5)) && !is_noted("http/latency-mean", Some(1)));
        assert!(!is_noted("http/latency-p99", None));
        let sure = Verdict { confidence: Some(0.95), ..verdict("http/latency-p99", Some(5)) };
        assert!(sparse_percentiles(&[sure]).is_empty());
        insta::assert_snapshot!(
            sparse_percentiles(&[verdict("http/latency-p99", Some(10))]).join("\n"),
            @"http/latency-p99: with 10 samples, this percentile is just the maximum; at least 100 are needed"
        );
    }
}
