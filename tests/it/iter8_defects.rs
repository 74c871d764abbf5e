//! Defects of Iter8 v0.13 that concern metrics, numbered as in our study of it. Each comment describes Iter8's defect, and each test
//! shows that this program does not have it.
//!
//! Five of the sixteen do not concern metrics: 9 (the flags and waiting of `assert`), 12 (assets of the HTML report), 13 (readiness), 14 (the
//! controller), 15 (completion and progress).

use std::net::TcpListener;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::custommetrics::trial::{Outcome, Trial, number, template, vector};
use crate::experiment::Fixture;
use crate::support::authority::Authority;
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::echo_server::EchoServer;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::prometheus::{Exporter, Prometheus};
use crate::support::transcript::transcript;

/// Runs these values in a directory.
fn run(cli: &CliCase, sets: &[&str]) -> CliOutput {
    cli.run(["run", "--quiet"].into_iter().chain(sets.iter().flat_map(|set| ["--set", *set])))
}

fn outcome(cli: &CliCase) -> Outcome {
    Outcome(cli.document()["result"].take())
}

/// The response's status is ignored, there is no timeout, and a metric without description or parameters crashes the program.
#[test]
fn defect_1_provider_responses_are_checked_and_bounded() {
    let server = MisbehavingServer::scripted(|request| match request.path.as_str() {
        "/refuses/api/v1/query" => Reply::plain(401, &vector(&["1"])),
        "/hangs/api/v1/query" => Reply::Silence,
        _ => number("1"),
    });
    let cli = CliCase::new();
    for name in ["refuses", "hangs", "answers"] {
        cli.write(
            &format!("{name}.tpl"),
            &format!("url: {}{name}/api/v1/query\nmetrics: [{{name: m}}]\n", server.url()),
        );
    }
    let sets = [
        "tasks={custommetrics,assess}",
        "custommetrics.templates.refuses=refuses.tpl,custommetrics.templates.hangs=hangs.tpl",
        "custommetrics.templates.answers=answers.tpl,custommetrics.providers.hangs.timeout=300ms",
        "assess.SLOs.upper.refuses/m=5,assess.SLOs.upper.hangs/m=5,assess.SLOs.upper.answers/m=5",
    ];
    run(&cli, &sets).exits(0);
    let outcome = outcome(&cli);
    outcome.expect_no_value(0, "refuses/m", "the provider responded with 401 (unauthorized)");
    outcome.expect_no_value(0, "hangs/m", "no complete response from the provider within 300ms");
    assert_eq!(outcome.value(0, "answers/m"), Some(1.0));
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(1));
}

/// Totals count from the start of the pod, so old errors fail a new version; without requests, the error rate has neither a value nor
/// a reason.
#[test]
fn defect_2_errors_before_the_window_do_not_count() {
    let exporter = Exporter::start();
    let export = |requests: u32| {
        let line = |workload: &str, code: u16, count: u32| {
            format!(
                "istio_requests_total{{reporter=\"destination\",destination_workload=\"{workload}\",response_code=\"{code}\"}} {count}\n"
            )
        };
        let busy = line("busy", 200, requests) + &line("busy", 503, 100);
        exporter.set(Some(busy + &line("idle", 200, 70) + &line("idle", 503, 30)));
    };
    export(1000);
    let Some(prometheus) = Prometheus::start(&[exporter.address]) else { return };
    // Older than the shortest window.
    prometheus.wait_until(
        "count_over_time(istio_requests_total{destination_workload=\"busy\",response_code=\"503\"}[1m])",
        |count| count.is_some_and(|count| count >= 10.0),
    );
    let start = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    // The window has whole seconds, so it may begin up to a second after the start: only time lets it contain all that is new.
    std::thread::sleep(Duration::from_secs(1));
    export(1050);
    prometheus.wait_until("sum(istio_requests_total{destination_workload=\"busy\",response_code=\"200\"})", |sum| {
        sum == Some(1050.0)
    });
    let cli = CliCase::new();
    let sets = [
        "tasks={custommetrics,assess}",
        "custommetrics.templates.istio-prom=builtin:istio-prom",
        &format!("custommetrics.values.prometheusURL={},custommetrics.values.startingTime={start}", prometheus.url()),
        "custommetrics.versionValues[0].labels.destination_workload=busy",
        "custommetrics.versionValues[1].labels.destination_workload=idle",
        "assess.SLOs.upper.istio-prom/error-count=0,assess.SLOs.upper.istio-prom/error-rate=0",
    ];
    run(&cli, &sets).exits(0);
    let outcome = outcome(&cli);
    let of = |version: usize, metric: &str| outcome.value(version, &format!("istio-prom/{metric}"));
    assert_eq!((of(0, "request-count"), of(0, "error-count"), of(0, "error-rate")), (Some(50.0), Some(0.0), Some(0.0)));
    assert_eq!(outcome.verdict(0, "istio-prom/error-count")["verdict"], "satisfied");
    assert_eq!(of(1, "request-count"), Some(0.0));
    outcome.expect_no_value(1, "istio-prom/error-rate", "no requests in the window");
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(1));
}

