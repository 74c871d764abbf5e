//! Provenance of metrics from providers: query, response, and the value taken from it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::metrics::units;
use crate::metrics::MetricsView;
use crate::metrics::missing::Recorded;
use crate::model::insights::{Insights, Observation};
use crate::model::metric::{MetricType, Reading};
use crate::model::metric_name::MetricRef;
use crate::model::missing::{MissingCause, NoDataPolicy, OnErrorPolicy};
use crate::model::text::prefix;
use crate::redact::{redact_text, redact_url};

/// Maximum characters of a query (more than anyone reads) and of a provider's other strings.
const MAX_QUERY: usize = 8_000;
const MAX_WORDS: usize = 1_000;
/// Maximum warnings per response.
const MAX_WARNINGS: usize = 10;

/// Provenance of one metric of one version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservationReport {
    /// Value; `null` if there is none, or if the metric has many (`samples`).
    pub value: Option<f64>,
    pub units: Option<String>,
    /// One line for people.
    pub description: Option<String>,
    /// URL that was queried.
    pub source: Option<String>,
    /// Query as it was sent.
    pub query: Option<String>,
    /// Evaluation time of the query, RFC 3339.
    pub time: Option<DateTime<Utc>>,
    /// HTTP status of the response.
    pub status: Option<u16>,
    /// Attempts until the provider responded.
    pub attempts: Option<u32>,
    /// Number of series in the response.
    pub series: Option<u64>,
    /// Value as the provider wrote it.
    pub raw: Option<String>,
    pub warnings: Vec<String>,
    /// Number of samples of a metric with many values.
    pub samples: Option<u64>,
    /// Reason for a missing value.
    pub no_data: Option<String>,
    /// Cause of a missing value.
    pub missing: Option<MissingCause>,
    /// Effect of an absent value on SLOs.
    pub policy: Option<NoDataPolicy>,
    /// Effect of an error on SLOs.
    pub on_error: Option<OnErrorPolicy>,
}

impl ObservationReport {
    /// Explains the policy of a missing value, with the name of its setting.
    pub fn explain_policy(&self) -> Option<(&'static str, &'static str)> {
        let of_error = self.on_error.map(|policy| match policy {
            OnErrorPolicy::Fail => "fail: SLOs on it count as violated",
            OnErrorPolicy::Inconclusive => "inconclusive: SLOs on it stay inconclusive",
        });
        let of_absence = self.policy.map(|policy| match policy {
            NoDataPolicy::Fail => "fail: SLOs on it count as violated",
            NoDataPolicy::Pass => "pass: SLOs on it count as satisfied",
            NoDataPolicy::Inconclusive => "inconclusive: SLOs on it stay inconclusive",
            NoDataPolicy::Zero => "zero: the value counts as 0",
        });
        of_error.map(|text| ("onError", text)).or(of_absence.map(|text| ("noData", text)))
    }

    /// Summarizes the response in fragments: `HTTP 200`, `1 series`, `3 attempts`.
    pub fn response_facts(&self) -> Vec<String> {
        let status = self.status.map(|status| format!("HTTP {status}"));
        let series = self.series.map(|series| format!("{series} series"));
        let attempts = self.attempts.filter(|attempts| *attempts > 1).map(|attempts| format!("{attempts} attempts"));
        [status, series, attempts].into_iter().flatten().collect()
    }
}

/// Reports the metrics of one version that were queried from a provider.
pub(super) fn of_version(insights: &Insights, version: usize) -> BTreeMap<String, ObservationReport> {
    let Some(seen) = insights.observations.get(version) else { return BTreeMap::new() };
    let queried = seen.iter().filter(|(_, seen)| is_queried(seen));
    queried.map(|(name, seen)| (name.clone(), of_metric(insights, version, name, seen))).collect()
}

/// Distinguishes metrics of providers from those that a load measured itself.
fn is_queried(seen: &Observation) -> bool {
    seen.query.is_some()
        || seen.status.is_some()
        || seen.attempts.is_some()
        || seen.policy.is_some()
        || seen.on_error.is_some()
}

fn of_metric(insights: &Insights, version: usize, name: &str, seen: &Observation) -> ObservationReport {
    let meta = insights.metrics_info.get(name);
    let has_many = meta.is_some_and(|meta| meta.kind == MetricType::Sample) && seen.no_data.is_none();
    let is_missing = Recorded::of(seen).is_some_and(|recorded| !recorded.is_zero());
    let (value, reason) = match MetricsView::new(insights, version).resolve(&name.into()).reading {
        _ if has_many || is_missing => (None, None),
        Reading::Value(value) => (Some(value), None),
        Reading::Missing(missing) => (None, Some(missing.reason)),
    };
    // Redacted before the final truncation, so that half a secret is never shown.
    let redacted = |text: &String, max: usize| prefix(&redact_text(prefix(text, max * 2)), max).to_owned();
    ObservationReport {
        value,
        units: units(insights, &MetricRef::from(name)),
        description: meta.map(|meta| meta.description.clone()).filter(|text| !text.is_empty()),
        source: seen.source.as_deref().map(redact_url),
        query: seen.query.as_ref().map(|query| redacted(query, MAX_QUERY)),
        time: seen.time,
        status: seen.status,
        attempts: seen.attempts,
        series: seen.series,
        raw: seen.raw.as_ref().map(|raw| redacted(raw, MAX_WORDS)),
        warnings: seen.warnings.iter().take(MAX_WARNINGS).map(|warning| redacted(warning, MAX_WORDS)).collect(),
        samples: seen.samples,
        // With a policy of zero there is both a value and a reason.
        no_data: seen.no_data.clone().or(reason).map(|reason| redacted(&reason, MAX_WORDS)),
        missing: seen.missing,
        policy: seen.policy,
        on_error: seen.on_error,
    }
}
