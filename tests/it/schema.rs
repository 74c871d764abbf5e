//! The published schemas and the program agree on what they take: each document goes through both.

use std::path::Path;

use iter8::app::resolve::spec_from_values;
use iter8::model::codec;
use jsonschema::Validator;
use sample_model::SampleConfig;
use serde_json::{Value, json};

use crate::support::cli_case::CliCase;
use crate::support::files;

pub fn published(what: &str) -> Validator {
    let schema: Value = serde_json::from_str(&CliCase::new().run(["schema", what]).stdout).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

pub fn errors(schema: &Validator, value: &Value) -> Vec<String> {
    schema.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect()
}

/// Returns schema or program, whichever disagrees with `takes`.
fn disagreement(schema: &Validator, values: &Value, takes: bool) -> Option<String> {
    let schema = errors(schema, values);
    let program = spec_from_values(values).err();
    let agree = schema.is_empty() == takes && program.is_none() == takes;
    (!agree).then(|| format!("{values} should be {}:\n  schema: {schema:?}\n  program: {program:?}", word(takes)))
}

fn word(takes: bool) -> &'static str {
    if takes { "taken" } else { "refused" }
}

/// Fails with all disagreements at once. The spec made of values that are taken holds to the schema of documents.
#[track_caller]
fn hold(takes: bool, documents: impl IntoIterator<Item = Value>) {
    let (schema, of_documents) = (published("values"), published("document"));
    let mut wrong = Vec::new();
    for values in documents {
        wrong.extend(disagreement(&schema, &values, takes));
        let spec = spec_from_values(&values).map_or_else(|_| json!([]), |resolved| json!(resolved.spec));
        let problems = errors(&of_documents, &json!({"spec": spec}));
        wrong.extend(problems.into_iter().map(|problem| format!("the spec of {values}: {problem}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Values of the `http` task with these fields, and a URL unless they bring one.
fn http(fields: Value) -> Value {
    let mut values = json!({"url": "http://x"});
    values.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"tasks": ["http"], "http": values})
}

fn task(name: &str, values: Value) -> Value {
    json!({"tasks": [name], name: values})
}

fn upper(limits: Value) -> Value {
    task("assess", json!({"SLOs": {"upper": limits}}))
}

/// Values of the `run` task beside the values of the runner.
fn beside(name: &str, value: Value) -> Value {
    json!({"tasks": ["run"], "run": "true", name: value})
}

#[test]
fn schema_and_program_accept_these_http_values() {
    let fields = [
        json!({}),
        json!({"if": "SLOs()", "qps": "max"}),
        json!({"if": true, "qps": "+5"}),
        json!({"qps": ".5e1", "numRequests": "10", "connections": "010", "followRedirects": true}),
        json!({"qps": null, "numRequests": 1e3, "if": null, "followRedirects": "50"}),
        json!({"duration": "1m30s", "warmupDuration": "+0.5s", "timeout": "100us", "warmupNumRequests": 1}),
        json!({"headers": {"Host": "a", "X-N": 5, "X-B": true, "X-0": null}, "contentType": "text/plain"}),
        json!({"percentiles": [0, 99.99, "99.5", "+5", "100.0"], "errorRanges": [{"lower": 500}, {"upper": "99"}]}),
        json!({"method": "delete", "payloadStr": "x", "insecureSkipVerify": true, "allowInitialErrors": false}),
        json!({"basicAuth": {"username": "a", "passwordEnv": "P"}}),
        json!({"basicAuth": {"username": "a", "passwordEnv": "P", "passwordFile": null}}),
        json!({"bearerToken": {"file": "token"}, "cert": "c", "key": "k", "ca": "a"}),
        json!({"cert": "c", "key": "k", "keyPassphrase": {"env": "P"}}),
        json!({"cert": "c", "key": "k", "keyPassphrase": {"secretKeyRef": {"name": "n", "key": "k"}}}),
        json!({"url": "HTTPS://[::1]:8443/a?b", "parallel": true, "versionValues": [{"name": "v1"}, {"qps": 3}]}),
        json!({"url": null, "endpoints": {"a": {"url": "http://x"}, "ü.1-_": {"url": "http://y", "qps": 1}, "c": null}}),
        json!({"url": null, "versionValues": [{"url": "http://x"}, {"endpoints": {"a": {"url": "http://y"}}}]}),
        json!({"url": null, "endpoints": {"a": {"url": "http://x"}, "b": {}}, "versionValues": [{"endpoints": {"b": {"url": "http://y"}}}]}),
        json!({"versionValues": [], "endpoints": {}}),
        json!({"arrival": "poisson", "qps": 50}),
        json!({"arrival": "uniform", "qps": "max"}),
        json!({"url": "localhost:8080/x?next=http://h", "qps": 0}),
        json!({"url": "x", "qps": "-1", "warmup": true}),
        json!({"arrival": null, "stages": null, "duration": "5s"}),
        json!({"stages": [{"duration": "0s", "qps": "10.5"}, {"duration": "1m30s", "qps": 0}], "arrival": "poisson"}),
        json!({"duration": "5s", "endpoints": {"a": {"stages": [{"duration": "1s", "qps": 1e6}]}}}),
    ];
    hold(true, fields.map(http));
}

#[test]
fn schema_and_program_reject_these_http_values() {
    let fields = [
        json!({"url": null}),
        json!({"url": "ftp://x"}),
        json!({"url": "http://"}),
        json!({"url": 5}),
        json!({"qsp": 1}),
        json!({"qps": "fast"}),
        json!({"arrival": "random"}),
        json!({"stages": []}),
        json!({"stages": {"duration": "1s", "qps": 1}}),
        json!({"stages": [{"duration": "1s"}]}),
        json!({"stages": [{"duration": 1, "qps": 1}]}),
        json!({"stages": [{"duration": "1s", "qps": -1}]}),
        json!({"stages": [{"duration": "1s", "qps": "max"}]}),
        json!({"stages": [{"duration": "1s", "qps": 1_000_001}]}),
        json!({"stages": [{"duration": "1s", "qps": 1, "rate": 1}]}),
        json!({"numRequests": 0}),
        json!({"numRequests": "0"}),
        json!({"numRequests": 1.5}),
        json!({"connections": 10_001}),
        json!({"connections": "10001"}),
        json!({"duration": "0s"}),
        json!({"duration": "0"}),
        json!({"duration": "0m0.0s"}),
        json!({"duration": 5}),
        json!({"duration": "5"}),
        json!({"timeout": "-1s"}),
        json!({"percentiles": ["x"]}),
        json!({"percentiles": ["100.5"]}),
        json!({"percentiles": [101]}),
        json!({"percentiles": [null]}),
        json!({"errorRanges": [{}]}),
        json!({"errorRanges": [{"lower": null}]}),
        json!({"errorRanges": [{"lower": 1000}]}),
        json!({"errorRanges": [{"upper": "1000"}]}),
        json!({"followRedirects": 51}),
        json!({"followRedirects": "51"}),
        json!({"followRedirects": "true"}),
        json!({"method": "CONNECT"}),
        json!({"method": "a b"}),
        json!({"headers": {"a b": "c"}}),
        json!({"headers": {"a": "b\nc"}}),
        json!({"headers": {"a": ["b"]}}),
        json!({"headers": {"Content-length": 5}}),
        json!({"contentType": "a\nb"}),
        json!({"basicAuth": {"username": "a"}}),
        json!({"basicAuth": {"username": "a", "passwordFile": "f", "passwordEnv": "E"}}),
        json!({"basicAuth": {"username": "a:b", "passwordEnv": "E"}}),
        json!({"basicAuth": {"username": null, "passwordEnv": "E"}}),
        json!({"bearerToken": {}}),
        json!({"name": "v1"}),
        json!({"if": 5}),
        json!({"endpoints": {"a": {"if": "SLOs()"}}}),
        json!({"endpoints": {"a": {"endpoints": {}}}}),
        json!({"endpoints": {"a": {"versionValues": []}}}),
        json!({"endpoints": {"a": {"parallel": true}}}),
        json!({"endpoints": {"a": {"name": "x"}}}),
        json!({"endpoints": {"a b": {}}}),
        json!({"endpoints": {"": {}}}),
        json!({"versionValues": [{"parallel": true}]}),
        json!({"versionValues": [{"versionValues": []}]}),
        json!({"versionValues": [{"if": "SLOs()"}]}),
        json!({"versionValues": [{"endpoints": {"a": {"name": "x"}}}]}),
        json!({"versionValues": [null]}),
        json!({"versionValues": [{"name": 1}]}),
        json!({"insecureSkipVerify": "true"}),
        json!({"payloadStr": 5}),
        json!({"url": null, "endpoints": {}}),
        json!({"url": null, "endpoints": {"a": {"url": "http://x"}, "b": {}}}),
        json!({"url": null, "versionValues": [{"url": "http://x"}, {}]}),
    ];
    hold(false, fields.map(http));
}

#[test]
fn schema_and_program_agree_on_the_confidence_of_verdicts() {
    hold(
        true,
        [
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "confidence": 0.9999, "burst": 0, "strict": true})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "confidence": "0.51", "burst": "1s"})),
            task("assess", json!({"relative": {"upper": {"http/latency-p95": "1.1"}}})),
            task("assess", json!({"SLOs": {}, "relative": {"upper": {"http/latency-p95": 1.1}}})),
            task("assess", json!({"SLOs": {"lower": {}}, "relative": {"upper": {"http/latency-p95": 1.1}}})),
            task("assess", json!({"SLOs": null, "relative": {"upper": {"http/latency-p95": 1.1}}})),
            task("assess", json!({"SLOs": {"Upper": {"a/b": 1}}, "relative": {}})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "relative": {"upper": {}}})),
        ],
    );
    hold(
        false,
        [
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "confidence": 95})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "confidence": 0.5})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "confidence": "0.99991"})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "strict": true})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "burst": "1s"})),
            task("assess", json!({"relative": {"upper": {}}})),
            task("assess", json!({"SLOs": {"upper": {}}, "relative": {}})),
            task("assess", json!({"SLOs": {"upper": {"a/b": null}}, "relative": {"upper": null}})),
            task("assess", json!({"relative": {"lower": {"http/latency-p95": 1.1}}})),
        ],
    );
}

