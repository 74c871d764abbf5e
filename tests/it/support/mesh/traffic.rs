//! Requests through the gateway, counted by the version that responded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use http::StatusCode;
use tokio::task::JoinHandle;

use super::Mesh;
use super::client::{Answer, Client};
use super::pods::MODEL;
use crate::support::runtime::{block_on, runtime};

/// Number of responses by version. A request that failed counts under its error.
pub type Counts = BTreeMap<String, usize>;

/// Clients of traffic in the background.
const CLIENTS: usize = 4;

impl Mesh<'_> {
    /// The version that responds to a prediction for this host, with these headers; the error if none does.
    pub fn request(&self, host: &str, headers: &[(&str, &str)]) -> String {
        block_on(predict(&mut Client::new(self.gateway_port()), host, headers))
    }

    /// Sends this many predictions, one after the other, and counts the versions that responded.
    pub fn counts(&self, host: &str, headers: &[(&str, &str)], requests: usize) -> Counts {
        block_on(async {
            let mut client = Client::new(self.gateway_port());
            let mut counts = Counts::new();
            for _ in 0..requests {
                *counts.entry(predict(&mut client, host, headers).await).or_default() += 1;
            }
            counts
        })
    }

    /// Starts sending predictions in the background.
    pub fn start_traffic(&self, host: &str) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let send = |_| {
            let (mut client, stop, host) = (Client::new(self.gateway_port()), Arc::clone(&stop), host.to_owned());
            runtime().spawn(async move {
                let mut counts = Counts::new();
                while !stop.load(Ordering::Relaxed) {
                    *counts.entry(predict(&mut client, &host, &[]).await).or_default() += 1;
                    // Errors can come without any waiting, and other tests use the same runtime.
                    tokio::task::yield_now().await;
                }
                counts
            })
        };
        Traffic { tasks: (0..CLIENTS).map(send).collect(), stop }
    }
}

/// Traffic in the background. It stops when it is dropped.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Counts>>,
}

impl Traffic {
    /// Waits for the responses to requests in flight, and counts all of them.
    pub fn stop(mut self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Counts::new();
        for counts in block_on(join_all(std::mem::take(&mut self.tasks))) {
            for (version, count) in counts.unwrap() {
                *sum.entry(version).or_default() += count;
            }
        }
        sum
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Version that responds to a prediction, or the error.
async fn predict(client: &mut Client, host: &str, headers: &[(&str, &str)]) -> String {
    let path = format!("/v1/models/{MODEL}:predict");
    match client.send(host, &path, headers, Some(r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#)).await {
        Ok(Answer { status: StatusCode::OK, headers, .. }) => {
            headers.get("x-model-version").map_or("no version", |value| value.to_str().unwrap()).to_owned()
        }
        Ok(Answer { status, body, .. }) => format!("{status}: {}", String::from_utf8_lossy(&body)),
        Err(error) => error.to_string(),
    }
}
