//! Loads that ended early because their verdicts were decided, in words.

use super::LoadReport;
use super::confidence::{Comparison, percent, span};
use crate::model::load::{Decision, Stopped};
use crate::model::slo::{Bound, Outcome};
use crate::report::show;

/// Maximum decisions in a sentence.
const MAX_DECISIONS: usize = 8;

impl LoadReport {
    /// Describes the early end of the load: its time, its cause and the decisions.
    pub fn stopped(&self) -> Option<String> {
        let stopped = self.load.stopped.as_ref()?;
        let at = span(stopped.at.0.as_secs_f64());
        let confidence =
            percent(stopped.confidence).map(|level| format!(" with {level} confidence")).unwrap_or_default();
        let decisions: Vec<String> = stopped.decisions.iter().take(MAX_DECISIONS).map(decision).collect();
        let more = match stopped.decisions.len().saturating_sub(MAX_DECISIONS) {
            0 => String::new(),
            more => format!("; {more} more"),
        };
        let list = if decisions.is_empty() { String::new() } else { format!(": {}{more}", decisions.join("; ")) };
        Some(format!("ended early, after {at}, because {}{confidence}{list}", cause(stopped)))
    }
}

fn cause(stopped: &Stopped) -> &'static str {
    let has = |outcome| stopped.decisions.iter().any(|decision| decision.verdict == outcome);
    match (has(Outcome::Violated), has(Outcome::Inconclusive) || stopped.decisions.is_empty()) {
        (true, _) => "a violation was decided",
        (false, true) => "the verdicts on another version were decided",
        (false, false) => "all its verdicts were decided",
    }
}

fn decision(decision: &Decision) -> String {
    let limit = show::short(decision.limit);
    let metric = &decision.metric;
    let condition = match (decision.bound, decision.reference) {
        (Bound::Upper, None) => format!("{metric} <= {limit}"),
        (Bound::Lower, None) => format!("{limit} <= {metric}"),
        (_, Some(_)) => match Comparison::of(None, metric) {
            Comparison::Ratio => format!("{metric} <= {limit} x version 0"),
            Comparison::Difference => format!("{metric} <= version 0 + {limit}"),
        },
    };
    let verdict = match decision.verdict {
        Outcome::Satisfied => "satisfied",
        Outcome::Violated => "violated",
        Outcome::Inconclusive => "undecided",
    };
    if decision.reference.is_some() {
        return format!("{condition} {verdict} ({} requests of both versions)", show::thousands(decision.n));
    }
    let counted = if metric.as_str().ends_with("/error-rate") { "failed" } else { "over the limit" };
    let [k, n] = [decision.k, decision.n].map(show::thousands);
    format!("{condition} {verdict} ({k} of {n} requests {counted})")
}
