//! Metrics that an experiment will measure, as far as they are known before it runs.
//!
//! A name is rejected only if it certainly has no value: providers with metrics that are not known yet accept every name. The rules are
//! those of [`super::MetricsView`], which looks metrics up after the run.

use std::collections::BTreeMap;

use suggest::nearest;

use super::view::{needs_aggregation, needs_no_aggregation};
use crate::model::insights::Insights;
use crate::model::metric::MetricMeta;
use crate::model::metric_name::{MetricName, split_percentile};

/// Maximum number of names in a hint.
const MAX_LISTED: usize = 20;

/// Percentiles that suggestions consider.
const PERCENTILES: [&str; 6] = ["p50", "p75", "p90", "p95", "p99", "p99.9"];

/// Metrics of a provider: names without the provider, and descriptions.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricNames {
    /// Not known before the run.
    Unknown,
    /// All names.
    Known {
        /// Metrics with one value.
        scalars: BTreeMap<String, MetricMeta>,
        /// Metrics with many values, which are read with an aggregation or as percentiles.
        distributions: BTreeMap<String, MetricMeta>,
    },
}

impl MetricNames {
    /// Returns true if both have the same names, whatever their descriptions.
    pub(crate) fn has_names_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known { scalars, distributions }, Self::Known { scalars: others, distributions: more }) => {
                scalars.keys().eq(others.keys()) && distributions.keys().eq(more.keys())
            }
            (one, other) => one == other,
        }
    }

    fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Known { scalars, distributions }, Self::Known { scalars: more, distributions: many }) => {
                scalars.extend(more);
                distributions.extend(many);
            }
            _ => *self = Self::Unknown,
        }
    }
}

/// A metric that will have no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmeasured {
    /// Lowercase fragment with the name.
    pub message: String,
    /// Names that exist, the nearest one first.
    pub hint: String,
    /// True if a load measures a metric with a similar name.
    pub is_misspelled: bool,
}

/// Metrics by provider.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    providers: BTreeMap<String, MetricNames>,
}

impl Catalog {
    /// Returns true if there are no metrics.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    /// Adds metrics of a provider.
    pub fn add(&mut self, provider: &str, names: MetricNames) {
        match self.providers.get_mut(provider) {
            Some(known) => known.merge(names),
            None => {
                self.providers.insert(provider.to_owned(), names);
            }
        }
    }

    /// Adds all metrics that earlier loops measured.
    pub fn add_earlier(&mut self, insights: &Insights) {
        let scalars = insights.non_hist_metric_values.iter().flat_map(BTreeMap::keys);
        let buckets = insights.hist_metric_values.iter().flat_map(BTreeMap::keys);
        let summaries = insights.summary_metric_values.iter().flat_map(BTreeMap::keys);
        let histograms = insights.histograms.iter().flat_map(BTreeMap::keys);
        for key in insights.metrics_info.keys().chain(scalars).chain(buckets).chain(summaries).chain(histograms) {
            if let Ok(MetricName { provider, metric, .. }) = key.parse() {
                let names = BTreeMap::from([(metric, MetricMeta::default())]);
                self.add(&provider, MetricNames::Known { scalars: names.clone(), distributions: names });
            }
        }
    }

    /// Checks that a metric may have a value.
    pub fn check(&self, name: &MetricName) -> Result<(), Unmeasured> {
        let Some(MetricNames::Known { scalars, distributions }) = self.providers.get(&name.provider) else {
            return if self.providers.contains_key(&name.provider) { Ok(()) } else { Err(self.no_provider(name)) };
        };
        let (is_scalar, is_distribution) =
            (scalars.contains_key(&name.metric), distributions.contains_key(&name.metric));
        let percentile_of = split_percentile(&name.metric).map(|(base, _)| base);
        match name.aggregation {
            Some(_) if is_distribution => Ok(()),
            Some(aggregation) if is_scalar => Err(Unmeasured {
                message: needs_no_aggregation(&name.key(), aggregation),
                hint: format!("use `{}`", name.key()),
                is_misspelled: false,
            }),
            None if is_scalar || percentile_of.is_some_and(|base| distributions.contains_key(base)) => Ok(()),
            None if is_distribution => {
                let key = name.key();
                let hint = format!("use `{key}/mean` or `{key}/p99`");
                Err(Unmeasured { message: needs_aggregation(&key), hint, is_misspelled: false })
            }
            _ => Err(self.no_metric(name)),
        }
    }

