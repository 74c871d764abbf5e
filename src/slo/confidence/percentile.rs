//! Percentiles: "p95 is at most L" says that at most 5 % of the requests take longer than L.

use super::case::{Case, Values};
use super::certain;
use super::columns::{Columns, Effect, Midway, Place, effect};
use super::finding::Finding;
use super::harmed;
use super::share::{Share, drift, open_because};
use super::words::{Scale, basis};
use crate::confidence::blocks::Block;
use crate::confidence::design_effect;
use crate::confidence::order::{Ranked, Samples};
use crate::confidence::percentile::{self, interval_of, limit_micros, lower_limit_micros, ranks};
use crate::metrics::histogram::{self, HIGHEST, Histogram};
use crate::model::insights::HistogramBucket;
use crate::model::slo::{Bound, DependenceSource, Method, Outcome};
use crate::slo::timeouts::Timeouts;

/// µs per msec.
const MICROS: f64 = 1_000.0;

/// Reasons why more requests would not decide.
const ONE_CELL: &str = "values this close to it were counted as one";
const NOT_IN_RUN: &str =
    "requests this close to it were counted as one; a run with this limit among its SLOs counts those over it exactly";
const ONE_BUCKET: &str =
    "its bucket may have values on both sides of it; a bucket that ends at the limit would be counted exactly";
const TIMED_OUT: &str = "requests that timed out may have taken longer than that";

/// Values behind a percentile, ready to be tested.
struct Tail {
    share: Share,
    effect: Effect,
    /// Reason why more requests would not decide, because the share of bad ones may be on either side of the limit; `None` if they would.
    uncounted: Option<&'static str>,
}

/// Judges a percentile `p`, above 0 and below 100, of the values under `key`.
pub(super) fn judge(case: &Case<'_>, key: &str, p: f64, values: &Values<'_>) -> Finding {
    let judged = match values {
        Values::Histogram(histogram) => of_histogram(case, key, p, histogram),
        Values::Samples(samples) => of_samples(case, p, samples),
        Values::Buckets(buckets) => of_buckets(case, p, buckets),
        Values::Summary(_) => return certain::unknown(case, "a summary has no percentiles"),
    };
    judged.unwrap_or_else(|reason| {
        Finding::open(Method::Percentile, case.alpha, format!("{}; {reason}", case.point_reason))
    })
}

/// The highest share of bad values within the limit: above an upper limit on the percentile, or below a lower one.
fn theta0(case: &Case<'_>, p: f64) -> f64 {
    match case.bound {
        Bound::Upper => (100.0 - p) / 100.0,
        Bound::Lower => p / 100.0,
    }
}

