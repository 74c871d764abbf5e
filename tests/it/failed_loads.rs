//! Reports of loads and loops that failed: one truth in all formats, and what failed stands first.

use serde_json::{Value, json};

use crate::support::cli_case::CliCase;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:9/";

/// The three reports of the document: text, HTML, JSON.
fn reports(cli: &CliCase) -> (String, String, Value) {
    let report = |format: &str| cli.run(["report", "-o", format]).stdout;
    (report("text"), report("html"), serde_json::from_str(&report("json")).unwrap())
}

fn run(cli: &CliCase, values: &[&str], code: i32, more: &[&str]) {
    let set = values.iter().flat_map(|value| ["--set", *value]);
    cli.run(["run"].into_iter().chain(more.iter().copied()).chain(set)).exits(code);
}

#[test]
fn loops_that_failed_are_not_completed() {
    let cli = CliCase::new();
    let values = ["tasks={run}", "run=test -e fixed"];
    run(&cli, &values, 3, &[]);
    run(&cli, &values, 3, &["--reuseResult"]);
    run(&cli, &values, 3, &["--reuseResult"]);
    let (text, page, json) = reports(&cli);
    assert!(text.contains("Number of completed loops: 0\n  Loops: 3 loops run, 0 completed\n"), "{text}");
    assert!(page.contains("<span>3 loops run, 0 completed</span>"), "{page}");
    assert_eq!((&json["summary"]["loops"], &json["summary"]["completedLoops"]), (&json!(3), &json!(0)));
    // A loop that completes counts, and then there is no more to say than its number.
    cli.write("fixed", "");
    run(&cli, &values, 0, &["--reuseResult"]);
    let (text, page, json) = reports(&cli);
    assert!(text.contains("Number of completed loops: 1\n  Loops: 4 loops run, 1 completed\n"), "{text}");
    assert!(page.contains("<span>4 loops run, 1 completed</span>"), "{page}");
    assert_eq!(json["summary"]["completedLoops"], 1);
    run(&cli, &values, 0, &[]);
    let (text, page, _) = reports(&cli);
    assert!(text.contains("Number of completed loops: 1\n  Outcome: "), "{text}");
    assert!(!page.contains("loops</span>"), "{page}");
}

#[test]
fn failures_are_named_with_their_status() {
    let (cli, missing) = (CliCase::new(), MisbehavingServer::responds(404, "no such page"));
    run(&cli, &["tasks={http}", "http.numRequests=160,http.qps=max", &format!("http.url={}", missing.url())], 0, &[]);
    let (text, page, json) = reports(&cli);
    assert!(text.contains("\n  http: 160 of 160 failed: status 404\n"), "{text}");
    assert!(page.contains("<span class=\"reason error\">160 of 160 failed: status 404</span>"), "{page}");
    let bar = "<span class=\"track bad\" aria-hidden=\"true\"><i style=\"width:100.0%\">";
    assert_eq!(page.matches(bar).count(), 2, "the bars of the status and of the failure are red: {page}");
    assert!(page.contains("all requests failed"), "{page}");
    assert_eq!(json["load"][0]["failures"], json!([{"name": "status 404", "count": 160}]));
}

#[test]
fn an_endpoint_whose_first_requests_fail_has_its_row_first() {
    let (cli, good) = (CliCase::new(), MisbehavingServer::responds(200, "fine"));
    let endpoints = format!("http.endpoints.a.url={},http.endpoints.z.url={NOWHERE}", good.url());
    let slos = "assess.SLOs.upper.http-z/error-count=0,assess.SLOs.upper.http-z/latency-p99=60000";
    run(&cli, &["tasks={http,assess}", "http.numRequests=4,http.qps=max", &endpoints, slos], 3, &[]);
    let (text, page, json) = reports(&cli);
    let loads: Vec<_> = json["load"].as_array().unwrap().iter().map(|load| load["provider"].clone()).collect();
    assert_eq!(loads, ["http-z", "http-a"]);
    assert!(
        text.contains("\n  http-z | ") && text.contains("http-z: aborted because all of its first requests failed"),
        "{text}"
    );
    assert!(text.contains("\n  http-z: 4 of 4 failed: refused\n") && !text.contains("http-a: "), "{text}");
    assert!(text.find("\n  http-z | ") < text.find("\n  http-a | "), "{text}");
    assert!(page.contains("4 <small class=\"error\">100 %</small>"), "{page}");
    assert!(page.find("http-z").unwrap() < page.find("http-a").unwrap());
    // The few requests are not the requested load, so they give no metrics.
    let reasons: Vec<_> = json["verdicts"].as_array().unwrap().iter().map(|one| one["verdict"].clone()).collect();
    assert_eq!(reasons, ["inconclusive", "inconclusive"]);
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(1));
}

#[test]
fn a_service_that_responds_with_errors_alone_satisfies_no_latency() {
    let (cli, failing) = (CliCase::new(), MisbehavingServer::responds(500, "a fast error"));
    let load = ["run", &failing.url(), "-n", "200", "-q", "max", "--assert"];
    let output = cli.run(load.into_iter().chain(["--slo", "p99 < 10s", "--junit", "slo.xml"]));
    output.exits(5);
    let reason = "200 of 200 requests failed, so this is mostly the latency of errors";
    assert!(output.stdout.contains(reason) && cli.read("slo.xml").contains(reason), "{output:#?}");
    // Two versions that fail alike are not as good as each other.
    let against = ["--against", &failing.url(), "--slo", "p50 <= +900%", "--slo", "error-rate <= +0.5pp"];
    let output = cli.run(load.into_iter().chain(against));
    output.exits(5);
    assert!(output.stderr.contains("SLOs: 2 of 2 inconclusive"), "{output:#?}");
    // A limit on the errors themselves is still violated, and one on the successes has no data.
    cli.run(load.into_iter().chain(["--slo", "p99 < 10s", "--slo", "error-rate < 50%"])).exits(1);
    cli.run(load.into_iter().chain(["--slo", "http/success-latency/p99 < 10s"])).exits(1);
    // Expected errors do not count as errors.
    cli.run(load.into_iter().chain(["--slo", "p99 < 10s", "--set", "http.expect.status={500}"])).exits(0);
}

#[test]
fn redirects_that_were_not_followed_are_noted() {
    let server = MisbehavingServer::scripted(|request| match request.head.split(' ').nth(1).unwrap() {
        "/old" => Reply::with(302, "Location: /new\r\n", ""),
        _ => Reply::ok("ok"),
    });
    let cli = CliCase::new();
    let load = |path: &str, follow: bool| {
        let url = format!("{}{path}", server.url());
        let follow = format!("http.followRedirects={follow}");
        cli.run(["run", &url, "-n", "20", "-q", "max", "--set", &follow, "--slo", "errors = 0"]).exits(0).stderr.clone()
    };
    let note = "http: 20 of 20 responses are redirects, which are not followed (status 302 ×20); set `followRedirects: true`, or load the URL";
    assert!(load("old", false).contains(note));
    for (path, follow) in [("old", true), ("new", false)] {
        assert!(!load(path, follow).contains("redirects"), "{path}");
    }
}
