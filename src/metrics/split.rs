//! Observed split of a load's requests among versions, for readers.

use super::proportion::interval;

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Lists the shares with their exact 95 % intervals: `78 % xgb (69–86 %), 22 % rf (14–31 %)`. Empty without requests.
pub fn text<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let counts: Vec<_> = counts.into_iter().collect();
    let total = counts.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    if total == 0 {
        return String::new();
    }
    let one = |(name, count): (&str, u64)| {
        let (share, interval) = figures(count, total);
        format!("{share} % {name} ({interval})")
    };
    counts.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Formats one share: `78 % (69–86 %)`. Empty without requests.
pub fn share(count: u64, total: u64) -> String {
    if total == 0 {
        return String::new();
    }
    let (share, interval) = figures(count, total);
    format!("{share} % ({interval})")
}

/// Formats a share and its interval.
fn figures(count: u64, total: u64) -> (String, String) {
    let [low, high] = interval(count, total, CONFIDENCE).map(percent);
    (percent(count as f64 / total as f64), format!("{low}–{high} %"))
}

/// Formats a share as a percentage with as many decimals as are needed to distinguish it from 0 and 100.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let distance = percent.min(100.0 - percent);
    let decimals = match distance {
        _ if distance <= 0.0 || distance >= 1.0 => 0,
        _ if distance >= 0.1 => 1,
        _ => 2,
    };
    format!("{percent:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_listed_with_exact_intervals() {
        // R: binom.test(78, 100)$conf.int is 0.6860794 to 0.8566964, binom.test(22, 100)$conf.int 0.1433036 to 0.3139197.
        assert_eq!(text([("xgb", 78), ("rf", 22)]), "78 % xgb (69–86 %), 22 % rf (14–31 %)");
        assert_eq!(text([("a", 0), ("b", 5)]), "0 % a (0–52 %), 100 % b (48–100 %)");
        assert_eq!(text([("a", 9_970), ("b", 30)]), "99.7 % a (99.6–99.8 %), 0.3 % b (0.2–0.4 %)");
        assert_eq!(text([("a", 0)]), "");
    }
}
