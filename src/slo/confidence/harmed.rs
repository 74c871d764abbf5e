//! Requests of unknown origin, interval by interval: they may have come together, and then they are worth fewer.

use super::columns::{Columns, Effect, aligned};
use crate::confidence::blocks::Block;
use crate::confidence::design_effect::DesignEffect;
use crate::confidence::proportion;
use crate::model::insights::Insights;
use crate::model::load::LoadRecord;
use crate::model::series::Series;
use crate::model::slo::Bound;

/// Blocks of a version with the errors, and with the successes of unknown origin; `None` if nothing shows the dependence of its own requests.
pub(super) fn rate(
    insights: &Insights,
    load: &LoadRecord,
    provider: &str,
    effect: &Effect,
) -> Result<[Option<Vec<Block>>; 2], String> {
    if effect.is_assumed() {
        return Ok([None, None]);
    }
    let [own, unknown] = both(insights, load, provider)?;
    let (own, unknown) = (Columns::new(&own)?.errors()?, Columns::new(&unknown)?.errors()?);
    let errors: Vec<f64> = unknown.iter().map(|block| block.k).collect();
    let successes: Vec<f64> = unknown.iter().map(|block| block.n - block.k).collect();
    Ok([Some(added(&own, &errors, true)), Some(added(&own, &successes, false))])
}

/// Dependence of a version's requests over a limit with `harm` of unknown origin on its wrong side.
///
/// Those over an exact limit were counted; others are taken to have come as all of unknown origin did.
pub(super) fn limit(
    insights: &Insights,
    load: &LoadRecord,
    provider: &str,
    (limit, bound, harm): (Option<f64>, Bound, f64),
) -> Result<Option<DesignEffect>, String> {
    let [own, unknown] = both(insights, load, provider)?;
    let (own, unknown) = (Columns::new(&own)?, Columns::new(&unknown)?);
    let exact = |columns: Columns<'_>| limit.map(|limit| columns.over(limit)).transpose().map(Option::flatten);
    let (blocks, counted) = (exact(own)?, exact(unknown)?);
    let is_upper = bound == Bound::Upper;
    // Of uncounted requests none is bad.
    let are_bad = is_upper || blocks.is_none();
    let blocks = match blocks {
        Some(blocks) => blocks,
        None => own.errors()?.iter().map(|block| Block { n: block.n, k: 0.0 }).collect(),
    };
    let counts: Vec<f64> = match counted {
        // Timeouts within the limit were not counted.
        Some(counted) if is_upper && counted.iter().map(|block| block.k).sum::<f64>() >= harm => {
            counted.iter().map(|block| block.k).collect()
        }
        _ => {
            let all = unknown.errors()?;
            let total: f64 = all.iter().map(|block| block.n).sum();
            all.iter().map(|block| block.n * harm / total.max(1.0)).collect()
        }
    };
    Ok(proportion::design_effect(&added(&blocks, &counts, are_bad)))
}

/// Series of the version and of the requests of unknown origin, with intervals of the same length.
fn both(insights: &Insights, load: &LoadRecord, provider: &str) -> Result<[Series; 2], String> {
    let unknown = insights.unknown_version.and_then(|version| insights.load.get(version)?.get(provider));
    let series = (load.series.as_ref()).zip(unknown.and_then(|unknown| unknown.series.as_ref()));
    series
        .and_then(|(own, unknown)| aligned(own, unknown))
        .ok_or_else(|| "nothing shows when the requests of unknown origin came, which may be this version's".to_owned())
}

/// Adds requests to blocks, as bad ones if `are_bad`.
fn added(own: &[Block], counts: &[f64], are_bad: bool) -> Vec<Block> {
    let block = |at: usize| {
        let own = own.get(at).copied().unwrap_or_default();
        let count = counts.get(at).copied().unwrap_or_default();
        Block { n: own.n + count, k: own.k + if are_bad { count } else { 0.0 } }
    };
    (0..own.len().max(counts.len())).map(block).collect()
}
