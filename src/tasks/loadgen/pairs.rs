//! Dependence of versions on version 0, for the loads that ran in the same seconds.
//!
//! A disturbance that hits both versions at once says nothing about their difference. It is seen in the intervals of both, which the document
//! no longer has in full, so it is computed at the end of the load for the percentiles that a verdict may be about.

use std::time::Duration;

use super::job::Load;
use super::merge::MergedLoad;
use super::watched::percentile;
use crate::confidence::blocks::{self, Block};
use crate::confidence::design_effect::{DesignEffect, FEW_AT_END, tail_rule};
use crate::confidence::ratio;
use crate::load::outcome::LoadOutcome;
use crate::load::paired::{Exceedances, PairedTimelines};
use crate::model::contribution::VersionMetrics;
use crate::model::load::Pair;
use crate::model::objectives::Objectives;

/// Percentiles that every pair has, for limits that are added later.
const PERCENTILES: [f64; 4] = [50.0, 90.0, 95.0, 99.0];

/// Maximum percentiles of a pair.
const MAX_PERCENTILES: usize = 16;

/// Percentile whose exceedances stand in for too few of a higher one.
const P90: f64 = 90.0;

/// Pairs of a version's load and that of version 0.
pub(super) struct Pairs {
    version: usize,
    provider: String,
    pairs: Vec<Pair>,
}

impl Pairs {
    /// Adds them to the record of the version's load.
    pub(super) fn put(self, versions: &mut [VersionMetrics]) {
        if let Some(record) = versions.get_mut(self.version).and_then(|version| version.load.get_mut(&self.provider)) {
            record.pairs = self.pairs;
        }
    }
}

/// Computes the pairs of loads that ran at the same time; none if verdicts need no confidence.
pub(super) fn of_group<L: Load>(group: &[&L], ended: &[MergedLoad], objectives: Option<&Objectives>) -> Vec<Pairs> {
    let mut all = Vec::new();
    let Some(objectives) = objectives.filter(|objectives| objectives.confidence.is_some()) else { return all };
    let loads = || group.iter().zip(ended).filter_map(|(load, ended)| Some((*load, ended.outcome.as_deref()?)));
    let mut put = |load: &L, version: usize, paired: Option<PairedTimelines>| {
        let provider = load.provider().to_owned();
        let pairs = paired.map(|paired| of(&paired, objectives, &provider)).unwrap_or_default();
        all.push(Pairs { version, provider, pairs });
    };
    for (load, outcome) in loads() {
        if load.attribution().is_some() {
            let known = outcome.versions.len().saturating_sub(1);
            for (index, version) in outcome.versions.iter().enumerate().take(known).skip(1) {
                let paired = PairedTimelines::new(&version.timeline, &outcome.versions[0].timeline);
                put(load, index, paired);
            }
        } else if load.version() > 0 {
            let mut baselines =
                loads().filter(|(other, _)| other.version() == 0 && other.provider() == load.provider());
            if let Some((_, baseline)) = baselines.next() {
                put(load, load.version(), simultaneous(outcome, baseline));
            }
        }
    }
    all
}

/// Pairs two loads whose starts are at most half an interval apart.
fn simultaneous(outcome: &LoadOutcome, baseline: &LoadOutcome) -> Option<PairedTimelines> {
    let [a, b] = [outcome.started, baseline.started];
    let apart: Duration = a.saturating_duration_since(b).max(b.saturating_duration_since(a));
    let paired = PairedTimelines::new(&outcome.timeline, &baseline.timeline)?;
    (apart.saturating_mul(2) <= paired.interval).then_some(paired)
}

/// Computes the pairs of two loads.
fn of(paired: &PairedTimelines, objectives: &Objectives, provider: &str) -> Vec<Pair> {
    let limits = objectives.relative.upper.iter().filter_map(|slo| percentile(slo, provider));
    let mut percentiles: Vec<f64> = PERCENTILES.into_iter().chain(limits).take(MAX_PERCENTILES).collect();
    percentiles.sort_by(f64::total_cmp);
    percentiles.dedup();
    percentiles.into_iter().filter_map(|p| pair(paired, p)).collect()
}

fn pair(paired: &PairedTimelines, p: f64) -> Option<Pair> {
    let (own, tail) = own_effect(paired, p)?;
    let of_p90 = if p > P90 { own_effect(paired, P90).map(|(effect, _)| effect) } else { None };
    let (DesignEffect { deff, df }, is_from_p90) = tail_rule(own, tail, of_p90, FEW_AT_END);
    (deff.is_finite() && df.is_finite()).then_some(Pair { percentile: p, deff, df, is_from_p90 })
}

/// Returns the design effect of a percentile's exceedances, and the number of requests over it, pooled. Of the counts below and above the
/// percentile's cell, the more dependent ones are taken.
fn own_effect(paired: &PairedTimelines, p: f64) -> Option<(DesignEffect, f64)> {
    let counted = paired.over_percentile(p)?.map(|intervals| intervals.into_iter().map(blocks_of).collect::<Vec<_>>());
    let share = |blocks: &[blocks::Pair]| {
        let both = || blocks.iter().flat_map(|pair| [pair.candidate, pair.baseline]);
        let (n, k): (f64, f64) = (both().map(|block| block.n).sum(), both().map(|block| block.k).sum());
        (n, k / n)
    };
    let (total, _) = share(&counted[0]);
    let q = p / 100.0;
    let seen = counted.iter().filter_map(|blocks| ratio::design_effect(blocks, 1.0 - share(blocks).1));
    // All latencies are in one cell, so none is seen over another.
    let effect = seen.max_by(|a, b| a.deff.total_cmp(&b.deff)).or_else(|| ratio::design_effect(&counted[0], q))?;
    Some((effect, (1.0 - q) * total))
}

fn blocks_of([candidate, baseline]: [Exceedances; 2]) -> blocks::Pair {
    let block = |counted: Exceedances| Block { n: counted.requests as f64, k: counted.over as f64 };
    blocks::Pair { candidate: block(candidate), baseline: block(baseline) }
}

#[cfg(test)]
#[path = "pairs_tests.rs"]
mod tests;
