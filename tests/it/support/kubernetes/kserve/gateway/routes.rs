//! Hosts of a Knative Service, and the revisions behind each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Splits by host. The percents of a host add up to 100.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    hosts: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Seed of all splits.
const SEED: u64 = 8;

impl Routes {
    /// Routes of a status.
    pub fn of(status: &Value) -> Self {
        let mut new = Self::default();
        let own = status["url"].as_str();
        for entry in status["traffic"].as_array().into_iter().flatten() {
            let Some(revision) = entry["revisionName"].as_str() else { continue };
            if let Some(own) = own {
                new.add(own, revision, entry["percent"].as_u64().unwrap_or(0));
            }
            if let Some(tagged) = entry["url"].as_str() {
                new.add(tagged, revision, 100);
            }
        }
        new
    }

    fn add(&mut self, url: &str, revision: &str, percent: u64) {
        let split = self.hosts.entry(url.trim_start_matches("http://").to_owned()).or_default();
        if percent > 0 {
            *split.entry(revision.to_owned()).or_default() += percent;
        }
    }

    /// Revisions behind any host.
    pub fn revisions(&self) -> BTreeSet<&str> {
        self.hosts.values().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    /// Percents of a host; `None` if it is unknown.
    pub fn split(&self, host: &str) -> Option<BTreeMap<String, u64>> {
        self.hosts.get(host).cloned()
    }

    /// Revision for a request. `None` if the host is unknown; an empty name if there is no revision. `number` counts requests; it is called
    /// for known hosts only.
    pub fn select(&self, host: &str, number: impl Fn() -> u64) -> Option<String> {
        let split = self.hosts.get(host.split(':').next()?)?;
        let total = split.values().sum::<u64>().max(1);
        let mut draw = random(number()) % total;
        let selected = split.iter().find(|(_, percent)| {
            let is_it = draw < **percent;
            draw = draw.saturating_sub(**percent);
            is_it
        });
        Some(selected.map(|(revision, _)| revision.clone()).unwrap_or_default())
    }
}

/// Name of the Service that has a revision.
pub fn service_of(revision: &str) -> &str {
    revision.rsplit_once('-').map_or(revision, |(service, _)| service)
}

/// The n-th number of a sequence: SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014).
fn random(n: u64) -> u64 {
    let mut bits = SEED.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
