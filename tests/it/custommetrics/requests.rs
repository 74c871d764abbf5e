//! Requests to providers: methods, parameters, headers, paths, and providers other than Prometheus.

use super::trial::{FIRST, Trial, number};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// Queries without a template, asked of a server below a path.
fn native(server: &MisbehavingServer, path: &str) -> Trial {
    Trial::bare().set(format!("custommetrics.prometheus.url={}{path}", server.url()))
}

#[test]
fn long_queries_are_sent_as_forms() {
    let server = MisbehavingServer::always(number("1"));
    // Longer than what servers take in a URL, with everything that a form must encode.
    let query = format!("sum(x{{pod=~\"{}\"}}) > 0 and y%z+w", "päd&=+ |".repeat(3_000));
    let trial = native(&server, "").set("custommetrics.prometheus.post=true,assess.SLOs.upper.prometheus/long=5");
    trial.cli.write("query", &query);
    let output = trial.run_with(&["--set-file", "custommetrics.prometheus.queries.long.query=query"]);
    output.exits(0);
    let request = &server.seen()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/query"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert!(!request.head.contains('?'), "{}", request.head);
    assert_eq!(request.param("query"), query);
    assert!(request.params.contains_key("time"));
    trial.expect_slos(0);
}

#[test]
fn the_path_prefix_of_the_api_is_kept() {
    for (path, expected) in [
        ("", "/api/v1/query"),
        ("prometheus", "/prometheus/api/v1/query"),
        ("prometheus/", "/prometheus/api/v1/query"),
        ("select/0/prometheus/api/v1/query", "/select/0/prometheus/api/v1/query"),
    ] {
        let server = MisbehavingServer::always(number("1"));
        let trial = native(&server, path)
            .set("custommetrics.prometheus.queries.a.query=up,assess.SLOs.upper.prometheus/a=5")
            .set("custommetrics.providers.prometheus.headers.X-Scope-OrgID=team-a");
        trial.run().exits(0);
        let request = &server.seen()[0];
        assert_eq!((request.path.as_str(), request.param("query")), (expected, "up"));
        assert_eq!(request.header("x-scope-orgid"), Some("team-a"));
        trial.expect_slos(0);
    }
}

#[test]
fn a_range_becomes_samples() {
    let values = r#"[[1700000000,"10"],[1700000010,"NaN"],[1700000020,"20"],[1700000030,"60"]]"#;
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":{values}}}]}}}}"#
    );
    let server = MisbehavingServer::responds(200, &body);
    let trial = native(&server, "base")
        .set("custommetrics.prometheus.queries.load.query=load{job=\"{{ .job }}\"},custommetrics.values.job=x")
        .set("custommetrics.prometheus.queries.load.range=10m,custommetrics.prometheus.queries.load.step=15s")
        .set("assess.SLOs.upper.prometheus/load/mean=30,assess.SLOs.upper.prometheus/load/max=60")
        .set("assess.SLOs.lower.prometheus/load/p50=15");
    trial.run().exits(0);
    let request = &server.seen()[0];
    assert_eq!((request.path.as_str(), request.param("query")), ("/base/api/v1/query_range", "load{job=\"x\"}"));
    let number = |name: &str| request.param(name).parse::<f64>().unwrap();
    assert!((number("end") - number("start") - 600.0).abs() < 0.001 && number("step") == 15.0, "{request:?}");
    assert!(!request.params.contains_key("time"));
    let outcome = trial.outcome();
    // Values that are not numbers are left out.
    assert_eq!(outcome.0["insights"]["nonHistMetricValues"][0]["prometheus/load"], serde_json::json!([10, 20, 60]));
    assert_eq!(outcome.verdict(0, "prometheus/load/mean")["value"], 30.0);
    trial.expect_slos(0);
}

#[test]
fn series_are_aggregated() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, &super::trial::vector(&["3", "1", "5"]));
    let reduces = [("sum", 9.0), ("max", 5.0), ("min", 1.0), ("avg", 3.0), ("first", 3.0)];
    let trial = reduces.iter().fold(native(&server, ""), |trial, (reduce, _)| {
        trial.set(format!("custommetrics.prometheus.queries.{reduce}.query=up,custommetrics.prometheus.queries.{reduce}.reduce={reduce}"))
    });
    let trial = trial.set("custommetrics.prometheus.queries.none.query=up,assess.SLOs.upper.prometheus/none=5");
    trial.run().snapshot(0);
    let outcome = trial.outcome();
    for (name, value) in reduces {
        let metric = format!("prometheus/{name}");
        assert_eq!(outcome.value(0, &metric), Some(value), "{name}");
        assert_eq!(outcome.seen(0, &metric)["series"], 3);
    }
    outcome.expect_no_value(0, "prometheus/none", "or set `reduce` to sum, max, min, avg, first");
    trial.expect_slos(1);
}