#[test]
fn schema_and_program_agree_on_other_tasks() {
    hold(
        true,
        [
            upper(
                json!({"http/latency-p99": "60ms", "http/latency-max": " 1.5 s", "http/error-rate": "0.1%", "grpc/connect/p50": "250µs"}),
            ),
            task("assess", json!({"relative": {"upper": {"http/latency-p95": "+10%", "http/error-rate": "+0.5pp"}}})),
            upper(json!({"http/latency-mean": 50, "http/latency-p99.9": "0.5", "grpc/latency/p'90'": -1, "a/b": null})),
            task(
                "assess",
                json!({"SLOs": {"Upper": {"a/b": 1}, "Lower": {"c/d": "+1e3"}, "upper": null}, "if": "SLOs()"}),
            ),
            task("assess", json!({"SLOs": {"upper": {}, "lower": {"a/b c": 1}}})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "consecutive": 1, "failureLimit": null})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "consecutive": " +0100", "if": "true"})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "failureLimit": "0"})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "failureLimit": 1e2})),
            task("run", json!("echo")),
            task("run", json!(true)),
            task("run", json!(5)),
            task("run", json!({"script": "echo", "if": "SLOs()", "timeout": "5s"})),
            task("run", json!({"script": true, "if": false, "timeout": null})),
            task("run", json!({"script": 1.5})),
            task("slack", json!({"urlEnv": "URL", "method": "put", "softFailure": false, "if": "SLOs()"})),
            task("slack", json!({"url": "https://hooks.example/x", "urlFile": null, "payloadTemplateURL": null})),
            task("slack", json!({"urlEnv": "U", "payloadTemplateURL": "https://x/y.tpl"})),
            task("github", json!({"owner": "o", "repo": "r", "tokenEnv": "T", "payloadTemplateURL": "dir/y.hbs"})),
            task("github", json!({"owner": "o", "repo": "r.1", "tokenEnv": "T", "apiURL": "https://api.example"})),
            task("github", json!({"owner": "o", "repo": "r", "tokenEnv": "T", "token": "t"})),
        ],
    );
    hold(
        false,
        [
            upper(json!({})),
            upper(json!({"a/b": null})),
            upper(json!({"latency": 1})),
            upper(json!({"a/b/c": 1})),
            upper(json!({"a /b": 1})),
            upper(json!({"a/b/p101": 1})),
            upper(json!({"a/b": "fast"})),
            upper(json!({"http/latency-p99": "60 parsecs"})),
            upper(json!({"http/latency-p99": "1e3ms"})),
            upper(json!({"http/latency-p99": {"9": 5}})),
            task("assess", json!({})),
            task("assess", json!(null)),
            task("assess", json!({"SLOs": {}})),
            task("assess", json!({"SLOs": null})),
            task("assess", json!({"SLOs": {"uper": {"a/b": 1}}})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}, "Upper": {"a/b": 1}}})),
            task("assess", json!({"SLOs": {"upper": [{"metric": "a/b", "limit": 1}]}})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "consecutive": 0})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "consecutive": "101"})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "consecutive": 1.5})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "failureLimit": 101})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "failureLimit": "-1"})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "failureLimit": 1, "consecutive": 1})),
            task("assess", json!({"SLOs": {"upper": {"a/b": 1}}, "failurelimit": 1})),
            task("run", json!("")),
            task("run", json!(" ")),
            task("run", json!([])),
            task("run", json!({})),
            task("run", json!({"script": []})),
            task("run", json!({"script": "echo", "timeout": "0s"})),
            task("run", json!({"script": "echo", "timout": "5s"})),
            task("slack", json!({})),
            task("slack", json!({"url": null})),
            task("slack", json!({"url": "https://x", "urlEnv": "U"})),
            task("slack", json!({"url": "hooks.example"})),
            task("slack", json!({"urlEnv": "U", "method": "DELETE"})),
            task("slack", json!({"urlEnv": "U", "payloadTemplateURL": " "})),
            task("github", json!({"owner": "o", "repo": "r"})),
            task("github", json!({"owner": "o", "repo": "r", "token": null})),
            task("github", json!({"owner": "o/p", "repo": "r", "token": "t"})),
            task("github", json!({"owner": "o", "token": "t"})),
            task("github", json!({"owner": "o", "repo": "r", "token": "t", "apiURL": "api"})),
        ],
    );
}

