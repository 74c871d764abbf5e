//! Difference of two error rates.

use super::columns::{Columns, Effect, aligned};
use super::compared::{Compared, Harm, MAX_DIFFERENCE, Measured};
use super::finding::Finding;
use super::rate::{self, Counts, NO_REQUESTS};
use super::words::Scale;
use crate::confidence::blocks::{Block, paired};
use crate::confidence::design_effect::{DesignEffect, student_factor};
use crate::confidence::difference;
use crate::model::slo::{Dependence, DependenceSource, Method};
use crate::slo::relative::BASELINE;

/// Judges the difference of two error rates.
pub(super) fn judge(case: &Compared<'_>) -> Result<Finding, String> {
    let counts = |version: usize| rate::counts(case.insights, version, &case.name.provider);
    let (Some(candidate), Some(baseline)) = (counts(case.verdict.version), counts(BASELINE)) else {
        return case.unknown("two single numbers do not show how sure their difference is");
    };
    let (candidate, baseline) = (candidate?, baseline?);
    if candidate.requests <= 0.0 || baseline.requests <= 0.0 {
        return Err(NO_REQUESTS.to_owned());
    }
    let is_its = |(counts, value): (&Counts, f64)| {
        let ratio = counts.errors / counts.requests;
        (ratio - value).abs() <= MAX_DIFFERENCE * ratio.max(value)
    };
    if ![&candidate, &baseline].into_iter().zip(case.values).all(is_its) {
        return case.unknown("the counts beside the rates are not theirs");
    }
    let block = |counts: &Counts| Block { n: counts.requests, k: counts.errors };
    let (own, reference) = (block(&candidate), block(&baseline));
    let (effect, from) = rate_effect(case, &candidate, &baseline)?;
    let totals = [own.n, reference.n];
    let all = own.n + reference.n;
    let factor = student_factor(all, effect.df, case.alpha).ok_or("its counts are impossible")? / effect.deff;
    let harm = Block { n: own.n + candidate.unknown[0], k: own.k + candidate.unknown[0] };
    let spared = Block { n: reference.n + baseline.unknown[1], k: reference.k };
    let is_harmed = candidate.unknown[0] > 0.0 || baseline.unknown[1] > 0.0;
    let worst_effect = harmed_effect(case, &candidate, &baseline).map_or(effect, |harmed| effect.larger(harmed));
    let worst = difference::interval(harm, spared, worst_effect, case.alpha).map(|ends| ends[1]);
    Ok(case.finish(&Measured {
        method: Method::Difference,
        scale: Scale::Points,
        interval: |alpha| match difference::interval(own, reference, effect, alpha) {
            Some([lower, upper]) => [Some(lower), Some(upper)],
            None => [None, None],
        },
        harm: if is_harmed { Harm::End(worst) } else { Harm::None },
        dependence: Dependence { deff: effect.deff, df: effect.df, from },
        totals,
        effective: all * factor.min(1.0),
        least: None,
    }))
}

/// Dependence with the requests of unknown origin that would raise the difference, which may have come together; `None` if there are none.
fn harmed_effect(case: &Compared<'_>, candidate: &Counts, baseline: &Counts) -> Option<DesignEffect> {
    let with_errors = candidate.harmed[0].as_deref();
    let with_successes = baseline.harmed[1].as_deref();
    if with_errors.is_none() && with_successes.is_none() {
        return None;
    }
    let a = with_errors.unwrap_or(&candidate.effect.blocks);
    let b = with_successes.unwrap_or(&baseline.effect.blocks);
    let is_paired = case.is_simultaneous && a.len() == b.len();
    if is_paired { difference::design_effect(&paired(a, b)) } else { difference::design_effect_unpaired(a, b) }
}

fn rate_effect(
    case: &Compared<'_>,
    candidate: &Counts,
    baseline: &Counts,
) -> Result<(DesignEffect, DependenceSource), String> {
    let impossible = || "no interval of the loads has requests".to_owned();
    if let [Some(a), Some(b)] = case.loads.map(|load| load.and_then(|load| load.series.as_ref())) {
        let effect = match aligned(a, b).filter(|_| case.is_simultaneous) {
            Some([a, b]) => {
                difference::design_effect(&paired(&Columns::new(&a)?.errors()?, &Columns::new(&b)?.errors()?))
            }
            None => difference::design_effect_unpaired(&candidate.effect.blocks, &baseline.effect.blocks),
        };
        return Ok((effect.ok_or_else(impossible)?, DependenceSource::Blocks));
    }
    let [a, b] = [candidate, baseline].map(|counts| &counts.effect.blocks);
    let is_stepwise = a.len() == b.len() && a.len() >= 2 && case.loads.iter().all(Option::is_none);
    if is_stepwise {
        // Steps of one time range.
        return Ok((difference::design_effect(&paired(a, b)).ok_or_else(impossible)?, DependenceSource::Blocks));
    }
    let assumed = Effect::none(candidate.requests + baseline.requests);
    Ok((assumed.effect, assumed.from))
}
