//! Places that reports go to: files, GitHub's step summary, a Pushgateway, Prometheus.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use iter8::model::codec::to_yaml;

use super::documents;
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::prometheus::{Exporter, Prometheus};
use crate::support::tools;
use crate::support::transcript::transcript;

/// A directory with the document of two versions, of which one violates its SLOs.
fn violated() -> CliCase {
    let cli = CliCase::new();
    cli.write("experiment.yaml", &to_yaml(&documents::two_versions()).unwrap());
    cli
}

/// Runs the program with a step summary.
fn with_summary(cli: &CliCase, file: &str, args: &[&str]) -> CliOutput {
    let mut command = cli.command();
    command.args(args).env("GITHUB_STEP_SUMMARY", cli.path(file));
    CliOutput::run(&mut command, &cli.path(""))
}

#[test]
fn github_gets_annotations_and_an_appended_summary() {
    let cli = violated();
    cli.write("summary.md", "# Earlier\n");
    let output = with_summary(&cli, "summary.md", &["report", "--github", "-o", "csv"]);
    output.exits(0);
    assert!(output.stdout.starts_with("version,metric,") && !output.stdout.contains("::error"), "{output:#?}");
    assert!(output.stderr.starts_with("::error title=iter8%3A violated::"), "{output:#?}");
    let summary = cli.read("summary.md");
    let markdown = cli.run(["report", "-o", "markdown"]).stdout;
    assert_eq!(summary, format!("# Earlier\n{markdown}\n"));
    // Without the variable there is no summary, and without the flag there is nothing.
    let mut command = cli.command();
    let without = CliOutput::run(command.args(["report", "--github"]).env_remove("GITHUB_STEP_SUMMARY"), &cli.path(""));
    assert!(without.exits(0).stderr.contains("::error"), "{without:#?}");
    let plain = with_summary(&cli, "other.md", &["report"]);
    assert!(plain.stderr.is_empty() && !cli.path("other.md").exists(), "{plain:#?}");
}

#[test]
fn a_run_ends_with_its_summary_and_then_its_verdict() {
    let cli = CliCase::new();
    let service = MisbehavingServer::responds(200, "ok");
    let url = format!("http.url={}", service.url());
    let values =
        ["run", "--set", "tasks={http,assess},http.numRequests=20,http.qps=200", "--set", &url, "--github", "-q"];
    let limit = |limit: &str| format!("assess.SLOs.upper.http/error-count={limit}");
    let run = |limit: &str, rest: &[&str]| {
        let args: Vec<&str> = values.iter().copied().chain(["--set", limit]).chain(rest.iter().copied()).collect();
        with_summary(&cli, "summary.md", &args)
    };
    let passed = run(&limit("0"), &["--assert", "slos"]);
    passed.exits(0);
    assert!(passed.stderr.starts_with("::notice title=iter8%3A satisfied::SLOs: 1 of 1 satisfied\n"), "{passed:#?}");
    assert!(passed.stderr.ends_with("\nSLOs: 1 of 1 satisfied\n"), "the verdict is last: {passed:#?}");
    let failed = run(&limit("-1"), &["--assert", "slos"]);
    failed.exits(1);
    assert!(failed.stderr.contains("::error title=SLO violated%3A http/error-count <= -1::"), "{failed:#?}");
    let summary = cli.read("summary.md");
    let titles: Vec<&str> = summary.lines().filter(|line| line.starts_with("###")).collect();
    assert_eq!(titles, ["### ✅ iter8: satisfied", "### ❌ iter8: violated"]);
}

#[test]
fn a_summary_that_cannot_be_written_is_an_error_but_hides_no_violation() {
    let _transcript = transcript!();
    let cli = violated();
    with_summary(&cli, "none/summary.md", &["report", "--github", "-o", "junit", "--out", "slo.xml"]).snapshot(4);
    assert!(cli.read("slo.xml").contains("<testsuites"));
    cli.write("experiment.yaml", "spec:\n- run: exit 7\n");
    let failed = with_summary(&cli, "none/summary.md", &["run", "--github", "-q"]);
    failed.snapshot(3);
}

