//! Counts per interval of a load, and the dependence of its requests on each other that they show.
//!
//! A document may have been edited. Columns that do not fit each other show nothing: they are an error, which leaves the verdict undecided.

use crate::confidence::blocks::{Block, SumBlock};
use crate::confidence::design_effect::{DesignEffect, FEW_AT_END, tail_rule};
use crate::confidence::percentile::limit_micros;
use crate::confidence::proportion;
use crate::metrics::series::{COLUMN_DISTANCE, halved};
use crate::model::load::LoadRecord;
use crate::model::series::{Over, Series};
use crate::model::slo::{Bound, Dependence, DependenceSource};
use crate::slo::load_validity;

/// Reason of a load that is too short to be judged with a confidence.
pub(super) const TOO_SHORT: &str =
    "the load lasted one interval, which does not show how requests depend on each other";

/// Reason of a load whose pods have no columns in common.
const NOT_SHARED: &str = "the pods did not count the same limits, so how requests depend on each other is unknown";

/// Percentile whose exceedances stand in for those of a limit that few requests exceed.
const TAIL: f64 = 90.0;
/// The other one that stands in for those of a lower limit.
const MIDDLE: f64 = 50.0;

/// Design effect with its source, and the blocks that it comes from.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub effect: DesignEffect,
    pub from: DependenceSource,
    pub blocks: Vec<Block>,
}

impl Effect {
    /// Assumes independent observations, because nothing shows their dependence.
    pub fn none(total: f64) -> Self {
        let effect = DesignEffect { deff: 1.0, df: (total - 1.0).max(1.0) };
        Self { effect, from: DependenceSource::None, blocks: Vec::new() }
    }

    /// Returns the dependence as documents hold it.
    pub fn dependence(&self) -> Dependence {
        Dependence { deff: self.effect.deff, df: self.effect.df, from: self.from }
    }

    /// Returns true if nothing shows the dependence.
    pub fn is_assumed(&self) -> bool {
        self.from == DependenceSource::None
    }

    /// Takes the dependence of another distribution of the same load.
    pub fn of_latency(mut self) -> Self {
        if !self.is_assumed() {
            self.from = DependenceSource::Latency;
        }
        self
    }

    /// The larger one of two.
    pub fn larger(self, other: Self) -> Self {
        if other.effect.deff > self.effect.deff { other } else { self }
    }
}

/// Columns of a load's series; `None` if the load has no series. The error is the reason why they show nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<'a> {
    series: &'a Series,
    /// True if several pods shared the load.
    is_shared: bool,
}

impl<'a> Columns<'a> {
    pub fn of(load: &'a LoadRecord) -> Result<Option<Self>, String> {
        let Some(series) = &load.series else { return Ok(None) };
        let columns = Self { is_shared: load.shards.is_some(), ..Self::new(series)? };
        let sum = |counts: &[u64]| counts.iter().map(|count| u128::from(*count)).sum::<u128>();
        if sum(&series.requests) != u128::from(load.counts.requests) {
            return Err(damaged("requests"));
        }
        if sum(&series.errors) != u128::from(load.counts.errors) {
            return Err(damaged("errors"));
        }
        // The intervals of each pod start with its own part, so what happened to all pods at once is spread over several intervals.
        match load.shards.as_ref().and_then(load_validity::lateness) {
            Some(late) => Err(late),
            None => Ok(Some(columns)),
        }
    }

    pub fn new(series: &'a Series) -> Result<Self, String> {
        if series.requests.len() < 2 {
            return Err(TOO_SHORT.to_owned());
        }
        Ok(Self { series, is_shared: false })
    }

    /// Errors per interval.
    pub fn errors(self) -> Result<Vec<Block>, String> {
        blocks(&self.series.requests, &self.series.errors, "errors")
    }

    /// Design effect of the errors.
    pub fn error_effect(self) -> Result<Effect, String> {
        effect(self.errors()?, DependenceSource::Blocks)
    }

    /// Returns true if the series counts requests over limits.
    pub fn has_limits(self) -> bool {
        !self.series.over.is_empty()
    }

