//! Values that the task rejects before the run, and its schema.

use iter8::redact::redact;
use iter8::tasks::TaskError;
use iter8::tasks::grpc::KIND;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::run::{proto_env, run, run_in};

fn base(fields: &Value) -> Value {
    let mut with = json!({"host": "127.0.0.1:1", "call": "t.Echo/Unary", "proto": "t.proto"});
    for (name, value) in fields.as_object().unwrap() {
        with[name] = value.clone();
    }
    with
}

#[tokio::test]
async fn invalid_values_are_rejected_with_path_and_expectation() {
    let env = proto_env()
        .file("bad.proto", "syntax = \"proto3\"; message {")
        .file("te.json", "{\"te\": \"hunter2\"}")
        .file("m.json", "{\"token\": hunter2}");
    let cases = [
        (json!({"Total": 1}), "with.Total: unknown field `Total`"),
        (json!({"load-step": 5}), "with.load-step: is a ghz setting that this task does not support"),
        (json!({"endpoints": {"a": {"async": true}}}), "with.endpoints.a.async: is a ghz setting"),
        (json!({"skip-first": 1}), "with.skip-first: unknown field `skip-first`"),
        (json!({"host": "svc"}), "with.host: `svc` has no port; expected `HOST:PORT`"),
        (json!({"host": null}), "with.host: required: address of the service"),
        (json!({"call": null}), "with.call: required: method to call"),
        (json!({"call": "Unary"}), "with.call: `Unary` has no method"),
        (json!({"call": "t.Echo/Unry"}), "with.call: service `t.Echo` has no method `Unry`; methods: Unary, Client"),
        (json!({"call": "Echo/Unary"}), "with.call: unknown service `Echo`; known services: t.Echo"),
        (json!({"proto": "none.proto"}), "with.proto: cannot read `none.proto`: no such file"),
        (json!({"proto": "bad.proto"}), "with.proto: bad.proto:1:"),
        (json!({"protoset": "x"}), "with.protoset: cannot be combined with `proto`"),
        (json!({"total": 0}), "with.total: 0 is out of range; expected at least 1"),
        (json!({"concurrency": 2, "connections": 3}), "with.concurrency: 2 is less than `connections` (3)"),
        (json!({"concurrency": 0}), "with.concurrency: 0 is out of range; expected 1 to 10000"),
        (json!({"qps": 5, "rps": 6}), "with.rps: cannot be combined with `qps`"),
        (json!({"qps": -1}), "with.qps: -1 is not a rate"),
        (json!({"duration": 5}), "with.duration: `5` is not a duration"),
        (
            json!({"duration-stop": "stop"}),
            "with.duration-stop: `stop` is not a valid mode; expected close, wait or ignore",
        ),
        (json!({"timeout": "0s"}), "with.timeout: `0s` is too short"),
        (json!({"insecure": true, "cacert": "x"}), "with.cacert: has no effect with `insecure: true`"),
        (json!({"cert": "x"}), "with.key: required with `cert`"),
        (json!({"skipTLS": true, "cacert": "x"}), "with.cacert: has no effect with `skipTLS: true`"),
        (json!({"cacert": "x"}), "with.cacert: cannot read `x`: no such file"),
        (json!({"data": 7}), "with.data: found a number; expected a map, because the request is `t.Msg`"),
        (json!({"data": []}), "with.data: 0 messages"),
        (json!({"data": {"nn": 1}}), "with.data: unknown field `nn`; message `t.Msg` has: text, n"),
        (json!({"data": {"n": "x"}}), "with.data: n: "),
        (json!({"data": {"text": "{{.Nope}}"}}), "with.data: text: line 1, column 3: undefined field `.Nope`"),
        (json!({"data": [{}, {"text": "hunter2 {{.Nope"}]}), "with.data: [1].text: "),
        (json!({"data": {"text": "hunter2 {{randomInt 5}}"}}), "with.data: text: "),
        (json!({"data": {}, "data-file": "x"}), "with.data-file: cannot be combined with `data`"),
        (json!({"data-file": "x"}), "with.data-file: cannot read `x`"),
        (json!({"metadata": "{\"authorization\": \"hunter2\"}"}), "with.metadata: expected a map"),
        (json!({"reflect-metadata": "authorization: hunter2"}), "with.reflect-metadata: expected a map"),
        (json!({"metadata": {"te": "hunter2"}}), "with.metadata: `te` is reserved by the protocol"),
        (json!({"metadata": {"token": ["hunter2"]}}), "with.metadata: the value of `token` must be a string"),
        (json!({"metadata": {"x": "{{.Nope}}"}}), "with.metadata: `x`: line 1, column 3: undefined field `.Nope`"),
        (json!({"metadata-file": "te.json", "metadata": {"te": "x"}}), "with.metadata: `te` is reserved"),
        (json!({"metadata-file": "te.json", "metadata": {"y": "z"}}), "with.metadata-file: `te` is reserved"),
        (json!({"metadata-file": "m.json"}), "with.metadata-file: expected JSON that maps names to values"),
        (json!({"authority": "a b"}), "with.authority: `a b` is not a valid authority"),
        (json!({"endpoints": {"a": {"parallel": true}}}), "with.endpoints.a.parallel: only allowed at the top level"),
        (json!({"endpoints": {"a": {"data": {"nn": 1}}}}), "with.endpoints.a.data: unknown field `nn`"),
        (json!({"versionValues": [{"qps": "x"}]}), "with.versionValues[0].qps: "),
    ];
    for (fields, expected) in cases {
        match run_in(&env, base(&fields)).await {
            Err(TaskError::Input(error)) => {
                let error = error.to_string();
                assert!(error.starts_with(expected), "{fields}: {error}");
                assert!(!error.contains("hunter2"), "{error}");
            }
            other => panic!("{fields} gave {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_nearest_method_is_suggested() {
    let Err(TaskError::Input(error)) = run(base(&json!({"call": "Echo/Unary"}))).await else { panic!() };
    assert_eq!(error.hint.as_deref(), Some("did you mean `t.Echo/Unary`?"));
    let Err(TaskError::Input(error)) = run(base(&json!({"skip-first": 1}))).await else { panic!() };
    assert_eq!(error.hint.as_deref(), Some("did you mean `skipFirst`?"));
}

#[test]
fn secrets_in_metadata_are_redacted() {
    let with = base(&json!({"metadata": {"authorization": "Bearer hunter2", "x-api-key": "hunter2", "x-a": "seen"}}));
    let rendered = redact(&json!({"grpc": with})).to_string();
    assert!(!rendered.contains("hunter2") && rendered.contains("seen"), "{rendered}");
}

#[test]
fn the_schema_agrees_with_the_task() {
    let mut generator = SchemaGenerator::default();
    let schema = (KIND.with_schema)(&mut generator);
    let mut root = schema.to_value();
    root["$defs"] = Value::Object(generator.take_definitions(true));
    let validator = jsonschema::validator_for(&root).unwrap();
    let parse = |with: &Value| {
        let spec = iter8::model::document::TaskSpec {
            task: Some("grpc".into()),
            with: Some(with.clone()),
            ..Default::default()
        };
        (KIND.parse)(&spec).is_ok()
    };
    let all = json!({"total": "5", "concurrency": 2, "connections": 1, "qps": "0", "duration": "5s", "duration-stop": "wait",
        "max-duration": "1m", "connect-timeout": "1s", "keepalive": "10s", "stream-interval": "5ms", "authority": "a",
        "cname": "b", "insecure": false, "cacert": "ca", "cert": "c", "key": "k", "enable-compression": true, "skipFirst": 3,
        "tags": {"a": "b"}, "name": "n", "warmupNumRequests": 3, "percentiles": [99.95], "import-paths": ["x"],
        "metadata": {"a": 1}, "reflect-metadata": {"b": "c"}, "data": [{"n": 1}], "parallel": true,
        "endpoints": {"a": {"call": "t.Echo.Server"}}, "versionValues": [{"name": "v1"}]});
    let cases = [
        (json!({}), true),
        (all, true),
        (json!({"host": "unix:/run/s"}), true),
        (json!({"host": null, "endpoints": {"a": {"host": "h:1"}}}), true),
        (json!({"host": null, "endpoints": {"a": {}}}), false),
        (json!({"host": "h"}), false),
        (json!({"host": "http://h:1"}), false),
        (json!({"call": "Unary"}), false),
        (json!({"call": null}), false),
        (json!({"qps": -1}), false),
        (json!({"concurrency": 0}), false),
        (json!({"cert": "c"}), false),
        (json!({"duration-stop": "x"}), false),
        (json!({"data": 7}), true),
        (json!({"nope": 7}), false),
        (json!({"endpoints": {"a/b": {}}}), false),
    ];
    for (fields, is_good) in cases {
        let with = base(&fields);
        assert_eq!(parse(&with), is_good, "{with}");
        assert_eq!(validator.is_valid(&with), is_good, "{with}");
    }
}