/// Quantiles are built by writing `0.` before the percentile: 99.9 becomes 0.99.9, 5 becomes 0.5, 100 becomes 0.100.
#[test]
fn defect_3_percentiles_become_quantiles() {
    let Some(prometheus) = Prometheus::start(&[]) else { return };
    for builtin in ["istio-prom", "kserve-prometheus", "kserve-modelmesh"] {
        let cli = CliCase::new();
        let sets = [
            "tasks={custommetrics}",
            &format!("custommetrics.templates.{builtin}=builtin:{builtin}"),
            &format!("custommetrics.values.prometheusURL={}", prometheus.url()),
            "custommetrics.values.labels.pod=x,custommetrics.values.latencyPercentiles={5,50,99.9,100}",
        ];
        run(&cli, &sets).exits(0);
        let outcome = outcome(&cli);
        for (percentile, share) in [("5", 0.05), ("50", 0.5), ("99.9", 0.999), ("100", 1.0)] {
            let seen = outcome.seen(0, &format!("{builtin}/latency-p{percentile}"));
            let query = seen["query"].as_str().unwrap_or_else(|| panic!("{builtin}: {percentile}: {seen}"));
            let (_, rest) = query.split_once("histogram_quantile(").unwrap();
            let requested = prometheus.value(&format!("vector({})", rest.split_once(',').unwrap().0), None);
            assert!((requested.unwrap() - share).abs() < 1e-12, "{query}");
            // Prometheus takes the query, and has nothing.
            assert_eq!((&seen["status"], &seen["series"]), (&json!(200), &json!(0)), "{seen}");
            assert!(seen["noData"].as_str().unwrap().contains("no requests in the window"), "{seen}");
        }
    }
}

/// `latency-p95.0` is found for `http` and `grpc` alone, and not for their endpoints.
#[test]
fn defect_4_percentiles_match_in_any_spelling() {
    let (fixture, cli) = (Fixture::start(), CliCase::new());
    let address = fixture.url(0).replace("http://", "");
    let host = address.split_once('/').unwrap().0;
    let sets = [
        "tasks={http,grpc,assess}",
        &format!("http.endpoints.get.url=http://{},http.numRequests=20,http.qps=max", EchoServer::plain().address),
        &format!("grpc.host={host},grpc.endpoints.live.call=inference.GRPCInferenceService/ServerLive,grpc.total=20"),
        r"assess.SLOs.upper.http-get/latency-p95\.0=5000,assess.SLOs.upper.http-get/latency-p99\.90=5000",
        r"assess.SLOs.upper.grpc-live/latency/p95\.0=5000,assess.SLOs.upper.grpc-live/latency/p95=5000",
    ];
    run(&cli, &sets).exits(0);
    let output = cli.run(["assert", "-c", "slos"]);
    assert_eq!((output.code, output.stdout.contains("all 4 SLOs are satisfied")), (Some(0), true), "{output:#?}");
    let outcome = outcome(&cli);
    let value = |metric: &str| outcome.verdict(0, metric)["value"].as_f64().unwrap();
    assert_eq!(value("grpc-live/latency/p95.0"), value("grpc-live/latency/p95"));
}

/// Latencies are cut to whole milliseconds, and TLS is always off.
#[test]
fn defect_5_grpc_latencies_are_precise_and_tls_works() {
    let (fixture, cli) = (Fixture::start(), CliCase::new());
    let address = fixture.url(0).replace("http://", "");
    let host = format!("grpc.host={}", address.split_once('/').unwrap().0);
    let call = "grpc.call=inference.GRPCInferenceService/ServerLive,grpc.total=50,grpc.concurrency=1";
    let slos = "assess.SLOs.upper.grpc/latency/min=1000,assess.SLOs.upper.grpc/error-count=0";
    run(&cli, &["tasks={grpc,assess}", &host, call, slos]).exits(0);
    let fastest = outcome(&cli).verdict(0, "grpc/latency/min")["value"].as_f64().unwrap();
    assert!(fastest > 0.0 && fastest.fract() != 0.0, "{fastest}");
    // A server that speaks no TLS, asked over TLS. Reflection would fail first.
    cli.write("a.proto", "syntax = \"proto3\"; package inference; message E {} service GRPCInferenceService { rpc ServerLive(E) returns (E); }");
    let tls = "grpc.insecure=false,grpc.proto=a.proto,grpc.allowInitialErrors=true";
    run(&cli, &["tasks={grpc,assess}", &host, call, slos, tls]).exits(0);
    assert_eq!(outcome(&cli).verdict(0, "grpc/error-count")["value"], 50.0);
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(1));
    assert!(cli.run(["report"]).stdout.contains("tls"));
}

