//! `iter8 metrics`: its names are those that experiments measure.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::cli_case::CliCase;
use crate::support::echo_server::EchoServer;
use crate::support::transcript::transcript;

fn names(cli: &CliCase, args: &[&str]) -> BTreeSet<String> {
    let output = cli.run(["metrics", "-o", "json"].iter().chain(args));
    let list: Value = serde_json::from_str(&output.exits(0).stdout).unwrap();
    list["metrics"].as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_the_metrics_of_values_by_endpoint_and_version() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write(
        "values.yaml",
        "tasks: [http, custommetrics]\n\
         http:\n  endpoints:\n    get: {url: http://localhost/get}\n    cart: {url: http://localhost/cart}\n  \
         versionValues: [{name: v1}, {name: v2}]\n\
         custommetrics:\n  templates: {remote: https://example.com/shop.tpl}\n  versionValues: [{name: v1}, {name: v2}]\n  \
         prometheus:\n    url: http://localhost:9090\n    \
         queries: {orders: {query: sum(orders), description: orders placed, units: orders, type: counter}}\n",
    );
    cli.run(["metrics", "-f", "values.yaml"]).snapshot(0);
    cli.run(["metrics", "--set", "tasks={run}", "--set", "run=true"]).snapshot(0);
    cli.run(["metrics", "--set", "tasks={http}"]).snapshot(2);
}

#[test]
fn lists_the_metrics_of_all_tasks() {
    let cli = CliCase::new();
    let names = names(&cli, &[]);
    for name in ["http/latency-pX", "http/error-rate", "grpc/latency", "grpc/first-message", "istio-prom/latency-pX"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    let table = cli.run(["metrics"]);
    let (stdout, line) = (&table.exits(0).stdout, |name: &str| format!("\n  {name}"));
    let is_listed = |name: &String| [" (", "\n"].iter().any(|end| stdout.contains(&format!("{}{end}", line(name))));
    assert!(names.iter().all(is_listed), "{table:#?}");
    // It fits narrow terminals.
    assert!(stdout.lines().all(|line| line.chars().count() <= 60), "{table:#?}");
    assert!(table.stdout.contains("http-NAME/latency-p99"), "{table:#?}");
    for (name, short) in [
        ("http/latency-pX", "pX"),
        ("http/error-count", "error-count, errors"),
        ("http/latency-mean", "mean"),
        ("grpc/latency", "pX, mean, min, max, stddev"),
    ] {
        assert!(stdout.contains(&format!("{} ({short})\n", line(name))), "{name}: {table:#?}");
    }
    let expected = "\n  http/service-time-mean\n      mean of the service time, from the instant a request\n      was sent [ms, gauge]\n";
    assert!(stdout.contains(expected), "it has no short name: {table:#?}");
}

/// The list is known before the run; the document has what was measured.
#[test]
fn names_and_descriptions_are_those_that_a_run_measures() {
    let cli = CliCase::new();
    let url = format!("http.url={}", EchoServer::plain().url());
    let values = ["--set", "tasks={http}", "--set", &url, "--set", "http.numRequests=5"];
    cli.run(["run", "-q"].iter().chain(&values)).exits(0);
    let measured = cli.document()["result"]["insights"]["metricsInfo"].clone();
    let output = cli.run(["metrics", "-o", "json"].iter().chain(&values));
    let list: Value = serde_json::from_str(&output.exits(0).stdout).unwrap();
    let listed = list["metrics"].as_array().unwrap();
    for (name, meta) in measured.as_object().unwrap() {
        let any = name.split_once("-p").map(|(base, _)| format!("{base}-pX")).unwrap_or_default();
        let found = listed.iter().find(|metric| metric["name"] == **name || metric["name"] == any);
        let found = found.unwrap_or_else(|| panic!("{name} is measured and not listed"));
        assert_eq!(found["units"], *meta.get("units").unwrap_or(&json!(null)), "{name}");
        if found["name"] == **name {
            assert_eq!(found["description"], meta["description"], "{name}");
        }
    }
    assert!(listed.iter().all(|metric| {
        let name = metric["name"].as_str().unwrap().trim_end_matches("-pX");
        measured.get(name).is_some()
    }));
}
