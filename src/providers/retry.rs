//! Retries of provider queries.

use std::time::Duration;

/// Delay before the second attempt; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(250);

/// Longest delay.
const LONGEST: Duration = Duration::from_secs(10);

/// Returns true if a status is transient: 429 or 5xx.
pub(crate) fn is_transient(status: u16) -> bool {
    status == 429 || (500..600).contains(&status)
}

/// Delay after attempt number `attempt` (from 1): exponential backoff with 50 % jitter, or `retry_after` if that is longer. `random` is
/// uniformly distributed.
pub(crate) fn delay(attempt: u32, retry_after: Option<Duration>, random: u64) -> Duration {
    let backoff = FIRST.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST);
    let share = 0.5 + 0.5 * (random >> 11) as f64 / (1_u64 << 53) as f64;
    let jittered = backoff.mul_f64(share);
    retry_after.map_or(jittered, |retry_after| retry_after.max(jittered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_with_jitter() {
        let ms = |attempt, random| delay(attempt, None, random).as_millis();
        assert_eq!([1, 2, 3, 4].map(|attempt| ms(attempt, 0)), [125, 250, 500, 1000]);
        assert_eq!([1, 2, 3].map(|attempt| ms(attempt, u64::MAX)), [250, 500, 1000]);
        assert_eq!(ms(40, 0), 5_000);
        assert_eq!(ms(u32::MAX, u64::MAX), 10_000);
    }

    #[test]
    fn retry_after_can_only_lengthen_the_delay() {
        assert_eq!(delay(1, Some(Duration::from_secs(3)), 0), Duration::from_secs(3));
        assert_eq!(delay(1, Some(Duration::ZERO), 0), Duration::from_millis(125));
    }

    #[test]
    fn retries_on_429_and_5xx() {
        for status in 0..1000 {
            assert_eq!(is_transient(status), status == 429 || status / 100 == 5, "{status}");
        }
    }
}
