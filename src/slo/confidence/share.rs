//! A share of bad requests against its limit: the one test behind error rates and percentiles.

use super::columns::Effect;
use super::words::{percent, period};
use crate::confidence::blocks::Block;
use crate::confidence::dependence::NOT_STEADY;
use crate::confidence::design_effect::DesignEffect;
use crate::confidence::needs;
use crate::confidence::proportion::{self, Effective};
use crate::model::readable::thousands;
use crate::model::slo::{Needs, Outcome};

/// Counts of bad requests, and the limit of their share.
#[derive(Clone, Debug)]
pub(super) struct Share {
    /// Least and largest possible number of bad requests; the same if they were counted exactly.
    pub bad: [f64; 2],
    pub total: f64,
    /// Bad requests of unknown origin, which may belong to this version.
    pub harm: f64,
    /// Dependence of the bad requests with those, which may have come together; `None` if nothing shows it.
    pub harmed: Option<DesignEffect>,
    /// The highest share within the limit.
    pub theta0: f64,
}

/// Result of the test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tested {
    pub outcome: Outcome,
    /// The effective share at the least number of bad requests, and at the largest.
    pub shares: [Effective; 2],
    /// Error of "violated".
    pub p_violated: f64,
    /// True if only requests of unknown origin keep the share from being within the limit.
    pub is_harmed: bool,
}

impl Share {
    /// Tests the share. "Satisfied" needs the largest possible number of bad requests, and "violated" the smallest. `None` for impossible
    /// counts.
    pub fn test(&self, effect: &Effect, alpha: f64) -> Option<Tested> {
        let with = |bad: f64, total: f64, effect: DesignEffect| {
            proportion::effective_with(bad, total, effect.deff, effect.df, alpha)
        };
        let own = effect.effect;
        let shares = [with(self.bad[0], self.total, own)?, with(self.bad[1], self.total, own)?];
        let worst = self.harmed.map_or(own, |harmed| own.larger(harmed));
        let harmed = with(self.bad[1] + self.harm, self.total + self.harm, worst)?;
        let p_violated = proportion::p_violated(&shares[0], self.theta0);
        let is_satisfied = |share: &Effective| proportion::p_satisfied(share, self.theta0) <= alpha;
        let is_harmed = is_satisfied(&shares[1]) && !is_satisfied(&harmed);
        let outcome = if is_satisfied(&harmed) {
            Outcome::Satisfied
        } else if p_violated <= alpha {
            Outcome::Violated
        } else {
            Outcome::Inconclusive
        };
        Some(Tested { outcome, shares, p_violated, is_harmed })
    }

    /// Returns true if the share may be within its limit and over it, depending on requests that could not be counted.
    pub fn is_on_both_sides(&self) -> bool {
        let within = self.theta0 * self.total;
        self.bad[0] <= within && self.bad[1] > within
    }

    /// Further requests that would probably decide, at `rate` per second.
    pub fn needs(&self, tested: &Tested, alpha: f64, rate: Option<f64>) -> Option<Needs> {
        let share = tested.shares[1];
        let missing = |per_independent: f64| {
            let requests = needs::requests(share.p, self.theta0, per_independent, alpha)?;
            needs::missing(requests, self.total)
        };
        // Few intervals lower the effective number, too: by the design effect alone there may be enough requests.
        let by_effect = missing(share.deff).filter(|missing| *missing > 0);
        let requests = by_effect.max(missing(self.total / share.n))?;
        Some(Needs { requests, seconds: rate.map(|rate| tenths(requests as f64 / rate)) })
    }
}

/// Rounds to a tenth.
pub(super) fn tenths(value: f64) -> f64 {
    (value * 10.0).ceil() / 10.0
}

/// `about 4,100 more requests (82 s at this rate) would decide`.
pub(super) fn needs_text(needs: Option<Needs>, noun: &str) -> String {
    let Some(Needs { requests, seconds }) = needs else {
        return "the value is too close to the limit to decide".to_owned();
    };
    if requests == 0 {
        return format!("this many {noun} are usually enough, but were not in this run; a longer run may decide");
    }
    let seconds = seconds.map(|seconds| format!(" ({} at this rate)", period(seconds))).unwrap_or_default();
    format!("about {} more {noun}{seconds} would decide", thousands(requests))
}

/// Explains why a verdict is open: requests of unknown origin, or too few requests.
pub(super) fn open_because(is_harmed: bool, needs: Option<Needs>, noun: &str) -> String {
    if is_harmed { "requests of unknown origin may be its own".to_owned() } else { needs_text(needs, noun) }
}

/// Says that the share of `bad` requests, `of errors`, differed between the first and the second half of a load that was not steady.
pub(super) fn drift(effect: &Effect, bad: &str) -> Option<String> {
    let blocks = &effect.blocks;
    proportion::steadiness(blocks).filter(|phi| *phi >= NOT_STEADY)?;
    let (first, second) = blocks.split_at(blocks.len() / 2);
    let share = |blocks: &[Block]| {
        let sum = blocks.iter().copied().sum::<Block>();
        Some(sum.k / sum.n).filter(|share| share.is_finite())
    };
    let halves = [share(first)?, share(second)?];
    // Halves that read the same did not drift.
    let is_visible = (halves[0] - halves[1]).abs() > 0.25 * halves[0].max(halves[1]);
    let [first, second] = halves.map(percent);
    is_visible.then(|| format!("; the share {bad} went from {first} to {second} during the run: it was not steady"))
}
