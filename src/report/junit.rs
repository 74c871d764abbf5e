//! The report as JUnit XML, which CI systems show as test results.
//!
//! The first suite has the tasks, then there is a suite per version with a case per SLO. A violated SLO is a failure, an inconclusive one
//! is skipped, a failed task is an error. If `assert` does not pass for another reason, such as a split of traffic, the first suite has a
//! case for the condition. So the file has a failure or an error if and only if `assert` exits with 1, and at least one skipped case if
//! it exits with 5.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::explain::{facts, name, verdict_name};
use super::gate::{Decision, Gate};
use super::view::{ReportView, TaskReport, VersionReport, VersionVerdict};
use super::{Format, ReportError};
use crate::model::document::{Experiment, TaskStatus};
use crate::model::slo::Outcome;
use crate::model::text::{one_line, prefix, printable};
use crate::slo::assertion::{AssertCondition, Judgement};

pub(super) const FORMAT: Format = Format {
    name: "junit",
    content_type: "application/xml",
    extension: "xml",
    summary: "JUnit XML: a suite per version, a case per SLO",
    is_gate: true,
    is_own: |start| start.contains("<testsuites name=\"iter8\" "),
    render,
};

/// Name of the report, and first part of class names.
const NAME: &str = "iter8";
/// Name of the suite of tasks.
const EXPERIMENT: &str = "experiment";
/// Maximum characters of an error.
const MAX_TEXT: usize = 10_000;

fn render(experiment: &Experiment, view: &ReportView) -> Result<String, ReportError> {
    let gate = Gate::of(experiment, view);
    let mut report = Report::new(NAME);
    let judged = view.versions.iter().filter(|version| version.slos().next().is_some());
    let classes = classes(view);
    let class = |version: &VersionReport| classes.get(version.name.as_str()).map_or(NAME, String::as_str);
    let versions: Vec<TestSuite> = judged.map(|version| suite(&version.name, class(version), view)).collect();
    let mut run = TestSuite::new(EXPERIMENT);
    run.add_test_cases(view.tasks.iter().enumerate().map(|(index, task)| of_task(index, task, view.tasks.len())));
    let has = |count: fn(&TestSuite) -> usize| versions.iter().any(|suite| count(suite) > 0);
    let is_explained = match gate.decision {
        Decision::Passed => true,
        // Tasks are skipped for other reasons.
        Decision::Inconclusive => has(|suite| suite.skipped),
        Decision::Failed => has(|suite| suite.failures + suite.errors) || run.failures + run.errors > 0,
    };
    if !is_explained {
        run.add_test_cases(gate.unmet.iter().map(of_condition));
    }
    if let Some(start) = view.summary.start_time {
        run.set_timestamp(start);
    }
    let durations = view.tasks.iter().filter_map(|task| task.duration).map(|duration| duration.0);
    run.set_time(durations.fold(Duration::ZERO, |sum, duration| sum.saturating_add(duration)));
    report.add_test_suite(run);
    report.add_test_suites(versions);
    Ok(report.to_string()?)
}

/// Names the class of each version's cases. CI systems identify a case by its class and name, and read dots as packages.
fn classes(view: &ReportView) -> BTreeMap<&str, String> {
    let mut taken = BTreeSet::from([EXPERIMENT.to_owned()]);
    let mut classes = BTreeMap::new();
    for version in &view.versions {
        let class = name(&version.name.replace('.', "_"));
        let numbered = (2..).map(|number| format!("{class} ({number})"));
        let free = std::iter::once(class.clone()).chain(numbered).find(|class| !taken.contains(class));
        let class = free.unwrap_or(class);
        taken.insert(class.clone());
        classes.insert(version.name.as_str(), class);
    }
    classes
}

/// A suite with the SLOs of one version.
fn suite(version: &str, class: &str, view: &ReportView) -> TestSuite {
    let mut suite = TestSuite::new(name(version));
    let verdicts = view.verdicts.iter().filter(|verdict| verdict.version == version);
    suite.add_test_cases(verdicts.map(|verdict| of_slo(verdict, class)));
    if let Some(start) = view.summary.start_time {
        suite.set_timestamp(start);
    }
    suite
}

fn of_slo(verdict: &VersionVerdict, class: &str) -> TestCase {
    let mut status = match verdict.slo.verdict {
        Some(Outcome::Satisfied) => TestCaseStatus::success(),
        Some(Outcome::Violated) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Some(Outcome::Inconclusive) | None => TestCaseStatus::skipped(),
    };
    status.set_message(verdict.slo.reason_line());
    status.set_type(verdict_name(verdict.slo.verdict));
    status.set_description(facts(verdict).join("\n"));
    case(&verdict.slo.label(), class, status)
}

fn of_task(index: usize, task: &TaskReport, tasks: usize) -> TestCase {
    let error = || TestCaseStatus::non_success(NonSuccessKind::Error);
    let (mut status, message) = match task.status {
        TaskStatus::Done => (TestCaseStatus::success(), ""),
        TaskStatus::Skipped => (TestCaseStatus::skipped(), "skipped because its condition is false"),
        TaskStatus::Planned => (TestCaseStatus::skipped(), "did not run"),
        TaskStatus::Running => (error(), "has not finished"),
        TaskStatus::Interrupted => (error(), "interrupted"),
        TaskStatus::Failed => (error(), "failed"),
    };
    let text = prefix(task.error.as_deref().unwrap_or(message), MAX_TEXT);
    status.set_message(one_line(text));
    status.set_type("task");
    status.set_description(printable(text));
    let number = if tasks > 1 { format!("{}. ", index + 1) } else { String::new() };
    let mut case = case(&format!("{number}{}", name(&task.task)), EXPERIMENT, status);
    if let Some(duration) = task.duration {
        case.set_time(duration.0);
    }
    case
}

fn of_condition((condition, judgement): &(AssertCondition, Judgement)) -> TestCase {
    let mut status = match (judgement.inconclusive, condition) {
        (true, _) => TestCaseStatus::skipped(),
        (false, AssertCondition::Slos) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (false, _) => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let text = prefix(&judgement.sentence, MAX_TEXT);
    status.set_message(one_line(text));
    status.set_type(condition.name());
    status.set_description(printable(text));
    case(condition.name(), EXPERIMENT, status)
}

fn case(label: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(one_line(label), status);
    case.set_classname(format!("{NAME}.{class}"));
    case
}
