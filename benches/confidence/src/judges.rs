//! Judges to compare with: the point rule and Mann–Whitney tests, raw and as Kayenta applies them.

use statrs::distribution::{ContinuousCDF, Normal};

/// Decision about a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Promote,
    RollBack,
    Inconclusive,
}

impl Decision {
    /// Promotes, or rolls back.
    pub(crate) fn of(promote: bool) -> Self {
        if promote { Self::Promote } else { Self::RollBack }
    }
}

/// Confidence of Kayenta's default Mann–Whitney classifier.
const KAYENTA_CONFIDENCE: f64 = 0.98;
/// Its tolerance: the share of the estimated shift that the interval of the shift has to exceed.
const KAYENTA_TOLERANCE: f64 = 0.25;

/// Returns the value of which this share of the sorted values is at most as large: the nearest rank.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64 - 1e-9).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

/// Judges one number per second as Kayenta does (`MannWhitneyClassifier`, direction increase): the canary fails if the lower limit of the
/// shift, by a Mann–Whitney test with normal approximation, exceeds a quarter of the estimated shift.
pub(crate) fn kayenta(candidate: &[f64], baseline: &[f64]) -> Decision {
    let (n, m) = (candidate.len() as f64, baseline.len() as f64);
    let mut shifts: Vec<f64> = candidate.iter().flat_map(|c| baseline.iter().map(move |b| c - b)).collect();
    if shifts.is_empty() || shifts.iter().all(|shift| *shift == 0.0) {
        return Decision::Promote;
    }
    let total = n + m;
    let tied = ties(candidate) + ties(baseline);
    let sigma = (n * m / 12.0 * (total + 1.0 - tied / (total * (total - 1.0)))).max(0.0).sqrt();
    let z = Normal::standard().inverse_cdf(1.0 - (1.0 - KAYENTA_CONFIDENCE) / 2.0);
    let centre = n * m / 2.0;
    // The shift at which the statistic, with its continuity correction, is `z` deviations above what equal distributions give.
    let lower = nth(&mut shifts, n * m - (centre + 0.5 + z * sigma).ceil());
    let estimate = nth(&mut shifts, n * m - centre.ceil());
    Decision::of(lower <= KAYENTA_TOLERANCE * estimate.abs())
}

/// Value at an index of the sorted values; the nearest one if there is no such index.
fn nth(values: &mut [f64], index: f64) -> f64 {
    let index = (index.max(0.0) as usize).min(values.len() - 1);
    *values.select_nth_unstable_by(index, f64::total_cmp).1
}

/// Sum of t³ − t over groups of t equal values.
fn ties(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(|group| group.len() as f64).map(|t| t * t * t - t).sum()
}

/// Judges all requests by a one-sided Mann–Whitney test at 5 %: rolls back if the candidate's values are significantly larger. Both
/// slices are sorted.
pub(crate) fn mann_whitney(candidate: &[f64], baseline: &[f64]) -> Decision {
    let (n, m) = (candidate.len() as f64, baseline.len() as f64);
    let total = n + m;
    let (mut below, mut i, mut j, mut tied) = (0.0, 0, 0, 0.0);
    while i < candidate.len() {
        let value = candidate[i];
        let of_candidate = candidate[i..].iter().take_while(|other| **other == value).count();
        while j < baseline.len() && baseline[j] < value {
            j += 1;
        }
        let of_baseline = baseline[j..].iter().take_while(|other| **other == value).count();
        below += of_candidate as f64 * (j as f64 + of_baseline as f64 / 2.0);
        let t = (of_candidate + of_baseline) as f64;
        tied += t * t * t - t;
        i += of_candidate;
    }
    let variance = n * m / 12.0 * (total + 1.0 - tied / (total * (total - 1.0)));
    let z = (below - n * m / 2.0 - 0.5) / variance.sqrt();
    Decision::of(z.is_nan() || z < Normal::standard().inverse_cdf(0.95))
}

#[cfg(test)]
mod tests {
    use super::{Decision, kayenta, mann_whitney, percentile};

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.95), 19.0);
        assert_eq!(percentile(&values, 0.5), 10.0);
        assert_eq!(percentile(&values, 0.0), 1.0);
        assert_eq!(percentile(&values, 1.0), 20.0);
    }

    /// Data of spinnaker/spinnaker#6278, which Kayenta passes.
    #[test]
    fn kayenta_passes_a_canary_that_is_a_hundred_times_slower() {
        let canary = [100.0, 1.0, 100.0, 100.0, 1.0, 100.0, 100.0, 100.0, 1.0, 100.0];
        assert_eq!(kayenta(&canary, &[1.0]), Decision::Promote);
    }

    /// Data of spinnaker/kayenta#426, which Kayenta passes.
    #[test]
    fn kayenta_passes_four_errors_against_none() {
        assert_eq!(kayenta(&[0.0, 1.0, 2.0, 1.0, 0.0, 0.0], &[0.0; 6]), Decision::Promote);
    }

    #[test]
    fn kayenta_rolls_back_what_is_clearly_slower() {
        let baseline: Vec<f64> = (0..30).map(f64::from).collect();
        let candidate: Vec<f64> = baseline.iter().map(|value| value + 40.0).collect();
        assert_eq!(kayenta(&candidate, &baseline), Decision::RollBack);
        assert_eq!(kayenta(&baseline, &candidate), Decision::Promote);
        assert_eq!(kayenta(&baseline, &baseline), Decision::Promote);
    }

    #[test]
    fn the_raw_test_sees_a_shift_and_nothing_in_equal_data() {
        let baseline: Vec<f64> = (0..200).map(f64::from).collect();
        let candidate: Vec<f64> = baseline.iter().map(|value| value + 20.5).collect();
        assert_eq!(mann_whitney(&candidate, &baseline), Decision::RollBack);
        assert_eq!(mann_whitney(&baseline, &baseline), Decision::Promote);
        assert_eq!(mann_whitney(&[0.0; 9], &[0.0; 9]), Decision::Promote);
        let fails = [vec![0.0; 80], vec![1.0; 20]].concat();
        assert_eq!(mann_whitney(&fails, &[0.0; 100]), Decision::RollBack);
    }
}
