//! Progress on standard error: one live line per running load on a terminal, a plain line every 10 s elsewhere, nothing with
//! `--quiet`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;

use super::exit::Exit;
use super::globals::Globals;
use super::narrow;
use super::output;
use super::style::{Style, label};
use super::terminal::{Terminal, live_width};
use crate::app::error::AppError;
use crate::app::run::OverallVerdict;
use crate::model::document::TaskStatus;
use crate::model::duration::GoDuration;
use crate::model::slo::Outcome;
use crate::model::text::{one_line, truncate};
use crate::ports::{Event, LoadProgress, Observer, SloProgress};

/// Time between two plain lines about the same load.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Columns of a bar, as in its template.
const BAR: usize = 12;

/// Longest name of a load in its live line, in characters.
const MAX_NAME: usize = 24;

/// Prints the events of a run.
pub(crate) struct Progress {
    mode: Mode,
    style: Style,
    state: Mutex<State>,
}

enum Mode {
    Quiet,
    Plain,
    Live(MultiProgress),
}

#[derive(Default)]
struct State {
    tasks: usize,
    bars: BTreeMap<String, ProgressBar>,
    /// Lines below the bars of loads with SLOs.
    evidence: BTreeMap<String, ProgressBar>,
    last_lines: BTreeMap<String, Instant>,
}

impl Progress {
    /// Selects the mode from the flags and the terminal.
    pub(crate) fn new(globals: &Globals) -> Self {
        let mode = if globals.quiet {
            Mode::Quiet
        } else if std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
            Mode::Live(MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(
                Box::new(Terminal::default()),
                8,
            )))
        } else {
            Mode::Plain
        };
        Self { mode, style: globals.style(), state: Mutex::default() }
    }

    /// Removes the live lines.
    pub(crate) fn finish(&self) {
        let state = &mut *self.state.lock();
        let lines =
            std::mem::take(&mut state.evidence).into_values().chain(std::mem::take(&mut state.bars).into_values());
        lines.for_each(|line| line.finish_and_clear());
    }

    /// Prints a line above the live ones.
    pub(crate) fn say(&self, line: &str) {
        match &self.mode {
            Mode::Quiet => {}
            Mode::Plain => output::to_stderr(&format!("{line}\n")),
            Mode::Live(live) => live.suspend(|| output::to_stderr(&format!("{line}\n"))),
        }
    }

    /// Prints the verdict on all SLOs, even with `--quiet`, and how the versions differ.
    pub(crate) fn verdict(&self, verdict: &OverallVerdict, difference: Option<&str>) {
        let colour = match verdict.outcome {
            Some(Outcome::Satisfied) => "32",
            Some(Outcome::Violated) => "31",
            Some(Outcome::Inconclusive) | None => "33",
        };
        let difference = difference.map(|difference| format!("; {}", one_line(difference))).unwrap_or_default();
        output::to_stderr(&format!("{}{difference}\n", label(&one_line(&verdict.to_string()), colour, self.style)));
    }

    /// Prints the error of a failed run, and returns its exit code.
    pub(crate) fn error(&self, error: &AppError) -> Exit {
        output::print_error(error, self.style)
    }

    fn load(&self, name: String, progress: LoadProgress) {
        match &self.mode {
            Mode::Quiet => {}
            Mode::Plain => {
                let mut state = self.state.lock();
                // Wait for the first line as well, so that short loads only print their end.
                let last = *state.last_lines.entry(name.clone()).or_insert_with(Instant::now);
                if progress.ended || last.elapsed() >= PLAIN_INTERVAL {
                    state.last_lines.insert(name.clone(), Instant::now());
                    drop(state);
                    self.say(&format!("  {name}: {}", plain_line(&progress)));
                }
            }
            Mode::Live(live) => {
                let mut state = self.state.lock();
                if progress.ended {
                    let lines = [state.evidence.remove(&name), state.bars.remove(&name)];
                    lines.iter().flatten().for_each(ProgressBar::finish_and_clear);
                    drop(state);
                    return self.say(&format!("  {name}: {}", load_line(&progress)));
                }
                let bar = state.bars.entry(name.clone()).or_insert_with(|| live.add(new_bar(&name)));
                bar.set_position((fraction(&progress) * 1000.0) as u64);
                let width = live_width();
                let taken = "  ".len() + truncate(&name, MAX_NAME).chars().count() + " [] ".len() + BAR;
                bar.set_message(narrow::fields(load_fields(&progress), width.saturating_sub(taken)));
                let line = line_below(&progress, self.style, width.saturating_sub("    ".len()));
                if !line.is_empty() {
                    let bar = bar.clone();
                    let below = state.evidence.entry(name).or_insert_with(|| live.insert_after(&bar, new_line()));
                    below.set_message(line);
                }
            }
        }
    }

    fn task_ended(&self, index: usize, task: &str, status: TaskStatus, duration: Duration, notes: &[String]) {
        let (word, colour) = match status {
            TaskStatus::Done => ("done", "32"),
            TaskStatus::Skipped => ("skipped", "33"),
            TaskStatus::Failed => ("failed", "31"),
            TaskStatus::Interrupted => ("interrupted", "33"),
            TaskStatus::Planned | TaskStatus::Running => ("running", "0"),
        };
        let time = GoDuration(Duration::from_millis(duration.as_millis() as u64));
        let total = self.state.lock().tasks;
        self.say(&format!("[{}/{total}] {task}: {} ({time})", index + 1, label(word, colour, self.style)));
        // Failures are printed once, as the error of the command.
        if status != TaskStatus::Failed {
            for note in notes {
                self.say(&format!("  {}", one_line(note)));
            }
        }
    }
}

