//! Ranked values, counted from the top, with the edges of the cells that they were recorded in.

use crate::metrics::histogram::{HIGHEST, Histogram};

/// Values in order.
pub trait Ranked {
    /// Number of values.
    fn count(&self) -> u64;

    /// Lower and upper edge of the `rank`-th value from the bottom, counted from 1. The upper edge is infinite if the value was too long to
    /// be recorded.
    fn edges(&self, rank: u64) -> Option<[f64; 2]>;

    /// Edges of the smallest value with at most `count` values above it; the smallest of all if there are no more than `count`.
    fn at_most_above(&self, count: f64) -> Option<[f64; 2]> {
        // The cast rounds down, and saturates.
        self.edges(self.count().saturating_sub(count as u64).max(1))
    }

    /// Edges of the largest value with at least `count` values at or above it; `None` if there are fewer values.
    fn at_least_at_or_above(&self, count: f64) -> Option<[f64; 2]> {
        let count = (count.ceil() as u64).max(1);
        self.edges(self.count().checked_sub(count)?.checked_add(1)?)
    }
}

impl Ranked for Histogram {
    fn count(&self) -> u64 {
        self.len()
    }

    fn edges(&self, rank: u64) -> Option<[f64; 2]> {
        let mut seen = 0_u64;
        let cell = self.iter_recorded().find(|cell| {
            seen = seen.saturating_add(cell.count_at_value());
            rank >= 1 && seen >= rank
        })?;
        let (first, last) = cell_edges(self, cell.value_iterated_to());
        Some([first as f64, last.map_or(f64::INFINITY, |last| last as f64)])
    }
}

/// Values that are known exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    sorted: Vec<f64>,
}

impl Samples {
    /// Sorts values. Returns `None` if one is not finite.
    pub fn new(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.iter().all(|value| value.is_finite()).then_some(Self { sorted })
    }
}

impl Ranked for Samples {
    fn count(&self) -> u64 {
        self.sorted.len() as u64
    }

    fn edges(&self, rank: u64) -> Option<[f64; 2]> {
        let index = usize::try_from(rank.checked_sub(1)?).ok()?;
        self.sorted.get(index).map(|value| [*value; 2])
    }
}

/// First and last value of a cell in microseconds. There is no last one for the cell of values that were too long to be recorded.
pub(super) fn cell_edges(histogram: &Histogram, value: u64) -> (u64, Option<u64>) {
    let last = histogram.highest_equivalent(value);
    let is_open = last >= HIGHEST.min(histogram.high());
    (histogram.lowest_equivalent(value), (!is_open).then_some(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::histogram;

    fn recorded(values: &[u64]) -> Histogram {
        let mut histogram = histogram::new();
        values.iter().for_each(|value| histogram.saturating_record(*value));
        histogram
    }

    #[test]
    fn cells_have_the_edges_of_three_digits() {
        let cells = [
            (2_047, 2_047, 2_047),
            (2_048, 2_048, 2_049),
            (10_000, 10_000, 10_007),
            (50_000, 49_984, 50_015),
            (120_000, 120_000, 120_063),
            (1_000_003, 999_936, 1_000_447),
        ];
        for (value, first, last) in cells {
            assert_eq!(cell_edges(&histogram::new(), value), (first, Some(last)));
        }
    }

    #[test]
    fn values_of_an_hour_may_have_been_longer() {
        for micros in [HIGHEST, u64::MAX] {
            assert_eq!(recorded(&[micros]).edges(1).unwrap()[1], f64::INFINITY);
        }
        assert!(recorded(&[3_590_000_000]).edges(1).unwrap()[1].is_finite());
    }

    #[test]
    fn values_are_counted_from_the_top() {
        let samples = Samples::new(&[3.0, 1.0, 2.0, 2.0]).unwrap();
        for values in [&samples as &dyn Ranked, &recorded(&[3, 1, 2, 2])] {
            let above = |count| values.at_most_above(count).map(|edges| edges[0]);
            assert_eq!([0.0, 0.9, 1.0, 3.0, 9.0].map(above), [3.0, 3.0, 2.0, 1.0, 1.0].map(Some));
            let from = |count| values.at_least_at_or_above(count).map(|edges| edges[0]);
            assert_eq!([0.0, 1.0, 1.1, 3.0, 4.0].map(from), [3.0, 3.0, 2.0, 2.0, 1.0].map(Some));
            assert_eq!(from(4.1), None);
        }
        assert_eq!(recorded(&[]).at_most_above(0.0), None);
        assert_eq!(Samples::new(&[1.0, f64::NAN]), None);
    }
}