#[test]
fn a_pinned_url_overrides_the_templates() {
    let (right, wrong) = (MisbehavingServer::always(number("1")), MisbehavingServer::always(number("9")));
    let trial = Trial::of(&wrong, &[("m", FIRST)])
        .set(format!("custommetrics.providers.p.url={}tenant", right.url()))
        .set("custommetrics.providers.p.bearerToken.file=token");
    trial.cli.write("token", "hunter2\n");
    trial.run().exits(0);
    assert_eq!(right.seen()[0].path, "/tenant/api/v1/query");
    assert_eq!(right.seen()[0].header("authorization"), Some("Bearer hunter2"));
    assert_eq!((wrong.connections(), trial.outcome().value(0, "p/m")), (0, Some(1.0)));
}

/// A service that is not Prometheus, as Iter8's templates ask one: a body, headers, an expression on what it answers.
#[test]
fn a_rest_provider_has_a_body_and_an_expression() {
    let server = MisbehavingServer::scripted(|request| {
        let requested: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("x-team"), Some("canary"));
        match requested["metric"].as_str().unwrap() {
            "accuracy" => Reply::ok(&format!(
                r#"{{"data":[{{"model":"{}","accuracy":"0.93"}}]}}"#,
                requested["model"].as_str().unwrap()
            )),
            _ => Reply::ok(r#"{"data":[{"drift":1.5e-3},{"drift":0.5e-3}]}"#),
        }
    });
    let text = r#"url: {{ .url }}store/query?tenant=7
method: POST
headers:
  Content-Type: application/json
  X-Team: {{ .team }}
metrics:
- name: accuracy
  type: gauge
  description: share of right answers
  params:
  - {name: verbose, value: no}
  body: |
    {"metric": "accuracy", "model": "{{ .model }}"}
  jqExpression: .data[] | select(.model == "{{ .model }}") | .accuracy
- name: drift
  type: gauge
  body: '{"metric": "drift", "model": "{{ .model }}"}'
  jqExpression: '[.data[].drift] | add * 1000'
"#;
    let trial = Trial::with_template("p.tpl", text)
        .set(format!("custommetrics.values.url={},custommetrics.values.team=canary", server.url()))
        .set("custommetrics.versionValues[0].model=v1,custommetrics.versionValues[1].model=v2")
        .set("assess.SLOs.lower.p/accuracy=0.9,assess.SLOs.upper.p/drift=2");
    trial.run().exits(0);
    let outcome = trial.outcome();
    for version in 0..2 {
        assert_eq!(outcome.value(version, "p/accuracy"), Some(0.93));
        assert!((outcome.value(version, "p/drift").unwrap() - 2.0).abs() < 1e-9);
    }
    // A text is the number it says; how it was written stays known.
    assert_eq!(outcome.seen(0, "p/accuracy")["raw"], "0.93");
    let request = &server.seen()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/store/query"));
    // Only Prometheus's API has an instant.
    assert!(server.seen().iter().all(|request| !request.params.contains_key("time")));
    assert_eq!(request.param("tenant"), "7");
    trial.expect_slos(0);
}

#[test]
fn the_extension_selects_handlebars() {
    let server = MisbehavingServer::always(number("1"));
    let text = "url: {{url}}api/v1/query\nmetrics:\n{{#each percentiles}}\n- name: latency-p{{this}}\n  params:\n  - name: query\n    \
                value: 'q({{this}}, x{revision=\"{{../labels.revision}}\"}[{{../elapsedTimeSeconds}}s])'\n{{/each}}\n";
    for file in ["p.hbs", "P.HBS"] {
        let trial = Trial::with_template(file, text)
            .set(format!("custommetrics.values.url={}", server.url()))
            .set("custommetrics.values.percentiles={50,99.9},custommetrics.versionValues[0].labels.revision=r1")
            .set("assess.SLOs.upper.p/latency-p50=5,assess.SLOs.upper.p/latency-p99\\.9=5");
        trial.run().exits(0);
        let query = trial.outcome().seen(0, "p/latency-p99.9")["query"].as_str().unwrap().to_owned();
        assert!(query.starts_with("q(99.9, x{revision=\"r1\"}["), "{query}");
        trial.expect_slos(0);
    }
}

