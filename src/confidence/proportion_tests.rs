//! Expected values are from scipy 1.17.1, from the examples of R's packages binom and survey, and from scipy's documentation.

use proptest::prelude::*;

use super::*;
use crate::confidence::dependence::NOT_STEADY;
use crate::confidence::testing::{assert_close, assert_relative, blocks};
use crate::metrics::proportion::interval;

#[track_caller]
fn assert_limits([lower, upper]: [f64; 2], expected: [f64; 2]) {
    assert_close(lower, expected[0]);
    assert_close(upper, expected[1]);
}

/// Share of the classes of R's `apiclus1` by school district: all bad ones are in the eleventh.
fn apiclus1() -> Vec<Block> {
    let sizes = [13, 34, 4, 13, 16, 2, 1, 4, 12, 21, 9, 11, 37, 2, 4];
    let block = |(at, n): (usize, &i32)| Block { n: f64::from(*n), k: if at == 10 { 4.0 } else { 0.0 } };
    sizes.iter().enumerate().map(block).collect()
}

#[test]
fn limits_of_independent_requests_agree_with_scipy_and_r() {
    assert_limits(clopper_pearson(7.0, 50.0, 0.025), [0.058_192, 0.267_396]);
    assert_limits(clopper_pearson(2.0, 100.0, 0.025), [0.002_431, 0.070_384]);
    assert_limits(clopper_pearson(0.0, 299.0, 0.05), [0.0, 0.009_969]);
    assert_limits(clopper_pearson(100.0, 100.0, 0.05), [0.970_487, 1.0]);
    assert_limits(clopper_pearson(3.5, 41.2, 0.05), [0.026_771, 0.193_230]);
    let [lower, upper] = clopper_pearson(137.0, 1e6, 0.05);
    assert_relative(lower, 0.000_118_334);
    assert_relative(upper, 0.000_157_873);
}

#[test]
fn limits_of_large_counts_agree_with_exact_sums() {
    // `metrics::proportion` sums the binomial distribution term by term.
    for (k, n, alpha) in
        [(500_100, 1_000_000, 0.05), (4_000_000, 10_000_000, 0.01), (9_990, 10_000, 0.0001), (1, 10_000_000, 0.05)]
    {
        let exact = interval(k, n, 1.0 - 2.0 * alpha);
        let limits = clopper_pearson(k as f64, n as f64, alpha);
        for (limit, exact) in limits.into_iter().zip(exact) {
            assert!((limit - exact).abs() <= 3e-8 * exact, "{limit} is not {exact}");
        }
    }
}

#[test]
fn independent_blocks_pay_for_their_number_only() {
    let share = effective(&blocks(50.0, &[1, 0, 4, 0, 0, 9, 2, 0, 0, 7, 1, 0]), 0.05).unwrap();
    assert_close(share.deff, 4.924_242);
    assert_eq!(share.df, 11.0);
    assert_close(share.n, 102.530_660);
    assert_limits(limits(&share, 0.05), [0.014_016, 0.088_358]);
}

#[test]
fn a_drift_is_charged_as_dependence() {
    let drift = blocks(100.0, &[2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6, 8, 7, 9, 8, 10, 9, 11, 10]);
    let share = effective(&drift, 0.05).unwrap();
    assert_close(share.deff, 61.870_101);
    assert_eq!(share.df, 2.0);
    assert_close(share.n, 10.267_031);
    let [lower, upper] = limits(&share, 0.05);
    assert_relative(lower, 0.000_619_655);
    assert_close(upper, 0.338_386);
    assert!(steadiness(&drift).unwrap() >= NOT_STEADY);
}

#[test]
fn a_load_without_bad_requests_has_a_limit_above_zero() {
    let mut without = blocks(8.0, &[0; 13]);
    without.iter_mut().skip(12).for_each(|last| last.n = 4.0);
    let share = effective(&without, 0.05).unwrap();
    assert_close(share.n, 86.789_118);
    assert_limits(limits(&share, 0.05), [0.0, 0.033_928]);
}

#[test]
fn clusters_agree_with_r_survey() {
    // `svyciprop(method = "beta")` takes each cluster as one batch. The design effect is that of the blocks alone.
    let share = effective_with(4.0, 183.0, 4.469_012, 14.0, 0.025).unwrap();
    assert_close(share.n, 34.654_731);
    let [lower, upper] = limits(&share, 0.025);
    assert_relative(lower, 0.000_198_644);
    assert_close(upper, 0.139_396);
    // With the correction for a finite population of 757 districts.
    let share = effective_with(4.0, 183.0, 4.469_012 * 742.0 / 757.0, 14.0, 0.025).unwrap();
    assert_close(share.n, 35.355_299);
    let [lower, upper] = limits(&share, 0.025);
    assert_relative(lower, 0.000_216_147);
    assert_close(upper, 0.137_508);
}

