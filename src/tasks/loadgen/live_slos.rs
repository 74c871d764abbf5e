//! SLOs on a load while it runs, by its values so far. They are shown and decide nothing.

use crate::load::plan::LoadPlan;
use crate::model::metric::MSEC;
use crate::model::metric_name::Aggregation;
use crate::model::objectives::Objectives;
use crate::model::slo::{Bound, Slo};
use crate::ports::{LoadProgress, SloProgress};
use crate::slo::failed_requests::is_most;
use crate::slo::load_validity::named_statistic;
use crate::slo::summary::beside_limit;

/// Maximum number of SLOs that are shown, and of those that are computed to find the violated ones.
const MAX_SHOWN: usize = 6;
const MAX_COMPUTED: usize = 60;

/// Value that an SLO is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Latency(Aggregation),
    ErrorRate,
    ErrorCount,
}

/// SLOs on the latency and the errors of one load.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LiveSlos {
    rows: Vec<(Slo, Bound, Source)>,
    /// Number of SLOs that are not computed.
    rest: usize,
    /// True if the verdicts need a confidence, which a value alone does not have.
    has_confidence: bool,
    /// Samples that a verdict needs.
    min_samples: u64,
}

impl LiveSlos {
    /// Selects the SLOs on the load of `provider`. A load whose responses are attributed to versions has none: its values are those of all.
    pub(super) fn of(objectives: Option<&Objectives>, provider: &str, plan: &LoadPlan) -> Self {
        let Some(objectives) = objectives.filter(|_| plan.versions.is_empty()) else {
            return Self::default();
        };
        let limits = &objectives.limits;
        let upper = limits.upper.iter().map(|slo| (slo, Bound::Upper));
        let all = upper.chain(limits.lower.iter().map(|slo| (slo, Bound::Lower)));
        let rows = all.filter_map(|(slo, bound)| Some((slo.clone(), bound, source(slo, provider)?)));
        let mut rows: Vec<_> = rows.collect();
        let rest = rows.len().saturating_sub(MAX_COMPUTED);
        rows.truncate(MAX_COMPUTED);
        let has_confidence = objectives.confidence.is_some();
        Self { rows, rest, has_confidence, min_samples: objectives.min_samples }
    }

    /// Returns the statistics of the latency that its states need: one per SLO on the latency, and the number of samples.
    pub(super) fn statistics(&self) -> Vec<Aggregation> {
        let latency = |(_, _, source): &(Slo, Bound, Source)| match source {
            Source::Latency(aggregation) => Some(*aggregation),
            Source::ErrorRate | Source::ErrorCount => None,
        };
        let statistics: Vec<Aggregation> = self.rows.iter().filter_map(latency).collect();
        let samples = (!statistics.is_empty()).then_some(Aggregation::Count);
        statistics.into_iter().chain(samples).collect()
    }

    /// Returns `progress` with the states, the violated SLOs first; it has the statistics.
    pub(super) fn add_to(&self, progress: LoadProgress) -> LoadProgress {
        let mut statistics = progress.statistics.iter().copied();
        let latency_samples = progress.statistics.last().copied().unwrap_or_default();
        let state = |(slo, bound, source): &(Slo, Bound, Source)| {
            let count = progress.done as f64;
            let (value, unit, samples) = match source {
                Source::Latency(_) => (statistics.next(), Some(MSEC), latency_samples),
                Source::ErrorRate => ((progress.done > 0).then(|| progress.errors as f64 / count), None, count),
                Source::ErrorCount => ((progress.done > 0).then_some(progress.errors as f64), None, count),
            };
            let metric = slo.metric.to_string();
            match value.filter(|value| value.is_finite()) {
                None => SloProgress { text: metric, holds: None },
                Some(value) => SloProgress {
                    text: format!("{metric} {}", beside_limit(value, *bound, slo.limit.0, unit)),
                    holds: self.holds(bound.admits(value, slo.limit.0), samples).filter(|holds| {
                        // Errors satisfy no latency.
                        !(*holds && matches!(source, Source::Latency(_)) && is_most(progress.errors, progress.done))
                    }),
                },
            }
        };
        let mut slos: Vec<SloProgress> = self.rows.iter().map(state).collect();
        slos.sort_by_key(|slo| slo.holds != Some(false));
        let more_slos = slos.len().saturating_sub(MAX_SHOWN) + self.rest;
        slos.truncate(MAX_SHOWN);
        LoadProgress { slos, more_slos, ..progress }
    }

    /// Returns the state of a value; `None` if the verdict on it would or might be inconclusive.
    fn holds(&self, is_within: bool, samples: f64) -> Option<bool> {
        let has_samples = samples >= self.min_samples as f64;
        // A value inside the limit does not show that the interval is.
        Some(is_within).filter(|is_within| has_samples && !(*is_within && self.has_confidence))
    }
}

