//! Settings that the `http` task refuses, each with its path and what was expected.

use iter8::tasks::TaskError;
use iter8::tasks::http::KIND;
use serde_json::{Value, json};

use crate::support::env::TestEnv;

/// The error of a task that can't be parsed or checked.
async fn refused(env: &TestEnv, with: Value) -> String {
    match env.run_task(&KIND, with.clone()).await {
        Err(TaskError::Input(error)) => error.to_string(),
        other => panic!("{with} gave {other:?}"),
    }
}

#[tokio::test]
async fn invalid_values_are_rejected_with_path_and_expectation() {
    let base = json!({"url": "http://127.0.0.1:1/"});
    let cases = [
        (json!({"numRequests": -3}), "with.numRequests: -3 is not a non-negative integer"),
        (json!({"numRequests": 0}), "with.numRequests: 0 is out of range; expected at least 1"),
        (json!({"qps": "abc"}), "with.qps: `abc` is not a rate; expected a number or `max`"),
        (json!({"qps": [1]}), "with.qps: `[1]` is not a rate; expected a number or `max`"),
        (json!({"url": null}), "with.url: required: URL to load"),
        (
            json!({"url": "http://"}),
            "with.url: `http://` has no host; expected `http://HOST[:PORT]/PATH` or `https://…`",
        ),
        (json!({"url": "/x"}), "with.url: `http:///x` has no host; expected `http://HOST[:PORT]/PATH` or `https://…`"),
        (
            json!({"url": "ftp://user:secret@host/"}),
            "with.url: `ftp://[hidden]@host/` has the scheme `ftp`; expected `http://HOST[:PORT]/PATH` or `https://…`",
        ),
        (json!({"connections": 0}), "with.connections: 0 is out of range; expected 1 to 10000 connections"),
        (json!({"connections": "20000"}), "with.connections: 20000 is out of range; expected 1 to 10000 connections"),
        (json!({"percentiles": [50, 101]}), "with.percentiles[1]: 101 is not a percentile; expected 0 to 100"),
        (
            json!({"errorRanges": [{"lower": 500, "upper": 400}]}),
            "with.errorRanges[0]: lower 500 is greater than upper 400",
        ),
        (json!({"errorRanges": [{}]}), "with.errorRanges[0]: requires `lower`, `upper` or both"),
        (json!({"headers": {"a b": "c"}}), "with.headers: `a b` is not a valid header name"),
        (json!({"headers": {"a": "c\n"}}), "with.headers: the value of header `a` contains invalid characters"),
        (
            json!({"payloadURL": "http://h/", "payloadStr": "x"}),
            "with.payloadURL: cannot be combined with `payloadStr`",
        ),
        (
            json!({"duration": "5"}),
            "with.duration: `5` is not a duration; expected a number with a unit, such as `5s`, `1m30s` or `500ms`",
        ),
        (json!({"timeout": "0s"}), "with.timeout: `0s` is too short; expected a duration greater than 0"),
        (json!({"payloadFile": "dir"}), "with.payloadFile: cannot read `dir`: is a directory; expected a file"),
        (json!({"payloadFile": "none"}), "with.payloadFile: cannot read `none`: no such file"),
        (json!({"ca": "text"}), "with.ca: the ca file contains no usable PEM certificate: no CERTIFICATE section"),
        (json!({"keyPassphrase": {"env": "P"}}), "with.keyPassphrase: has no effect without `cert` and `key`"),
        (json!({"cert": "text", "key": "encrypted.key"}), "with.key: `encrypted.key` is encrypted"),
        (
            json!({"cert": "text", "key": "legacy.key", "keyPassphrase": {"file": "text"}}),
            "with.key: `legacy.key` is encrypted in OpenSSL's legacy format (`Proc-Type: 4,ENCRYPTED`)",
        ),
        (
            json!({"cert": "text", "key": "encrypted.key", "keyPassphrase": {"file": "text"}}),
            "with.keyPassphrase: `encrypted.key` cannot be decrypted with this passphrase",
        ),
        (
            json!({"cert": "text", "key": "encrypted.key", "keyPassphrase": {"env": "ITER8_NOT_SET"}}),
            "with.keyPassphrase: environment variable `ITER8_NOT_SET` is not set",
        ),
        (json!({"cert": "text"}), "with.key: required with `cert`: the certificate's private key"),
        (
            json!({"endpoints": {"get": {"qps": "x"}}}),
            "with.endpoints.get.qps: `x` is not a rate; expected a number or `max`",
        ),
        (json!({"endpoints": {"get": {"endpoints": {}}}}), "with.endpoints.get.endpoints: not allowed in an endpoint"),
        (json!({"name": "v1"}), "with.name: only allowed in `versionValues`"),
    ];
    let env = TestEnv::default()
        .directory("dir")
        .file("text", "text")
        .file("encrypted.key", include_str!("../../testdata/tls/encrypted.key"))
        .file("legacy.key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n");
    for (values, message) in cases {
        let mut with = base.clone();
        with.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        // TLS files are read for https only.
        if with.get("ca").is_some() {
            with["url"] = json!("https://127.0.0.1:1/");
        }
        assert_eq!(refused(&env, with).await, message);
    }
    let unknown = refused(&env, json!({"url": "http://h/", "numrequests": 1})).await;
    assert_eq!(unknown, "with.numrequests: unknown field `numrequests`");
    let unknown = refused(&env, json!({"url": "http://h/", "wings": 2})).await;
    assert!(unknown.starts_with("with.wings: unknown field `wings`; expected one of url, headers, numRequests"));
    let missing = (KIND.from_values)("http", &json!({"endpoints": {"a": {"url": "http://h/"}, "b": {}}})).unwrap_err();
    assert_eq!(missing.path, "endpoints.b.url");
    assert!((KIND.from_values)("http", &Value::Null).unwrap_err().hint.is_some());
}

