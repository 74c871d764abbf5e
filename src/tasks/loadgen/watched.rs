//! Limits of the SLOs on a load's latency, whose exceedances the load counts.

use crate::load::watched::{MAX_LIMITS, WatchedLimits};
use crate::model::metric_name::Aggregation;
use crate::model::objectives::Objectives;
use crate::model::slo::Slo;

/// Returns the limits that the load of `provider` counts exceedances of; `None` if verdicts need no confidence.
pub(super) fn watched(objectives: Option<&Objectives>, provider: &str) -> Option<WatchedLimits> {
    let objectives = objectives.filter(|objectives| objectives.confidence.is_some())?;
    Some(WatchedLimits::new(limits(objectives, provider)))
}

/// Returns a note if there are more limits than a load counts exceedances of.
pub(super) fn note(objectives: Option<&Objectives>, provider: &str) -> Option<String> {
    let objectives = objectives.filter(|objectives| objectives.confidence.is_some())?;
    let counted = WatchedLimits::new(limits(objectives, provider));
    let other = limits(objectives, provider).filter(|limit| !counted.has(*limit)).count();
    (other > 0).then(|| {
        format!("requests over {other} of the limits on latency were not counted one by one: at most {MAX_LIMITS} limits are")
    })
}

/// Returns the limits on percentiles of the latency.
fn limits<'a>(objectives: &'a Objectives, provider: &'a str) -> impl Iterator<Item = f64> + 'a {
    let slos = objectives.limits.upper.iter().chain(&objectives.limits.lower);
    slos.filter(move |slo| percentile(slo, provider).is_some()).map(|slo| slo.limit.0)
}

/// Returns the percentile of the latency that an SLO is about, if it is about one of this provider.
pub(super) fn percentile(slo: &Slo, provider: &str) -> Option<f64> {
    let (key, aggregation) = slo.metric.name().ok()?.distribution()?;
    let is_latency = key.strip_prefix(provider).is_some_and(|rest| rest == "/latency");
    match aggregation {
        Aggregation::Percentile(p) if is_latency => Some(p),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::number::Number;
    use crate::model::objectives::Confidence;
    use crate::model::slo::SloLimits;

    fn slo(metric: &str, limit: f64) -> Slo {
        Slo { metric: metric.into(), limit: Number(limit) }
    }

    fn objectives(upper: Vec<Slo>, lower: Vec<Slo>) -> Objectives {
        let confidence = Confidence { level: 0.95, burst: Confidence::DEFAULT_BURST, is_strict: false };
        let limits = SloLimits { upper, lower };
        Objectives { limits, confidence: Some(confidence), ..Objectives::default() }
    }

    #[test]
    fn limits_are_those_of_the_latencys_percentiles_in_any_spelling() {
        let upper = [
            ("http/latency-p95.0", 50.0),
            ("http/latency/p'99'", 80.0),
            ("http/latency-mean", 1.0),
            ("http/latency/max", 2.0),
            ("http/service-time-p95", 3.0),
            ("http-get/latency-p95", 4.0),
            ("http/error-rate", 5.0),
            ("nonsense", 6.0),
        ];
        let upper = upper.map(|(metric, limit)| slo(metric, limit));
        let mut objectives = objectives(upper.into(), vec![slo("http/latency-p50", 0.1)]);
        assert_eq!(watched(Some(&objectives), "http").unwrap().micros(), [100, 50_000, 80_000]);
        assert_eq!(watched(Some(&objectives), "http-get").unwrap().micros(), [4_000]);
        assert_eq!(watched(Some(&objectives), "grpc").unwrap().micros(), [0; 0], "sums are recorded");
        assert_eq!((note(Some(&objectives), "http"), watched(None, "http")), (None, None));
        objectives.confidence = None;
        assert_eq!(watched(Some(&objectives), "http"), None);
    }

    #[test]
    fn a_note_says_how_many_limits_are_too_many() {
        let upper = (0..40).map(|limit| slo("http/latency-p95", f64::from(limit)));
        insta::assert_snapshot!(
            note(Some(&objectives(upper.collect(), Vec::new())), "http").unwrap(),
            @"requests over 8 of the limits on latency were not counted one by one: at most 32 limits are"
        );
    }
}
