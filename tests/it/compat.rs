//! Documents written by Iter8 v0.13 load, report and assert as they do there.

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
    ("iter8-summary", [true, true, false], &["abn/sample_metric"]),
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
        assert!(serde_json::from_str::<serde_json::Value>(&json.stdout).is_ok(), "{name}");
    }
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
