//! Requests that ended in one interval of a load.

use std::borrow::Borrow;

use super::watched::Totals;
use crate::metrics::histogram::{self, HistogramError};
use crate::model::shard::IntervalShard;

/// Significant digits of an interval's latencies: enough for a chart.
pub(super) const DIGITS: u8 = 2;

/// A cell of a histogram: its middle value and its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) micros: u32,
    pub(super) count: u32,
}

/// Requests that ended in one interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// Latencies, in ascending order.
    pub(super) cells: Vec<Cell>,
    /// Empty unless the load counts them.
    pub(super) totals: Totals,
}

impl Interval {
    /// Adds other requests.
    pub(super) fn add(&mut self, other: &Self) {
        self.cells = merged(&self.cells, &other.cells);
        self.add_counts(other);
    }

    /// Adds up intervals.
    pub(super) fn sum<I: Borrow<Self>>(group: &[I]) -> Self {
        let cells = group.iter().flat_map(|interval| &interval.borrow().cells);
        let mut all = Self { cells: summed(cells), ..Self::default() };
        group.iter().for_each(|interval| all.add_counts(interval.borrow()));
        all
    }

    fn add_counts(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.totals.add(&other.totals);
    }

    /// Reads the result of [`Interval::shard`].
    pub(super) fn from_shard(shard: &IntervalShard) -> Result<Self, HistogramError> {
        let mut cells = Vec::new();
        if let Some(latency) = &shard.latency {
            let latency = histogram::coarser(&histogram::decode(latency)?, DIGITS);
            for recorded in latency.iter_recorded() {
                let micros = u32::try_from(latency.median_equivalent(recorded.value_iterated_to())).unwrap_or(u32::MAX);
                cells.push(Cell { micros, count: u32::try_from(recorded.count_at_value()).unwrap_or(u32::MAX) });
            }
        }
        let totals = Totals { timed: shard.timed, sum: shard.sum, over: shard.over.clone() };
        Ok(Self { requests: shard.requests, errors: shard.errors, cells, totals })
    }

    /// Returns the form that pods exchange.
    pub(super) fn shard(&self) -> Result<IntervalShard, HistogramError> {
        let mut latency = None;
        if !self.cells.is_empty() {
            let mut histogram = histogram::with_digits(DIGITS);
            for cell in &self.cells {
                histogram.saturating_record_n(u64::from(cell.micros), u64::from(cell.count));
            }
            latency = Some(histogram::encode(&histogram)?);
        }
        let Totals { timed, sum, over } = self.totals.clone();
        Ok(IntervalShard { requests: self.requests, errors: self.errors, latency, timed, sum, over })
    }

    /// Returns the number of latencies.
    pub(super) fn latencies(&self) -> u64 {
        self.cells.iter().fold(0, |sum, cell| sum.saturating_add(u64::from(cell.count)))
    }

    /// Returns the number of latencies in the cells above `micros`.
    pub(super) fn above(&self, micros: u32) -> u64 {
        let cells = self.cells.iter().rev().take_while(|cell| cell.micros > micros);
        cells.fold(0, |sum, cell| sum.saturating_add(u64::from(cell.count)))
    }

    /// Returns the middle of the cell of a percentile in µs, by nearest rank.
    pub(super) fn percentile(&self, p: f64) -> Option<u32> {
        let rank = ((p / 100.0 * self.latencies() as f64).ceil() as u64).max(1);
        let mut seen = 0_u64;
        let cell = self.cells.iter().find(|cell| {
            seen = seen.saturating_add(u64::from(cell.count));
            seen >= rank
        });
        cell.map(|cell| cell.micros)
    }
}

/// Merges two ascending lists of cells into one.
fn merged(a: &[Cell], b: &[Cell]) -> Vec<Cell> {
    let mut all = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    loop {
        let next = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.micros == y.micros => {
                let count = x.count.saturating_add(y.count);
                b.next();
                a.next().map(|cell| Cell { count, ..cell })
            }
            (Some(x), Some(y)) if x.micros > y.micros => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        };
        match next {
            Some(cell) => all.push(cell),
            None => break,
        }
    }
    // Kept for the whole load, so without spare capacity.
    all.shrink_to_fit();
    all
}

/// Adds up many lists of cells. Merging them one by one would pass over the growing result once per list.
fn summed<'a>(cells: impl Iterator<Item = &'a Cell>) -> Vec<Cell> {
    let mut all: Vec<Cell> = Vec::new();
    for cell in cells {
        let position = position(cell.micros);
        if all.len() <= position {
            all.resize(position + 1, Cell { micros: 0, count: 0 });
        }
        if let Some(sum) = all.get_mut(position) {
            *sum = Cell { count: sum.count.saturating_add(cell.count), ..*cell };
        }
    }
    all.retain(|cell| cell.count > 0);
    all.shrink_to_fit();
    all
}

/// Position of a cell among all those of two digits: 256 of one microsecond, then 128 per power of two.
fn position(micros: u32) -> usize {
    let doublings = 24_u32.saturating_sub(micros.leading_zeros());
    (128 * doublings + (micros >> doublings)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::histogram::HIGHEST;

    fn interval(micros: &[u64]) -> Interval {
        let mut latencies = histogram::with_digits(DIGITS);
        micros.iter().for_each(|micros| latencies.saturating_record(*micros));
        let cells = latencies.iter_recorded().map(|recorded| Cell {
            micros: u32::try_from(latencies.median_equivalent(recorded.value_iterated_to())).unwrap(),
            count: recorded.count_at_value() as u32,
        });
        Interval { requests: micros.len() as u64, cells: cells.collect(), ..Interval::default() }
    }

    #[test]
    fn every_cell_of_two_digits_has_its_own_position() {
        let cells = histogram::with_digits(DIGITS);
        let middles = std::iter::successors(Some(0), |low| Some(cells.next_non_equivalent(*low)));
        let middles = middles.take_while(|low| *low <= HIGHEST).map(|low| cells.median_equivalent(low));
        let positions = middles.map(|micros| position(u32::try_from(micros).unwrap()));
        assert!(positions.enumerate().all(|(expected, position)| position == expected));
        assert!(position(u32::MAX) < 3_500);
    }

    proptest! {
        #[test]
        fn a_sum_is_that_of_all_pairs(loads in prop::collection::vec(prop::collection::vec(0..2 * HIGHEST, 0..9), 0..9)) {
            let loads: Vec<Interval> = loads.iter().map(|micros| interval(micros)).collect();
            let mut all = Interval::default();
            loads.iter().for_each(|load| all.add(load));
            prop_assert_eq!(Interval::sum(&loads), all);
        }
    }
}
