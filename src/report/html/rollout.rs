//! Rollout in steps: a chart of the candidate's percent over time, and a table with a row per step.
//!
//! The traffic stays at the percent of a step until the cluster shows the next one. Each stretch has the colour of the step's verdict.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::axis::{Axis, Tick, time_unit};
use super::chart::{CHARACTER, Chart, LEFT, LINE, RIGHT, TOP, WIDTH};
use super::state::{State, named, state};
use crate::model::duration::GoDuration;
use crate::model::rollout::RolloutPhase;
use crate::model::slo::Outcome;
use crate::report::show::coarse;
use crate::report::view::{Overall, RolloutReport, StepReport, StepState, TaskReport};

/// Height of the chart and bottom of its plot, in user units.
const HEIGHT: f64 = 270.0;
const BOTTOM: f64 = 216.0;
/// Percents with a tick.
const TICKS: [f64; 5] = [0.0, 25.0, 50.0, 75.0, 100.0];
/// Part of the time axis after the newest known time, so that the newest percent and its label are visible.
const TAIL: f64 = 0.18;

/// The section of the page.
#[derive(Clone, Serialize)]
pub(super) struct Rollout {
    pub title: String,
    facts: String,
    number: &'static str,
    charts: Vec<StepChart>,
    rows: Vec<Row>,
}

/// A chart of steps. The template draws its stretches instead of series.
#[derive(Clone, Serialize)]
struct StepChart {
    #[serde(flatten)]
    chart: Chart,
    stretches: Vec<Stretch>,
    /// Vertical lines: position, and both ends.
    moves: Vec<[f64; 3]>,
    labels: Vec<Label>,
    /// Positions of the marks of pauses.
    pauses: Vec<[f64; 2]>,
}

/// A period during which the percent does not change.
#[derive(Clone, Serialize)]
struct Stretch {
    state: State,
    /// Shown when the pointer is on it.
    title: String,
    /// Left, right and height.
    left: f64,
    right: f64,
    level: f64,
    /// True if its end is not known yet.
    is_open: bool,
    #[serde(skip)]
    percent: u8,
    #[serde(skip)]
    pause: bool,
}

#[derive(Clone, Serialize)]
struct Label {
    state: State,
    text: String,
    at: [f64; 2],
}

/// A step in the table.
#[derive(Clone, Serialize)]
struct Row {
    percent: String,
    state: State,
    pause: Option<&'static str>,
    reason: Option<String>,
    duration: String,
    split: Option<String>,
    analyses: String,
}

/// Builds the section.
pub(super) fn rollout(report: &RolloutReport, tasks: &[TaskReport], max: usize) -> Rollout {
    let RolloutReport { target, stable, candidate, .. } = report;
    Rollout {
        title: format!("{}: {}", named(target), report.phase),
        facts: format!("From {} to {}.", named(stable), named(candidate)),
        number: "r1",
        charts: chart(report, tasks).into_iter().collect(),
        rows: report.steps.iter().take(max).map(row).collect(),
    }
}

/// Describes the outcome of an experiment with a rollout; `None` if the rollout does not decide it.
pub(super) fn overall(report: &RolloutReport, outcome: Overall) -> Option<State> {
    let class = match outcome {
        Overall::Violated => "bad",
        Overall::Inconclusive => "open",
        Overall::Satisfied => "good",
        Overall::Incomplete => "plain",
        Overall::Unassessed | Overall::Failed | Overall::Interrupted | Overall::Invalid => return None,
    };
    Some(match report.phase {
        RolloutPhase::Progressing => state(class, "…", "The rollout is under way"),
        RolloutPhase::Paused => state("open", "‖", "The rollout is paused"),
        RolloutPhase::Promoting => state(class, "…", "The candidate is being promoted"),
        RolloutPhase::RollingBack => state(class, "…", "The candidate is being rolled back"),
        RolloutPhase::Promoted if class == "good" => state(class, "✓", "The candidate was promoted"),
        RolloutPhase::Promoted => return None,
        RolloutPhase::RolledBack => state(class, "✗", "The candidate was rolled back"),
        RolloutPhase::Stopped => state(class, "✗", "The rollout was stopped"),
    })
}

/// Returns the state in one sentence, with a capital unless it starts with a name.
pub(super) fn sentence(report: &RolloutReport) -> String {
    match report.sentence.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => report.sentence.clone(),
    }
}

fn row(step: &StepReport) -> Row {
    let time = |time: Option<GoDuration>| time.map(|time| coarse(time.0));
    Row {
        percent: format!("{} %", step.percent),
        state: step_state(step),
        pause: match (step.pause, step.state) {
            (true, StepState::Planned | StepState::Skipped) => Some("with a pause"),
            (true, _) => Some("pause"),
            (false, _) => None,
        },
        // The sentence above the chart ends with the reason for the last move.
        reason: step.reason_text().filter(|_| !step.is_final()),
        duration: time(step.duration).unwrap_or_else(|| "–".to_owned()),
        split: time(step.split_after).filter(|_| !step.is_final()),
        analyses: if step.is_final() { "–".to_owned() } else { step.analyses.to_string() },
    }
}

fn step_state(step: &StepReport) -> State {
    match (step.state, step.outcome) {
        (StepState::Promoted, _) => state("good", "✓", "promoted"),
        (StepState::RolledBack, _) => state("plain", "↩", "rolled back"),
        (StepState::Promoting, _) => state("plain", "…", "promoting"),
        (StepState::RollingBack, _) => state("plain", "…", "rolling back"),
        (_, Some(Outcome::Satisfied)) => state("good", "✓", "satisfied"),
        (_, Some(Outcome::Violated)) => state("bad", "✗", "violated"),
        (_, Some(Outcome::Inconclusive)) => state("open", "?", "inconclusive"),
        (StepState::Moving | StepState::Analyzing, None) => state("plain", "…", step.state.name()),
        (StepState::Paused, None) => state("open", "‖", "paused"),
        (_, None) => state("plain", "–", step.state.name()),
    }
}

