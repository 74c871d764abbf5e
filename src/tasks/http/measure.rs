//! From an HTTP load's outcome to metrics and the document's record.

use chrono::{DateTime, Utc};

use super::plan::Load;
use crate::load::outcome::LoadOutcome;
use crate::model::contribution::VersionMetrics;
use crate::model::load::LoadRecord;
use crate::model::metric::MetricType;
use crate::tasks::load::{self, Distribution, Scalars};

/// Adds the load's metrics and its record to those of its version.
pub(super) fn add(load: &Load, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics) {
    let numbers = Scalars::All(&load.percentiles);
    let distribution =
        |name, what, histogram, scalars| Distribution { name, what, histogram, kind: MetricType::Histogram, scalars };
    let distributions = [
        distribution("latency", "latency, from the instant a request was due", &outcome.latency, numbers),
        distribution(
            "service-time",
            "service time, from the instant a request was sent",
            &outcome.service_time,
            numbers,
        ),
        distribution(
            "success-latency",
            "latency of answers that are no errors",
            &outcome.success_latency,
            Scalars::None,
        ),
        distribution(
            "first-byte",
            "time to the first byte of an answer, from the instant its request was due",
            &outcome.first,
            Scalars::None,
        ),
        distribution("connect", "time to open a connection, TLS included", &outcome.connect, Scalars::None),
    ];
    let record = LoadRecord {
        url: load.shown_url(),
        method: load.method.to_string(),
        statuses: outcome.statuses.clone(),
        ..LoadRecord::default()
    };
    load::add(&load.provider, outcome, &distributions, start, record, into);
}
