//! Loads that end with their verdict (`until: verdict`), on the whole program.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sample_model::{SampleConfig, SampleService, VersionConfig, start};
use serde_json::{Value, json};

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::runtime::block_on;

/// Longest duration of the loads: none of them may need it.
const LONG: &str = "http.duration=5m";

/// Values of a load of 100 requests/s that ends with its verdict.
fn values(server: &MisbehavingServer) -> Vec<String> {
    let url = format!("http.url={}", server.url());
    ["tasks={http,assess}", &url, "http.qps=100", "http.connections=8", "http.until=verdict", "assess.confidence=0.95"]
        .map(str::to_owned)
        .into()
}

fn run(cli: &CliCase, values: &[String], more: &[&str]) -> CliOutput {
    let all = values.iter().map(String::as_str).chain(more.iter().copied());
    cli.run(["run"].into_iter().chain(all.flat_map(|value| ["--set", value])))
}

/// Record of the load of a version.
fn load(cli: &CliCase, version: usize) -> Value {
    record(cli, version, "http")
}

fn record(cli: &CliCase, version: usize, provider: &str) -> Value {
    cli.document()["result"]["insights"]["load"][version][provider].clone()
}

/// Reads a duration such as `12.5s` or `1m4s`.
fn seconds(text: &Value) -> f64 {
    let text = text.as_str().unwrap();
    let figures = text.strip_suffix('s').map_or(("", ""), |text| text.split_once('m').unwrap_or(("0", text)));
    let number = |figure: &str| figure.parse::<f64>().unwrap_or_else(|_| panic!("{text}"));
    60.0 * number(figures.0) + number(figures.1)
}

