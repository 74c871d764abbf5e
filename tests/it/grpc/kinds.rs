//! The four kinds of methods, and the ways to learn of them.

use std::collections::BTreeMap;

use iter8::metrics::MetricsView;
use iter8::metrics::insights::merge;
use iter8::model::contribution::Values;
use iter8::model::insights::Insights;
use iter8::model::metric::{MetricType, Reading};
use iter8::tasks::TaskError;
use prost::Message;
use sample_model::{SampleConfig, start};
use serde_json::{Value, json};

use super::run::{load, outcomes, proto_env, record, run, run_in, samples, with};
use super::server::{Msg, PROTO, Server};

async fn echo() -> Server {
    Server::echo(None, h2::server::Builder::new()).await
}

#[tokio::test]
async fn a_unary_method_is_measured() {
    let server = echo().await;
    let contribution = load(&server, "Unary", json!({"data": {"text": "hi"}, "percentiles": [99.95]})).await;
    assert_eq!(outcomes(&contribution), "OK×20");
    let record = record(&contribution);
    assert_eq!((record.method.as_str(), record.url.clone()), ("t.Echo/Unary", server.host()));
    assert_eq!((record.traffic.messages_sent, record.traffic.messages_received), (Some(20), Some(20)));
    assert_eq!((record.traffic.bytes_sent, record.traffic.bytes_received), (Some(80), 80));
    assert_eq!((server.calls(), server.connections()), (20, 1));
    let metrics = &contribution.versions[0].metrics;
    let names: Vec<&str> = metrics.keys().map(|name| name.strip_prefix("grpc/").unwrap()).collect();
    assert_eq!(
        names,
        [
            "connect",
            "error-count",
            "error-rate",
            "latency",
            "latency-p99.95",
            "request-count",
            "service-time",
            "success-latency"
        ]
    );
    let latency = &metrics["grpc/latency"];
    assert_eq!((latency.meta.kind, latency.meta.units.as_deref()), (MetricType::Sample, Some("msec")));
    let counts = ["latency", "service-time", "success-latency", "connect"];
    assert_eq!(counts.map(|name| samples(&contribution, &format!("grpc/{name}"))), [20, 20, 20, 1]);
    let (headers, messages) = &server.seen()[0];
    assert_eq!(messages.len(), 1);
    assert_eq!(Msg::decode(&messages[0][..]).unwrap().text, "hi");
    assert_eq!(headers["grpc-timeout"], "5000000u");
    assert_eq!(
        (&headers["te"], &headers["content-type"]),
        (&"trailers".parse().unwrap(), &"application/grpc".parse().unwrap())
    );
}

#[tokio::test]
async fn a_request_may_be_a_string() {
    let server = echo().await;
    let contribution = load(&server, "Named", json!({"data": "hi"})).await;
    assert_eq!(outcomes(&contribution), "OK×20");
    assert_eq!(Msg::decode(&server.seen()[0].1[0][..]).unwrap().text, "hi");
}

#[tokio::test]
async fn latencies_are_read_by_aggregation_as_in_iter8() {
    let server = echo().await;
    let contribution = load(&server, "Unary", json!({})).await;
    let mut insights = Insights::default();
    merge(&mut insights, &contribution).unwrap();
    for name in
        ["grpc/latency/mean", "grpc/latency/p99", "grpc/latency/p99.95", "grpc/success-latency/max", "grpc/connect/p50"]
    {
        let Reading::Value(value) = MetricsView::new(&insights, 0).resolve(&name.into()).reading else {
            panic!("{name}")
        };
        assert!(value > 0.0 && value < 5000.0, "{name}: {value}");
    }
    assert_eq!(MetricsView::new(&insights, 0).resolve(&"grpc/latency/count".into()).reading, Reading::Value(20.0));
}

