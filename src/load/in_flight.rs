//! State that the task of a request in flight shares with its worker: its slot and its deadline.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::cause::{Cause, Failure, Resend};
use super::progress::Progress;
use super::slot_queue::Slot;

/// At most one request in flight. Only used by tasks of one thread.
#[derive(Default)]
pub(super) struct InFlight {
    /// Slot given by the worker while the task was idle.
    given: Cell<Option<Slot>>,
    /// The schedule is over.
    closed: Cell<bool>,
    /// Instant from which the latency of the running exchange counts, if it is measured.
    counts_from: Cell<Option<Instant>>,
    /// Deadline of the running exchange.
    deadline: Cell<Option<Instant>>,
    /// The deadline has passed, or the exchange was aborted.
    expired: Cell<bool>,
    /// Times that the peer did not take the request of the running exchange.
    refusals: Cell<u32>,
    /// Progress of the running exchange.
    pub(super) progress: Progress,
    waker: RefCell<Option<Waker>>,
}

/// Refusals after which a connection that ends at once is no longer reopened at once.
const PATIENCE: u32 = 100;

/// Longest pause before a request is sent again.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// Returns the pause before a request is sent again that was refused `refusals` times, lately for the reason `why`.
///
/// A server may serve a single request per connection, and a pause would only lose the turn on the next one. A connection that
/// stays open and refuses needs time.
fn pause(why: Resend, refusals: u32) -> Duration {
    match why {
        Resend::Refused if refusals < 2 => Duration::ZERO,
        Resend::Refused => Duration::from_millis(1 << (refusals - 2).min(6)).min(MAX_PAUSE),
        _ if refusals < PATIENCE => Duration::ZERO,
        _ => MAX_PAUSE,
    }
}

/// Detail of a timeout after refusals.
const REFUSED: &str = "the service did not take the request before (connection closed, GOAWAY or REFUSED_STREAM)";

impl InFlight {
    /// Gives the idle task a slot.
    pub(super) fn give(&self, slot: Slot) {
        self.given.set(Some(slot));
        self.wake();
    }

    /// Takes the slot that was given.
    pub(super) fn take(&self) -> Option<Slot> {
        self.given.take()
    }

    /// Ends the task once its exchange has ended.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.wake();
    }

    /// Returns true after [`InFlight::close`].
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Sets the instant from which the latency of the running exchange counts; `None` if it is not measured, or has ended.
    pub(super) fn count_from(&self, from: Option<Instant>) {
        self.counts_from.set(from);
    }

    /// Returns the instant from which the latency of the running exchange counts, if it is measured.
    pub(super) fn counts_from(&self) -> Option<Instant> {
        self.counts_from.get()
    }

    /// Ends the exchange if its deadline has passed.
    pub(super) fn expire(&self, now: Instant) {
        if self.deadline.get().is_some_and(|deadline| now >= deadline) {
            self.deadline.set(None);
            self.expired.set(true);
            self.wake();
        }
    }

    /// Ends the running exchange now.
    pub(super) fn abort(&self) {
        self.expired.set(true);
        self.wake();
    }

    /// Returns true if the peer refused the request of the running exchange before.
    pub(super) fn is_refused(&self) -> bool {
        self.refusals.get() > 0
    }

    /// Returns the failure of an exchange that timed out.
    pub(super) fn timed_out(&self, timeout: Duration) -> Failure {
        if self.is_refused() {
            return Failure::new(Cause::Timeout, REFUSED);
        }
        self.progress.timed_out(timeout)
    }

    /// Counts a refusal and waits until the request can be sent again.
    pub(super) async fn refused(&self, why: Resend) {
        if why == Resend::IdleClose {
            return;
        }
        self.refusals.set(self.refusals.get().saturating_add(1));
        let pause = pause(why, self.refusals.get());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Runs `work` until it ends. Drops it and returns `None` if it expires or is aborted. There is no timer per request: the worker
    /// calls [`InFlight::expire`] often enough for the timeout.
    pub(super) async fn guard<T>(&self, deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
        self.deadline.set(deadline);
        self.expired.set(false);
        self.refusals.set(0);
        let mut work = std::pin::pin!(work);
        let ended = std::future::poll_fn(|cx| {
            if let Poll::Ready(value) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(value));
            }
            if self.expired.get() {
                return Poll::Ready(None);
            }
            self.listen(cx);
            Poll::Pending
        })
        .await;
        self.deadline.set(None);
        ended
    }

    /// Registers the task's waker.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        // The same task polls every time, so this clones once.
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_if_the_connection_stays_open() {
        let millis = |why, refusals| pause(why, refusals).as_millis();
        let refused: Vec<_> = (1..=9).map(|count| millis(Resend::Refused, count)).collect();
        assert_eq!(refused, [0, 1, 2, 4, 8, 16, 32, 50, 50]);
        assert_eq!((millis(Resend::GoAway, 99), millis(Resend::GoAway, u32::MAX)), (0, 50));
    }
}