/// The http task knows no method, time-out, TLS, authentication or expectation.
#[test]
fn defect_6_http_requests_and_expectations_are_configurable() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = MisbehavingServer::secure(authority.server(Some(&clients)), |request| match request.method.as_str() {
        "PUT" => Reply::with(200, "content-type: application/json\r\n", r#"{"ok":true}"#),
        _ => Reply::plain(405, ""),
    });
    let cli = CliCase::new();
    let (certificate, key) = clients.issue();
    cli.write("ca.pem", &authority.pem);
    cli.write("cert.pem", &certificate.pem());
    cli.write("key.pem", &key.serialize_pem());
    cli.write("token", "hunter2");
    let sets = [
        "tasks={http,assess}",
        &format!("http.url=https://{}/item,http.method=PUT,http.payloadStr=x,http.timeout=20s", server.address),
        "http.ca=ca.pem,http.cert=cert.pem,http.key=key.pem,http.bearerToken.file=token",
        "http.numRequests=5,http.connections=1,http.qps=max,http.expect.bodyContains=ok",
        "assess.SLOs.upper.http/error-count=0",
    ];
    run(&cli, &sets).exits(0);
    let requests = server.seen();
    assert_eq!((requests.len(), requests[0].method.as_str(), requests[0].path.as_str()), (5, "PUT", "/item"));
    assert_eq!(requests[0].header("authorization"), Some("Bearer hunter2"));
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(0));
    // An answer that is not the expected one is an error.
    let unexpected = "http.expect.bodyContains=never";
    run(&cli, &[&sets[..], &[unexpected, "http.allowInitialErrors=true"]].concat()).exits(0);
    assert_eq!(outcome(&cli).value(0, "http/error-count"), Some(5.0));
}

/// Endpoints are measured in any order; one that fails is left out, and the task succeeds.
#[test]
fn defect_7_a_failed_endpoint_is_reported() {
    let _transcript = transcript!();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let good = EchoServer::plain().address;
    let endpoints = format!(
        "http.endpoints.a.url=http://{good},http.endpoints.b.url=http://{gone},http.endpoints.c.url=http://{good}"
    );
    let cli = CliCase::new();
    let load = "http.numRequests=10,http.connections=1,http.qps=max";
    let slos = "assess.SLOs.upper.http-a/error-count=0,assess.SLOs.upper.http-b/error-count=0,assess.SLOs.upper.http-c/error-count=0";
    let sets = ["tasks={http,assess}", &endpoints, load, slos];
    run(&cli, &sets).snapshot(3);
    assert_eq!(cli.run(["assert", "-c", "nofailure,slos"]).code, Some(1));
    // Asked to go on, it goes on, and the errors are counted.
    run(&cli, &[&sets[..], &["http.allowInitialErrors=true"]].concat()).exits(0);
    let outcome = outcome(&cli);
    let errors = |name: &str| outcome.value(0, &format!("http-{name}/error-count"));
    assert_eq!((errors("a"), errors("b"), errors("c")), (Some(0.0), Some(10.0), Some(0.0)));
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(1));
}

/// The page of a 404 becomes the payload, or the template.
#[test]
fn defect_8_an_error_page_is_not_a_payload_or_template() {
    let _transcript = transcript!();
    let (missing, target) =
        (MisbehavingServer::responds(404, "<html>gone</html>"), MisbehavingServer::responds(200, ""));
    let cli = CliCase::new();
    let payload = format!("http.url={},http.payloadURL={}body.json", target.url(), missing.url());
    run(&cli, &["tasks={http}", &payload]).snapshot(3);
    let template = format!("custommetrics.templates.p={}p.tpl", missing.url());
    run(&cli, &["tasks={custommetrics}", &template]).snapshot(3);
    let payload = format!("grpc.host={},grpc.call=a.B/C,grpc.protoURL={}a.proto", target.address, missing.url());
    run(&cli, &["tasks={grpc}", &payload]).snapshot(3);
    assert_eq!(target.connections(), 0);
}

