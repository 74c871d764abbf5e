//! Built-in queries on series that begin, are reset, vanish or stand still, on a real Prometheus that scrapes texts made for
//! the purpose.

use std::fmt::Write;

use serde_json::{Value, json};

use super::provider::provider;
use crate::support::prometheus::{Exporter, Prometheus};

/// The texts go through these phases, one scrape or more each. The window opens after phase 0.
const PHASES: std::ops::RangeInclusive<i64> = -2..=12;

/// A series of requests with this code, 80 % of them between 5 and 10 ms, the others between 10 and 20, 9 ms on average; and `slow`
/// ones more, between 60 and 100 ms, 90 ms on average.
struct Series<'a> {
    pod: &'a str,
    code: u16,
    count: i64,
    slow: i64,
}

impl<'a> Series<'a> {
    fn ok(pod: &'a str, count: i64) -> Self {
        Self { pod, code: 200, count, slow: 0 }
    }

    fn failed(pod: &'a str, count: i64) -> Self {
        Self { pod, code: 503, count, slow: 0 }
    }

    /// As a histogram of this name has it.
    fn histogram(&self, name: &str, labels: &str) -> String {
        let (count, all) = (self.count, self.count + self.slow);
        let mut text = String::new();
        for (bound, below) in
            [("5", 0), ("10", count * 4 / 5), ("20", count), ("60", count), ("100", all), ("+Inf", all)]
        {
            writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}").unwrap();
        }
        writeln!(text, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {all}", count * 9 + self.slow * 90)
            .unwrap();
        text
    }

    fn knative(&self, revision: &str) -> String {
        let Self { pod, code, .. } = self;
        let revision = revision.replace('\\', r"\\").replace('"', "\\\"");
        let labels = format!(
            "revision_name=\"{revision}\",pod_name=\"{pod}\",response_code=\"{code}\",response_code_class=\"{}xx\"",
            code / 100
        );
        let count = format!("revision_app_request_count{{{labels}}} {}\n", self.count + self.slow);
        count + &self.histogram("revision_app_request_latencies", &labels)
    }

    /// As Knative exports it since 1.19: seconds, and other labels.
    fn knative_otel(&self, revision: &str) -> String {
        let labels = format!(
            "kn_revision_name=\"{revision}\",k8s_pod_name=\"{}\",http_response_status_code=\"{}\"",
            self.pod, self.code
        );
        let milliseconds = self.histogram("kn_serving_invocation_duration_seconds", &labels);
        let in_seconds = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            if series.contains("_sum{") {
                return format!("{series} {}\n", value.parse::<f64>().unwrap() / 1e3);
            }
            let Some((before, bound)) = series.split_once("le=\"").filter(|(_, bound)| !bound.starts_with('+')) else {
                return format!("{line}\n");
            };
            let bound = bound.trim_end_matches("\"}").parse::<f64>().unwrap() / 1e3;
            format!("{before}le=\"{bound}\"}} {value}\n")
        };
        milliseconds.lines().map(in_seconds).collect()
    }

    /// A series of gRPC calls, whose response status is 200 whatever their own status is.
    fn istio_grpc(&self, workload: &str) -> String {
        let status = if self.code == 200 { "0" } else { "14" };
        let labels = format!(
            "destination_workload=\"{workload}\",reporter=\"destination\",request_protocol=\"grpc\",response_code=\"200\",grpc_response_status=\"{status}\""
        );
        let count = format!("istio_requests_total{{{labels}}} {}\n", self.count + self.slow);
        count + &self.histogram("istio_request_duration_milliseconds", &labels)
    }

    fn istio(&self, reporter: &str) -> String {
        let labels = format!("destination_workload=\"w\",reporter=\"{reporter}\",response_code=\"{}\"", self.code);
        let count = format!("istio_requests_total{{{labels}}} {}\n", self.count + self.slow);
        count + &self.histogram("istio_request_duration_milliseconds", &labels)
    }

    fn modelmesh(&self, model: &str) -> String {
        let code = if self.code == 200 { "OK" } else { "UNAVAILABLE" };
        let labels = format!("method=\"ModelInfer\",code=\"{code}\",modelId=\"{model}-1\",vModelId=\"{model}\"");
        self.histogram("modelmesh_api_request_milliseconds", &labels)
    }
}

