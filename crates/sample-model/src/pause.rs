//! Pauses the responses of the whole service on request, to simulate a stall.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Switch that holds back all responses while at least one of its [`PauseGuard`]s lives.
#[derive(Clone, Debug)]
pub struct Pause {
    state: Arc<watch::Sender<State>>,
    waiting: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct State {
    guards: usize,
    /// Set when the service shuts down.
    is_disabled: bool,
}

impl State {
    fn is_open(&self) -> bool {
        self.guards == 0 || self.is_disabled
    }
}

/// Holds back all responses while it lives.
#[derive(Debug)]
#[must_use = "responses are held back only while this lives"]
pub struct PauseGuard(Pause);

impl Drop for PauseGuard {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.guards = state.guards.saturating_sub(1));
    }
}

impl Pause {
    pub(super) fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())), waiting: Arc::new(watch::Sender::new(0)) }
    }

    /// Holds responses back until the guard is dropped. Responses that are already being written are not affected.
    pub fn start(&self) -> PauseGuard {
        self.state.send_modify(|state| state.guards += 1);
        PauseGuard(self.clone())
    }

    /// Holds responses back for this long.
    pub async fn stall(&self, duration: Duration) {
        let _guard = self.start();
        tokio::time::sleep(duration).await;
    }

    /// Waits until at least `count` responses are being held back.
    pub async fn held(&self, count: usize) {
        // Fails only if the sender is gone, and `self` owns it.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await;
    }

    /// Waits until no guard lives.
    pub(super) async fn pass(&self) {
        if self.state.borrow().is_open() {
            return;
        }
        let _waiting = Waiting::new(&self.waiting);
        let _ = self.state.subscribe().wait_for(State::is_open).await;
    }

    /// Ends this and all future pauses.
    pub(super) fn disable(&self) {
        self.state.send_modify(|state| state.is_disabled = true);
    }
}

/// Counts a held response, until it is released or its client disconnects.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn responses_wait_for_the_last_guard() {
        let pause = Pause::new();
        assert!(pause.pass().now_or_never().is_some());
        let (first, second) = (pause.start(), pause.start());
        let mut response = Box::pin(pause.pass());
        assert!(response.as_mut().now_or_never().is_none());
        pause.held(1).await;
        drop(first);
        assert!(response.as_mut().now_or_never().is_none());
        drop(second);
        response.await;
        assert!(pause.held(1).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_cancelled_response_is_not_counted_as_held() {
        let pause = Pause::new();
        let _guard = pause.start();
        let mut response = Box::pin(pause.pass());
        assert!(response.as_mut().now_or_never().is_none());
        drop(response);
        assert!(pause.held(1).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_disabled_pause_holds_nothing_back() {
        let pause = Pause::new();
        let _guard = pause.start();
        pause.disable();
        assert!(pause.pass().now_or_never().is_some());
    }
}
