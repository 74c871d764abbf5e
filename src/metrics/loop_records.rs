//! Records of loops in a document, within bounds. The newest loop is always kept completely.

use crate::model::loops::LoopRecord;

/// Maximum loops; the oldest are dropped first.
pub const MAX_LOOPS: usize = 500;
/// Maximum outcomes of all loops, one letter each: 100 loops of 60 SLOs on 5 versions.
pub const MAX_OUTCOMES: usize = 30_000;
/// Maximum values of all loops; beyond it, the oldest loops keep only their outcomes.
pub const MAX_VALUES: usize = 3_000;

/// Adds the record of the newest loop. It replaces an earlier record of the same loop; records with other SLOs or versions are dropped,
/// because their outcomes cannot be assigned.
pub fn keep(loops: &mut Vec<LoopRecord>, record: &LoopRecord) {
    loops.retain(|earlier| fits(earlier, record));
    loops.sort_by_key(|earlier| earlier.number);
    loops.push(record.clone());
    let cells = record.outcomes.len().max(1);
    let max_loops = MAX_LOOPS.min(MAX_OUTCOMES / cells).max(1);
    loops.drain(..loops.len().saturating_sub(max_loops));
    let whole = (MAX_VALUES / cells).max(1);
    let without_values = loops.len().saturating_sub(whole);
    loops.iter_mut().take(without_values).for_each(|earlier| earlier.values.clear());
}

/// Adds the record of a loop in which a task failed before the assessment.
pub fn keep_failed(loops: &mut Vec<LoopRecord>, record: LoopRecord) {
    loops.retain(|earlier| earlier.number < record.number);
    loops.push(record);
    loops.drain(..loops.len().saturating_sub(MAX_LOOPS));
}

/// Returns the earlier loops with the same SLOs and versions, back to a change of the spec. Records without a digest fit every spec.
pub fn comparable<'a>(loops: &'a [LoopRecord], this: &LoopRecord) -> Vec<&'a LoopRecord> {
    let mut earlier: Vec<&LoopRecord> = loops.iter().filter(|record| fits(record, this)).collect();
    earlier.sort_by_key(|record| std::cmp::Reverse(record.number));
    earlier.into_iter().take_while(|record| has_same_spec(record, this)).collect()
}

/// Returns true for the record of an earlier loop with the same SLOs and versions, or of one that was not assessed.
fn fits(record: &LoopRecord, this: &LoopRecord) -> bool {
    record.number < this.number && (record.failed.is_some() || record.outcomes.len() == this.outcomes.len())
}

fn has_same_spec(record: &LoopRecord, this: &LoopRecord) -> bool {
    record.spec.is_none() || this.spec.is_none() || record.spec == this.spec
}
