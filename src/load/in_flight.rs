//! Where a seat's task meets its worker: the slot it is given, and the time by which its exchange must be done.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::slot_queue::Slot;

/// One request in flight, at most; used by tasks of one thread only.
#[derive(Default)]
pub(super) struct InFlight {
    /// A slot dealt out by the worker while the seat was idle.
    given: Cell<Option<Slot>>,
    /// Whether the schedule is over.
    closed: Cell<bool>,
    /// By when the running exchange must be done.
    deadline: Cell<Option<Instant>>,
    /// Whether it was not, or is not awaited any more.
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl InFlight {
    /// Gives the idle seat a slot.
    pub(super) fn give(&self, slot: Slot) {
        self.given.set(Some(slot));
        self.wake();
    }

    /// The slot that was given.
    pub(super) fn take(&self) -> Option<Slot> {
        self.given.take()
    }

    /// Ends the seat's task once its exchange is done.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.wake();
    }

    /// Whether the schedule is over for this seat.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Marks the exchange as expired when its deadline has passed.
    pub(super) fn expire(&self, now: Instant) {
        if self.deadline.get().is_some_and(|deadline| now >= deadline) {
            self.deadline.set(None);
            self.expired.set(true);
            self.wake();
        }
    }

    /// Ends the running exchange now, as if it had expired.
    pub(super) fn cut(&self) {
        self.expired.set(true);
        self.wake();
    }

    /// Runs `work` until it ends or `deadline` is found passed; then drops it, and returns `None`. There is no timer per
    /// request: the worker calls [`InFlight::expire`] a few times within the shortest time-out.
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

    /// Remembers whom to wake.
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
