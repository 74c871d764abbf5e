//! `iter8 assess`: saved documents, judged again.

use serde_json::{Value, json};

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::files;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// A run of four seconds whose every fourth request fails, with these values.
fn measured(values: &[&str]) -> CliCase {
    let (cli, server) = (CliCase::new(), failing());
    load(&cli, &server, values).exits(0);
    cli
}

fn failing() -> MisbehavingServer {
    MisbehavingServer::scripted(|request| if request.number % 4 == 0 { Reply::plain(500, "") } else { Reply::ok("") })
}

fn load(cli: &CliCase, server: &MisbehavingServer, values: &[&str]) -> CliOutput {
    let url = format!("http.url={}", server.url());
    let fixed = ["http.duration=4s", "http.qps=100", url.as_str()];
    let set = fixed.iter().chain(values).flat_map(|value| ["--set", *value]);
    cli.run(["run", "--quiet"].into_iter().chain(set))
}

/// Judges the document again with these values.
fn assess(cli: &CliCase, values: &[&str]) -> CliOutput {
    cli.run(["assess"].into_iter().chain(values.iter().flat_map(|value| ["--set", *value])))
}

fn verdicts(cli: &CliCase) -> Vec<Value> {
    cli.document()["result"]["insights"]["verdicts"].as_array().unwrap().clone()
}

#[test]
fn a_saved_document_is_judged_again_and_assert_follows() {
    let cli = measured(&["tasks={http,assess}", "assess.SLOs.upper.http/error-rate=0.5"]);
    let by_the_value = verdicts(&cli).remove(0);
    assert_eq!((&by_the_value["verdict"], by_the_value.get("interval")), (&json!("satisfied"), None));
    // The same SLOs, with a confidence.
    let output = assess(&cli, &["assess.confidence=0.95"]);
    output.exits(0);
    assert_eq!(output.stderr, "SLOs: 1 of 1 satisfied\n");
    assert!(output.stdout.contains("SLO verdicts and their reasons"), "{output:#?}");
    assert!(output.stdout.contains("note: judged again after the run"), "{output:#?}");
    let satisfied = verdicts(&cli).remove(0);
    assert_eq!((&satisfied["method"], &satisfied["confidence"]), (&json!("binomial"), &json!(0.95)), "{satisfied}");
    let [low, high] = [0, 1].map(|end| satisfied["interval"][end].as_f64().unwrap());
    assert!(0.1 < low && low < 0.25 && 0.25 < high && high < 0.5, "{satisfied}");
    // Other objectives, each with the exit code of `assert`.
    for (limit, code, word) in [("0.1", 1, "violated"), ("0.26", 5, "inconclusive"), ("0.5", 0, "satisfied")] {
        assess(&cli, &[&format!("assess.SLOs.upper.http/error-rate={limit}")]).exits(code);
        assert_eq!(verdicts(&cli).remove(0)["verdict"], word);
        cli.run(["assert", "-c", "completed,nofailure"]).exits(0);
        cli.run(["assert", "-c", "slos"]).exits(code);
        let with = &cli.document()["spec"][1]["with"];
        assert_eq!(with["SLOs"]["upper"][0]["limit"].as_f64().unwrap().to_string(), limit);
        assert_eq!(with["confidence"], 0.95);
    }
}

#[test]
fn the_same_command_twice_leaves_the_same_bytes() {
    let cli = measured(&["tasks={http,assess}", "assess.confidence=0.95", "assess.SLOs.upper.http/latency-p50=900"]);
    let values =
        ["assess.SLOs.upper.http/latency-p50=800", "assess.SLOs.upper.http/error-rate=0.1", "assess.confidence=0.9"];
    let first = assess(&cli, &values);
    first.exits(1);
    let bytes = cli.read("experiment.yaml");
    let second = assess(&cli, &values);
    assert_eq!((second.code, &second.stdout, &second.stderr), (first.code, &first.stdout, &first.stderr));
    assert!(cli.read("experiment.yaml") == bytes);
    // A limit that the run did not know is judged by its distribution, with the dependence of its series.
    let slow = verdicts(&cli).into_iter().find(|verdict| verdict["metric"] == "http/latency-p50").unwrap();
    assert_eq!((&slow["verdict"], &slow["method"]), (&json!("satisfied"), &json!("percentile")), "{slow}");
    assert_ne!(slow["dependence"]["from"], "none", "{slow}");
}

