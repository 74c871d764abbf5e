//! The `http` task: what it sends and what it contributes.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use iter8::metrics::histogram::decode;
use iter8::model::contribution::{Contribution, Values};
use iter8::model::metric::MetricType;
use iter8::model::missing::{ErrorKind, Missing};
use iter8::ports::Event;
use iter8::tasks::TaskError;
use iter8::tasks::http::KIND;
use serde_json::{Value, json};

use crate::support::env::TestEnv;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

#[tokio::test(flavor = "multi_thread")]
async fn the_scheme_of_a_url_may_be_left_out() {
    let server = MisbehavingServer::responds(200, "ok");
    let url = format!("{}/x?next=http://h", server.address);
    let env = TestEnv::default();
    let contribution = env.run_task(&KIND, json!({"url": url, "numRequests": 3, "qps": "max"})).await.unwrap();
    assert_eq!(contribution.versions[0].load["http"].url, format!("http://{url}"));
    assert_eq!(server.requests(), 3);
}

/// As in Iter8: 0 is the default, 8 requests per second, and a negative rate has no limit.
#[tokio::test(flavor = "multi_thread")]
async fn rates_without_meaning_are_read_as_in_iter8() {
    let server = MisbehavingServer::responds(200, "ok");
    let env = TestEnv::default();
    for (qps, rate) in [(json!(0), Some(8.0)), (json!("0.0"), Some(8.0)), (json!(-1), None), (json!("-2.5"), None)] {
        let with = json!({"url": server.url(), "numRequests": 1, "qps": qps});
        let contribution = env.run_task(&KIND, with).await.unwrap();
        assert_eq!(contribution.versions[0].load["http"].requested_rate, rate, "{qps}");
    }
}

/// As Iter8's chart writes it: the file is the download.
#[tokio::test(flavor = "multi_thread")]
async fn a_payload_url_is_downloaded_even_if_its_file_is_named() {
    let server = MisbehavingServer::responds(200, "ok");
    let with = json!({"url": server.url(), "payloadURL": "http://h/p", "payloadFile": "p.dat", "numRequests": 1, "contentType": ""});
    TestEnv::default().download("http://h/p", "body").run_task(&KIND, with).await.unwrap();
    let request = server.seen().remove(0);
    assert_eq!((request.method.as_str(), request.body.as_str()), ("POST", "body"));
}

