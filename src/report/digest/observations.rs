//! How the metrics of providers came about: what was asked, what was answered, and what was made of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::metrics::units;
use crate::metrics::reading::reading;
use crate::model::insights::{Insights, Observation};
use crate::model::metric::{MetricType, NoDataPolicy, Reading};
use crate::redact::{mask_text, mask_url};

/// Most characters of a query, more than any that is meant to be read; and of a provider's other words.
const MAX_QUERY: usize = 8_000;
const MAX_WORDS: usize = 1_000;
/// Most warnings of one answer.
const MAX_WARNINGS: usize = 10;

/// How one metric of one version came about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservationReport {
    /// The value; `null` where there is none, and where the metric has many (`samples`).
    pub value: Option<f64>,
    /// Its unit.
    pub units: Option<String>,
    /// One line for people.
    pub description: Option<String>,
    /// Where was asked.
    pub source: Option<String>,
    /// The query as it was sent.
    pub query: Option<String>,
    /// The instant that the query was evaluated at, RFC 3339.
    pub time: Option<DateTime<Utc>>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// How often was asked.
    pub attempts: Option<u32>,
    /// How many series the answer had.
    pub series: Option<u64>,
    /// The value as the provider wrote it.
    pub raw: Option<String>,
    /// What the provider warned of.
    pub warnings: Vec<String>,
    /// How many samples there are of a metric with many.
    pub samples: Option<u64>,
    /// Why there is no value.
    pub no_data: Option<String>,
    /// What objectives on it become for want of a value.
    pub policy: Option<NoDataPolicy>,
}

impl ObservationReport {
    /// What the policy does, in words.
    pub fn policy_words(&self) -> Option<&'static str> {
        self.policy.map(|policy| match policy {
            NoDataPolicy::Fail => "fail: objectives on it count as violated",
            NoDataPolicy::Pass => "pass: objectives on it count as satisfied",
            NoDataPolicy::Inconclusive => "inconclusive: objectives on it are left open",
            NoDataPolicy::Zero => "zero: the value is taken to be 0",
        })
    }

    /// What is known of the answer, in fragments: `HTTP 200`, `1 series`, `3 attempts`.
    pub fn answer(&self) -> Vec<String> {
        let status = self.status.map(|status| format!("HTTP {status}"));
        let series = self.series.map(|series| format!("{series} series"));
        let attempts = self.attempts.filter(|attempts| *attempts > 1).map(|attempts| format!("{attempts} attempts"));
        [status, series, attempts].into_iter().flatten().collect()
    }
}

/// The metrics of one version for which a provider was asked.
pub(super) fn of_version(insights: &Insights, version: usize) -> BTreeMap<String, ObservationReport> {
    let Some(seen) = insights.observations.get(version) else { return BTreeMap::new() };
    let asked = seen.iter().filter(|(_, seen)| was_asked(seen));
    asked.map(|(name, seen)| (name.clone(), of_metric(insights, version, name, seen))).collect()
}

/// Loads measure by themselves: they ask nobody.
fn was_asked(seen: &Observation) -> bool {
    seen.query.is_some() || seen.status.is_some() || seen.attempts.is_some() || seen.policy.is_some()
}

fn of_metric(insights: &Insights, version: usize, name: &str, seen: &Observation) -> ObservationReport {
    let meta = insights.metrics_info.get(name);
    let has_many = meta.is_some_and(|meta| meta.kind == MetricType::Sample) && seen.no_data.is_none();
    let is_absent = seen.no_data.is_some() && seen.policy != Some(NoDataPolicy::Zero);
    let found = if has_many || is_absent { None } else { Some(reading(insights, version, name)) };
    let (value, reason) = match found {
        Some(Reading::Value(value)) => (Some(value).filter(|value| value.is_finite()), None),
        Some(Reading::NoData(reason)) => (None, Some(reason)),
        None => (None, None),
    };
    // A secret that stands where a text is cut is not half shown.
    let cut = |text: &String, most: usize| {
        let text: String = text.chars().take(most * 2).collect();
        mask_text(&text).chars().take(most).collect::<String>()
    };
    ObservationReport {
        value,
        units: units(insights, name),
        description: meta.map(|meta| meta.description.clone()).filter(|text| !text.is_empty()),
        source: seen.source.as_deref().map(mask_url),
        query: seen.query.as_ref().map(|query| cut(query, MAX_QUERY)),
        time: seen.time,
        status: seen.status,
        attempts: seen.attempts,
        series: seen.series,
        raw: seen.raw.as_ref().map(|raw| cut(raw, MAX_WORDS)),
        warnings: seen.warnings.iter().take(MAX_WARNINGS).map(|warning| cut(warning, MAX_WORDS)).collect(),
        samples: seen.samples,
        // Where zero stands in there is a value, and still a reason.
        no_data: seen.no_data.clone().or(reason).map(|reason| cut(&reason, MAX_WORDS)),
        policy: seen.policy,
    }
}
