//! The point at which loads that run at the same time wait for each other, so that they start together even if their preparations and
//! warm-ups take differently long.

use tokio::sync::watch;

/// Common start of loads in one process. A load that ends before its start must leave, or the others wait for it forever.
pub(super) struct Rendezvous {
    /// One entry per load: it has arrived or left.
    arrived: watch::Sender<Vec<bool>>,
}

impl Rendezvous {
    /// Creates the start of `count` loads.
    pub(super) fn new(count: usize) -> Self {
        Self { arrived: watch::Sender::new(vec![false; count]) }
    }

    /// Waits until all loads are ready to start. `index` is that of the load.
    pub(super) async fn arrive(&self, index: usize) {
        self.leave(index);
        // The sender is `self`, so this cannot fail.
        let _ = self.arrived.subscribe().wait_for(|arrived| arrived.iter().all(|it| *it)).await;
    }

    /// Lets the others start without this load.
    pub(super) fn leave(&self, index: usize) {
        self.arrived.send_modify(|arrived| {
            if let Some(entry) = arrived.get_mut(index) {
                *entry = true;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn loads_start_when_the_last_one_arrives_or_leaves() {
        let start = Rendezvous::new(3);
        let mut first = Box::pin(start.arrive(0));
        assert_eq!(first.as_mut().now_or_never(), None);
        start.leave(2);
        assert_eq!(first.as_mut().now_or_never(), None);
        assert_eq!(start.arrive(1).now_or_never(), Some(()));
        assert_eq!(first.now_or_never(), Some(()));
    }
}