    fn no_provider(&self, name: &MetricName) -> Unmeasured {
        let message = format!("nothing measures `{name}`");
        if self.providers.is_empty() {
            return Unmeasured {
                message,
                hint: "list a task that measures it, such as `http`, before `assess`".to_owned(),
                is_misspelled: false,
            };
        }
        let providers: Vec<String> = self.providers.keys().cloned().collect();
        let hint = after_suggestion(self.nearest(name), &format!("measured providers: {}", joined(&providers)));
        let message = format!("{message}: no task measures provider `{}`", name.provider);
        Unmeasured { message, hint, is_misspelled: false }
    }

    fn no_metric(&self, name: &MetricName) -> Unmeasured {
        let names = self.providers.get(&name.provider).map(listed).unwrap_or_default();
        let hint = format!("`{}` measures {}", name.provider, joined(&names));
        let nearest = self.nearest(name);
        let is_misspelled = nearest.is_some() && name.is_of_load();
        Unmeasured {
            message: format!("nothing measures `{name}`"),
            hint: after_suggestion(nearest, &hint),
            is_misspelled,
        }
    }

    fn nearest(&self, name: &MetricName) -> Option<String> {
        let full = |provider: &str, metric: &str| format!("{provider}/{metric}");
        let text = name.to_string();
        if let Some(names) = self.providers.get(&name.provider) {
            // Without the provider, which is the same and would make any two names similar.
            let metric = text.split_once('/').map_or("", |(_, metric)| metric);
            let candidates = candidates(names);
            return nearest(metric, candidates.iter().map(String::as_str)).map(|metric| full(&name.provider, metric));
        }
        let all = self.providers.iter();
        let of = |(provider, names): (&String, &MetricNames)| {
            candidates(names).into_iter().map(|metric| full(provider, &metric)).collect::<Vec<_>>()
        };
        let candidates: Vec<String> = all.flat_map(of).collect();
        nearest(&text, candidates.iter().map(String::as_str)).map(str::to_owned)
    }
}

/// Prepends the nearest name, if one is near.
fn after_suggestion(nearest: Option<String>, hint: &str) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? {hint}"),
        None => hint.to_owned(),
    }
}

/// Returns the complete names that a suggestion may give.
fn candidates(names: &MetricNames) -> Vec<String> {
    let MetricNames::Known { scalars, distributions } = names else { return Vec::new() };
    let mut candidates: Vec<String> = scalars.keys().cloned().collect();
    for name in distributions.keys() {
        candidates.extend(["mean", "stddev", "min", "max", "count"].map(|aggregation| format!("{name}/{aggregation}")));
        let separator = if has_statistics(scalars, name) { '-' } else { '/' };
        candidates.extend(PERCENTILES.map(|percentile| format!("{name}{separator}{percentile}")));
    }
    candidates
}

/// Lists the names for people; any percentile of a distribution is one name.
fn listed(names: &MetricNames) -> Vec<String> {
    let MetricNames::Known { scalars, distributions } = names else { return Vec::new() };
    let is_own = |name: &&String| split_percentile(name).is_none_or(|(base, _)| !distributions.contains_key(base));
    let mut listed: Vec<String> = scalars.keys().filter(is_own).cloned().collect();
    for name in distributions.keys() {
        match has_statistics(scalars, name) {
            true => listed.push(format!("{name}-pX")),
            false => listed.extend([format!("{name}/mean"), format!("{name}/pX")]),
        }
    }
    listed
}

