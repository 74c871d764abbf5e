//! Responses of one target that are counted and timed for the versions that sent them (`versionFrom`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use iter8::model::contribution::{Contribution, Values};
use iter8::model::load::LoadRecord;
use iter8::tasks::http::KIND;
use iter8::tasks::{TaskError, grpc};
use sample_model::{SampleConfig, SampleService, start};
use serde_json::{Value, json};

use crate::fleet::peers::{TIMEOUT, run_all};
use crate::grpc::run::{load, proto_env, run, run_in, with};
use crate::grpc::server::{Server, answer, head, msg, trailers};
use crate::support::cli_case::CliCase;
use crate::support::env::TestEnv;
use crate::support::fleet::InMemoryFleet;
use crate::support::misbehaving_server::{MisbehavingServer, Reply, response};

/// A response of a version.
fn of(version: &str, status: u16) -> Reply {
    Reply::with(status, &format!("X-Model: {version}\r\n"), "{}")
}

/// A router that sends every fifth request to `rf`, and the others to `xgb`.
fn router() -> MisbehavingServer {
    MisbehavingServer::scripted(|request| of(if request.number % 5 == 4 { "rf-2" } else { "xgb-1" }, 200))
}

/// Versions by the header of [`router`].
fn by_header() -> Value {
    json!({"header": "X-Model", "map": {"xgb-1": "xgb", "rf-2": "rf"}, "versions": ["xgb", "rf"]})
}

async fn http(server: &MisbehavingServer, fields: Value) -> Contribution {
    let mut with = json!({"url": server.url(), "numRequests": 20, "qps": "max", "allowInitialErrors": true});
    with.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    TestEnv::default().run_task(&KIND, with).await.unwrap()
}

fn scalar(contribution: &Contribution, version: usize, metric: &str) -> f64 {
    match &contribution.versions[version].metrics[metric].values {
        Values::Scalar(value) => *value,
        other => panic!("{metric}: {other:?}"),
    }
}

/// Requests and errors of each version, then of unknown origin.
fn counts(contribution: &Contribution) -> Vec<(u64, u64)> {
    let all = contribution.versions.iter().chain(&contribution.unknown);
    let record = |load: &LoadRecord| (load.counts.requests, load.counts.errors);
    all.map(|version| record(version.load.values().next().unwrap())).collect()
}

fn note(contribution: &Contribution) -> &str {
    let mut notes = contribution.notes.iter().filter(|note| note.contains("unknown origin"));
    notes.next().map_or("", |note| note.split_once("unknown origin: ").unwrap().1)
}