#[test]
fn the_largest_of_all_variances_counts() {
    let share = effective(&apiclus1(), 0.025).unwrap();
    assert_close(share.deff, 4.609_254);
    assert_eq!(share.df, 6.0);
    assert_close(share.n, 25.815_170);
    let [lower, upper] = limits(&share, 0.025);
    assert_relative(lower, 0.000_045_277_6);
    assert_close(upper, 0.171_206);
}

#[test]
fn p_values_agree_with_scipy() {
    let share = |k, n| Effective { n, k, deff: 1.0, df: 9.0, p: k / n, total: n };
    assert_close(p_violated(&share(9.2, 110.0), 0.05), 0.087_532);
    assert_close(p_satisfied(&share(9.2, 110.0), 0.05), 0.957_821);
    assert_close(p_violated(&share(1.0, 400.0), 0.01), 0.982_049);
    assert_close(p_satisfied(&share(1.0, 400.0), 0.01), 0.090_478);
}

#[test]
fn one_block_and_no_request_are_not_enough() {
    assert_eq!(effective(&blocks(100.0, &[3]), 0.05), None);
    assert_eq!(effective(&blocks(0.0, &[0, 0, 0]), 0.05), None);
    assert_eq!(effective(&[], 0.05), None);
}

#[test]
fn two_to_four_blocks_are_wide() {
    let wide = |count: usize| limits(&effective(&blocks(100.0, &[1, 3, 1, 3][..count]), 0.05).unwrap(), 0.05);
    for count in 2..=4 {
        let [lower, upper] = wide(count);
        assert!(lower < 0.01 && upper > 0.04, "{lower} {upper}");
    }
    assert!(wide(2)[1] > wide(3)[1] && wide(3)[1] > wide(4)[1]);
}

#[test]
fn equal_blocks_are_independent_ones() {
    let share = effective(&blocks(100.0, &[2; 30]), 0.05).unwrap();
    assert_eq!((share.deff, share.df), (1.0, 29.0));
    let all_bad = effective(&blocks(100.0, &[100; 30]), 0.05).unwrap();
    assert_eq!((all_bad.deff, limits(&all_bad, 0.05)[1]), (1.0, 1.0));
}

#[test]
fn bad_requests_of_one_block_are_worth_about_one() {
    let mut counts = [0; 60];
    counts[30] = 60;
    let share = effective(&blocks(100.0, &counts), 0.05).unwrap();
    assert!(share.k < 1.1 && share.k > 0.5, "{share:?}");
    assert!(limits(&share, 0.05)[1] > 0.04);
}

#[test]
fn a_stall_and_the_flood_after_it_are_one_event() {
    let mut stall = blocks(50.0, &[0; 30]);
    stall.iter_mut().skip(10).take(5).for_each(|block| block.n = 0.0);
    stall.iter_mut().skip(15).take(1).for_each(|block| *block = Block { n: 300.0, k: 250.0 });
    let share = effective(&stall, 0.05).unwrap();
    assert!(share.k < 1.5, "{share:?}");
}

#[test]
fn a_limit_of_zero_is_violated_by_one_error_and_never_satisfied() {
    let none = effective(&blocks(1e6, &[0; 30]), 0.05).unwrap();
    assert_eq!((p_violated(&none, 0.0), p_satisfied(&none, 0.0)), (1.0, 1.0));
    assert!(limits(&none, 0.05)[1] > 0.0);
    let mut counts = [0; 30];
    counts[7] = 1;
    let one = effective(&blocks(1e6, &counts), 0.05).unwrap();
    assert_eq!(p_violated(&one, 0.0), 0.0);
    assert!(limits(&one, 0.05)[0] > 0.0);
}

#[test]
fn a_limit_of_one_is_satisfied() {
    let all = effective(&blocks(10.0, &[10; 30]), 0.05).unwrap();
    assert_eq!((p_violated(&all, 1.0), p_satisfied(&all, 1.0), p_satisfied(&all, 0.999)), (1.0, 0.0, 1.0));
}

#[test]
fn a_billion_requests_have_limits() {
    let share = effective(&blocks(1e9 / 240.0, &[10; 240]), 0.05).unwrap();
    assert!(share.n <= 1e7);
    let [lower, upper] = limits(&share, 0.05);
    assert!(lower < share.p && share.p < upper && upper < 1e-5, "{lower} {upper}");
}

