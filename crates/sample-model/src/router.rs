//! Selects the version that responds to a request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::config::SampleConfig;
use super::error::ServiceError;
use super::random::SplitMix64;
use super::version::Version;

/// Request header that names a version, as in ModelMesh.
const MODEL_ID_HEADER: HeaderName = HeaderName::from_static("mm-vmodel-id");

/// The versions behind a port, and the rule that selects one.
#[derive(Debug)]
pub(super) struct Router {
    /// At least one.
    versions: Vec<Arc<Version>>,
    /// `None` on a version's own port.
    split: Option<Split>,
}

#[derive(Debug)]
struct Split {
    header: (HeaderName, HeaderValue),
    weights: Weights,
}

impl Router {
    /// Creates the router of a version's own port.
    pub fn only(version: Arc<Version>) -> Self {
        Self { versions: vec![version], split: None }
    }

    /// Creates the front's router. The configuration has been checked.
    pub fn between(versions: Vec<Arc<Version>>, config: &SampleConfig) -> io::Result<Self> {
        let header = (
            HeaderName::try_from(config.header.name.as_str()).map_err(io::Error::other)?,
            HeaderValue::try_from(config.header.value.as_str()).map_err(io::Error::other)?,
        );
        let seed = SplitMix64::of_item(config.seed, versions.len() as u64).bits();
        let weights = Weights::new(seed, config.versions.iter().map(|version| version.weight));
        Ok(Self { versions, split: Some(Split { header, weights }) })
    }

    /// True for the front.
    pub fn is_front(&self) -> bool {
        self.split.is_some()
    }

    /// Returns all versions, in the order of the configuration.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().map(AsRef::as_ref)
    }

    /// Returns the version for anything but a prediction: selected by name or header, else the first one.
    pub fn metadata(&self, headers: &HeaderMap, name: Option<&str>) -> Result<&Arc<Version>, ServiceError> {
        Ok(self.selected(headers, name)?.unwrap_or(&self.versions[0]))
    }

    /// Returns the version for a prediction: selected by name or header, else the next one of the weighted sequence.
    pub fn prediction(&self, headers: &HeaderMap, name: Option<&str>) -> Result<&Arc<Version>, ServiceError> {
        Ok(match (self.selected(headers, name)?, &self.split) {
            (Some(version), _) => version,
            (None, Some(split)) => &self.versions[split.weights.next()],
            (None, None) => &self.versions[0],
        })
    }

    /// Returns the version that is selected by name or, at the front, by header.
    fn selected(&self, headers: &HeaderMap, name: Option<&str>) -> Result<Option<&Arc<Version>>, ServiceError> {
        let Some(split) = &self.split else { return name.map(|name| self.named(name)).transpose() };
        let model_id = headers.get(MODEL_ID_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()));
        if let Some(name) = name.or(model_id.as_deref()) {
            return self.named(name).map(Some);
        }
        let (name, value) = &split.header;
        let selects = headers.get_all(name).iter().any(|actual| actual == value);
        Ok(selects.then(|| self.versions.last()).flatten())
    }

    fn named(&self, name: &str) -> Result<&Arc<Version>, ServiceError> {
        self.versions.iter().find(|version| version.name == name).ok_or_else(|| {
            let known: Vec<_> = self.versions().map(|version| version.name.as_str()).collect();
            ServiceError::unknown(format!("unknown version `{name}`; this port has: {}", known.join(", ")))
        })
    }
}

/// A seeded sequence of indices with weighted frequencies. Concurrent callers share one sequence.
#[derive(Debug)]
struct Weights {
    seed: u64,
    /// Cumulative weights.
    ends: Vec<u64>,
    drawn: AtomicU64,
}

impl Weights {
    fn new(seed: u64, weights: impl Iterator<Item = u32>) -> Self {
        let running = |sum: &mut u64, weight: u32| {
            *sum += u64::from(weight);
            Some(*sum)
        };
        Self { seed, ends: weights.scan(0, running).collect(), drawn: AtomicU64::new(0) }
    }

    fn next(&self) -> usize {
        let place = self.drawn.fetch_add(1, Ordering::Relaxed);
        let total = self.ends.last().copied().unwrap_or(0);
        let draw = SplitMix64::of_item(self.seed, place).below(total);
        self.ends.partition_point(|end| *end <= draw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, weights: &[u32]) -> Vec<usize> {
        let weights = Weights::new(seed, weights.iter().copied());
        (0..10_000).map(|_| weights.next()).collect()
    }

    #[test]
    fn shares_follow_the_weights() {
        let drawn = drawn(1, &[90, 0, 10]);
        let share = |index| drawn.iter().filter(|drawn| **drawn == index).count();
        // 4 standard deviations of a binomial distribution with n = 10,000 and p = 0.1 are 120.
        assert!(share(2).abs_diff(1_000) <= 120, "{}", share(2));
        assert_eq!(share(1), 0);
        assert_eq!(share(0) + share(2), 10_000);
    }

    #[test]
    fn the_sequence_depends_on_the_seed_alone() {
        assert_eq!(drawn(1, &[1, 1]), drawn(1, &[1, 1]));
        assert_ne!(drawn(1, &[1, 1]), drawn(2, &[1, 1]));
    }

    #[test]
    fn the_greatest_weights_do_not_overflow() {
        assert!(drawn(1, &[u32::MAX; 64]).iter().all(|index| *index < 64));
    }
}
