//! Helpers of this layer's tests.

use super::blocks::Block;

/// Tolerance of the expected values, relative or absolute, whichever is larger.
const TOLERANCE: f64 = 1e-6;

#[track_caller]
pub(super) fn assert_close(value: f64, expected: f64) {
    let difference = (value - expected).abs();
    assert!(difference <= TOLERANCE * expected.abs().max(1.0), "{value} is not {expected}");
}

/// Fails unless the digits of `expected`, which is rounded to six of them, agree.
#[track_caller]
pub(super) fn assert_relative(value: f64, expected: f64) {
    let difference = (value - expected).abs();
    assert!(difference <= 5.0 * TOLERANCE * expected.abs(), "{value} is not {expected}");
}

/// Blocks of `n` requests each with the given numbers of bad ones.
pub(super) fn blocks(n: f64, bad: &[u32]) -> Vec<Block> {
    bad.iter().map(|k| Block { n, k: f64::from(*k) }).collect()
}