fn source(slo: &Slo, provider: &str) -> Option<Source> {
    let name = slo.metric.name().ok().filter(|name| name.provider == provider)?;
    match (name.metric.as_str(), name.aggregation) {
        ("error-rate", None) => return Some(Source::ErrorRate),
        ("error-count", None) => return Some(Source::ErrorCount),
        _ => {}
    }
    let (key, aggregation) = name.distribution().or_else(|| named_statistic(name))?;
    let is_latency = key.strip_prefix(provider).is_some_and(|rest| rest == "/latency");
    (is_latency && aggregation != Aggregation::Count).then_some(Source::Latency(aggregation))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::pacing::{Arrival, Bound as End, Pacer};
    use crate::model::number::Number;
    use crate::model::objectives::Confidence;
    use crate::model::slo::SloLimits;

    fn slo(metric: &str, limit: f64) -> Slo {
        Slo { metric: metric.into(), limit: Number(limit) }
    }

    fn plan() -> LoadPlan {
        let pacer = Pacer::new(Arrival::Constant { rate: 1.0 }, End::Duration(Duration::from_secs(1)));
        LoadPlan::new("t", pacer, 1)
    }

    /// 100 requests with a p99 of 20.2 ms and a mean of 20 ms.
    fn progress() -> LoadProgress {
        LoadProgress { done: 100, errors: 2, statistics: vec![20.2, 20.0, 98.0], ..LoadProgress::default() }
    }

    fn states(live: &LiveSlos, progress: LoadProgress) -> Vec<(String, Option<bool>)> {
        live.add_to(progress).slos.into_iter().map(|slo| (slo.text, slo.holds)).collect()
    }

    #[test]
    fn slos_are_shown_with_their_values_so_far() {
        let upper = [
            ("http/latency-p99", 60.0),
            ("http/error-rate", 0.01),
            ("http-get/latency-p99", 1.0),
            ("http/latency-mean", 20.0),
            ("http/request-count", 1.0),
            ("http/service-time-p99", 1.0),
        ];
        let limits = SloLimits {
            upper: upper.map(|(metric, limit)| slo(metric, limit)).into(),
            lower: vec![slo("http/error-count", 1.0)],
        };
        let objectives = Objectives { limits, ..Objectives::default() };
        let live = LiveSlos::of(Some(&objectives), "http", &plan());
        assert_eq!(live.statistics(), [Aggregation::Percentile(99.0), Aggregation::Mean, Aggregation::Count]);
        let open = ["http/latency-p99", "http/error-rate", "http/latency-mean", "http/error-count"];
        assert_eq!(states(&live, LoadProgress::default()), open.map(|metric| (metric.to_owned(), None)));
        // The violated one comes first.
        let expected = [
            ("http/error-rate 0.02 > 0.01", false),
            ("http/latency-p99 20.20 ms <= 60 ms", true),
            ("http/latency-mean 20 ms <= 20 ms", true),
            ("http/error-count 2 >= 1", true),
        ];
        assert_eq!(states(&live, progress()), expected.map(|(text, holds)| (text.to_owned(), Some(holds))));
        let attributed = LoadPlan { versions: vec!["v1".to_owned()], ..plan() };
        assert_eq!(LiveSlos::of(Some(&objectives), "http", &attributed), LiveSlos::default());
    }

    #[test]
    fn a_value_inside_its_limit_is_open_if_the_verdict_needs_more_than_a_value() {
        let upper = vec![slo("http/latency-p99", 60.0), slo("http/latency-mean", 10.0), slo("http/error-rate", 0.01)];
        let limits = SloLimits { upper, lower: vec![slo("http/error-count", 1.0)] };
        let holds = |objectives: Objectives| {
            let live = LiveSlos::of(Some(&objectives), "http", &plan());
            let mut states = states(&live, progress());
            states.sort();
            states.into_iter().map(|(_, holds)| holds).collect::<Vec<_>>()
        };
        let plain = Objectives { limits, ..Objectives::default() };
        let confidence = Confidence { level: 0.95, burst: Confidence::DEFAULT_BURST, is_strict: false };
        // By name: the number and the rate of errors, the mean and p99.
        assert_eq!(holds(plain.clone()), [Some(true), Some(false), Some(false), Some(true)]);
        let sure = Objectives { confidence: Some(confidence), ..plain.clone() };
        assert_eq!(holds(sure), [None, Some(false), Some(false), None]);
        // 98 of the 100 requests have a latency.
        assert_eq!(holds(Objectives { min_samples: 98, ..plain.clone() }), holds(plain.clone()));
        let sparse = Objectives { min_samples: 99, ..plain.clone() };
        assert_eq!(holds(sparse), [Some(true), Some(false), None, None]);
        assert_eq!(holds(Objectives { min_samples: 101, ..plain.clone() }), [None; 4]);
        // Errors satisfy no latency.
        let live = LiveSlos::of(Some(&plain), "http", &plan());
        let mut failing = states(&live, LoadProgress { errors: 51, ..progress() });
        failing.sort();
        assert_eq!(
            failing.iter().map(|(_, holds)| *holds).collect::<Vec<_>>(),
            [Some(true), Some(false), Some(false), None]
        );
    }

    #[test]
    fn slos_that_are_not_shown_are_counted_and_violated_ones_are_shown() {
        let limited = |count: usize| {
            let upper = (1..=count).map(|n| slo(&format!("http/latency-p{n}"), if n == count { 1.0 } else { 60.0 }));
            let limits = SloLimits { upper: upper.collect(), lower: Vec::new() };
            LiveSlos::of(Some(&Objectives { limits, ..Objectives::default() }), "http", &plan())
        };
        let added = |live: &LiveSlos| {
            let statistics = vec![20.0; live.statistics().len()];
            live.add_to(LoadProgress { statistics, ..progress() })
        };
        let seven = added(&limited(9));
        assert_eq!((seven.slos.len(), seven.more_slos), (6, 3));
        assert_eq!(seven.slos[0], SloProgress { text: "http/latency-p9 20 ms > 1 ms".to_owned(), holds: Some(false) });
        assert_eq!(added(&limited(6)).more_slos, 0);
        assert_eq!(added(&limited(70)).more_slos, 64);
    }
}
