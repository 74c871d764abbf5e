//! Metrics of a report and their series.

use std::collections::BTreeMap;

use prometheus_client::registry::Unit;

use super::{Family, Series};
use crate::model::metric::MSEC;
use crate::model::slo::Outcome;
use crate::report::explain::{by_urgency, name as shown};
use crate::report::gate::{Decision, Gate, outcome_name};
use crate::report::view::{LoadReport, Overall, ReportView, SloReport, VersionVerdict};

const OUTCOMES: [Overall; 8] = [
    Overall::Satisfied,
    Overall::Violated,
    Overall::Inconclusive,
    Overall::Unassessed,
    Overall::Failed,
    Overall::Interrupted,
    Overall::Incomplete,
    Overall::Invalid,
];
/// Verdicts as label values; an SLO that was not assessed has none.
const VERDICTS: [(Option<Outcome>, &str); 4] = [
    (Some(Outcome::Satisfied), "satisfied"),
    (Some(Outcome::Violated), "violated"),
    (Some(Outcome::Inconclusive), "inconclusive"),
    (None, "unassessed"),
];
const MSEC_PER_SECOND: f64 = 1_000.0;

/// Lists all metrics.
pub(super) fn of(view: &ReportView, gate: &Gate) -> Vec<Family> {
    let mut families = of_experiment(view, gate);
    let slos = &distinct(&view.verdicts);
    families.push(Family {
        name: "slo_verdict",
        help: "1 for the verdict on an SLO, 0 for the others",
        unit: None,
        series: slos.iter().flat_map(|verdict| verdicts(verdict)).collect(),
    });
    let limit = |verdict: &VersionVerdict| Some((slo_labels(verdict), verdict.slo.limit));
    families.extend(of_slos(slos, ["slo_limit", "Limit of an SLO"], limit));
    let value = |verdict: &VersionVerdict| Some((slo_labels(verdict), verdict.slo.value?));
    families.extend(of_slos(slos, ["slo_value", "Value that was judged against an SLO"], value));
    let end = |at: usize, name: &'static str| {
        move |verdict: &VersionVerdict| {
            let mut labels = slo_labels(verdict);
            labels.push(("end", name.to_owned()));
            Some((labels, *verdict.slo.interval?.get(at)?.as_ref()?))
        }
    };
    let ends = ["slo_interval", "Ends of the interval of the value that an SLO was judged by"];
    let [low, high] = [of_slos(slos, ends, end(0, "low")), of_slos(slos, ends, end(1, "high"))];
    families.extend(low.into_iter().zip(high).map(|(mut low, high)| {
        low.series.extend(high.series);
        low
    }));
    families.extend(of_metrics(view));
    families.extend(of_distributions(view));
    families.extend(of_loads(&view.load));
    families
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Family {
    Family { name, help, unit: None, series: vec![Series { labels: Vec::new(), value }] }
}

fn of_experiment(view: &ReportView, gate: &Gate) -> Vec<Family> {
    let summary = &view.summary;
    let outcome = |outcome: &Overall| Series {
        labels: vec![("outcome", outcome_name(*outcome).to_owned())],
        value: flag(*outcome == summary.outcome),
    };
    let start = summary.start_time.map(|start| start.timestamp_millis() as f64 / MSEC_PER_SECOND);
    let start = Family {
        name: "start_time",
        help: "Start of the first loop, since 1970",
        unit: Some(Unit::Seconds),
        series: start.map(|value| Series { labels: Vec::new(), value }).into_iter().collect(),
    };
    let build = Family {
        name: "build_info",
        help: "1, with the version of the program that wrote the result",
        unit: None,
        series: summary
            .version
            .iter()
            .map(|version| Series { labels: vec![("program_version", shown(version))], value: 1.0 })
            .collect(),
    };
    vec![
        gauge("passed", "1 if all conditions of iter8 assert hold, else 0", flag(gate.decision == Decision::Passed)),
        Family {
            name: "outcome",
            help: "1 for the outcome of the experiment, 0 for the others",
            unit: None,
            series: OUTCOMES.iter().map(outcome).collect(),
        },
        start,
        gauge("loops", "Loops that were started", summary.loops as f64),
        gauge("loops_completed", "Loops whose tasks all finished", summary.completed_loops as f64),
        build,
    ]
}

fn flag(is_set: bool) -> f64 {
    if is_set { 1.0 } else { 0.0 }
}