/// Returns true if a distribution also has scalars such as `latency-mean`.
fn has_statistics(scalars: &BTreeMap<String, MetricMeta>, name: &str) -> bool {
    scalars.contains_key(&format!("{name}-mean"))
}

/// Lists names, but not too many.
fn joined(names: &[String]) -> String {
    let listed = names.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(scalars: &[&str], distributions: &[&str]) -> MetricNames {
        let set = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), MetricMeta::default())).collect();
        MetricNames::Known { scalars: set(scalars), distributions: set(distributions) }
    }

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let http = known(&["error-count", "latency-mean", "latency-p99", "latency-p90"], &["latency", "connect"]);
        catalog.add("http-get", http);
        catalog.add("prom", known(&["errors", "latency-p90"], &["memory"]));
        catalog.add("remote", MetricNames::Unknown);
        catalog
    }

    fn check(catalog: &Catalog, name: &str) -> Result<(), Unmeasured> {
        catalog.check(&name.parse().unwrap())
    }

    #[test]
    fn names_that_will_have_a_value_are_accepted() {
        for name in [
            "http-get/error-count",
            "http-get/latency-p99",
            "http-get/latency-p97.5",
            "http-get/latency/p97.5",
            "http-get/connect/mean",
            "http-get/connect-p50",
            "prom/latency-p90.0",
            "prom/memory/count",
            "remote/anything",
        ] {
            assert_eq!(check(&catalog(), name), Ok(()), "{name}");
        }
    }

    #[test]
    fn other_names_are_rejected_with_the_names_that_exist() {
        let rejected = |name| {
            let Unmeasured { message, hint, .. } = check(&catalog(), name).unwrap_err();
            format!("{message}; {hint}")
        };
        let get = "`http-get` measures error-count, latency-mean, connect/mean, connect/pX, latency-pX";
        assert_eq!(
            rejected("http-get/latencyp99"),
            format!("nothing measures `http-get/latencyp99`; did you mean `http-get/latency-p99`? {get}")
        );
        assert_eq!(rejected("http-get/cost"), format!("nothing measures `http-get/cost`; {get}"));
        assert_eq!(
            rejected("http/latency-p99"),
            "nothing measures `http/latency-p99`: no task measures provider `http`; did you mean `http-get/latency-p99`? \
             measured providers: http-get, prom, remote"
        );
        // The percentiles of a scalar are not known.
        assert!(
            rejected("prom/latency-p50")
                .starts_with("nothing measures `prom/latency-p50`; did you mean `prom/latency-p90`?")
        );
        assert_eq!(
            rejected("http-get/latency"),
            "`http-get/latency` has many values: name an aggregation, such as `http-get/latency/mean` or `http-get/latency/p99`; \
             use `http-get/latency/mean` or `http-get/latency/p99`"
        );
        assert_eq!(
            rejected("prom/errors/p99"),
            "`prom/errors` is a single number: leave out `/p99`; use `prom/errors`"
        );
        let nothing = check(&Catalog::default(), "http/error-count").unwrap_err();
        assert_eq!(nothing.hint, "list a task that measures it, such as `http`, before `assess`");
    }

    #[test]
    fn metrics_of_earlier_loops_are_known() {
        let mut catalog = Catalog::default();
        catalog.add_earlier(&Insights {
            non_hist_metric_values: vec![[("abn/orders".to_owned(), vec![1.0])].into()],
            summary_metric_values: vec![[("abn/revenue".to_owned(), vec![1.0; 5])].into()],
            ..Insights::default()
        });
        assert_eq!(check(&catalog, "abn/orders"), Ok(()));
        assert_eq!(check(&catalog, "abn/revenue/mean"), Ok(()));
        assert!(check(&catalog, "abn/cost").is_err());
    }

    #[test]
    fn one_unknown_part_of_a_provider_makes_all_its_names_possible() {
        let mut catalog = catalog();
        catalog.add("prom", MetricNames::Unknown);
        assert_eq!(check(&catalog, "prom/cost"), Ok(()));
    }
}