fn of_histogram(case: &Case<'_>, key: &str, p: f64, responses: &Histogram) -> Result<Finding, String> {
    let timeouts = match case.bound {
        Bound::Upper => Timeouts::of(case.insights, case.version, key),
        Bound::Lower => Timeouts::default(),
    };
    // Requests without a response are beyond every upper limit.
    let lost = timeouts.lost as f64;
    let values = &with_lost(responses, timeouts.lost);
    let total = values.len() as f64;
    let micros = match case.bound {
        Bound::Upper => limit_micros(case.limit),
        Bound::Lower => lower_limit_micros(case.limit),
    };
    let micros = micros.ok_or("its limit is not a number")?;
    let mut bad = match case.bound {
        Bound::Upper => percentile::over(values, micros),
        Bound::Lower => percentile::below(values, micros),
    }
    .map(|count| count as f64);
    let columns = case.load.map(Columns::of).transpose()?.flatten();
    if let (Some(columns), true, Bound::Upper) = (columns, case.is_latency(key), case.bound)
        && let Some(blocks) = columns.over(case.limit)?
    {
        let sum = |of: fn(&Block) -> f64| blocks.iter().map(of).sum::<f64>();
        let exact = sum(|block| block.k);
        // Counts of other requests than those of the histogram would be another load's.
        if sum(|block| block.n) + lost == total && (bad[0]..=bad[1]).contains(&(exact + lost)) {
            bad = [exact + lost; 2];
        }
    }
    let place = if case.is_latency(key) {
        Place::Limit(case.limit)
    } else {
        let over = if case.bound == Bound::Upper { bad[1] } else { total - bad[0] };
        Place::Share(over / total)
    };
    let effect = match columns {
        Some(columns) => {
            let midway = midway(values, micros, case.is_latency(key));
            columns.over_effect(place, case.bound, bad[0] / total, Some(midway))?
        }
        None => None,
    };
    let mut effect = effect.unwrap_or_else(|| Effect::none(total));
    let timeouts = timeouts.within(values, micros) as f64;
    let mut share = Share { bad, total, harm: 0.0, harmed: None, theta0: theta0(case, p) };
    let is_countable = case.is_latency(key) && case.bound == Bound::Upper;
    let one_cell = if is_countable { NOT_IN_RUN } else { ONE_CELL };
    let mut uncounted = share.is_on_both_sides().then_some(one_cell);
    if timeouts > 0.0 {
        share.bad[1] = (share.bad[1] + timeouts).min(total);
        uncounted = uncounted.or(share.is_on_both_sides().then_some(TIMED_OUT));
    }
    if let Some(columns) = columns.filter(|_| timeouts + lost > 0.0 && !effect.is_assumed()) {
        effect = effect.larger(columns.error_effect()?);
    }
    if !case.is_latency(key) {
        effect = effect.of_latency();
        // Several values of one request depend on each other.
        let requests = columns.map(Columns::total).filter(|requests| *requests > 0.0 && *requests < total);
        effect.effect.deff *= requests.map_or(1.0, |requests| total / requests);
    }
    share.harm = unknown(case, key, micros);
    share.harmed = match case.load.filter(|_| share.harm > 0.0 && !effect.is_assumed()) {
        Some(load) => {
            let limit = case.is_latency(key).then_some(case.limit);
            harmed::limit(case.insights, load, &case.name.provider, (limit, case.bound, share.harm))?
        }
        None => None,
    };
    let to_msec = |end: Option<f64>| end.map(|micros| micros / MICROS);
    finish(case, values, &Tail { share, effect, uncounted }, |ends| ends.map(to_msec))
}

/// Copies the values of responses, with the highest one for each request that got none.
fn with_lost(responses: &Histogram, lost: u64) -> Histogram {
    let mut values = responses.clone();
    values.saturating_record_n(HIGHEST, lost);
    values
}

/// Finds the middle between the median of the values and a limit in µs.
fn midway(values: &Histogram, limit: u64, is_latency: bool) -> Midway {
    let middle = design_effect::midway(values.value_at_quantile(0.5) as f64, limit as f64);
    let share = percentile::over(values, middle as u64)[1] as f64 / values.len() as f64;
    Midway { place: if is_latency { Place::Limit(middle / MICROS) } else { Place::Share(share) }, share }
}

/// Number of values of unknown origin on the wrong side of the limit, in µs.
fn unknown(case: &Case<'_>, key: &str, micros: u64) -> f64 {
    let is_attributed = case.load.is_some_and(|load| load.version_from.is_some());
    let encoded = case.insights.unknown_version.and_then(|version| case.insights.histograms.get(version)?.get(key));
    let Some(values) = encoded.filter(|_| is_attributed).and_then(|encoded| histogram::decode(encoded).ok()) else {
        return 0.0;
    };
    let count = match case.bound {
        Bound::Upper => {
            let timeouts = Timeouts::of_unknown(case.insights, key);
            percentile::over(&values, micros)[1] + timeouts.within(&values, micros) + timeouts.lost
        }
        Bound::Lower => percentile::below(&values, micros)[1],
    };
    count as f64
}

fn of_samples(case: &Case<'_>, p: f64, samples: &[f64]) -> Result<Finding, String> {
    if samples.len() < 2 {
        return Err("one sample does not show how far others may be".to_owned());
    }
    let values = Samples::new(samples).ok_or("a sample is not a number")?;
    let block = |value: &f64| Block { n: 1.0, k: f64::from(u8::from(!case.bound.admits(*value, case.limit))) };
    let effect = effect(samples.iter().map(block).collect(), DependenceSource::Blocks)?;
    let bad = effect.blocks.iter().map(|block| block.k).sum::<f64>();
    let share = Share { bad: [bad; 2], total: samples.len() as f64, harm: 0.0, harmed: None, theta0: theta0(case, p) };
    finish(case, &values, &Tail { share, effect, uncounted: None }, |ends| ends)
}

