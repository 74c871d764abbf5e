//! Candidates against version 0.
//!
//! Versions that were measured in the same seconds share their disturbances, which cancel in a comparison interval by interval. Otherwise the
//! variances add up, and what changed in between counts as difference.

use super::case::{self, Values};
use super::columns::{Columns, Effect, aligned};
use super::finding::Finding;
use super::mean;
use super::rate::{self, Counts};
use super::share::{needs_text, tenths};
use super::words::{Scale, basis};
use crate::confidence::beta::{normal, student};
use crate::confidence::blocks::{Block, SumBlock, SumPair, paired, paired_sums};
use crate::confidence::design_effect::{DesignEffect, FEW_AT_END, student_factor, tail_rule};
use crate::confidence::order::{Ranked, Samples};
use crate::confidence::{difference, family, mean_ratio, needs, ratio};
use crate::metrics::MetricsView;
use crate::metrics::histogram::{self, Histogram};
use crate::model::insights::Insights;
use crate::model::load::LoadRecord;
use crate::model::metric::Reading;
use crate::model::metric_name::{Aggregation, MetricName};
use crate::model::objectives::Confidence;
use crate::model::slo::{Bound, Dependence, DependenceSource, Method, Needs, Outcome, Verdict};
use crate::slo::comparison::{Comparison, comparison};
use crate::slo::load_validity::named_statistic;
use crate::slo::relative::{BASELINE, compared};

/// Most further requests that are worth telling.
const MAX_NEEDS: f64 = 1e7;
/// Chance of 4 in 5 that so many requests decide.
const POWER_QUANTILE: f64 = 0.841_621_233_572_914_2;
/// Largest relative difference between a value and that of its distribution.
const MAX_DIFFERENCE: f64 = 0.01;
/// Percentiles of the whole load whose exceedances per interval documents have.
const COLUMNS: [f64; 3] = [50.0, 90.0, 99.0];
/// The one that stands in for percentiles above it that few requests exceed.
const TAIL: f64 = 90.0;

/// A comparison of a candidate with version 0.
struct Compared<'a> {
    insights: &'a Insights,
    verdict: &'a Verdict,
    name: &'a MetricName,
    loads: [Option<&'a LoadRecord>; 2],
    /// Values of candidate and version 0.
    values: [f64; 2],
    value: f64,
    alpha: f64,
    is_strict: bool,
    is_simultaneous: bool,
}

/// Interval as a function of the error of each end, and what it rests on.
struct Measured<F: Fn(f64) -> [Option<f64>; 2]> {
    method: Method,
    scale: Scale<'static>,
    interval: F,
    /// Highest factor of the upper end if requests of unknown origin are the candidate's, or the difference that they add.
    harm: Harm,
    dependence: Dependence,
    /// Observations of candidate and version 0.
    totals: [f64; 2],
    /// Independent observations that both are worth together.
    effective: f64,
    /// Observations of the candidate with which the interval has two ends.
    least: Option<f64>,
}

/// Effect of requests of unknown origin on the upper end.
#[derive(Clone, Copy)]
enum Harm {
    None,
    /// The upper end with them.
    End(Option<f64>),
}

/// Judges a verdict relative to version 0, whose value has decided it; `None` if its metric cannot be compared.
pub(super) fn judge(insights: &Insights, verdict: &Verdict, confidence: &Confidence) -> Option<Finding> {
    let name = verdict.metric.name().ok()?;
    let comparison = comparison(&verdict.metric)?;
    let loads = [verdict.version, BASELINE].map(|version| insights.load.get(version)?.get(&name.provider));
    let value = |version: usize| match MetricsView::new(insights, version).get(name).reading {
        Reading::Value(value) => Some(value),
        Reading::Missing(_) => None,
    };
    let case = Compared {
        insights,
        verdict,
        name,
        loads,
        values: [value(verdict.version)?, value(BASELINE)?],
        value: verdict.value?,
        alpha: loads.map(|load| case::alpha(load, confidence)).into_iter().fold(1.0, f64::min),
        is_strict: confidence.is_strict,
        is_simultaneous: are_simultaneous(loads),
    };
    let judged = match comparison {
        Comparison::Difference => of_rates(&case),
        Comparison::Ratio => of_distributions(&case),
    };
    let method = if comparison == Comparison::Difference { Method::Difference } else { Method::Ratio };
    Some(judged.unwrap_or_else(|reason| Finding::open(method, case.alpha, format!("{}; {reason}", verdict.reason))))
}