#[test]
fn schema_and_program_agree_on_common_values() {
    hold(
        true,
        [
            beside("runner", json!("cronjob")),
            beside("runner", json!(null)),
            beside("cronjobSchedule", json!("*/10 * * * *")),
            beside("cronjobSchedule", json!(" ")),
            beside("serviceAccountName", json!("sa")),
            beside("iter8Image", json!("iter8:1")),
            beside("logLevel", json!("info")),
            beside("resources", json!({"limits": {"cpu": 1}})),
            // Values of tasks that are not listed have no effect, so they are not checked.
            beside("http", json!({"qsp": 1})),
            beside("assess", json!(null)),
            json!({"tasks": ["run", "run"], "run": "true"}),
        ],
    );
    hold(
        false,
        [
            beside("runner", json!("xx")),
            beside("runner", json!(true)),
            beside("cronjobSchedule", json!(5)),
            beside("cronjobSchedule", json!("* * * *")),
            beside("serviceAccountName", json!({})),
            beside("iter8Image", json!(5)),
            beside("logLevel", json!(false)),
            beside("resources", json!("1Gi")),
            beside("htp", json!({})),
            json!({}),
            json!([]),
            json!({"tasks": []}),
            json!({"tasks": null}),
            json!({"tasks": "run", "run": "true"}),
            json!({"tasks": [null]}),
            json!({"tasks": ["htp"]}),
            json!({"tasks": ["ready"]}),
            json!({"tasks": ["http"]}),
            json!({"tasks": ["run", "slack"], "run": "true"}),
        ],
    );
}

