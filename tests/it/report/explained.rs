//! Reports of loops and of custom metrics in each format.

use iter8::model::document::Experiment;
use iter8::model::insights::Observation;
use serde_json::{Value, json};

use super::{documents, providers, render};

fn json(document: &Experiment) -> Value {
    serde_json::from_str(&render("json", document)).unwrap()
}

#[test]
fn the_json_report_has_verdicts_per_loop() {
    let report = json(&providers::loops());
    let numbers: Vec<u64> =
        report["loops"].as_array().unwrap().iter().map(|row| row["loop"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14], "loop 7 was not assessed");
    assert_eq!(report["loops"][0]["start"], "2025-03-04T10:30:00Z");
    let trends = report["trends"].as_array().unwrap();
    assert_eq!(trends.len(), 8, "four objectives, two versions");
    for trend in trends {
        assert_eq!([&trend["values"], &trend["verdicts"]].map(|list| list.as_array().unwrap().len()), [13, 13]);
    }
    let slow = trends
        .iter()
        .find(|trend| trend["metric"] == "kserve-prometheus/latency-mean" && trend["version"] == "iris-v2");
    let violated =
        slow.unwrap()["verdicts"].as_array().unwrap().iter().filter(|verdict| **verdict == "violated").count();
    assert_eq!(violated, 3);
    // Iter8's documents have no record of loops, but the values of each.
    let report = json(&documents::iter8_multi_loop());
    assert_eq!(report["loops"], json!([1, 2, 3, 4].map(|number| json!({"loop": number, "start": null}))));
    assert_eq!(report["trends"][0]["values"], json!([31.2, 24.75, 18.0625, 17.5]));
    assert_eq!(report["trends"][1]["verdicts"], json!(["violated", "violated", "satisfied", "satisfied"]));
}

#[test]
fn lists_shorter_than_the_loops_are_not_numbered() {
    let mut document = documents::iter8_multi_loop();
    let result = document.result.as_mut().unwrap();
    let insights = result.insights.as_mut().unwrap();
    result.num_loops = 9;
    insights.non_hist_metric_values[0].get_mut("http/latency-p95").unwrap().drain(..2);
    let report = json(&document);
    assert_eq!(report["loops"][0]["loop"], Value::Null);
    assert_eq!(report["trends"][1]["values"], json!([null, null, 55.5, 48.25]), "the newest loop is the last of each");
    // If the newest loop had no value, the last value is that of an earlier loop.
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    let seen = Observation { no_data: Some("HTTP 503".to_owned()), ..Observation::default() };
    insights.observations = vec![[("http/latency-p95".to_owned(), seen)].into()];
    let report = json(&document);
    assert_eq!(report["trends"][1]["values"], json!([null, 55.5, 48.25, null]));
    let text = render("text", &document);
    assert!(text.contains("\n    3 earlier ") && text.contains("\n    newest loop "), "{text}");
}

#[test]
fn the_json_report_explains_custom_metrics() {
    let report = json(&providers::loops());
    let seen =
        |version: usize, name: &str| &report["versions"][version]["observations"][format!("kserve-prometheus/{name}")];
    let mut tail = seen(1, "latency-p99.9").clone();
    assert!(tail["query"].take().as_str().unwrap().starts_with("sum(\n    increase("));
    let expected = json!({
        "value": null, "units": "msec", "description": "99.9th percentile of latency", "query": null,
        "source": "http://prometheus-operated.kfserving-monitoring:9090/api/v1/query",
        "time": "2025-03-04T13:45:02Z", "status": 503, "attempts": 4, "series": null, "raw": null, "warnings": [],
        "samples": null, "policy": null,
        "missing": {"error": "status"}, "onError": null,
        "noData": "HTTP 503 in 4 attempts: Service Unavailable: upstream connect error or disconnect/reset before headers",
    });
    assert_eq!(tail, expected);
    let zero = seen(0, "alerts");
    assert_eq!(
        [&zero["value"], &zero["policy"], &zero["noData"]],
        [&json!(0.0), &json!("zero"), &json!("the answer has no series")]
    );
    let cpu = seen(0, "cpu");
    assert_eq!([&cpu["value"], &cpu["samples"]], [&Value::Null, &json!(15)]);
    // A load asks nobody, though it says where its values come from.
    let mut document = documents::passing();
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    let source = Some("http://iris.models/".to_owned());
    let seen = Observation { source, samples: Some(12_000), ..Observation::default() };
    insights.observations[0].insert("http/latency-mean".to_owned(), seen);
    assert_eq!(json(&document)["versions"][0]["observations"], json!({}));
}