    /// Requests over a limit per interval, counted exactly; `None` if they were not.
    pub fn over(self, limit: f64) -> Result<Option<Vec<Block>>, String> {
        let micros = limit_micros(limit);
        let is_same =
            |over: &&Over| over.percentile.is_none() && limit_micros(over.limit) == micros && micros.is_some();
        self.series.over.iter().find(is_same).map(|over| self.column(over)).transpose()
    }

    /// Requests over a percentile of the whole load per interval, with the percentile's value.
    pub fn over_percentile(self, p: f64) -> Result<Option<(f64, Vec<Block>)>, String> {
        self.check_shared(self.has_limits())?;
        let over = self.series.over.iter().find(|over| over.percentile == Some(p));
        over.map(|over| Ok((over.limit, self.column(over)?))).transpose()
    }

    /// Sums of the latencies per interval in µs; `None` if the series has none.
    pub fn sums(self) -> Result<Option<Vec<SumBlock>>, String> {
        let sums = &self.series.sum;
        self.check_shared(!sums.is_empty())?;
        if sums.is_empty() {
            return Ok(None);
        }
        let timed = self.timed();
        if timed.len() != sums.len() {
            return Err(damaged("sum"));
        }
        let block = |(n, sum): (&u64, &u64)| SumBlock { n: *n as f64, sum: *sum as f64 };
        Ok(Some(timed.iter().zip(sums).map(block).collect()))
    }

    /// Design effect of the requests over a limit, or of those over the nearest limits on both sides, the larger one; with the tail rule if
    /// few requests are bad: a share `bad` of them, over an upper limit or below a lower one. `None` if nothing shows it.
    ///
    /// Upper limits above the 90th percentile borrow from it, or from `midway` if that is higher. Lower limits, which have no percentile
    /// below them, borrow from all.
    ///
    /// For another distribution than the latency, `share` is the share of requests over its limit, and the nearest columns are those of the
    /// nearest shares.
    pub fn over_effect(
        self,
        place: Place,
        bound: Bound,
        bad: f64,
        midway: Option<Midway>,
    ) -> Result<Option<Effect>, String> {
        self.check_shared(self.has_limits())?;
        if !self.has_limits() {
            return Ok(None);
        }
        let own = match place {
            Place::Limit(limit) => self.over(limit)?,
            Place::Share(_) => None,
        };
        let own = match own {
            Some(blocks) => effect(blocks, DependenceSource::Blocks)?,
            None => match self.nearest(place)? {
                Some(effect) => effect,
                None => return Ok(None),
            },
        };
        // Those of the limit itself: the columns next to it have others.
        let exceedances = bad * self.total();
        let mut tail = match self.over_percentile(TAIL)? {
            Some((p90, blocks)) if bound == Bound::Lower || place.is_above(p90) => {
                match midway.filter(|midway| bound == Bound::Upper && midway.place.is_above(p90)) {
                    Some(midway) => self.midway_effect(midway)?,
                    None => Some(effect(blocks, DependenceSource::P90)?),
                }
            }
            _ => None,
        };
        if bound == Bound::Lower
            && let Some((_, blocks)) = self.over_percentile(MIDDLE)?
        {
            let middle = effect(blocks, DependenceSource::Blocks)?;
            tail = Some(tail.map_or(middle.clone(), |tail| tail.larger(middle)));
        }
        let (chosen, is_tail) = tail_rule(own.effect, exceedances, tail.as_ref().map(|tail| tail.effect), FEW_AT_END);
        let from = tail.filter(|_| is_tail).map_or(own.from, |tail| tail.from);
        Ok(Some(Effect { effect: chosen, from, blocks: own.blocks }))
    }

    fn midway_effect(self, midway: Midway) -> Result<Option<Effect>, String> {
        let found = if midway.share > 0.0 {
            match self.column_at(midway.place)? {
                Some(blocks) => Some(effect(blocks, DependenceSource::Midway)?),
                None => self.nearest(midway.place)?,
            }
        } else {
            let none = |n: &u64| Block { n: *n as f64, k: 0.0 };
            Some(effect(self.timed().iter().map(none).collect(), DependenceSource::Midway)?)
        };
        Ok(found.map(|found| Effect { from: DependenceSource::Midway, ..found }))
    }