/// Rules that a schema cannot express at a reasonable price: reason, example, and which of the two accepts it.
#[test]
fn schema_and_program_differ_only_if_a_schema_cannot_decide() {
    let versions =
        json!({"url": null, "endpoints": {"a": {"url": "http://x"}}, "versionValues": [{"endpoints": {"b": {}}}]});
    let overridden =
        json!({"url": null, "bearerToken": {}, "endpoints": {"a": {"url": "http://x", "bearerToken": {"env": "T"}}}});
    let only_schema = [
        ("a condition has a grammar of its own", task("run", json!({"script": "true", "if": "SLO() &&"}))),
        ("levels merge by name before each load needs a URL", http(versions)),
        ("levels merge before fields that exclude one another meet", http(json!({"cert": "c"}))),
        ("a schema compares no numbers with one another", http(json!({"errorRanges": [{"lower": 500, "upper": 400}]}))),
        ("a URL has a grammar of its own", http(json!({"url": "http://x:99999/"}))),
        ("the unit of a limit must fit its metric", upper(json!({"http/error-rate": "60ms"}))),
        ("a percentile may end a metric's name", upper(json!({"http/latency-p101": 1}))),
        ("a pattern does no arithmetic: an exponent", http(json!({"percentiles": ["1e3"]}))),
        ("a pattern does no arithmetic: rounding", http(json!({"duration": "0.1ns"}))),
        ("a pattern does no arithmetic: the range of a duration", http(json!({"duration": "9999999h"}))),
        ("a pattern does no arithmetic: the range of a number", upper(json!({"a/b": "1e999"}))),
    ];
    let only_program = [
        ("a misspelt key without a value does no harm", http(json!({"qsp": null}))),
        ("what all endpoints override is not read", http(overridden)),
    ];
    let schema = published("values");
    let cases = only_schema.into_iter().map(|case| (true, case)).chain(only_program.map(|case| (false, case)));
    for (schema_takes, (why, values)) in cases {
        let errors = errors(&schema, &values);
        assert_eq!(errors.is_empty(), schema_takes, "{why}: schema on {values}: {errors:?}");
        let error = spec_from_values(&values).err();
        assert_eq!(error.is_none(), !schema_takes, "{why}: program on {values}: {error:?}");
    }
}

