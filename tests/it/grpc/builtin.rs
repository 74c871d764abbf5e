//! Services that need no description by the user or the server: Open Inference and gRPC health.

use std::collections::BTreeMap;

use futures_util::stream;
use iter8::tasks::TaskError;
use sample_model::{SampleConfig, SampleService, start};
use serde_json::json;

use super::run::{record, run};
use crate::support::cli_case::CliCase;

const INFER: &str = r#"{"model_name": "sklearn-iris", "id": "{{.RequestNumber}}", "inputs": [
    {"name": "input-0", "shape": [1, 4], "datatype": "FP32", "contents": {"fp32_contents": [6.8, 2.8, 4.8, 1.4]}}]}"#;

async fn without_reflection() -> SampleService {
    start(SampleConfig { reflection: false, ..SampleConfig::default() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn open_inference_and_health_need_no_reflection() {
    let service = without_reflection().await;
    let cli = CliCase::new();
    let values = json!({
        "tasks": ["grpc", "assess"],
        "grpc": {
            "host": service.versions[0].addr.to_string(),
            "total": 20,
            "concurrency": 4,
            "endpoints": {
                "infer": {"call": "inference.GRPCInferenceService/ModelInfer", "data": INFER},
                "health": {"call": "grpc.health.v1.Health/Check"},
                "model": {"call": "grpc.health.v1.Health/Check", "data": {"service": "inference.GRPCInferenceService"}},
            },
        },
        "assess": {"SLOs": {"upper": {
            "grpc-infer/error-count": 0, "grpc-health/error-count": 0, "grpc-model/error-count": 0,
        }}},
    });
    cli.write("values.yaml", &values.to_string());
    cli.run(["run", "-f", "values.yaml"]).expect(0, &["experiment completed"]);
    cli.run(["assert", "-c", "completed,nofailure,slos"]).expect(0, &[]);
    assert_eq!(service.stats()[0].requests, 20, "predictions");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_service_lists_the_built_in_ones() {
    let service = without_reflection().await;
    let cli = CliCase::new();
    let host = format!("grpc.host={}", service.versions[0].addr);
    let run = |call: &str| {
        let call = format!("grpc.call={call}");
        cli.run(["run", "--set", "tasks={grpc}", "--set", &host, "--set", &call])
    };
    run("shop.v1.Cart/Get").expect(
        3,
        &[
            "the server has no reflection service",
            "--proto (`grpc.proto`), `grpc.protoset` or `grpc.protoURL`",
            "grpc.health.v1.Health",
            "inference.GRPCInferenceService",
        ],
    );
    run("inference.GRPCInferenceService/ModelInfo").expect(
        3,
        &[
            "has no method `ModelInfo`",
            "built-in description",
            "did you mean `inference.GRPCInferenceService/ModelInfer`?",
        ],
    );
}

/// A server that describes an extended Open Inference service by reflection, and serves nothing else.
async fn extended() -> String {
    let source = "syntax = \"proto3\"; package inference; message Extended { string added = 1; }
        service GRPCInferenceService { rpc ModelInfer(Extended) returns (Extended); rpc ModelTune(Extended) returns (Extended); }";
    let mut compiler = protox::Compiler::with_file_resolver(Source(source));
    compiler.open_file("extended.proto").unwrap();
    let descriptors = compiler.encode_file_descriptor_set();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(&descriptors)
        .build_v1()
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let server = tonic::transport::Server::builder().add_service(reflection);
    let connections = stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(connection, _)| connection);
        Some((accepted, listener))
    });
    tokio::spawn(server.serve_with_incoming(connections));
    host
}

/// The only `.proto` file.
struct Source(&'static str);

impl protox::file::FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        protox::file::File::from_source(name, self.0)
    }
}

#[tokio::test]
async fn reflection_precedes_built_in_descriptors() {
    const UNIMPLEMENTED: u16 = 12;
    let host = extended().await;
    let call =
        |call: &str, data| json!({"host": host, "call": call, "data": data, "total": 4, "allowInitialErrors": true});
    let sent = [
        call("inference.GRPCInferenceService/ModelInfer", json!({"added": "x"})),
        call("inference.GRPCInferenceService/ModelTune", json!({"added": "x"})),
        // Not in its reflection.
        call("grpc.health.v1.Health/Check", json!({"service": ""})),
    ];
    for with in sent {
        let contribution = run(with).await.unwrap();
        assert_eq!(record(&contribution).statuses, BTreeMap::from([(UNIMPLEMENTED, 4)]));
    }
    let Err(TaskError::Input(error)) = run(call("shop.v1.Cart/Get", json!({}))).await else { panic!() };
    let hint = error.hint.unwrap();
    assert!(hint.contains("--proto (`grpc.proto`)") && hint.contains("grpc.health.v1.Health"), "{hint}");
}

#[tokio::test]
async fn the_sample_service_answers_health_checks() {
    const OK: u16 = 0;
    const NOT_FOUND: u16 = 5;
    const UNIMPLEMENTED: u16 = 12;
    let service = without_reflection().await;
    let cases = [
        ("Check", json!({"service": ""}), OK),
        ("Check", json!({"service": "inference.GRPCInferenceService"}), OK),
        ("Check", json!({"service": "inference.Other"}), NOT_FOUND),
        ("List", json!({}), OK),
        ("Watch", json!({}), UNIMPLEMENTED),
    ];
    for (method, data, status) in cases {
        let with = json!({"host": service.front.to_string(), "call": format!("grpc.health.v1.Health/{method}"), "data": data,
            "total": 2, "allowInitialErrors": true});
        let contribution = run(with).await.unwrap();
        assert_eq!(record(&contribution).statuses, BTreeMap::from([(status, 2)]), "{method}");
    }
}
