//! Holds answers back while someone asks for it: a stall of the whole service, made on purpose.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Holds every answer back while at least one [`Pause`] of it lives.
#[derive(Clone, Debug)]
pub struct Gate {
    holds: Arc<watch::Sender<Holds>>,
    waiting: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct Holds {
    pauses: usize,
    /// The service ends, and no pause counts any more.
    open_for_good: bool,
}

impl Holds {
    fn is_open(&self) -> bool {
        self.pauses == 0 || self.open_for_good
    }
}

/// While this lives, no answer passes its gate.
#[derive(Debug)]
#[must_use = "answers are held back only while this lives"]
pub struct Pause(Gate);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.holds.send_modify(|holds| holds.pauses = holds.pauses.saturating_sub(1));
    }
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { holds: Arc::new(watch::Sender::new(Holds::default())), waiting: Arc::new(watch::Sender::new(0)) }
    }

    /// Holds answers back until the returned pause is dropped. An answer that has already passed may still be on its way out.
    pub fn pause(&self) -> Pause {
        self.holds.send_modify(|holds| holds.pauses += 1);
        Pause(self.clone())
    }

    /// Holds answers back for this long.
    pub async fn stall(&self, duration: Duration) {
        let _pause = self.pause();
        tokio::time::sleep(duration).await;
    }

    /// Returns as soon as at least `count` answers are being held back.
    pub async fn held(&self, count: usize) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await;
    }

    /// Waits until no pause lives.
    pub(super) async fn pass(&self) {
        if self.holds.borrow().is_open() {
            return;
        }
        let _place = Place::take(&self.waiting);
        let _ = self.holds.subscribe().wait_for(Holds::is_open).await;
    }

    /// Lets everything pass from now on.
    pub(super) fn open_for_good(&self) {
        self.holds.send_modify(|holds| holds.open_for_good = true);
    }
}

/// One answer's place in the queue, given up also when its client goes away.
struct Place<'a>(&'a watch::Sender<usize>);

impl<'a> Place<'a> {
    fn take(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn answers_wait_until_the_last_pause_ends() {
        let gate = Gate::new();
        assert!(gate.pass().now_or_never().is_some());
        let (first, second) = (gate.pause(), gate.pause());
        let mut answer = Box::pin(gate.pass());
        assert!(answer.as_mut().now_or_never().is_none());
        gate.held(1).await;
        drop(first);
        assert!(answer.as_mut().now_or_never().is_none());
        drop(second);
        answer.await;
        assert!(gate.held(1).now_or_never().is_none());
    }

    #[tokio::test]
    async fn an_answer_nobody_waits_for_any_more_gives_up_its_place() {
        let gate = Gate::new();
        let _pause = gate.pause();
        let mut answer = Box::pin(gate.pass());
        assert!(answer.as_mut().now_or_never().is_none());
        drop(answer);
        assert!(gate.held(1).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_service_that_ends_holds_nothing_back() {
        let gate = Gate::new();
        let _pause = gate.pause();
        gate.open_for_good();
        assert!(gate.pass().now_or_never().is_some());
    }
}
