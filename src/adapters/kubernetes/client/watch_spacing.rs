//! Spaces the requests of one watcher, so that watches that are closed at once are not reopened in a busy loop.
//!
//! kube's watcher reopens a watch that ends in order without yielding anything in between: only its client sees each request. The pauses
//! grow as those between retries do, and a watch that outlives its pause resets them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff};
use http::Request;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;

use super::retry::backoff;

/// Returns a client for one watcher, which delays watch requests that follow each other too soon.
pub(crate) fn spaced(client: &Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let (client, spacing) = (client.clone(), Arc::new(Mutex::new(Spacing::default())));
    let send = move |request: Request<Body>| {
        let (client, spacing) = (client.clone(), Arc::clone(&spacing));
        async move {
            if is_watch(&request) {
                let pause = spacing.lock().pause(Instant::now());
                tokio::time::sleep(pause).await;
            }
            client.send(request).await
        }
    };
    Client::new(tower::service_fn(send), namespace)
}

fn is_watch(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "watch" && value == "true")
}

/// Start of the latest watch and the least time until the next one.
#[derive(Default)]
struct Spacing {
    latest: Option<(Instant, Duration)>,
    intervals: Option<ExponentialBackoff>,
}

impl Spacing {
    /// Returns the pause before a watch that is requested at `now`.
    fn pause(&mut self, now: Instant) -> Duration {
        let pause = self.latest.map_or(Duration::ZERO, |(start, interval)| (start + interval).duration_since(now));
        if pause.is_zero() {
            self.intervals = None;
        }
        let intervals = self.intervals.get_or_insert_with(|| backoff().build());
        self.latest = Some((now + pause, intervals.next().unwrap_or_default()));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_watches_end_at_once_and_start_over_after_one_that_lasted() {
        let (mut spacing, mut now) = (Spacing::default(), Instant::now());
        assert_eq!(spacing.pause(now), Duration::ZERO);
        for round in 0..10 {
            let pause = spacing.pause(now);
            let least = Duration::from_millis(125 << round).min(Duration::from_secs(5));
            assert!(pause >= least && pause <= least * 2, "round {round}: {pause:?}");
            now += pause;
        }
        now += Duration::from_secs(20);
        assert_eq!(spacing.pause(now), Duration::ZERO);
        assert!(spacing.pause(now) <= Duration::from_millis(250));
    }
}
