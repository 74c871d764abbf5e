//! Random bits for requests with random values.

use std::sync::Arc;

use crate::templates::random::RandomBits;

/// Random bits that differ from run to run and from thread to thread.
pub(in crate::tasks) fn random_bits() -> RandomBits {
    Arc::new(|| fastrand::u64(..))
}
