//! One machine's part of a schedule that several machines share.
//!
//! Of `N` machines, number `i` has the slots `i, i + N, i + 2N, …` of the whole schedule, each due when it is due there. So what
//! they send together is what one machine would have sent, whatever the arrival.

use crate::model::shard::Share;

/// How many of the first `total` slots are this machine's. Over all machines it adds up to `total`.
pub(super) fn part(share: Share, total: u64) -> u64 {
    let (index, count) = (share.index() as u64, share.count() as u64);
    total / count + u64::from(total % count > index)
}

/// Which slot of the whole schedule this machine's slot `k` is; the highest number where it is higher still.
pub(super) fn number(share: Share, k: u64) -> u64 {
    k.saturating_mul(share.count() as u64).saturating_add(share.index() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole_and_every_slot_has_one_machine() {
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
