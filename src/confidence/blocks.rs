//! Counts per interval of a load's series.
//!
//! An interval without requests is a block, too: a stall is a fact about the service.

use std::iter::Sum;
use std::ops::Add;

/// Requests of one interval, and the bad ones among them: errors, or requests over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Block {
    /// Requests.
    pub n: f64,
    /// Bad requests.
    pub k: f64,
}

impl Add for Block {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { n: self.n + other.n, k: self.k + other.k }
    }
}

impl Sum for Block {
    fn sum<I: Iterator<Item = Self>>(blocks: I) -> Self {
        blocks.fold(Self::default(), Self::add)
    }
}

/// Blocks of candidate and version 0 in the same interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pair {
    /// The candidate's.
    pub candidate: Block,
    /// Version 0's.
    pub baseline: Block,
}

/// Requests of one interval, and the sum of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SumBlock {
    /// Requests.
    pub n: f64,
    /// Sum of their values.
    pub sum: f64,
}

/// Sums of candidate and version 0 in the same interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SumPair {
    /// The candidate's.
    pub candidate: SumBlock,
    /// Version 0's.
    pub baseline: SumBlock,
}

/// Pairs blocks by their index. Of an interval that only one of the versions has, the other one's block is empty.
pub fn paired(candidate: &[Block], baseline: &[Block]) -> Vec<Pair> {
    let at = |blocks: &[Block], index: usize| blocks.get(index).copied().unwrap_or_default();
    let length = candidate.len().max(baseline.len());
    (0..length).map(|index| Pair { candidate: at(candidate, index), baseline: at(baseline, index) }).collect()
}

/// Pairs sums by their index, like [`paired`].
pub fn paired_sums(candidate: &[SumBlock], baseline: &[SumBlock]) -> Vec<SumPair> {
    let at = |blocks: &[SumBlock], index: usize| blocks.get(index).copied().unwrap_or_default();
    let length = candidate.len().max(baseline.len());
    (0..length).map(|index| SumPair { candidate: at(candidate, index), baseline: at(baseline, index) }).collect()
}

/// Adds blocks up. Returns `None` if there is no request, or a block is impossible: more bad requests than requests, or not a number.
pub(super) fn total(blocks: impl IntoIterator<Item = Block>) -> Option<Block> {
    let mut total = Block::default();
    for block in blocks {
        if !is_possible(block) {
            return None;
        }
        total = total + block;
    }
    (total.n > 0.0 && total.n.is_finite()).then_some(total)
}

/// Adds sums up. Returns `None` if there is no request, or a block is impossible.
pub(super) fn total_sum(blocks: impl IntoIterator<Item = SumBlock>) -> Option<SumBlock> {
    let mut total = SumBlock::default();
    for block in blocks {
        let is_possible = block.n >= 0.0 && block.sum.is_finite() && (block.n > 0.0 || block.sum == 0.0);
        if !is_possible {
            return None;
        }
        total.n += block.n;
        total.sum += block.sum;
    }
    (total.n > 0.0 && total.n.is_finite() && total.sum.is_finite()).then_some(total)
}

/// Returns true for `0 ≤ k ≤ n < ∞`.
pub(super) fn is_possible(block: Block) -> bool {
    block.k >= 0.0 && block.k <= block.n && block.n.is_finite()
}
