//! Verdicts on SLOs, from the metrics of a document.
//!
//! The rule is Iter8's, on the newest value: an upper limit holds if the value is at most the limit, a lower one if it is at least the
//! limit. Without a value the verdict is inconclusive, which counts as not satisfied in Iter8's matrix. So is the verdict on a value that
//! was measured under another load than the requested one, on an upper limit that only the load generator's own delays violate
//! ([`super::load_validity`]), and on a limit that is satisfied only because of failed requests ([`super::failed_requests`]).
//!
//! With a confidence, what this rule decides is judged again ([`super::judge`]).

use crate::metrics::missing::{Judged, Recorded};
use crate::metrics::{Metric, MetricsView};
use crate::model::contribution::Assessment;
use crate::model::insights::Insights;
use crate::model::metric::{MetricType, Reading};
use crate::model::missing::NoDataPolicy;
use crate::model::readable::show_pair;
use crate::model::slo::{Bound, Outcome, Slo, SloLimits, SloMatrix, Verdict};
use crate::slo::{failed_requests, load_validity, unknown_origin};

/// Judges every SLO for every version by the newest loop alone ([`super::loops`] considers several). A document without versions counts
/// as one version without data.
pub fn assess(insights: &Insights, limits: &SloLimits) -> Assessment {
    let versions = insights.num_versions.max(1);
    let mut verdicts = Vec::new();
    let mut judge_all = |slos: &[Slo], bound: Bound| -> Vec<Vec<bool>> {
        slos.iter()
            .map(|slo| {
                let row: Vec<Verdict> = (0..versions).map(|version| judge(insights, version, slo, bound)).collect();
                let satisfied = row.iter().map(|verdict| verdict.verdict == Outcome::Satisfied).collect();
                verdicts.extend(row);
                satisfied
            })
            .collect()
    };
    let satisfied =
        SloMatrix { upper: judge_all(&limits.upper, Bound::Upper), lower: judge_all(&limits.lower, Bound::Lower) };
    Assessment { limits: limits.clone(), satisfied, verdicts, ..Assessment::default() }
}

fn judge(insights: &Insights, version: usize, slo: &Slo, bound: Bound) -> Verdict {
    let limit = slo.limit.0;
    let metric = MetricsView::new(insights, version).resolve(&slo.metric);
    let mut verdict = Verdict::undecided(slo, bound, version);
    let recorded = metric.recorded();
    match &metric.reading {
        Reading::Missing(missing) => {
            // A policy applies only to the missing value that it was recorded for.
            let recorded = recorded.filter(|recorded| recorded.missing == *missing);
            let recorded = recorded.unwrap_or_else(|| Recorded::without_policy(missing.clone()));
            decide(&mut verdict, &recorded);
        }
        Reading::Value(value) => {
            (verdict.value, verdict.samples) = (Some(*value), metric.samples);
            if let Some(reason) = inconclusive_reason(insights, version, slo) {
                verdict.reason = reason;
                return verdict;
            }
            verdict.verdict = if bound.admits(*value, limit) { Outcome::Satisfied } else { Outcome::Violated };
            verdict.reason = explain(&metric, slo, bound, *value);
            if verdict.verdict == Outcome::Satisfied
                && let Some(reason) = doubt(insights, version, slo, bound)
            {
                verdict.verdict = Outcome::Inconclusive;
                verdict.reason.push_str(&format!("; {reason}"));
            }
            if verdict.verdict == Outcome::Violated
                && let Some(reason) = own_delay(insights, version, slo, bound)
            {
                verdict.verdict = Outcome::Inconclusive;
                verdict.reason.push_str(&format!(", {reason}"));
            }
            if let Some(Recorded { missing, .. }) = recorded.filter(Recorded::is_zero) {
                verdict.no_data = Some(NoDataPolicy::Zero);
                verdict.reason.push_str(&format!("; 0 replaces missing data: {}", missing.reason));
                verdict.missing = Some(missing.cause);
            }
        }
    }
    verdict
}

