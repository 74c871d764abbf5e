//! Costs of operations on values: the entries and bytes that they read. Shared parts count as often as they are read.
//!
//! Each function takes the cost from `room`. It returns false if the room does not suffice, after at most that many steps.

use jaq_json::{Num, Val};

/// Comparisons of each entry when an array is sorted or searched: the binary logarithm of the longest array.
const COMPARISONS: usize = 18;

/// Entries of the longest array.
const LONGEST: usize = 1 << COMPARISONS;

/// Bytes of text that are compared in the time of one entry.
const PER_ENTRY: usize = 64;

/// A value as JSON.
pub(super) fn print(value: &Val, room: &mut usize) -> bool {
    let length = match value {
        Val::Num(Num::Float(_)) => 16,
        Val::Num(Num::BigInt(number)) => usize::try_from(number.bits() / 3).unwrap_or(usize::MAX),
        other => length(other).max(1),
    };
    take(room, length) && parts(value).all(|part| print(part, room))
}

/// `left == right`, `left < right` and so on.
pub(super) fn compare(left: &Val, right: &Val, room: &mut usize) -> bool {
    match (left, right) {
        (Val::Arr(left), Val::Arr(right)) => {
            take(room, 1) && left.iter().zip(right.iter()).all(|(left, right)| compare(left, right, room))
        }
        // Entries are sorted first.
        (Val::Obj(_), Val::Obj(_)) => order(left, room) && order(right, room),
        _ => take(room, 1 + length(left).min(length(right))),
    }
}

/// A value that is sorted, or searched in a sorted array.
pub(super) fn order(value: &Val, room: &mut usize) -> bool {
    Weight::of(value, *room).is_some_and(|weight| take(room, weight.total.saturating_mul(COMPARISONS)))
}

/// `left | contains(right)`: each entry of an array is searched in the other.
pub(super) fn contain(left: &Val, right: &Val, room: &mut usize) -> bool {
    match (left, right) {
        (Val::TStr(_) | Val::BStr(_), Val::TStr(_) | Val::BStr(_)) => take(room, length(left) + length(right)),
        (Val::Arr(_), Val::Arr(_)) => {
            let weights = Weight::of(left, *room).zip(Weight::of(right, *room));
            weights.is_some_and(|(left, right)| {
                let reads = left.nodes.saturating_mul(right.total);
                take(room, reads.saturating_add(right.nodes.saturating_mul(left.total)))
            })
        }
        (Val::Obj(left), Val::Obj(right)) => right
            .iter()
            .all(|(key, right)| index(key, room) && left.get(key).is_none_or(|left| contain(left, right, room))),
        _ => compare(left, right, room),
    }
}

/// `left | indices(right)`: `right` is compared at each position.
pub(super) fn indices(left: &Val, right: &Val, room: &mut usize) -> bool {
    match (left, right) {
        (Val::Arr(left), right) => {
            Weight::of(right, *room).is_some_and(|weight| take(room, weight.total.saturating_mul(left.len())))
        }
        _ => take(room, length(left).saturating_add(length(left).saturating_mul(length(right)) / PER_ENTRY)),
    }
}

/// A key or index of any value. An array is searched in an array.
pub(super) fn index(key: &Val, room: &mut usize) -> bool {
    let times = if matches!(key, Val::Arr(_) | Val::Obj(_)) { LONGEST } else { 1 };
    Weight::of(key, *room).is_some_and(|weight| take(room, weight.total.saturating_mul(times)))
}

/// `left * right` with objects, which merges them recursively.
pub(super) fn merge(left: &Val, right: &Val, room: &mut usize) -> bool {
    let (Val::Obj(left), Val::Obj(right)) = (left, right) else { return true };
    take(room, left.len() + right.len())
        && right
            .iter()
            .all(|(key, right)| index(key, room) && left.get(key).is_none_or(|left| merge(left, right, room)))
}

/// `left - right` with arrays.
pub(super) fn subtract(left: &Val, right: &Val, room: &mut usize) -> bool {
    match (left, right) {
        (Val::Arr(_), Val::Arr(_)) => order(left, room) && order(right, room),
        _ => true,
    }
}

/// Size of a value with the values in it.
#[derive(Clone, Copy, Default)]
struct Weight {
    /// Number of values.
    nodes: usize,
    /// Values and bytes of strings and long numbers.
    total: usize,
}

impl Weight {
    fn of(value: &Val, most: usize) -> Option<Self> {
        let mut weight = Self::default();
        weight.add(value, most).then_some(weight)
    }

    fn add(&mut self, value: &Val, most: usize) -> bool {
        self.nodes += 1;
        self.total = self.total.saturating_add(1 + length(value));
        self.total <= most && parts(value).all(|part| self.add(part, most))
    }
}

/// Returns the entries of an array, or the keys and values of an object.
fn parts(value: &Val) -> impl Iterator<Item = &Val> {
    let (entries, pairs) = match value {
        Val::Arr(entries) => (Some(entries.iter()), None),
        Val::Obj(pairs) => (None, Some(pairs.iter())),
        _ => (None, None),
    };
    entries.into_iter().flatten().chain(pairs.into_iter().flatten().flat_map(|(key, value)| [key, value]))
}

/// Bytes of a string or long number.
fn length(value: &Val) -> usize {
    match value {
        Val::TStr(text) | Val::BStr(text) => text.len(),
        Val::Num(Num::BigInt(number)) => usize::try_from(number.bits() / 8).unwrap_or(usize::MAX),
        Val::Num(Num::Dec(number)) => number.len(),
        _ => 0,
    }
}

fn take(room: &mut usize, cost: usize) -> bool {
    room.checked_sub(cost).map(|left| *room = left).is_some()
}
