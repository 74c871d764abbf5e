//! Expected ranks are from scipy 1.17.1. Those of the median are the order statistics that tables give for 20 values.

use proptest::prelude::*;

use super::*;
use crate::confidence::order::Samples;
use crate::confidence::proportion::{Effective, limits};
use crate::confidence::testing::assert_close;
use crate::metrics::histogram::{self, HIGHEST};

fn recorded(values: &[(u64, u64)]) -> Histogram {
    let mut histogram = histogram::new();
    values.iter().for_each(|(value, count)| histogram.saturating_record_n(*value, *count));
    histogram
}

#[track_caller]
fn assert_ranks(found: (Option<f64>, Option<f64>), expected: (f64, f64)) {
    assert_close(found.0.unwrap(), expected.0);
    assert_close(found.1.unwrap(), expected.1);
}

/// Limit in msec whose product with 1,000 is below the whole number that was meant, by more than 10⁻⁹.
const SHORT_PRODUCT: f64 = 32_768.001;
const SHORT_MICROS: u64 = 32_768_001;

#[test]
fn ranks_agree_with_scipy() {
    assert_ranks(ranks(1_500.0, 0.05, 0.05), (60.883_698, 89.628_755));
    assert_ranks(ranks(59.0, 0.05, 0.05), (0.015_613, 6.409_903));
    assert_eq!(ranks(58.0, 0.05, 0.05).0, None);
    assert_ranks(ranks(812.7, 0.01, 0.05), (3.280_635, 13.537_518));
}

#[test]
fn the_median_of_20_values_lies_between_the_6th_and_the_15th() {
    assert_ranks(ranks(20.0, 0.5, 0.025), (5.169_614, 14.830_386));
    let values = Samples::new(&(1..=20).map(f64::from).collect::<Vec<_>>()).unwrap();
    assert_eq!(interval_of(&values, 20.0, ranks(20.0, 0.5, 0.025)), [Some(6.0), Some(15.0)]);
}

#[test]
fn shares_of_the_pooled_tail_agree_with_scipy() {
    let shares = |n: f64, share| {
        let (most, least) = ranks(n, share, 0.05);
        (most.map(|k| k / n), least.map(|k| k / n))
    };
    assert_ranks(shares(120.0, 0.5), (0.420_845, 0.579_155));
    assert_ranks(shares(37.5, 0.25), (0.124_914, 0.382_786));
}

#[test]
fn intervals_go_outward_to_the_edges_of_cells() {
    let values = recorded(&[(10_000, 900), (20_000, 60), (50_000, 30), (120_000, 10)]);
    let of = |n_eff, theta0| interval(&values, n_eff, theta0, 0.05);
    assert_eq!(of(1_000.0, 0.5), [Some(10_000), Some(10_007)]);
    assert_eq!(of(1_000.0, 0.05), [Some(20_000), Some(50_015)]);
    assert_eq!(of(1_000.0, 0.01), [Some(49_984), Some(120_063)]);
    assert_eq!(of(250.0, 0.01), [Some(49_984), None]);
}

#[test]
fn the_extremes_are_certain_on_one_side() {
    let values = recorded(&[(10, 900), (20, 100)]);
    assert_eq!(interval(&values, 1_000.0, 0.0, 0.05), [Some(20), None]);
    assert_eq!(interval(&values, 1_000.0, 1.0, 0.05), [None, Some(10)]);
}

#[test]
fn an_upper_end_among_values_of_an_hour_is_unknown() {
    let values = recorded(&[(10, 900), (u64::MAX, 100)]);
    let [lower, upper] = interval(&values, 1_000.0, 0.05, 0.05);
    assert_eq!(upper, None);
    assert!(lower.is_some_and(|micros| micros <= HIGHEST && micros > HIGHEST / 1_000 * 999));
    assert_eq!(over(&values, HIGHEST), [0, 100]);
    assert_eq!(over(&values, u64::MAX), [0, 100]);
    assert_eq!(over(&values, HIGHEST / 1_000 * 998), [100, 100]);
    assert_eq!(below(&values, u64::MAX), [900, 1_000]);
}

