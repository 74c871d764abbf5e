use super::*;
use crate::load::pacing::{Arrival, Bound as End, Pacer};
use crate::load::plan::LoadPlan;
use crate::model::number::Number;
use crate::model::slo::SloLimits;

fn slo(metric: &str) -> Slo {
    Slo { metric: metric.into(), limit: Number(50.0) }
}

#[test]
fn only_error_rates_and_percentiles_of_the_latency_are_decided_by_looks() {
    let cases = [
        ("http/error-rate", Statistic::Errors),
        ("http/latency-p95", Statistic::Percentile(0.95)),
        ("http/latency/p50", Statistic::Percentile(0.5)),
        ("http/latency-p0", Statistic::None),
        ("http/latency/p100", Statistic::None),
        ("http/latency-mean", Statistic::None),
        ("http/latency/mean", Statistic::None),
        ("http/success-latency/p95", Statistic::None),
        ("http/service-time/p95", Statistic::None),
        ("http/error-count", Statistic::None),
    ];
    for (metric, expected) in cases {
        assert_eq!(Statistic::of(slo(metric).metric.name().unwrap()), expected, "{metric}");
    }
}

#[test]
fn a_load_has_the_objectives_on_its_provider_and_its_versions() {
    let end = End::Duration(std::time::Duration::from_secs(9));
    let plan = LoadPlan::new("t", Pacer::new(Arrival::Constant { rate: 1.0 }, end), 1);
    let mut objectives = Objectives {
        limits: SloLimits {
            upper: vec![slo("http/error-rate"), slo("other/error-rate")],
            lower: vec![slo("http/error-rate")],
        },
        ..Objectives::default()
    };
    objectives.relative.upper = vec![slo("http/error-rate")];
    let claims = |version| Claim::list(&objectives, 0, &Target::new("http", version, None, &plan));
    let relative = |version| claims(version).iter().map(|claim| claim.is_relative).collect::<Vec<bool>>();
    assert_eq!((relative(0), relative(1)), (vec![false; 2], vec![false, false, true]));
    // Lower limits are judged at the end.
    assert_eq!(claims(0).iter().map(Claim::share).collect::<Vec<_>>(), [Some(50.0), None]);
}
