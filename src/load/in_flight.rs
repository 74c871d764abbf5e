//! State that the task of a request in flight shares with its worker: its slot and its deadline.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::slot_queue::Slot;

/// At most one request in flight. Only used by tasks of one thread.
#[derive(Default)]
pub(super) struct InFlight {
    /// Slot given by the worker while the task was idle.
    given: Cell<Option<Slot>>,
    /// The schedule is over.
    closed: Cell<bool>,
    /// Deadline of the running exchange.
    deadline: Cell<Option<Instant>>,
    /// The deadline has passed, or the exchange was aborted.
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

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

    /// Runs `work` until it ends. Drops it and returns `None` if it expires or is aborted. There is no timer per request: the worker
    /// calls [`InFlight::expire`] often enough for the timeout.
    pub(super) async fn guard<T>(&self, deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
        self.deadline.set(deadline);
        self.expired.set(false);
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
