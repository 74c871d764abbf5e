//! Experiments over several loops, and metrics without data: what `assess` makes of them, and `assert` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use crate::support::cli_case::CliCase;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// A service that answers well or badly, and an experiment that judges it in loops.
struct Loops {
    cli: CliCase,
    service: Service,
    count: usize,
}

/// A service that closes every connection while its status is 0.
struct Service {
    server: MisbehavingServer,
    status: Arc<AtomicU16>,
}

impl Service {
    fn new() -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let current = Arc::clone(&status);
        let server = MisbehavingServer::scripted(move |_| match current.load(Ordering::Relaxed) {
            0 => Reply::SendAndClose(Vec::new()),
            status => Reply::plain(status, "as it is"),
        });
        Self { server, status }
    }

    fn set(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

impl Loops {
    fn new() -> Self {
        Self { cli: CliCase::new(), service: Service::new(), count: 0 }
    }

    /// Runs a loop against a good or a bad service, `assess` with these settings and condition; gives the exit code of `assert -c slos`.
    fn run(&mut self, is_good: bool, settings: &Value, condition: &str) -> Option<i32> {
        self.service.set(if is_good { 200 } else { 404 });
        let url = self.service.server.url();
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

/// Runs a loop and returns the exit codes of `run` and `assert -c slos`, and the reason of the newest verdict.
fn run_loop(cli: &CliCase, spec: &Value) -> (Option<i32>, Option<i32>, String) {
    let is_first = !cli.path("experiment.yaml").exists();
    let mut document = if is_first { json!({}) } else { cli.document() };
    document["spec"] = spec.clone();
    cli.write("experiment.yaml", &document.to_string());
    let args: &[&str] = if is_first { &["run"] } else { &["run", "--reuseResult"] };
    let code = cli.run(args).code;
    let reason = cli.document()["result"]["insights"]["verdicts"][0]["reason"].as_str().unwrap_or_default().to_owned();
    (code, cli.run(["assert", "-c", "slos"]).code, reason)
}

fn assess(metric: &str, rule: Value) -> Value {
    let mut with = rule;
    with["SLOs"] = json!({"upper": [{"metric": metric, "limit": 0}]});
    json!({"task": "assess", "with": with})
}

#[test]
fn loops_in_which_the_service_was_down_count_as_failed() {
    let (service, cli) = (Service::new(), CliCase::new());
    let http = json!({"task": "http", "with": {"url": service.server.url(), "qps": "max", "numRequests": 5}});
    let spec = |rule: Value| json!([{"run": "test ! -e closed"}, http, assess("http/error-count", rule)]);
    let (limit, row) = (json!({"failureLimit": 2}), json!({"consecutive": 2}));
    let run = |rule: &Value| run_loop(&cli, &spec(rule.clone()));
    assert_eq!(
        run(&limit),
        (Some(0), Some(0), "http/error-count is 0, within the limit of 0; 0 of at most 2 failed loops".into())
    );
    // The load fails, and its loop is assessed.
    service.set(0);
    assert_eq!((run(&limit).0, run(&row).0), (Some(3), Some(3)));
    service.set(200);
    let (code, asserted, reason) = run(&limit);
    assert_eq!((code, asserted), (Some(0), Some(0)), "{reason}");
    assert!(reason.ends_with("; 2 of at most 2 failed loops"), "{reason}");
    // A task before the load fails, and the loop is not assessed.
    cli.write("closed", "");
    assert_eq!(run(&limit).0, Some(3));
    std::fs::remove_file(cli.path("closed")).unwrap();
    let (_, asserted, reason) = run(&limit);
    assert_eq!(asserted, Some(1), "{reason}");
    assert!(reason.ends_with("; 3 failed loops, and at most 2 may fail"), "{reason}");
    cli.write("closed", "");
    run(&row);
    std::fs::remove_file(cli.path("closed")).unwrap();
    let (_, asserted, reason) = run(&row);
    assert_eq!(asserted, Some(5), "{reason}");
    assert!(reason.ends_with("; loop 7 was not assessed because run failed"), "{reason}");
}

#[test]
fn loops_in_which_the_provider_was_down_count_as_failed() {
    let body = vector(&json!([{"metric": {}, "value": [1_700_000_000, "0"]}]));
    let status = Arc::new(AtomicU16::new(200));
    let current = Arc::clone(&status);
    let server = MisbehavingServer::scripted(move |_| Reply::plain(current.load(Ordering::Relaxed), &body));
    let cli = CliCase::new();
    let provider = json!({"prometheus": {"url": server.url(), "queries": {"errors": {"query": "errors"}}}});
    let spec = json!([
        {"task": "custommetrics", "with": provider},
        assess("prometheus/errors", json!({"failureLimit": 1})),
    ]);
    let run = |code: u16| {
        status.store(code, Ordering::Relaxed);
        run_loop(&cli, &spec)
    };
    assert_eq!(run(200).1, Some(0));
    assert_eq!((run(401).1, run(401).1), (Some(1), Some(1)));
    let (code, asserted, reason) = run(200);
    assert_eq!((code, asserted), (Some(0), Some(1)), "{reason}");
    assert!(reason.ends_with("; 2 failed loops, and at most 1 may fail"), "{reason}");
}

#[test]
fn loops_before_an_edit_of_the_spec_do_not_count() {
    let (first, second, cli) = (Service::new(), Service::new(), CliCase::new());
    let spec = |service: &Service, token: &str, rule: Value| {
        let headers = json!({"Authorization": format!("Bearer {token}")});
        let with = json!({"url": service.server.url(), "qps": "max", "numRequests": 5, "headers": headers, "allowInitialErrors": true});
        json!([{"task": "http", "with": with}, assess("http/error-count", rule)])
    };
    let row = |service: &Service, token: &str| run_loop(&cli, &spec(service, token, json!({"consecutive": 3})));
    assert_eq!(row(&first, "one-0123456789").1, Some(5));
    assert_eq!(row(&first, "two-0123456789").1, Some(5));
    let (_, asserted, reason) = row(&second, "two-0123456789");
    assert_eq!(asserted, Some(5), "{reason}");
    assert!(reason.starts_with("1 of 3 good loops") && reason.ends_with("; loop 2 measured another spec"), "{reason}");
    assert_eq!(row(&second, "two-0123456789").1, Some(5));
    assert_eq!(row(&second, "three-0123456789").1, Some(0), "a new token is no other spec");
    // Failed loops of another spec do not count, either.
    let limit = |service: &Service| run_loop(&cli, &spec(service, "one-0123456789", json!({"failureLimit": 0})));
    second.set(404);
    assert_eq!(limit(&second).1, Some(1));
    let (_, asserted, reason) = limit(&first);
    assert_eq!(asserted, Some(0), "{reason}");
    assert!(reason.ends_with("; 0 of at most 0 failed loops since loop 7"), "{reason}");
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
            (absent, Some("inconclusive"), 5, format!("no data, which leaves the SLO undecided: {why}")),
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
