//! Counts per second in cells of 1.6 % width, as a run keeps them in memory.

use iter8::confidence::blocks::Block;

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

    /// Returns the upper end of the cell that holds the 90th percentile.
    pub(crate) fn p90<'a>(&mut self, latencies: impl IntoIterator<Item = &'a f64>) -> f64 {
        self.counts.fill(0);
        let mut total = 0;
        for latency in latencies {
            self.counts[cell(*latency)] += 1;
            total += 1;
        }
        self.end_of_p90(total)
    }

    fn end_of_p90(&self, total: u64) -> f64 {
        let mut above = total;
        for (cell, count) in self.counts.iter().enumerate() {
            above -= u64::from(*count);
            if above * 10 <= total {
                return upper_end(cell);
            }
        }
        f64::INFINITY
    }

    /// Adds latencies, and returns the upper end of the cell that holds the 90th percentile of the `total` so far.
    pub(crate) fn grow(&mut self, latencies: &[f64], total: usize) -> f64 {
        latencies.iter().for_each(|latency| self.counts[cell(*latency)] += 1);
        self.end_of_p90(total as u64)
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
    use super::{Cells, cell, upper_end};

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
        let p90 = Cells::new().p90(&latencies);
        assert!((900.0..915.0).contains(&p90), "{p90}");
        let mut cells = Cells::new();
        cells.grow(&latencies[..500], 500);
        assert_eq!(cells.grow(&latencies[500..], 1_000), p90);
    }
}
