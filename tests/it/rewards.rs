//! Rewards: the best of the satisfied versions, from the load to the reports.

use serde_json::{Value, json};

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

/// Services of which every `n`th request fails; 0 for none.
fn services(n: &[u64]) -> Vec<MisbehavingServer> {
    let service = |n: u64| {
        MisbehavingServer::scripted(move |request| {
            let is_bad = n > 0 && request.number % n == 0;
            if is_bad { Reply::plain(503, "") } else { Reply::ok("") }
        })
    };
    n.iter().copied().map(service).collect()
}

/// Measures the services as versions v1, v2, … and judges them with these values.
fn run(cli: &CliCase, services: &[MisbehavingServer], values: &[&str]) -> CliOutput {
    let version = |(index, service): (usize, &MisbehavingServer)| {
        format!("http.versionValues[{index}].name=v{},http.versionValues[{index}].url={}", index + 1, service.url())
    };
    let versions: Vec<String> = services.iter().enumerate().map(version).collect();
    let fixed = ["tasks={http,assess}", "http.duration=4s", "http.qps=100"];
    let all = fixed.iter().chain(values).copied().chain(versions.iter().map(String::as_str));
    cli.run(["run"].into_iter().chain(all.flat_map(|value| ["--set", value])))
}

fn insights(cli: &CliCase) -> Value {
    cli.document()["result"]["insights"].clone()
}

fn text(cli: &CliCase) -> String {
    let report = cli.run(["report"]);
    report.exits(0);
    report.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

const REWARDS: [&str; 2] = ["assess.rewards.min={http/error-rate}", "assess.rewards.max={http/error-rate}"];

#[test]
fn the_best_of_the_satisfied_versions_is_named_or_those_that_are_not_told_apart() {
    // v4 has the most errors, and violates its SLO. v2 and v3 are the same.
    let (cli, services) = (CliCase::new(), services(&[2, 0, 0, 1]));
    let slos = ["assess.confidence=0.95", "assess.SLOs.upper.http/error-rate=0.7"];
    run(&cli, &services, &[&slos[..], &REWARDS].concat()).exits(0);
    let insights = insights(&cli);
    assert_eq!(insights["rewards"], json!({"max": ["http/error-rate"], "min": ["http/error-rate"]}));
    assert_eq!(insights["rewardsWinners"], json!({"max": [0], "min": [-1]}));
    let [most, least] = [0, 1].map(|at| insights["rewardVerdicts"][at].clone());
    assert_eq!((&most["goal"], &most["best"], &most["confidence"]), (&json!("max"), &json!([0]), &json!(0.95)));
    assert_eq!(
        most["reason"], "http/error-rate of v1 is the highest (95 % sure; v1 0.50, v2 0, v3 0)",
        "the version that violates an SLO is not among them"
    );
    assert_eq!((&least["goal"], &least["best"]), (&json!("min"), &json!([1, 2])), "{least}");
    let undecided =
        "http/error-rate of v2 or v3 is the lowest: the samples do not tell them apart (v2 0, v1 0.50, v3 0)";
    assert_eq!(least["reason"], undecided);
    // The verdict on the SLOs alone decides the exit code.
    cli.run(["assert", "-c", "slos"]).exits(1);
    let text = text(&cli);
    assert!(text.contains("v2 or v3"), "{text}");
    let page = cli.run(["report", "-o", "html"]).stdout;
    assert!(page.contains("http/error-rate of v2 or v3 is the lowest"));
    let report: Value = serde_json::from_str(&cli.run(["report", "-o", "json"]).stdout).unwrap();
    assert_eq!((&report["rewards"][0]["best"], &report["rewards"][1]["best"]), (&json!(["v1"]), &json!(["v2", "v3"])));
}

#[test]
fn no_version_is_the_best_while_its_slos_are_undecided() {
    let (cli, services) = (CliCase::new(), services(&[0, 0]));
    let slos = ["assess.confidence=0.95", "assess.SLOs.upper.http/error-rate=0.001"];
    run(&cli, &services, &[&slos[..], &REWARDS].concat()).exits(0);
    let insights = insights(&cli);
    assert_eq!(insights["rewardsWinners"], json!({"max": [-1], "min": [-1]}));
    for verdict in insights["rewardVerdicts"].as_array().unwrap() {
        assert_eq!((&verdict["best"], verdict.get("confidence")), (&json!([]), None), "{verdict}");
        assert_eq!(verdict["reason"], "http/error-rate: no version satisfies all SLOs");
    }
    cli.run(["assert", "-c", "slos"]).exits(5);
    // By the values alone the first of equal versions is the best, as in Iter8.
    cli.run(["assess", "-q", "--set", "assess.confidence=null"]).exits(0);
    let again = self::insights(&cli);
    assert_eq!(again["rewardsWinners"], json!({"max": [0], "min": [0]}));
    assert!(!again["rewardVerdicts"][0]["reason"].as_str().unwrap().contains("sure"), "{again}");
}
