//! Whole experiments against the sample service: values in, verdict and report out.

use std::time::Duration;

use sample_model::{Latency, SampleConfig, SampleService};
use serde_json::{Value, json};

use crate::support::cli_case::CliCase;
use crate::support::transcript::transcript;

/// The sample service with a quick first version and a second one that takes 80 ms and fails a tenth of its requests.
pub(crate) struct Fixture {
    runtime: tokio::runtime::Runtime,
    service: Option<SampleService>,
}

impl Fixture {
    pub(crate) fn start() -> Self {
        let mut config = SampleConfig::demo();
        config.versions[0].latency = Latency::constant(Duration::ZERO);
        config.versions[1].latency = Latency::constant(Duration::from_millis(80));
        config.versions[1].error_rate = 0.1;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let service = Some(runtime.block_on(sample_model::start(config)).unwrap());
        Self { runtime, service }
    }

    pub(crate) fn url(&self, version: usize) -> String {
        let service = self.service.as_ref().unwrap();
        format!("http://{}/v1/models/sklearn-iris:predict", service.versions[version].addr)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.runtime.block_on(self.service.take().unwrap().shutdown());
    }
}

/// The flag that sends one row to classify; the file is made by [`bench`].
const PAYLOAD: &str = "http.payloadStr=body.json";

fn cli() -> CliCase {
    let cli = CliCase::new();
    cli.write("body.json", r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#);
    cli
}

fn run_and_assert(cli: &CliCase, url: &str) -> (Option<i32>, String) {
    let url = format!("http.url={url}");
    cli.run([
        "run",
        "--set",
        "tasks={http,assess}",
        "--set",
        &url,
        "--set-file",
        PAYLOAD,
        "--set",
        // Enough connections for the slow version to keep up.
        "http.qps=50,http.connections=16",
        "--set",
        "assess.SLOs.upper.http/latency-mean=50",
        "--set",
        "assess.SLOs.upper.http/error-count=0",
    ])
    .expect(0, &["experiment completed; the document is experiment.yaml"]);
    let output = cli.run(["assert", "-c", "completed,nofailure,slos"]);
    (output.code, output.stdout)
}

#[test]
fn a_good_version_passes_and_a_bad_one_fails() {
    let fixture = Fixture::start();
    let cli = cli();
    let (code, message) = run_and_assert(&cli, &fixture.url(0));
    assert_eq!(code, Some(0), "{message}");
    let (code, message) = run_and_assert(&cli, &fixture.url(1));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("ok      completed") && message.contains("FAILED  slos"), "{message}");
    let text = cli.run(["report"]).stdout;
    for line in [
        "Experiment completed: true",
        "No task failures: true",
        "Total number of tasks: 2",
        "Number of completed tasks: 2",
    ] {
        assert!(text.contains(line), "the report lacks {line:?}:\n{text}");
    }
    assert!(text.contains("http/latency-mean (msec) <= 50") && text.contains("above the limit of 50"), "{text}");
}

/// Arguments of a run against one version, which violates or satisfies its one SLO.
fn gate(url: &str) -> Vec<String> {
    let url = format!("http.url={url}");
    let arguments = [
        "run",
        "--set",
        "tasks={http,assess}",
        "--set",
        &url,
        "--set-file",
        PAYLOAD,
        "--set",
        "http.qps=50,http.connections=16",
        "--set",
        "assess.SLOs.upper.http/latency-mean=50",
    ];
    arguments.map(str::to_owned).into()
}

