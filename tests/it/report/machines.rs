//! Formats for machines: JUnit, Markdown, annotations of GitHub Actions, OpenMetrics and CSV.

use std::collections::BTreeSet;

use iter8::model::codec::to_yaml;
use iter8::model::document::{TaskRecord, TaskStatus};
use iter8::model::slo::{Outcome, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use super::{documents, extremes, render};
use crate::support::cli_case::CliCase;
use crate::support::tools;

/// Satisfied, violated with several versions, inconclusive, relative to a version, failed, interrupted, and with several loops.
const SHOWN: [&str; 7] =
    ["passing", "two-versions", "confidence", "confidence-relative", "failed", "interrupted", "loops"];

fn snapshots(format: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    let _settings = settings.bind_to_scope();
    for (name, document) in documents::all().into_iter().filter(|(name, _)| SHOWN.contains(name)) {
        insta::assert_snapshot!(format!("{format}-{name}"), render(format, &document));
    }
}

#[test]
fn junit_reports_match_their_snapshots() {
    snapshots("junit");
}

#[test]
fn markdown_reports_match_their_snapshots() {
    snapshots("markdown");
}

#[test]
fn annotations_match_their_snapshots() {
    snapshots("github");
}

#[test]
fn metrics_match_their_snapshots() {
    snapshots("openmetrics");
}

#[test]
fn tables_match_their_snapshots() {
    snapshots("csv");
}

/// Numbers of cases that failed or have an error, and of those that were skipped.
fn counts(xml: &str) -> (usize, usize) {
    let report = Report::deserialize_from_str(xml).unwrap();
    (report.failures + report.errors, report.skipped)
}

#[test]
fn slos_that_were_not_judged_do_not_pass() {
    let (_, mut document) = documents::all().into_iter().find(|(name, _)| *name == "passing").unwrap();
    let pass = |document: &_| render("openmetrics", document).contains("iter8_passed 1.0");
    assert!(pass(&document));
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    insights.verdicts.clear();
    insights.slos_satisfied = None;
    assert!(!pass(&document));
    let (failed, skipped) = counts(&render("junit", &document));
    assert!(failed + skipped > 0);
    assert!(!render("github", &document).starts_with("::notice"));
}

#[test]
fn machines_decide_as_assert_does() {
    let mut seen = BTreeSet::new();
    for (name, document) in documents::all() {
        let json: serde_json::Value = serde_json::from_str(&render("json", &document)).unwrap();
        let is_unassessed = json["summary"]["outcome"] == "unassessed";
        let has_slos = document.spec.iter().any(|task| task.name() == "assess");
        let conditions = if !has_slos { "completed,nofailure" } else { "completed,nofailure,slos" };
        let code = CliCase::new().run_with_input(["assert", "-", "-c", conditions], &to_yaml(&document).unwrap()).code;
        // Numbers that are not finite cannot be read.
        if matches!(name, "confidence-edited" | "hostile") {
            assert!(matches!(code, Some(2 | 4)), "{name}: {code:?}");
            continue;
        }
        let [xml, markdown, github, metrics] =
            ["junit", "markdown", "github", "openmetrics"].map(|format| render(format, &document));
        let (failed, skipped) = counts(&xml);
        let first = github.lines().next().unwrap();
        let is = match code {
            Some(0) => ("::notice", "### ✅", "iter8_passed 1.0"),
            Some(5) => ("::warning", "### ⚠️", "iter8_passed 0.0"),
            _ => ("::error", "### ❌", "iter8_passed 0.0"),
        };
        let is = if is_unassessed && code == Some(0) { (is.0, "### ⚪", is.2) } else { is };
        assert!(first.starts_with(is.0) && markdown.starts_with(is.1) && metrics.contains(is.2), "{name}: {code:?}");
        match code {
            Some(0) => assert_eq!(failed, 0, "{name}\n{xml}"),
            Some(5) => assert!(failed == 0 && skipped > 0, "{name}\n{xml}"),
            Some(1) => assert!(failed > 0, "{name}\n{xml}"),
            _ => panic!("{name}: {code:?}"),
        }
        seen.insert(code);
    }
    assert!([Some(0), Some(1), Some(5)].iter().all(|code| seen.contains(code)), "{seen:?}");
}

#[test]
fn cases_of_junit_are_the_verdicts() {
    for (name, document) in documents::all() {
        let json: serde_json::Value = serde_json::from_str(&render("json", &document)).unwrap();
        let report = Report::deserialize_from_str(&render("junit", &document)).unwrap();
        let cases = report.test_suites.iter().skip(1).flat_map(|suite| &suite.test_cases);
        let found: Vec<&str> = cases
            .map(|case| match &case.status {
                TestCaseStatus::Success { .. } => "satisfied",
                TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "violated",
                TestCaseStatus::NonSuccess { .. } => "error",
                TestCaseStatus::Skipped { .. } => "inconclusive",
            })
            .collect();
        let verdicts = json["verdicts"].as_array().unwrap().iter();
        let expected: Vec<&str> =
            verdicts.map(|verdict| verdict["verdict"].as_str().unwrap_or("inconclusive")).collect();
        assert_eq!(found, expected, "{name}");
        let suites = report.test_suites.iter();
        let ids = suites.flat_map(|suite| suite.test_cases.iter().map(|case| (&case.classname, &case.name)));
        let ids: Vec<_> = ids.map(|(class, name)| (class.as_ref().unwrap().as_str(), name.as_str())).collect();
        let is_hostile = name == "hostile";
        assert!(
            is_hostile || ids.iter().collect::<BTreeSet<_>>().len() == ids.len(),
            "{name}: cases have unique names"
        );
    }
}

#[test]
fn hostile_text_stays_in_its_place() {
    let mut document = extremes::hostile();
    let names = &mut document.result.as_mut().unwrap().insights.as_mut().unwrap().version_names;
    // Two names that are the same once they are shortened, and a formula with a column.
    let long = "w".repeat(400);
    for (name, hostile) in names.iter_mut().zip([format!("{long}a"), format!("{long}b"), "=1+1|x".to_owned()]) {
        name.version = hostile;
        name.track.clear();
    }
    let [markdown, github, metrics, csv, xml] =
        ["markdown", "github", "openmetrics", "csv", "junit"].map(|format| render(format, &document));
    for (format, report) in [("markdown", &markdown), ("github", &github), ("openmetrics", &metrics), ("csv", &csv)] {
        let acts = report.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(acts, None, "{format}");
        assert!(!report.contains("##vso[") && !report.contains("hunter2"), "{format}");
        // Only the annotations are commands, and the forged one is none of them.
        let forged = |line: &&str| line.trim_start().starts_with("::error::");
        assert_eq!(report.lines().find(forged), None, "{format}");
    }
    assert!(github.lines().all(|line| line.starts_with("::error title=") || line.starts_with("::warning title=")));
    assert!(!markdown.contains("<script") && !markdown.contains("<img"), "markup is escaped");
    assert!(markdown.len() < 65_536, "a comment on GitHub has at most 65,536 characters: {}", markdown.len());
    let rows: Vec<usize> =
        markdown.lines().filter(|line| line.starts_with("| ")).map(|l| l.matches('|').count()).collect();
    assert!(rows.iter().all(|count| [9, 7].contains(count)), "no name adds a column: {rows:?}");
    let mut series = BTreeSet::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        assert!(series.insert(line.rsplit_once(' ').unwrap().0), "two series have the same labels: {line}");
    }
    assert!(!xml.contains('\u{1b}') && counts(&xml).0 > 0);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    for record in reader.records() {
        let record = record.unwrap();
        let is_formula = |cell: &str| cell.starts_with(['=', '+', '@']);
        assert_eq!(record.iter().find(|cell| is_formula(cell)), None);
    }
    assert!(csv.contains("\n'=1+1|x,"), "{}", csv.lines().last().unwrap().chars().take(200).collect::<String>());
}