#[test]
fn numbers_of_values_are_floats_in_queries_as_in_helm() {
    let server = MisbehavingServer::always(number("1"));
    let trial = Trial::bare()
        .set(format!("custommetrics.prometheus.url={},custommetrics.values.x=50", server.url()))
        .set("assess.SLOs.upper.prometheus/m=5");
    let query =
        r#"q({{ printf "%.2f" .x }} {{ gt .x 0.5 }} {{ eq .x 50.0 }} {{ .x }} {{ kindOf .elapsedTimeSeconds }})"#;
    let trial = trial.set(format!("custommetrics.prometheus.queries.m.query={query}"));
    trial.run().exits(0);
    assert_eq!(trial.outcome().seen(0, "prometheus/m")["query"], "q(50.00 true true 50 int64)");
    // Never sent as `%!d(float64=50)`.
    let trial = trial.set(r#"custommetrics.prometheus.queries.m.query=q({{ printf "%d" .x }})"#);
    let output = trial.run();
    output.exits(3);
    assert!(output.stderr.contains("verb `%d` does not fit a float; use `%.0f`, or int"), "{output:#?}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_post_request_without_a_type_is_json_as_in_iter8() {
    let server = MisbehavingServer::scripted(|request| match request.header("content-type") {
        Some("application/json;charset=utf-8") => Reply::ok(r#"{"v":3}"#),
        Some("text/plain") => Reply::ok(r#"{"v":4}"#),
        other => Reply::plain(415, &format!("{other:?}")),
    });
    let text =
        format!("url: {}\nmethod: POST\nmetrics:\n- {{name: m, body: '{{}}', jqExpression: .v}}\n", server.url());
    let trial = Trial::with_template("p.tpl", &text).set("assess.SLOs.upper.p/m=5");
    trial.run().exits(0);
    assert_eq!(trial.outcome().value(0, "p/m"), Some(3.0));
    let trial = trial.set("custommetrics.providers.p.headers.Content-Type=text/plain");
    trial.run().exits(0);
    assert_eq!(trial.outcome().value(0, "p/m"), Some(4.0));
}

#[test]
fn warnings_of_providers_are_kept() {
    let _transcript = transcript!();
    let body = super::trial::vector(&["1"]).replacen('{', r#"{"warnings":["PromQL warning: x \u001b[31m"],"#, 1);
    let server = MisbehavingServer::responds(200, &body);
    let trial = Trial::of(&server, &[("m", FIRST)]);
    let output = trial.run();
    output.snapshot(0);
    assert!(!output.stderr.contains('\u{1b}'), "{output:#?}");
    assert_eq!(trial.outcome().seen(0, "p/m")["warnings"][0], "PromQL warning: x \u{1b}[31m");
    trial.expect_slos(0);
    trial.expect_intact();
    // A warning that is allowed by default can be made an error.
    let trial = trial.set("custommetrics.onWarning=inconclusive");
    trial.run().snapshot(0);
    trial.outcome().expect_no_value(0, "p/m", "warning from the provider: PromQL warning: x");
    trial.expect_slos(5);
}

/// VictoriaMetrics and Thanos: a value that one of several stores could not contribute to.
#[test]
fn partial_data_is_an_error_unless_it_is_allowed() {
    let _transcript = transcript!();
    for sign in [r#""isPartial":true"#, r#""warnings":["No StoreAPIs matched for this query"]"#] {
        let body = super::trial::vector(&["1"]).replacen('{', &format!("{{{sign},"), 1);
        let server = MisbehavingServer::responds(200, &body);
        let trial = Trial::of(&server, &[("m", FIRST)]).set("custommetrics.noData=pass");
        trial.run().snapshot(0);
        trial.outcome().expect_no_value(0, "p/m", "the provider returned partial data: ");
        trial.expect_slos(1);
        let trial = trial.set("custommetrics.partial=allow");
        trial.run().snapshot(0);
        let outcome = trial.outcome();
        assert_eq!((outcome.value(0, "p/m"), outcome.seen(0, "p/m")["missing"].is_null()), (Some(1.0), true));
        assert!(!outcome.seen(0, "p/m")["warnings"][0].is_null());
        trial.expect_slos(0);
        let trial = trial.set("custommetrics.partial=inconclusive,custommetrics.onError=fail");
        trial.run().snapshot(0);
        trial.expect_slos(5);
    }
}