#[tokio::test]
async fn streams_are_measured_per_message() {
    let server = echo().await;
    let list = json!({"data": [{"n": 1}, {"n": 2}, {"n": 3}]});
    let cases = [
        ("Client", list.clone(), 60, 20, 0, 0),
        ("Server", json!({"data": {"n": 4}}), 20, 80, 20, 60),
        ("Both", list, 60, 60, 20, 40),
    ];
    for (method, fields, sent, received, first, between) in cases {
        let contribution = load(&server, method, fields).await;
        assert_eq!(outcomes(&contribution), "OK×20", "{method}");
        let record = record(&contribution);
        assert_eq!(
            (record.traffic.messages_sent, record.traffic.messages_received),
            (Some(sent), Some(received)),
            "{method}"
        );
        let counts = [samples(&contribution, "grpc/first-message"), samples(&contribution, "grpc/between-messages")];
        assert_eq!(counts, [first, between], "{method}");
    }
}

#[tokio::test]
async fn stream_messages_are_spaced_by_the_interval() {
    let server = echo().await;
    let fields = json!({"data": [{}, {}, {}], "stream-interval": "30ms", "total": 2, "concurrency": 2});
    let contribution = load(&server, "Both", fields).await;
    let Values::Distribution { histogram, .. } = &contribution.versions[0].metrics["grpc/between-messages"].values
    else {
        panic!()
    };
    let between = iter8::metrics::histogram::decode(histogram).unwrap();
    assert_eq!(between.len(), 4);
    assert!(between.mean() > 20_000.0, "{}", between.mean());
}

#[tokio::test]
async fn a_list_of_messages_rotates_in_unary_calls_and_is_sent_as_a_stream() {
    let server = echo().await;
    load(&server, "Unary", json!({"data": [{"n": 1}, {"n": 2}], "concurrency": 1, "total": 5})).await;
    let sent: Vec<i32> = server.seen().iter().map(|(_, messages)| Msg::decode(&messages[0][..]).unwrap().n).collect();
    assert_eq!(sent, [1, 2, 1, 2, 1]);
    let server = echo().await;
    load(&server, "Client", json!({"data": [], "total": 1, "concurrency": 1})).await;
    assert_eq!(server.seen()[0].1.len(), 0);
}

#[tokio::test]
async fn descriptors_come_from_files_and_urls() {
    let server = echo().await;
    let set = protox_set();
    let env =
        proto_env().file("t.pb", set.clone()).download("http://h/t.proto", PROTO).download("http://h/descriptors", set);
    for (field, value) in [("protoset", "t.pb"), ("protoURL", "http://h/t.proto"), ("protoURL", "http://h/descriptors")]
    {
        let mut with = with(&server, "Unary", json!({"data": {"n": 7}}));
        with.as_object_mut().unwrap().remove("proto");
        with[field] = json!(value);
        let contribution = run_in(&env, with).await.unwrap();
        assert_eq!(outcomes(&contribution), "OK×20", "{value}");
    }
    assert_eq!(server.seen().iter().filter(|(_, messages)| messages[0][..] == [0x10, 7]).count(), 60);
}