#[test]
fn markdown_fits_a_comment() {
    for (name, document) in documents::all() {
        let markdown = render("markdown", &document);
        assert!(markdown.len() < 65_536, "{name}: {} bytes", markdown.len());
    }
    let large = render("markdown", &extremes::large());
    assert!(large.contains(" more SLOs are not listed."), "what is missing is counted");
}

#[test]
fn lists_of_markdown_end_where_a_comment_is_full() {
    let (_, mut document) = documents::all().into_iter().find(|(name, _)| *name == "two-versions").unwrap();
    let result = document.result.as_mut().unwrap();
    let (task, spec) = (result.tasks[0].clone(), document.spec[0].clone());
    let failed = |at: usize| TaskRecord {
        status: TaskStatus::Failed,
        error: Some(format!("{at} {}", "@".repeat(10_000))),
        ..task.clone()
    };
    result.tasks.extend((0..200).map(failed));
    document.spec.extend(vec![spec; 200]);
    let insights = result.insights.as_mut().unwrap();
    let verdict = insights.verdicts[0].clone();
    let violated = |at: usize| Verdict { limit: at as f64, reason: "#".repeat(10_000), ..verdict.clone() };
    insights.verdicts.extend((1..500).map(violated));
    for loads in &mut insights.load {
        let mut load = loads["http"].clone();
        load.causes = [("@".repeat(1_000), 1)].into();
        loads.extend((0..60).map(|at| (format!("http-{at}{}", "|".repeat(1_000)), load.clone())));
    }
    let markdown = render("markdown", &document);
    assert!(markdown.len() <= 60_000, "{} bytes", markdown.len());
    for rest in ["more tasks failed.", "more SLOs are not listed.", "more reasons are", "more loads are not listed."] {
        assert!(markdown.contains(rest), "{rest}");
    }
}