#[test]
fn the_last_line_of_a_run_is_the_verdict() {
    let fixture = Fixture::start();
    let cli = cli();
    let last = |text: &str| text.lines().next_back().unwrap_or_default().to_owned();
    let good = cli.run(gate(&fixture.url(0)));
    assert_eq!((good.code, last(&good.stderr)), (Some(0), "SLOs: 1 of 1 satisfied".to_owned()));
    assert!(good.stderr.contains("the document is experiment.yaml; next: iter8 report\nSLOs: "), "{good:?}");
    // As in Iter8, the exit code is that of the run.
    let bad = cli.run(gate(&fixture.url(1)));
    assert_eq!(bad.code, Some(0), "{bad:?}");
    let verdict = last(&bad.stderr);
    assert!(
        verdict.starts_with("SLOs: 1 of 1 violated (http/latency-mean ") && verdict.ends_with(" ms > 50 ms)"),
        "{verdict}"
    );
    let quiet = cli.run(gate(&fixture.url(0)).into_iter().chain(["-q".to_owned()]));
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", "SLOs: 1 of 1 satisfied\n"));
}

#[test]
fn asserted_conditions_are_the_exit_code_of_a_run() {
    let fixture = Fixture::start();
    let cli = cli();
    let run = |url: &str, more: &[&str]| {
        let output = cli.run(gate(url).into_iter().chain(more.iter().map(|&argument| argument.to_owned())));
        (output.code, output.stdout, output.stderr)
    };
    let (code, stdout, _) = run(&fixture.url(0), &["--assert", "completed,nofailure,slos", "-q"]);
    let expected = "ok      completed: all 2 tasks are done\nok      nofailure: no task failed\nok      slos: the SLO is satisfied\n";
    assert_eq!((code, stdout.as_str()), (Some(0), expected));
    let (code, stdout, stderr) = run(&fixture.url(1), &["--assert", "completed", "--assert", "slos", "-q"]);
    assert!(code == Some(1) && stdout.contains("FAILED  slos: 1 of 1 SLOs not satisfied"), "{code:?} {stdout}");
    assert!(stderr.starts_with("SLOs: 1 of 1 violated"), "{stderr}");
    // Too slow for its rate: the values do not decide.
    let slow = [
        "--set",
        "http.qps=100,http.connections=1,http.numRequests=30,http.allowInitialErrors=true",
        "--assert",
        "slos",
        "-q",
    ];
    let (code, stdout, stderr) = run(&fixture.url(1), &slow);
    assert!(code == Some(5) && stdout.starts_with("inconclusive  slos: "), "{code:?} {stdout}");
    assert!(stderr.starts_with("SLOs: 1 of 1 inconclusive (http/latency-mean: the load achieved"), "{stderr}");
    // A failed task keeps its exit code, and the verdict still comes last.
    let failed = ["--set", "tasks={http,assess}", "--set", "http.url=http://127.0.0.1:9/", "--assert", "nofailure"];
    let (code, stdout, stderr) = run("unused", &failed);
    assert!(code == Some(3) && stdout.starts_with("FAILED  nofailure: http failed"), "{code:?} {stdout}");
    assert!(stderr.contains("\nSLOs: 1 of 1 inconclusive (http/latency-mean: no data: "), "{stderr}");
    let (code, _, stderr) = run("unused", &["--assert", "slo", "--dry"]);
    assert!(code == Some(2) && stderr.contains("did you mean `slos`?"), "{code:?} {stderr}");
}