/// Returns true if both loads started within half an interval of each other.
fn are_simultaneous(loads: [Option<&LoadRecord>; 2]) -> bool {
    let [Some(candidate), Some(baseline)] = loads else { return false };
    let (Some(a), Some(b)) = (candidate.start, baseline.start) else { return false };
    let (Some(series), Some(other)) = (&candidate.series, &baseline.series) else { return false };
    let interval = series.interval.0.min(other.interval.0);
    (a - b).abs().to_std().is_ok_and(|apart| apart.saturating_mul(2) <= interval)
}

impl Compared<'_> {
    /// Returns the values of the metric of candidate and version 0.
    fn distributions(&self) -> Option<(String, Aggregation, [Values<'_>; 2])> {
        let (key, aggregation) = self.name.distribution().or_else(|| named_statistic(self.name))?;
        let [candidate, baseline] =
            [self.verdict.version, BASELINE].map(|version| case::values(self.insights, version, &key));
        let values = [candidate?, baseline?];
        let is_its = |(values, value): (&Values<'_>, f64)| {
            let own = values.aggregate(aggregation);
            own.is_some_and(|own| (own - value).abs() <= MAX_DIFFERENCE * own.abs().max(value.abs()))
        };
        values.iter().zip(self.values).all(is_its).then_some((key, aggregation, values))
    }

    fn is_latency(&self, key: &str) -> bool {
        self.loads.iter().all(Option::is_some) && key.split_once('/') == Some((self.name.provider.as_str(), "latency"))
    }

    fn noun(&self) -> &'static str {
        if self.loads.iter().all(Option::is_some) { "requests" } else { "samples" }
    }

    /// A value of which nothing shows how sure it is.
    fn unknown(&self, why: &str) -> Finding {
        let is_within = Bound::Upper.admits(self.value, self.verdict.limit);
        let outcome = match is_within {
            _ if self.is_strict => Outcome::Inconclusive,
            true => Outcome::Satisfied,
            false => Outcome::Violated,
        };
        let strict = if self.is_strict { ", and `strict` needs an interval" } else { "" };
        let reason = format!("{}; {why}{strict}", self.verdict.reason);
        Finding { outcome, ..Finding::open(Method::Point, self.alpha, reason) }
    }

    /// Compares the interval with the limit.
    fn finish<F: Fn(f64) -> [Option<f64>; 2]>(&self, measured: &Measured<F>) -> Finding {
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
        let why = match is_harmed {
            true => "requests of unknown origin may be its own".to_owned(),
            false => needs_text(needs, self.noun()),
        };
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

    fn sentence(
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
                "{metric} {is} {}{of}, between {} and {} ({basis}); the limit of {} lies between: {why}",
                text(self.value),
                text(low),
                text(high),
                text(limit)
            ),
            (_, [low, _]) => {
                let low = low.map(|low| format!(", at least {}", text(low))).unwrap_or_default();
                format!(
                    "{metric} {is} {}{of}{low} ({basis}), too little to say at most how much: {why}",
                    text(self.value)
                )
            }
        }
    }

    /// Further requests of each version that would probably decide: the width of the interval shrinks with the root of their number.
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
            let width = (scaled(end) - scaled(self.value)).abs() * (1.0 + POWER_QUANTILE / normal(1.0 - self.alpha)?);
            let distance = (scaled(limit) - scaled(self.value)).abs();
            Some(total * (width / distance).powi(2))
        });
        let requests = match (by_width, measured.least) {
            (Some(by_width), _) => by_width,
            (None, least) => least?,
        };
        let requests = needs::missing(Some(requests).filter(|requests| *requests <= MAX_NEEDS)?, total)?;
        let seconds =
            self.loads[0].map(|load| load.duration.0.as_secs_f64()).map(|all| requests as f64 / (total / all));
        let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0).map(tenths);
        Some(Needs { requests, seconds })
    }
}

