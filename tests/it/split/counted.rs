//! Responses that a real Prometheus counts.

use std::fmt::Write;

use chrono::{Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::prometheus::{Exporter, Prometheus};
use crate::support::transcript::transcript;

/// Versions of a service, whose responses Prometheus counts.
pub struct Counted {
    pub cli: CliCase,
    exporter: Exporter,
    prometheus: Prometheus,
    start: String,
}

/// Orders of the tasks.
const ORDERS: [&str; 2] = ["custommetrics,split,assess", "custommetrics,assess,split"];

impl Counted {
    /// `None` if there is no Prometheus. The window of the queries starts before the first response.
    pub fn start() -> Option<Self> {
        let exporter = Exporter::start();
        let prometheus = Prometheus::start(&[exporter.address])?;
        let start = (Utc::now() - Duration::seconds(60)).to_rfc3339_opts(SecondsFormat::Millis, true);
        Some(Self { cli: CliCase::new(), exporter, prometheus, start })
    }

    /// Sets the number of responses of each version; a version without one has no series. All have the names of Istio and of Knative.
    pub fn set(&self, counts: &[u64]) {
        let mut text = String::new();
        for (version, count) in (1..).zip(counts).filter(|(_, count)| **count > 0) {
            let istio = format!("destination_workload=\"v{version}\",reporter=\"destination\",response_code=\"200\"");
            let knative = format!("revision_name=\"v{version}\",response_code_class=\"2xx\"");
            writeln!(text, "istio_requests_total{{{istio}}} {count}\nrevision_app_request_count{{{knative}}} {count}")
                .unwrap();
        }
        self.exporter.set(Some(text));
        for metric in ["istio_requests_total", "revision_app_request_count"] {
            let total = counts.iter().sum::<u64>() as f64;
            self.prometheus.wait_until(&format!("sum({metric})"), |sum| sum == Some(total));
        }
    }

    /// Values of an experiment with two versions, whose requests Istio counts.
    pub fn sets(&self, tasks: &str, values: &[&str]) -> Vec<String> {
        let istio = [
            "custommetrics.templates.istio=builtin:istio-prom",
            "custommetrics.versionValues[0].destinationWorkload=v1",
            "custommetrics.versionValues[1].destinationWorkload=v2",
            "assess.SLOs.upper.istio/error-count=0",
            "split.metric=istio/request-count",
        ];
        self.sets_of(tasks, &[&istio, values].concat())
    }

    /// The same without versions and templates.
    fn sets_of(&self, tasks: &str, values: &[&str]) -> Vec<String> {
        let own = [
            format!("tasks={{{tasks}}}"),
            format!("custommetrics.values.prometheusURL={}", self.prometheus.url()),
            format!("custommetrics.values.startingTime={}", self.start),
        ];
        own.into_iter().chain(values.iter().map(|value| (*value).to_owned())).collect()
    }

    /// Runs the command `run` with these tasks and values.
    fn experiment(&self, tasks: &str, values: &[&str]) -> CliOutput {
        self.run_with(&[], &self.sets(tasks, values))
    }

    /// Runs the command `run` with these arguments and values.
    fn run_with(&self, args: &[&str], sets: &[String]) -> CliOutput {
        let args = ["run"].into_iter().chain(args.iter().copied());
        self.cli.run(args.chain(sets.iter().flat_map(|set| ["--set", set.as_str()])))
    }

    fn split(&self) -> Value {
        self.cli.document()["result"]["insights"]["splits"][0].clone()
    }
}

#[test]
fn an_expected_split_lets_slos_be_satisfied_in_any_order_of_tasks() {
    let Some(counted) = Counted::start() else { return };
    counted.set(&[78, 22]);
    for order in ORDERS {
        let output = counted.experiment(order, &["split.expected={80,20}"]);
        output.expect(0, &["SLOs: 1 of 1 satisfied"]);
        counted.cli.run(["assert", "-c", "slos"]).exits(0);
        let split = counted.split();
        assert_eq!((&split["verdict"], &split["responses"]), (&json!("satisfied"), &json!(100)), "{split}");
        assert_eq!(split["versions"][1]["observed"], 22, "{split}");
    }
}

#[test]
fn a_canary_without_traffic_leaves_slos_undecided_in_any_order_of_tasks() {
    let Some(counted) = Counted::start() else { return };
    let _transcript = transcript!();
    counted.set(&[65, 35]);
    for order in ORDERS {
        counted.experiment(order, &["split.expected={80,20}"]).expect(
            0,
            &["SLOs: 1 of 1 inconclusive (split of istio/request-count: v1 sent 65 of 100 responses (65 %), expected 80 %"],
        );
        counted.cli.run(["assert", "-c", "completed,nofailure,slos"]).snapshot(5);
        let document = counted.cli.document();
        let insights = &document["result"]["insights"];
        assert_eq!(insights["loops"][0]["outcomes"], "ii");
        assert_eq!(insights["SLOsSatisfied"]["upper"], json!([[false, false]]));
    }
    for format in ["text", "json", "html"] {
        let report = counted.cli.run(["report", "-o", format]).exits(0).stdout.clone();
        assert!(report.contains("v1 sent 65 of 100 responses"), "{report}");
    }
    let text = counted.cli.run(["report", "-o", "text"]).stdout;
    let section = text.split("Split of the traffic:").nth(1).unwrap().split("\n\n\n").next().unwrap();
    insta::assert_snapshot!("the_split_in_a_report", section.split("\nLatest").next().unwrap());
}

#[test]
fn a_canary_that_was_never_called_has_no_count_or_one_of_0() {
    let Some(counted) = Counted::start() else { return };
    counted.set(&[100, 0]);
    counted.experiment(ORDERS[0], &["split.expected={80,20}"]).exits(0);
    let reason = counted.split()["reason"].to_string();
    assert!(reason.contains("v2 has no count") && reason.contains("was scraped in the window"), "{reason}");
    counted.experiment(ORDERS[0], &["split.expected={80,20}", "custommetrics.noData=zero"]).exits(0);
    assert_eq!(counted.split()["reason"], "v2 sent none of 100 responses, although its expected share is 20 %");
    counted.cli.run(["assert", "-c", "slos"]).exits(5);
}

#[test]
fn an_experiment_without_slos_is_undecided_with_a_wrong_split() {
    let Some(counted) = Counted::start() else { return };
    counted.set(&[65, 35]);
    counted
        .experiment("custommetrics,split", &["split.expected={80,20}"])
        .expect(0, &["SLOs: none defined (split of istio/request-count: v1 sent 65 of 100 responses"]);
    let report: Value = serde_json::from_str(&counted.cli.run(["report", "-o", "json"]).stdout).unwrap();
    assert_eq!(
        (&report["summary"]["outcome"], &report["splits"][0]["verdict"]),
        (&json!("inconclusive"), &json!("inconclusive"))
    );
    counted.experiment("custommetrics,split", &["split.expected={65,35}"]).expect(0, &["SLOs: none defined"]);
    assert_eq!(counted.split()["verdict"], "satisfied");
}

#[test]
fn a_split_that_is_skipped_claims_nothing() {
    let Some(counted) = Counted::start() else { return };
    counted.set(&[65, 35]);
    for order in ORDERS {
        let output = counted.experiment(order, &["split.expected={80,20}", "split.if=Result.NumLoops == 5"]);
        output.expect(0, &["SLOs: 1 of 1 satisfied"]);
        assert_eq!(counted.split(), Value::Null);
        counted.cli.run(["assert", "-c", "slos"]).exits(0);
    }
}

#[test]
fn a_loop_with_a_wrong_split_ends_a_row_of_good_loops() {
    let Some(counted) = Counted::start() else { return };
    let values = ["split.expected={80,20}", "assess.consecutive=2"];
    let looped = |counts: &[u64], more: &[&str]| {
        counted.set(counts);
        let sets = counted.sets(ORDERS[1], &values);
        counted.run_with(more, &sets).exits(0);
        counted.cli.run(["assert", "-c", "slos"]).code
    };
    assert_eq!(looped(&[80, 20], &[]), Some(5));
    assert_eq!(looped(&[160, 80], &["--reuseResult"]), Some(5), "the split is wrong");
    assert_eq!(looped(&[320, 80], &["--reuseResult"]), Some(5), "one good loop");
    assert_eq!(looped(&[321, 80], &["--reuseResult"]), Some(0), "two good loops");
    let loops = counted.cli.document()["result"]["insights"]["loops"].clone();
    let outcomes: Vec<&str> = loops.as_array().unwrap().iter().map(|one| one["outcomes"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["ss", "ii", "ss", "ss"]);
}

#[test]
fn revisions_of_knative_are_counted() {
    let Some(counted) = Counted::start() else { return };
    counted.set(&[78, 22]);
    let values = [
        "custommetrics.templates.kserve=builtin:kserve-prometheus",
        "custommetrics.versionValues[0].labels.revision_name=v1",
        "custommetrics.versionValues[1].labels.revision_name=v2",
        "split.metric=kserve/request-count,split.expected={4,1}",
    ];
    counted.run_with(&[], &counted.sets_of("custommetrics,split", &values)).exits(0);
    let split = counted.split();
    assert_eq!((&split["verdict"], &split["versions"][0]["observed"]), (&json!("satisfied"), &json!(78)), "{split}");
}

#[test]
fn counts_with_fractions_are_rounded_only_on_request() {
    let Some(counted) = Counted::start() else { return };
    counted.set(&[78, 22]);
    let query = "{{ if eq .destinationWorkload \"v1\" }}78.25{{ else }}22{{ end }} * vector(1)";
    let prometheus = json!({"url": counted.prometheus.url(), "queries": {"requests": {"query": query}}});
    let values = counted.cli.write("values.yaml", &json!({"custommetrics": {"prometheus": prometheus}}).to_string());
    let run = |settings: &[&str]| {
        counted.run_with(&["-f", values.to_str().unwrap()], &counted.sets("custommetrics,split", settings))
    };
    let settings = ["custommetrics.templates=null", "split.metric=prometheus/requests,split.expected={80,20}"];
    run(&settings).exits(0);
    let reason = counted.split()["reason"].clone();
    assert_eq!(reason, "v1: 78.25 is not a whole number of responses; to round it, set `split.round: true`");
    run(&[&settings[..], &["split.round=true"]].concat())
        .expect(0, &["v1: prometheus/requests of 78.25 is rounded to 78"]);
    assert_eq!(counted.split()["verdict"], "satisfied");
}
