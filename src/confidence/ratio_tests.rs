//! Expected values are from scipy 1.17.1.

use proptest::prelude::*;

use super::*;
use crate::confidence::beta::normal;
use crate::confidence::blocks::paired;
use crate::confidence::order::Samples;
use crate::confidence::testing::{assert_close, blocks};
use crate::metrics::histogram::{self, Histogram};

/// 400 latencies of a lognormal law with the given median.
fn lognormal(median: f64) -> Samples {
    let latency = |at: i32| median * (normal((f64::from(at) + 0.5) / 400.0).unwrap() / 2.0).exp();
    Samples::new(&(0..400).map(latency).collect::<Vec<_>>()).unwrap()
}

fn recorded(values: &[(u64, u64)]) -> Histogram {
    let mut histogram = histogram::new();
    values.iter().for_each(|(value, count)| histogram.saturating_record_n(*value, *count));
    histogram
}

#[test]
fn ratios_of_percentiles_agree_with_scipy() {
    let (candidate, baseline) = (lognormal(12.0), lognormal(10.0));
    let [lower, upper] = interval_with(&candidate, &baseline, 0.9, 80.0, 0.05).map(Option::unwrap);
    assert_close(lower, 1.077_447);
    assert_close(upper, 1.336_492);
    let [lower, upper] = interval_with(&candidate, &baseline, 0.5, 700.0, 0.05).map(Option::unwrap);
    assert_close(lower, 1.109_500);
    assert_close(upper, 1.297_882);
}

#[test]
fn cells_go_outward_on_both_sides_of_the_division() {
    let (candidate, baseline) = (recorded(&[(50_000, 1_000)]), recorded(&[(10_000, 1_000)]));
    let [lower, upper] = interval_with(&candidate, &baseline, 0.5, 1_000.0, 0.05).map(Option::unwrap);
    assert_close(lower, 49_984.0 / 10_007.0);
    assert_close(upper, 50_015.0 / 10_000.0);
}

#[test]
fn a_disturbance_of_both_cancels() {
    // Five of ten requests are slow in two of every six seconds.
    let shock = [0, 0, 5, 5, 0, 0].repeat(10);
    let (candidate, baseline) = (blocks(10.0, &shock), blocks(10.0, &shock));
    let share = 1.0 - 100.0 / 600.0;
    let same_time = design_effect(&paired(&candidate, &baseline), share).unwrap();
    let one_after_another = design_effect_unpaired(&candidate, &baseline, share).unwrap();
    assert_close(same_time.deff, 1_000.0 / 1_199.0);
    assert!(one_after_another.deff > 2.0, "{one_after_another:?}");
}

/// Blocks of unequal size.
fn uneven(counts: [(i32, i32); 4]) -> Vec<Block> {
    counts.map(|(n, k)| Block { n: f64::from(n), k: f64::from(k) }).to_vec()
}

#[test]
fn uneven_blocks_are_weighted_by_the_shares_of_the_versions() {
    let candidate = uneven([(100, 5), (50, 12), (150, 9), (80, 20)]);
    let baseline = uneven([(300, 20), (310, 50), (250, 25), (320, 44)]);
    let same_time = design_effect(&paired(&candidate, &baseline), 0.9).unwrap();
    assert_close(same_time.deff, 2.807_640_64);
    assert_eq!(same_time.df, 3.0);
    let one_after_another = design_effect_unpaired(&candidate, &baseline, 0.9).unwrap();
    assert_close(one_after_another.deff, 8.640_790_50);
    assert_close(one_after_another.df, 4.040_658_61);
}

#[test]
fn thresholds_are_the_percentiles_of_both() {
    let (candidate, baseline) = (recorded(&[(1, 90), (400, 10)]), recorded(&[(2, 96), (300, 4)]));
    assert_eq!(thresholds(&candidate, &baseline, 0.95), Some([400.0, 2.0]));
    assert_eq!(thresholds(&candidate, &recorded(&[]), 0.95), None);
    assert_eq!(thresholds(&candidate, &baseline, f64::NAN), None);
}

#[test]
fn a_canary_of_one_percent_has_an_interval() {
    let (candidate, baseline) = (recorded(&[(1_000, 90), (2_000, 10)]), recorded(&[(1_000, 9_000), (1_500, 1_000)]));
    let [lower, upper] = interval_with(&candidate, &baseline, 0.5, 5_000.0, 0.05);
    assert_eq!(upper, Some(1.0));
    assert_eq!(lower, Some(1.0));
    let [lower, upper] = interval_with(&candidate, &baseline, 0.95, 505.0, 0.05);
    assert!(lower.unwrap() <= 4.0 / 3.0 && upper.unwrap() >= 4.0 / 3.0, "{lower:?} {upper:?}");
}

#[test]
fn a_tail_of_less_than_one_request_excludes_nothing() {
    let values = recorded(&[(1_000, 10), (2_000, 10)]);
    assert_eq!(interval_with(&values, &values, 0.95, 0.8, 0.05), [None, None]);
    assert_eq!(interval(&values, &values, 0.95, DesignEffect { deff: 40.0, df: 2.0 }, 0.05), [None, None]);
}

#[test]
fn a_version_without_requests_and_latencies_that_are_cut_off_have_no_ratio() {
    let values = recorded(&[(1_000, 1_000)]);
    let effect = DesignEffect { deff: 1.0, df: 59.0 };
    assert_eq!(interval(&recorded(&[]), &values, 0.5, effect, 0.05), [None, None]);
    assert_eq!(interval(&recorded(&[(u64::MAX, 1_000)]), &values, 0.5, effect, 0.05)[1], None);
    assert_eq!(interval(&values, &recorded(&[(u64::MAX, 1_000)]), 0.5, effect, 0.05)[0], None);
    let zero = Samples::new(&[0.0; 1_000]).unwrap();
    assert_eq!(interval(&zero, &zero, 0.5, effect, 0.05), [None, None]);
    assert_eq!(interval(&values, &values, 0.5, DesignEffect { deff: f64::NAN, df: 1.0 }, 0.05), [None, None]);
    assert_eq!(interval(&values, &values, 1.0, effect, 0.05), [None, None]);
}

proptest! {
    #[test]
    fn an_interval_holds_the_ratio_and_is_never_nan(
        candidate in prop::collection::vec(1_u64..100_000, 50..300), baseline in prop::collection::vec(1_u64..100_000, 50..300),
        q in 0.1_f64..0.9, deff in 0.5_f64..9.0,
    ) {
        let [candidate, baseline] = [candidate, baseline].map(|v| recorded(&v.iter().map(|v| (*v, 1)).collect::<Vec<_>>()));
        let effect = DesignEffect { deff, df: 29.0 };
        let [lower, upper] = interval(&candidate, &baseline, q, effect, 0.05);
        prop_assert!([lower, upper].into_iter().flatten().all(f64::is_finite));
        if let (Some(lower), Some(upper)) = (lower, upper) {
            prop_assert!(lower <= upper);
        }
    }

    #[test]
    fn hostile_numbers_give_no_nan(size in any::<f64>(), q in any::<f64>(), alpha in any::<f64>(), deff in any::<f64>(), df in any::<f64>()) {
        let values = recorded(&[(1, 9), (70, 9)]);
        for ends in [interval_with(&values, &values, q, size, alpha), interval(&values, &values, q, DesignEffect { deff, df }, alpha)] {
            prop_assert!(ends.into_iter().flatten().all(f64::is_finite));
        }
    }
}
