//! Figures of a load at a glance, as every format shows them: rate, duration, errors, median and tail of the latency.

use super::show::{elapsed, grouped, percentage, readable, rounded, thousands, unit};
use super::view::{ChangeReport, LoadReport, ReportView};

/// Formatted figures of a load.
pub(super) struct LoadFigures {
    /// Requests per second.
    pub achieved: String,
    /// Requested requests per second; `None` if there is no limit.
    pub requested: Option<String>,
    pub duration: String,
    pub requests: String,
    pub errors: String,
    /// Share of the requests that failed: `0.84 %`; `None` if none did.
    pub failed: Option<String>,
    /// Median and 99th percentile.
    pub latencies: [Latency; 2],
}

/// A percentile of the latency.
pub(super) struct Latency {
    pub label: &'static str,
    pub value: Option<Value>,
    /// Change against version 0: `+4.1 %`.
    pub change: Option<String>,
    /// Change with its interval, if there is one: `+4.1 % (+1.2 to +7 %)`.
    pub change_in_words: Option<String>,
}

/// A number with its unit.
pub(super) struct Value {
    pub number: String,
    /// Unit with a space before it: ` ms`; empty if there is none.
    pub unit: String,
}

impl Latency {
    /// Formats the value with its unit.
    pub(super) fn text(&self) -> Option<String> {
        self.value.as_ref().map(|Value { number, unit }| format!("{number}{unit}"))
    }
}

impl LoadFigures {
    pub(super) fn of(view: &ReportView, row: &LoadReport) -> Self {
        let load = &row.load;
        let counts = &load.counts;
        let share = 100.0 * counts.errors as f64 / counts.requests.max(1) as f64;
        Self {
            achieved: grouped(&rounded(load.achieved_rate)),
            requested: load.requested_rate.map(|rate| grouped(&rounded(rate))),
            duration: elapsed(load.duration.0.as_secs_f64()),
            requests: thousands(counts.requests),
            errors: thousands(counts.errors),
            failed: (counts.errors > 0).then(|| format!("{} %", percentage(share))),
            latencies: ["p50", "p99"].map(|label| latency(view, row, label)),
        }
    }
}

/// Lists the loads: those without a success first, then by provider.
pub(super) fn in_order(view: &ReportView) -> Vec<&LoadReport> {
    let mut rows: Vec<&LoadReport> = view.load.iter().collect();
    rows.sort_by(|a, b| (!a.is_failed(), &a.provider).cmp(&(!b.is_failed(), &b.provider)));
    rows
}

fn latency(view: &ReportView, row: &LoadReport, label: &'static str) -> Latency {
    let distribution = format!("{}/latency", row.provider);
    let version = view.versions.iter().find(|version| version.name == row.version);
    let value = version.and_then(|version| version.figure(&row.provider, &format!("latency-{label}")));
    let is_its =
        |change: &&ChangeReport| change.version == row.version && is_figure(&change.metric, &distribution, label);
    let change = view.changes.iter().find(is_its);
    Latency {
        label,
        value: value.map(|(number, units)| Value { number: readable(number, units), unit: unit(units) }),
        change: change.and_then(ChangeReport::change_text),
        change_in_words: change.and_then(ChangeReport::in_words),
    }
}

/// Returns true if a metric is a figure of a distribution: `http/latency-p50` and `http/latency/p50` are p50 of `http/latency`.
pub(super) fn is_figure(name: &str, distribution: &str, label: &str) -> bool {
    name.strip_prefix(distribution).and_then(|rest| rest.strip_prefix(['-', '/'])) == Some(label)
}

#[cfg(test)]
mod tests {
    use super::is_figure;

    #[test]
    fn figures_of_a_distribution_are_told_from_other_names() {
        let names = ["-p50", "/p50", "", "é", "-p5", "/p500"].map(|end| format!("http/latency{end}"));
        assert_eq!(names.map(|name| is_figure(&name, "http/latency", "p50")), [true, true, false, false, false, false]);
    }
}
