//! Metrics for which the provider has no data, and the no-data policy, which applies to these only.

use serde_json::Value;

use super::trial::{FIRST, Trial, number, vector};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// A case: the metric's name, the provider's response, the expression, and the reported reason.
type Case = (&'static str, fn() -> Reply, &'static str, &'static str);

const CASES: &[Case] = &[
    ("empty", || Reply::ok(&vector(&[])), FIRST, "no series matches the query (the result is empty)"),
    ("nan", || number("NaN"), FIRST, "the value is NaN (such as 0/0)"),
    ("null-value", || Reply::ok(r#"{"v":null}"#), ".v", "the jqExpression yields null"),
    ("nothing", || Reply::ok(r#"{"v":[]}"#), ".v[]", "the jqExpression yields nothing"),
    ("nowhere", || Reply::ok("{}"), ".data.value", "the jqExpression yields null"),
    ("nan-text", || Reply::ok(r#"{"v":"nan"}"#), ".v", "the value is NaN"),
];

fn provider() -> MisbehavingServer {
    MisbehavingServer::scripted(|request| {
        let query = request.param("query");
        CASES.iter().find(|case| case.0 == query).map_or_else(|| number("1"), |case| case.1())
    })
}

fn trial(server: &MisbehavingServer) -> Trial {
    let cases = CASES.iter().map(|case| (case.0, case.2));
    let metrics: Vec<(&str, &str)> = [("good", FIRST)].into_iter().chain(cases).collect();
    Trial::of(server, &metrics)
}

/// Each metric's objective, as its verdict and in Iter8's matrix, and the exit code of all.
#[test]
fn the_policy_decides_on_an_absent_metric() {
    let _transcript = transcript!();
    let server = provider();
    for (policy, verdict, code) in [
        (None, "inconclusive", 1),
        (Some("fail"), "violated", 1),
        (Some("pass"), "satisfied", 0),
        (Some("inconclusive"), "inconclusive", 5),
        (Some("zero"), "satisfied", 0),
    ] {
        let mut trial = trial(&server);
        if let Some(policy) = policy {
            trial = trial.set(format!("custommetrics.noData={policy}"));
        }
        trial.run().snapshot(0);
        let outcome = trial.outcome();
        for (metric, reason) in CASES.iter().map(|case| (format!("p/{}", case.0), case.3)) {
            let (seen, judged) = (outcome.seen(0, &metric), outcome.verdict(0, &metric));
            assert!(seen["noData"].as_str().unwrap().contains(reason), "{policy:?}: {metric}: {seen}");
            assert_eq!(seen["policy"].as_str(), policy, "{metric}");
            assert_eq!(judged["verdict"], verdict, "{policy:?}: {metric}");
            assert!(judged["reason"].as_str().unwrap().contains(reason), "{policy:?}: {metric}: {judged}");
            let value = (policy == Some("zero")).then_some(0.0);
            assert_eq!((outcome.value(0, &metric), judged["value"].as_f64()), (value, value), "{policy:?}: {metric}");
        }
        assert_eq!(outcome.value(0, "p/good"), Some(1.0));
        let message = trial.expect_slos(code);
        assert!(code != 5 || message.starts_with("inconclusive  "), "{message}");
        trial.expect_intact();
    }
}

#[test]
fn zero_is_a_value() {
    let server = MisbehavingServer::responds(200, &vector(&[]));
    let trial = Trial::of(&server, &[("m", FIRST)]).set("custommetrics.noData=zero,assess.SLOs.lower.p/m=1");
    trial.run().exits(0);
    let result = trial.outcome().0;
    assert_eq!(result["insights"]["SLOsSatisfied"]["upper"], serde_json::json!([[true]]));
    assert_eq!(result["insights"]["SLOsSatisfied"]["lower"], serde_json::json!([[false]]));
    assert!(trial.expect_slos(1).contains("0 replaces missing data: no series matches"));
}

#[test]
fn the_policy_of_a_metric_overrides_the_tasks() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, &vector(&[]));
    let text = format!(
        "url: {}\nmetrics:\n\
         - {{name: idle, noData: pass, whenEmpty: 'no requests in the window', params: [{{name: query, value: a}}]}}\n\
         - {{name: other, params: [{{name: query, value: b}}]}}\n",
        server.url()
    );
    let trial = Trial::with_template("p.tpl", &text)
        .set("custommetrics.noData=fail,assess.SLOs.upper.p/idle=5,assess.SLOs.upper.p/other=5");
    trial.run().snapshot(0);
    let outcome = trial.outcome();
    assert_eq!(outcome.verdict(0, "p/idle")["verdict"], "satisfied");
    let reason = outcome.verdict(0, "p/idle")["reason"].as_str().unwrap();
    assert!(reason.contains("no data") && reason.contains("no requests in the window"), "{reason}");
    assert_eq!(outcome.verdict(0, "p/other")["verdict"], "violated");
    assert_eq!(outcome.verdict(0, "p/other")["noData"], "fail");
    trial.expect_slos(1);
}

#[test]
fn inline_queries_have_policies() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|request| match request.param("query") {
        "up" => number("1"),
        _ => Reply::ok(r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#),
    });
    let trial = Trial::bare()
        .set(format!("custommetrics.prometheus.url={}", server.url()))
        .set("custommetrics.prometheus.queries.up.query=up,assess.SLOs.lower.prometheus/up=1")
        .set("custommetrics.prometheus.queries.load.query=load,custommetrics.prometheus.queries.load.range=5m")
        .set("custommetrics.prometheus.queries.load.noData=zero,assess.SLOs.upper.prometheus/load/p99=5");
    trial.run().snapshot(0);
    assert_eq!(trial.outcome().seen(0, "prometheus/load")["policy"], "zero");
    assert_eq!(trial.outcome().verdict(0, "prometheus/load/p99")["value"], 0.0);
    trial.expect_slos(0);
}

/// The next loop has a value, so the policy no longer applies.
#[test]
fn a_metric_that_reappears_is_judged_by_its_value() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|request| match request.param("query") {
        "good" => number("1"),
        _ => number("7"),
    });
    let trial = Trial::of(&server, &[("good", FIRST), ("m", FIRST)]).set("custommetrics.noData=pass");
    let empty = MisbehavingServer::responds(200, &vector(&[]));
    let text = trial.cli.read("p.tpl");
    trial.cli.write("p.tpl", &text.replace(&server.url(), &empty.url()));
    trial.run().exits(0);
    trial.expect_slos(0);
    trial.cli.write("p.tpl", &text);
    trial.run_with(&["--reuseResult"]).snapshot(0);
    let outcome = trial.outcome();
    assert_eq!((outcome.value(0, "p/m"), &outcome.seen(0, "p/m")["noData"]), (Some(7.0), &Value::Null));
    assert_eq!(outcome.verdict(0, "p/m")["verdict"], "violated");
    trial.expect_slos(1);
    // The third loop has no value; that of the second loop does not replace it.
    trial.cli.write("p.tpl", &text.replace(&server.url(), &empty.url()));
    trial.run_with(&["--reuseResult"]).snapshot(0);
    assert_eq!(trial.outcome().verdict(0, "p/m")["verdict"], "satisfied");
    assert_eq!(trial.outcome().verdict(0, "p/m")["value"], Value::Null);
}
