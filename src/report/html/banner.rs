//! The verdict on the experiment: a headline, a sentence that details it, and the conditions of `assert` that do not hold.

use serde::Serialize;

use super::rollout;
use super::state::{State, named, state};
use crate::model::document::{Experiment, TaskStatus};
use crate::model::slo::Outcome;
use crate::model::split::Split;
use crate::redact::redact_text;
use crate::report::show::{clipped, percent};
use crate::report::view::{Overall, ReportView, SloReport, VersionVerdict};
use crate::slo::assertion::{AssertCondition, judge};

/// Maximum verdicts in the sentence, and characters of the reason of each.
const MAX_LISTED: usize = 3;
const MAX_REASON: usize = 200;

/// Content of the banner.
#[derive(Serialize)]
pub(super) struct Banner {
    state: State,
    title: String,
    sentence: String,
    checks: Vec<Check>,
}

/// A condition of `assert` that does not hold.
#[derive(Serialize)]
struct Check {
    state: State,
    sentence: String,
}

pub(super) fn banner(experiment: &Experiment, view: &ReportView) -> Banner {
    let (state, title) = headline(view);
    Banner { state, title, sentence: sentence(view), checks: checks(experiment, view) }
}

/// Numbers of SLOs by the worst verdict of all versions.
struct Counts {
    total: usize,
    violated: usize,
    inconclusive: usize,
}

impl Counts {
    fn of(view: &ReportView) -> Self {
        let rows = view.versions.iter().map(|version| version.slos.len()).max().unwrap_or(0);
        let verdicts = |row: usize| view.versions.iter().filter_map(move |version| version.slos.get(row)?.as_ref());
        let has = |row: usize, test: fn(&SloReport) -> bool| verdicts(row).any(test);
        let violated = |row: &usize| has(*row, |slo| slo.verdict == Some(Outcome::Violated));
        let open = |row: &usize| !violated(row) && has(*row, |slo| slo.verdict != Some(Outcome::Satisfied));
        Self { total: rows, violated: (0..rows).filter(violated).count(), inconclusive: (0..rows).filter(open).count() }
    }
}

fn headline(view: &ReportView) -> (State, String) {
    let outcome = view.summary.outcome;
    if let Some(state) = view.rollout.as_ref().and_then(|report| rollout::overall(report, outcome)) {
        return (state, state.label.to_owned());
    }
    let Counts { total, violated, inconclusive } = Counts::of(view);
    let slos = if total == 1 { "SLO" } else { "SLOs" };
    let versions = view.versions.iter().filter(|version| version.slos().next().is_some()).count();
    match outcome {
        Overall::Satisfied => {
            let by = match versions {
                0 | 1 => String::new(),
                2 => " by both versions".to_owned(),
                versions => format!(" by all {versions} versions"),
            };
            let title = if total == 1 {
                format!("The SLO is satisfied{by}")
            } else {
                format!("All {total} SLOs are satisfied{by}")
            };
            (state("good", "✓", "satisfied"), title)
        }
        Overall::Violated => {
            let open = if inconclusive > 0 { format!(", {inconclusive} inconclusive") } else { String::new() };
            (state("bad", "✗", "violated"), format!("{violated} of {total} {slos} violated{open}"))
        }
        Overall::Inconclusive if inconclusive > 0 => {
            (state("open", "?", "inconclusive"), format!("{inconclusive} of {total} {slos} inconclusive"))
        }
        Overall::Inconclusive => plain("open", "?", "Inconclusive"),
        Overall::Unassessed => plain("plain", "–", "Completed; no SLOs were assessed"),
        Overall::Failed => plain("bad", "✗", "The experiment failed"),
        Overall::Interrupted => plain("open", "!", "Interrupted; results are partial"),
        Overall::Incomplete => plain("plain", "…", "Some tasks have not finished"),
        Overall::Invalid => plain("bad", "✗", "The document contradicts itself or its spec"),
    }
}

fn plain(class: &'static str, sign: &'static str, label: &'static str) -> (State, String) {
    (state(class, sign, label), label.to_owned())
}