/// Draws the percent over time; `None` if no traffic has moved. A step that has not ended extends to the end of the newest task.
fn chart(report: &RolloutReport, tasks: &[TaskReport]) -> Option<StepChart> {
    let since =
        |time: DateTime<Utc>| (time.signed_duration_since(report.start).num_milliseconds() as f64 / 1e3).max(0.0);
    let moved: Vec<(&StepReport, f64)> =
        report.steps.iter().filter_map(|step| Some((step, since(step.reached?)))).collect();
    let times = report.steps.iter().flat_map(|step| [step.start, step.reached, step.end]).chain([report.end]);
    let of_tasks = tasks.iter().filter_map(|task| Some(since(task.start?) + task.seconds.unwrap_or(0.0)));
    let of_tasks = of_tasks.filter(|_| report.end.is_none());
    let last = times.flatten().map(since).chain(of_tasks).fold(0.0, f64::max);
    moved.first()?;
    let length = (last / (1.0 - TAIL)).max(1e-3);
    let (unit, scale) = time_unit(length);
    let x = Axis::linear((0.0, length / scale), (LEFT, RIGHT));
    let y = Axis::linear((0.0, 108.0), (BOTTOM, TOP));
    let place = |seconds: f64| x.place(seconds / scale);
    // Nothing has moved before the first step.
    let mut stretches = vec![Stretch {
        state: state("plain", "–", "start"),
        title: "0 %, before the first step".to_owned(),
        left: place(0.0),
        right: place(moved.first().map_or(last, |(_, at)| *at)),
        level: y.place(0.0),
        is_open: false,
        percent: 0,
        pause: false,
    }];
    for (index, (step, from)) in moved.iter().enumerate() {
        let to = moved.get(index + 1).map_or(length, |(_, next)| *next).max(*from);
        stretches.push(Stretch {
            state: stretch_state(step, report),
            title: title(step),
            left: place(*from),
            right: place(to),
            level: y.place(step.percent.into()),
            is_open: index + 1 == moved.len() && report.end.is_none(),
            percent: step.percent,
            pause: step.pause && step.end.is_some() || step.state == StepState::Paused,
        });
    }
    let moves = stretches.windows(2).map(|pair| [pair[1].left, pair[0].level, pair[1].level]).collect();
    let chart = Chart {
        kind: "rollout",
        title: "Traffic of the candidate".to_owned(),
        description: described(report, last),
        x_label: format!("{unit} since the start of the rollout"),
        y_label: "% of the traffic".to_owned(),
        x_ticks: x.ticks(48.0),
        y_ticks: TICKS.map(|percent| Tick { at: y.place(percent), label: percent.to_string() }).to_vec(),
        plot: [LEFT, TOP, RIGHT, BOTTOM],
        size: [WIDTH, HEIGHT],
        series: Vec::new(),
        limits: Vec::new(),
        hovers: Vec::new(),
    };
    Some(StepChart { chart, moves, labels: labels(&stretches), pauses: pauses(&stretches), stretches })
}

/// Returns the state of a stretch; that after a rollback has the colour of what caused it.
fn stretch_state(step: &StepReport, report: &RolloutReport) -> State {
    let own = step_state(step);
    let is_violated = report.steps.iter().any(|step| step.state == StepState::Violated);
    match step.state {
        StepState::RolledBack if is_violated => State { class: "bad", ..own },
        _ => own,
    }
}

fn title(step: &StepReport) -> String {
    let mut parts = vec![format!("{} %: {}", step.percent, step_state(step).label)];
    parts.extend(step.duration.map(|time| coarse(time.0)));
    parts.extend((!step.is_final()).then(|| match step.analyses {
        1 => "1 analysis".to_owned(),
        count => format!("{count} analyses"),
    }));
    let reason = step.reason_text().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}{reason}", parts.join(", "))
}

/// Labels the stretches above their beginning, if there is space.
fn labels(stretches: &[Stretch]) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for (index, stretch) in stretches.iter().enumerate().skip(1) {
        let text = format!("{} {} %", stretch.state.sign, stretch.percent);
        let width = |text: &str| text.chars().count() as f64 * CHARACTER;
        let [from, at] = [stretch.left + 4.0, stretch.level - 6.0];
        let to = from + width(&text);
        let overlaps = |label: &Label| {
            let [left, top] = label.at;
            (top - at).abs() < LINE && left < to && from < left + width(&label.text)
        };
        // The line up to a later step passes above short stretches.
        let is_crossed = stretches[index + 1..].iter().any(|later| later.left < to && later.level < at + 4.0);
        if to <= WIDTH && !is_crossed && !labels.iter().any(overlaps) {
            labels.push(Label { state: stretch.state, text, at: [from, at] });
        }
    }
    labels
}

/// Places the marks of pauses at the ends of their stretches, where a person resumed the rollout or is awaited.
fn pauses(stretches: &[Stretch]) -> Vec<[f64; 2]> {
    let paused = stretches.iter().filter(|stretch| stretch.pause);
    paused.map(|stretch| [(stretch.right - 12.0).max((stretch.left + stretch.right) / 2.0), stretch.level]).collect()
}

fn described(report: &RolloutReport, seconds: f64) -> String {
    let steps: Vec<String> = report
        .steps
        .iter()
        .filter(|step| step.start.is_some())
        .map(|step| format!("{} % {}", step.percent, step_state(step).label))
        .collect();
    let time = coarse(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default());
    format!("{} steps in {time}: {}. The table has the figures.", steps.len(), steps.join(", "))
}
