//! Counts per second in cells of 1.6 % width, as a run keeps them in memory.

use iter8::confidence::blocks::Block;
use iter8::confidence::design_effect::midway;

use crate::laws::Trace;

/// Mantissa bits that tell cells apart: 64 cells between two powers of 2.
const BITS: u32 = 6;
/// Lowest latency with a cell of its own, and the powers of 2 above it.
const LOWEST: f64 = 1.0 / 1024.0;
const POWERS: usize = 40;
const CELLS: usize = POWERS << BITS;

/// Index of a latency's cell.
fn cell(latency: f64) -> usize {
    let shift = 52 - BITS;
    let index = latency.max(LOWEST).to_bits() >> shift;
    ((index - (LOWEST.to_bits() >> shift)) as usize).min(CELLS - 1)
}

/// Highest latency of a cell.
fn upper_end(cell: usize) -> f64 {
    let shift = 52 - BITS;
    f64::from_bits((((LOWEST.to_bits() >> shift) + cell as u64 + 1) << shift) - 1)
}

/// Cells of a whole run, reused between runs.
pub(crate) struct Cells {
    counts: Vec<u32>,
}

impl Cells {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; CELLS] }
    }

    /// Replaces all latencies.
    pub(crate) fn fill(&mut self, latencies: &[f64]) {
        self.counts.fill(0);
        self.grow(latencies);
    }

    /// Adds latencies.
    pub(crate) fn grow(&mut self, latencies: &[f64]) {
        latencies.iter().for_each(|latency| self.counts[cell(*latency)] += 1);
    }

    /// Returns the upper end of the cell that holds the latency that this share of the requests exceeds.
    fn end(&self, share_over: f64) -> f64 {
        let total: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let mut above = total;
        for (cell, count) in self.counts.iter().enumerate() {
            above -= u64::from(*count);
            if above as f64 <= share_over * total as f64 {
                return upper_end(cell);
            }
        }
        f64::INFINITY
    }

    /// Returns the median and the 90th percentile.
    pub(crate) fn own(&self) -> Own {
        Own { median: self.end(0.5), p90: self.end(0.1) }
    }
}

/// Percentiles of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Own {
    pub(crate) median: f64,
    pub(crate) p90: f64,
}

impl Own {
    /// Returns the latency whose exceedances stand in for those of a limit if they are few; `None` if the limit is not above p90.
    pub(crate) fn lower(self, limit: f64) -> Option<f64> {
        (limit > self.p90).then(|| midway(self.median, limit).max(self.p90))
    }
}

/// Counts the requests of each second, and those over a limit.
pub(crate) fn blocks_over(trace: &Trace, limit: f64) -> Vec<Block> {
    trace.seconds().map(|second| block_over(second, limit)).collect()
}

/// Counts requests, and those over a limit.
pub(crate) fn block_over(latencies: &[f64], limit: f64) -> Block {
    let over = latencies.iter().filter(|latency| **latency > limit).count();
    Block { n: latencies.len() as f64, k: over as f64 }
}

#[cfg(test)]
mod tests {
    use super::{Cells, Own, cell, upper_end};

    #[test]
    fn cells_are_narrow_and_contain_their_latencies() {
        let mut latency = 0.002;
        while latency < 1e6 {
            let end = upper_end(cell(latency));
            assert!(latency <= end && end < latency * 1.016, "{latency} {end}");
            latency *= 1.003;
        }
    }

    #[test]
    fn a_tenth_of_the_latencies_is_over_the_90th_percentile() {
        let latencies: Vec<f64> = (1..=1_000).map(f64::from).collect();
        let (mut at_once, mut in_parts) = (Cells::new(), Cells::new());
        at_once.fill(&latencies);
        let Own { median, p90 } = at_once.own();
        assert!((900.0..915.0).contains(&p90) && (500.0..509.0).contains(&median), "{median} {p90}");
        in_parts.grow(&latencies[..500]);
        in_parts.grow(&latencies[500..]);
        assert_eq!(in_parts.own(), at_once.own());
    }

    #[test]
    fn slow_requests_stand_in_for_those_over_a_limit_above_them() {
        let own = Own { median: 10.0, p90: 30.0 };
        assert_eq!([30.0, 60.0, 1_000.0].map(|limit| own.lower(limit)), [None, Some(30.0), Some(100.0)]);
    }
}