fn of_buckets(case: &Case<'_>, p: f64, buckets: &[HistogramBucket]) -> Result<Finding, String> {
    let values = Bucketed::new(buckets);
    let count = |is_counted: &dyn Fn(&HistogramBucket) -> bool| {
        values.0.iter().filter(|bucket| is_counted(bucket)).map(|bucket| bucket.count as f64).sum::<f64>()
    };
    let limit = case.limit;
    // Values are below the upper edge of their bucket, or on it: Prometheus counts up to a bound, Iter8 up to just before it.
    let bad = match case.bound {
        Bound::Upper => [
            count(&|bucket| bucket.lower > limit || bucket.lower == limit && bucket.lower < bucket.upper),
            count(&|bucket| bucket.upper > limit),
        ],
        Bound::Lower => [count(&|bucket| bucket.upper < limit), count(&|bucket| bucket.lower < limit)],
    };
    let total = values.count() as f64;
    let share = Share { bad, total, harm: 0.0, harmed: None, theta0: theta0(case, p) };
    let is_on_both_sides = share.is_on_both_sides();
    let uncounted = is_on_both_sides.then_some(ONE_BUCKET);
    let mut finding = finish(case, &values, &Tail { share, effect: Effect::none(total), uncounted }, |ends| ends)?;
    if bad[0] < bad[1] && !is_on_both_sides && finding.outcome == Outcome::Inconclusive {
        finding.reason.push_str("; a bucket that ends at the limit would be counted exactly");
    }
    Ok(finding)
}

/// Buckets in order.
struct Bucketed(Vec<HistogramBucket>);

impl Bucketed {
    fn new(buckets: &[HistogramBucket]) -> Self {
        let mut sorted: Vec<HistogramBucket> = buckets.iter().filter(|bucket| bucket.count > 0).cloned().collect();
        sorted.sort_by(|a, b| a.lower.total_cmp(&b.lower).then(a.upper.total_cmp(&b.upper)));
        Self(sorted)
    }
}

impl Ranked for Bucketed {
    fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.count))
    }

    fn edges(&self, rank: u64) -> Option<[f64; 2]> {
        let mut seen = 0_u64;
        let bucket = self.0.iter().find(|bucket| {
            seen = seen.saturating_add(bucket.count);
            rank >= 1 && seen >= rank
        })?;
        Some([bucket.lower, bucket.upper])
    }
}

/// Tests the share, and finds the interval of the percentile. `convert` turns the ends into the metric's unit.
fn finish(
    case: &Case<'_>,
    values: &impl Ranked,
    tail: &Tail,
    convert: impl Fn([Option<f64>; 2]) -> [Option<f64>; 2],
) -> Result<Finding, String> {
    let Tail { share, effect, uncounted } = tail;
    let tested = share.test(effect, case.alpha).ok_or("its counts are impossible")?;
    let effective = tested.shares[0].n;
    // The interval is that of the share above the percentile, on whichever side the limit is.
    let above = match case.bound {
        Bound::Upper => share.theta0,
        Bound::Lower => 1.0 - share.theta0,
    };
    let ends = convert(interval_of(values, effective, ranks(effective, above, case.alpha)));
    let ends = clipped(ends, case, tested.outcome);
    let needs = (tested.outcome == Outcome::Inconclusive && !tested.is_harmed && uncounted.is_none())
        .then(|| share.needs(&tested, case.alpha, case.rate(share.total)))
        .flatten();
    let basis = basis(case.alpha, share.total as u64, (!effect.is_assumed()).then_some(effective), case.noun());
    let why = match uncounted {
        Some(why) if !tested.is_harmed => (*why).to_owned(),
        _ => open_because(tested.is_harmed, needs, case.noun()),
    };
    let mut reason = sentence(case, case.scale(), tested.outcome, ends, &basis, &why);
    if effect.from != DependenceSource::Latency {
        let bad = format!("over {}", case.scale().text(case.limit, case.limit));
        reason.push_str(&drift(effect, &bad).unwrap_or_default());
    }
    Ok(Finding {
        outcome: tested.outcome,
        interval: Some(ends),
        effective: Some(effective),
        dependence: Some(effect.dependence()),
        needs,
        p_violated: Some(tested.p_violated),
        ..Finding::open(Method::Percentile, case.alpha, reason)
    })
}

