//! Shrinks a document below its budgets, for stores with less space.

use crate::model::insights::Insights;

/// Drops the older half of loops, values and samples. Returns false if there was nothing to drop.
pub fn fold_oldest(insights: &mut Insights) -> bool {
    let mut folded = halve(&mut insights.loops);
    for values in insights.non_hist_metric_values.iter_mut().flat_map(|metrics| metrics.values_mut()) {
        folded |= halve(values);
    }
    folded
}

/// Drops the older half of a list whose newest entry is the last. Returns false if it has only that one.
fn halve<T>(list: &mut Vec<T>) -> bool {
    let older = list.len() / 2;
    list.drain(..older);
    older > 0
}
