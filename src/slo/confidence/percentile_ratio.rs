//! Ratio of two percentiles.

use super::columns::{Columns, Effect};
use super::compared::{Compared, Harm, Measured, harmed};
use super::finding::Finding;
use super::words::Scale;
use crate::confidence::design_effect::{DesignEffect, FEW_AT_END, student_factor, tail_rule};
use crate::confidence::order::{Ranked, Samples};
use crate::confidence::{needs, ratio};
use crate::metrics::histogram::Histogram;
use crate::model::load::LoadRecord;
use crate::model::slo::{Dependence, DependenceSource, Method, Outcome};
use crate::slo::timeouts::Timeouts;

/// Percentiles of the whole load whose exceedances per interval documents have.
const COLUMNS: [f64; 3] = [50.0, 90.0, 99.0];
/// The one that stands in for percentiles above it that few requests exceed.
const TAIL: f64 = 90.0;

/// Judges the ratio of the percentiles `p` of latencies.
pub(super) fn of_histograms(
    case: &Compared<'_>,
    key: &str,
    p: f64,
    [candidate, baseline]: [&Histogram; 2],
) -> Result<Finding, String> {
    let (effect, from) = percentile_effect(case, key, p, candidate, baseline)?;
    let harm = harmed(case, key, [candidate, baseline]);
    let harm = harm.as_ref().map(|[worst, fastest]| [worst, fastest]);
    let finding = percentiles(case, p, [candidate, baseline], harm, effect, from);
    let timeouts = Timeouts::of(case.insights, case.verdict.version, key);
    if finding.outcome != Outcome::Satisfied || timeouts.count + timeouts.lost == 0 {
        return Ok(finding);
    }
    let longest = timeouts.without_end(candidate);
    let [_, end] = ratio::interval(&longest, baseline, p / 100.0, effect, case.alpha);
    Ok(match end {
        Some(end) if end <= case.verdict.limit => finding,
        _ => {
            let reason = format!(
                "{}; requests that timed out or got no response may have taken arbitrarily long",
                finding.reason
            );
            Finding { outcome: Outcome::Inconclusive, reason, ..finding }
        }
    })
}

/// Judges the ratio of the percentiles `p` of single values, which are taken as independent.
pub(super) fn of_samples(case: &Compared<'_>, p: f64, samples: [&[f64]; 2]) -> Result<Finding, String> {
    let [Some(candidate), Some(baseline)] = samples.map(Samples::new) else {
        return Err("a sample is not a number".to_owned());
    };
    let total = (candidate.count() + baseline.count()) as f64;
    if total < 4.0 {
        return Err("one sample does not show how far others may be".to_owned());
    }
    let effect = DesignEffect { deff: p / 100.0 * total / (total - 1.0), df: (total / 2.0 - 1.0).max(1.0) };
    Ok(percentiles(case, p, [&candidate, &baseline], None, effect, DependenceSource::None))
}

fn percentiles<R: Ranked>(
    case: &Compared<'_>,
    p: f64,
    [candidate, baseline]: [&R; 2],
    harmed: Option<[&R; 2]>,
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
    let harm = harmed
        .map_or(Harm::None, |[worst, fastest]| Harm::End(ratio::interval(worst, fastest, q, effect, case.alpha)[1]));
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
    let columns = case.loads.map(|load| load.map(Columns::of).transpose().map(Option::flatten));
    let [candidate_columns, baseline_columns] = columns;
    let (candidate_columns, baseline_columns) = (candidate_columns?, baseline_columns?);
    let of_load = |(effect, from): (DesignEffect, DependenceSource)| {
        if case.is_latency(key) {
            return (effect, from);
        }
        // Several values of one request depend on each other.
        let requests: f64 = [candidate_columns, baseline_columns].into_iter().flatten().map(Columns::total).sum();
        let values = if requests > 0.0 { (total / requests).max(1.0) } else { 1.0 };
        (DesignEffect { deff: effect.deff * values, ..effect }, DependenceSource::Latency)
    };
    let tail = (1.0 - p / 100.0) * total;
    if let Some(pair) = case.loads[0].filter(|_| case.is_simultaneous).and_then(|load| pair(load, p, tail)) {
        return Ok(of_load(pair));
    }
    let (Some(own), Some(reference)) = (candidate_columns, baseline_columns) else {
        let assumed = Effect::none(total);
        return Ok((assumed.effect, assumed.from));
    };
    match unpaired(own, reference, p, tail)? {
        Some(found) => Ok(of_load(found)),
        None => {
            let assumed = Effect::none(total);
            Ok((assumed.effect, assumed.from))
        }
    }
}

/// The recorded pair of a percentile, with the tail rule for `tail` slow requests of both.
fn pair(load: &LoadRecord, p: f64, tail: f64) -> Option<(DesignEffect, DependenceSource)> {
    let (own, from) = nearest_pair(load, p)?;
    let over_p90 = if p > TAIL { nearest_pair(load, TAIL).map(|(effect, _)| effect) } else { None };
    let (chosen, is_tail) = tail_rule(own, tail, over_p90, FEW_AT_END);
    Some((chosen, if is_tail { DependenceSource::P90 } else { from }))
}

/// The recorded pair of a percentile, or the larger one of the nearest two.
fn nearest_pair(load: &LoadRecord, p: f64) -> Option<(DesignEffect, DependenceSource)> {
    let is_sound = |deff: f64, df: f64| deff.is_finite() && deff > 0.0 && df.is_finite() && df >= 1.0;
    let sound = || load.pairs.iter().filter(|pair| is_sound(pair.deff, pair.df));
    let below = sound().filter(|pair| pair.percentile <= p).max_by(|a, b| a.percentile.total_cmp(&b.percentile));
    let above = sound().filter(|pair| pair.percentile >= p).min_by(|a, b| a.percentile.total_cmp(&b.percentile));
    let pair = below.into_iter().chain(above).max_by(|a, b| a.deff.total_cmp(&b.deff))?;
    let from = if pair.is_from_p90 { DependenceSource::P90 } else { DependenceSource::Blocks };
    // Less than that of independent requests was edited: their tail is drawn without replacement.
    Some((DesignEffect { deff: pair.deff.max(p / 100.0), df: pair.df }, from))
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
            found = Some(found.map_or(next, |best| best.larger(next)));
        }
    }
    let Some(own) = found else { return Ok(None) };
    let over_p90 = if p > TAIL { effect(TAIL)? } else { None };
    let (chosen, is_tail) = tail_rule(own, tail, over_p90, FEW_AT_END);
    Ok(Some((chosen, if is_tail { DependenceSource::P90 } else { DependenceSource::Blocks })))
}