#[test]
fn metrics_are_pushed_and_errors_hide_the_password() {
    let _transcript = transcript!();
    let cli = violated();
    let gateway = MisbehavingServer::scripted(|request| match request.path.contains("/refused") {
        true => Reply::plain(400, "pushed metrics are invalid"),
        false => Reply::plain(200, ""),
    });
    let push = |path: &str| format!("{}{path}", gateway.url().trim_end_matches('/'));
    let pushed = cli.run(["report", "-o", "openmetrics", "--label", "experiment=shop", "--push", &push("")]);
    assert!(pushed.exits(0).stdout.is_empty() && pushed.stderr.is_empty(), "{pushed:#?}");
    let seen = gateway.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("PUT", "/metrics/job/iter8"));
    assert_eq!(seen[0].header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(seen[0].body.contains("iter8_passed{experiment=\"shop\"} 0.0\n"), "{}", seen[0].body);
    assert!(seen[0].body.ends_with("# EOF\n"));
    let secret = push("/metrics/job/refused").replace("http://", "http://user:hunter2hunter2@");
    let refused = cli.run(["report", "-o", "openmetrics", "--push", &secret]);
    refused.exits(4);
    assert!(refused.stderr.contains("status 400: pushed metrics are invalid"), "{refused:#?}");
    assert!(!refused.stderr.contains("hunter2"), "{refused:#?}");
    let basic = gateway.seen()[1].header("authorization").map(str::to_owned);
    assert!(basic.is_some_and(|value| value.starts_with("Basic ")), "the password is sent");
    for wrong in [
        ["report", "-o", "json", "--push", "http://gateway:9091"].as_slice(),
        &["report", "--label", "a=b"],
        &["report", "-o", "openmetrics", "--push", "gateway:9091"],
        &["report", "-o", "openmetrics", "--label", "version=2"],
        &["report", "-o", "openmetrics", "--label", "a=1", "--label", "a=2"],
    ] {
        cli.run(wrong).snapshot(2);
    }
}

/// A running Pushgateway.
struct Pushgateway {
    address: String,
    child: Child,
}

impl Pushgateway {
    fn start() -> Option<Self> {
        let program = tools::needed("prometheus-pushgateway")?;
        let mut command = Command::new(program);
        command.arg("--web.listen-address=127.0.0.1:0").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening =
            lines.find_map(|line| Some(line.unwrap().split_once("\"Listening on\" address=")?.1.to_owned()));
        let address = listening.expect("it says where it listens").trim().to_owned();
        // Its log is read to the end, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { address, child })
    }
}

impl Drop for Pushgateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_pushgateway_accepts_the_metrics_and_replaces_those_of_earlier_versions() {
    let Some(gateway) = Pushgateway::start() else { return };
    let cli = CliCase::new();
    let push = |path: &str| {
        let url = format!("http://{}{path}", gateway.address);
        cli.run(["report", "-o", "openmetrics", "--push", &url]).exits(0);
    };
    let metrics = || {
        let mut stream = std::net::TcpStream::connect(&gateway.address).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    // The others have numbers that are not finite.
    let is_readable = |name: &str| !matches!(name, "confidence-edited" | "hostile");
    for (name, document) in documents::all().into_iter().filter(|(name, _)| is_readable(name)) {
        cli.write("experiment.yaml", &to_yaml(&document).unwrap());
        push(&format!("/metrics/job/iter8/experiment/{name}"));
    }
    let all = metrics();
    assert!(all.contains("iter8_passed{experiment=\"passing\",instance=\"\",job=\"iter8\"} 1\n"), "{all}");
    assert!(all.contains("iter8_passed{experiment=\"failed\",instance=\"\",job=\"iter8\"} 0\n"), "{all}");
    cli.write("experiment.yaml", &to_yaml(&documents::two_versions()).unwrap());
    push("");
    let mine =
        |text: &str| text.lines().filter(|line| line.contains("iris-v2") && !line.contains("experiment=")).count();
    assert!(mine(&metrics()) > 0);
    cli.write("experiment.yaml", &to_yaml(&documents::passing()).unwrap());
    push("");
    assert_eq!(mine(&metrics()), 0, "series of versions end with them");
}

#[test]
fn prometheus_reads_the_openmetrics_that_it_scrapes() {
    let exporter = Exporter::openmetrics();
    let Some(prometheus) = Prometheus::start(&[exporter.address]) else { return };
    let cli = violated();
    let text = cli.run(["report", "-o", "openmetrics", "--label", "experiment=shop"]).exits(0).stdout.clone();
    exporter.set(Some(text));
    exporter.wait_for_scrape();
    prometheus.wait_until("iter8_passed{experiment=\"shop\"}", |value| value == Some(0.0));
    let violated = "count(iter8_slo_verdict{verdict=\"violated\",version=\"iris-v2\"} == 1)";
    assert!(prometheus.value(violated, None).unwrap() > 0.0);
    let p99 = prometheus.value("iter8_metric_seconds{metric=\"http/latency-p99\",version=\"iris-v1\"}", None).unwrap();
    assert!((0.01..1.0).contains(&p99), "in seconds: {p99}");
}

#[cfg(unix)]
#[test]
fn files_for_the_textfile_collector_are_readable_and_never_partial() {
    use std::os::unix::fs::PermissionsExt;
    let cli = violated();
    for out in ["--out", "--outputFile"] {
        cli.run(["report", "-o", "openmetrics", out, "iter8.prom"]).exits(0);
    }
    let mode = std::fs::metadata(cli.path("iter8.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "{mode:o}: the collector is another user");
    assert!(cli.read("iter8.prom").ends_with("# EOF\n"));
    let names: Vec<_> = std::fs::read_dir(cli.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no temporary file stays: {names:?}");
}
