//! Load with which an analysis that decided nothing is worth repeating: long enough for the verdict that needs the most requests.

use std::collections::BTreeMap;

use super::assertion::of_version;
use crate::model::insights::Insights;
use crate::model::rollout::{LongerLoad, NextLoad};
use crate::model::slo::{Bound, Method, Outcome, Verdict};

/// Returns the load of the next analysis. Loops are judged on their own requests, so it has those of the newest loop again, and those that
/// are missing.
pub(crate) fn next_load(insights: &Insights) -> NextLoad {
    let open = || insights.verdicts.iter().filter(|verdict| verdict.verdict == Outcome::Inconclusive);
    let name = |verdict: &Verdict| format!("{}{}", of_version(insights, verdict), verdict.metric);
    if let Some(verdict) = open().find(|verdict| is_too_close(verdict)) {
        return NextLoad::Futile(name(verdict));
    }
    let loads = insights.load.iter().flat_map(BTreeMap::values);
    // Without a load, other requests are measured, whose number the experiment does not choose.
    let Some(took) = loads.map(|load| load.duration.0).max() else { return NextLoad::Same };
    let longer = |verdict: &Verdict| {
        let requests = requests(insights, verdict)?;
        // As many requests as before decide most runs: the same load is enough.
        let missing = verdict.needs.map(|needs| needs.requests).filter(|missing| *missing > 0)?;
        let all = requests.saturating_add(missing);
        Some(LongerLoad { objective: name(verdict), requests: all, times: all as f64 / requests as f64, took })
    };
    let longest = open().filter_map(longer).max_by(|a, b| a.times.total_cmp(&b.times));
    longest.map_or(NextLoad::Same, NextLoad::Longer)
}

/// Returns true if no reasonable number of requests would decide: the limit lies within the interval, and nobody can say how many are missing.
fn is_too_close(verdict: &Verdict) -> bool {
    let has_method = verdict.method.is_some_and(|method| method != Method::Point);
    let Some([low, high]) = verdict.interval.filter(|_| has_method && verdict.needs.is_none()) else { return false };
    if low.is_none() && high.is_none() {
        // Nothing is known about the value.
        return false;
    }
    // An interval on one side of the limit was held back for another reason, such as requests of unknown origin.
    match verdict.bound {
        Bound::Upper => low.is_none_or(|low| low <= verdict.limit) && high.is_none_or(|high| high > verdict.limit),
        Bound::Lower => low.is_none_or(|low| low < verdict.limit) && high.is_none_or(|high| high >= verdict.limit),
    }
}

/// Returns the number of requests that a verdict rests on; `None` if it is unknown.
fn requests(insights: &Insights, verdict: &Verdict) -> Option<u64> {
    let of_load = || {
        let provider = &verdict.metric.name().ok()?.provider;
        Some(insights.load.get(verdict.version)?.get(provider)?.counts.requests)
    };
    verdict.samples.or_else(of_load).filter(|requests| *requests > 0)
}

#[cfg(test)]
#[path = "next_load_tests.rs"]
mod tests;
