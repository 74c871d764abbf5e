//! Rollout in steps: its state, then a row per step with the reason for its verdict.

use std::fmt::Write;

use super::table::Table;
use super::{heading, prose};
use crate::model::duration::GoDuration;
use crate::model::slo::Outcome;
use crate::model::text::one_line;
use crate::report::show::{coarse, squeezed};
use crate::report::view::{ReportView, RolloutReport, StepReport, StepState};

/// Maximum characters of a name.
const MAX_NAME: usize = 60;

pub(super) fn section(out: &mut String, view: &ReportView) {
    let Some(rollout) = &view.rollout else { return };
    heading(out, "Rollout");
    prose(out, "  ", &rollout.sentence.replace('→', "->"));
    facts(out, rollout);
    let titles = ["Verdict", "Split after", "Duration", "Analyses"];
    let mut table = Table::new("Traffic", titles.map(str::to_owned).to_vec());
    for step in &rollout.steps {
        let time = |time: Option<GoDuration>| time.map_or_else(|| "-".to_owned(), |time| coarse(time.0));
        let analyses = if step.is_final() { "-".to_owned() } else { step.analyses.to_string() };
        let pause = if step.pause { ", pause" } else { "" };
        let cells = vec![verdict(step), time(step.split_after), time(step.duration), analyses];
        table.row(format!("{} %{pause}", step.percent), cells);
        // The sentence above ends with the reason for the last move.
        if let Some(reason) = step.reason_text().filter(|_| !step.is_final()) {
            table.note(&reason);
        }
    }
    table.write(out);
}

fn facts(out: &mut String, rollout: &RolloutReport) {
    let name = |name: &str| squeezed(&one_line(name), MAX_NAME);
    out.push('\n');
    let _ = writeln!(out, "  Target: {}", name(&rollout.target));
    let _ = writeln!(out, "  Stable: {}", name(&rollout.stable));
    let _ = writeln!(out, "  Candidate: {}", name(&rollout.candidate));
    let time = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%d %H:%M:%S UTC");
    let _ = writeln!(out, "  Started: {}", time(rollout.start));
    if let Some(end) = rollout.end {
        let _ = writeln!(out, "  Ended: {}", time(end));
    }
    out.push('\n');
}

/// Names the verdict on a step, and its state if that says more.
fn verdict(step: &StepReport) -> String {
    let word = match step.outcome {
        Some(Outcome::Satisfied) => "satisfied",
        Some(Outcome::Violated) => "violated",
        Some(Outcome::Inconclusive) => "inconclusive",
        None => return step.state.name().to_owned(),
    };
    match step.state {
        StepState::Paused | StepState::Analyzing | StepState::Moving => format!("{word}, {}", step.state.name()),
        _ => word.to_owned(),
    }
}
