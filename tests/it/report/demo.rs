//! Reports of the demo, as a newcomer sees them.

use super::browser::{Scheme, check, has_browser};
use crate::support::cli_case::CliCase;

#[test]
fn the_page_of_the_demo_is_short() {
    if !has_browser() {
        return;
    }
    let cli = CliCase::new();
    cli.run(["demo"]).exits(0);
    let page = cli.read("report.html");
    assert!(page.len() < 300_000, "{} bytes", page.len());
    let found = check(&[("demo", page)], Scheme::Light);
    let heights: Vec<_> = found.iter().map(|page| (page.width, page.height)).collect();
    let wide = heights.iter().find(|(width, _)| *width == 1280);
    assert!(wide.is_some_and(|(_, height)| *height < 5_000), "{heights:?}");
    assert!(found.iter().all(|page| page.findings.is_empty()), "{found:#?}");
}

#[test]
fn the_text_of_the_demo_is_short_and_has_each_slo_once() {
    let cli = CliCase::new();
    cli.run(["demo"]).exits(0);
    // Limits that a busy machine keeps, too.
    let rates = ["http", "grpc", "server"].map(|provider| format!("assess.SLOs.upper.{provider}/error-rate=1"));
    let times =
        ["http/latency-mean", "http/latency-p99", "grpc/latency/p99", "server/latency-mean", "server/latency-p99"];
    let times = times.map(|metric| format!("assess.SLOs.upper.{metric}=60000"));
    let limits = rates.iter().chain(&times).flat_map(|limit| ["--set", limit]);
    cli.run(["assess"].into_iter().chain(limits)).exits(0);
    let text = cli.run(["report"]).stdout;
    assert!(text.starts_with("SLOs: 8 of 8 "), "{text}");
    assert!(text.lines().count() < 110, "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("<=")).count(), 8, "{text}");
    // Both versions were loaded in the same seconds and counted, so that a change has an interval.
    let report: serde_json::Value = serde_json::from_str(&cli.run(["report", "-o", "json"]).stdout).unwrap();
    let changes = report["changes"].as_array().unwrap();
    for metric in ["http/latency-p99", "grpc/latency/p99"] {
        let change = changes.iter().find(|change| change["metric"] == metric).unwrap();
        assert_eq!((&change["version"], &change["reference"]), (&"v2".into(), &"v1".into()), "{change}");
        assert!(change["interval"].is_array() && change["confidence"] == 0.95, "{change}");
    }
}
