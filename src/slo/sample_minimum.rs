//! Minimum number of samples: a verdict on fewer decides nothing, whatever the value.
//!
//! It applies to metrics whose samples are known: those of loads, and those of providers that count them. A count of a load rests on the
//! load's requests.

use crate::model::contribution::Assessment;
use crate::model::insights::Insights;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::load::LoadRecord;
    use crate::model::metric::{MetricMeta, MetricType};
    use crate::model::number::Number;
    use crate::model::slo::{Slo, SloLimits};
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
}