fn protox_set() -> Vec<u8> {
    let file = protox::file::File::from_source("t.proto", PROTO).unwrap();
    let file = file.file_descriptor_proto().clone();
    prost_reflect::prost_types::FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

#[tokio::test]
async fn a_page_is_neither_messages_nor_metadata() {
    let server = echo().await;
    let env = proto_env().download("http://h/page", "<!doctype html><html>");
    for (field, expected) in
        [("dataURL", "messages"), ("metadataURL", "metadata"), ("protoURL", "the description of a service")]
    {
        let mut fields = json!({field: "http://h/page"});
        fields["total"] = json!(1);
        let error = run_in(&env, with(&server, "Unary", fields)).await.unwrap_err();
        let TaskError::Failed { message, .. } = error else { panic!("{error:?}") };
        assert_eq!(message, format!("{field} http://h/page is an HTML page, not {expected}"));
    }
}

#[tokio::test]
async fn data_and_metadata_come_from_files_and_urls() {
    let server = echo().await;
    let env = proto_env()
        .file("d.json", r#"{"n": {{.RequestNumber}}, "text": "{{.MethodName}}"}"#)
        .file("m.json", r#"{"x-a": "file", "x-b": "file"}"#)
        .file("d.bin", vec![0x10, 9])
        .file("token", "{{.token}}\n")
        .file("/var/run/secrets/iter8/a/b", "mounted")
        .download("http://h/d", r#"{"n": 8}"#)
        .download("http://h/b", vec![0x10, 5])
        .download("http://h/m", r#"{"x-a": "url"}"#);
    let cases = [
        (
            json!({"data-file": "d.json", "metadata-file": "m.json", "metadata": {"X-B": "own"}}),
            (0, "Unary"),
            "file",
            Some("own"),
        ),
        (json!({"dataURL": "http://h/d", "metadataURL": "http://h/m"}), (8, ""), "url", None),
        (json!({"binary-file": "d.bin", "metadata": {"x-a": "n{{.RequestNumber}}"}}), (9, ""), "n0", None),
        (json!({"binaryDataURL": "http://h/b", "metadata": {"x-a": 1}}), (5, ""), "1", None),
        (
            json!({"binaryDataURL": "http://h/b", "metadata": {"x-a": {"file": "token"}, "x-b": {"secretKeyRef": {"name": "a", "key": "b"}}}}),
            (5, ""),
            "{{.token}}",
            Some("mounted"),
        ),
    ];
    for (fields, (n, text), x_a, x_b) in cases {
        let mut fields = fields;
        fields["total"] = json!(1);
        fields["concurrency"] = json!(1);
        assert_eq!(outcomes(&run_in(&env, with(&server, "Unary", fields.clone())).await.unwrap()), "OK×1", "{fields}");
        let (headers, messages) = server.seen().pop().unwrap();
        assert_eq!(Msg::decode(&messages[0][..]).unwrap(), Msg { n, text: text.to_owned() });
        assert_eq!(headers["x-a"], x_a);
        assert_eq!(headers.get("x-b").map(|value| value.to_str().unwrap()), x_b);
    }
}

#[tokio::test]
async fn templates_render_per_call() {
    let server = echo().await;
    let data = json!({"text": "{{.UUID}} {{.ServiceName}} {{.WorkerID}}", "n": "{{.RequestNumber}}"});
    load(&server, "Unary", json!({"data": data, "metadata": {"x-n": "{{.RequestNumber}}"}})).await;
    let seen = server.seen();
    let mut numbers: Vec<i32> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for (headers, messages) in &seen {
        let message = Msg::decode(&messages[0][..]).unwrap();
        assert_eq!(headers["x-n"], message.n.to_string());
        assert!(message.text.ends_with(" Echo w0"), "{}", message.text);
        numbers.push(message.n);
        ids.push(message.text);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

fn infer() -> Value {
    json!({"model_name": "sklearn-iris", "inputs": [
        {"name": "input-0", "datatype": "FP64", "shape": [1, 4], "contents": {"fp64_contents": [5.1, 3.5, 1.4, 0.2]}}]})
}

#[tokio::test]
async fn descriptors_come_from_reflection() {
    let service = start(SampleConfig::default()).await.unwrap();
    let host = service.versions[0].addr.to_string();
    let with = |call: &str| json!({"host": host, "call": call, "data": infer(), "total": 10, "concurrency": 2, "reflect-metadata": {"x": "1"}});
    let contribution = run(with("inference.GRPCInferenceService/ModelInfer")).await.unwrap();
    assert_eq!(outcomes(&contribution), "OK×10");
    assert_eq!(service.stats()[0].requests, 10);
    for (call, expected) in [
        ("inference.GRPCInferenceService/ModelInfr", "has no method `ModelInfr`; methods: ServerLive"),
        ("inference.Inference/ModelInfer", "unknown service `inference.Inference`; known services: "),
    ] {
        let Err(TaskError::Input(error)) = run(with(call)).await else { panic!("{call}") };
        assert!(error.to_string().starts_with("with.call: ") && error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_service_is_called_by_its_proto_file() {
    let service = start(SampleConfig::default()).await.unwrap();
    let proto = include_bytes!("../../../proto/open_inference.proto").to_vec();
    let env = proto_env().file("proto/open_inference.proto", proto);
    let mut data = infer();
    data["model_name"] = json!("other");
    let with = json!({
        "host": service.versions[0].addr.to_string(), "call": "inference.GRPCInferenceService.ModelInfer",
        "proto": "proto/open_inference.proto", "import-paths": ["proto"], "total": 10,
        "endpoints": {"good": {"data": infer()}, "bad": {"data": data}},
    });
    let contribution = run_in(&env, with).await.unwrap();
    let load = &contribution.versions[0].load;
    assert_eq!(load["grpc-good"].statuses, BTreeMap::from([(0, 10)]));
    assert_eq!(load["grpc-bad"].statuses, BTreeMap::from([(5, 10)]));
    assert_eq!((load["grpc-bad"].counts.errors, load["grpc-good"].counts.errors), (10, 0));
    let notes = contribution.notes.join("\n");
    assert!(notes.contains("grpc-bad: NOT_FOUND ×10, the first: unknown model `other`"), "{notes}");
    assert!(notes.contains("grpc-bad: all 10 requests failed: NOT_FOUND ×10; check `call`, `data`"), "{notes}");
}

#[tokio::test]
async fn all_four_kinds_of_methods_are_measured() {
    let service = start(SampleConfig::default()).await.unwrap();
    let env = proto_env()
        .file("guide.proto", include_bytes!("../../../proto/route_guide.proto"))
        .file("guide.pb", sample_model::pb::DESCRIPTORS);
    let point = |latitude: i32| json!({"latitude": latitude, "longitude": 78_500_000});
    let note = |latitude: i32| json!({"location": point(latitude), "message": "hello"});
    let endpoints = json!({
        "unary": {"call": "routeguide.RouteGuide/GetFeature", "data": point(461_510_000)},
        "server": {"call": "routeguide.RouteGuide/ListFeatures", "metadata": {"interval-ms": "2"},
            "data": {"lo": {}, "hi": {"latitude": 461_700_000, "longitude": 900_000_000}}},
        "client": {"call": "routeguide.RouteGuide/RecordRoute", "data": []},
        "both": {"call": "routeguide.RouteGuide/RouteChat", "data": [note(1), note(2), note(3)]},
    });
    for (field, value) in
        [("proto", json!("guide.proto")), ("protoset", json!("guide.pb")), ("reflect-metadata", json!({}))]
    {
        let with = json!({"host": service.versions[0].addr.to_string(), field: value, "total": 12, "concurrency": 4,
            "endpoints": endpoints});
        let contribution = run_in(&env, with).await.unwrap();
        let version = &contribution.versions[0];
        let expected = [("unary", 12, 12), ("server", 12, 60), ("client", 0, 12), ("both", 36, 36)];
        for (name, sent, received) in expected {
            let record = &version.load[&format!("grpc-{name}")];
            assert_eq!(record.statuses, BTreeMap::from([(0, 12)]), "{field} {name}: {:?}", contribution.notes);
            assert_eq!(
                (record.traffic.messages_sent, record.traffic.messages_received),
                (Some(sent), Some(received)),
                "{field} {name}"
            );
            let is_stream = ["server", "both"].contains(&name);
            let first = samples(&contribution, &format!("grpc-{name}/first-message"));
            let between = samples(&contribution, &format!("grpc-{name}/between-messages"));
            assert_eq!((first, between), if is_stream { (12, received - 12) } else { (0, 0) }, "{field} {name}");
        }
    }
}
