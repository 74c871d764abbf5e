//! Experiments over several loops, and metrics without data: what `assess` makes of them, and `assert` says.

use serde_json::{Value, json};

use crate::support::cli_case::CliCase;
use crate::support::misbehaving_server::MisbehavingServer;
use crate::support::transcript::transcript;

/// A service that answers well or badly, and an experiment that judges it in loops.
struct Loops {
    cli: CliCase,
    good: MisbehavingServer,
    bad: MisbehavingServer,
    count: usize,
}

impl Loops {
    fn new() -> Self {
        let good = MisbehavingServer::responds(200, "fine");
        let bad = MisbehavingServer::responds(404, "gone");
        Self { cli: CliCase::new(), good, bad, count: 0 }
    }

    /// Runs a loop against one of the two, `assess` with these settings and condition; gives the exit code of `assert -c slos`.
    fn run(&mut self, is_good: bool, settings: &Value, condition: &str) -> Option<i32> {
        let url = if is_good { self.good.url() } else { self.bad.url() };
        let mut with = settings.clone();
        with["SLOs"] = json!({"upper": [{"metric": "http/error-count", "limit": 0}]});
        let spec = json!([
            {"task": "http", "with": {"url": url, "qps": "max", "numRequests": 5, "allowInitialErrors": true}},
            {"task": "assess", "if": condition, "with": with},
        ]);
        let mut document = if self.count > 0 { self.cli.document() } else { json!({}) };
        document["spec"] = spec;
        self.cli.write("experiment.yaml", &document.to_string());
        let args: &[&str] = if self.count > 0 { &["run", "--reuseResult"] } else { &["run"] };
        self.cli.run(args).exits(0);
        self.count += 1;
        self.cli.run(["assert", "-c", "slos"]).code
    }

    fn insights(&self) -> Value {
        self.cli.document()["result"]["insights"].clone()
    }

    fn reason(&self) -> String {
        self.insights()["verdicts"][0]["reason"].as_str().unwrap().to_owned()
    }
}

#[test]
fn consecutive_satisfied_loops_are_counted_across_runs() {
    let mut loops = Loops::new();
    let rule = json!({"consecutive": 2});
    assert_eq!(loops.run(true, &rule, "true"), Some(5), "one good loop does not decide it");
    assert!(loops.reason().starts_with("1 of 2 good loops in a row so far: "), "{}", loops.reason());
    assert_eq!(loops.insights()["SLOsSatisfied"], json!({"upper": [[false]]}));
    assert_eq!(loops.run(true, &rule, "true"), Some(0));
    assert_eq!(loops.insights()["SLOsSatisfied"], json!({"upper": [[true]]}));
    assert_eq!(loops.run(false, &rule, "true"), Some(1));
    assert_eq!(loops.run(true, &rule, "true"), Some(5));
    assert!(loops.reason().ends_with("; loop 3 violated it"), "{}", loops.reason());
    // The rule may change from loop to loop.
    assert_eq!(loops.run(true, &json!({"consecutive": "3"}), "true"), Some(5));
    assert_eq!(loops.run(true, &json!({"failureLimit": 1}), "true"), Some(0));
    let kept = loops.insights()["loops"].clone();
    let outcomes: Vec<&str> = kept.as_array().unwrap().iter().map(|l| l["outcomes"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["s", "s", "v", "s", "s", "s"]);
    let last = &kept[5];
    assert_eq!((&last["loop"], &last["values"]), (&json!(6), &json!([0])));
    let tasks = loops.cli.document()["result"]["tasks"].clone();
    assert_eq!(last["start"], tasks[0]["start"], "a loop starts with its first task");
}

#[test]
fn a_failure_limit_tolerates_failed_loops() {
    let mut loops = Loops::new();
    let rule = json!({"failureLimit": "1"});
    assert_eq!(loops.run(false, &rule, "true"), Some(0));
    assert!(loops.reason().ends_with("above the limit of 0; 1 of at most 1 failed loops"), "{}", loops.reason());
    assert_eq!(loops.run(true, &rule, "true"), Some(0));
    assert_eq!(loops.run(false, &rule, "true"), Some(1));
    assert!(loops.reason().ends_with("above the limit of 0; 2 failed loops, and at most 1 may fail"));
    assert_eq!(loops.run(true, &rule, "true"), Some(1), "a good loop does not undo the failed ones");
}

#[test]
fn an_unassessed_loop_resets_the_count() {
    let mut loops = Loops::new();
    let rule = json!({"consecutive": 2});
    loops.run(true, &rule, "true");
    assert_eq!(loops.run(true, &rule, "false"), Some(1), "nothing is assessed in this loop");
    assert_eq!(loops.run(true, &rule, "true"), Some(5));
    assert!(loops.reason().ends_with("; loop 2 was not assessed"), "{}", loops.reason());
    assert_eq!(loops.run(true, &rule, "true"), Some(0));
}

#[test]
fn a_loop_that_is_assessed_twice_counts_once() {
    let (server, cli) = (MisbehavingServer::responds(200, "fine"), CliCase::new());
    let assess = json!({"task": "assess", "with": {
        "SLOs": {"upper": [{"metric": "http/error-count", "limit": 0}]}, "consecutive": 2,
    }});
    let http = json!({"task": "http", "with": {"url": server.url(), "qps": "max", "numRequests": 5}});
    cli.write("experiment.yaml", &json!({"spec": [http, assess, assess]}).to_string());
    cli.run(["run"]).exits(0);
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(5));
    cli.run(["run", "--reuseResult"]).exits(0);
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(0));
    assert_eq!(cli.document()["result"]["insights"]["loops"].as_array().unwrap().len(), 2);
}