    /// Requests over a limit per interval, as precise as the cells of the series' histograms; `None` if no column is close to it.
    fn column_at(self, place: Place) -> Result<Option<Vec<Block>>, String> {
        let Place::Limit(limit) = place else { return Ok(None) };
        let distance = |over: &&Over| (over.limit / limit - 1.0).abs();
        let closest = self.series.over.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        closest.filter(|over| distance(over) <= COLUMN_DISTANCE).map(|over| self.column(over)).transpose()
    }

    /// Requests with a latency.
    pub fn total(self) -> f64 {
        self.timed().iter().map(|count| *count as f64).sum()
    }

    /// The larger effect of the columns next to a place.
    fn nearest(self, place: Place) -> Result<Option<Effect>, String> {
        let mut before: Option<(f64, &Over)> = None;
        let mut after: Option<(f64, &Over)> = None;
        for over in &self.series.over {
            // Larger limits have smaller shares.
            let at = match place {
                Place::Limit(limit) => over.limit - limit,
                Place::Share(share) => share - self.share(over),
            };
            if at <= 0.0 && before.is_none_or(|(best, _)| at > best) {
                before = Some((at, over));
            }
            if at >= 0.0 && after.is_none_or(|(best, _)| at < best) {
                after = Some((at, over));
            }
        }
        let mut found: Option<Effect> = None;
        for (_, over) in before.into_iter().chain(after) {
            let next = effect(self.column(over)?, DependenceSource::Blocks)?;
            found = Some(match found {
                Some(best) => best.larger(next),
                None => next,
            });
        }
        Ok(found)
    }

    /// Rejects a shared load without columns. Pods that were given different limits measured them, but their sum has none.
    fn check_shared(self, has_columns: bool) -> Result<(), String> {
        if has_columns || !self.is_shared { Ok(()) } else { Err(NOT_SHARED.to_owned()) }
    }

    fn share(self, over: &Over) -> f64 {
        let sum = |counts: &[u64]| counts.iter().map(|count| *count as f64).sum::<f64>();
        sum(&over.counts) / sum(self.timed()).max(1.0)
    }

    fn column(self, over: &Over) -> Result<Vec<Block>, String> {
        blocks(self.timed(), &over.counts, "over")
    }

    fn timed(self) -> &'a [u64] {
        if self.series.timed.is_empty() { &self.series.requests } else { &self.series.timed }
    }
}

/// Middle between the median and an upper limit, on a log scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Midway {
    pub place: Place,
    /// Share of the values over it.
    pub share: f64,
}

/// Place of a limit among the columns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A limit of the latency in msec.
    Limit(f64),
    /// Share of requests over a limit of another distribution.
    Share(f64),
}

impl Place {
    /// Returns true if the limit is above the 90th percentile.
    fn is_above(self, p90: f64) -> bool {
        match self {
            Self::Limit(limit) => limit > p90,
            Self::Share(share) => share < (100.0 - TAIL) / 100.0,
        }
    }
}

/// Returns both series with intervals of the same length, by doubling those of the finer one; `None` if the lengths do not fit.
pub(super) fn aligned(a: &Series, b: &Series) -> Option<[Series; 2]> {
    let (mut a, mut b) = (a.clone(), b.clone());
    // A series of one point stays as it is, so this ends.
    while a.interval < b.interval && a.requests.len() > 1 {
        a = halved(&a);
    }
    while b.interval < a.interval && b.requests.len() > 1 {
        b = halved(&b);
    }
    (a.interval == b.interval).then_some([a, b])
}

/// Estimates the design effect of blocks.
pub(super) fn effect(blocks: Vec<Block>, from: DependenceSource) -> Result<Effect, String> {
    let effect = proportion::design_effect(&blocks).ok_or("no interval of the load has requests")?;
    Ok(Effect { effect, from, blocks })
}

fn blocks(n: &[u64], k: &[u64], name: &str) -> Result<Vec<Block>, String> {
    if n.len() != k.len() || n.iter().zip(k).any(|(n, k)| k > n) {
        return Err(damaged(name));
    }
    Ok(n.iter().zip(k).map(|(n, k)| Block { n: *n as f64, k: *k as f64 }).collect())
}

fn damaged(name: &str) -> String {
    format!("the column `{name}` of the load's series in the document does not fit its requests")
}
