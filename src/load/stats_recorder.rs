//! Statistics that only the protocol can see: bytes, messages, the time that connecting takes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::cause::{Cause, Resend};
use super::histograms::HistogramKind;
use super::worker_stats::WorkerStats;

/// A worker's statistics, as its protocol writes them.
#[derive(Clone, Debug)]
pub struct StatsRecorder(pub(super) Rc<RefCell<WorkerStats>>);

impl StatsRecorder {
    /// Records the time that opening one connection took, TLS included.
    pub(super) fn connected(&self, time: Duration) {
        self.0.borrow_mut().histograms.record(HistogramKind::Connect, time);
    }

    /// Records the time between two messages of a stream.
    pub(super) fn between_messages(&self, time: Duration) {
        self.0.borrow_mut().histograms.record(HistogramKind::Between, time);
    }

    /// Counts bytes of request bodies (messages, for gRPC) sent, without heads and framing.
    pub(super) fn bytes_sent(&self, bytes: usize) {
        self.0.borrow_mut().traffic.add_bytes_sent(bytes as u64);
    }

    /// Counts bytes of response bodies received, likewise.
    pub(super) fn bytes_received(&self, bytes: usize) {
        self.0.borrow_mut().traffic.bytes_received += bytes as u64;
    }

    /// Counts a request that is sent again.
    pub(super) fn resending(&self, why: Resend) {
        self.0.borrow_mut().resending(why);
    }

    /// Counts a detail of a cause that a complete response counts under.
    pub(super) fn detail(&self, cause: Cause, detail: &str) {
        self.0.borrow_mut().detail(cause, detail);
    }

    /// Counts a response whose version is unknown, for this reason.
    pub(super) fn unknown_origin(&self, reason: &str) {
        self.0.borrow_mut().unknown_origin(reason);
    }

    /// Counts messages sent.
    pub(super) fn messages_sent(&self, count: u64) {
        self.0.borrow_mut().traffic.add_messages(count, 0);
    }

    /// Counts messages received.
    pub(super) fn messages_received(&self, count: u64) {
        self.0.borrow_mut().traffic.add_messages(0, count);
    }
}