type Labels = Vec<(&'static str, String)>;

fn slo_labels(verdict: &VersionVerdict) -> Labels {
    let VersionVerdict { version, slo } = verdict;
    vec![("version", shown(version)), ("metric", shown(&slo.metric)), ("slo", slo.label())]
}

/// Lists the verdicts with different labels. Of those whose names are the same once they are shortened, it is the worst one.
fn distinct(verdicts: &[VersionVerdict]) -> Vec<&VersionVerdict> {
    let mut worst: BTreeMap<Labels, &VersionVerdict> = BTreeMap::new();
    for verdict in by_urgency(verdicts) {
        worst.entry(slo_labels(verdict)).or_insert(verdict);
    }
    let is_worst =
        |verdict: &&VersionVerdict| worst.get(&slo_labels(verdict)).is_some_and(|kept| std::ptr::eq(*kept, *verdict));
    verdicts.iter().filter(is_worst).collect()
}

fn verdicts(verdict: &VersionVerdict) -> impl Iterator<Item = Series> {
    VERDICTS.into_iter().map(|(outcome, word)| {
        let mut labels = slo_labels(verdict);
        labels.push(("verdict", word.to_owned()));
        Series { labels, value: flag(outcome == verdict.slo.verdict) }
    })
}

/// Returns two metrics with the same name: numbers in seconds, and all others.
fn of_slos(
    verdicts: &[&VersionVerdict],
    [name, help]: [&'static str; 2],
    number: impl Fn(&VersionVerdict) -> Option<(Labels, f64)>,
) -> [Family; 2] {
    let units = |slo: &SloReport| slo.units.clone().filter(|_| slo.comparison.is_none());
    let numbers = verdicts.iter().filter_map(|verdict| {
        let (labels, value) = number(verdict)?;
        Some((labels, value, units(&verdict.slo)))
    });
    by_unit(name, help, numbers)
}

fn of_metrics(view: &ReportView) -> [Family; 2] {
    let metrics = view.versions.iter().flat_map(|version| version.metrics.iter().map(move |metric| (version, metric)));
    let numbers = metrics.filter_map(|(version, (metric, report))| {
        let labels = vec![("version", shown(&version.name)), ("metric", shown(metric))];
        Some((labels, report.value?, report.units.clone()))
    });
    by_unit("metric", "Newest value of a metric", numbers)
}

fn of_distributions(view: &ReportView) -> [Family; 2] {
    let all = view.versions.iter().flat_map(|version| version.distributions.iter().map(move |one| (version, one)));
    let numbers = all.flat_map(|(version, (metric, distribution))| {
        distribution.percentiles.iter().filter_map(move |(percentile, value)| {
            let percentile = ("percentile", percentile.strip_prefix('p')?.to_owned());
            let labels = vec![("version", shown(&version.name)), ("metric", shown(metric)), percentile];
            Some((labels, *value, distribution.units.clone()))
        })
    });
    by_unit("distribution", "Percentiles of a metric", numbers)
}

/// Separates numbers in seconds from all others, which get a label for their unit if they have one.
fn by_unit(
    name: &'static str,
    help: &'static str,
    numbers: impl Iterator<Item = (Labels, f64, Option<String>)>,
) -> [Family; 2] {
    let mut seconds = Family { name, help, unit: Some(Unit::Seconds), series: Vec::new() };
    let mut others = Family { name, help, unit: None, series: Vec::new() };
    for (mut labels, value, units) in numbers {
        // Divides, because multiplying by 0.001 would add digits: 60 msec is 0.06 s.
        let divisor = match units.as_deref() {
            Some(MSEC | "ms" | "milliseconds") => Some(MSEC_PER_SECOND),
            Some("s" | "sec" | "seconds") => Some(1.0),
            _ => None,
        };
        match divisor {
            Some(divisor) => seconds.series.push(Series { labels, value: value / divisor }),
            None => {
                labels.extend(units.filter(|units| !units.is_empty()).map(|units| ("unit", shown(&units))));
                others.series.push(Series { labels, value });
            }
        }
    }
    [seconds, others]
}

fn of_loads(loads: &[LoadReport]) -> Vec<Family> {
    let labels = |row: &LoadReport| vec![("version", shown(&row.version)), ("load", shown(&row.provider))];
    let family = |name, help, unit, number: &dyn Fn(&LoadReport) -> Option<f64>| {
        let series = |row: &LoadReport| Some(Series { labels: labels(row), value: number(row)? });
        Family { name, help, unit, series: loads.iter().filter_map(series).collect() }
    };
    let by_status = loads.iter().flat_map(|row| {
        row.load.statuses.iter().map(move |(status, count)| {
            let mut labels = labels(row);
            labels.push(("status", status.to_string()));
            Series { labels, value: *count as f64 }
        })
    });
    let by_cause = loads.iter().flat_map(|row| {
        row.load.causes.iter().map(move |(cause, count)| {
            let mut labels = labels(row);
            labels.push(("cause", shown(cause)));
            Series { labels, value: *count as f64 }
        })
    });
    vec![
        family("load_requests", "Requests of a load, without warm-up", None, &|row| {
            Some(row.load.counts.requests as f64)
        }),
        family("load_errors", "Failed requests of a load", None, &|row| Some(row.load.counts.errors as f64)),
        family("load_late", "Requests that were sent late", None, &|row| Some(row.load.counts.late as f64)),
        family("load_dropped", "Requests that were due and never sent", None, &|row| {
            Some(row.load.counts.dropped as f64)
        }),
        family("load_requested_rate", "Planned requests per second", None, &|row| row.load.requested_rate),
        family("load_achieved_rate", "Achieved requests per second", None, &|row| Some(row.load.achieved_rate)),
        family("load_duration", "Time from the first due request to the last response", Some(Unit::Seconds), &|row| {
            Some(row.load.duration.0.as_secs_f64())
        }),
        Family { name: "load_responses", help: "Responses by status", unit: None, series: by_status.collect() },
        Family {
            name: "load_failures",
            help: "Requests without a complete or an expected response, by cause",
            unit: None,
            series: by_cause.collect(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_seconds_or_labelled_with_their_unit() {
        let number = |units: &str| (Vec::new(), 5.0, Some(units.to_owned()));
        let msec = (Vec::new(), 63.2, Some("msec".to_owned()));
        let numbers = [msec, number("seconds"), number("bytes"), (Vec::new(), 5.0, None)];
        let [seconds, others] = by_unit("x", "", numbers.into_iter());
        assert_eq!(seconds.series.iter().map(|series| series.value).collect::<Vec<_>>(), [0.0632, 5.0]);
        assert_eq!(others.series[0].labels, [("unit", "bytes".to_owned())]);
        assert!(others.series[1].labels.is_empty());
    }
}
