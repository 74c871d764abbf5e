//! Read buffers, shared by the connections of a thread.
//!
//! Connections are many, and most of them wait at any time. Only one with bytes to process needs a buffer.

use std::cell::RefCell;

/// Size of a read buffer, in bytes.
pub(super) const BUFFER: usize = 16 << 10;

/// Maximum buffers that a thread keeps.
const MAX_KEPT: usize = 64;

thread_local! {
    static UNUSED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns a buffer of [`BUFFER`] bytes with arbitrary contents.
pub(super) fn take() -> Vec<u8> {
    UNUSED.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; BUFFER])
}

/// Takes back a buffer, which may have grown for a long head.
pub(super) fn give_back(buffer: Vec<u8>) {
    if buffer.len() == BUFFER {
        UNUSED.with_borrow_mut(|unused| {
            if unused.len() < MAX_KEPT {
                unused.push(buffer);
            }
        });
    }
}
