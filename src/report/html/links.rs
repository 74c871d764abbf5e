//! Links from metrics to the place of the page that shows them.

use std::collections::BTreeMap;

/// Identities by metric, or by what a metric begins with.
#[derive(Default)]
pub(super) struct Links {
    metrics: BTreeMap<String, String>,
    distributions: BTreeMap<String, String>,
    providers: BTreeMap<String, String>,
}

impl Links {
    /// Links a metric.
    pub fn metric(&mut self, metric: &str, id: String) {
        self.metrics.entry(metric.to_owned()).or_insert(id);
    }

    /// Links the percentiles and the mean of a distribution.
    pub fn distribution(&mut self, metric: &str, id: String) {
        self.distributions.entry(metric.to_owned()).or_insert(id);
    }

    /// Links the other metrics of a load.
    pub fn provider(&mut self, provider: &str, id: String) {
        self.providers.entry(provider.to_owned()).or_insert(id);
    }

    /// Returns the identity that shows a metric best.
    pub fn of(&self, metric: &str) -> Option<String> {
        let of_distribution = || {
            let mut named = self.distributions.iter().filter(|(name, _)| {
                metric.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/']))
            });
            named.next().map(|(_, id)| id)
        };
        let of_provider = || self.providers.get(metric.split_once('/')?.0);
        self.metrics.get(metric).or_else(of_distribution).or_else(of_provider).cloned()
    }
}
