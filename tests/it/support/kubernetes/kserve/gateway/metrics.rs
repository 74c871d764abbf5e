//! Counts and latencies of revisions for Prometheus, under the names of Knative and of Istio.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

use http::StatusCode;

use super::routes::service_of;

/// Upper bounds of the latency buckets, in milliseconds.
const BUCKETS_MS: [f64; 12] = [1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 250.0, 500.0, 1000.0, 10000.0];

/// Counters of a namespace.
pub struct Metrics {
    namespace: String,
    /// By revision and status.
    series: Mutex<BTreeMap<(String, u16), Series>>,
}

#[derive(Clone, Copy, Default)]
struct Series {
    count: u64,
    sum_ms: f64,
    /// Cumulative counts.
    buckets: [u64; BUCKETS_MS.len()],
}

impl Metrics {
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), series: Mutex::default() }
    }

    /// Adds a revision, whose successes are counted from 0.
    pub fn add(&self, revision: &str) {
        self.series.lock().unwrap().entry((revision.to_owned(), 200)).or_default();
    }

    pub fn record(&self, revision: &str, status: StatusCode, latency: Duration) {
        let latency_ms = latency.as_secs_f64() * 1000.0;
        let mut all = self.series.lock().unwrap();
        let series = all.entry((revision.to_owned(), status.as_u16())).or_default();
        series.count += 1;
        series.sum_ms += latency_ms;
        for (bound, count) in BUCKETS_MS.iter().zip(&mut series.buckets) {
            *count += u64::from(latency_ms <= *bound);
        }
    }

    /// Number of responses of a revision.
    pub fn requests(&self, revision: &str) -> u64 {
        let all = self.series.lock().unwrap();
        all.iter().filter(|((name, _), _)| name == revision).map(|(_, series)| series.count).sum()
    }

    /// All series in the text format.
    pub fn render(&self) -> String {
        let all = self.series.lock().unwrap().clone();
        let knative = |revision: &str, status: u16| self.knative(revision, status);
        let istio = |revision: &str, status: u16| self.istio(revision, status);
        let mut text = String::new();
        counter(&mut text, "revision_app_request_count", &all, knative);
        histogram(&mut text, "revision_app_request_latencies", &all, knative);
        counter(&mut text, "istio_requests_total", &all, istio);
        histogram(&mut text, "istio_request_duration_milliseconds", &all, istio);
        text
    }

    fn knative(&self, revision: &str, status: u16) -> String {
        let (service, namespace) = (service_of(revision), &self.namespace);
        format!(
            "service_name=\"{service}\",revision_name=\"{revision}\",configuration_name=\"{service}\",\
             namespace_name=\"{namespace}\",response_code=\"{status}\",response_code_class=\"{}xx\"",
            status / 100
        )
    }

    fn istio(&self, revision: &str, status: u16) -> String {
        let (service, namespace) = (service_of(revision), &self.namespace);
        format!(
            "reporter=\"destination\",destination_workload=\"{revision}-deployment\",\
             destination_workload_namespace=\"{namespace}\",destination_canonical_service=\"{service}\",\
             destination_canonical_revision=\"{revision}\",request_protocol=\"http\",response_code=\"{status}\""
        )
    }
}

type All = BTreeMap<(String, u16), Series>;

fn counter(text: &mut String, name: &str, all: &All, labels: impl Fn(&str, u16) -> String) {
    writeln!(text, "# TYPE {name} counter").unwrap();
    for ((revision, status), series) in all {
        writeln!(text, "{name}{{{}}} {}", labels(revision, *status), series.count).unwrap();
    }
}

fn histogram(text: &mut String, name: &str, all: &All, labels: impl Fn(&str, u16) -> String) {
    writeln!(text, "# TYPE {name} histogram").unwrap();
    for ((revision, status), series) in all {
        let labels = labels(revision, *status);
        for (bound, count) in BUCKETS_MS.iter().zip(series.buckets) {
            writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}").unwrap();
        }
        writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", series.count).unwrap();
        writeln!(text, "{name}_sum{{{labels}}} {}", series.sum_ms).unwrap();
        writeln!(text, "{name}_count{{{labels}}} {}", series.count).unwrap();
    }
}
