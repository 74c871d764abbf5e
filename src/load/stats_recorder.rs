//! What a protocol tells beside its answers: bytes, messages, the time that connecting takes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::cause::Cause;
use super::worker_stats::{WorkerStats, record};

/// A worker's counters, as its protocol writes them.
#[derive(Clone, Debug)]
pub struct StatsRecorder(pub(super) Rc<RefCell<WorkerStats>>);

impl StatsRecorder {
    /// Counts the time that opening one connection took, TLS included.
    pub fn connected(&self, time: Duration) {
        record(&mut self.0.borrow_mut().connect, time);
    }

    /// Counts the time between two messages of a stream that was received.
    pub fn between(&self, time: Duration) {
        record(&mut self.0.borrow_mut().between, time);
    }

    /// Counts bytes of request bodies (messages, for gRPC) that were sent, without heads and framing.
    pub fn sent(&self, bytes: usize) {
        self.0.borrow_mut().bytes_sent += bytes as u64;
    }

    /// Counts bytes of response bodies that were received, likewise.
    pub fn received(&self, bytes: usize) {
        self.0.borrow_mut().bytes_received += bytes as u64;
    }

    /// Keeps the first words on a cause that an answer, complete as it is, counts under.
    pub fn detail(&self, cause: Cause, detail: String) {
        self.0.borrow_mut().detail(cause, || detail);
    }

    /// Counts messages sent; for protocols that know messages.
    pub fn messages_sent(&self, count: u64) {
        self.0.borrow_mut().messages_sent += count;
    }

    /// Counts messages received; for protocols that know messages.
    pub fn messages_received(&self, count: u64) {
        self.0.borrow_mut().messages_received += count;
    }
}

#[cfg(test)]
impl StatsRecorder {
    /// A stats of its own, for tests of a protocol.
    pub fn for_tests() -> Self {
        Self(Rc::new(RefCell::new(WorkerStats::new(false))))
    }
}