#[test]
fn the_document_schema_accepts_all_known_documents() {
    let schema = published("document");
    let mut seen = 0;
    let directories = ["testdata/results", "testdata/iter8"].map(|directory| files::root().join(directory));
    for entry in directories.iter().flat_map(|directory| std::fs::read_dir(directory).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            assert_eq!(problems(&schema, &path), Vec::<String>::new(), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 26, "{seen} documents");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_schema_accepts_all_kinds_of_loads() {
    let service = sample_model::start(SampleConfig::default()).await.unwrap();
    let host = service.versions[0].addr;
    let cli = CliCase::new();
    let values = json!({
        "tasks": ["http", "grpc", "assess"],
        "http": {"url": format!("http://{host}/"), "arrival": "poisson", "stages": [{"duration": "1s", "qps": 100}],
            "errorRanges": [], "expect": {"status": [299]}, "allowInitialErrors": true,
            "endpoints": {"a": {}, "b": {"http2": true, "streams": 2}}, "parallel": true},
        "grpc": {"host": host.to_string(), "total": 5, "connections": 1, "concurrency": 2,
            "endpoints": {"unary": {"call": "inference.GRPCInferenceService/ServerLive"},
                "stream": {"call": "routeguide.RouteGuide/ListFeatures",
                    "data": {"lo": {}, "hi": {"latitude": 900_000_000, "longitude": 900_000_000}}}}},
        "assess": {"SLOs": {"upper": {"grpc-stream/first-message/p99": 1e4, "http-b/first-byte/p50": 1e4, "http-a/success-latency/mean": 1}}},
    });
    cli.write("values.yaml", &values.to_string());
    cli.run(["run", "-q", "-f", "values.yaml"]).exits(0);
    assert_eq!(problems(&published("document"), &cli.path("experiment.yaml")), Vec::<String>::new());
    let document = cli.read("experiment.yaml");
    for key in [
        "arrival: poisson",
        "stages: ",
        "series:",
        "lateness:",
        "messagesSent:",
        "unexpected-status:",
        "between-messages",
    ] {
        assert!(document.contains(key), "{key}");
    }
    service.shutdown().await;
}

fn problems(schema: &Validator, path: &Path) -> Vec<String> {
    let text = files::text(path);
    codec::experiment_from_yaml(&text).unwrap();
    errors(schema, &codec::value_from_yaml(&text).unwrap())
}

/// A document with this spec entry.
fn entry(entry: Value) -> Value {
    json!({"spec": [entry]})
}

#[test]
fn the_document_schema_accepts_what_the_program_reads() {
    let schema = published("document");
    let slos = json!({"SLOs": {"Upper": [{"metric": "a/b", "limit": "1"}]}});
    let documents = [
        json!({"spec": [], "result": null}),
        json!({"spec": [], "result": {"startTime": "", "tasks": null, "insights": {"versionNames": null}}}),
        json!({"spec": [], "result": {"insights": {"SLOs": {"upper": null}, "SLOsSatisfied": {"Lower": null, "Upper": [[true]]}}}}),
        json!({"spec": [], "result": {"insights": {"SummaryMetricValues": [{"a/b": [1, 2, 3, 4, 5]}, {"a/b": [[1, 2, 3, 4, 5]], "c/d": null}]}}}),
        entry(json!({"run": "echo", "task": null, "with": null, "if": null})),
        entry(json!({"run": "echo", "with": {"timeout": "5s"}, "if": "SLOs()"})),
        entry(json!({"task": "assess", "with": slos})),
        entry(json!({"task": "assess", "with": {"SLOs": {"upper": []}}})),
        entry(json!({"task": "assess", "with": {"slos": {"upper": [{"metric": "a/b", "limit": 1}]}}})),
        entry(json!({"task": "http", "with": {"url": "http://x", "numRequests": "5"}})),
        entry(json!({"task": "notify", "with": {"urlEnv": "U", "payload": "github"}})),
        entry(json!({"task": "ready", "with": {"version": "v1", "resource": "pods", "name": "x"}, "if": "SLOs()"})),
    ];
    for document in documents {
        codec::experiment_from_yaml(&document.to_string()).unwrap();
        assert_eq!(errors(&schema, &document), Vec::<String>::new(), "{document}");
    }
}

#[test]
fn the_document_schema_rejects_misspelt_and_mistyped_keys() {
    let schema = published("document");
    let good = json!({"url": "http://x"});
    let documents = [
        json!({}),
        json!({"spec": null}),
        json!({"spec": [], "result": {"numLoops": "many"}}),
        json!({"spec": [], "result": {"schemaVersion": 2}}),
        json!({"spec": [], "result": {"insights": {"SLOs": {"uper": []}}}}),
        entry(json!({})),
        entry(json!({"task": "http", "with": good, "iff": "SLOs()"})),
        entry(json!({"task": "http", "wiht": good})),
        entry(json!({"task": "http", "with": good, "run": "echo"})),
        entry(json!({"task": "http", "with": {"url": "http://x", "qsp": 1}})),
        entry(json!({"task": "http", "with": {"url": "http://x", "if": "SLOs()"}})),
        entry(json!({"task": "htp", "with": good})),
        entry(json!({"task": "ready", "wiht": {}})),
        entry(json!({"task": "assess", "with": {"SLOs": {"upper": [{"metric": "a/b", "limt": 1}]}}})),
        entry(json!({"task": "notify", "with": {"urlEnv": "U", "method": "DELETE"}})),
        entry(json!({"run": " "})),
        entry(json!({"run": "echo", "iff": "SLOs()"})),
        entry(json!({"run": "echo", "with": {"timeout": "0s"}})),
    ];
    for document in documents {
        assert!(!schema.is_valid(&document), "{document}");
    }
}
