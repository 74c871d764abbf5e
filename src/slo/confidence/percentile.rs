//! Percentiles: "p95 is at most L" says that at most 5 % of the requests take longer than L.

use super::case::{Case, Values};
use super::certain;
use super::columns::{Columns, Effect, Place, effect};
use super::finding::Finding;
use super::harmed;
use super::share::{Share, drift, needs_text};
use super::words::{basis, percent};
use crate::confidence::blocks::Block;
use crate::confidence::order::{Ranked, Samples};
use crate::confidence::percentile::{self, interval_of, limit_micros, lower_limit_micros, ranks};
use crate::metrics::histogram::{self, Histogram};
use crate::model::insights::HistogramBucket;
use crate::model::slo::{Bound, DependenceSource, Method, Outcome};

/// µs per msec.
const MICROS: f64 = 1_000.0;

/// Cause of requests that ended at their timeout.
const TIMEOUT: &str = "timeout";

/// Values behind a percentile, ready to be tested.
struct Tail {
    share: Share,
    effect: Effect,
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

fn of_histogram(case: &Case<'_>, key: &str, p: f64, values: &Histogram) -> Result<Finding, String> {
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
        if sum(|block| block.n) == total && (bad[0]..=bad[1]).contains(&exact) {
            bad = [exact; 2];
        }
    }
    let place = if case.is_latency(key) {
        Place::Limit(case.limit)
    } else {
        let over = if case.bound == Bound::Upper { bad[1] } else { total - bad[0] };
        Place::Share(over / total)
    };
    let effect = match columns {
        Some(columns) => columns.over_effect(place, case.bound, bad[0] / total)?,
        None => None,
    };
    let mut effect = effect.unwrap_or_else(|| Effect::none(total));
    // A request without a response in time would have taken longer than its timeout; nobody knows how much.
    let timeouts = timeouts(case, key).min(total);
    if timeouts > bad[1] {
        bad[1] = timeouts;
        if let Some(columns) = columns.filter(|_| !effect.is_assumed()) {
            effect = effect.larger(columns.error_effect()?);
        }
    }
    if !case.is_latency(key) {
        effect = effect.of_latency();
        // Several values of one request depend on each other.
        let requests = columns.map(Columns::total).filter(|requests| *requests > 0.0 && *requests < total);
        effect.effect.deff *= requests.map_or(1.0, |requests| total / requests);
    }
    let harm = unknown(case, key, micros);
    let harmed = match case.load.filter(|_| harm > 0.0 && !effect.is_assumed()) {
        Some(load) => {
            let limit = case.is_latency(key).then_some(case.limit);
            harmed::limit(case.insights, load, &case.name.provider, (limit, case.bound, harm))?
        }
        None => None,
    };
    let share = Share { bad, total, harm, harmed, theta0: theta0(case, p) };
    let to_msec = |end: Option<f64>| end.map(|micros| micros / MICROS);
    finish(case, values, &Tail { share, effect }, |ends| ends.map(to_msec))
}

/// Requests that ended at their timeout, if they may be over an upper limit of a distribution that includes them.
fn timeouts(case: &Case<'_>, key: &str) -> f64 {
    let includes_them = matches!(key.split_once('/'), Some((_, "latency" | "service-time")));
    let timeouts = case.load.and_then(|load| load.causes.get(TIMEOUT));
    let timeouts = timeouts.filter(|_| includes_them && case.bound == Bound::Upper);
    timeouts.map_or(0.0, |timeouts| *timeouts as f64)
}

/// Number of values of unknown origin on the wrong side of the limit, in µs.
fn unknown(case: &Case<'_>, key: &str, micros: u64) -> f64 {
    let is_attributed = case.load.is_some_and(|load| load.version_from.is_some());
    let encoded = case.insights.unknown_version.and_then(|version| case.insights.histograms.get(version)?.get(key));
    let Some(values) = encoded.filter(|_| is_attributed).and_then(|encoded| histogram::decode(encoded).ok()) else {
        return 0.0;
    };
    let counts = match case.bound {
        Bound::Upper => percentile::over(&values, micros),
        Bound::Lower => percentile::below(&values, micros),
    };
    counts[1] as f64
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
    finish(case, &values, &Tail { share, effect }, |ends| ends)
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
    let tail = Tail {
        share: Share { bad, total, harm: 0.0, harmed: None, theta0: theta0(case, p) },
        effect: Effect::none(total),
    };
    let is_split = bad[0] < bad[1];
    let mut finding = finish(case, &values, &tail, |ends| ends)?;
    if is_split && finding.outcome == Outcome::Inconclusive {
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
    let Tail { share, effect } = tail;
    let tested = share.test(effect, case.alpha).ok_or("its counts are impossible")?;
    let effective = tested.shares[0].n;
    // The interval is that of the share above the percentile, on whichever side the limit is.
    let above = match case.bound {
        Bound::Upper => share.theta0,
        Bound::Lower => 1.0 - share.theta0,
    };
    let ends = convert(interval_of(values, effective, ranks(effective, above, case.alpha)));
    let ends = clipped(ends, case, tested.outcome);
    let needs = (tested.outcome == Outcome::Inconclusive && !tested.is_harmed)
        .then(|| share.needs(&tested, case.alpha, case.rate(share.total)))
        .flatten();
    let basis = basis(case.alpha, share.total as u64, (!effect.is_assumed()).then_some(effective), case.noun());
    let why = match tested.is_harmed {
        true => "requests of unknown origin may be its own".to_owned(),
        false => needs_text(needs, case.noun()),
    };
    let mut reason = sentence(case, tested.outcome, ends, &basis, &why);
    if let Some([first, second]) = drift(effect).filter(|_| !matches!(effect.from, DependenceSource::Latency)) {
        let limit = case.scale().text(case.limit, case.limit);
        reason.push_str(&format!(
            "; the share over {limit} went from {} to {} during the run: it was not steady",
            percent(first),
            percent(second)
        ));
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
pub(super) fn sentence(case: &Case<'_>, outcome: Outcome, ends: [Option<f64>; 2], basis: &str, why: &str) -> String {
    let (metric, limit, scale) = (&case.metric, case.limit, case.scale());
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
            let value = scale.text(case.value, limit);
            let (low, high) = (scale.text(low, limit), scale.text(high, limit));
            let limit = scale.text(limit, limit);
            format!("{metric} is {value}, between {low} and {high} ({basis}); the limit of {limit} lies between: {why}")
        }
        (Outcome::Inconclusive, Bound::Upper, [low, None]) => {
            let low = low.map(|low| format!(", at least {}", scale.text(low, limit))).unwrap_or_default();
            let value = scale.text(case.value, limit);
            format!("{metric} is {value}{low} ({basis}), too little to say at most how much: {why}")
        }
        (Outcome::Inconclusive, Bound::Lower, [None, high]) => {
            let high = high.map(|high| format!(", at most {}", scale.text(high, limit))).unwrap_or_default();
            let value = scale.text(case.value, limit);
            format!("{metric} is {value}{high} ({basis}), too little to say at least how much: {why}")
        }
        (Outcome::Inconclusive, _, _) => {
            let (value, limit) = scale.pair(case.value, limit);
            format!("{metric} is {value} ({basis}); the limit is {limit}: {why}")
        }
        _ => format!("{} ({basis})", case.point_reason),
    }
}
