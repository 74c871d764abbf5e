//! Random bits for requests that hold random values.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::templates::random::RandomBits;

/// Random bits that differ from run to run.
pub(in crate::tasks) fn random_bits() -> RandomBits {
    let (state, count) = (RandomState::new(), AtomicU64::new(0));
    Arc::new(move || state.hash_one(count.fetch_add(1, Ordering::Relaxed)))
}