#[tokio::test]
async fn impossible_routes_are_rejected() {
    let cases = [
        (
            json!({"streams": 4}),
            "with.streams: requires `http2: true`: an HTTP/1.1 connection carries one request at a time",
        ),
        (json!({"http2": true, "streams": 0}), "with.streams: 0 is out of range; expected 1 to 1000 streams"),
        (
            json!({"http2": true, "connections": 1000, "streams": 101}),
            "with.streams: 101000 requests in flight over all connections; expected at most 100000",
        ),
        (json!({"http2": true, "followRedirects": 3}), "with.followRedirects: cannot be combined with `http2`"),
        (json!({"proxy": "http://p:1/", "unixSocket": "/s"}), "with.proxy: cannot be combined with `unixSocket`"),
        (
            json!({"proxy": "environment"}),
            "with.proxy: `environment` has no scheme; expected `http://HOST[:PORT]/PATH` or `https://…`",
        ),
        (
            json!({"proxy": "socks5://u:hunter2@p:1080"}),
            "with.proxy: `socks5://[hidden]@p:1080` is a SOCKS proxy; only HTTP proxies are supported: `http://HOST:PORT`, or `env` for that of the environment",
        ),
        (json!({"proxy": "https://p:1/"}), "with.proxy: must be an `http` URL, such as `http://HOST:PORT`"),
        (json!({"serverName": "a.example"}), "with.serverName: requires an `https` URL"),
    ];
    for (values, message) in cases {
        let mut with = json!({"url": "http://127.0.0.1:1/"});
        with.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        assert_eq!(refused(&TestEnv::default(), with).await, message);
    }
}

#[tokio::test]
async fn bad_credentials_are_rejected_and_redacted() {
    let cases = [
        (json!({"bearerToken": {"env": "NONE"}}), "with.bearerToken: environment variable `NONE` is not set"),
        (json!({"bearerToken": {}}), "with.bearerToken: requires exactly one of `file`, `env` and `secretKeyRef`"),
        (
            json!({"bearerToken": "SEKRIT"}),
            "with.bearerToken: expected a map, because documents must not contain tokens: set `bearerToken.file`, `bearerToken.env` or `bearerToken.secretKeyRef`",
        ),
        (
            json!({"basicAuth": "user:SEKRIT"}),
            "with.basicAuth: expected a map, because documents must not contain passwords: set `basicAuth.username` and one of `passwordFile`, `passwordEnv` and `passwordSecretKeyRef`",
        ),
        (json!({"bearerToken": {"fil": "x"}}), "with.bearerToken.fil: unknown field `fil`"),
        (
            json!({"bearerToken": {"file": "text"}, "headers": {"authorization": "x"}}),
            "with.bearerToken: cannot be combined with an `Authorization` header",
        ),
        (
            json!({"basicAuth": {"username": "u", "passwordFile": "text"}, "headers": {"Authorization": "x"}}),
            "with.basicAuth: cannot be combined with an `Authorization` header",
        ),
    ];
    let env = TestEnv::default().file("text", "text");
    for (mut with, message) in cases {
        with["url"] = json!("http://127.0.0.1:1/");
        assert_eq!(refused(&env, with).await, message);
    }
}

