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

/// A distribution of every HTTP load.
struct Kind {
    name: &'static str,
    quantity: &'static str,
    histogram: HistogramKind,
    /// True if scalar metrics are derived from it, such as `latency-mean`.
    has_scalars: bool,
}

const DISTRIBUTIONS: [Kind; 5] = [
    Kind {
        name: "latency",
        quantity: "latency, from the instant a request was due",
        histogram: HistogramKind::Latency,
        has_scalars: true,
    },
    Kind {
        name: "service-time",
        quantity: "service time, from the instant a request was sent",
        histogram: HistogramKind::ServiceTime,
        has_scalars: true,
    },
    Kind {
        name: "success-latency",
        quantity: "latency of successful responses",
        histogram: HistogramKind::SuccessLatency,
        has_scalars: false,
    },
    Kind {
        name: "first-byte",
        quantity: "time to the first byte of a response, from the instant its request was due",
        histogram: HistogramKind::First,
        has_scalars: false,
    },
    Kind {
        name: "connect",
        quantity: "time to open a connection, TLS included",
        histogram: HistogramKind::Connect,
        has_scalars: false,
    },
];

impl Kind {
    fn scalars<'a>(&self, load: &'a Load) -> Scalars<'a> {
        if self.has_scalars { Scalars::All(&load.percentiles) } else { Scalars::None }
    }
}

/// Returns the names of the metrics that [`add`] measures.
pub(super) fn metric_names(load: &Load) -> MetricNames {
    loadgen::planned(DISTRIBUTIONS.iter().map(|kind| (kind.name, kind.scalars(load))), load.attribution.is_some())
}

/// Adds the metrics and the record of the load to its version.
pub(super) fn add(load: &Load, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics) {
    let distributions = DISTRIBUTIONS.map(|kind| Distribution {
        name: kind.name,
        quantity: kind.quantity,
        of: kind.histogram,
        kind: MetricType::Histogram,
        scalars: kind.scalars(load),
    });
    let record = LoadRecord {
        url: load.display_url(),
        method: load.method.to_string(),
        statuses: outcome.statuses.clone(),
        version_from: load.attribution.as_ref().map(|attribution| attribution.source.record()),
        ..LoadRecord::default()
    };
    loadgen::add(&load.provider, outcome, &distributions, start, record, into);
}