#[test]
fn less_than_one_effective_request_excludes_nothing() {
    let share = effective_with(3.0, 10.0, 500.0, 1.0, 0.05).unwrap();
    let [lower, upper] = limits(&share, 0.05);
    assert!(share.n < 0.1 && lower < 1e-9 && upper > 0.999, "{lower} {upper}");
}

#[test]
fn impossible_counts_are_refused() {
    assert_eq!(effective(&[Block { n: 5.0, k: 6.0 }, Block { n: 50.0, k: 0.0 }], 0.05), None);
    assert_eq!(effective(&[Block { n: 5.0, k: -1.0 }, Block { n: 50.0, k: 0.0 }], 0.05), None);
    assert_eq!(effective(&[Block { n: f64::INFINITY, k: 1.0 }, Block { n: 50.0, k: 0.0 }], 0.05), None);
    assert_eq!(effective_with(1.0, 10.0, f64::NAN, 3.0, 0.05), None);
    let odd = Effective { n: f64::NAN, k: 1.0, deff: 1.0, df: 1.0, p: 0.5, total: 2.0 };
    assert_eq!((limits(&odd, 0.05), p_violated(&odd, 0.05), p_satisfied(&odd, 0.05)), ([0.0, 1.0], 1.0, 1.0));
}

fn some_blocks() -> impl Strategy<Value = Vec<Block>> {
    let block = (0_u32..200, 0.0_f64..=1.0)
        .prop_map(|(n, share)| Block { n: f64::from(n), k: (f64::from(n) * share.powi(4)).floor() });
    prop::collection::vec(block, 2..60)
}

proptest! {
    #[test]
    fn limits_hold_the_share(counts in some_blocks(), alpha in 0.0001_f64..0.499) {
        if let Some(share) = effective(&counts, alpha) {
            let [lower, upper] = limits(&share, alpha);
            prop_assert!(lower <= share.p && share.p <= upper, "{lower} {share:?} {upper}");
        }
    }

    #[test]
    fn more_bad_requests_raise_both_limits(k in 0_u32..100, more in 1_u32..50, n in 150_u32..1_000, deff in 1.0_f64..9.0) {
        let of = |k: u32| limits(&effective_with(f64::from(k), f64::from(n), deff, 20.0, 0.05).unwrap(), 0.05);
        prop_assert!(of(k)[0] < of(k + more)[0] && of(k)[1] < of(k + more)[1]);
    }

    #[test]
    fn limits_and_p_values_give_the_same_verdict(counts in some_blocks(), theta0 in 0.0_f64..=1.0, alpha in 0.0001_f64..0.3) {
        if let Some(share) = effective(&counts, alpha) {
            let [lower, upper] = limits(&share, alpha);
            // At the limit itself, the last digit decides.
            prop_assume!((lower - theta0).abs() > 1e-9 && (upper - theta0).abs() > 1e-9);
            prop_assert_eq!(upper <= theta0, p_satisfied(&share, theta0) <= alpha);
            prop_assert_eq!(lower > theta0, p_violated(&share, theta0) <= alpha);
        }
    }

    #[test]
    fn halved_blocks_never_give_the_opposite_verdict(counts in some_blocks(), theta0 in 0.0_f64..=1.0) {
        let halved: Vec<Block> = counts
            .chunks(2)
            .map(|pair| Block { n: pair.iter().map(|b| b.n).sum(), k: pair.iter().map(|b| b.k).sum() })
            .collect();
        if let (Some(whole), Some(half)) = (effective(&counts, 0.05), effective(&halved, 0.05)) {
            let [whole, half] = [whole, half].map(|share| limits(&share, 0.05));
            prop_assert!(!(whole[1] <= theta0 && half[0] > theta0));
            prop_assert!(!(half[1] <= theta0 && whole[0] > theta0));
        }
    }

    #[test]
    fn hostile_numbers_give_no_nan(
        counts in prop::collection::vec((any::<f64>(), any::<f64>()), 0..20), theta0 in any::<f64>(), alpha in any::<f64>(),
        (k, n, deff, df) in (any::<f64>(), any::<f64>(), any::<f64>(), any::<f64>()),
    ) {
        let counts: Vec<Block> = counts.into_iter().map(|(n, k)| Block { n, k }).collect();
        let odd = Some(Effective { n, k, deff, df, p: k, total: n });
        for share in [effective(&counts, alpha), effective_with(k, n, deff, df, alpha), odd].into_iter().flatten() {
            let numbers = [limits(&share, alpha)[0], limits(&share, alpha)[1], p_violated(&share, theta0), p_satisfied(&share, theta0)];
            prop_assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)), "{:?}", numbers);
        }
    }
}
