//! One look at a share of bad requests.

use std::cell::RefCell;

use crate::confidence::blocks::Block;
use crate::confidence::design_effect::{DesignEffect, FEW_BEFORE_END, tail_rule};
use crate::confidence::evidence::{ln_satisfied, ln_violated};
use crate::confidence::looks::{effective_with, few_blocks, satisfied_threshold, violated_threshold, with_burst};
use crate::confidence::proportion::design_effect;
use crate::model::slo::Outcome;

/// Requests of a version until a look, by interval of its series.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    /// Those that are known to be the version's, with the bad ones among them.
    pub(super) known: Vec<Block>,
    /// The same, with every bad request that may be the version's.
    pub(super) possible: Vec<Block>,
    /// Requests over p90, or over the middle between the median and the limit if that is higher; none if the limit is not above p90.
    pub(super) lower: Option<Vec<Block>>,
    /// Number of the known ones that have ended.
    pub(super) ended: f64,
}

/// Builds blocks from the columns of a series.
pub(super) fn columns(requests: &[u64], bad: &[u64]) -> Vec<Block> {
    requests.iter().zip(bad).map(|(n, k)| Block { n: *n as f64, k: *k as f64 }).collect()
}

/// Rules of a look at the versions of a load.
#[derive(Debug)]
pub(super) struct Rules {
    /// Admitted error of a claim at all looks and the end together.
    pub(super) alpha: f64,
    /// Number of objectives on the version.
    pub(super) objectives: usize,
    /// Longest burst of bad requests that may be unseen, in seconds.
    pub(super) burst: f64,
    /// Time since the start in seconds.
    pub(super) elapsed: f64,
    pub(super) corrections: Corrections,
}

/// Corrections for few blocks by degrees of freedom. Computing one takes longer than the rest of a look at an objective, and objectives
/// that no request violates have the same.
#[derive(Debug, Default)]
pub(super) struct Corrections(RefCell<Vec<(f64, f64)>>);

impl Corrections {
    fn of(&self, df: f64, alpha: f64) -> Option<f64> {
        let mut known = self.0.borrow_mut();
        if let Some((_, correction)) = known.iter().find(|(other, _)| *other == df) {
            return Some(*correction);
        }
        let correction = few_blocks(df, alpha)?;
        known.push((df, correction));
        Some(correction)
    }
}

/// Result of a look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Looked {
    pub(super) verdict: Outcome,
    /// Requests, and bad ones among them.
    pub(super) n: f64,
    pub(super) k: f64,
    /// Requests that have ended, of the version with fewer of them in a comparison.
    pub(super) samples: f64,
    pub(super) deff: f64,
    pub(super) df: f64,
    /// Evidence, from 0 to 1: 1 decides.
    pub(super) progress: f64,
}

/// Judges the share of bad requests against `theta0`. `None` if there are too few intervals, or impossible counts.
pub(super) fn look(requests: &Requests, theta0: f64, rules: &Rules) -> Option<Looked> {
    let violated = violated(requests, theta0, rules);
    let satisfied = satisfied(requests, theta0, rules);
    let decided = [violated, satisfied].into_iter().flatten().find(|looked| looked.verdict != Outcome::Inconclusive);
    let farthest = |a: Looked, b: Looked| if b.progress > a.progress { b } else { a };
    decided.or_else(|| [satisfied, violated].into_iter().flatten().reduce(farthest))
}

fn satisfied(requests: &Requests, theta0: f64, rules: &Rules) -> Option<Looked> {
    let sum = requests.possible.iter().copied().sum::<Block>();
    let own = design_effect(&requests.possible)?;
    let lower = match &requests.lower {
        // Without an estimate there is no early verdict.
        Some(blocks) => Some(design_effect(blocks)?),
        None => None,
    };
    let (effect, _) = tail_rule(own, sum.k, lower, FEW_BEFORE_END);
    let effect = with_burst(effect, sum.k, sum.n / rules.elapsed, rules.burst);
    let evidence = |k, n| ln_satisfied(k, n, theta0);
    let is_on_side = sum.k < theta0 * sum.n;
    looked(
        (sum, requests.ended),
        effect,
        rules,
        (Outcome::Satisfied, satisfied_threshold(rules.alpha)),
        is_on_side,
        evidence,
    )
}

fn violated(requests: &Requests, theta0: f64, rules: &Rules) -> Option<Looked> {
    let sum = requests.known.iter().copied().sum::<Block>();
    let effect = design_effect(&requests.known)?;
    let evidence = |k, n| ln_violated(k, n, theta0);
    let threshold = violated_threshold(rules.alpha, rules.objectives);
    let is_on_side = sum.k > theta0 * sum.n;
    looked((sum, requests.ended), effect, rules, (Outcome::Violated, threshold), is_on_side, evidence)
}

fn looked(
    (sum, samples): (Block, f64),
    effect: DesignEffect,
    rules: &Rules,
    (verdict, threshold): (Outcome, f64),
    is_on_side: bool,
    evidence: impl Fn(f64, f64) -> f64,
) -> Option<Looked> {
    // On the other side of the limit, there is no evidence, however many requests there are.
    let ln = if is_on_side {
        let correction = rules.corrections.of(effect.df, rules.alpha)?;
        let n = effective_with(sum.n, effect.deff, correction)?;
        evidence(sum.k / sum.n * n, n)
    } else {
        0.0
    };
    let is_decided = ln >= threshold;
    Some(Looked {
        verdict: if is_decided { verdict } else { Outcome::Inconclusive },
        n: sum.n,
        k: sum.k,
        samples,
        deff: effect.deff,
        df: effect.df,
        progress: if is_decided { 1.0 } else { (ln / threshold).clamp(0.0, 1.0) },
    })
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