/// No objective is a pass, and so is an `assess` whose objectives are mistyped.
#[test]
fn defect_10_missing_objectives_do_not_pass() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    run(&cli, &["tasks={run,run}", "run=true"]).exits(0);
    let output = cli.run(["assert", "-c", "slos"]);
    assert_eq!((output.code, output.stdout.contains("no SLOs are defined")), (Some(1), true), "{output:#?}");
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n- run: touch ran\n  if: SLOs()\n");
    cli.run(["run"]).snapshot(0);
    assert!(!cli.path("ran").exists());
    let server = MisbehavingServer::always(number("1"));
    cli.write("p.tpl", &template(&server.url(), &[("m", ".")]));
    for slos in ["assess.SLOs.uper.p/m=5", "assess.SLO.upper.p/m=5", "assess.SLOs.upper=null"] {
        run(&cli, &["tasks={custommetrics,assess}", "custommetrics.templates.p=p.tpl", slos]).snapshot(2);
    }
}

/// Each latency of a gRPC load is kept, so that a document outgrows the Secret that it is in; so do samples over loops.
#[test]
fn defect_11_documents_have_a_bounded_size() {
    let (fixture, cli) = (Fixture::start(), CliCase::new());
    let address = fixture.url(0).replace("http://", "");
    let host = format!("grpc.host={}", address.split_once('/').unwrap().0);
    let size = |total: u32| {
        let call =
            format!("grpc.call=inference.GRPCInferenceService/ServerLive,grpc.total={total},grpc.concurrency=10");
        run(&cli, &["tasks={grpc}", &host, &call]).exits(0);
        cli.read("experiment.yaml").len()
    };
    // The time series has a row for each second, and histograms a count for each latency that occurs.
    let (few, many) = (size(200), size(4_000));
    assert!(many < few + 12_000, "{few} and {many} bytes");
    let samples: Vec<String> = (0..1_000).map(|at| format!("[{},\"{}.25\"]", 1_700_000_000 + at, at % 7)).collect();
    let result = format!(r#"[{{"metric":{{}},"values":[{}]}}]"#, samples.join(","));
    let server = MisbehavingServer::responds(
        200,
        &format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":{result}}}}}"#),
    );
    let trial = Trial::bare()
        .set(format!("custommetrics.prometheus.url={}", server.url()))
        .set("custommetrics.prometheus.queries.q.query=up,custommetrics.prometheus.queries.q.range=1000s")
        .set("custommetrics.prometheus.queries.q.step=1s,assess.SLOs.upper.prometheus/q/mean=5");
    trial.run().exits(0);
    let first = trial.cli.read("experiment.yaml").len();
    trial.run_with(&["--reuseResult"]).exits(0);
    let second = trial.cli.read("experiment.yaml").len();
    assert!(second < first + 1_000 && second < 64 << 10, "{first} and {second} bytes");
}

/// Over loops, samples accumulate, and there is no trend and no rule for more than the newest value.
#[test]
fn defect_16_loops_show_their_trend() {
    let cli = CliCase::new();
    let sets = [
        "tasks={custommetrics,assess}",
        "custommetrics.templates.p=p.tpl",
        "assess.SLOs.upper.p/m=5",
        "assess.consecutive=2",
    ];
    let mut codes = Vec::new();
    for (turn, value) in ["1", "9", "2", "3"].into_iter().enumerate() {
        let server = MisbehavingServer::always(number(value));
        cli.write("p.tpl", &template(&server.url(), &[("m", crate::custommetrics::trial::FIRST)]));
        let more: &[&str] = if turn == 0 { &[] } else { &["--reuseResult"] };
        cli.run(["run", "--quiet"].iter().chain(more).copied().chain(sets.iter().flat_map(|set| ["--set", *set])))
            .exits(0);
        codes.push(cli.run(["assert", "-c", "slos"]).code.unwrap());
    }
    // Open with one good loop, lost, open again, and good twice in a row.
    assert_eq!(codes, [5, 1, 5, 0]);
    let result = outcome(&cli).0;
    assert_eq!(result["numLoops"], 4);
    assert_eq!(result["insights"]["nonHistMetricValues"][0]["p/m"], json!([1, 9, 2, 3]));
    // The trend is kept, and shown.
    assert_eq!(result["insights"]["loops"].as_array().map(Vec::len), Some(4), "{result}");
    let report: Value = serde_json::from_str(&cli.run(["report", "-o", "json"]).stdout).unwrap();
    assert!(report.to_string().contains("loops"), "{report}");
}
