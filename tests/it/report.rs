//! Reports of documents as runs leave them, in every format.

mod browser;
mod changes;
mod confidence;
mod delivery;
mod demo;
mod documents;
mod explained;
mod extremes;
mod machines;
mod providers;
mod rollouts;

use iter8::model::document::Experiment;
use iter8::model::number::Number;
use iter8::model::slo::{Outcome, Slo};
use iter8::report::Report;

fn render(format: &str, experiment: &Experiment) -> String {
    Report::of(experiment).render(iter8::report::format(format).unwrap()).unwrap()
}

/// Documents whose reports are kept as snapshots.
fn snapshots(format: &str) {
    for (name, document) in documents::all() {
        // Queries make the JSON of loops long; what is new in it is asserted below.
        let is_elsewhere = matches!(name, "large" | "hostile" | "endpoints") || name.starts_with("rollout-");
        if !is_elsewhere && (format, name) != ("json", "loops") {
            insta::assert_snapshot!(format!("{format}-{name}"), render(format, &document));
        }
    }
}

#[test]
fn text_reports_match_their_snapshots() {
    snapshots("text");
}

#[test]
fn json_reports_match_their_snapshots() {
    snapshots("json");
}

#[test]
fn pages_are_smaller_than_300_kb() {
    for (name, document) in documents::all() {
        let size = render("html", &document).len();
        assert!(size < 300_000, "{name}: {size} bytes");
    }
    // Larger than any document gets: the page cuts, and says so.
    let mut document = extremes::large();
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    let copies: Vec<_> = (0..40)
        .flat_map(|n| insights.metrics_info.clone().into_iter().map(move |(k, v)| (format!("{n}-{k}"), v)))
        .collect();
    insights.metrics_info.extend(copies);
    document.spec = vec![document.spec[0].clone(); 2_000];
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    insights.verdicts.iter_mut().for_each(|verdict| verdict.verdict = Outcome::Violated);
    let page = render("html", &document);
    let rest = page.split(" more SLOs, of which ").nth(1).unwrap();
    assert_ne!(rest.split(' ').next(), Some("0"), "violated SLOs that are left out are counted");
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert!(page.contains("more metrics are in the text and JSON reports"));
}

/// Notes of `assess` in the report of a document.
fn notes_of_assess(document: &Experiment) -> serde_json::Value {
    let report: serde_json::Value = serde_json::from_str(&render("json", document)).unwrap();
    let assess = report["tasks"].as_array().unwrap().iter().find(|task| task["task"] == "assess").unwrap();
    assess["notes"].clone()
}

#[test]
fn a_verdict_is_not_repeated_as_a_note_of_its_task() {
    let mut document = documents::two_versions();
    let result = document.result.as_mut().unwrap();
    let insights = result.insights.as_ref().unwrap();
    let violated = insights.verdicts.iter().find(|verdict| verdict.verdict == Outcome::Violated).unwrap().clone();
    let version = &insights.version_names[violated.version].version;
    let logged = format!("{version}: {}: {}", violated.metric, violated.reason);
    let assess = result.tasks.iter_mut().find(|task| task.task == "assess").unwrap();
    assess.notes = vec![logged.clone(), "a note of its own".to_owned()];
    assert_eq!(notes_of_assess(&document), serde_json::json!(["a note of its own"]));
    assert!(render("json", &document).contains(&violated.reason));
    // Reports cut long lists of reasons; the notes stay complete.
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    insights.verdicts.extend(std::iter::repeat_n(violated, 50));
    assert_eq!(notes_of_assess(&document), serde_json::json!([logged, "a note of its own"]));
}

#[test]
fn reports_contain_no_secret() {
    let documents = [extremes::hostile(), documents::two_versions(), documents::failed(), documents::passing()];
    for (document, format) in documents.iter().flat_map(|d| iter8::report::FORMATS.iter().map(move |f| (d, f))) {
        let report = Report::of(document).render(format).unwrap();
        for secret in ["hunter2", "s3cr3t-of-the-load", "not-for-eyes", "user:pw"] {
            assert!(!report.contains(secret), "{} in {}", secret, format.name);
        }
    }
}

#[test]
fn hostile_strings_are_escaped() {
    let document = extremes::hostile();
    let page = render("html", &document);
    assert!(
        !page.contains("<script") && !page.contains("<img") && page.contains("&lt;script&gt;"),
        "markup is escaped"
    );
    let (text, json) = (render("text", &document), render("json", &document));
    for (format, report) in [("html", &page), ("text", &text), ("json", &json)] {
        let acts = report.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(acts, None, "{format}");
        assert!(report.contains("::error::forged") && !report.contains("##vso["), "{format}");
        let command = report.lines().find(|line| line.trim_start().starts_with("::"));
        assert_eq!(command, None, "{format}");
    }
    assert!(page.contains("red\\n::error::forged"), "names have one line");
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(parsed.to_string().contains("\u{202e}txt.exe"), "JSON has the original characters");
    assert!(text.lines().all(|line| line.chars().count() <= 200), "no line is as long as what it is made of");
}