#[test]
fn the_split_of_a_router_is_measured_per_version_and_can_pass() {
    let server = router();
    let cli = CliCase::new();
    let slo = |metric: &str, limit: f64| json!({"metric": metric, "limit": limit});
    let upper = [slo("http/error-count", 0.0), slo("http/latency-p99", 5000.0), slo("http/connect/max", 5000.0)];
    let spec = json!({"spec": [
        {"task": "http", "with": {
            "url": server.url(), "numRequests": 100, "qps": "max", "connections": 1, "versionFrom": by_header(),
        }},
        {"task": "assess", "with": {"SLOs": {"upper": upper, "lower": [slo("http/split", 0.2)]}}},
    ]});
    cli.write("experiment.yaml", &spec.to_string());
    cli.run(["run"]).expect(0, &["80 % xgb (71–87 %), 20 % rf (13–29 %)", "SLOs: 4 of 4 satisfied"]);
    cli.run(["assert", "-c", "completed,nofailure,slos"]).exits(0);
    let insights = &cli.document()["result"]["insights"];
    assert_eq!((&insights["numVersions"], &insights["unknownVersion"]), (&json!(2), &Value::Null));
    assert_eq!(insights["versionNames"], json!([{"version": "xgb"}, {"version": "rf"}]));
    let values =
        |metric: &str| [0, 1].map(|version| insights["nonHistMetricValues"][version][metric][0].as_f64().unwrap());
    assert_eq!(values("http/split"), [0.8, 0.2]);
    assert_eq!(values("http/request-count"), [80.0, 20.0]);
    for version in [0, 1] {
        let load = &insights["load"][version]["http"];
        assert_eq!(load["requests"].as_f64(), Some(values("http/request-count")[version]));
        assert_eq!(load["statuses"], json!({"200": load["requests"]}));
        let expected =
            json!({"header": "x-model", "requests": 100, "errors": 0, "late": 0, "dropped": 0, "unknown": 0});
        assert_eq!(load["versionFrom"], expected);
        let ended: u64 = load["series"]["requests"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(Some(ended), load["requests"].as_u64());
    }
    let report = cli.run(["report"]).exits(0).stdout.clone();
    assert!(report.contains("http: 80 % xgb (71-87 %), 20 % rf (13-29 %)"), "{report}");
    let page = cli.run(["report", "-o", "html"]).exits(0).stdout.clone();
    assert!(page.contains("13–29") && !page.contains("unknown"));
    cli.run(["validate"]).exits(0);
}

#[test]
fn errors_of_unknown_origin_are_shown_and_never_pass() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    // Every tenth response is the gateway's own, as long as something is broken.
    let server = MisbehavingServer::scripted(move |request| match request.number % 10 {
        9 if broken.load(Ordering::Relaxed) => Reply::plain(503, "no healthy upstream"),
        4 => of("rf-2", 200),
        _ => of("xgb-1", 200),
    });
    let cli = CliCase::new();
    let spec = |limit: f64| {
        let with = json!({"url": server.url(), "numRequests": 100, "qps": "max", "connections": 1, "versionFrom": by_header()});
        let slos = json!({"upper": [{"metric": "http/error-rate", "limit": limit}, {"metric": "http/latency-p50", "limit": 5000}]});
        json!([{"task": "http", "with": with}, {"task": "assess", "with": {"SLOs": slos}}])
    };
    let run = |limit: f64, flags: &[&str]| {
        let mut document = if flags.is_empty() { json!({}) } else { cli.document() };
        document["spec"] = spec(limit);
        cli.write("experiment.yaml", &document.to_string());
        let output = cli.run([&["run"], flags].concat());
        let insights = cli.document()["result"]["insights"].clone();
        (output, insights)
    };
    let outcomes = |insights: &Value| {
        let verdicts = insights["verdicts"].as_array().unwrap();
        verdicts.iter().map(|verdict| verdict["verdict"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // 10 errors may be of either version: 10 of 90 for xgb, 10 of 20 for rf.
    let (output, insights) = run(0.12, &[]);
    output.expect(
        0,
        &["80 % xgb", "10 % rf", "10 % unknown", "http: 10 of 100 requests are of unknown origin: no header `x-model`"],
    );
    assert_eq!((&insights["numVersions"], &insights["unknownVersion"]), (&json!(2), &json!(2)));
    assert_eq!(insights["versionNames"][2]["version"], "unknown");
    assert_eq!(outcomes(&insights), ["satisfied", "inconclusive", "satisfied", "satisfied"]);
    let reason = insights["verdicts"][1]["reason"].as_str().unwrap();
    let expected = "http/error-rate is 0, within the limit of 0.12; 10 of 100 requests are of unknown origin, 10 of them errors: if they \
                    are this version's, it may be 0.50, beyond 0.12";
    assert_eq!(reason.replace(" (n = 10)", ""), expected);
    let unknown = &insights["load"][2]["http"];
    assert_eq!(
        (&unknown["requests"], &unknown["errors"], &unknown["statuses"]),
        (&json!(10), &json!(10), &json!({"503": 10}))
    );
    assert_eq!(insights["load"][0]["http"]["versionFrom"]["unknown"], 10);
    cli.run(["assert", "-c", "slos"]).exits(5);
    let report = cli.run(["report"]).exits(0).stdout.clone();
    assert!(report.contains("10 % unknown (5-18 %)"), "{report}");
    cli.run(["report", "-o", "html"]).exits(0);
    // The next loop has none of them: the indices are the same, and the version is gone.
    is_broken.store(false, Ordering::Relaxed);
    let (output, insights) = run(0.12, &["--reuseResult"]);
    output.exits(0);
    assert_eq!((&insights["numVersions"], &insights["unknownVersion"]), (&json!(2), &Value::Null));
    assert_eq!(insights["load"].as_array().unwrap().len(), 2);
    assert_eq!(outcomes(&insights), ["satisfied"; 4]);
    let split = |version: usize| insights["nonHistMetricValues"][version]["http/split"].clone();
    assert_eq!([split(0), split(1)], [json!([0.8, 0.9]), json!([0.1, 0.1])]);
    cli.run(["assert", "-c", "slos"]).exits(0);
    let schema: Value = serde_json::from_str(&cli.run(["schema", "document"]).stdout).unwrap();
    let document = cli.document();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&document));
    // Wherever the errors belong, half of the requests may fail.
    is_broken.store(true, Ordering::Relaxed);
    let (_, insights) = run(0.5, &[]);
    assert_eq!((outcomes(&insights), &insights["unknownVersion"]), (vec!["satisfied".to_owned(); 4], &json!(2)));
    cli.run(["assert", "-c", "slos"]).exits(0);
}

#[test]
fn a_version_without_traffic_is_not_satisfied() {
    let server = MisbehavingServer::always(of("xgb-1", 200));
    let cli = CliCase::new();
    let with = json!({"url": server.url(), "numRequests": 10, "qps": "max", "versionFrom": by_header()});
    let slos =
        json!({"upper": [{"metric": "http/error-count", "limit": 0}, {"metric": "http/latency-p99", "limit": 5000}]});
    let spec = json!({"spec": [{"task": "http", "with": with}, {"task": "assess", "with": {"SLOs": slos}}]});
    cli.write("experiment.yaml", &spec.to_string());
    cli.run(["run"]).expect(0, &["100 % xgb (69–100 %), 0 % rf (0–31 %)"]);
    let insights = cli.document()["result"]["insights"].clone();
    let verdicts = insights["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 4);
    for (verdict, expected) in verdicts.iter().zip([true, false, true, false]) {
        assert_eq!(verdict["verdict"] == "satisfied", expected, "{verdict}");
        if !expected {
            assert_eq!(verdict["reason"], "no data: none of 10 requests went to this version");
        }
    }
    assert_eq!(insights["nonHistMetricValues"][1]["http/split"], json!([0]));
    cli.run(["assert", "-c", "slos"]).exits(1);
}

/// Nobody knows whose timeouts they are, and with them a version violates the limits.
#[test]
fn timeouts_of_unknown_origin_count_against_limits_of_latencies() {
    let server = MisbehavingServer::scripted(|request| match request.number % 10 {
        9 => Reply::Silence,
        _ => of("xgb-1", 200),
    });
    let cli = CliCase::new();
    let with =
        json!({"url": server.url(), "numRequests": 50, "qps": "max", "timeout": "400ms", "versionFrom": by_header()});
    let slos =
        json!({"upper": [{"metric": "http/latency-p99", "limit": 300}, {"metric": "http/latency-max", "limit": 300}]});
    let spec = json!({"spec": [{"task": "http", "with": with}, {"task": "assess", "with": {"SLOs": slos}}]});
    cli.write("experiment.yaml", &spec.to_string());
    cli.run(["run"]).exits(0);
    let document = cli.document();
    let verdicts = document["result"]["insights"]["verdicts"].as_array().unwrap();
    for verdict in verdicts.iter().filter(|verdict| verdict["version"] == 0) {
        assert_eq!(verdict["verdict"], "inconclusive", "{verdict}");
        let reason =
            "5 of 50 requests are of unknown origin, 5 of them errors: if they are this version's, it may be 4";
        assert!(verdict["reason"].as_str().unwrap().contains(reason), "{verdict}");
    }
    assert_eq!(verdicts.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_which_every_request_fails_names_no_version() {
    let server = MisbehavingServer::always(Reply::SendAndClose(Vec::new()));
    let contribution = http(&server, json!({"versionFrom": by_header()})).await;
    assert_eq!(counts(&contribution), [(0, 0), (0, 0), (20, 20)]);
    assert_eq!(note(&contribution), "no complete response");
    let reason = "none of 20 requests got a response: connection closed before the response was complete ×20";
    for metric in ["http/error-rate", "http/latency-p99"] {
        let Values::NoData(missing) = &contribution.versions[0].metrics[metric].values else { panic!("{metric}") };
        assert_eq!(missing.reason, reason, "{metric}");
    }
    assert_eq!(scalar(&contribution, 0, "http/split"), 0.0);
    // The first requests end the load.
    let with = json!({"url": server.url(), "numRequests": 20, "versionFrom": by_header()});
    let Err(TaskError::Failed { partial: Some(partial), .. }) = TestEnv::default().run_task(&KIND, with).await else {
        panic!("not aborted")
    };
    let aborted = partial.versions.iter().chain(&partial.unknown).map(|version| version.load["http"].aborted);
    assert_eq!(aborted.collect::<Vec<_>>(), [true; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_headers_are_of_unknown_origin() {
    let long = "x".repeat(20_000);
    let server = MisbehavingServer::scripted(move |request| match request.number {
        0 => of("xgb-1", 200),
        1 => of("rf-2", 500),
        2 => Reply::Send([&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Model: \xff\xfe\r\n\r\n"[..]].concat()),
        3 => of(&long, 200),
        4 => Reply::with(200, "X-Model: xgb-1\r\nX-Model: rf-2\r\n", ""),
        5 => Reply::with(200, "X-Model:\r\n", ""),
        6 => Reply::with(200, "x-model:   xgb-1 \t\r\n", ""),
        7 => Reply::with(200, "X-Model: XGB-1\r\n", ""),
        8 => Reply::SendAndClose(response(200, "X-Model: xgb-1\r\n", "truncated")[..60].to_vec()),
        number => of(&format!("new-{number}"), 200),
    });
    let contribution = http(&server, json!({"numRequests": 1_000, "connections": 1, "versionFrom": by_header()})).await;
    assert_eq!(counts(&contribution), [(2, 0), (1, 1), (997, 1)]);
    let note = note(&contribution);
    assert!(note.contains(", others ×98"), "distinct values are bounded: {note}");
    assert!(note.len() < 2_000, "{}", note.len());
    for part in [
        "header `x-model` is `\u{fffd}\u{fffd}",
        "repeated header `x-model` has different values ×1",
        "header `x-model` is `XGB-1` ×1",
    ] {
        assert!(note.contains(part), "{part}: {note}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_name_versions_by_a_filter_within_bounds() {
    let version_from = json!({"jq": ".model_name", "map": {"x": "xgb", "7": "rf"}, "versions": ["xgb", "rf"]});
    let cases = [
        (Reply::ok(r#"{"model_name": "x"}"#), (1, 0), ""),
        (Reply::plain(500, r#"{"model_name": "x"}"#), (1, 0), ""),
        (Reply::ok(r#"{"model_name": 7}"#), (0, 1), ""),
        (Reply::ok(r#"{"model_name": "y"}"#), (0, 0), "`.model_name` is `y`"),
        (Reply::ok(r#"{}"#), (0, 0), "`.model_name` is null"),
        (Reply::ok(r#"{"model_name": {"x": 1}}"#), (0, 0), "`.model_name` is {\"x\":1}; expected a string or a number"),
        (
            Reply::plain(502, "<html>Bad Gateway</html>"),
            (0, 0),
            "the body is not JSON: expected value at line 1 column 1",
        ),
        (Reply::Flood(3 << 20), (0, 0), "the body is longer than 1024 KiB, the limit for filters"),
        (
            Reply::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"model_name\": \"x\"}".to_vec()),
            (0, 0),
            "no complete response",
        ),
    ];
    for (reply, (xgb, rf), reason) in cases {
        let server = MisbehavingServer::always(reply.clone());
        let contribution = http(&server, json!({"numRequests": 2, "versionFrom": version_from})).await;
        let counts: Vec<u64> = counts(&contribution).into_iter().map(|(requests, _)| requests).collect();
        let unknown = 2 - 2 * (xgb + rf);
        let expected: Vec<u64> = [2 * xgb, 2 * rf].into_iter().chain((unknown > 0).then_some(unknown)).collect();
        assert_eq!(counts, expected, "{reply:?}");
        assert_eq!(note(&contribution), reason, "{reply:?}");
    }
    let server = MisbehavingServer::always(Reply::ok(r#"{"model_name": "x"}"#));
    let endless = json!({"jq": "[range(1000000000)] | length", "versions": ["xgb"]});
    let contribution = http(&server, json!({"numRequests": 1, "versionFrom": endless})).await;
    assert!(note(&contribution).contains("failed: "), "{}", note(&contribution));
}

#[tokio::test(flavor = "multi_thread")]
async fn latencies_and_late_requests_are_those_of_a_version() {
    // Every fifth request is slow; one connection, so that the requests after it are sent late.
    let server = MisbehavingServer::scripted(|request| {
        let is_slow = request.number % 5 == 4;
        if is_slow {
            std::thread::sleep(Duration::from_millis(60));
        }
        of(if is_slow { "rf-2" } else { "xgb-1" }, 200)
    });
    let fields = json!({"numRequests": 50, "qps": 100, "connections": 1, "versionFrom": by_header()});
    let contribution = http(&server, fields).await;
    assert_eq!(counts(&contribution), [(40, 0), (10, 0)]);
    let [xgb, rf] = [0, 1].map(|version| scalar(&contribution, version, "http/service-time-p50"));
    assert!(rf >= 60.0 && xgb < 30.0, "{xgb} {rf}");
    // From the instant they were due: the fast version waits for the slow one.
    let waited = scalar(&contribution, 0, "http/latency-p90");
    assert!(waited > 30.0, "{waited}");
    let loads = [0, 1].map(|version| &contribution.versions[version].load["http"]);
    let late = loads.map(|load| load.counts.late);
    assert!(late[0] > 0, "{late:?}");
    let whole = loads[0].version_from.as_ref().unwrap();
    assert_eq!((late[0] + late[1], whole.counts.requests), (whole.counts.late, 50));
    assert_eq!((loads[0].requested_rate, loads[1].requested_rate), (Some(100.0), Some(100.0)));
}

#[tokio::test]
async fn pods_attribute_their_shares_and_the_sum_is_the_load() {
    let server = MisbehavingServer::scripted(|request| match request.number % 10 {
        9 => Reply::plain(503, ""),
        8 => of("rf-2", 200),
        _ => of("xgb-1", 200),
    });
    let with =
        json!({"url": server.url(), "numRequests": 100, "qps": "max", "connections": 2, "versionFrom": by_header()});
    let document = run_all(&InMemoryFleet::new(4, TIMEOUT), 4, &json!([{"task": "http", "with": with}])).await;
    let insights = document.experiment().result.unwrap().insights.unwrap();
    let counts: Vec<_> =
        insights.load.iter().map(|loads| loads["http"].counts).map(|c| (c.requests, c.errors)).collect();
    assert_eq!(counts, [(80, 0), (10, 0), (10, 10)]);
    assert_eq!((insights.num_versions, insights.unknown_version), (2, Some(2)));
    let whole = insights.load[1]["http"].version_from.clone().unwrap();
    assert_eq!((whole.counts.requests, whole.counts.errors, whole.unknown), (100, 10, 10));
    assert_eq!(insights.load[1]["http"].shards.as_ref().unwrap().count, 4);
    assert!(
        document
            .task(0)
            .notes
            .contains(&"http: 10 of 100 requests are of unknown origin: no header `x-model`".to_owned())
    );
}

#[tokio::test]
async fn calls_name_versions_by_a_field_or_metadata() {
    let server = Server::scripted(|call| async move {
        let (text, n) = if call.number % 4 == 3 { ("rf", 2) } else { ("xgb", 1) };
        let mut end = trailers("0", "");
        end.insert("x-model", text.parse().unwrap());
        answer(call.respond, head(), &[msg(text, n)], Some(end));
    })
    .await;
    let places = [
        json!({"grpcField": "text", "versions": ["xgb", "rf"]}),
        json!({"grpcField": "n", "map": {"1": "xgb", "2": "rf"}, "versions": ["xgb", "rf"]}),
        json!({"header": "X-Model", "versions": ["xgb", "rf"]}),
    ];
    for place in places {
        for method in ["Unary", "Server"] {
            let fields = json!({"total": 40, "concurrency": 1, "versionFrom": place});
            let contribution = load(&server, method, fields).await;
            assert_eq!(counts(&contribution), [(30, 0), (10, 0)], "{place} {method}");
            assert_eq!(scalar(&contribution, 1, "grpc/split"), 0.25);
            assert!(contribution.versions[1].load["grpc"].version_from.is_some());
        }
    }
}

#[tokio::test]
async fn calls_without_the_field_are_of_unknown_origin() {
    let server = Server::scripted(|call| async move {
        let (messages, status) = match call.number {
            0 => (vec![msg("xgb", 1)], "0"),
            1 => (vec![msg("", 1)], "0"),
            2 => (vec![msg("other", 1)], "0"),
            3 => (vec![msg(&"x".repeat(2 << 20), 1)], "0"),
            // Complete, but not valid.
            4 => (vec![msg("", 1), msg("", 1)], "0"),
            _ => (vec![], "14"),
        };
        answer(call.respond, head(), &messages, Some(trailers(status, "")));
    })
    .await;
    let fields = json!({"total": 7, "concurrency": 1, "versionFrom": {"grpcField": "text", "versions": ["xgb", "rf"]}});
    let contribution = load(&server, "Unary", fields).await;
    assert_eq!(counts(&contribution), [(1, 0), (0, 0), (6, 3)]);
    let reasons = "no field `text` ×2, the response has no message ×2, field `text` is `other` ×1, the message is longer than 1024 KiB ×1";
    assert_eq!(note(&contribution), reasons);
}

/// The server does not compress its responses; `frame` has tests of those that are.
#[tokio::test]
async fn responses_to_compressed_messages_name_versions() {
    let server = Server::echo(None, h2::server::Builder::new()).await;
    let place = json!({"grpcField": "text", "map": {"again ".repeat(20): "xgb"}});
    let fields = json!({"data": {"text": "again ".repeat(20)}, "enable-compression": true, "versionFrom": place});
    assert_eq!(counts(&load(&server, "Unary", fields).await), [(20, 0)]);
}

#[tokio::test]
async fn fields_that_cannot_name_a_version_are_rejected_before_the_run() {
    let cases = [
        ("name", "with.versionFrom.grpcField: message `t.Msg` has no field `name`; fields: text, n"),
        ("text.x", "with.versionFrom.grpcField: field `text` is not a message"),
    ];
    let server = Server::echo(None, h2::server::Builder::new()).await;
    for (field, message) in cases {
        let fields = json!({"versionFrom": {"grpcField": field, "versions": ["v"]}});
        let task = (grpc::KIND.parse)(&iter8::model::document::TaskSpec {
            task: Some("grpc".into()),
            with: Some(with(&server, "Unary", fields.clone())),
            ..Default::default()
        })
        .unwrap();
        assert_eq!(task.check(&proto_env()).unwrap_err().to_string(), message);
        let Err(TaskError::Input(error)) = run_in(&proto_env(), with(&server, "Unary", fields)).await else { panic!() };
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn attribution_has_one_place_and_cannot_be_combined_with_version_values() {
    let from = by_header();
    let cases = [
        (
            json!({"versionFrom": from, "versionValues": [{}, {}]}),
            "with.versionFrom: cannot be combined with `versionValues`, which sends the requests of each version separately",
        ),
        (
            json!({"endpoints": {"a": {"versionFrom": from}}}),
            "with.endpoints.a.versionFrom: only allowed at the top level of the task",
        ),
        (json!({"versionFrom": {"header": "a"}}), "with.versionFrom: requires `map`"),
        (json!({"versionFrom": {"headers": "a"}}), "with.versionFrom.headers: unknown field `headers`"),
        (json!({"versionFrom": []}), "with.versionFrom: "),
    ];
    for (fields, message) in cases {
        let mut with = json!({"url": "http://127.0.0.1:1/"});
        with.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        match TestEnv::default().run_task(&KIND, with).await {
            Err(TaskError::Input(error)) => assert!(error.to_string().starts_with(message), "{error}"),
            other => panic!("{fields} gave {other:?}"),
        }
    }
    let grpc = json!({"host": "h:1", "call": "a.S/M", "versionFrom": {"jq": ".a", "versions": ["v"]}});
    let Err(TaskError::Input(error)) = run(grpc).await else { panic!() };
    assert!(error.to_string().starts_with("with.versionFrom.jq: not available for this protocol"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_and_http2_are_attributed_too() {
    let server = router();
    let fields =
        json!({"connections": 1, "endpoints": {"a": {}, "b": {"numRequests": 10}}, "versionFrom": by_header()});
    let contribution = http(&server, fields).await;
    let count = |provider: &str| [0, 1].map(|version| contribution.versions[version].load[provider].counts.requests);
    assert_eq!([count("http-a"), count("http-b")], [[16, 4], [8, 2]]);
    let echo = crate::support::echo_server::EchoServer::plain();
    let from = json!({"jq": ".m", "versions": ["v1", "v2"]});
    let with = json!({
        "url": echo.url(), "http2": true, "numRequests": 10, "payloadStr": "{\"m\": \"v2\"}", "qps": "max", "versionFrom": from,
    });
    let contribution = TestEnv::default().run_task(&KIND, with).await.unwrap();
    assert_eq!(counts(&contribution), [(0, 0), (10, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_services_own_count_of_its_versions_agrees() {
    let config = SampleConfig { seed: 7, ..SampleConfig::default() };
    let service = start(config).await.unwrap();
    let host = service.front.to_string();
    let payload = json!({"instances": [[6.8, 2.8, 4.8, 1.4]]}).to_string();
    let before = |service: &SampleService| service.stats().iter().map(|stats| stats.requests).collect::<Vec<_>>();
    for place in [json!({"header": "X-Model-Version"}), json!({"jq": ".model_version"})] {
        let earlier = before(&service);
        let mut from = place;
        from["versions"] = json!(["v1", "v2"]);
        let url = format!("http://{host}/v1/models/{}:predict", service.model());
        let with = json!({
            "url": url, "payloadStr": payload, "contentType": "application/json", "numRequests": 200, "qps": "max",
            "versionFrom": from,
        });
        let contribution = TestEnv::default().run_task(&KIND, with).await.unwrap();
        let own: Vec<(u64, u64)> =
            before(&service).iter().zip(earlier).map(|(after, before)| (after - before, 0)).collect();
        assert_eq!(counts(&contribution), own);
        assert!(own.iter().all(|(requests, _)| *requests > 50), "{own:?}");
    }
    for place in [json!({"header": "x-model-version"}), json!({"grpcField": "model_version"})] {
        let earlier = before(&service);
        let mut from = place;
        from["versions"] = json!(["v1", "v2"]);
        let data = json!({"model_name": service.model(), "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [1, 4], "contents": {"fp32_contents": [6.8, 2.8, 4.8, 1.4]}},
        ]});
        let with = json!({
            "host": host, "call": "inference.GRPCInferenceService/ModelInfer", "data": data, "total": 200, "versionFrom": from,
        });
        let contribution = run(with).await.unwrap();
        let own: Vec<(u64, u64)> =
            before(&service).iter().zip(earlier).map(|(after, before)| (after - before, 0)).collect();
        assert_eq!(counts(&contribution), own);
        assert!(own.iter().all(|(requests, _)| *requests > 50), "{own:?}");
    }
}

#[test]
fn the_task_split_judges_an_attributed_load() {
    let server = router();
    let run = |expected: &str| {
        let cli = CliCase::new();
        let http = format!("http.url={},http.numRequests=100,http.qps=max,http.connections=1", server.url());
        let from = "http.versionFrom.header=X-Model,http.versionFrom.versions={xgb-1,rf-2}";
        let split = format!("split.metric=http/request-count,split.expected={expected}");
        let slos = "assess.SLOs.upper.http/error-count=0";
        let sets = ["tasks={http,split,assess}", &http, from, &split, slos];
        let output = cli.run(std::iter::once("run").chain(sets.into_iter().flat_map(|set| ["--set", set])));
        output.exits(0);
        cli.run(["assert", "-c", "slos"]).code
    };
    assert_eq!((run("{80,20}"), run("{20,80}")), (Some(0), Some(5)));
}
