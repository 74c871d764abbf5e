//! Verdicts with a confidence, from the load to the exit code.

use serde_json::{Value, json};

use crate::support::cli_case::CliCase;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

/// A service whose request `n` fails if `fails(n)`.
fn service(fails: impl Fn(u64) -> bool + Send + Sync + 'static) -> MisbehavingServer {
    MisbehavingServer::scripted(
        move |request| if fails(request.number) { Reply::plain(500, "") } else { Reply::ok("") },
    )
}

/// Runs a load of a few seconds with these values, and returns its verdicts. `assert -c slos` must exit with `code`.
fn judged(cli: &CliCase, url: &str, values: &[&str], code: i32) -> Vec<Value> {
    let url = format!("http.url={url}");
    let load = ["tasks={http,assess}", "http.duration=4s", "http.qps=100", &url];
    let set = load.iter().chain(values).flat_map(|value| ["--set", *value]);
    cli.run(["run", "--quiet"].into_iter().chain(set)).exits(0);
    cli.run(["assert", "-c", "slos"]).exits(code);
    cli.document()["result"]["insights"]["verdicts"].as_array().unwrap().clone()
}

#[test]
fn a_verdict_with_a_confidence_is_satisfied_violated_or_says_what_it_needs() {
    let (cli, good, bad) = (CliCase::new(), service(|_| false), service(|number| number % 2 == 0));
    let with =
        |limit: &str| ["assess.confidence=0.95".to_owned(), format!("assess.SLOs.upper.http/error-rate={limit}")];
    let run = |server: &MisbehavingServer, limit: &str, code: i32| {
        let values = with(limit);
        judged(&cli, &server.url(), &values.each_ref().map(String::as_str), code).remove(0)
    };
    let satisfied = run(&good, "0.1", 0);
    assert_eq!((&satisfied["verdict"], &satisfied["method"]), (&json!("satisfied"), &json!("binomial")), "{satisfied}");
    assert_eq!((&satisfied["confidence"], &satisfied["samples"]), (&json!(0.95), &json!(400)), "{satisfied}");
    assert!(satisfied["interval"][1].as_f64().unwrap() <= 0.1, "{satisfied}");
    let violated = run(&bad, "0.1", 1);
    assert_eq!(violated["verdict"], "violated", "{violated}");
    assert!(violated["interval"][0].as_f64().unwrap() > 0.1, "{violated}");
    let open = run(&good, "0.001", 5);
    assert_eq!(open["verdict"], "inconclusive", "{open}");
    assert!(open["needs"]["requests"].as_u64().unwrap() > 1_000, "{open}");
    assert!(open["reason"].as_str().unwrap().contains("at this rate) would decide"), "{open}");
}

#[test]
fn a_candidate_is_compared_with_version_0() {
    let (cli, good, bad) = (CliCase::new(), service(|_| false), service(|number| number % 2 == 0));
    let versions =
        |urls: [String; 2]| format!("http.versionValues=[{{\"url\":\"{}\"}},{{\"url\":\"{}\"}}]", urls[0], urls[1]);
    let run = |urls: [String; 2], code: i32| {
        let versions = versions(urls);
        let args = ["run", "--quiet", "--set-json", &versions];
        let set = [
            "tasks={http,assess}",
            "http.duration=4s",
            "http.qps=100",
            "assess.confidence=0.95",
            "assess.relative.upper.http/error-rate=+0.1",
        ];
        cli.run(args.into_iter().chain(set.into_iter().flat_map(|value| ["--set", value]))).exits(0);
        cli.run(["assert", "-c", "slos"]).exits(code);
        let insights = cli.document()["result"]["insights"].clone();
        assert_eq!(insights["relativeSLOs"], json!({"upper": [{"metric": "http/error-rate", "limit": 0.1}]}));
        let verdicts = insights["verdicts"].as_array().unwrap().clone();
        assert_eq!(verdicts.len(), 1, "{verdicts:?}");
        verdicts[0].clone()
    };
    let same = run([good.url(), good.url()], 0);
    assert_eq!(
        (&same["verdict"], &same["method"], &same["reference"]),
        (&json!("satisfied"), &json!("difference"), &json!(0))
    );
    let worse = run([good.url(), bad.url()], 1);
    assert_eq!((&worse["verdict"], &worse["version"]), (&json!("violated"), &json!(1)), "{worse}");
}

#[test]
fn without_a_confidence_the_document_says_nothing_of_it() {
    let (cli, good) = (CliCase::new(), service(|_| false));
    let verdict = judged(&cli, &good.url(), &["assess.SLOs.upper.http/error-rate=0"], 0).remove(0);
    let keys: Vec<&str> = verdict.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["bound", "limit", "metric", "reason", "samples", "value", "verdict", "version"]);
    let insights = &cli.document()["result"]["insights"];
    assert!(insights.get("relativeSLOs").is_none());
}

#[test]
fn relative_limits_need_two_versions() {
    let cli = CliCase::new();
    let values = ["tasks={http,assess}", "http.url=http://127.0.0.1:9", "assess.relative.upper.http/latency-p95=1.1"];
    let set = values.iter().flat_map(|value| ["--set", *value]);
    cli.run(["run", "--quiet"].into_iter().chain(set)).expect(
        2,
        &["assess.relative: nothing can be compared: the experiment measures 1 version", "hint: list two versions"],
    );
}