#[test]
fn versions_whose_shown_names_are_the_same_keep_their_verdicts() {
    let (_, mut document) = documents::all().into_iter().find(|(name, _)| *name == "two-versions").unwrap();
    let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
    for verdict in &mut insights.verdicts {
        verdict.verdict = if verdict.version == 0 { Outcome::Satisfied } else { Outcome::Violated };
    }
    let long = "w".repeat(400);
    for names in
        [["v1.2", "v1_2"], ["v1_2 (2)", "v1.2 (2)"], ["experiment", "v2"], [&format!("{long}a"), &format!("{long}b")]]
    {
        let insights = document.result.as_mut().unwrap().insights.as_mut().unwrap();
        for (version, name) in insights.version_names.iter_mut().zip(names) {
            (version.version, version.track) = (name.to_owned(), String::new());
        }
        let report = Report::deserialize_from_str(&render("junit", &document)).unwrap();
        let ids: Vec<_> =
            report.test_suites.iter().map(|suite| suite.test_cases[0].classname.as_ref().unwrap().as_str()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3, "{ids:?}");
        let metrics = render("openmetrics", &document);
        let is = |verdict: &str| metrics.contains(&format!("verdict=\"{verdict}\"}} 1.0"));
        assert!(is("violated") && (is("satisfied") || names[0].len() > 200), "{names:?}");
        assert!(!is("satisfied") || names[0].len() < 200, "the worse verdict of one name counts");
    }
}

#[test]
fn prometheus_checks_the_metrics() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let Some(promtool) = tools::needed("promtool") else { return };
    for (name, document) in documents::all() {
        let metrics = render("openmetrics", &document);
        assert!(metrics.ends_with("\n# EOF\n") && metrics.matches("# EOF").count() == 1, "{name}");
        let mut check = Command::new(&promtool);
        check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = check.spawn().unwrap();
        child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.is_empty(), "{name}: {said}\n{metrics}");
    }
}
