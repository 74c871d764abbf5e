//! Error rates, from the counts of a load, or from counts that a provider has measured beside the rate.

use super::case::Case;
use super::certain;
use super::columns::{Columns, Effect, effect};
use super::finding::Finding;
use super::harmed;
use super::percentile::sentence;
use super::share::{Share, drift, needs_text};
use super::words::{Scale, basis, percent};
use crate::confidence::blocks::Block;
use crate::confidence::proportion;
use crate::model::insights::Insights;
use crate::model::load::LoadRecord;
use crate::model::metric::MetricType;
use crate::model::slo::{Bound, DependenceSource, Method, Outcome};

/// Below this many errors, their dependence on each other does not show.
const FEW_ERRORS: f64 = 20.0;
/// Largest relative difference between a rate and the ratio of its counts.
const MAX_DIFFERENCE: f64 = 0.01;

/// Reason of a rate without requests.
pub(super) const NO_REQUESTS: &str = "no requests were counted";

/// Errors among requests, and their dependence.
pub(super) struct Counts {
    pub errors: f64,
    pub requests: f64,
    pub effect: Effect,
    /// Errors and successes of unknown origin.
    pub unknown: [f64; 2],
    /// Blocks with the errors, and with the successes of unknown origin; `None` if there are none, or nothing shows when they came.
    pub harmed: [Option<Vec<Block>>; 2],
    pub noun: &'static str,
}

/// Judges an error rate.
pub(super) fn judge(case: &Case<'_>) -> Finding {
    let counts = match counts(case.insights, case.version, &case.name.provider) {
        Some(Ok(counts)) => counts,
        Some(Err(reason)) => {
            return Finding::open(Method::Binomial, case.alpha, format!("{}; {reason}", case.point_reason));
        }
        None => return certain::single(case),
    };
    if counts.requests <= 0.0 {
        return Finding::open(Method::Binomial, case.alpha, format!("{}; {NO_REQUESTS}", case.point_reason));
    }
    let ratio = counts.errors / counts.requests;
    let is_its = (ratio - case.value).abs() <= MAX_DIFFERENCE * ratio.max(case.value);
    if !is_its && case.load.is_some() {
        let reason = format!("{}; the counts of the load are not those of this rate", case.point_reason);
        return Finding::open(Method::Binomial, case.alpha, reason);
    }
    if !is_its {
        return certain::unknown(case, "the counts beside it are not those of this rate");
    }
    with_counts(case, &counts).unwrap_or_else(|| {
        Finding::open(Method::Binomial, case.alpha, format!("{}; its counts are impossible", case.point_reason))
    })
}

fn with_counts(case: &Case<'_>, counts: &Counts) -> Option<Finding> {
    let Counts { errors, requests, effect, .. } = counts;
    // A lower limit on the errors is an upper limit on the successes.
    let is_upper = case.bound == Bound::Upper;
    let (bad, theta0) = if is_upper { (*errors, case.limit) } else { (requests - errors, 1.0 - case.limit) };
    let harm = counts.unknown[usize::from(!is_upper)];
    let harmed = counts.harmed[usize::from(!is_upper)].as_deref().and_then(proportion::design_effect);
    let share = Share { bad: [bad; 2], total: *requests, harm, harmed, theta0 };
    let tested = share.test(effect, case.alpha)?;
    let [low, high] = proportion::limits(&tested.shares[0], case.alpha);
    let [low, high] = if is_upper { [low, high] } else { [1.0 - high, 1.0 - low] };
    let needs = (tested.outcome == Outcome::Inconclusive && !tested.is_harmed)
        .then(|| share.needs(&tested, case.alpha, case.rate(*requests)))
        .flatten();
    let effective = tested.shares[0].n;
    let assumed = (!effect.is_assumed()).then_some(effective);
    let basis = basis(case.alpha, *requests as u64, assumed, counts.noun);
    let (metric, limit) = (&case.metric, case.limit);
    let few = if *errors < FEW_ERRORS && effect.effect.deff <= 1.0 && !effect.is_assumed() {
        "; errors taken as independent: fewer than 20 were seen"
    } else {
        ""
    };
    let mut reason = if tested.outcome == Outcome::Inconclusive {
        let why = if tested.is_harmed {
            "requests of unknown origin may be its errors".to_owned()
        } else if limit <= 0.0 && is_upper {
            "no number of requests shows that there are no errors".to_owned()
        } else {
            format!("the limit of {} is within that range: {}", percent(limit), needs_text(needs, counts.noun))
        };
        let (value, between) = (Scale::Percent.text(case.value, limit), Scale::Percent.between(low, high, limit));
        format!("{metric} is {value}, {between} ({basis}); {why}")
    } else {
        sentence(case, Scale::Percent, tested.outcome, [Some(low), Some(high)], &basis, "")
    };
    reason.push_str(few);
    reason.push_str(&drift(effect, "of errors").unwrap_or_default());
    Some(Finding {
        outcome: tested.outcome,
        interval: Some([Some(low), Some(high)]),
        effective: Some(effective),
        dependence: Some(effect.dependence()),
        needs,
        p_violated: Some(tested.p_violated),
        ..Finding::open(Method::Binomial, case.alpha, reason)
    })
}