#[test]
fn a_dry_run_and_standard_input_leave_the_document_alone() {
    let cli = measured(&["tasks={http}"]);
    let bytes = cli.read("experiment.yaml");
    let values = ["--set", "assess.SLOs.upper.http/error-rate=0.1", "-o", "json"];
    let dry = cli.run(["assess", "--dry"].into_iter().chain(values));
    dry.exits(1);
    let report: Value = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!(report["verdicts"][0]["verdict"], "violated");
    let from_input = cli.run_with_input(["assess", "-"].into_iter().chain(values), &bytes);
    assert_eq!((from_input.code, from_input.stdout), (dry.code, dry.stdout));
    assert!(cli.read("experiment.yaml") == bytes);
    // A document without objectives gets an `assess` of its own.
    cli.run(["assess"].into_iter().chain(values)).exits(1);
    let document = cli.document();
    assert_eq!(
        (&document["spec"][1]["task"], &document["result"]["tasks"][1]["status"]),
        (&json!("assess"), &json!("done"))
    );
    cli.run(["assert", "-c", "completed"]).exits(0);
    cli.run(["assert", "-c", "slos"]).exits(1);
}

#[test]
fn verdicts_on_earlier_loops_are_kept_only_with_the_same_objectives() {
    let (cli, server) = (CliCase::new(), failing());
    let values = ["tasks={http,assess}", "http.numRequests=40", "assess.SLOs.upper.http/error-rate=0.5"];
    let url = format!("http.url={}", server.url());
    let set = values.iter().copied().chain([url.as_str()]).flat_map(|value| ["--set", value]);
    let set: Vec<&str> = set.collect();
    cli.run(["run", "-q"].iter().chain(&set)).exits(0);
    cli.run(["run", "-q", "--reuseResult"].iter().chain(&set)).exits(0);
    let loops = |cli: &CliCase| cli.document()["result"]["insights"]["loops"].as_array().unwrap().len();
    assess(&cli, &["assess.minSamples=10"]).exits(0);
    assert_eq!(loops(&cli), 2);
    let dropped = "the verdicts on 1 earlier loop are dropped: they judge other SLOs";
    assess(&cli, &["assess.SLOs.upper.http/error-rate=0.1"]).expect(1, &[dropped]);
    assert_eq!(loops(&cli), 1);
    let again = assess(&cli, &["assess.SLOs.upper.http/error-rate=0.1"]);
    again.exits(1);
    assert!(!again.stderr.contains("dropped"), "{again:#?}");
    cli.run(["assert", "-c", "completed"]).exits(0);
}

#[test]
fn documents_of_iter8_are_judged_with_independence_assumed() {
    let cli = CliCase::new();
    let document = std::fs::read_to_string(files::root().join("testdata/reports/iter8-v0.13.yaml")).unwrap();
    cli.write("experiment.yaml", &document);
    let output = assess(&cli, &["assess.confidence=0.95", "assess.SLOs.upper.http/error-rate=0.5"]);
    output.exits(0);
    assert!(verdicts(&cli).iter().all(|verdict| verdict["dependence"]["from"] == "none"), "{output:#?}");
    assert!(verdicts(&cli)[0]["reason"].as_str().unwrap().contains("independence assumed"), "{output:#?}");
    let bytes = cli.read("experiment.yaml");
    assess(&cli, &["assess.confidence=0.95", "assess.SLOs.upper.http/error-rate=0.5"]).exits(0);
    assert!(cli.read("experiment.yaml") == bytes);
    cli.run(["assert", "-c", "completed,nofailure,slos"]).exits(0);
}

#[test]
fn what_cannot_be_judged_again_is_refused() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.run(["assess"]).snapshot(2);
    let assess = "- task: assess\n  with: {SLOs: {upper: [{metric: http/error-rate, limit: 0}]}}\n";
    let done = "result: {numLoops: 1, numCompletedTasks: 1, failure: false, insights: {numVersions: 1}}\n";
    cli.write("experiment.yaml", &format!("spec:\n{assess}"));
    cli.run(["assess"]).snapshot(2);
    let document = format!("spec:\n{assess}{done}");
    cli.write("experiment.yaml", &document);
    let refused: [&[&str]; 6] = [
        &["assess", "--set", "http.qps=5"],
        &["assess", "--set", "assess=5"],
        &["assess", "--set", "assess.confidence=95"],
        &["assess", "--set", "assess.consecutive=2"],
        &["assess", "--set", "assess.SLOs=null"],
        &["assess", "--set", "assess.SLOs.upper.http/latency-p99.9=5"],
    ];
    for args in refused {
        cli.run(args).snapshot(2);
    }
    assert_eq!(cli.read("experiment.yaml"), document);
    cli.write("experiment.yaml", &format!("spec:\n{assess}{assess}{}", done.replace("Tasks: 1", "Tasks: 2")));
    cli.run(["assess"]).snapshot(2);
    let rollout = "- task: rollout\n  with: {steps: [10]}\n";
    cli.write("experiment.yaml", &format!("spec:\n{rollout}{assess}{done}"));
    cli.run(["assess"]).snapshot(2);
}