/// The names that are accepted before a run are those that it measures.
#[test]
fn every_measured_metric_can_have_an_slo_and_every_accepted_one_is_measured() {
    let fixture = Fixture::start();
    let cli = CliCase::new();
    let address = fixture.service.as_ref().unwrap().versions[0].addr;
    let tasks = json!({
        "tasks": ["http", "grpc", "assess"],
        "http": {"url": fixture.url(0), "payloadStr": r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#, "numRequests": 8},
        "grpc": {
            "host": address.to_string(), "call": "grpc.health.v1.Health/Check", "total": 8, "qps": 100, "percentiles": [42],
        },
    });
    let values = |metrics: &[String]| {
        let upper: serde_json::Map<String, Value> = metrics.iter().map(|metric| (metric.clone(), json!(1e9))).collect();
        let mut values = tasks.clone();
        values["assess"] = json!({"SLOs": {"upper": upper}});
        values.to_string()
    };
    let load = [
        "request-count",
        "error-count",
        "error-rate",
        "latency/p12",
        "service-time/mean",
        "success-latency-p3",
        "connect/max",
    ];
    let mut metrics: Vec<String> =
        ["http", "grpc"].iter().flat_map(|provider| load.map(|name| format!("{provider}/{name}"))).collect();
    metrics.extend(
        ["http/latency-stddev", "http/service-time-p1", "http/first-byte/min", "grpc/latency-p42"].map(str::to_owned),
    );
    cli.write("values.yaml", &values(&metrics));
    let output = cli.run(["run", "-q", "-f", "values.yaml"]);
    assert_eq!(output.stderr, format!("SLOs: {0} of {0} satisfied\n", metrics.len()));
    let document = cli.document();
    let infos = document["result"]["insights"]["metricsInfo"].as_object().unwrap();
    let scalar = |info: &Value| matches!(info["type"].as_str(), Some("Counter" | "Gauge"));
    let measured: Vec<String> =
        infos.iter().map(|(key, info)| if scalar(info) { key.clone() } else { format!("{key}/mean") }).collect();
    assert!(measured.len() > 30, "{measured:?}");
    cli.write("values.yaml", &values(&measured));
    cli.run(["validate", "-f", "values.yaml"]).exits(0);
}

#[test]
fn two_versions_have_separate_verdicts() {
    let fixture = Fixture::start();
    let cli = cli();
    let (first, second) = (
        format!("http.versionValues[0].url={}", fixture.url(0)),
        format!("http.versionValues[1].url={}", fixture.url(1)),
    );
    cli
        .run([
            "run",
            "--quiet",
            "--set",
            "tasks={http,assess}",
            "--set-file",
            PAYLOAD,
            "--set",
            &first,
            "--set",
            &second,
            "--set",
            "http.versionValues[0].name=v1,http.versionValues[1].name=v2,http.parallel=true,http.qps=50,http.connections=16",
            "--set",
            "assess.SLOs.upper.http/latency-p50=40,assess.SLOs.lower.http/request-count=100",
        ])
        .exits(0);
    let document = cli.document();
    let insights = &document["result"]["insights"];
    assert_eq!(insights["numVersions"], 2);
    assert_eq!(insights["versionNames"][1]["version"], "v2");
    assert_eq!(insights["SLOsSatisfied"]["upper"], serde_json::json!([[true, false]]));
    assert_eq!(insights["SLOsSatisfied"]["lower"], serde_json::json!([[true, true]]));
    // The server's own count of both agrees.
    let counts: Vec<_> =
        (0..2).map(|v| insights["nonHistMetricValues"][v]["http/request-count"][0].as_f64().unwrap()).collect();
    assert_eq!(counts, [100.0, 100.0]);
    let report: Value = serde_json::from_str(&cli.run(["report", "-o", "json"]).stdout).unwrap();
    assert_eq!(report["versions"].as_array().unwrap().len(), 2);
    let page = cli.run(["report", "-o", "html"]).stdout;
    assert!(page.len() < 300_000 && page.contains("<svg"), "{} bytes", page.len());
}

#[test]
fn documents_and_values_match_the_published_schemas() {
    let fixture = Fixture::start();
    let cli = cli();
    run_and_assert(&cli, &fixture.url(1));
    let schema = |what: &str| serde_json::from_str::<Value>(&cli.run(["schema", what]).stdout).unwrap();
    let document = jsonschema::validator_for(&schema("document")).unwrap();
    let errors: Vec<_> =
        document.iter_errors(&cli.document()).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    let mut wrong = cli.document();
    wrong["spec"][0]["with"]["numRequests"] = Value::from("many");
    assert!(!document.is_valid(&wrong));
    let values = jsonschema::validator_for(&schema("values")).unwrap();
    let good = serde_json::json!({
        "tasks": ["http", "assess"],
        "http": {"url": "http://x", "qps": "max", "numRequests": "10", "if": "SLOs()", "endpoints": {"a": {"duration": "5s"}}},
        "assess": {"SLOs": {"upper": {"http/latency-mean": "0.5"}}},
    });
    let errors: Vec<_> =
        values.iter_errors(&good).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    for wrong in [r#"{"tasks": ["htp"]}"#, r#"{"tasks": ["http"], "http": {"qsp": 1}}"#, r#"{"http": {}}"#] {
        assert!(!values.is_valid(&serde_json::from_str(wrong).unwrap()), "{wrong}");
    }
}

#[test]
fn validate_finds_all_mistakes_offline() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let output = cli.run(["validate", "--set", "tasks={http},http.url=http://127.0.0.1:1"]);
    output.exits(0);
    assert_eq!(output.stdout, "the values: valid, 1 task: http\n");
    cli.run(["validate", "--set", "tasks={http},http.url=ftp://x"]).snapshot(2);
    cli.run(["validate", "-f", "http://127.0.0.1:1/values.yaml"]).snapshot(2);
    cli.write("experiment.yaml", "spec:\n- task: http\n  with: {url: 'http://127.0.0.1:1', qsp: 3}\n");
    cli.run(["validate"]).snapshot(2);
}

