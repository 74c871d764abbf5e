//! `iter8 compare`: one saved document against another.

use serde_json::Value;

use crate::support::cli_case::CliCase;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

fn measure(cli: &CliCase, directory: &str, fails: bool) {
    let server = MisbehavingServer::scripted(move |request| {
        if fails && request.number % 4 == 0 { Reply::plain(500, "") } else { Reply::ok("") }
    });
    let url = format!("http.url={}", server.url());
    let set = ["tasks={http}", "http.duration=4s", "http.qps=100", &url];
    let set = set.into_iter().flat_map(|value| ["--set", value]);
    cli.run(["run", "--quiet", "--runDir", directory].into_iter().chain(set)).exits(0);
}

#[test]
fn two_runs_are_compared_and_limits_decide_the_exit_code() {
    let cli = CliCase::new();
    measure(&cli, "good", false);
    measure(&cli, "bad", true);
    let text = cli.run(["compare", "good", "bad"]);
    text.exits(0);
    let line = text.stdout.lines().find(|line| line.contains("http/error-rate")).unwrap();
    assert!(line.ends_with("higher") && line.contains("+0.25"), "{text:#?}");
    assert!(text.stdout.contains("another load: URL"), "{text:#?}");
    assert!(text.stdout.contains("each hold with 95 % confidence"), "{text:#?}");
    let json = cli.run(["compare", "good/experiment.yaml", "bad", "-o", "json"]);
    assert_eq!(json.stdout, cli.run(["compare", "good", "bad", "-o", "json"]).stdout, "the same bytes each time");
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let rate = json["metrics"].as_array().unwrap().iter().find(|row| row["metric"] == "http/error-rate").unwrap();
    assert_eq!((&rate["change"], &rate["value"]), (&"higher".into(), &0.25.into()), "{rate}");
    assert_eq!(json["outcome"], Value::Null);
    for (limit, code, word) in [("0.5", 0, "satisfied"), ("0.1", 1, "violated"), ("0.26", 5, "inconclusive")] {
        let limit = format!("assess.relative.upper.http/error-rate={limit}");
        let output = cli.run(["compare", "good", "bad", "--set", &limit]);
        output.exits(code);
        assert!(output.stdout.contains(word), "{output:#?}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let cli = CliCase::new();
    let document = |versions: usize| {
        format!(
            "spec:\n- run: 'true'\nresult: {{numLoops: 1, numCompletedTasks: 1, insights: {{numVersions: {versions}}}}}\n"
        )
    };
    cli.write("one/experiment.yaml", &document(1));
    cli.write("two/experiment.yaml", &document(2));
    cli.write("none/experiment.yaml", "spec:\n- run: 'true'\n");
    cli.run(["compare", "one", "missing"]).expect(2, &["missing"]);
    cli.run(["compare", "one", "none"]).expect(2, &["none/experiment.yaml has no measurements"]);
    cli.run(["compare", "one", "two"])
        .expect(2, &["has 2 versions; select one with --versionB", "version 0, version 1"]);
    cli.run(["compare", "one", "two", "--versionB", "v9"]).expect(2, &["has no version `v9`"]);
    cli.run(["compare", "one", "two", "--versionB", "1"]).expect(2, &["have no load in common"]);
    let slos = "assess.SLOs.upper.http/error-rate=0";
    cli.run(["compare", "one", "one", "--set", slos]).expect(2, &["assess.SLOs: has no effect on a comparison"]);
    cli.run(["compare", "one", "one", "--set", "http.qps=5"]).expect(2, &["http: has no effect on a saved document"]);
}
