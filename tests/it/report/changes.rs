//! Changes of versions against version 0, in every format that shows them.

use iter8::model::document::Experiment;
use iter8::model::insights::{Insights, Observation};
use iter8::model::load::Stopped;
use iter8::model::metric::{MetricMeta, MetricType};
use serde_json::Value;

use super::documents::{Behaviour, FAST, add_load, assess, both_done, experiment, http_and_assess, name_versions};
use super::render;

/// Slower than [`FAST`], but not three times as slow.
const SLOWER: Behaviour = Behaviour { median_ms: 20.0, failed: 98, ..FAST };

fn two_loads() -> Experiment {
    let mut insights = Insights::default();
    add_load(&mut insights, 0, "http", FAST);
    add_load(&mut insights, 1, "http", SLOWER);
    name_versions(&mut insights, &[("v1", ""), ("v2", "")]);
    assess(&mut insights, &[("http/latency-p99", 60.0), ("http/error-rate", 0.02)]);
    experiment(insights, http_and_assess(), both_done())
}

fn change(document: &Experiment, metric: &str, version: &str) -> Value {
    let report: Value = serde_json::from_str(&render("json", document)).unwrap();
    let changes = report["changes"].as_array().unwrap();
    let is_its = |change: &&Value| change["metric"] == metric && change["version"] == version;
    changes.iter().find(is_its).unwrap().clone()
}

/// Collapses white space and typographic signs.
fn plain(text: &str) -> String {
    let text = text.replace('−', "-").replace("&nbsp;", " ");
    text.split(char::is_whitespace).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_change_and_its_interval_read_the_same_in_every_format() {
    let document = two_loads();
    let report = |format| plain(&render(format, &document));
    let summary = report("summary");
    let candidate = summary.split_once(" http (v2): ").unwrap_or_else(|| panic!("{summary}")).1;
    let p99 = candidate.split_once(", p99 ").unwrap().1.split_once(" errors ").unwrap().0;
    // `44.52 ms +11 % (+9.7 to +13 %)`
    let (value, words) = p99.split_once(" ms ").unwrap();
    let (change, interval) = words.split_once(" (").unwrap();
    let interval = interval.trim_end_matches(')');
    assert!(change.starts_with('+') && interval.contains(" to "), "{p99}");
    let markdown = report("markdown");
    assert!(markdown.contains(&format!("| {value} ms | – | {change} ({interval}) |")), "{markdown}");
    assert!(markdown.contains(&format!("| {value} ms ({change}) |")), "{markdown}");
    assert!(markdown.contains("with its interval if there is one, each end with 95 % confidence"), "{markdown}");
    let text = report("text");
    assert!(text.contains(&format!("| {value} | {change} | {interval}: higher")), "{text}");
    assert!(text.contains("| 95 % interval"), "{text}");
    let page = report("html");
    assert!(page.contains(&format!("<b>{value} ms</b> <small>{change}</small>")), "{page}");
    assert!(page.contains(&format!("<b>{change}</b></td><td data-label=\"Interval\">{interval}</td>")), "{page}");
    // Errors: 98 of 12,000.
    assert!(summary.contains("errors 98 of 12,000 (0.82 %)"), "{summary}");
    assert!(page.contains("98 <small class=\"error\">0.82 %</small>"), "{page}");
    assert!(markdown.contains("| +0.82 pp (") && text.contains("| +0.82 pp |"), "{markdown}\n{text}");
}

#[test]
fn a_confidence_that_differs_between_versions_stands_beside_each_interval() {
    let mut insights = Insights::default();
    for version in 0..3 {
        add_load(&mut insights, version, "http", if version == 0 { FAST } else { SLOWER });
        add_load(&mut insights, version, "http-cart", FAST);
    }
    name_versions(&mut insights, &[("v1", ""), ("v2", ""), ("v3", "")]);
    assess(&mut insights, &[("http/latency-p99", 60.0)]);
    // This took half of the error of all intervals of v3, and ended the load of one endpoint.
    let cart = insights.load[2].get_mut("http-cart").unwrap();
    cart.stopped = Some(Stopped { confidence: 0.975, ..Stopped::default() });
    let document = experiment(insights, http_and_assess(), both_done());
    let confidence = |metric, version| change(&document, metric, version)["confidence"].clone();
    assert_eq!(confidence("http/latency-p99", "v2"), Value::from(0.95));
    assert_eq!(confidence("http/latency-p99", "v3"), Value::from(0.975));
    assert_eq!(confidence("http-cart/latency-p99", "v3"), Value::Null);
    let report = |format| plain(&render(format, &document));
    let (text, page, markdown) = (report("text"), report("html"), report("markdown"));
    for report in [&text, &page, &markdown] {
        assert!(report.contains(" % (95 %)") && report.contains(" % (97.5 %)"), "{report}");
    }
    assert!(text.contains("| interval ") && !text.contains("95 % interval"), "{text}");
    assert!(page.contains("Each end of an interval holds with the confidence beside it."), "{page}");
    assert!(markdown.contains("each end with the confidence beside it"), "{markdown}");
}

#[test]
fn a_metric_whose_values_may_be_negative_has_a_difference_and_no_ratio() {
    let of = |before: f64, after: f64| {
        let metric = "shop/balance";
        let mut insights = Insights::default();
        add_load(&mut insights, 0, "http", FAST);
        add_load(&mut insights, 1, "http", FAST);
        let meta = MetricMeta { description: String::new(), units: Some("EUR".to_owned()), kind: MetricType::Gauge };
        insights.metrics_info.insert(metric.to_owned(), meta);
        for (version, value) in [before, after].into_iter().enumerate() {
            insights.non_hist_metric_values[version].insert(metric.to_owned(), vec![value]);
            insights.observations[version]
                .insert(metric.to_owned(), Observation { status: Some(200), ..Observation::default() });
        }
        let document = experiment(insights, http_and_assess(), both_done());
        let change = change(&document, metric, "version 1");
        let page = plain(&render("html", &document));
        let row = page.split("<bdi>shop/balance</bdi>").nth(1).unwrap();
        let cell = row.split("data-label=\"Change\"><b>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        (change["comparison"].clone(), change["change"].as_f64(), cell)
    };
    // It rose.
    assert_eq!(of(-10.0, -5.0), ("difference".into(), Some(5.0), "+5.00 EUR".to_owned()));
    assert_eq!(of(-1.0, 2.0), ("difference".into(), Some(3.0), "+3.00 EUR".to_owned()));
    assert_eq!(of(0.0, 2.0), ("difference".into(), Some(2.0), "+2.00 EUR".to_owned()));
    assert_eq!(of(10.0, 5.0), ("ratio".into(), Some(0.5), "-50 %".to_owned()));
}
