//! Turns the outcome of an HTTP load into metrics and the load record of the document.

use chrono::{DateTime, Utc};

use super::plan::Load;
use crate::load::histograms::HistogramKind;
use crate::load::outcome::LoadOutcome;
use crate::model::contribution::VersionMetrics;
use crate::model::load::LoadRecord;
use crate::model::metric::MetricType;
use crate::tasks::loadgen::{self, Distribution, Scalars};

/// Adds the metrics and the record of the load to its version.
pub(super) fn add(load: &Load, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics) {
    let scalars = Scalars::All(&load.percentiles);
    let distribution = |name, quantity, histogram, scalars| Distribution {
        name,
        quantity,
        histogram,
        kind: MetricType::Histogram,
        scalars,
    };
    let histograms = &outcome.histograms;
    let distributions = [
        distribution(
            "latency",
            "latency, from the instant a request was due",
            &histograms[HistogramKind::Latency],
            scalars,
        ),
        distribution(
            "service-time",
            "service time, from the instant a request was sent",
            &histograms[HistogramKind::ServiceTime],
            scalars,
        ),
        distribution(
            "success-latency",
            "latency of successful responses",
            &histograms[HistogramKind::SuccessLatency],
            Scalars::None,
        ),
        distribution(
            "first-byte",
            "time to the first byte of a response, from the instant its request was due",
            &histograms[HistogramKind::First],
            Scalars::None,
        ),
        distribution(
            "connect",
            "time to open a connection, TLS included",
            &histograms[HistogramKind::Connect],
            Scalars::None,
        ),
    ];
    let record = LoadRecord {
        url: load.display_url(),
        method: load.method.to_string(),
        statuses: outcome.statuses.clone(),
        ..LoadRecord::default()
    };
    loadgen::add(&load.provider, outcome, &distributions, start, record, into);
}
