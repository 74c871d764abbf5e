//! The report as annotations of GitHub Actions: workflow commands, one per line.
//!
//! GitHub keeps [`MAX_ANNOTATIONS`] annotations of each level per step, and drops the rest without a word; the last one counts them.
//! Escapes are those of GitHub's toolkit: `%`, line ends, and in properties also `:` and `,`.

use std::fmt::Write;

use super::explain::{by_urgency, name};
use super::gate::{Decision, Gate, outcome_name};
use super::view::{ReportView, TaskReport, VersionVerdict};
use super::{Format, ReportError};
use crate::model::document::{Experiment, TaskStatus};
use crate::model::slo::Outcome;
use crate::model::text::{one_line, prefix};

pub(super) const FORMAT: Format = Format {
    name: "github",
    content_type: "text/plain; charset=utf-8",
    extension: "txt",
    summary: "annotations of GitHub Actions; --github also adds the step summary",
    is_gate: true,
    is_own: |_| false,
    render,
};

/// Maximum annotations per level and step.
const MAX_ANNOTATIONS: usize = 10;
/// Maximum characters of a message.
const MAX_TEXT: usize = 2_000;

/// Level of an annotation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    fn command(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// An annotation.
struct Annotation {
    level: Level,
    title: String,
    message: String,
}

fn render(experiment: &Experiment, view: &ReportView) -> Result<String, ReportError> {
    let gate = Gate::of(experiment, view);
    let verdict = Annotation {
        level: match gate.decision {
            Decision::Passed => Level::Notice,
            Decision::Inconclusive => Level::Warning,
            Decision::Failed => Level::Error,
        },
        title: format!("iter8: {}", outcome_name(view.summary.outcome)),
        message: prefix(&gate.sentence, MAX_TEXT).to_owned(),
    };
    let tasks = view.tasks.iter().filter_map(|task| of_task(task, &gate));
    let slos = by_urgency(&view.verdicts).into_iter().filter_map(|verdict| of_slo(verdict, view.versions.len()));
    let all: Vec<Annotation> = [verdict].into_iter().chain(tasks).chain(slos).collect();
    let mut out = String::new();
    for level in [Level::Error, Level::Warning, Level::Notice] {
        write(&mut out, level, all.iter().filter(|annotation| annotation.level == level).collect());
    }
    Ok(out)
}

fn write(out: &mut String, level: Level, mut annotations: Vec<&Annotation>) {
    let total = annotations.len();
    if total > MAX_ANNOTATIONS {
        annotations.truncate(MAX_ANNOTATIONS - 1);
    }
    let mut line = |title: &str, message: &str| {
        let _ = writeln!(out, "::{} title={}::{}", level.command(), property(title), data(message));
    };
    for annotation in &annotations {
        line(&annotation.title, &annotation.message);
    }
    if total > annotations.len() {
        let more = total - annotations.len();
        line("iter8", &format!("{more} more of this level are in the report; GitHub shows {MAX_ANNOTATIONS} per step"));
    }
}

/// Annotates a failed task, unless its error is the reason of the first annotation.
fn of_task(task: &TaskReport, gate: &Gate) -> Option<Annotation> {
    let text = match (&task.error, task.status) {
        (Some(error), TaskStatus::Failed) if !gate.has_reason(error) => error,
        _ => return None,
    };
    let title = format!("iter8: task {} failed", name(&task.task));
    Some(Annotation { level: Level::Error, title, message: prefix(text, MAX_TEXT).to_owned() })
}

fn of_slo(verdict: &VersionVerdict, versions: usize) -> Option<Annotation> {
    let slo = &verdict.slo;
    let (level, word) = match slo.verdict {
        Some(Outcome::Satisfied) => return None,
        Some(Outcome::Violated) => (Level::Error, "violated"),
        Some(Outcome::Inconclusive) => (Level::Warning, "inconclusive"),
        None => (Level::Warning, "not assessed"),
    };
    let version = if versions > 1 { format!("{}: ", name(&verdict.version)) } else { String::new() };
    Some(Annotation { level, title: format!("SLO {word}: {version}{}", slo.label()), message: slo.reason_line() })
}

/// Escapes a message.
fn data(text: &str) -> String {
    // GitHub would execute a command that starts inside the text.
    one_line(text).replace('%', "%25")
}

/// Escapes a property, which ends at a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_its_place_in_a_command() {
        assert_eq!(data("a\r\nb % ::error::c"), "a\\u{d}\\nb %25 ::error::c");
        assert_eq!(property("a,b::c%3A\n"), "a%2Cb%3A%3Ac%253A\\n");
        assert_eq!(data("##[error]x"), "\\u{23}#[error]x");
    }

    #[test]
    fn the_last_annotation_counts_those_that_github_would_drop() {
        let annotations: Vec<Annotation> =
            (0..12).map(|n| Annotation { level: Level::Error, title: n.to_string(), message: String::new() }).collect();
        let written = |count: usize| {
            let mut out = String::new();
            write(&mut out, Level::Error, annotations.iter().take(count).collect());
            out
        };
        assert_eq!(written(10).lines().count(), 10);
        assert!(written(10).ends_with("::error title=9::\n"), "{}", written(10));
        assert_eq!(written(12).lines().count(), 10);
        assert!(
            written(12).contains("\n::error title=8::\n::error title=iter8::3 more of this level"),
            "{}",
            written(12)
        );
    }
}