/// Difference of two error rates.
fn of_rates(case: &Compared<'_>) -> Result<Finding, String> {
    let counts = |version: usize| rate::counts(case.insights, version, &case.name.provider);
    let (Some(candidate), Some(baseline)) = (counts(case.verdict.version), counts(BASELINE)) else {
        return Ok(case.unknown("two single numbers do not show how sure their difference is"));
    };
    let (candidate, baseline) = (candidate?, baseline?);
    let is_its = |(counts, value): (&Counts, f64)| {
        let ratio = counts.errors / counts.requests;
        (ratio - value).abs() <= MAX_DIFFERENCE * ratio.max(value)
    };
    if ![&candidate, &baseline].into_iter().zip(case.values).all(is_its) {
        return Ok(case.unknown("the counts beside the rates are not theirs"));
    }
    let block = |counts: &Counts| Block { n: counts.requests, k: counts.errors };
    let (own, reference) = (block(&candidate), block(&baseline));
    let (effect, from) = rate_effect(case, &candidate, &baseline)?;
    let totals = [own.n, reference.n];
    let all = own.n + reference.n;
    let factor = student_factor(all, effect.df, case.alpha).ok_or("its counts are impossible")? / effect.deff;
    let harm = Block { n: own.n + candidate.unknown[0], k: own.k + candidate.unknown[0] };
    let spared = Block { n: reference.n + baseline.unknown[1], k: reference.k };
    let is_harmed = candidate.unknown[0] > 0.0 || baseline.unknown[1] > 0.0;
    let worst = difference::interval(harm, spared, effect, case.alpha).map(|ends| ends[1]);
    Ok(case.finish(&Measured {
        method: Method::Difference,
        scale: Scale::Points,
        interval: |alpha| match difference::interval(own, reference, effect, alpha) {
            Some([lower, upper]) => [Some(lower), Some(upper)],
            None => [None, None],
        },
        harm: if is_harmed { Harm::End(worst) } else { Harm::None },
        dependence: Dependence { deff: effect.deff, df: effect.df, from },
        totals,
        effective: all * factor.min(1.0),
        least: None,
    }))
}

fn rate_effect(
    case: &Compared<'_>,
    candidate: &Counts,
    baseline: &Counts,
) -> Result<(DesignEffect, DependenceSource), String> {
    let impossible = || "no interval of the loads has requests".to_owned();
    if let [Some(a), Some(b)] = case.loads.map(|load| load.and_then(|load| load.series.as_ref())) {
        let effect = match aligned(a, b).filter(|_| case.is_simultaneous) {
            Some([a, b]) => {
                difference::design_effect(&paired(&Columns::new(&a)?.errors()?, &Columns::new(&b)?.errors()?))
            }
            None => difference::design_effect_unpaired(&candidate.effect.blocks, &baseline.effect.blocks),
        };
        return Ok((effect.ok_or_else(impossible)?, DependenceSource::Blocks));
    }
    let [a, b] = [candidate, baseline].map(|counts| &counts.effect.blocks);
    let is_stepwise = a.len() == b.len() && a.len() >= 2 && case.loads.iter().all(Option::is_none);
    if is_stepwise {
        // Steps of one time range.
        return Ok((difference::design_effect(&paired(a, b)).ok_or_else(impossible)?, DependenceSource::Blocks));
    }
    let assumed = Effect::none(candidate.requests + baseline.requests);
    Ok((assumed.effect, assumed.from))
}

/// Ratio of two percentiles or means.
fn of_distributions(case: &Compared<'_>) -> Result<Finding, String> {
    let Some((key, aggregation, values)) = case.distributions() else {
        return Ok(case.unknown("two single numbers do not show how sure their ratio is"));
    };
    match (aggregation, &values) {
        (Aggregation::Percentile(p), [Values::Histogram(candidate), Values::Histogram(baseline)]) => {
            let (effect, from) = percentile_effect(case, &key, p, candidate, baseline)?;
            let harm = harmed(case, &key, candidate);
            Ok(percentiles(case, p, [candidate, baseline], harm.as_ref(), effect, from))
        }
        (Aggregation::Percentile(p), [Values::Samples(candidate), Values::Samples(baseline)]) => {
            let not_numbers = || "a sample is not a number".to_owned();
            let samples = [candidate, baseline].map(|values| Samples::new(values));
            let [Some(candidate), Some(baseline)] = samples else { return Err(not_numbers()) };
            let total = (candidate.count() + baseline.count()) as f64;
            if total < 4.0 {
                return Err("one sample does not show how far others may be".to_owned());
            }
            let effect = DesignEffect { deff: p / 100.0 * total / (total - 1.0), df: (total / 2.0 - 1.0).max(1.0) };
            Ok(percentiles(case, p, [&candidate, &baseline], None, effect, DependenceSource::None))
        }
        (Aggregation::Mean, [Values::Histogram(candidate), Values::Histogram(baseline)]) => {
            means(case, &key, [candidate, baseline])
        }
        (Aggregation::Mean, [Values::Samples(candidate), Values::Samples(baseline)]) => {
            let pairs = (candidate.len() == baseline.len()).then(|| {
                let blocks = |values: &[f64]| {
                    values.iter().map(|value| SumBlock { n: 1.0, sum: *value }).collect::<Vec<SumBlock>>()
                };
                paired_sums(&blocks(candidate), &blocks(baseline))
            });
            let estimates = [mean::of_samples(candidate)?, mean::of_samples(baseline)?];
            Ok(mean_ratio_of(case, estimates, pairs.as_deref(), Harm::None))
        }
        _ => Ok(case.unknown("values of this form have no interval of their ratio")),
    }
}

