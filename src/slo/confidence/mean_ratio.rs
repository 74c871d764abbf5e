//! Ratio of two means.

use super::columns::{Columns, aligned};
use super::compared::{Compared, Harm, Measured, harmed};
use super::finding::Finding;
use super::mean::{self, Estimate, Latency};
use super::words::Scale;
use crate::confidence;
use crate::confidence::beta::student;
use crate::confidence::blocks::{SumBlock, SumPair, paired_sums};
use crate::metrics::histogram::Histogram;
use crate::model::slo::Method;
use crate::slo::comparison::Comparison;
use crate::slo::relative::{BASELINE, compared};

/// Judges the ratio of two means of single values; as many of both are paired in order of time.
pub(super) fn of_samples(case: &Compared<'_>, [candidate, baseline]: [&[f64]; 2]) -> Result<Finding, String> {
    let blocks =
        |values: &[f64]| values.iter().map(|value| SumBlock { n: 1.0, sum: *value }).collect::<Vec<SumBlock>>();
    // Sorted samples, as long documents keep them, are no longer in the order of time.
    let is_paired = candidate.len() == baseline.len() && !candidate.is_sorted() && !baseline.is_sorted();
    let pairs = is_paired.then(|| paired_sums(&blocks(candidate), &blocks(baseline)));
    let estimates = [mean::of_samples(candidate)?, mean::of_samples(baseline)?];
    Ok(with_estimates(case, estimates, pairs.as_deref(), Harm::None))
}

/// Judges the ratio of two means of latencies.
pub(super) fn of_histograms(
    case: &Compared<'_>,
    key: &str,
    [candidate, baseline]: [&Histogram; 2],
) -> Result<Finding, String> {
    let is_latency = case.is_latency(key);
    let latency = |version: usize| Latency::of(case.insights, version, key);
    let estimates = [
        mean::of_histogram(case.loads[0], &latency(case.verdict.version), candidate)?,
        mean::of_histogram(case.loads[1], &latency(BASELINE), baseline)?,
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
    let harm = match harmed(case, key, [candidate, baseline]) {
        None => Harm::None,
        Some([worst, fastest]) => {
            let factor = worst.mean() / candidate.mean() * (baseline.mean() / fastest.mean());
            let upper = ratio_of_means(&estimates, pairs.as_deref(), case.alpha)[1];
            Harm::End(upper.map(|end| end * factor).filter(|end| end.is_finite()))
        }
    };
    Ok(with_estimates(case, estimates, pairs.as_deref(), harm))
}

fn with_estimates(case: &Compared<'_>, estimates: [Estimate; 2], pairs: Option<&[SumPair]>, harm: Harm) -> Finding {
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
fn ratio_of_means(estimates: &[Estimate; 2], pairs: Option<&[SumPair]>, alpha: f64) -> [Option<f64>; 2] {
    if let Some(pairs) = pairs {
        return match confidence::mean_ratio::interval(pairs, alpha) {
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