#[test]
fn text_reports_fit_80_columns_of_ascii() {
    for document in [documents::two_versions(), documents::passing(), documents::failed(), documents::iter8_v013()] {
        let text = render("text", &document);
        assert!(text.is_ascii(), "{text}");
        for line in text.lines() {
            assert!(line.len() <= 80 && line.trim_end() == line, "{line}");
        }
    }
}

#[test]
fn reports_are_deterministic() {
    for format in iter8::report::FORMATS {
        assert_eq!(
            Report::of(&documents::two_versions()).render(format).unwrap(),
            Report::of(&documents::two_versions()).render(format).unwrap()
        );
        assert_eq!(iter8::report::format(format.name).map(|f| f.extension), Some(format.extension));
    }
    assert!(iter8::report::format("pdf").is_none());
}

/// Path data of a page's curves.
fn paths(page: &str) -> Vec<&str> {
    page.split("<path d=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn loads_over_time_are_drawn_with_gaps_and_described() {
    let page = render("html", &documents::two_versions());
    let pause = "iris-v2: no request ended from 31 s to 35 s.";
    assert!(page.contains(pause), "the stall of the slow version is reported");
    assert_eq!(page.matches("o request ended").count(), 1, "the fast one had none");
    assert!(page.contains("iris-v1: 12,000 requests over 60 s, 198 to 200 per second; 0 errors."));
    assert_eq!(page.matches("Requests per second of http<").count(), 1, "both versions are in one chart with a title");
    assert_eq!(page.matches("<path class=\"limit requested\"").count(), 1, "the rate that both were asked for");
    let line = |kind: &str| {
        let rest = page.split(&format!("<g class=\"{kind}\"><path d=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    assert_eq!(line("s1 times").matches('M').count(), 2, "a pause is a gap in the latencies");
    assert_eq!(line("s1 rate").matches('M').count(), 1, "and none in the rate, which is zero then");
    assert_eq!(line("s0 times").matches('M').count(), 1);
    assert!(page.contains("<title>31 s: iris-v1 p99 "), "the pointer shows values");
    let none = render("html", &documents::iter8_v013());
    assert!(!none.contains("Over time"), "a document without series has no such section");
}

#[test]
fn drawn_paths_are_finite() {
    let page = render("html", &extremes::hostile());
    assert!(page.contains("Over time"));
    let is_path = |c: char| c.is_ascii_digit() || "MLHVZv .-".contains(c);
    for path in paths(&page) {
        assert!(path.chars().all(is_path), "{path}");
    }
}

/// Writes every report into a directory, to be looked at: `REPORTS=/tmp/reports cargo test --test it write_reports -- --ignored`.
#[test]
#[ignore = "for looking at: writes into the directory that REPORTS names"]
fn write_reports() {
    let directory = std::path::PathBuf::from(std::env::var("REPORTS").unwrap());
    std::fs::create_dir_all(&directory).unwrap();
    for (name, document) in documents::all() {
        for format in iter8::report::FORMATS {
            let path = directory.join(format!("{name}.{}", format.extension));
            std::fs::write(path, Report::of(&document).render(format).unwrap()).unwrap();
        }
    }
}

#[test]
fn the_text_report_lists_service_times_with_objectives() {
    let mut document = documents::passing();
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    for name in ["http/service-time-p50", "http/service-time-p99"] {
        insights.metrics_info.insert(name.to_owned(), insights.metrics_info["http/latency-p50"].clone());
        insights.non_hist_metric_values[0].insert(name.to_owned(), vec![5.0]);
    }
    let limit = Slo { metric: "http/service-time-p99".into(), limit: Number(60.0) };
    insights.slos.as_mut().unwrap().upper.push(limit);
    let text = render("text", &document);
    let listed =
        |name: &str| text.lines().any(|line| line.starts_with(&format!("  {name} (msec)")) && line.contains("| 5.00"));
    assert!(!listed("http/service-time-p50") && listed("http/service-time-p99"), "{text}");
    assert!(render("json", &document).contains("http/service-time-p50"));
}

#[test]
fn pages_show_mean_rates_and_full_method_names() {
    let mut document = documents::passing();
    let loads = &mut document.result.as_mut().unwrap().insights.as_mut().unwrap().load;
    let load = loads[0].values_mut().next().unwrap();
    load.method = "inference.GRPCInferenceService/ModelInfer".to_owned();
    let constant = render("html", &document);
    assert!(constant.contains("inference.GRPCInferenceService/ModelInfer"));
    assert!(constant.contains(">requested ") && !constant.contains("on average"));
    let loads = &mut document.result.as_mut().unwrap().insights.as_mut().unwrap().load;
    loads[0].values_mut().for_each(|load| load.stages = "from 0/s: 100/s in 30s".to_owned());
    assert!(render("html", &document).contains(" on average</text>"));
}
