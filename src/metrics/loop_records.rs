//! The records of earlier loops that a document keeps, within bounds. The newest loop is always kept whole.

use crate::model::loops::LoopRecord;

/// Most loops that a document keeps; the oldest go first.
pub const MAX_LOOPS: usize = 500;
/// Most outcomes of all loops together: 100 loops of 60 objectives on 5 versions. A letter each.
pub const MAX_OUTCOMES: usize = 30_000;
/// Most values of all loops together; beyond it the oldest loops keep their outcomes alone.
pub const MAX_VALUES: usize = 3_000;

/// Adds a loop's record to those that the document keeps, within the bounds. A loop that was assessed again has its newest record;
/// loops with other objectives or versions go, as nothing can be told of them. The newest loop is always kept whole.
pub fn keep(loops: &mut Vec<LoopRecord>, record: &LoopRecord) {
    loops.retain(|earlier| fits(earlier, record));
    loops.sort_by_key(|earlier| earlier.number);
    loops.push(record.clone());
    let cells = record.outcomes.len().max(1);
    let most = MAX_LOOPS.min(MAX_OUTCOMES / cells).max(1);
    loops.drain(..loops.len().saturating_sub(most));
    let whole = (MAX_VALUES / cells).max(1);
    let bare = loops.len().saturating_sub(whole);
    loops.iter_mut().take(bare).for_each(|earlier| earlier.values.clear());
}

/// Whether a record is of an earlier loop with the same objectives and versions.
pub fn fits(record: &LoopRecord, this: &LoopRecord) -> bool {
    record.number < this.number && record.outcomes.len() == this.outcomes.len()
}