/// Decides a verdict on a metric without a value.
pub(super) fn decide(verdict: &mut Verdict, recorded: &Recorded) {
    let Judged { outcome, reason, no_data, on_error } = recorded.judge(&verdict.metric.to_string());
    (verdict.verdict, verdict.reason) = (outcome, reason);
    (verdict.no_data, verdict.on_error) = (no_data, on_error);
    verdict.missing = Some(recorded.missing.cause);
    (verdict.value, verdict.samples) = (None, None);
    (verdict.interval, verdict.confidence, verdict.method) = (None, None, None);
    (verdict.effective_samples, verdict.dependence, verdict.needs) = (None, None, None);
}

/// Builds Iter8's matrix of the verdicts: a row per SLO, its versions in order. Iter8 knows no limits relative to version 0.
pub(super) fn matrix(verdicts: &[Verdict]) -> SloMatrix {
    let rows = |bound: Bound| {
        let mut rows: Vec<Vec<bool>> = Vec::new();
        for verdict in verdicts.iter().filter(|verdict| verdict.bound == bound && verdict.reference.is_none()) {
            let satisfied = verdict.verdict == Outcome::Satisfied;
            match rows.last_mut().filter(|_| verdict.version > 0) {
                Some(row) => row.push(satisfied),
                None => rows.push(vec![satisfied]),
            }
        }
        rows
    };
    SloMatrix { upper: rows(Bound::Upper), lower: rows(Bound::Lower) }
}

/// Explains why the load that measured a metric is not the requested one; `None` if it is, or if no load measured the metric.
fn inconclusive_reason(insights: &Insights, version: usize, slo: &Slo) -> Option<String> {
    let name = slo.metric.name().ok()?;
    load_validity::inconclusive_reason(insights.load.get(version)?.get(&name.provider)?)
}

/// Explains why a satisfied SLO may be violated: by requests of unknown origin, or by failed ones; `None` if neither is so.
fn doubt(insights: &Insights, version: usize, slo: &Slo, bound: Bound) -> Option<String> {
    let name = slo.metric.name().ok()?;
    let limit = slo.limit.0;
    let of_origin = unknown_origin::doubt(insights, version, name, bound, limit);
    of_origin.or_else(|| failed_requests::doubt(insights, version, name, bound, limit))
}

/// Explains that only delays of the load generator violate an upper limit; `None` if that is not so.
fn own_delay(insights: &Insights, version: usize, slo: &Slo, bound: Bound) -> Option<String> {
    let name = slo.metric.name().ok().filter(|_| bound == Bound::Upper)?;
    load_validity::own_delay(insights.load.get(version)?.get(&name.provider)?, name, slo.limit.0)
}