fn scalar(contribution: &Contribution, version: usize, metric: &str) -> f64 {
    match &contribution.versions[version].metrics[metric].values {
        Values::Scalar(value) => *value,
        other => panic!("{metric}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_contributes_metrics() {
    let server =
        MisbehavingServer::scripted(|a| if a.number % 4 == 0 { Reply::with(500, "", "") } else { Reply::ok("ok") });
    let with = json!({
        "url": server.url(), "numRequests": "20", "qps": "max", "percentiles": [50.0, 99.95, -0.0],
        "allowInitialErrors": true, "warmupNumRequests": 4, "headers": {"X-A": 1, "Host": "model.example"}
    });
    let env = TestEnv::default();
    let contribution = env.run_task(&KIND, with).await.unwrap();
    let metrics = &contribution.versions[0].metrics;
    let mut expected = vec!["http/error-count", "http/error-rate"];
    expected.extend([
        "http/latency",
        "http/latency-max",
        "http/latency-mean",
        "http/latency-min",
        "http/latency-p0",
        "http/latency-p50",
    ]);
    expected.extend([
        "http/latency-p75",
        "http/latency-p90",
        "http/latency-p95",
        "http/latency-p99",
        "http/latency-p99.9",
    ]);
    expected.extend(["http/latency-p99.95", "http/latency-stddev", "http/request-count"]);
    let distributions = ["http/connect", "http/first-byte", "http/success-latency"];
    let iter8s = |name: &&String| !name.contains("service-time") && !distributions.contains(&name.as_str());
    assert_eq!(metrics.keys().filter(iter8s).collect::<Vec<_>>(), expected);
    assert_eq!(metrics.len(), 2 * expected.len() - 3 + distributions.len());
    let counts = distributions.map(|name| metrics[name].observation.as_ref().unwrap().samples);
    assert_eq!(counts, [Some(4), Some(20), Some(15)]);
    assert_eq!(scalar(&contribution, 0, "http/request-count"), 20.0);
    assert_eq!(scalar(&contribution, 0, "http/error-count"), 5.0);
    assert_eq!(scalar(&contribution, 0, "http/error-rate"), 0.25);
    assert!(scalar(&contribution, 0, "http/latency-p50") > 0.0);
    let latency = &metrics["http/latency"];
    assert_eq!((latency.meta.kind, latency.meta.units.as_deref()), (MetricType::Histogram, Some("msec")));
    let Values::Distribution { buckets, histogram } = &latency.values else { panic!("{latency:?}") };
    assert_eq!(decode(histogram).unwrap().len(), 20);
    assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 20);
    let record = &contribution.versions[0].load["http"];
    assert_eq!(
        (record.counts.requests, record.counts.errors, record.requested_rate, record.method.as_str()),
        (20, 5, None, "GET")
    );
    assert_eq!(record.statuses, BTreeMap::from([(200, 15), (500, 5)]));
    let head = &server.seen()[0].head;
    assert!(head.contains("host: model.example\r\n") && head.contains("x-a: 1\r\n"), "{head}");
    assert!(head.contains("user-agent: iter8/"), "{head}");
    assert_eq!(server.requests(), 24, "the warm-up is sent, and not measured");
    let events = env.events.lock().unwrap();
    assert!(
        matches!(events.last(), Some(Event::Load { name, progress }) if name == "http" && progress.ended && progress.done == 20)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn payload_and_credentials_are_sent_and_redacted() {
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let url = format!("http://127.0.0.1:{}/p?token=a-quite-long-token&x=1", server.address.port());
    let env = TestEnv::default()
        .file("body", "from a file")
        .file("password", "pa:ss\n")
        .variable("TOKEN", "t0ken")
        .download("http://h/p", "downloaded");
    let run = async |mut extra: Value| {
        let common = json!({"url": url, "numRequests": 1, "qps": "max"});
        extra.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
        let before = server.seen().len();
        let contribution = env.run_task(&KIND, extra).await.unwrap();
        (contribution, server.seen()[before].clone())
    };
    let (_, get) = run(json!({"bearerToken": {"env": "TOKEN"}})).await;
    assert!(
        get.head.starts_with("GET /p?token=a-quite-long-token&x=1 ")
            && get.head.contains("authorization: Bearer t0ken"),
        "{get:?}"
    );
    let (contribution, post) =
        run(json!({"payloadFile": "body", "payloadStr": "ignored", "basicAuth": {"username": "u", "passwordFile": "password"}})).await;
    assert!(post.head.starts_with("POST ") && post.body == "from a file", "{post:?}");
    assert!(post.head.contains("content-type: application/octet-stream\r\n"), "{post:?}");
    assert!(post.head.contains("authorization: Basic dTpwYTpzcw=="), "{post:?}");
    let rendered = format!("{contribution:?}");
    assert!(!rendered.contains("a-quite-long-token") && rendered.contains("token=[hidden]"), "{rendered}");
    let (_, typed) = run(json!({"contentType": "application/json"})).await;
    assert!(typed.head.starts_with("POST ") && typed.head.contains("content-type: application/json"), "{typed:?}");
    let (_, put) = run(json!({"payloadURL": "http://h/p", "method": "put"})).await;
    assert!(put.head.starts_with("PUT ") && put.body == "downloaded", "{put:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_payload_download_fails_the_task() {
    let env = TestEnv::default();
    let with = json!({"url": "http://127.0.0.1:1/", "payloadURL": "http://u:p@h/x?sig=1"});
    let error = env.run_task(&KIND, with).await.unwrap_err().to_string();
    assert_eq!(error, "cannot download payloadURL http://[hidden]@h/x?sig=[hidden]: HTTP status 404");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_not_sent_as_the_payload_unless_html_is_meant() {
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let page = "<!-- proxy -->\n<!DOCTYPE html><title>Sign in</title>";
    let env = TestEnv::default().download("http://h/p.json", page);
    let with = json!({"url": server.url(), "payloadURL": "http://h/p.json", "numRequests": 1});
    let error = env.run_task(&KIND, with.clone()).await.unwrap_err().to_string();
    assert_eq!(error, "payloadURL http://h/p.json is an HTML page, not a payload");
    assert_eq!(server.seen().len(), 0);
    let mut html = with;
    html["contentType"] = json!("text/html; charset=utf-8");
    env.run_task(&KIND, html).await.unwrap();
    assert_eq!(server.seen()[0].body, page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_endpoint_fails_the_task_after_the_others() {
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for is_parallel in [false, true] {
        let with = json!({
            "numRequests": 8, "qps": "max", "parallel": is_parallel,
            "endpoints": {
                "a": {"url": server.url()}, "b": {"url": format!("http://{closed}/")},
                "c": {"url": server.url()}, "d": {"url": format!("http://{closed}/d")}
            }
        });
        let Err(TaskError::Failed { message, hint, partial }) = TestEnv::default().run_task(&KIND, with).await else {
            panic!()
        };
        let expected = format!(
            "http-b: the first 4 requests to http://{closed}/ all failed: connection refused ×4; \
             http-d: the first 4 requests to http://{closed}/d all failed: connection refused ×4"
        );
        assert_eq!(message, expected);
        assert!(hint.unwrap().contains("allowInitialErrors"));
        let partial = partial.unwrap();
        assert_eq!(partial.providers().into_iter().collect::<Vec<_>>(), ["http-a", "http-c"]);
        // The requests that failed are counted, and no metrics.
        let loads = &partial.versions[0].load;
        let aborted: Vec<_> = loads.iter().filter(|(_, load)| load.aborted).collect();
        assert_eq!(aborted.iter().map(|(provider, _)| provider.as_str()).collect::<Vec<_>>(), ["http-b", "http-d"]);
        for (provider, load) in aborted {
            assert!(
                load.counts.errors >= 4 && load.counts.errors == load.counts.requests,
                "{provider}: {:?}",
                load.counts
            );
        }
        assert!(partial.versions[0].metrics.keys().all(|metric| !metric.starts_with("http-b/")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_keep_the_details_of_failures() {
    let server = MisbehavingServer::scripted(|a| match a.number % 5 {
        0 => Reply::with(200, "X-Build: 7\r\n", ""),
        1 => Reply::with(200, "X-Build: 8\r\n", ""),
        _ => Reply::plain(418, ""),
    });
    let with = |expect: Value| json!({"url": server.url(), "numRequests": 10, "qps": "max", "connections": 1, "expect": expect});
    let all = |expect| async { TestEnv::default().run_task(&KIND, with(expect)).await.unwrap().notes };
    let first = all(json!({"status": [204]})).await.swap_remove(0);
    assert!(first.starts_with("http: all 10 requests failed: status 200 ×4, status 418 ×6; check"), "{first}");
    let notes = |expect| async { all(expect).await.pop().unwrap() };
    assert_eq!(notes(json!({"status": [204]})).await, "http: unexpected-status ×10: status 418 ×6, status 200 ×4");
    assert_eq!(notes(json!({"status": [200]})).await, "http: unexpected-status ×6: status 418");
    assert_eq!(
        notes(json!({"headers": {"x-build": "9"}})).await,
        "http: unexpected-header ×10: no header `x-build` ×6, header `x-build` is `7` ×2, header `x-build` is `8` ×2"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_warm_up_do_not_end_the_run() {
    let with = |server: &MisbehavingServer, warmup| json!({"url": server.url(), "numRequests": 12, "qps": "max", "warmupNumRequests": warmup});
    let cold = || MisbehavingServer::scripted(|a| Reply::plain(if a.number < 20 { 503 } else { 200 }, ""));
    let contribution = TestEnv::default().run_task(&KIND, with(&cold(), 20)).await.unwrap();
    let counts = contribution.versions[0].load["http"].counts;
    assert_eq!((counts.requests, counts.errors), (12, 0));
    // The measured load is what counts, whatever the warm-up did.
    let warm = MisbehavingServer::scripted(|a| Reply::plain(if a.number < 20 { 200 } else { 503 }, ""));
    for (server, warmup) in [(warm, 20), (MisbehavingServer::responds(503, ""), 20)] {
        let contribution = TestEnv::default().run_task(&KIND, with(&server, warmup)).await.unwrap();
        assert!(contribution.notes[0].starts_with("http: all 12 requests failed: status 503 ×12; check URL"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_in_the_url_are_sent_with_a_note() {
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let url = format!("http://user:s3cret@{}/", server.address);
    let contribution =
        TestEnv::default().run_task(&KIND, json!({"url": url, "numRequests": 1, "qps": "max"})).await.unwrap();
    assert!(server.seen()[0].head.contains("authorization: Basic dXNlcjpzM2NyZXQ="));
    let note = &contribution.notes[0];
    assert!(note.contains("basicAuth") && !note.contains("keeps"), "{note}");
    assert!(!format!("{contribution:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_share_metric_names_and_override_the_base() {
    let (one, two) = (MisbehavingServer::always(Reply::ok("ok")), MisbehavingServer::always(Reply::ok("ok")));
    let with = json!({
        "url": one.url(), "numRequests": 4, "qps": "max", "headers": {"A": "1", "B": "1"}, "parallel": true,
        "endpoints": {"x": {}, "y": {"numRequests": 2}},
        "versionValues": [{"name": "v1"}, {"name": "v2", "url": two.url(), "headers": {"a": "2"}, "endpoints": {"y": {"numRequests": 3}}}]
    });
    let contribution = TestEnv::default().run_task(&KIND, with).await.unwrap();
    let names: Vec<_> = contribution.versions.iter().map(|version| version.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["v1", "v2"]);
    let count = |version, metric| scalar(&contribution, version, metric);
    assert_eq!((count(0, "http-x/request-count"), count(0, "http-y/request-count")), (4.0, 2.0));
    assert_eq!((count(1, "http-x/request-count"), count(1, "http-y/request-count")), (4.0, 3.0));
    assert_eq!((one.requests(), two.requests()), (6, 7));
    let head = &two.seen()[0].head;
    assert!(head.contains("a: 2\r\n") && head.contains("b: 1\r\n") && !head.contains("a: 1\r\n"), "{head}");
}

/// A server behind tag routing: it responds 200 to `latest-…`, 418 to `prev-…`, and 404 to any other host.
fn tags() -> MisbehavingServer {
    MisbehavingServer::scripted(|request| match request.header("host").unwrap_or_default().split_once('-') {
        Some(("latest", _)) => Reply::ok("latest"),
        Some(("prev", _)) => Reply::plain(418, "previous"),
        _ => Reply::plain(404, ""),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_an_endpoint_are_loaded_at_the_same_time_unless_parallel_is_false() {
    let server = tags();
    let windows = async |parallel: Value| {
        let with = json!({
            "url": server.url(), "numRequests": 20, "qps": 100, "connections": 1, "parallel": parallel,
            "endpoints": {"x": {}, "y": {}},
            "versionValues": [
                {"name": "prev", "headers": {"Host": "prev-iris.example"}},
                // Its warm-up delays both.
                {"name": "latest", "headers": {"Host": "latest-iris.example"}, "warmupNumRequests": 5},
            ]
        });
        let contribution = TestEnv::default().with_real_clock().run_task(&KIND, with).await.unwrap();
        let statuses = |version: usize| contribution.versions[version].load["http-x"].statuses.clone();
        assert_eq!([statuses(0), statuses(1)], [[(418, 20)].into(), [(200, 20)].into()]);
        for (version, errors) in [(0, 20.0), (1, 0.0)] {
            assert_eq!(scalar(&contribution, version, "http-x/error-count"), errors);
            assert_eq!(scalar(&contribution, version, "http-y/request-count"), 20.0);
        }
        ["http-x", "http-y"].map(|provider| {
            [0, 1].map(|version| {
                let load = &contribution.versions[version].load[provider];
                let start = load.start.unwrap();
                start..start + load.duration.0
            })
        })
    };
    let do_overlap = |a: &Range<DateTime<Utc>>, b: &Range<DateTime<Utc>>| {
        let common = a.end.min(b.end) - a.start.max(b.start);
        common > TimeDelta::milliseconds(150)
    };
    let [x, y] = windows(Value::Null).await;
    assert!(do_overlap(&x[0], &x[1]) && do_overlap(&y[0], &y[1]), "{x:?} {y:?}");
    assert!(!do_overlap(&x[0], &y[0]) && !do_overlap(&x[1], &y[1]), "endpoints in turn: {x:?} {y:?}");
    let [x, y] = windows(json!(true)).await;
    assert!(do_overlap(&x[0], &x[1]) && do_overlap(&x[0], &y[1]), "{x:?} {y:?}");
    let [x, y] = windows(json!(false)).await;
    let all = [&x[0], &x[1], &y[0], &y[1]];
    let pairs = all.iter().enumerate().flat_map(|(at, a)| all[..at].iter().map(move |b| (a, b)));
    assert!(pairs.into_iter().all(|(a, b)| !do_overlap(a, b)), "{x:?} {y:?}");
}

#[tokio::test]
async fn memory_is_planned_for_the_loads_that_run_at_the_same_time() {
    let memory = |parallel: Value, endpoints: Value, versions: Value| {
        let values = json!({"url": "http://h/", "connections": 100, "parallel": parallel, "endpoints": endpoints, "versionValues": versions});
        let [spec] = &(KIND.from_values)("http", &values).unwrap()[..] else { panic!() };
        (KIND.parse)(spec).unwrap().facts().memory
    };
    let one = memory(json!(null), json!({}), json!([]));
    let (endpoints, versions) = (json!({"a": {}, "b": {}, "c": {}}), json!([{}, {}]));
    for (parallel, loads) in [(json!(null), 2), (json!(true), 6), (json!(false), 1)] {
        assert_eq!(memory(parallel, endpoints.clone(), versions.clone()), loads * one);
    }
    // The statistics of two versions and of the unknown origin.
    let values =
        json!({"url": "http://h/", "connections": 100, "versionFrom": {"header": "v", "versions": ["a", "b"]}});
    let [spec] = &(KIND.from_values)("http", &values).unwrap()[..] else { panic!() };
    assert_eq!((KIND.parse)(spec).unwrap().facts().memory, one + 3 * 4 * (5 << 19));
}

#[tokio::test(flavor = "multi_thread")]
async fn expectations_of_endpoints_override_the_base() {
    let server = MisbehavingServer::always(Reply::with(404, "X-A: b\r\n", "{\"n\": 1}"));
    let with = json!({
        "url": server.url(), "numRequests": 3, "qps": "max", "allowInitialErrors": true,
        "expect": {"status": [404, "2xx"], "headers": {"x-a": "b", "X-A": null}, "bodyContains": "n", "jq": ".n == 1"},
        "endpoints": {"base": {}, "json": {"expect": {"jq": ".n == 2"}}, "ranges": {"errorRanges": [{"lower": 404}]}}
    });
    let contribution = TestEnv::default().run_task(&KIND, with).await.unwrap();
    let errors = |name: &str| scalar(&contribution, 0, &format!("http-{name}/error-count"));
    assert_eq!((errors("base"), errors("json"), errors("ranges")), (0.0, 3.0, 3.0));
    let load = &contribution.versions[0].load;
    assert_eq!(load["http-json"].causes, BTreeMap::from([("unexpected-json".to_owned(), 3)]));
    let note = "http-json: unexpected-json ×3: the filter is not satisfied";
    assert!(contribution.notes.contains(&note.to_owned()), "{:?}", contribution.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_response_is_no_data_with_a_reason() {
    let server = MisbehavingServer::always(Reply::SendAndClose(Vec::new()));
    let with = json!({"url": server.url(), "numRequests": 5, "qps": "max", "allowInitialErrors": true});
    let contribution = TestEnv::default().run_task(&KIND, with).await.unwrap();
    let reason = "none of 5 requests got a response: connection closed before the response was complete ×5";
    for metric in ["http/latency", "http/latency-p99", "http/latency-mean", "http/service-time-max"] {
        let measurement = &contribution.versions[0].metrics[metric];
        assert_eq!(measurement.values, Values::NoData(Missing::error(ErrorKind::Transport, reason)));
    }
    assert_eq!(scalar(&contribution, 0, "http/error-rate"), 1.0);
}

#[test]
fn the_schema_agrees_with_the_task() {
    let mut generator = schemars::SchemaGenerator::default();
    let schema = (KIND.with_schema)(&mut generator);
    let mut root = schema.to_value();
    root["$defs"] = Value::Object(generator.take_definitions(true));
    let validator = jsonschema::validator_for(&root).unwrap();
    for good in [
        json!({"url": "http://h/", "numRequests": "5", "qps": "max", "followRedirects": true}),
        json!({"endpoints": {"a": {"url": "http://h/", "qps": 0.5, "errorRanges": [{"lower": 500}]}}}),
    ] {
        assert!(validator.is_valid(&good), "{good}");
    }
    for bad in [json!({"ur": "x"}), json!({"numRequests": 0}), json!({"connections": 20000})] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
