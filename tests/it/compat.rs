//! Documents written by Iter8 v0.13 load, report and assert as they do there.

use serde_json::{Value, json};

use crate::support::cli_case::CliCase;
use crate::support::files;
use crate::support::misbehaving_server::MisbehavingServer;
use crate::support::transcript::transcript;

/// Document → whether `completed`, `nofailure` and `slos` hold, and lines of its text report.
const DOCUMENTS: &[(&str, [bool; 3], &[&str])] = &[
    ("iter8-passing", [true, true, true], &["Number of completed tasks: 2", "Experiment completed: true"]),
    ("iter8-failing-slo", [true, true, false], &["http/latency-mean (msec) <= 50"]),
    ("iter8-failed-task", [false, false, false], &["Experiment completed: false", "No task failures: false"]),
    ("iter8-grpc-samples", [true, true, false], &["grpc/latency/p90"]),
    ("iter8-two-versions", [true, true, false], &["unavailable", "kserve-prometheus/error-count"]),
    ("iter8-summary", [true, true, false], &["50 <= abn/sample_metric/mean ", "| current (v1) | candidate (v2)"]),
    (
        "iter8-abn",
        [true, true, false],
        &[
            "| default (v1) | candidate-1          | v3   | version 3",
            "abn/sample_metric/stddev (msec) <= 30 | true         | false (inconclusive) | true | true",
            "1 <= abn/sample_metric/count          | true ",
            "abn/sample_metric/stddev (msec) | 2.58         | unavailable | 7.07  | 5.00",
            "has only one value, which has no deviation",
        ],
    ),
    ("iter8-multi-loop", [true, true, true], &["Number of completed loops: 4"]),
    ("iter8-no-slos", [true, true, false], &["Number of completed tasks: 1"]),
];

#[test]
fn documents_of_iter8_can_be_asserted_and_reported() {
    let cli = CliCase::new();
    for (name, holds, lines) in DOCUMENTS {
        let path = files::root().join(format!("testdata/results/{name}.yaml"));
        let path = path.to_str().unwrap();
        for (condition, holds) in ["completed", "nofailure", "slos"].iter().zip(holds) {
            let output = cli.run(["assert", path, "-c", condition]);
            assert_eq!(output.code, Some(i32::from(!holds)), "{name} {condition}: {output:#?}");
        }
        let text = cli.run(["report", path]).stdout;
        for line in *lines {
            assert!(text.contains(line), "the report of {name} lacks {line:?}:\n{text}");
        }
        let page = cli.run(["report", path, "-o", "html"]);
        assert!(page.code == Some(0) && page.stdout.len() < 300_000, "{name}: {} bytes", page.stdout.len());
        let json = cli.run(["report", path, "-o", "json"]);
        assert!(serde_json::from_str::<Value>(&json.stdout).is_ok(), "{name}");
    }
}

/// Text and JSON reports have one spelling of an SLO: Iter8's. Pages have units and signs as people write them.
#[test]
fn slos_are_spelled_as_in_iter8() {
    let (cli, server) = (CliCase::new(), MisbehavingServer::responds(200, "fine"));
    let http = format!("- task: http\n  with: {{url: '{}', qps: max, numRequests: 9}}\n", server.url());
    let slos = "- task: assess\n  with:\n    SLOs:\n      upper: [{metric: http/latency-p50.0, limit: 60000}, {metric: http/latency-p97.50, limit: 60001}]\n      lower: [{metric: http/request-count, limit: 8}, {metric: http/latency-p99.0, limit: 0}]\n";
    cli.write("experiment.yaml", &format!("spec:\n{http}{slos}"));
    cli.run(["run"]).exits(0);
    let rows = [
        "http/latency-p50 (msec) <= 60000",
        "http/latency-p97.5 (msec) <= 60001",
        "8 <= http/request-count",
        "0 <= http/latency-p99 (msec)",
    ];
    let text = cli.run(["report"]).stdout;
    let page = cli.run(["report", "-o", "html"]).stdout;
    let json: Value = serde_json::from_str(&cli.run(["report", "-o", "json"]).stdout).unwrap();
    let typeset = [
        "http/latency-p50 ≤\u{a0}60,000\u{a0}ms",
        "http/latency-p97.5 ≤\u{a0}60,001\u{a0}ms",
        "http/request-count ≥\u{a0}8",
        "http/latency-p99 ≥\u{a0}0\u{a0}ms",
    ];
    for (at, row) in rows.into_iter().enumerate() {
        assert!(text.contains(&format!("  {row} ")), "{row}:\n{text}");
        assert!(page.contains(&format!("<bdi>{}</bdi>", typeset[at])), "{row}:\n{page}");
        let verdict = &json["verdicts"][at];
        assert_eq!(verdict["condition"], row);
        let metric = &json["versions"][0]["metrics"][verdict["metric"].as_str().unwrap()];
        assert_eq!((&metric["value"], &metric["units"]), (&verdict["value"], &verdict["units"]), "{row}");
    }
    assert!(!text.contains("p50.0"), "{text}");
    // The document keeps the user's spelling.
    assert_eq!(cli.document()["result"]["insights"]["SLOs"]["upper"][0]["metric"], "http/latency-p50.0");
}

/// Iter8 adds a loop only if all three maps have an entry per version.
#[test]
fn documents_have_the_lists_that_iter8_continues() {
    let (cli, server) = (CliCase::new(), MisbehavingServer::responds(200, "fine"));
    let http = format!("http.url={},http.numRequests=2,http.qps=max", server.url());
    cli.run(["run", "--set", "tasks={http}", "--set", &http]).exits(0);
    let insights = &cli.document()["result"]["insights"];
    for key in ["nonHistMetricValues", "histMetricValues", "SummaryMetricValues"] {
        assert_eq!(insights[key].as_array().map(Vec::len), Some(1), "{key}: {insights}");
    }
    assert_eq!(insights["SummaryMetricValues"], json!([{}]));
}

#[test]
fn a_spec_of_iter8_runs() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let server = MisbehavingServer::responds(200, "fine");
    cli.write(
        "experiment.yaml",
        &format!(
            "spec:\n- task: http\n  with:\n    url: {}\n    qps: max\n    numRequests: 20\n    errorRanges: [{{lower: 500}}]\n- task: assess\n  with:\n    SLOs:\n      Upper:\n      - metric: http/error-count\n        limit: 0\n      - metric: http/latency-p95.0\n        limit: 60000\n- run: echo passed\n  if: SLOs()\n",
            server.url()
        ),
    );
    cli.run(["run"]).snapshot(0);
    assert_eq!(cli.run(["assert", "-c", "completed,nofailure,slos"]).code, Some(0));
    // A second loop keeps the first one's values.
    cli.run(["run", "--reuseResult"]).snapshot(0);
    let counts = cli.document()["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"].clone();
    assert_eq!(counts, serde_json::json!([20, 20]));
}