/// Latencies of the candidate with all of unknown origin that are above its percentile.
fn harmed(case: &Compared<'_>, key: &str, candidate: &Histogram) -> Option<Histogram> {
    let is_attributed = case.loads[0].is_some_and(|load| load.version_from.is_some());
    let encoded = case.insights.unknown_version.and_then(|version| case.insights.histograms.get(version)?.get(key));
    let unknown = histogram::decode(encoded.filter(|_| is_attributed)?).ok()?;
    let mut worst = candidate.clone();
    for cell in unknown.iter_recorded() {
        if cell.value_iterated_to() as f64 > case.values[0] * 1_000.0 {
            worst.saturating_record_n(cell.value_iterated_to(), cell.count_at_value());
        }
    }
    Some(worst)
}

fn percentiles<R: Ranked>(
    case: &Compared<'_>,
    p: f64,
    [candidate, baseline]: [&R; 2],
    harmed: Option<&R>,
    effect: DesignEffect,
    from: DependenceSource,
) -> Finding {
    let q = p / 100.0;
    let totals = [candidate.count() as f64, baseline.count() as f64];
    let all = totals.iter().sum::<f64>();
    let factor = student_factor(all, effect.df, case.alpha).unwrap_or(0.0) / effect.deff;
    let size = (1.0 - q) * all * factor;
    // So many independent requests in the tail are needed for an upper end.
    let least = needs::least_effective(totals[0] / all, case.alpha).map(|least| totals[0] * least / size);
    let harm =
        harmed.map_or(Harm::None, |harmed| Harm::End(ratio::interval(harmed, baseline, q, effect, case.alpha)[1]));
    case.finish(&Measured {
        method: Method::Ratio,
        scale: Scale::Times,
        interval: |alpha| ratio::interval(candidate, baseline, q, effect, alpha),
        harm,
        dependence: Dependence { deff: effect.deff, df: effect.df, from },
        totals,
        effective: all * factor,
        least: least.filter(|least| least.is_finite()),
    })
}

/// Dependence of the ratio of two percentiles: that of the pair if both were measured in the same seconds, else those of both.
fn percentile_effect(
    case: &Compared<'_>,
    key: &str,
    p: f64,
    candidate: &Histogram,
    baseline: &Histogram,
) -> Result<(DesignEffect, DependenceSource), String> {
    let total = (candidate.len() + baseline.len()) as f64;
    let of_load = |(effect, from): (DesignEffect, DependenceSource)| {
        (effect, if case.is_latency(key) { from } else { DependenceSource::Latency })
    };
    let columns = case.loads.map(|load| load.map(Columns::of).transpose().map(Option::flatten));
    let [candidate_columns, baseline_columns] = columns;
    let (candidate_columns, baseline_columns) = (candidate_columns?, baseline_columns?);
    if let Some(pair) = case.loads[0].filter(|_| case.is_simultaneous).and_then(|load| pair(load, p)) {
        return Ok(of_load(pair));
    }
    let (Some(own), Some(reference)) = (candidate_columns, baseline_columns) else {
        let assumed = Effect::none(total);
        return Ok((assumed.effect, assumed.from));
    };
    match unpaired(own, reference, p, (1.0 - p / 100.0) * total)? {
        Some(found) => Ok(of_load(found)),
        None => {
            let assumed = Effect::none(total);
            Ok((assumed.effect, assumed.from))
        }
    }
}

/// The recorded pair of a percentile, or the larger one of the nearest two.
fn pair(load: &LoadRecord, p: f64) -> Option<(DesignEffect, DependenceSource)> {
    let is_sound = |deff: f64, df: f64| deff.is_finite() && deff > 0.0 && df.is_finite() && df >= 1.0;
    let sound = || load.pairs.iter().filter(|pair| is_sound(pair.deff, pair.df));
    let below = sound().filter(|pair| pair.percentile <= p).max_by(|a, b| a.percentile.total_cmp(&b.percentile));
    let above = sound().filter(|pair| pair.percentile >= p).min_by(|a, b| a.percentile.total_cmp(&b.percentile));
    let pair = below.into_iter().chain(above).max_by(|a, b| a.deff.total_cmp(&b.deff))?;
    let from = if pair.is_from_p90 { DependenceSource::P90 } else { DependenceSource::Blocks };
    Some((DesignEffect { deff: pair.deff, df: pair.df }, from))
}