#[test]
fn the_demo_runs_an_experiment_against_both_versions() {
    let cli = CliCase::new();
    let output = cli.run(["demo"]);
    output.expect(0, &["wrote experiment.yaml, report.html and sample-stats.tpl"]);
    assert!(output.stdout.contains("Experiment completed: true"), "{output:#?}");
    let insights = &cli.document()["result"]["insights"];
    for version in 0..2 {
        let values = &insights["nonHistMetricValues"][version];
        assert_eq!(values["http/request-count"][0].as_f64(), Some(1000.0), "version {version}");
        assert!(values["http/latency-p50"][0].as_f64().unwrap() >= 2.0, "version {version}");
    }
    // Clients and servers count the same requests, and none takes a server longer than its client.
    for version in 0..2 {
        let value = |metric: &str| {
            let values = &insights["nonHistMetricValues"][version][metric];
            values[0].as_f64().unwrap_or_else(|| panic!("version {version}: {metric}: {values}"))
        };
        let grpc = insights["load"][version]["grpc"]["requests"].as_f64().unwrap();
        assert_eq!(value("server/request-count"), 1000.0 + grpc, "version {version}");
        assert!(value("server/latency-mean") >= 2.0, "version {version}");
        assert!(value("server/latency-mean") <= value("http/latency-max"), "version {version}");
    }
    assert_eq!(insights["versionNames"], serde_json::json!([{"version": "v1"}, {"version": "v2"}]));
    assert_eq!(insights["verdicts"].as_array().unwrap().len(), 16);
    assert!(cli.read("report.html").contains("<svg"));
    // The template can be read, and is what the document names.
    assert!(cli.read("sample-stats.tpl").contains("url: {{ .url }}/stats"));
    assert_eq!(cli.document()["spec"][2]["with"]["templates"]["server"], "sample-stats.tpl");
}

#[test]
fn a_document_without_objectives_runs_and_satisfies_nothing() {
    let cli = CliCase::new();
    for with in ["", "  with: null\n", "  with: {SLOs: null}\n", "  with: {SLOs: {upper: null, lower: []}}\n"] {
        cli.write("experiment.yaml", &format!("spec:\n- run: 'true'\n- task: assess\n{with}"));
        let output = cli.run(["run"]);
        output.exits(0);
        assert!(output.stderr.ends_with("SLOs: none defined\n"), "{output:#?}");
        cli.run(["assert", "-c", "completed,nofailure"]).exits(0);
        let output = cli.run(["assert", "-c", "slos"]);
        output.exits(1);
        assert!(output.stdout.contains("no SLOs are defined"), "{output:#?}");
        cli.run(["report"]).exits(0);
        std::fs::remove_file(cli.path("experiment.yaml")).unwrap();
    }
}