#[tokio::test]
async fn impossible_schedules_are_rejected() {
    let cases = [
        (
            json!({"arrival": "random"}),
            "with.arrival: `random` is not a valid arrival; expected `uniform` or `poisson`",
        ),
        (
            json!({"endpoints": {"a": {"arrival": "poisson"}}, "qps": "max"}),
            "with.endpoints.a.arrival: `poisson` cannot be combined with `qps: max`",
        ),
        (
            json!({"stages": [{"duration": "1s", "qps": 5}], "numRequests": 5}),
            "with.stages: cannot be combined with `numRequests`: the load ends with its last stage",
        ),
        (
            json!({"versionValues": [{"stages": [{"duration": "1s", "qps": 5}], "duration": "5s"}]}),
            "with.versionValues[0].stages: cannot be combined with `duration`: the load ends with its last stage",
        ),
        (
            json!({"stages": [{"duration": "1s", "qps": 5}], "qps": "max"}),
            "with.stages: cannot be combined with `qps: max`: the first stage starts from a finite rate",
        ),
        (
            json!({"stages": [{"duration": "23h", "qps": 5}, {"duration": "90m", "qps": 5}]}),
            "with.stages: takes 24h30m0s in total; expected more than 0s and at most 24h0m0s",
        ),
        (
            json!({"stages": [{"duration": "1s", "qps": 5}, {"duration": "1s", "qps": "2e6"}]}),
            "with.stages[1].qps: 2000000 is not a valid rate; expected 0 to 1000000",
        ),
        (json!({"stages": [{"duration": "1s", "qsp": 5}]}), "with.stages[0].qsp: unknown field `qsp`"),
    ];
    for (mut with, message) in cases {
        with["url"] = json!("http://127.0.0.1:1/");
        assert_eq!(refused(&TestEnv::default(), with).await, message);
    }
}

#[tokio::test]
async fn sloppy_urls_are_rejected() {
    let env = TestEnv::default();
    for url in ["http:///x", "http:h", "http:/h", "http:\\h", "https://?x", "HTTP:/h?x=://y", "http://#x"] {
        let expected = format!("with.url: `{url}` has no host; expected `http://HOST[:PORT]/PATH` or `https://…`");
        assert_eq!(refused(&env, json!({"url": url})).await, expected);
    }
    for url in ["http://user:s3cr/et@h/", "http://user:s3cr?et@h:x/", "user:s3cret@h:x", "http:user:s3cret@h"] {
        let error = refused(&env, json!({"url": url})).await;
        assert!(!error.contains("s3cr") && error.contains("[hidden]@h"), "{error}");
    }
    let long = refused(&env, json!({"url": format!("ftp://h/{}", "x".repeat(1_000))})).await;
    assert!(long.len() < 400 && long.contains("x…`"), "{long}");
}

/// As in Iter8 and curl.

#[tokio::test]
async fn impossible_expectations_are_rejected() {
    for (mut with, message) in [
        (
            json!({"expect": {"status": [99]}}),
            "with.expect.status[0]: `99` is not a status; expected 100 to 999, or a class such as `2xx`",
        ),
        (json!({"expect": {"jq": ".a |"}}), "with.expect.jq: the filter ends unexpectedly"),
        (
            json!({"endpoints": {"get": {"expect": {"jq": "none"}}}}),
            "with.endpoints.get.expect.jq: the filter uses undefined filter `none`",
        ),
    ] {
        with["url"] = json!("http://127.0.0.1:1/");
        assert_eq!(refused(&TestEnv::default(), with).await, message);
    }
}