/// Moves an end to the limit where cells are too coarse to show what the exact counts do.
pub(super) fn clipped([lower, upper]: [Option<f64>; 2], case: &Case<'_>, outcome: Outcome) -> [Option<f64>; 2] {
    let limit = case.limit;
    match (outcome, case.bound) {
        (Outcome::Satisfied, Bound::Upper) => [lower, upper.map_or(Some(limit), |end| Some(end.min(limit)))],
        (Outcome::Satisfied, Bound::Lower) => [lower.map_or(Some(limit), |end| Some(end.max(limit))), upper],
        (Outcome::Violated, Bound::Upper) => [lower.map(|end| end.max(limit)), upper],
        (Outcome::Violated, Bound::Lower) => [lower, upper.map(|end| end.min(limit))],
        (Outcome::Inconclusive, Bound::Upper) => [lower, upper.map(|end| end.max(limit))],
        (Outcome::Inconclusive, Bound::Lower) => [lower.map(|end| end.min(limit)), upper],
    }
}

/// Explains a verdict by the ends of its interval; `why` says what would decide an open one.
pub(super) fn sentence(
    case: &Case<'_>,
    scale: Scale<'_>,
    outcome: Outcome,
    ends: [Option<f64>; 2],
    basis: &str,
    why: &str,
) -> String {
    let (metric, limit) = (&case.metric, case.limit);
    let at_least = |value: f64| format!("{metric} is at least {} ({basis})", scale.text(value, limit));
    let at_most = |value: f64| format!("{metric} is at most {} ({basis})", scale.text(value, limit));
    let limit_text = |end: f64| scale.pair(end, limit).1;
    match (outcome, case.bound, ends) {
        (Outcome::Satisfied, Bound::Upper, [_, Some(end)]) => {
            format!("{}, within the limit of {}", at_most(end), limit_text(end))
        }
        (Outcome::Satisfied, Bound::Lower, [Some(end), _]) => {
            format!("{}, not below the limit of {}", at_least(end), limit_text(end))
        }
        (Outcome::Violated, Bound::Upper, [Some(end), _]) => {
            format!("{}, above the limit of {}", at_least(end), limit_text(end))
        }
        (Outcome::Violated, Bound::Lower, [_, Some(end)]) => {
            format!("{}, below the limit of {}", at_most(end), limit_text(end))
        }
        (Outcome::Inconclusive, _, [Some(low), Some(high)]) => {
            let (value, between) = (scale.text(case.value, limit), scale.between(low, high, limit));
            let limit = scale.text(limit, limit);
            format!("{metric} is {value}, {between} ({basis}); the limit of {limit} is within that range: {why}")
        }
        (Outcome::Inconclusive, Bound::Upper, [low, None]) => {
            let low = low.map(|low| format!(", at least {}", scale.text(low, limit))).unwrap_or_default();
            let value = scale.text(case.value, limit);
            format!("{metric} is {value}{low} ({basis}); no upper bound is known: {why}")
        }
        (Outcome::Inconclusive, Bound::Lower, [None, high]) => {
            let high = high.map(|high| format!(", at most {}", scale.text(high, limit))).unwrap_or_default();
            let value = scale.text(case.value, limit);
            format!("{metric} is {value}{high} ({basis}); no lower bound is known: {why}")
        }
        (Outcome::Inconclusive, _, _) => {
            let (value, limit) = scale.pair(case.value, limit);
            format!("{metric} is {value} ({basis}); the limit is {limit}: {why}")
        }
        _ => format!("{} ({basis})", case.point_reason),
    }
}