#[test]
fn a_value_of_an_earlier_loop_satisfies_no_later_one() {
    let _transcript = transcript!();
    for rule in [json!({}), json!({"consecutive": 2}), json!({"failureLimit": 1})] {
        let (server, cli) = (MisbehavingServer::responds(200, "fine"), CliCase::new());
        let spec = |condition: &str| {
            let mut with = rule.clone();
            with["SLOs"] = json!({"upper": [{"metric": "http/error-count", "limit": 0}]});
            json!([
                {"task": "http", "if": condition, "with": {"url": server.url(), "qps": "max", "numRequests": 5}},
                {"task": "assess", "with": with},
            ])
        };
        cli.write("experiment.yaml", &json!({"spec": spec("true")}).to_string());
        cli.run(["run"]).exits(0);
        let mut document = cli.document();
        document["spec"] = spec("false");
        cli.write("experiment.yaml", &document.to_string());
        cli.run(["run", "--reuseResult"]).snapshot(0);
        assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(1), "{rule}");
        let insights = cli.document()["result"]["insights"].clone();
        assert_eq!(insights["verdicts"][0]["reason"], "no data: not measured in this loop", "{rule}");
        assert_eq!(insights["SLOsSatisfied"], json!({"upper": [[false]]}), "{rule}");
    }
}

/// An answer of Prometheus with these series.
fn vector(series: &Value) -> String {
    json!({"status": "success", "data": {"resultType": "vector", "result": series}}).to_string()
}