#[test]
fn counts_over_a_limit_in_a_cell_are_between_two_numbers() {
    let values = recorded(&[(1_000, 5), (50_000, 3), (120_000, 2)]);
    // The cell of 50 msec is 49,984 to 50,015 µs.
    let cases = [
        (0, [10, 10]),
        (999, [10, 10]),
        (1_000, [5, 5]),
        (49_983, [5, 5]),
        (49_984, [2, 5]),
        (50_014, [2, 5]),
        (50_015, [2, 2]),
        (120_063, [0, 0]),
    ];
    for (limit, counts) in cases {
        assert_eq!(over(&values, limit), counts, "{limit}");
    }
    assert_eq!([below(&values, 49_984), below(&values, 49_985), below(&values, 50_016)], [[5, 5], [5, 8], [8, 8]]);
}

#[test]
fn limits_are_compared_in_whole_microseconds() {
    let limits = [50.0, 1.001, 1.000_9, 64.1, -5.0, 0.0, f64::INFINITY];
    assert_eq!(limits.map(limit_micros), [50_000, 1_001, 1_000, 64_100, 0, 0, u64::MAX].map(Some));
    assert_eq!(limit_micros(f64::NAN), None);
    assert_eq!(limit_micros(SHORT_PRODUCT), Some(SHORT_MICROS));
    assert_eq!(series::limit_micros(SHORT_PRODUCT), SHORT_MICROS);
}

#[test]
fn values_just_below_a_lower_limit_are_below_it() {
    let limits = [50.0, 50.000_5, 1.001, 64.1, -5.0, 0.0, SHORT_PRODUCT, f64::INFINITY];
    let micros = [50_000, 50_001, 1_001, 64_100, 0, 0, SHORT_MICROS, u64::MAX];
    assert_eq!(limits.map(lower_limit_micros), micros.map(Some));
    assert_eq!(lower_limit_micros(f64::NAN), None);
}

#[test]
fn an_empty_histogram_has_no_interval() {
    assert_eq!(interval(&recorded(&[]), 1_000.0, 0.05, 0.05), [None, None]);
}

proptest! {
    #[test]
    fn an_interval_excludes_a_limit_exactly_if_its_test_decides(
        values in prop::collection::vec(1_u64..2_000, 20..400), deff in 1.0_f64..4.0, theta0 in 0.02_f64..0.98, limit in 1_u64..2_000,
    ) {
        // Cells are one microsecond wide up to here.
        let histogram = recorded(&values.iter().map(|value| (*value, 1)).collect::<Vec<_>>());
        let total = values.len() as f64;
        let n = total / deff;
        let [k, same] = over(&histogram, limit).map(|count| count as f64);
        prop_assert_eq!(k, same);
        let share = Effective { n, k: k / total * n, deff, df: 29.0, p: k / total, total };
        let [lower, upper] = limits(&share, 0.05);
        prop_assume!((lower - theta0).abs() > 1e-9 && (upper - theta0).abs() > 1e-9);
        let [from, to] = interval(&histogram, n, theta0, 0.05);
        prop_assert_eq!(upper <= theta0, to.is_some_and(|to| to <= limit), "{:?} {} {}", [from, to], limit, upper);
        prop_assert_eq!(lower > theta0, from.is_some_and(|from| from > limit), "{:?} {} {}", [from, to], limit, lower);
    }

    #[test]
    fn hostile_numbers_give_no_nan(n in any::<f64>(), theta0 in any::<f64>(), alpha in any::<f64>()) {
        let (most, least) = ranks(n, theta0, alpha);
        prop_assert!([most, least].into_iter().flatten().all(|rank| rank >= 0.0 && rank <= n));
        let _ = interval(&recorded(&[(1, 1), (u64::MAX, u64::MAX)]), n, theta0, alpha);
    }
}
