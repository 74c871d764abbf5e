//! The built-in templates as texts: what they make of values, and what they refuse.

use std::collections::BTreeMap;

use iter8::templates::{Dialect, Template};
use serde_json::{Value, json};

use crate::support::{files, tools};

/// The built-in templates.
const BUILTINS: [&str; 3] = ["istio-prom", "kserve-modelmesh", "kserve-prometheus"];

/// A built-in template, rendered.
pub struct Provider {
    pub url: String,
    /// By name: the query, and what is said when it gives nothing.
    pub metrics: BTreeMap<String, (String, String)>,
}

/// Renders a built-in template with these values.
pub fn provider(name: &str, values: &Value) -> Result<Provider, String> {
    let text = render(name, values)?;
    let read: Value = iter8::model::codec::value_from_yaml(&text).unwrap();
    assert_eq!((&read["provider"], &read["method"]), (&json!(name), &json!("POST")));
    let metrics = read["metrics"].as_array().unwrap().iter().map(|metric| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(metric["params"][0]["name"], "query");
        (text(&metric["name"]), (text(&metric["params"][0]["value"]), text(&metric["whenEmpty"])))
    });
    Ok(Provider { url: read["url"].as_str().unwrap().to_owned(), metrics: metrics.collect() })
}

fn text(name: &str) -> String {
    let directory = files::root().join("src/tasks/custommetrics/builtin");
    [files::text(&directory.join("prometheus.tpl")), files::text(&directory.join(format!("{name}.tpl")))].concat()
}

fn render(name: &str, values: &Value) -> Result<String, String> {
    let now = chrono::DateTime::UNIX_EPOCH;
    let template = Template::for_values(Dialect::Go, &text(name), now, &["elapsedTimeSeconds"])
        .map_err(|fault| fault.to_string())?;
    template.render(values).map_err(|fault| fault.to_string())
}