#[test]
fn a_metric_removed_from_its_template_is_not_measured() {
    let server = MisbehavingServer::responds(200, &vector(&json!([{"metric": {}, "value": [1_700_000_000, "0"]}])));
    let cli = CliCase::new();
    let metric = "- {name: errors, params: [{name: query, value: a}], jqExpression: '.data.result[0].value[1]'}\n";
    let run = |metrics: &str, more: &[&str]| {
        cli.write("p.tpl", &format!("url: {}\nmetrics: {metrics}\n", server.url()));
        cli.run(["run"].iter().chain(more)).exits(0);
        let verdict = cli.document()["result"]["insights"]["verdicts"][0]["reason"].as_str().unwrap().to_owned();
        (cli.run(["assert", "-c", "slos"]).code, verdict)
    };
    let spec = json!([
        {"task": "custommetrics", "with": {"templates": {"p": "p.tpl"}}},
        {"task": "assess", "with": {"SLOs": {"upper": [{"metric": "p/errors", "limit": 1}]}}},
    ]);
    cli.write("experiment.yaml", &json!({"spec": spec}).to_string());
    assert_eq!(run(&format!("\n{metric}"), &[]).0, Some(0));
    let gone = (Some(1), "no data: not measured in this loop".to_owned());
    let other = metric.replace("errors", "other");
    assert_eq!(run(&format!("\n{other}"), &["--reuseResult"]), gone);
    assert_eq!(run(&format!("\n{metric}"), &["--reuseResult"]).0, Some(0));
    assert_eq!(run("[]", &["--reuseResult"]), gone, "a provider without metrics measured nothing");
}

/// Output of `assert -c slos` for an objective (at most 1, or at least 1) on a metric with this policy and rule, if the
/// provider answers like this.
fn asserted(bound: &str, (status, body): (u16, &str), policy: Option<&str>, rule: &Value) -> (Option<i32>, String) {
    let (server, cli) = (MisbehavingServer::responds(status, body), CliCase::new());
    let mut with = rule.clone();
    with["SLOs"] = json!({bound: [{"metric": "prometheus/errors", "limit": 1}]});
    let query = json!({"query": "errors", "noData": policy});
    let provider = json!({"prometheus": {"url": server.url(), "queries": {"errors": query}}});
    let spec = json!([{"task": "custommetrics", "with": provider}, {"task": "assess", "with": with}]);
    cli.write("experiment.yaml", &json!({"spec": spec}).to_string());
    cli.run(["run"]).exits(0);
    let output = cli.run(["assert", "-c", "slos"]);
    (output.code, output.stdout)
}

#[test]
fn absent_metrics_are_asserted_by_their_policy() {
    let (nothing, alone) = (vector(&json!([])), json!({}));
    let absent = (200, nothing.as_str());
    let why = "no series matches the query";
    for bound in ["upper", "lower"] {
        for (answer, policy, code, message) in [
            (absent, Some("fail"), 1, format!("prometheus/errors has no data, which counts as violated: {why}")),
            (absent, Some("pass"), 0, "the SLO is satisfied".to_owned()),
            (absent, Some("inconclusive"), 5, format!("no data, which leaves the objective undecided: {why}")),
            (absent, None, 1, format!("prometheus/errors: no data: {why}")),
            // The policy does not apply to errors of the provider.
            ((401, ""), Some("pass"), 1, "prometheus/errors: no value: ".to_owned()),
        ] {
            let output = asserted(bound, answer, policy, &alone);
            assert!(output.0 == Some(code) && output.1.contains(&message), "{bound} {policy:?}: {output:?}");
        }
    }
    assert_eq!(asserted("upper", absent, Some("zero"), &alone).0, Some(0));
    let output = asserted("lower", absent, Some("zero"), &alone);
    let message = format!("prometheus/errors is 0, below the limit of 1; 0 replaces missing data: {why}");
    assert!(output.0 == Some(1) && output.1.contains(&message), "{output:?}");
}

#[test]
fn passing_without_data_still_needs_the_required_loops() {
    let nothing = vector(&json!([]));
    let absent = (200, nothing.as_str());
    let output = asserted("upper", absent, Some("pass"), &json!({"consecutive": 3}));
    assert!(output.0 == Some(5) && output.1.contains("1 of 3 good loops in a row so far"), "{output:?}");
    let output = asserted("upper", absent, Some("fail"), &json!({"failureLimit": 0}));
    assert!(output.0 == Some(1) && output.1.contains("1 failed loop, and at most 0 may fail"), "{output:?}");
}
