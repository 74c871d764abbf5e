//! Means, by the sums of a load's intervals, or of single values.

use super::case::{Case, Values};
use super::certain;
use super::columns::Columns;
use super::finding::Finding;
use super::percentile::{clipped, sentence};
use super::share::{open_because, tenths};
use super::words::basis;
use crate::confidence::beta::student;
use crate::confidence::blocks::SumBlock;
use crate::confidence::mean::{self, Mean};
use crate::confidence::{family, needs};
use crate::metrics::Distribution;
use crate::metrics::histogram::{self, Histogram};
use crate::model::insights::Insights;
use crate::model::load::LoadRecord;
use crate::model::metric_name::Aggregation;
use crate::model::slo::{Bound, Dependence, DependenceSource, Method, Needs, Outcome};

/// µs per msec.
const MICROS: f64 = 1_000.0;
/// Least error of a mean, relative to it, that is not the rounding of sums.
const MIN_SPREAD: f64 = 1e-9;
/// Reason of values without spread.
const EQUAL: &str = "equal values do not show how far others may be";

/// An estimated mean in the metric's unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub mean: Mean,
    pub from: DependenceSource,
    /// True if the interval is that of Student alone, without a correction for skewness.
    is_plain: bool,
}

impl Estimate {
    /// Returns the interval for an error of each end.
    pub fn interval(&self, alpha: f64) -> [Option<f64>; 2] {
        if !self.is_plain {
            return mean::interval(&self.mean, alpha);
        }
        let reach = student(1.0 - alpha, self.mean.df).map(|t| t * self.mean.error).filter(|reach| reach.is_finite());
        [reach.map(|reach| self.mean.mean - reach), reach.map(|reach| self.mean.mean + reach)]
    }

    /// Returns the dependence as documents hold it.
    pub fn dependence(&self) -> Dependence {
        Dependence { deff: self.mean.deff, df: self.mean.df, from: self.from }
    }

    /// Independent observations that the values are worth; `None` if their independence is assumed.
    pub fn effective(&self) -> Option<f64> {
        (self.from != DependenceSource::None).then(|| self.mean.total / self.mean.deff)
    }
}

/// Judges the mean of the values under `key`.
pub(super) fn judge(case: &Case<'_>, key: &str, values: &Values<'_>) -> Finding {
    let estimate = match values {
        Values::Histogram(histogram) => {
            of_histogram(case.load, &Latency::of(case.insights, case.version, key), histogram)
        }
        Values::Samples(samples) => of_samples(samples),
        Values::Summary(parts) => of_summary(*parts),
        Values::Buckets(_) => return certain::unknown(case, "a mean of buckets has no interval"),
    };
    match estimate {
        Ok(estimate) => with_estimate(case, key, &estimate),
        Err(reason) => Finding::open(Method::Mean, case.alpha, format!("{}; {reason}", case.point_reason)),
    }
}

fn with_estimate(case: &Case<'_>, key: &str, estimate: &Estimate) -> Finding {
    let interval = |alpha: f64| estimate.interval(alpha);
    let [lower, upper] = interval(case.alpha);
    let harm = unknown(case, key);
    let (is_satisfied, is_harmed, is_violated, p) = match case.bound {
        Bound::Upper => (
            upper.is_some_and(|end| end + harm <= case.limit),
            upper.is_some_and(|end| end <= case.limit && end + harm > case.limit),
            lower.is_some_and(|end| end > case.limit),
            family::p_of_lower_end(case.limit, |alpha| interval(alpha)[0]),
        ),
        Bound::Lower => (
            lower.is_some_and(|end| end - harm >= case.limit),
            lower.is_some_and(|end| end >= case.limit && end - harm < case.limit),
            upper.is_some_and(|end| end < case.limit),
            family::p_of_upper_end(case.limit, |alpha| interval(alpha)[1]),
        ),
    };
    let outcome = match () {
        () if is_satisfied && case.is_within => Outcome::Satisfied,
        () if is_violated && !case.is_within => Outcome::Violated,
        () => Outcome::Inconclusive,
    };
    let total = estimate.mean.total;
    let needs = (outcome == Outcome::Inconclusive && !is_harmed).then(|| needs(case, estimate)).flatten();
    let basis = basis(case.alpha, total as u64, estimate.effective(), case.noun());
    let why = open_because(is_harmed, needs, case.noun());
    let ends = clipped([lower, upper], case, outcome);
    Finding {
        outcome,
        interval: Some(ends),
        effective: Some(total / estimate.mean.deff),
        dependence: Some(estimate.dependence()),
        needs,
        p_violated: Some(p),
        ..Finding::open(Method::Mean, case.alpha, sentence(case, case.scale(), outcome, ends, &basis, &why))
    }
}

/// Further observations that would probably decide: the distance to the limit is compared with the spread of single values, or with the
/// interval if that is wider than the spread alone explains, because of skewness or few intervals.
fn needs(case: &Case<'_>, estimate: &Estimate) -> Option<Needs> {
    let Mean { mean, error, total, .. } = estimate.mean;
    let distance = (mean - case.limit).abs();
    let by_spread = needs::by_deviation(error * total.sqrt(), distance, case.alpha)?;
    let [lower, upper] = estimate.interval(case.alpha);
    let end = if mean <= case.limit { upper } else { lower };
    let by_width = end.and_then(|end| needs::by_width(end - mean, distance, total, case.alpha));
    let requests = needs::missing(by_width.filter(|_| by_spread <= total).unwrap_or(by_spread), total)?;
    Some(Needs { requests, seconds: case.rate(total).map(|rate| tenths(requests as f64 / rate)) })
}