#[test]
fn the_text_report_explains_custom_metrics() {
    let text = render("text", &providers::loops());
    let below = |version: &str, name: &str| {
        let section = text.split("Custom metrics without a value, or with a warning: their sources:").nth(1).unwrap();
        let metric = section.split(&format!("\n  kserve-prometheus/{name}")).nth(1).unwrap();
        metric.split(&format!("\n    {version}: ")).nth(1).unwrap().split("\n    iris-").next().unwrap().to_owned()
    };
    let tail = below("iris-v2", "latency-p99.9");
    for line in [
        "no value\n",
        "\n      reason:   HTTP 503 in 4 attempts: ",
        "\n      response: HTTP 503, 4 attempts, at 2025-03-04 13:45:02 UTC",
    ] {
        assert!(tail.contains(line), "{line:?} in {tail}");
    }
    // A query is not torn apart.
    let selector = r#"{namespace_name="models",revision_name="sklearn-iris-predictor-00002"}[840s])"#;
    assert!(
        tail.contains(&format!("\n                    increase(revision_app_request_latencies_sum{selector}")),
        "{tail}"
    );
    let cpu = below("iris-v1", "cpu (cores)");
    assert!(
        cpu.starts_with("15 samples, mean 0.29, max 0.40\n") && cpu.contains("\n      warning:  PromQL info"),
        "{cpu}"
    );
    let rate = below("iris-v1", "error-rate");
    assert!(rate.contains("\n      noData:   pass: SLOs on it count as satisfied\n"), "{rate}");
    assert!(below("iris-v2", "error-rate").contains("response: HTTP 200, 1 series, raw value 0.00"), "{text}");
}

#[test]
fn the_page_draws_loops_with_limits_and_violations() {
    let page = render("html", &providers::loops());
    let figures: Vec<&str> = page.split("<figure").filter(|figure| figure.contains("Value per loop")).collect();
    assert_eq!(figures.len(), 4);
    assert!(figures[0].contains("latency-p99.9"), "what is not satisfied comes first");
    let mean = figures.iter().find(|figure| figure.contains("kserve-prometheus/latency-mean")).unwrap();
    assert!(mean.contains("limit ≤ 50"));
    assert_eq!(mean.matches("class=\"ring failed\"").count(), 3);
    assert_eq!(mean.matches("class=\"cross\"").count(), 0);
    assert!(
        mean.contains("13 loops, limit ≤ 50. iris-v1: 13 satisfied, 0 violated; iris-v2: 10 satisfied, 3 violated.")
    );
    let line = mean.split("<g class=\"s0 trend\"><path d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(
        (line.matches('M').count(), line.matches('L').count()),
        (2, 11),
        "a gap where loop 7 is missing: {line}"
    );
    assert_eq!(figures[0].matches("class=\"cross\"").count(), 13, "a cross per loop without a value");
    assert!(!render("html", &documents::passing()).contains("id=\"loops\""), "one loop is no trend");
    assert!(render("html", &documents::iter8_multi_loop()).contains("id=\"loops\""));
}

#[test]
fn the_page_explains_custom_metrics() {
    let page = render("html", &providers::loops());
    let section = page.split("id=\"custom\"").nth(1).unwrap().split("id=\"tasks\"").next().unwrap();
    let metrics: Vec<&str> = section.split("<article").skip(1).collect();
    let order: Vec<bool> =
        metrics.iter().map(|metric| metric.contains("no value") || metric.contains("has no series")).collect();
    assert_eq!(order, [true, true, true, false, false]);
    for text in [
        "noData: pass: SLOs on it count as satisfied",
        "HTTP 503 · 4 attempts · at 4 March 2025, 13:45:02 UTC",
        "warning: PromQL info",
        "15 samples",
        "response_code_class!=&quot;2xx&quot;",
    ] {
        assert!(section.contains(text), "{text:?} in {section}");
    }
    assert!(!render("html", &documents::passing()).contains("id=\"custom\""));
}

#[test]
fn a_histogram_that_cannot_be_read_is_reported_with_the_reason() {
    let mut document = documents::passing();
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    insights.histograms[0].get_mut("http/latency").unwrap().data = "AAAA".to_owned();
    let reason = "the histogram of `http/latency` in the document cannot be read: ";
    let report = json(&document);
    let metric = &report["versions"][0]["metrics"]["http/latency"];
    assert!(metric["noData"].as_str().unwrap().starts_with(reason), "{metric}");
    let text = render("text", &document).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(reason.trim()), "{text}");
    assert!(render("html", &document).contains("in the document cannot be read"));
}
