//! SLOs with their verdicts: one line each, and a sentence for verdicts with a confidence and those that are not satisfied.
//!
//! Violated SLOs come first, then undecided ones.

use serde::Serialize;

use super::interval::{self, Drawn};
use super::links::Links;
use super::state::{State, named, state};
use crate::model::slo::Outcome;
use crate::report::interval::Scale;
use crate::report::show::percent;
use crate::report::view::{ReportView, SloReport, VersionReport};

/// An SLO and the verdicts of its versions.
#[derive(Serialize)]
pub(super) struct Slo {
    state: State,
    condition: String,
    /// Identity of its chart or table on the page.
    link: Option<String>,
    rows: Vec<Row>,
    /// Lines of the table, explanations included.
    lines: usize,
    #[serde(skip)]
    rank: usize,
}

impl Slo {
    /// Returns true if a verdict has an interval.
    pub fn has_interval(&self) -> bool {
        self.rows.iter().any(|row| row.interval.is_some())
    }
}

/// Verdict on one version.
#[derive(Serialize)]
struct Row {
    version: String,
    state: State,
    value: Option<String>,
    interval: Option<String>,
    bar: Option<Drawn>,
    /// Share of the limit, in percent.
    share: Option<String>,
    /// Reason of the verdict; if it is not satisfied, also effective samples and further requests.
    notes: Vec<String>,
}

/// Lists the SLOs by urgency, at most `max` lines of them. Returns also the number of those that are left out, and how many of these are
/// not satisfied.
pub(super) fn slos(view: &ReportView, links: &Links, max: usize) -> (Vec<Slo>, usize, usize) {
    let rows = view.versions.iter().map(|version| version.slos.len()).max().unwrap_or(0);
    let mut slos: Vec<Slo> = (0..rows).filter_map(|row| slo(view, links, row)).collect();
    slos.sort_by_key(|slo| slo.rank);
    let mut used = 0;
    let listed = slos.iter().take_while(|slo| {
        used += slo.lines;
        used <= max
    });
    let listed = listed.count().max(1).min(slos.len());
    let rest = slos.split_off(listed);
    (slos, rest.len(), rest.iter().filter(|slo| slo.rank < 2).count())
}

fn slo(view: &ReportView, links: &Links, row: usize) -> Option<Slo> {
    let verdicts = || view.versions.iter().filter_map(move |version| Some((version, version.slos.get(row)?.as_ref()?)));
    let (_, first) = verdicts().next()?;
    let scale = Scale::from_zero(verdicts().map(|(_, slo)| slo));
    let of_version = |(column, (version, slo)): (usize, (&VersionReport, &SloReport))| Row {
        version: named(&version.name),
        state: outcome(slo.verdict),
        value: slo.readable_value(),
        interval: slo.readable_interval().filter(|_| slo.percent().is_some()),
        bar: scale
            .and_then(|scale| interval::drawn(slo, scale, format!("v{row}-{column}"), outcome(slo.verdict).class)),
        share: slo.share_of_limit().map(|share| percent(share * 100.0)),
        notes: notes(slo),
    };
    let rows: Vec<Row> = verdicts().enumerate().map(of_version).collect();
    let worst = verdicts().map(|(_, slo)| slo.verdict).min_by_key(|verdict| rank(*verdict)).flatten();
    Some(Slo {
        state: outcome(worst),
        condition: first.typeset(80),
        link: links.of(&first.metric),
        lines: rows.iter().map(|row| 1 + usize::from(!row.notes.is_empty())).sum(),
        rows,
        rank: rank(worst),
    })
}

fn rank(verdict: Option<Outcome>) -> usize {
    match verdict {
        Some(Outcome::Violated) => 0,
        Some(Outcome::Inconclusive) | None => 1,
        Some(Outcome::Satisfied) => 2,
    }
}

fn outcome(outcome: Option<Outcome>) -> State {
    match outcome {
        Some(Outcome::Satisfied) => state("good", "✓", "satisfied"),
        Some(Outcome::Violated) => state("bad", "✗", "violated"),
        Some(Outcome::Inconclusive) => state("open", "?", "inconclusive"),
        None => state("plain", "–", "not assessed"),
    }
}

/// Explains a verdict. Without a confidence, the line of a satisfied one has all that there is to say about a value within its limit.
fn notes(slo: &SloReport) -> Vec<String> {
    let is_satisfied = slo.verdict == Some(Outcome::Satisfied) && slo.value.is_some_and(f64::is_finite);
    let misfit = interval::misfit(slo);
    let reason = Some(slo.readable_reason()).filter(|reason| !reason.is_empty());
    if is_satisfied {
        let reason = reason.filter(|_| slo.percent().is_some());
        return [reason, misfit].into_iter().flatten().collect();
    }
    let effective = slo.effective_text().map(|text| format!("effective samples {text}"));
    let needs = slo.needs_text().map(|text| format!("needs {text}"));
    [reason, misfit, effective, needs].into_iter().flatten().collect()
}