/// `http/latency-mean is 63.21 msec, above the limit of 50 msec (n = 100)`.
fn explain(metric: &Metric<'_>, slo: &Slo, bound: Bound, value: f64) -> String {
    let limit = slo.limit.0;
    let unit = metric.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let (value_text, limit_text) = show_pair(value, limit);
    let relation = match (bound, bound.admits(value, limit)) {
        (Bound::Upper, true) => "within",
        (Bound::Upper, false) => "above",
        (Bound::Lower, true) => "not below",
        (Bound::Lower, false) => "below",
    };
    // A count is itself the number of observations.
    let is_count = metric.kind() == Some(MetricType::Counter);
    let basis = metric.samples.filter(|_| !is_count).map(|n| format!(" (n = {n})")).unwrap_or_default();
    format!("{} is {value_text}{unit}, {relation} the limit of {limit_text}{unit}{basis}", slo.metric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::insights::Observation;
    use crate::model::load::LoadRecord;
    use crate::model::metric::MetricMeta;
    use crate::model::missing::{ErrorKind, MissingCause, OnErrorPolicy};
    use crate::model::number::Number;

    fn slo(metric: &str, limit: f64) -> Slo {
        Slo { metric: metric.into(), limit: Number(limit) }
    }

    /// Two versions: the first fast and failing, the second slow; the second has no accuracy.
    fn insights() -> Insights {
        let info = |name: &str, kind, units: Option<&str>| {
            (name.to_owned(), MetricMeta { description: String::new(), units: units.map(str::to_owned), kind })
        };
        let values =
            |list: &[(&str, f64)]| list.iter().map(|(name, value)| ((*name).to_owned(), vec![*value])).collect();
        Insights {
            num_versions: 2,
            metrics_info: [
                info("http/request-count", MetricType::Counter, None),
                info("http/error-count", MetricType::Counter, None),
                info("http/latency-mean", MetricType::Gauge, Some("msec")),
                info("prom/accuracy", MetricType::Gauge, None),
            ]
            .into(),
            non_hist_metric_values: vec![
                values(&[
                    ("http/request-count", 100.0),
                    ("http/error-count", 2.0),
                    ("http/latency-mean", 12.5),
                    ("prom/accuracy", 0.93),
                ]),
                values(&[("http/request-count", 100.0), ("http/error-count", 0.0), ("http/latency-mean", 63.214)]),
            ],
            ..Insights::default()
        }
    }

    #[test]
    fn every_slo_gets_a_verdict_and_a_reason_per_version() {
        let limits = SloLimits {
            upper: vec![slo("http/error-count", 0.0), slo("http/latency-mean", 50.0)],
            lower: vec![slo("prom/accuracy", 0.93)],
        };
        let assessment = assess(&insights(), &limits);
        assert_eq!(assessment.satisfied.upper, [[false, true], [true, false]]);
        assert_eq!(assessment.satisfied.lower, [[true, false]]);
        let reasons: Vec<&str> = assessment.verdicts.iter().map(|verdict| verdict.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "http/error-count is 2, above the limit of 0",
                "http/error-count is 0, within the limit of 0",
                "http/latency-mean is 12.50 msec, within the limit of 50 msec (n = 100)",
                "http/latency-mean is 63.21 msec, above the limit of 50 msec (n = 100)",
                "prom/accuracy is 0.93, not below the limit of 0.93",
                "no data: `prom/accuracy` was not measured for this version",
            ]
        );
        let last = &assessment.verdicts[5];
        assert_eq!((last.verdict, last.value, last.version), (Outcome::Inconclusive, None, 1));
        assert_eq!(assessment.verdicts[3].samples, Some(100));
    }

    #[test]
    fn limits_of_any_sign_are_compared_as_numbers() {
        let limits =
            SloLimits { upper: vec![slo("http/error-count", -1.0)], lower: vec![slo("http/error-count", -1.5)] };
        let assessment = assess(&insights(), &limits);
        assert_eq!(
            (assessment.satisfied.upper, assessment.satisfied.lower),
            (vec![vec![false; 2]], vec![vec![true; 2]])
        );
    }

    #[test]
    fn a_missed_rate_makes_the_metrics_of_its_provider_and_version_inconclusive() {
        let mut insights = insights();
        let load = |achieved_rate| LoadRecord { requested_rate: Some(100.0), achieved_rate, ..LoadRecord::default() };
        insights.load = vec![[("http".to_owned(), load(48.0))].into(), [("http".to_owned(), load(96.0))].into()];
        let limits = SloLimits {
            upper: vec![slo("http/error-count", 5.0), slo("http/latency-mean", 1.0)],
            lower: vec![slo("prom/accuracy", 0.5)],
        };
        let assessment = assess(&insights, &limits);
        assert_eq!(assessment.satisfied.upper, [[false, true], [false, false]]);
        assert_eq!(assessment.satisfied.lower, [[true, false]]);
        let outcomes: Vec<Outcome> = assessment.verdicts.iter().map(|verdict| verdict.verdict).collect();
        use Outcome::{Inconclusive, Satisfied, Violated};
        assert_eq!(outcomes, [Inconclusive, Satisfied, Inconclusive, Violated, Satisfied, Inconclusive]);
        // The value is still reported.
        let undecided = &assessment.verdicts[2];
        assert_eq!((undecided.value, undecided.samples), (Some(12.5), Some(100)));
        let cause = "too few connections, or the service cannot keep up";
        assert_eq!(undecided.reason, format!("the load achieved 48 of 100 requests/s: {cause}"));
    }

    #[test]
    fn the_policy_decides_if_a_metric_is_absent() {
        let limits = SloLimits { upper: vec![slo("prom/errors", 1.0)], lower: vec![slo("prom/errors", 1.0)] };
        let judged = |policy: Option<NoDataPolicy>| {
            let reason = Some("an empty result".to_owned());
            let missing = Some(MissingCause::Absent);
            let seen = Observation { no_data: reason, policy, missing, ..Observation::default() };
            let mut insights = Insights { num_versions: 1, ..Insights::default() };
            insights.observations = vec![[("prom/errors".to_owned(), seen)].into()];
            if policy == Some(Zero) {
                insights.non_hist_metric_values = vec![[("prom/errors".to_owned(), vec![7.0, 0.0])].into()];
            }
            let verdicts = assess(&insights, &limits).verdicts;
            assert!(verdicts.iter().all(|verdict| verdict.no_data == policy), "{verdicts:?}");
            let [upper, lower] = [0, 1].map(|at| (verdicts[at].verdict, verdicts[at].value));
            (upper, lower, verdicts[0].reason.clone())
        };
        use NoDataPolicy::{Fail, Pass, Zero};
        use Outcome::{Inconclusive, Satisfied, Violated};
        let by_policy = |text: &str| format!("prom/errors has no data, which counts as {text}: an empty result");
        assert_eq!(judged(Some(Fail)), ((Violated, None), (Violated, None), by_policy("violated")));
        assert_eq!(judged(Some(Pass)), ((Satisfied, None), (Satisfied, None), by_policy("satisfied")));
        let open = "no data, which leaves the SLO undecided: an empty result".to_owned();
        assert_eq!(judged(Some(NoDataPolicy::Inconclusive)), ((Inconclusive, None), (Inconclusive, None), open));
        let zero = "prom/errors is 0, within the limit of 1; 0 replaces missing data: an empty result".to_owned();
        assert_eq!(judged(Some(Zero)), ((Satisfied, Some(0.0)), (Violated, Some(0.0)), zero));
        // Without a policy it is not satisfied, and the reason says why.
        assert_eq!(judged(None), ((Inconclusive, None), (Inconclusive, None), "no data: an empty result".to_owned()));
    }

    #[test]
    fn only_on_error_decides_about_an_error() {
        let limits = SloLimits { upper: vec![slo("prom/errors", 1.0)], lower: vec![slo("prom/errors", 1.0)] };
        let judged = |policy: Option<NoDataPolicy>, on_error: Option<OnErrorPolicy>| {
            let seen = Observation {
                no_data: Some("HTTP 503".to_owned()),
                missing: Some(MissingCause::Error(ErrorKind::Status)),
                policy,
                on_error,
                ..Observation::default()
            };
            let values = [("prom/errors".to_owned(), vec![0.0])].into();
            let mut insights = Insights { num_versions: 1, ..Insights::default() };
            (insights.observations, insights.non_hist_metric_values) =
                (vec![[("prom/errors".to_owned(), seen)].into()], vec![values]);
            let [upper, lower]: [Verdict; 2] = assess(&insights, &limits).verdicts.try_into().unwrap();
            assert_eq!((upper.verdict, upper.value, upper.no_data), (lower.verdict, None, None), "{lower:?}");
            assert_eq!((upper.on_error, upper.is_founded()), (on_error, on_error.is_some()));
            (upper.verdict, upper.reason)
        };
        use NoDataPolicy::{Fail, Inconclusive, Pass, Zero};
        // No document should record a policy for missing data beside an error; if one does, it has no effect.
        for policy in [None, Some(Fail), Some(Pass), Some(Inconclusive), Some(Zero)] {
            assert_eq!(judged(policy, None), (Outcome::Inconclusive, "no value: HTTP 503".to_owned()));
            let undecided = "no value, which leaves the SLO undecided: HTTP 503".to_owned();
            assert_eq!(judged(policy, Some(OnErrorPolicy::Inconclusive)), (Outcome::Inconclusive, undecided));
            let violated = "prom/errors has no value, which counts as violated: HTTP 503".to_owned();
            assert_eq!(judged(policy, Some(OnErrorPolicy::Fail)), (Outcome::Violated, violated));
        }
    }

    #[test]
    fn nothing_measured_is_one_version_without_data() {
        let limits = SloLimits { upper: vec![slo("http/latency-mean", 50.0)], lower: Vec::new() };
        let assessment = assess(&Insights::default(), &limits);
        assert_eq!(assessment.satisfied.upper, [[false]]);
        assert_eq!(assessment.verdicts[0].verdict, Outcome::Inconclusive);
        assert_eq!(assessment.verdicts[0].reason, "no data: `http/latency-mean` was not measured");
    }
}