/// The load's latency, whose sums per interval are known, beside a distribution.
pub(super) enum Latency {
    /// It is the distribution.
    Own,
    /// Variance and skewness of it; `None` if it cannot be read.
    Other(Option<[f64; 2]>),
}

impl Latency {
    pub fn of(insights: &Insights, version: usize, key: &str) -> Self {
        match key.split_once('/') {
            Some((_, "latency")) => Self::Own,
            Some((provider, _)) => {
                let key = format!("{provider}/latency");
                let encoded = insights.histograms.get(version).and_then(|values| values.get(&key));
                let latency = encoded.and_then(|encoded| histogram::decode(encoded).ok());
                Self::Other(latency.map(|latency| mean::moments(&latency)))
            }
            None => Self::Other(None),
        }
    }
}

/// Estimates a mean of latencies in msec. That of the load's latency has exact sums per interval; others take its dependence.
pub(super) fn of_histogram(
    load: Option<&LoadRecord>,
    latency: &Latency,
    values: &Histogram,
) -> Result<Estimate, String> {
    let total = values.len() as f64;
    let [variance, skewness] = mean::moments(values);
    let columns = load.map(Columns::of).transpose()?.flatten();
    let sums = match columns {
        Some(columns) => columns.sums()?,
        None => None,
    };
    let of_sums = |sums: Vec<SumBlock>| {
        // Sums of latencies vary as latencies do, not as the values of another distribution.
        let moments = match latency {
            Latency::Own => Some([variance, skewness]),
            Latency::Other(moments) => *moments,
        };
        let [variance, skewness] = moments.ok_or("the distribution of the load's latency is missing")?;
        mean::mean(&sums, variance, skewness).ok_or(EQUAL)
    };
    let (own, from) = match sums.map(of_sums).transpose()? {
        Some(mean) if matches!(latency, Latency::Own) && (mean.total - total).abs() < 0.5 => {
            (mean, DependenceSource::Blocks)
        }
        other => {
            let (deff, df, from) = match other {
                // Several values of one request depend on each other.
                Some(mean) => (mean.deff * (total / mean.total).max(1.0), mean.df, DependenceSource::Latency),
                None => (1.0, (total - 1.0).max(1.0), DependenceSource::None),
            };
            let error = (deff * variance / total).sqrt();
            (Mean { mean: values.mean(), error, deff, df, skewness, total }, from)
        }
    };
    check_spread(own.mean, own.error)?;
    let mean = Mean { mean: own.mean / MICROS, error: own.error / MICROS, ..own };
    Ok(Estimate { mean, from, is_plain: false })
}

/// Estimates a mean of single values, each of which is a block.
pub(super) fn of_samples(samples: &[f64]) -> Result<Estimate, String> {
    let blocks: Vec<SumBlock> = samples.iter().map(|value| SumBlock { n: 1.0, sum: *value }).collect();
    let [variance, skewness] = mean::sample_moments(samples);
    if samples.len() < 2 {
        return Err("one sample does not show how far others may be".to_owned());
    }
    let mean = mean::mean(&blocks, variance, skewness).ok_or(EQUAL)?;
    check_spread(mean.mean, mean.error)?;
    Ok(Estimate { mean, from: DependenceSource::Blocks, is_plain: false })
}

/// Rejects values without spread; sums of equal values differ in their last digits.
fn check_spread(mean: f64, error: f64) -> Result<(), String> {
    let is_spread = error.is_finite() && error > MIN_SPREAD * mean.abs();
    if is_spread { Ok(()) } else { Err(EQUAL.to_owned()) }
}

/// Estimates the mean of a summary, whose values are taken as independent: `mean ± t·s/√n`.
fn of_summary(parts: [f64; 5]) -> Result<Estimate, String> {
    let [total, ..] = parts;
    let summary = Distribution::of_summary(parts);
    let deviation = summary.aggregate(Aggregation::StdDev).ok_or("one value does not show how far others may be")?;
    let error = deviation / total.sqrt();
    check_spread(summary.mean(), error)?;
    let mean = Mean { mean: summary.mean(), error, deff: 1.0, df: total - 1.0, skewness: 0.0, total };
    Ok(Estimate { mean, from: DependenceSource::None, is_plain: true })
}

/// Largest change of the mean by requests of unknown origin, if they are this version's.
fn unknown(case: &Case<'_>, key: &str) -> f64 {
    let is_attributed = case.load.is_some_and(|load| load.version_from.is_some());
    if is_attributed { shift(case.insights, case.version, key, case.value, case.bound) } else { 0.0 }
}

/// Change of a version's mean in msec by all values of unknown origin on one side of it.
pub(super) fn shift(insights: &Insights, version: usize, key: &str, value: f64, bound: Bound) -> f64 {
    let of = |version: usize| histogram::decode(insights.histograms.get(version)?.get(key)?).ok();
    let Some((own, unknown)) = of(version).zip(insights.unknown_version.and_then(of)) else { return 0.0 };
    let mut worst = own;
    for cell in unknown.iter_recorded() {
        let is_worse = !bound.admits(cell.value_iterated_to() as f64 / MICROS, value);
        if is_worse {
            worst.saturating_record_n(cell.value_iterated_to(), cell.count_at_value());
        }
    }
    (worst.mean() / MICROS - value).abs()
}
