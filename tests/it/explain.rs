//! `iter8 explain` and `iter8 help`.

use serde_json::Value;

use crate::support::cli_case::CliCase;
use crate::support::transcript::transcript;

#[test]
fn explains_fields_maps_and_metrics() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    for path in [
        "http.connections",
        "http.endpoints.cart.stages",
        "split",
        "rollout.onFailure",
        "tasks",
        "http.basicAuth --recursive",
        "http/latency-p99.9",
        "grpc-cart/first-message/mean",
    ] {
        cli.run(["explain"].into_iter().chain(path.split(' '))).snapshot(0);
    }
}

#[test]
fn an_unknown_field_or_metric_is_bad_input_with_the_nearest_name() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    for path in ["http.qsp", "numRequests", "http.qps.x", "http/latencyp99", "zzz"] {
        cli.run(["explain", path]).snapshot(2);
    }
}

#[test]
fn all_values_are_listed_by_task_and_runner() {
    let output = CliCase::new().run(["explain"]);
    output.exits(0);
    let (tasks, runs) = output.stdout.split_once("\nRUNS IN KUBERNETES\n").unwrap();
    for name in ["tasks", "http", "grpc", "custommetrics", "assess", "rollout"] {
        assert!(tasks.contains(&format!("\n  {name} <")), "{name}: {tasks}");
    }
    assert!(runs.contains("\n  runner <string>") || runs.starts_with("  runner"), "{runs}");
}

/// Completion, editors and the reference read it.
#[test]
fn fields_are_also_json() {
    let cli = CliCase::new();
    let field = |path: &str, more: &[&str]| -> Value {
        let output = cli.run(["explain", path, "-o", "json"].iter().chain(more));
        serde_json::from_str(&output.exits(0).stdout).unwrap()
    };
    let connections = field("http.connections", &[]);
    assert_eq!((&connections["type"], &connections["default"]), (&"integer".into(), &"4".into()));
    let fields = |values: &Value| values["fields"].as_array().unwrap().len();
    let http = field("http", &[]);
    assert!(fields(&http) > 30 && http["fields"][0].get("fields").is_none(), "{http}");
    let all = field("", &["--recursive"]);
    let http = all["fields"].as_array().unwrap().iter().find(|field| field["path"] == "http").unwrap();
    assert!(http["fields"].as_array().unwrap().iter().any(|field| field["entry"]["fields"].is_array()), "{http}");
    let metric = field("http/latency-p99", &[]);
    assert_eq!((&metric["task"], &metric["units"]), (&"http".into(), &"msec".into()));
}

#[test]
fn help_is_a_command_too() {
    let cli = CliCase::new();
    for (words, flags) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "run"], &["run", "--help"]),
        (&["help", "k", "launch"], &["k", "launch", "--help"]),
    ] {
        let (help, flag) = (cli.run(words), cli.run(flags));
        assert_eq!(help.exits(0).stdout, flag.exits(0).stdout, "{words:?}");
    }
    cli.run(["help", "rnu"]).exits(2);
}
