//! Whether and when a provider is asked again.

use std::time::Duration;

/// The pause before the second attempt; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// Longest pause.
const LONGEST: Duration = Duration::from_secs(10);

/// Whether an answer with this status may be another one a little later: the provider asks for patience, or is in trouble.
pub fn is_passing(status: u16) -> bool {
    status == 429 || (500..600).contains(&status)
}

/// The pause after attempt number `attempt` (from 1): what the provider asked for, else exponential backoff with jitter. `random` is
/// evenly distributed; half of the pause is certain, so that attempts are spread and yet apart.
pub fn pause(attempt: u32, asked: Option<Duration>, random: u64) -> Duration {
    let backoff = FIRST.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST);
    let share = 0.5 + 0.5 * (random >> 11) as f64 / (1_u64 << 53) as f64;
    let jittered = backoff.mul_f64(share);
    asked.map_or(jittered, |asked| asked.max(jittered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_their_jitter_and_end_at_the_longest() {
        let ms = |attempt, random| pause(attempt, None, random).as_millis();
        assert_eq!([1, 2, 3, 4].map(|attempt| ms(attempt, 0)), [125, 250, 500, 1000]);
        assert_eq!([1, 2, 3].map(|attempt| ms(attempt, u64::MAX)), [250, 500, 1000]);
        assert_eq!(ms(40, 0), 5_000);
        assert_eq!(ms(u32::MAX, u64::MAX), 10_000);
    }

    #[test]
    fn the_provider_may_ask_for_more_and_not_for_less() {
        assert_eq!(pause(1, Some(Duration::from_secs(3)), 0), Duration::from_secs(3));
        assert_eq!(pause(1, Some(Duration::ZERO), 0), Duration::from_millis(125));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in 0..1000 {
            assert_eq!(is_passing(status), status == 429 || status / 100 == 5, "{status}");
        }
    }
}