/// Dependence of two loads that were measured one after another, from the columns next to the percentile.
fn unpaired(
    candidate: Columns<'_>,
    baseline: Columns<'_>,
    p: f64,
    tail: f64,
) -> Result<Option<(DesignEffect, DependenceSource)>, String> {
    let effect = |column: f64| -> Result<Option<DesignEffect>, String> {
        let (Some((_, own)), Some((_, reference))) =
            (candidate.over_percentile(column)?, baseline.over_percentile(column)?)
        else {
            return Ok(None);
        };
        Ok(ratio::design_effect_unpaired(&own, &reference, column / 100.0))
    };
    let below = COLUMNS.into_iter().rfind(|column| *column <= p);
    let above = COLUMNS.into_iter().find(|column| *column >= p);
    let mut found: Option<DesignEffect> = None;
    for column in below.into_iter().chain(above) {
        if let Some(next) = effect(column)? {
            found = Some(found.filter(|best| best.deff >= next.deff).unwrap_or(next));
        }
    }
    let Some(own) = found else { return Ok(None) };
    let over_p90 = if p > TAIL { effect(TAIL)? } else { None };
    let (chosen, is_tail) = tail_rule(own, tail, over_p90, FEW_AT_END);
    Ok(Some((chosen, if is_tail { DependenceSource::P90 } else { DependenceSource::Blocks })))
}

/// Ratio of two means of latencies.
fn means(case: &Compared<'_>, key: &str, [candidate, baseline]: [&Histogram; 2]) -> Result<Finding, String> {
    let is_latency = case.is_latency(key);
    let estimates = [
        mean::of_histogram(case.loads[0], is_latency, candidate)?,
        mean::of_histogram(case.loads[1], is_latency, baseline)?,
    ];
    let mut pairs = None;
    if let [Some(a), Some(b)] = case.loads.map(|load| load.and_then(|load| load.series.as_ref()))
        && is_latency
        && case.is_simultaneous
        && let Some([a, b]) = aligned(a, b)
        && let (Some(a), Some(b)) = (Columns::new(&a)?.sums()?, Columns::new(&b)?.sums()?)
    {
        pairs = Some(paired_sums(&a, &b));
    }
    let harm = match harmed(case, key, candidate) {
        None => Harm::None,
        Some(worst) => {
            let factor = worst.mean() / candidate.mean();
            let upper = ratio_of_means(&estimates, pairs.as_deref(), case.alpha)[1];
            Harm::End(upper.map(|end| end * factor).filter(|end| end.is_finite()))
        }
    };
    Ok(mean_ratio_of(case, estimates, pairs.as_deref(), harm))
}

fn mean_ratio_of(
    case: &Compared<'_>,
    estimates: [mean::Estimate; 2],
    pairs: Option<&[SumPair]>,
    harm: Harm,
) -> Finding {
    let totals = estimates.map(|estimate| estimate.mean.total);
    let effective = estimates.iter().map(|estimate| estimate.mean.total / estimate.mean.deff).sum();
    case.finish(&Measured {
        method: Method::Ratio,
        scale: Scale::Times,
        interval: |alpha| ratio_of_means(&estimates, pairs, alpha),
        harm,
        dependence: estimates[0].dependence(),
        totals,
        effective,
        least: None,
    })
}

/// Interval of the ratio: of pairs of intervals, or from the errors of both means, which add up.
fn ratio_of_means(estimates: &[mean::Estimate; 2], pairs: Option<&[SumPair]>, alpha: f64) -> [Option<f64>; 2] {
    if let Some(pairs) = pairs {
        return match mean_ratio::interval(pairs, alpha) {
            Some([lower, upper]) => [Some(lower), Some(upper)],
            None => [None, None],
        };
    }
    let [candidate, baseline] = estimates.map(|estimate| estimate.mean);
    let relative = [candidate, baseline].map(|mean| (mean.error / mean.mean).powi(2));
    let variance = relative[0] + relative[1];
    // Welch and Satterthwaite.
    let df = variance.powi(2) / (relative[0].powi(2) / candidate.df + relative[1].powi(2) / baseline.df);
    let ratio = compared(Comparison::Ratio, candidate.mean, baseline.mean);
    let reach = student(1.0 - alpha, df).map(|t| t * variance.sqrt());
    let end = |sign: f64| Some(ratio? * (sign * reach?).exp()).filter(|end| end.is_finite());
    [end(-1.0), end(1.0)]
}
