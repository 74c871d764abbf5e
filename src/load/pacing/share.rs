//! One pod's part of a schedule that several pods share.
//!
//! Of `N` pods, pod `i` has the slots `i, i + N, i + 2N, …` of the whole schedule at their due times. Together they send what one pod
//! would have sent, whatever the arrival.

use crate::model::shard::Share;

/// Number of this pod's slots among the first `total` ones. Over all pods it adds up to `total`.
pub(super) fn part(share: Share, total: u64) -> u64 {
    let (index, count) = (share.index() as u64, share.count() as u64);
    total / count + u64::from(total % count > index)
}

/// Position in the whole schedule of this pod's slot `k`, saturating.
pub(super) fn number(share: Share, k: u64) -> u64 {
    k.saturating_mul(share.count() as u64).saturating_add(share.index() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole_and_every_slot_has_one_pod() {
        let shares: Vec<Share> = (0..8).map(|index| Share::new(index, 8).unwrap()).collect();
        let parts = |total| shares.iter().map(|share| part(*share, total)).collect::<Vec<_>>();
        assert_eq!(parts(100), [13, 13, 13, 13, 12, 12, 12, 12]);
        assert_eq!(parts(3), [1, 1, 1, 0, 0, 0, 0, 0]);
        let of = |share: &Share| (0..part(*share, 100)).map(|k| number(*share, k)).collect::<Vec<_>>();
        let mut numbers: Vec<u64> = shares.iter().flat_map(of).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert_eq!((part(Share::WHOLE, 7), number(Share::WHOLE, 5)), (7, 5));
        assert_eq!(number(shares[1], u64::MAX), u64::MAX);
    }
}
