//! Turns the outcome of an HTTP load into metrics and the load record of the document.

use chrono::{DateTime, Utc};

use super::plan::Load;
use crate::load::histograms::HistogramKind;
use crate::load::outcome::LoadOutcome;
use crate::metrics::catalog::MetricNames;
use crate::model::contribution::VersionMetrics;
use crate::model::load::LoadRecord;
use crate::model::metric::MetricType;
use crate::tasks::loadgen::{self, Distribution, Scalars};

/// Returns the distributions of every HTTP load.
fn distributions(load: &Load) -> [Distribution<'_>; 5] {
    let distribution =
        |name, quantity, of, scalars| Distribution { name, quantity, of, kind: MetricType::Histogram, scalars };
    let all = Scalars::All(&load.percentiles);
    [
        distribution("latency", "latency, from the instant a request was due", HistogramKind::Latency, all),
        distribution(
            "service-time",
            "service time, from the instant a request was sent",
            HistogramKind::ServiceTime,
            all,
        ),
        distribution(
            "success-latency",
            "latency of successful responses",
            HistogramKind::SuccessLatency,
            Scalars::None,
        ),
        distribution(
            "first-byte",
            "time to the first byte of a response, from the instant its request was due",
            HistogramKind::First,
            Scalars::None,
        ),
        distribution("connect", "time to open a connection, TLS included", HistogramKind::Connect, Scalars::None),
    ]
}

/// Returns the metrics that [`add`] measures.
pub(super) fn metric_names(load: &Load) -> MetricNames {
    loadgen::planned(&distributions(load), load.attribution.is_some())
}

/// Adds the metrics and the record of the load to its version.
pub(super) fn add(load: &Load, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics) {
    let record = LoadRecord {
        url: load.display_url(),
        method: load.method.to_string(),
        statuses: outcome.statuses.clone(),
        version_from: load.attribution.as_ref().map(|attribution| attribution.source.record()),
        ..LoadRecord::default()
    };
    loadgen::add(&load.provider, outcome, &distributions(load), start, record, into);
}