/// A revision, what it exports in each phase, and what its metrics are.
struct Case {
    revision: &'static str,
    series: fn(i64) -> Vec<Series<'static>>,
    expected: Vec<(&'static str, Expected)>,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Exactly(f64),
    /// Value and distance.
    About(f64, f64),
    Nothing,
}

use Expected::{About, Exactly, Nothing};

fn case(
    revision: &'static str,
    series: fn(i64) -> Vec<Series<'static>>,
    expected: &[(&'static str, Expected)],
) -> Case {
    Case { revision, series, expected: expected.to_vec() }
}

/// Pods that come, and go on. Here and below, a revision's name says what happens to it.
fn growing() -> Vec<Case> {
    vec![
        case(
            "a steady counter counts exactly, and what was slow before the window is forgotten",
            |phase| vec![Series { slow: 1000, ..Series::ok("a", 100 + 10 * phase) }],
            &[
                ("request-count", Exactly(120.0)),
                ("error-count", Exactly(0.0)),
                ("error-rate", Exactly(0.0)),
                ("latency-mean", Exactly(9.0)),
                ("latency-p5", Exactly(5.3125)),
                ("latency-p50", Exactly(8.125)),
                ("latency-p99.9", Exactly(19.95)),
                ("latency-p100", Exactly(20.0)),
            ],
        ),
        case(
            "a fresh pod counts from 0, whatever its first scrape shows",
            |phase| if phase < 4 { Vec::new() } else { vec![Series::ok("a", 10 + 5 * phase)] },
            &[("request-count", Exactly(70.0)), ("latency-mean", Exactly(9.0)), ("latency-p50", Exactly(8.125))],
        ),
        case(
            "errors before the window don't count",
            |phase| vec![Series::ok("a", 100 + 10 * phase), Series::failed("a", 7)],
            &[("request-count", Exactly(120.0)), ("error-count", Exactly(0.0)), ("error-rate", Exactly(0.0))],
        ),
        case(
            "the first errors of a pod count, all of them",
            |phase| {
                let errors = if phase < 9 { 1 } else { 3 };
                let mut series = vec![Series::ok("a", 100 + 10 * phase)];
                series.extend((phase >= 6).then(|| Series::failed("a", errors)));
                series
            },
            &[("request-count", Exactly(123.0)), ("error-count", Exactly(3.0)), ("error-rate", Exactly(3.0 / 123.0))],
        ),
        case(
            "a single error in a pod's first and last scrape counts",
            |phase| if phase < 12 { Vec::new() } else { vec![Series::failed("a", 1)] },
            &[("request-count", Exactly(1.0)), ("error-count", Exactly(1.0)), ("error-rate", Exactly(1.0))],
        ),
        case(
            r#"names with "quotes", \ and {{braces}} are found"#,
            |phase| vec![Series::ok("a", 100 + 10 * phase)],
            &[("request-count", Exactly(120.0))],
        ),
        case(
            "pods add up, each with a history of its own",
            |phase| {
                let mut series = vec![Series::ok("a", 100 + 10 * phase), Series::failed("a", 5)];
                series.extend((phase >= 5).then(|| Series::ok("b", 30)));
                series.extend((phase >= 8).then(|| Series::failed("b", 4)));
                series.extend((phase < 6).then(|| Series::ok("c", 1000 + phase.max(0) * 20)));
                series
            },
            &[
                ("request-count", Exactly(120.0 + 30.0 + 4.0 + 100.0)),
                ("error-count", Exactly(4.0)),
                ("error-rate", Exactly(4.0 / 254.0)),
            ],
        ),
    ]
}

/// Counters that begin anew.
fn begun_anew() -> Vec<Case> {
    vec![
        case(
            "a reset inside the window costs no more than a scrape or two",
            |phase| vec![Series::ok("a", if phase < 7 { 1000 + 10 * phase } else { 10 * phase - 60 })],
            &[("request-count", About(120.0, 30.0)), ("error-count", Exactly(0.0)), ("latency-mean", About(9.0, 0.3))],
        ),
        case(
            "the total that a reset wipes out is no traffic",
            |phase| vec![Series::ok("a", if phase < 6 { 1_000_000 } else { 0 })],
            &[("request-count", Exactly(0.0)), ("error-count", Nothing), ("error-rate", Nothing)],
        ),
        case(
            "what a fresh pod counted before it crashed counts",
            |phase| match phase {
                ..3 => Vec::new(),
                3..8 => vec![Series::ok("a", 20 + 10 * phase), Series::failed("a", 50)],
                _ => vec![Series::ok("a", 10 * (phase - 8)), Series::failed("a", 0)],
            },
            &[
                ("request-count", About(180.0, 50.0)),
                ("error-count", About(50.0, 15.0)),
                ("error-rate", About(50.0 / 180.0, 0.1)),
            ],
        ),
        case(
            "a restart between the last scrape before the window and the first in it begins at 0",
            |phase| vec![Series::ok("a", if phase < 1 { 1000 } else { 10 * phase })],
            &[("request-count", Exactly(120.0)), ("latency-p100", Exactly(20.0))],
        ),
    ]
}

/// Series that are not there, or stand still.
fn absent_or_idle() -> Vec<Case> {
    vec![
        case(
            "a series that vanishes inside the window keeps what it had",
            |phase| if phase < 7 { vec![Series::ok("a", 100 + 10 * phase)] } else { Vec::new() },
            &[("request-count", Exactly(60.0)), ("error-rate", Exactly(0.0)), ("latency-mean", Exactly(9.0))],
        ),
        case(
            "a series that vanished before the window and came back in it counts from where it was",
            |phase| if (0..4).contains(&phase) { Vec::new() } else { vec![Series::ok("a", 100 + 10 * phase)] },
            &[("request-count", Exactly(130.0))],
        ),
        case(
            "a series that vanished before the window is not known",
            |phase| if phase < 0 { vec![Series::ok("a", 100)] } else { Vec::new() },
            &[("request-count", Nothing), ("error-count", Nothing), ("error-rate", Nothing), ("latency-p50", Nothing)],
        ),
        case(
            "without traffic there are no errors to count, no rate and no latency",
            |_| vec![Series::ok("a", 100), Series::failed("a", 3)],
            &[
                ("request-count", Exactly(0.0)),
                ("error-count", Nothing),
                ("error-rate", Nothing),
                ("latency-mean", Nothing),
                ("latency-p5", Nothing),
                ("latency-p50", Nothing),
                ("latency-p100", Nothing),
            ],
        ),
        case(
            "without series nothing is known",
            |_| Vec::new(),
            &[("request-count", Nothing), ("error-count", Nothing), ("error-rate", Nothing), ("latency-mean", Nothing)],
        ),
    ]
}

/// Further exported series, with the other templates' names.
fn others(phase: i64) -> String {
    let mut text = String::new();
    // Both ends of a request report it. Before the window, five requests failed.
    for reporter in ["source", "destination"] {
        text += &Series::ok("", 100 + 10 * phase).istio(reporter);
        text += &Series::failed("", 5 + phase.max(0)).istio(reporter);
    }
    for workload in ["grpc", "mixed"] {
        text += &Series::ok("", 100 + 10 * phase).istio_grpc(workload);
        text += &Series::failed("", 5 + phase.max(0)).istio_grpc(workload);
    }
    // The same workload also serves HTTP, and fails.
    let http = Series::failed("", 5 + phase.max(0)).istio("destination");
    text += &http.replace("destination_workload=\"w\"", "destination_workload=\"mixed\"");
    let grpc_ok = Series::ok("", 100 + 10 * phase).istio_grpc("grpc-ok");
    text += &grpc_ok;
    for revision in ["otel", "upgraded"] {
        text += &Series::ok("a", 100 + 10 * phase).knative_otel(revision);
        text += &Series::failed("a", 5 + phase.max(0)).knative_otel(revision);
    }
    text += &Series::ok("b", 100 + 10 * phase).knative("upgraded");
    // A pod that was reset, and is slow: its sum is estimated in seconds.
    let restarted = if phase < 6 { 100 + 10 * phase } else { 10 * (phase - 5) };
    text += &Series::ok("a", restarted).knative_otel("otel-reset");
    text += &Series::ok("", 100 + 10 * phase).modelmesh("iris");
    text += &Series::failed("", 5 + phase.max(0)).modelmesh("iris");
    text += &Series::ok("", 1000 * (phase + 3)).modelmesh("other");
    text
}

/// A window, in seconds.
struct Window {
    length: u64,
    end: f64,
}

/// Takes the exporters through the phases, and gives the window that opens after phase 0. The first exporter has all that stays
/// reachable; the second fails from phase 7 on.
fn play(prometheus: &Prometheus, stays: &Exporter, fails: &Exporter, cases: &[Case]) -> Window {
    for phase in PHASES {
        let mut text = format!("phase {phase}\n{}", others(phase));
        for case in cases {
            text.extend((case.series)(phase).iter().map(|series| series.knative(case.revision)));
        }
        let lost = format!("phase {phase}\n{}", Series::ok("a", 100 + 10 * phase).knative("lost"));
        stays.set(Some(text));
        fails.set((phase < 7).then_some(lost));
        stays.wait_for_scrape();
        fails.wait_for_scrape();
    }
    prometheus.wait_until("max(phase)", |phase| phase == Some(*PHASES.end() as f64));
    let scraped = prometheus.query("phase[10m]", None);
    let samples = || scraped.as_array().unwrap().iter().flat_map(|series| series["values"].as_array().unwrap());
    let at = |sample: &Value| sample[0].as_f64().unwrap();
    let closed = samples().filter(|sample| sample[1] == "0").map(at).fold(0.0, f64::max);
    let open = samples().filter(|sample| sample[1] == "1").map(at).fold(f64::INFINITY, f64::min);
    let last = samples().map(at).fold(0.0, f64::max);
    assert!(closed < open, "the targets were not scraped in step: {scraped}");
    let start = f64::midpoint(closed, open);
    // Nothing changes any more, so the window may end in the future.
    let length = (last - start).ceil();
    Window { length: length as u64, end: start + length }
}

/// Differences between actual and expected values.
fn differences(
    prometheus: &Prometheus,
    window: &Window,
    template: &str,
    mut values: Value,
    expected: &[(&str, Expected)],
) -> Vec<String> {
    values["elapsedTimeSeconds"] = json!(window.length);
    values["latencyPercentiles"] = json!([5, "50", 99.9, 100]);
    let provider = provider(template, &values).unwrap();
    let check = |(metric, expected): &(&str, Expected)| {
        let (query, when_empty) = &provider.metrics[*metric];
        let value = prometheus.value(query, Some(window.end));
        let is_so = match *expected {
            Exactly(expected) => value.is_some_and(|value| (value - expected).abs() <= 1e-9 * expected.abs()),
            About(expected, distance) => value.is_some_and(|value| (value - expected).abs() <= distance),
            Nothing => value.is_none() && when_empty.ends_with(&format!(" in the window of {}s", window.length)),
        };
        (!is_so).then(|| format!("{}: {metric} is {value:?}, expected {expected:?}", values["labels"]))
    };
    expected.iter().filter_map(check).collect()
}

#[test]
fn values_cover_the_window_despite_resets_and_gaps() {
    let (stays, fails) = (Exporter::start(), Exporter::start());
    let Some(prometheus) = Prometheus::start(&[stays.address, fails.address]) else { return };
    let cases: Vec<Case> = [growing(), begun_anew(), absent_or_idle()].into_iter().flatten().collect();
    let window = play(&prometheus, &stays, &fails, &cases);
    let check = |template: &str, labels: Value, expected: &[(&str, Expected)]| {
        differences(&prometheus, &window, template, json!({ "labels": labels }), expected)
    };
    let mut found: Vec<String> = cases
        .iter()
        .flat_map(|case| check("kserve-prometheus", json!({"revision_name": case.revision}), &case.expected))
        .collect();
    found.extend(check("kserve-prometheus", json!({"revision_name": "lost"}), &[("request-count", Exactly(60.0))]));
    let counts = [
        ("request-count", Exactly(132.0)),
        ("error-count", Exactly(12.0)),
        ("error-rate", Exactly(12.0 / 132.0)),
        ("latency-mean", Exactly(9.0)),
        // Buckets hold whole requests, 80 % of 17 are 13.
        ("latency-p50", Exactly(5.0 + 5.0 * 66.0 / 105.0)),
        ("latency-p100", Exactly(20.0)),
    ];
    found.extend(check("istio-prom", json!({"destination_workload": "w"}), &counts));
    found.extend(check("istio-prom", json!({"destination_workload": "w", "reporter": "source"}), &counts));
    // The same requests as gRPC, and in seconds.
    found.extend(check("istio-prom", json!({"destination_workload": "grpc"}), &counts));
    found.extend(check("kserve-prometheus", json!({"revision_name": "otel"}), &counts));
    found.extend(check("kserve-prometheus", json!({"revision_name": "otel", "pod_name": "a"}), &counts));
    found.extend(check("kserve-prometheus", json!({"kn_revision_name": "otel"}), &counts));
    let both =
        [("request-count", Exactly(144.0)), ("error-count", Exactly(24.0)), ("error-rate", Exactly(24.0 / 144.0))];
    found.extend(check("istio-prom", json!({"destination_workload": "mixed"}), &both));
    let none_failed = [("request-count", Exactly(120.0)), ("error-count", Exactly(0.0)), ("error-rate", Exactly(0.0))];
    found.extend(check("istio-prom", json!({"destination_workload": "grpc-ok"}), &none_failed));
    let upgraded = [
        ("request-count", Exactly(252.0)),
        ("error-count", Exactly(12.0)),
        ("error-rate", Exactly(12.0 / 252.0)),
        ("latency-mean", Exactly(9.0)),
        ("latency-p100", Exactly(20.0)),
    ];
    found.extend(check("kserve-prometheus", json!({"revision_name": "upgraded"}), &upgraded));
    found.extend(check(
        "kserve-prometheus",
        json!({"revision_name": "otel-reset"}),
        &[("latency-mean", About(9.0, 1.0))],
    ));
    found.extend(check("kserve-modelmesh", json!({"vModelId": "iris"}), &counts));
    found.extend(check("kserve-modelmesh", json!({"modelId": "iris-1", "method": "ModelInfer"}), &counts));
    assert!(found.is_empty(), "\n  {}\n", found.join("\n  "));
}