/// Details the headline: the state of a rollout, the task that failed, or the verdicts that matter.
fn sentence(view: &ReportView) -> String {
    if let Some(contradiction) = &view.summary.contradiction {
        return format!("Run the experiment again: {contradiction}.");
    }
    let verdicts = verdicts(view);
    match &view.rollout {
        Some(report) if view.summary.outcome == Overall::Satisfied => {
            format!("{}. {verdicts}", rollout::sentence(report))
        }
        // The reason names the task that failed, if one did.
        Some(report) => format!("{}.", rollout::sentence(report)),
        None => verdicts,
    }
}

fn verdicts(view: &ReportView) -> String {
    if view.summary.failure
        && let Some(task) = view.tasks.iter().find(|task| task.status == TaskStatus::Failed)
    {
        let reason = task.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        return format!("Task {} failed{reason}", named(&task.task));
    }
    let violated = of(view, Some(Outcome::Violated));
    let open = of(view, Some(Outcome::Inconclusive));
    match (violated.as_slice(), open.as_slice()) {
        ([], []) => nearest(view).unwrap_or_default(),
        ([], open) => listed(view, open),
        (violated, _) => listed(view, violated),
    }
}

fn of(view: &ReportView, outcome: Option<Outcome>) -> Vec<&VersionVerdict> {
    view.verdicts.iter().filter(|verdict| verdict.slo.verdict == outcome).collect()
}

fn listed(view: &ReportView, verdicts: &[&VersionVerdict]) -> String {
    let text = |verdict: &&VersionVerdict| {
        let slo = &verdict.slo;
        let version = if view.versions.len() == 1 { String::new() } else { format!("{}: ", named(&verdict.version)) };
        match slo.readable_value().filter(|_| slo.verdict == Some(Outcome::Violated) && slo.comparison.is_none()) {
            Some(value) => format!("{version}{} {value}, limit {}", named(&slo.metric), slo.readable_limit()),
            None => format!("{version}{}: {}", slo.typeset(80), clipped(&slo.readable_reason(), MAX_REASON)),
        }
    };
    let texts: Vec<String> = verdicts.iter().take(MAX_LISTED).map(text).collect();
    match verdicts.len().saturating_sub(MAX_LISTED) {
        0 => format!("{}.", texts.join("; ")),
        more => format!("{}; and {more} more.", texts.join("; ")),
    }
}

/// Names the satisfied SLO that is closest to its limit.
fn nearest(view: &ReportView) -> Option<String> {
    let shares = view.verdicts.iter().filter_map(|verdict| Some((verdict, verdict.slo.share_of_limit()?)));
    let (verdict, share) = shares.max_by(|(_, a), (_, b)| a.total_cmp(b)).filter(|(_, share)| *share > 0.0)?;
    let version = if view.versions.len() == 1 { String::new() } else { format!(" of {}", named(&verdict.version)) };
    let percent = percent(share * 100.0);
    Some(format!(
        "Closest to its limit: {}{version}, at {percent} of {}.",
        named(&verdict.slo.metric),
        verdict.slo.readable_limit()
    ))
}

fn checks(experiment: &Experiment, view: &ReportView) -> Vec<Check> {
    let insights = experiment.result.as_ref().and_then(|result| result.insights.as_ref());
    let is_assessed = insights.is_some_and(|insights| insights.slos_satisfied.is_some());
    let counts = view.summary.verdicts;
    let is_split = view.splits.iter().all(Split::is_satisfied);
    let check = |(condition, title): (AssertCondition, &'static str)| {
        let judged = judge(experiment, condition);
        if judged.holds {
            return None;
        }
        let is_of_slos = condition == AssertCondition::Slos;
        // The headline has what the verdicts say.
        let is_told = is_of_slos && counts.violated + counts.inconclusive > 0 && is_split && view.rollout.is_none();
        let is_open = condition != AssertCondition::NoFailure && counts.violated == 0 && !view.summary.failure;
        let state = if is_open { state("open", "?", title) } else { state("bad", "✗", title) };
        // The headline has the state of a rollout already.
        let phase = view.rollout.as_ref().filter(|report| report.sentence == redact_text(&judged.sentence));
        (!is_told).then(|| Check { state, sentence: phase.map_or(judged.sentence, |report| report.phase.to_string()) })
    };
    let slos = if is_assessed { "SLOs not satisfied" } else { "SLOs not assessed" };
    let conditions = [
        (AssertCondition::Completed, "Not completed"),
        (AssertCondition::NoFailure, "A task failed"),
        (AssertCondition::Slos, slos),
    ];
    conditions.into_iter().filter_map(check).collect()
}