/// The same by the real Helm; none if it is missing.
fn render_by_helm(name: &str, values: &Value) -> Option<String> {
    let helm = tools::needed("helm")?;
    let chart = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(chart.path().join(name), text).unwrap();
    std::fs::create_dir(chart.path().join("templates")).unwrap();
    write("Chart.yaml", "apiVersion: v2\nname: test\nversion: 0.1.0\n");
    write("text.tpl", &text(name));
    write("templates/text.yaml", "{{ tpl (.Files.Get \"text.tpl\") .Values }}");
    write("values.yaml", &values.to_string());
    let output = std::process::Command::new(helm).arg("template").arg(chart.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let manifest = String::from_utf8(output.stdout).unwrap();
    // The first two lines are Helm's.
    manifest.splitn(3, '\n').nth(2).map(str::to_owned)
}

#[test]
fn built_in_templates_render_as_in_helm() {
    let values = json!({
        "elapsedTimeSeconds": 60,
        "labels": {"a": "x", "b": 5, "c": true, "d": "\"\\\n", "reporter": "source"},
        "destinationWorkload": "w",
        "latencyPercentiles": [50, "99.9"],
    });
    for name in BUILTINS {
        let Some(expected) = render_by_helm(name, &values) else { return };
        assert_eq!(render(name, &values).unwrap().trim(), expected.trim(), "{name}");
    }
}

#[test]
fn the_server_url_has_a_default() {
    let url = |name: &str, more: Value| {
        let mut values = json!({"elapsedTimeSeconds": 1, "labels": {"a": "b"}});
        values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        provider(name, &values).unwrap().url
    };
    let cases = [
        ("istio-prom", json!({}), "http://prometheus.istio-system:9090/api/v1/query"),
        ("istio-prom", json!({"istioPromURL": "http://h:1/api/v1/query"}), "http://h:1/api/v1/query"),
        (
            "istio-prom",
            json!({"istioPromURL": "http://h:1", "prometheusURL": "https://p/x/"}),
            "https://p/x/api/v1/query",
        ),
        ("kserve-prometheus", json!({}), "http://prometheus-operated.kfserving-monitoring:9090/api/v1/query"),
        ("kserve-prometheus", json!({"prometheusURL": "http://h:1/"}), "http://h:1/api/v1/query"),
        ("kserve-prometheus", json!({"prometheusURL": "http://h:1/prom/api/v1/"}), "http://h:1/prom/api/v1/query"),
        ("kserve-modelmesh", json!({}), "http://prometheus-operated.monitoring:9090/api/v1/query"),
        ("kserve-modelmesh", json!({"prometheusURL": "http://h:1/api/v1/query/"}), "http://h:1/api/v1/query"),
    ];
    for (name, more, expected) in cases {
        assert_eq!(url(name, more), expected);
    }
}

#[test]
fn metric_names_match_those_of_iter8() {
    for name in BUILTINS {
        let values = json!({"elapsedTimeSeconds": 1, "labels": {"a": "b"}, "latencyPercentiles": [5, "50", 99.9, 100]});
        let names: Vec<String> = provider(name, &values).unwrap().metrics.into_keys().collect();
        let expected = [
            "error-count",
            "error-rate",
            "latency-mean",
            "latency-p100",
            "latency-p5",
            "latency-p50",
            "latency-p99.9",
            "request-count",
        ];
        assert_eq!(names, expected, "{name}");
    }
}

#[test]
fn istio_requests_are_counted_once() {
    let query = |more: Value| {
        let mut values = json!({"elapsedTimeSeconds": 1, "labels": {"destination_workload": "w"}});
        for (key, value) in more.as_object().unwrap() {
            values[key] = value.clone();
        }
        provider("istio-prom", &values).unwrap().metrics["request-count"].0.clone()
    };
    let series = |matchers: &str| format!("istio_requests_total{{{matchers}}}[1s]");
    let cases = [
        (json!({}), "destination_workload=\"w\",reporter=\"destination\""),
        (json!({"reporter": "source"}), "destination_workload=\"w\",reporter=\"source\""),
        (
            json!({"labels": {"app": "a", "reporter": "waypoint"}, "reporter": "source"}),
            "app=\"a\",reporter=\"waypoint\"",
        ),
        (
            json!({"labels": null, "destinationWorkload": "w", "destinationWorkloadNamespace": "n"}),
            "destination_workload=\"w\",destination_workload_namespace=\"n\",reporter=\"destination\"",
        ),
    ];
    for (more, expected) in cases {
        assert!(query(more).contains(&series(expected)), "{expected}");
    }
}

#[test]
fn label_values_cannot_alter_the_query() {
    let cases = [
        ("kserve-prometheus", json!({}), "labels: expected a map with at least one label"),
        ("istio-prom", json!({"reporter": "source"}), "at least one label besides reporter"),
        ("istio-prom", json!({"labels": {"reporter": "source"}}), "at least one label besides reporter"),
        ("istio-prom", json!({"labels": {"response_code": 200}}), "labels.response_code: reserved"),
        ("istio-prom", json!({"labels": {"grpc_response_status": 0}}), "labels.grpc_response_status: reserved"),
        ("kserve-modelmesh", json!({"labels": {"code": "OK"}}), "labels.code: reserved"),
        ("kserve-prometheus", json!({"labels": {"le": "5"}}), "labels.le: reserved"),
        ("kserve-prometheus", json!({"labels": {"a": {"b": 1}}}), "labels.a: expected a string, number or boolean"),
        ("kserve-prometheus", json!({"labels": {"a": [1]}}), "labels.a: expected a string, number or boolean"),
        ("kserve-prometheus", json!({"labels": {"a": null}}), "labels.a: expected a string, number or boolean"),
        ("kserve-prometheus", json!({"labels": {"a\"}) or up": "x"}}), "not a valid label name"),
        ("kserve-prometheus", json!({"labels": ["a"]}), "labels: expected a map"),
        (
            "kserve-prometheus",
            json!({"labels": {"a": 1}, "latencyPercentiles": 50}),
            "latencyPercentiles: expected a list, such as {50,99.9}",
        ),
    ];
    for (name, mut values, expected) in cases {
        values["elapsedTimeSeconds"] = json!(1);
        let message = provider(name, &values).err().unwrap_or_else(|| panic!("{values} was taken"));
        assert!(message.contains(expected), "{values}: {message}");
    }
    for percentile in [json!(101), json!(100.1), json!(-1), json!("p50"), json!("050"), json!("05"), json!("5.")] {
        let values = json!({"elapsedTimeSeconds": 1, "labels": {"a": 1}, "latencyPercentiles": [50, percentile]});
        let message = provider("kserve-prometheus", &values).err().unwrap_or_else(|| panic!("{percentile} was taken"));
        assert!(message.contains("is not a percentile; expected 0 to 100"), "{message}");
    }
}