#[test]
fn a_service_far_from_its_limits_ends_the_load_early() {
    let (cli, server) = (CliCase::new(), MisbehavingServer::responds(200, "fine"));
    let started = Instant::now();
    let slos = ["assess.SLOs.upper.http/latency-p90=3000", "assess.SLOs.upper.http/error-rate=0.1"];
    let output = run(&cli, &values(&server), &[&[LONG][..], &slos].concat());
    output.exits(0);
    assert!(started.elapsed() < Duration::from_secs(100), "{:?}", started.elapsed());
    let record = load(&cli, 0);
    let at = seconds(&record["stopped"]["at"]);
    assert!((10.0..60.0).contains(&at), "{record}");
    assert_eq!((&record["untilVerdict"], &record["stopped"]["confidence"]), (&json!(true), &json!(0.975)));
    assert_eq!((record.get("interrupted"), &record["dropped"], &record["askedRate"]), (None, &json!(0), &json!(100)));
    assert_eq!(record["requests"], json!(server.requests()));
    let decisions = record["stopped"]["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 2, "{record}");
    for decision in decisions {
        assert_eq!(decision["verdict"], json!("satisfied"), "{record}");
        let (n, requests) = (decision["n"].as_f64().unwrap(), record["requests"].as_f64().unwrap());
        assert!(n <= requests && n > requests * 0.8, "{record}");
    }
    assert!(output.stderr.contains("of the evidence"), "{}", output.stderr);
    cli.run(["assert", "-c", "completed,nofailure,slos"]).exits(0);
}

#[test]
fn a_service_that_violates_a_limit_ends_the_load_of_every_version() {
    let cli = CliCase::new();
    let good = MisbehavingServer::responds(200, "fine");
    let bad = MisbehavingServer::scripted(|request| Reply::plain(if request.number % 4 == 0 { 503 } else { 200 }, ""));
    let versions = [
        "http.versionValues[0].name=old".to_owned(),
        "http.versionValues[1].name=new".to_owned(),
        format!("http.versionValues[1].url={}", bad.url()),
    ];
    let all = [values(&good), versions.into()].concat();
    run(&cli, &all, &[LONG, "assess.SLOs.upper.http/error-rate=0.1"]).exits(0);
    let verdict = |version| load(&cli, version)["stopped"]["decisions"][0]["verdict"].clone();
    assert_eq!((verdict(0), verdict(1)), (json!("satisfied"), json!("violated")));
    // Both end in the same second.
    let at = |version| seconds(&load(&cli, version)["stopped"]["at"]);
    assert!((at(0) - at(1)).abs() < 1.0 && at(0) < 60.0, "{} {}", at(0), at(1));
    cli.run(["assert", "-c", "slos"]).exits(1);
}

#[test]
fn a_service_at_its_limit_runs_until_the_end() {
    let cli = CliCase::new();
    let server =
        MisbehavingServer::scripted(|request| Reply::plain(if request.number % 10 == 0 { 503 } else { 200 }, ""));
    run(&cli, &values(&server), &["http.duration=13s", "assess.SLOs.upper.http/error-rate=0.1"]).exits(0);
    let record = load(&cli, 0);
    assert_eq!((record.get("stopped"), &record["untilVerdict"]), (None, &json!(true)));
    assert_eq!(record["requests"], json!(1300));
}

/// A service whose versions fail this share of their predictions.
fn grpc_service(error_rates: &[f64]) -> SampleService {
    let classifier = SampleConfig::default().versions[0].classifier;
    let version = |(index, error_rate): (usize, &f64)| VersionConfig {
        error_rate: *error_rate,
        ..VersionConfig::new(format!("v{index}"), classifier)
    };
    let versions = error_rates.iter().enumerate().map(version).collect();
    block_on(start(SampleConfig { versions, ..SampleConfig::default() })).unwrap()
}

/// Runs a load of 100 calls/s that ends with its verdict.
fn run_grpc(cli: &CliCase, service: &SampleService, slos: &Value) -> CliOutput {
    let data = json!({"model_name": "sklearn-iris", "inputs": [{
        "name": "input-0", "shape": [1, 4], "datatype": "FP32", "contents": {"fp32_contents": [6.8, 2.8, 4.8, 1.4]},
    }]});
    let host = |index: usize| json!({"name": format!("v{index}"), "host": service.versions[index].addr.to_string()});
    let hosts: Vec<Value> = (0..service.versions.len()).map(host).collect();
    let values = json!({
        "tasks": ["grpc", "assess"],
        "grpc": {
            "call": "inference.GRPCInferenceService/ModelInfer", "data": data, "versionValues": hosts,
            "duration": "5m", "rps": 100, "concurrency": 8, "until": "verdict",
        },
        "assess": {"confidence": 0.95, "SLOs": slos},
    });
    cli.write("values.yaml", &values.to_string());
    cli.run(["run", "-f", "values.yaml"])
}

#[test]
fn calls_of_grpc_end_with_their_verdict() {
    let (cli, service) = (CliCase::new(), grpc_service(&[0.0]));
    let output = run_grpc(&cli, &service, &json!({"upper": {"grpc/latency/p90": 3_000, "grpc/error-rate": 0.1}}));
    output.exits(0);
    let record = record(&cli, 0, "grpc");
    assert!((10.0..240.0).contains(&seconds(&record["stopped"]["at"])), "{record}");
    assert_eq!((&record["untilVerdict"], &record["stopped"]["confidence"]), (&json!(true), &json!(0.975)));
    assert_eq!((record.get("interrupted"), &record["dropped"]), (None, &json!(0)), "{record}");
    assert_eq!(record["requests"], json!(service.stats()[0].requests));
    let decisions = record["stopped"]["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 2, "{record}");
    assert!(decisions.iter().all(|decision| decision["verdict"] == "satisfied"), "{record}");
    assert!(output.stderr.contains("of the evidence"), "{}", output.stderr);
    let verdicts = cli.document()["result"]["insights"]["verdicts"].clone();
    assert!(verdicts.as_array().unwrap().iter().all(|verdict| verdict["method"] == "always-valid"), "{verdicts}");
    cli.run(["assert", "-c", "completed,nofailure,slos"]).exits(0);
}

#[test]
fn a_candidate_whose_calls_fail_ends_the_load_of_every_version() {
    let (cli, service) = (CliCase::new(), grpc_service(&[0.0, 0.3]));
    run_grpc(&cli, &service, &json!({"upper": {"grpc/error-rate": 0.1}})).exits(0);
    let stopped = [0, 1].map(|version| record(&cli, version, "grpc")["stopped"].clone());
    let verdicts = stopped.each_ref().map(|stopped| stopped["decisions"][0]["verdict"].clone());
    assert_eq!(verdicts, [json!("satisfied"), json!("violated")]);
    let [first, second] = stopped.each_ref().map(|stopped| seconds(&stopped["at"]));
    assert!((first - second).abs() < 1.0 && first < 60.0, "{first} {second}");
    cli.run(["assert", "-c", "slos"]).exits(1);
}

#[test]
fn a_signal_still_interrupts_the_load() {
    let (cli, server) = (CliCase::new(), MisbehavingServer::responds(200, "fine"));
    let slos = [LONG, "assess.SLOs.upper.http/error-rate=0.001"].map(str::to_owned);
    let set = [values(&server), slos.into()].concat();
    let mut command = cli.command();
    command.arg("run").args(set.iter().flat_map(|value| ["--set", value]));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    server.wait_for_requests(20);
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::INT).unwrap();
    assert_ne!(child.wait_with_output().unwrap().status.code(), Some(0));
    let record = load(&cli, 0);
    assert_eq!((&record["interrupted"], record.get("stopped")), (&json!(true), None));
}

#[test]
fn loads_that_no_verdict_can_end_are_rejected_before_they_run() {
    let server = MisbehavingServer::responds(200, "fine");
    let p95 = "assess.SLOs.upper.http/latency-p95=50";
    let cases: [(&[&str], &str); 7] = [
        (&["http.numRequests=100", p95], "http.until: `verdict` requires `duration` instead of a number of requests"),
        (&["http.stages[0].duration=20s,http.stages[0].qps=9", p95], "http.until: cannot be combined with `stages`"),
        (&[LONG, p95, "assess.confidence=null"], "http.until: `verdict` requires a later `assess` with a `confidence`"),
        (&[LONG, p95, "tasks={http}"], "http.until: `verdict` requires a later `assess` with a `confidence`"),
        (
            &[LONG, "assess.SLOs.upper.http/latency-mean=50"],
            "http.until: no SLO on `http` can be decided before the end of the load",
        ),
        (&[LONG, p95, "http.until=never"], "http.until: `never` is not a valid end; expected `verdict`"),
        (&[LONG, p95, "http.endpoints.a.until=verdict"], "only allowed at the top level of the task"),
    ];
    for (more, message) in cases {
        let cli = CliCase::new();
        let output = run(&cli, &values(&server), more);
        assert!(output.code != Some(0) && output.stderr.contains(message), "{more:?}: {}", output.stderr);
    }
    assert_eq!(server.requests(), 0);
}