fn new_bar(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("  {prefix} [{bar:12}] {wide_msg}");
    // A long name would leave no room, and a line that wraps cannot be cleared.
    let bar = ProgressBar::new(1000).with_prefix(truncate(name, MAX_NAME));
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

fn new_line() -> ProgressBar {
    let bar = ProgressBar::no_length();
    match ProgressStyle::with_template("    {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Returns the completed fraction of the load, 0 to 1.
fn fraction(progress: &LoadProgress) -> f64 {
    // Ramps and loads that lag behind have sent few of their requests when most of their time is over, so time counts too.
    let total = progress.total.filter(|total| *total > 0 && !progress.is_timed);
    let by_count = total.map(|total| progress.done as f64 / total as f64);
    let by_time = progress
        .planned
        .filter(|planned| !planned.is_zero())
        .map(|planned| progress.elapsed.as_secs_f64() / planned.as_secs_f64());
    by_count.into_iter().chain(by_time).fold(0.0, f64::max).min(1.0)
}

fn load_line(progress: &LoadProgress) -> String {
    load_fields(progress).into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(", ")
}

/// Fields of the line, each with its rank: narrow terminals lack those with the highest. The bar stands for the number of requests.
fn load_fields(progress: &LoadProgress) -> Vec<(u8, String)> {
    let seconds = progress.elapsed.as_secs_f64();
    let rate = if seconds > 0.0 { progress.done as f64 / seconds } else { 0.0 };
    let total = progress.total.map(|total| format!("/{total}")).unwrap_or_default();
    let mut fields: Vec<(u8, String)> =
        time_left(progress).map(|left| (1, format!("{left} left"))).into_iter().collect();
    fields.push((5, format!("{}{total} sent", progress.done)));
    fields.push((4, format!("{rate:.1}/s")));
    fields.push((0, format!("{} errors", progress.errors)));
    if let (Some(p50), Some(p99)) = (progress.p50_ms, progress.p99_ms) {
        fields.push((3, format!("p50 {p50:.2} ms")));
        fields.push((2, format!("p99 {p99:.2} ms")));
    }
    if !progress.split.is_empty() {
        fields.push((6, one_line(&progress.split)));
    }
    fields
}

/// Estimates the time left.
fn time_left(progress: &LoadProgress) -> Option<GoDuration> {
    let done = fraction(progress);
    let left = progress.elapsed.as_secs_f64() * (1.0 - done) / done;
    let is_known = !progress.ended && done > 0.01;
    is_known.then(|| GoDuration(Duration::from_secs(Duration::from_secs_f64(left.min(1e7)).as_secs())))
}

/// Returns the evidence on the SLOs that end a load, or else the state of each SLO so far; empty if there are none.
fn line_below(progress: &LoadProgress, style: Style, width: usize) -> String {
    if !progress.evidence.is_empty() {
        return narrow::words(&one_line(&progress.evidence), width);
    }
    let slo = |slo: &SloProgress| {
        let (sign, colour) = match slo.holds {
            Some(true) => ("✓", "32"),
            Some(false) => ("✗", "31"),
            None => ("?", "33"),
        };
        label(&format!("{sign} {}", one_line(&slo.text)), colour, style)
    };
    narrow::list(&progress.slos.iter().map(slo).collect::<Vec<_>>(), progress.more_slos, width)
}

/// Returns the line of a load without a terminal, where nothing limits its length.
fn plain_line(progress: &LoadProgress) -> String {
    let line = load_line(progress);
    // The verdict follows the end.
    let below = if progress.ended && progress.evidence.is_empty() {
        String::new()
    } else {
        line_below(progress, Style::Plain, usize::MAX)
    };
    if below.is_empty() { line } else { format!("{line}; {below}") }
}

impl Observer for Progress {
    fn observe(&self, event: Event) {
        match event {
            Event::RunStarted { tasks, loop_number } => {
                self.state.lock().tasks = tasks;
                if loop_number > 1 {
                    self.say(&format!("loop {loop_number}"));
                }
            }
            Event::TaskStarted { index, task } => {
                let total = self.state.lock().tasks;
                self.say(&format!("[{}/{total}] {task}", index + 1));
            }
            // The mark keeps the output of scripts and text from outside apart from ours.
            Event::TaskLog { line, .. } => self.say(&format!("  | {}", one_line(&line))),
            Event::Load { name, progress } => self.load(one_line(&name), progress),
            Event::TaskEnded { index, task, status, duration, notes } => {
                self.task_ended(index, &task, status, duration, &notes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_by_time_if_only_time_ends_the_load() {
        let seconds = |seconds| Duration::from_secs(seconds);
        // The start of a ramp: a tenth of the time, and a hundredth of the requests.
        let ramp = LoadProgress {
            done: 10,
            total: Some(1000),
            elapsed: seconds(2),
            planned: Some(seconds(20)),
            is_timed: true,
            ..LoadProgress::default()
        };
        assert_eq!(fraction(&ramp), 0.1);
        assert!(load_line(&ramp).starts_with("18s left, 10/1000 sent, "), "{}", load_line(&ramp));
        // The end of one down: half of the time, and most of the requests.
        let down = LoadProgress { done: 750, elapsed: seconds(10), ..ramp.clone() };
        assert_eq!(fraction(&down), 0.5);
        let counted = LoadProgress { planned: None, is_timed: false, done: 250, ..ramp.clone() };
        assert_eq!(fraction(&counted), 0.25);
        // `max-duration` ends it sooner.
        assert_eq!(fraction(&LoadProgress { planned: Some(seconds(4)), ..counted.clone() }), 0.5);
        assert_eq!(fraction(&LoadProgress { total: None, ..counted.clone() }), 0.0);
        assert_eq!(fraction(&LoadProgress { elapsed: seconds(30), ..ramp.clone() }), 1.0);
    }

    #[test]
    fn slos_are_shown_with_their_state_below_the_load_and_evidence_takes_their_place() {
        let slo = |text: &str, holds| SloProgress { text: text.to_owned(), holds };
        let slos = vec![slo("a/b 1 <= 2", Some(true)), slo("a/c 3 > 2", Some(false)), slo("a/d", None)];
        let progress = LoadProgress { slos, ..LoadProgress::default() };
        assert_eq!(line_below(&progress, Style::Plain, usize::MAX), "✓ a/b 1 <= 2, ✗ a/c 3 > 2, ? a/d");
        assert!(line_below(&progress, Style::Coloured, usize::MAX).contains("\x1b[31m✗ a/c 3 > 2\x1b[0m, "));
        assert!(plain_line(&progress).ends_with("; ✓ a/b 1 <= 2, ✗ a/c 3 > 2, ? a/d"));
        let more = LoadProgress { more_slos: 3, ..progress.clone() };
        assert!(line_below(&more, Style::Plain, usize::MAX).ends_with(", ? a/d, and 3 more"));
        // Its verdict follows the end of a load.
        assert!(plain_line(&LoadProgress { ended: true, ..progress.clone() }).ends_with(" errors"));
        let evidence = LoadProgress { evidence: "2 of 3 decided".to_owned(), ..progress };
        assert_eq!(line_below(&evidence, Style::Plain, usize::MAX), "2 of 3 decided");
    }
}
