//! A candidate beside version 0, and the comparison of their interval with the limit.

use super::case::{self, Values};
use super::finding::Finding;
use super::share::{open_because, tenths};
use super::words::{Scale, basis};
use crate::confidence::{family, needs};
use crate::metrics::histogram::{self, Histogram};
use crate::model::insights::Insights;
use crate::model::load::LoadRecord;
use crate::model::metric_name::{Aggregation, MetricName};
use crate::model::slo::{Bound, Dependence, DependenceSource, Method, Needs, Outcome, Verdict};
use crate::slo::load_validity::named_statistic;
use crate::slo::relative::BASELINE;
use crate::slo::timeouts::Timeouts;

/// µs per msec.
const MICROS: f64 = 1_000.0;
/// Largest relative difference between a rate and the ratio of its counts.
pub(super) const MAX_DIFFERENCE: f64 = 0.01;

/// A comparison of a candidate with version 0.
pub(super) struct Compared<'a> {
    pub insights: &'a Insights,
    pub verdict: &'a Verdict,
    pub name: &'a MetricName,
    pub loads: [Option<&'a LoadRecord>; 2],
    /// Values of candidate and version 0.
    pub values: [f64; 2],
    pub value: f64,
    pub alpha: f64,
    pub is_strict: bool,
    pub is_simultaneous: bool,
}

/// Interval as a function of the error of each end, and what it rests on.
pub(super) struct Measured<F: Fn(f64) -> [Option<f64>; 2]> {
    pub method: Method,
    pub scale: Scale<'static>,
    pub interval: F,
    /// Effect of requests of unknown origin.
    pub harm: Harm,
    pub dependence: Dependence,
    /// Observations of candidate and version 0.
    pub totals: [f64; 2],
    /// Independent observations that both are worth together.
    pub effective: f64,
    /// Observations of the candidate with which the interval has two ends.
    pub least: Option<f64>,
}

/// Effect of requests of unknown origin on the upper end.
#[derive(Clone, Copy)]
pub(super) enum Harm {
    None,
    /// The upper end with them.
    End(Option<f64>),
}

