//! Requests that would decide an objective that is inconclusive.

use super::beta::normal;

/// Larger numbers of requests are not reported.
const MAX_REQUESTS: f64 = 1e7;
/// Normal quantile of the power 0.8: if the share stays as seen, so many requests decide in 4 of 5 runs.
const POWER_QUANTILE: f64 = 0.841_621_233_572_914_2;

/// Requests, in all, with which the verdict is decided in four of five runs if the share `p` is the true one; `None` if that is more than
/// ten million: `p` is too close to the limit to decide.
///
/// `deff·((z_{1−α}·√(θ₀(1−θ₀)) + 0.8416·√(p(1−p)))/(p−θ₀))²`, and below the limit at least `deff·ln α/ln(1−θ₀)`, with which a run without
/// bad requests is decided.
pub fn requests(p: f64, theta0: f64, deff: f64, alpha: f64) -> Option<f64> {
    let is_valid = (0.0..=1.0).contains(&p) && theta0 > 0.0 && theta0 < 1.0 && deff > 0.0 && p != theta0;
    if !is_valid {
        return None;
    }
    let spread = |share: f64| (share * (1.0 - share)).sqrt();
    let by_distance = ((normal(1.0 - alpha)? * spread(theta0) + POWER_QUANTILE * spread(p)) / (p - theta0)).powi(2);
    let size = if p < theta0 { by_distance.max(least_effective(theta0, alpha)?) } else { by_distance };
    Some(deff * size).filter(|requests| *requests <= MAX_REQUESTS)
}

/// Requests, in all, as [`requests`], if `total` of them have an interval that reaches `width` to the side of the limit, at a `distance`: the
/// width shrinks with the root of their number.
pub fn by_width(width: f64, distance: f64, total: f64, alpha: f64) -> Option<f64> {
    let width = width.abs() * (1.0 + POWER_QUANTILE / normal(1.0 - alpha)?);
    Some(total * (width / distance).powi(2))
}

/// Requests, in all, as [`requests`], if single values deviate by `deviation` from a mean at a `distance` from the limit.
pub fn by_deviation(deviation: f64, distance: f64, alpha: f64) -> Option<f64> {
    Some(((normal(1.0 - alpha)? + POWER_QUANTILE) * deviation / distance).powi(2))
}

/// Least number of effective requests with which none over the limit satisfies it: `ln α/ln(1−θ₀)`.
pub fn least_effective(theta0: f64, alpha: f64) -> Option<f64> {
    let least = alpha.ln() / (-theta0).ln_1p();
    (least > 0.0 && least.is_finite()).then_some(least)
}

/// Requests that are still missing, to two digits, rounded up; 0 if the estimate says that there are enough, though the verdict is
/// inconclusive. `None` if a number is not finite, or if more than ten million are needed.
pub fn missing(requests: f64, total: f64) -> Option<u64> {
    let missing = (requests - total).ceil();
    if missing.is_nan() || requests > MAX_REQUESTS {
        return None;
    }
    if missing < 1.0 {
        return Some(0);
    }
    let unit = 10_f64.powf((missing.log10().floor() - 1.0).max(0.0));
    Some(((missing / unit).ceil() * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::testing::assert_close;

    #[test]
    fn the_closer_to_the_limit_the_more_requests_are_needed() {
        assert_close(requests(0.04, 0.05, 1.2, 0.05).unwrap(), 3_287.508);
        assert_close(requests(0.0, 0.01, 1.0, 0.05).unwrap(), 298.072_9);
        assert_close(requests(0.012, 0.01, 3.5, 0.05).unwrap(), 57_031.3);
    }

    #[test]
    fn a_share_at_the_limit_cannot_be_told_from_it() {
        assert_eq!(requests(0.01, 0.01, 1.0, 0.05), None);
        assert_eq!(requests(0.010_001, 0.01, 1.0, 0.05), None);
        for (p, theta0, deff) in [(f64::NAN, 0.01, 1.0), (0.1, 0.0, 1.0), (0.1, 1.0, 1.0), (0.1, 0.5, f64::NAN)] {
            assert_eq!(requests(p, theta0, deff, 0.05), None);
        }
    }

    #[test]
    fn a_run_without_bad_requests_needs_as_many_as_the_rule_of_three_says() {
        let least = |theta0| least_effective(theta0, 0.05).unwrap().ceil();
        assert_eq!([0.1, 0.05, 0.01, 0.001].map(least), [29.0, 59.0, 299.0, 2_995.0]);
    }

    #[test]
    fn missing_requests_have_two_digits() {
        assert_eq!(
            [3_287.5, 1_000.0, 1_001.0, 12.3].map(|n| missing(n, 1_000.0)),
            [Some(2_300), Some(0), Some(1), Some(0)]
        );
        assert_eq!([missing(5_101.0, 1_000.0), missing(100_001.0, 0.0)], [Some(4_200), Some(110_000)]);
        assert_eq!([missing(f64::NAN, 1.0), missing(f64::INFINITY, 1.0), missing(1.0, f64::NAN)], [None; 3]);
    }
}
