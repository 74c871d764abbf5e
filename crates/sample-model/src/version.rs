//! One running version of the model: its predictions, latencies and failures.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, StatusCode};
use tokio::time::{Instant, sleep_until};

use super::classify::Row;
use super::config::{SampleConfig, VersionConfig};
use super::error::ServiceError;
use super::pause::Pause;
use super::random::SplitMix64;
use super::stats::{Series, Stats, VersionStats};

/// One running version.
#[derive(Debug)]
pub(super) struct Version {
    pub name: String,
    /// Its name as a header value.
    pub header: HeaderValue,
    /// Knative's names for it, used in the labels of metrics.
    pub service: String,
    pub revision: String,
    pub namespace: String,
    behaviour: VersionConfig,
    seed: u64,
    /// Number of started predictions: the position of the next one in the seeded sequence.
    begun: AtomicU64,
    stats: Stats,
    pause: Pause,
}

impl Version {
    /// Creates the version at `index` of the configuration, which has been checked.
    pub fn new(config: &SampleConfig, index: usize, behaviour: VersionConfig, pause: Pause) -> io::Result<Self> {
        let service = format!("{}-predictor-default", config.model);
        Ok(Self {
            header: HeaderValue::try_from(behaviour.name.as_str()).map_err(io::Error::other)?,
            name: behaviour.name.clone(),
            revision: format!("{service}-{:05}", index + 1),
            service,
            namespace: config.namespace.clone(),
            // Each version draws from a sequence of its own; the front takes the one after the last.
            seed: SplitMix64::of_item(config.seed, index as u64).bits(),
            behaviour,
            begun: AtomicU64::new(0),
            stats: Stats::new().map_err(io::Error::other)?,
            pause,
        })
    }

    /// Predicts a class per row, and counts the prediction unless its client disconnects first. The request's head was read at `received`.
    ///
    /// Malformed rows fail immediately and do not advance the seeded sequence.
    pub async fn predict(
        &self,
        received: Instant,
        rows: Result<Vec<Row>, ServiceError>,
    ) -> Result<Vec<u8>, ServiceError> {
        let work = async {
            let rows = rows?;
            self.take_turn(received).await?;
            Ok(rows.iter().map(|row| self.behaviour.classifier.class(row)).collect())
        };
        self.respond(received, work).await
    }

    /// Computes a response, waits while responses are paused, and counts it unless its client disconnects first.
    pub async fn respond<T>(
        &self,
        received: Instant,
        work: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        let outcome = work.await;
        self.wait_while_paused().await;
        self.count(received, outcome.as_ref().map_or_else(|error| error.status, |_| StatusCode::OK));
        outcome
    }

    /// Advances the seeded sequence: waits until its latency has passed since `begun`, and fails if the sequence says so.
    pub async fn take_turn(&self, begun: Instant) -> Result<(), ServiceError> {
        let place = self.begun.fetch_add(1, Ordering::Relaxed);
        let mut random = SplitMix64::of_item(self.seed, place);
        let fails = random.unit() < self.behaviour.error_rate;
        let latency = self.behaviour.latency.draw(&mut random);
        if !latency.is_zero() {
            sleep_until(begun + latency).await;
        }
        if fails {
            let message = format!("version {} fails this request because of its error rate", self.name);
            return Err(ServiceError { status: StatusCode::SERVICE_UNAVAILABLE, message });
        }
        Ok(())
    }

    /// Waits while responses are paused.
    pub async fn wait_while_paused(&self) {
        self.pause.pass().await;
    }

    /// Counts a response that ends now.
    pub fn count(&self, received: Instant, status: StatusCode) {
        self.stats.record(status.as_u16(), received.elapsed());
    }

    /// Counts by status.
    pub fn counts(&self) -> BTreeMap<u16, Series> {
        self.stats.by_status()
    }

    pub fn stats(&self) -> VersionStats {
        self.stats.stats(&self.name, &self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn version(change: impl Fn(&mut SampleConfig)) -> Version {
        let mut config = SampleConfig::default();
        change(&mut config);
        Version::new(&config, 0, config.versions[0].clone(), Pause::new()).unwrap()
    }

    /// Lists the failing ones of the first thousand predictions.
    async fn failures(version: &Version) -> Vec<usize> {
        let mut failed = Vec::new();
        for n in 0..1000 {
            if version.predict(Instant::now(), Ok(vec![])).await.is_err() {
                failed.push(n);
            }
        }
        failed
    }

    #[tokio::test]
    async fn the_error_rate_is_kept_and_depends_on_the_seed_alone() {
        let with_seed = |seed| {
            version(move |config| {
                config.versions[0].error_rate = 0.2;
                config.seed = seed;
            })
        };
        let (first, again, other) =
            (failures(&with_seed(1)).await, failures(&with_seed(1)).await, failures(&with_seed(2)).await);
        assert_eq!(first, again);
        assert_ne!(first, other);
        // 4 standard deviations of a binomial distribution with n = 1000 and p = 0.2 are 51.
        assert!(first.len().abs_diff(200) <= 51, "{}", first.len());
    }

    #[tokio::test]
    async fn error_rates_of_0_and_1_are_exact() {
        assert_eq!(failures(&version(|_| ())).await.len(), 0);
        assert_eq!(failures(&version(|config| config.versions[0].error_rate = 1.0)).await.len(), 1000);
    }

    #[tokio::test]
    async fn latency_is_taken_and_counted() {
        let slow = version(|config| config.versions[0].latency.constant = Duration::from_millis(20));
        let received = Instant::now();
        slow.predict(received, Ok(vec![[5.1, 3.5, 1.4, 0.2]])).await.unwrap();
        assert!(received.elapsed() >= Duration::from_millis(20));
        assert!(slow.stats().latency.min.unwrap() >= 20.0);
    }

    #[tokio::test]
    async fn bad_rows_are_refused_at_once_and_counted() {
        let slow = version(|config| config.versions[0].latency.constant = Duration::from_secs(20));
        let received = Instant::now();
        slow.predict(received, Err(ServiceError::bad("no"))).await.unwrap_err();
        assert!(received.elapsed() < Duration::from_secs(20));
        assert_eq!(slow.counts()[&400].count, 1);
    }
}