impl Compared<'_> {
    /// Returns the values of the metric of candidate and version 0.
    pub fn distributions(&self) -> Option<(String, Aggregation, [Values<'_>; 2])> {
        let (key, aggregation) = self.name.distribution().or_else(|| named_statistic(self.name))?;
        let [candidate, baseline] =
            [self.verdict.version, BASELINE].map(|version| case::values(self.insights, version, &key));
        let values = [candidate?, baseline?];
        let is_its = |(values, value): (&Values<'_>, f64)| values.fit(aggregation, value);
        values.iter().zip(self.values).all(is_its).then_some((key, aggregation, values))
    }

    pub fn is_latency(&self, key: &str) -> bool {
        self.loads.iter().all(Option::is_some) && key.split_once('/') == Some((self.name.provider.as_str(), "latency"))
    }

    fn noun(&self) -> &'static str {
        if self.loads.iter().all(Option::is_some) { "requests" } else { "samples" }
    }

    /// A value of which nothing shows how sure it is. It decides, unless it is that of a load: the load itself would show it, so the document
    /// was edited or lacks something.
    pub fn unknown(&self, why: &str) -> Result<Finding, String> {
        if self.loads.iter().any(Option::is_some) {
            return Err(why.to_owned());
        }
        let is_within = Bound::Upper.admits(self.value, self.verdict.limit);
        let outcome = match is_within {
            _ if self.is_strict => Outcome::Inconclusive,
            true => Outcome::Satisfied,
            false => Outcome::Violated,
        };
        let strict = if self.is_strict { ", and `strict` needs an interval" } else { "" };
        let reason = format!("{}; {why}{strict}", self.verdict.reason);
        Ok(Finding { outcome, ..Finding::open(Method::Point, self.alpha, reason) })
    }

    /// Compares the interval with the limit.
    pub fn finish<F: Fn(f64) -> [Option<f64>; 2]>(&self, measured: &Measured<F>) -> Finding {
        let limit = self.verdict.limit;
        let [lower, upper] = (measured.interval)(self.alpha);
        let is_below = |end: Option<f64>| end.is_some_and(|end| end <= limit);
        let harmed = match measured.harm {
            Harm::None => upper,
            Harm::End(end) => end,
        };
        let is_harmed = is_below(upper) && !is_below(harmed);
        let is_within = Bound::Upper.admits(self.value, limit);
        let outcome = match () {
            () if is_below(upper) && is_below(harmed) && is_within => Outcome::Satisfied,
            () if lower.is_some_and(|end| end > limit) && !is_within => Outcome::Violated,
            () => Outcome::Inconclusive,
        };
        let is_open = outcome == Outcome::Inconclusive && !is_harmed;
        let needs = if is_open { self.needs(measured, [lower, upper]) } else { None };
        let total = measured.totals.iter().sum::<f64>();
        let is_assumed = measured.dependence.from == DependenceSource::None;
        let basis =
            basis(self.alpha, total as u64, (!is_assumed).then_some(measured.effective.min(total)), self.noun());
        let why = open_because(is_harmed, needs, self.noun());
        let mut reason = self.sentence(outcome, [lower, upper], measured.scale, &basis, &why);
        if !self.is_simultaneous && self.loads.iter().all(Option::is_some) {
            reason.push_str("; measured one after another: what changed in between counts as difference");
        }
        Finding {
            outcome,
            interval: Some([lower, upper]),
            effective: Some(measured.effective),
            dependence: Some(measured.dependence),
            needs,
            p_violated: Some(family::p_of_lower_end(limit, |alpha| (measured.interval)(alpha)[0])),
            ..Finding::open(measured.method, self.alpha, reason)
        }
    }

    /// Explains a verdict by the ends of its interval; `why` says what would decide an open one.
    pub fn sentence(
        &self,
        outcome: Outcome,
        ends: [Option<f64>; 2],
        scale: Scale<'static>,
        basis: &str,
        why: &str,
    ) -> String {
        let (metric, limit) = (&self.verdict.metric, self.verdict.limit);
        let label = self.insights.version_label(BASELINE);
        let (is, of) = match scale {
            Scale::Times => ("is", format!(" that of {label}")),
            _ => ("differs by", format!(" from that of {label}")),
        };
        let text = |value: f64| scale.text(value, limit);
        let pair = |value: f64| scale.pair(value, limit);
        match (outcome, ends) {
            (Outcome::Satisfied, [_, Some(end)]) => {
                let (end, limit) = pair(end);
                format!("{metric} {is} at most {end}{of} ({basis}), within the limit of {limit}")
            }
            (Outcome::Violated, [Some(end), _]) => {
                let (end, limit) = pair(end);
                format!("{metric} {is} at least {end}{of} ({basis}), above the limit of {limit}")
            }
            (_, [Some(low), Some(high)]) => format!(
                "{metric} {is} {}{of}, {} ({basis}); the limit of {} is within that range: {why}",
                text(self.value),
                scale.between(low, high, limit),
                text(limit)
            ),
            (_, [low, _]) => {
                let low = low.map(|low| format!(", at least {}", text(low))).unwrap_or_default();
                format!("{metric} {is} {}{of}{low} ({basis}); no upper bound is known: {why}", text(self.value))
            }
        }
    }

    /// Further requests of each version that would probably decide.
    fn needs<F: Fn(f64) -> [Option<f64>; 2]>(
        &self,
        measured: &Measured<F>,
        [lower, upper]: [Option<f64>; 2],
    ) -> Option<Needs> {
        let limit = self.verdict.limit;
        let scaled = |value: f64| if measured.scale == Scale::Times { value.ln() } else { value };
        let total = measured.totals[0];
        let end = if self.value <= limit { upper } else { lower };
        let by_width = end.and_then(|end| {
            let distance = scaled(limit) - scaled(self.value);
            needs::by_width(scaled(end) - scaled(self.value), distance, total, self.alpha)
        });
        let requests = match (by_width, measured.least) {
            (Some(by_width), _) => by_width,
            (None, least) => least?,
        };
        let requests = needs::missing(requests, total)?;
        let seconds =
            self.loads[0].map(|load| load.duration.0.as_secs_f64()).map(|all| requests as f64 / (total / all));
        let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0).map(tenths);
        Some(Needs { requests, seconds })
    }
}

/// Latencies of candidate and version 0 with all of unknown origin that would raise their ratio: those above the candidate's value, and those
/// at or below that of version 0. `None` if there are none.
pub(super) fn harmed(case: &Compared<'_>, key: &str, [candidate, baseline]: [&Histogram; 2]) -> Option<[Histogram; 2]> {
    let [own, reference] = case.loads.map(|load| load.is_some_and(|load| load.version_from.is_some()));
    let encoded = case.insights.unknown_version.and_then(|version| case.insights.histograms.get(version)?.get(key));
    let unknown = histogram::decode(encoded.filter(|_| own || reference)?).ok()?;
    let slow = Timeouts::of_unknown(case.insights, key).without_end(&unknown);
    let (mut worst, mut fastest) = (candidate.clone(), baseline.clone());
    for cell in unknown.iter_recorded() {
        let (value, count) = (cell.value_iterated_to(), cell.count_at_value());
        if reference && unknown.lowest_equivalent(value) as f64 <= case.values[1] * MICROS {
            fastest.saturating_record_n(unknown.lowest_equivalent(value), count);
        }
    }
    for cell in slow.iter_recorded().filter(|_| own) {
        let (value, count) = (cell.value_iterated_to(), cell.count_at_value());
        if slow.highest_equivalent(value) as f64 > case.values[0] * MICROS {
            worst.saturating_record_n(value, count);
        }
    }
    Some([worst, fastest])
}