/// Returns the counts behind the error rate of a provider; `None` if there are none, or if they are not whole. The error is the reason why
/// they decide nothing.
pub(super) fn counts(insights: &Insights, version: usize, provider: &str) -> Option<Result<Counts, String>> {
    match insights.load.get(version).and_then(|loads| loads.get(provider)) {
        Some(load) => Some(of_load(insights, load, provider)),
        None => of_provider(insights, version, provider),
    }
}

fn of_load(insights: &Insights, load: &LoadRecord, provider: &str) -> Result<Counts, String> {
    let (errors, requests) = (load.counts.errors as f64, load.counts.requests as f64);
    let effect = match Columns::of(load)? {
        Some(columns) => columns.error_effect()?,
        None => Effect::none(requests),
    };
    let unknown = insights.unknown_version.and_then(|version| insights.load.get(version)?.get(provider));
    let unknown = unknown.filter(|_| load.version_from.is_some()).map_or([0.0; 2], |unknown| {
        let successes = unknown.counts.requests.saturating_sub(unknown.counts.errors);
        [unknown.counts.errors as f64, successes as f64]
    });
    let harmed = match unknown {
        [0.0, 0.0] => [None, None],
        _ => harmed::rate(insights, load, provider, &effect)?,
    };
    Ok(Counts { errors, requests, effect, unknown, harmed, noun: "requests" })
}

/// Names under which providers count requests. Without errors every total fits the rate, so only the first one is surely that of the requests.
const TOTALS: [&str; 3] = ["request-count", "count", "total"];

/// Counts that a provider has measured over the same window as the rate.
fn of_provider(insights: &Insights, version: usize, provider: &str) -> Option<Result<Counts, String>> {
    let values = insights.non_hist_metric_values.get(version)?;
    let of = |name: &str| {
        let key = format!("{provider}/{name}");
        let kind = insights.metrics_info.get(&key).map(|meta| meta.kind);
        Some((values.get(&key)?.as_slice(), kind))
    };
    let (errors, error_kind) = of("error-count")?;
    let is_sample = |kind| kind == Some(MetricType::Sample);
    let has_errors = match is_sample(error_kind) {
        true => errors.iter().any(|count| *count != 0.0),
        false => *errors.last()? != 0.0,
    };
    let names = TOTALS.iter().take(if has_errors { TOTALS.len() } else { 1 });
    let (requests, kind) = names.into_iter().find_map(|name| of(name))?;
    if is_sample(error_kind) != is_sample(kind) {
        return None;
    }
    if is_sample(kind) {
        return of_steps(errors, requests);
    }
    let (errors, requests) = (whole(*errors.last()?)?, whole(*requests.last()?)?);
    let effect = match own_load(insights, version, requests) {
        Ok(effect) => effect,
        Err(reason) => return Some(Err(reason)),
    };
    Some(Ok(Counts { errors, requests, effect, unknown: [0.0; 2], harmed: [None, None], noun: "requests" }))
}

/// Counts per step of a time range: the steps are the blocks.
fn of_steps(errors: &[f64], requests: &[f64]) -> Option<Result<Counts, String>> {
    if errors.len() != requests.len() {
        return None;
    }
    let block = |(k, n): (&f64, &f64)| Some(Block { n: whole(*n)?, k: whole(*k)? });
    let blocks = errors.iter().zip(requests).map(block).collect::<Option<Vec<Block>>>()?;
    let sum = |of: fn(&Block) -> f64| blocks.iter().map(of).sum::<f64>();
    let (errors, requests) = (sum(|block| block.k), sum(|block| block.n));
    let effect = match blocks.len() {
        0 | 1 => Err("one step does not show how requests depend on each other".to_owned()),
        _ => effect(blocks, DependenceSource::Blocks),
    };
    Some(effect.map(|effect| Counts {
        errors,
        requests,
        effect,
        unknown: [0.0; 2],
        harmed: [None, None],
        noun: "requests",
    }))
}

/// Rounds a count; `None` if it is off by more than a percent, as extrapolated increases are.
fn whole(count: f64) -> Option<f64> {
    let rounded = count.round();
    let is_whole = count.is_finite() && count >= 0.0 && (count - rounded).abs() <= 0.01 * rounded.max(count);
    (is_whole || count == 0.0).then_some(rounded)
}

/// Dependence that the loads of this version show, the largest one.
fn own_load(insights: &Insights, version: usize, total: f64) -> Result<Effect, String> {
    let mut found = Effect::none(total);
    for load in insights.load.get(version).into_iter().flat_map(|loads| loads.values()) {
        if let Some(columns) = Columns::of(load)? {
            let next = columns.error_effect()?;
            if found.is_assumed() || next.effect.deff > found.effect.deff {
                found = next;
            }
        }
    }
    Ok(found)
}
