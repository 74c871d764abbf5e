//! Expected values are from the unit tests of confseq (`uniform_boundaries_unittest.cpp`, computed with R), and from scipy 1.17.1.

use proptest::prelude::*;

use super::*;
use crate::confidence::testing::assert_close;

#[track_caller]
fn assert_near(value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
}

#[test]
fn the_mixture_agrees_with_confseq() {
    let a = 19.550_794;
    let mixture = Mixture { a, b: a * 0.8 / 0.2 };
    assert_near(mixture.ln_above(135.0, 625.0, 0.2).unwrap(), -0.071_340_19, 1e-6);
    // Its bound of the sum's excess over 625·0.2 is 28.41238 at a level of 0.05.
    assert_near(mixture.ln_above(125.0 + 28.412_38, 625.0, 0.2).unwrap(), 20.0_f64.ln(), 1e-5);
}

#[test]
fn two_sided_limits_agree_with_confseq() {
    // Its mixture for 700 of 1,000 at a level of 0.05, sharpest after 100 requests.
    let growth = 2.0 * 20.0_f64.ln();
    let weight = 100.0 / (growth + growth.ln_1p()) - 1.0;
    for limit in [0.651_629, 0.745_949] {
        let mixture = Mixture { a: weight * limit, b: weight * (1.0 - limit) };
        assert_near(mixture.ln_both(700.0, 1_000.0, limit).unwrap(), 20.0_f64.ln(), 2e-4);
    }
}

#[test]
fn evidence_agrees_with_scipy() {
    assert_close(ln_satisfied(10.0, 600.0, 0.05), 8.123_188);
    assert_close(ln_violated(60.0, 600.0, 0.05), 10.932_779);
    assert_close(ln_satisfied(0.0, 540.0, 0.01), 4.022_377);
    assert_close(ln_violated(25.5, 1_234.5, 0.01), 4.372_388);
}

#[test]
fn limits_at_every_look_agree_with_scipy() {
    let cases = [
        (10.0, 600.0, 0.025, [0.005_190, 0.038_171]),
        (0.0, 600.0, 0.025, [0.0, 0.008_349]),
        (50.0, 1_000.0, 0.05, [0.032_569, 0.073_821]),
    ];
    for (k, n, alpha, expected) in cases {
        let [lower, upper] = limits(k, n, alpha);
        assert_close(lower, expected[0]);
        assert_close(upper, expected[1]);
    }
}

#[test]
fn a_clean_load_is_satisfied_early() {
    let least = |theta0| (1..10_000).find(|n| ln_satisfied(0.0, f64::from(*n), theta0) >= 40.0_f64.ln());
    assert_eq!([0.05, 0.01, 0.001].map(least), [Some(99), Some(501), Some(5_027)]);
}

#[test]
fn ranks_are_where_the_evidence_decides() {
    let (most, least) = ranks(1_500.0, 0.05, 0.025);
    assert_close(ln_satisfied(most.unwrap(), 1_500.0, 0.05), 40.0_f64.ln());
    assert_close(ln_violated(least.unwrap(), 1_500.0, 0.05), 40.0_f64.ln());
    let (most, least) = ranks(98.0, 0.05, 0.025);
    assert_eq!(most, None);
    assert!(least.is_some());
}

#[test]
fn limits_of_zero_and_one_need_no_evidence() {
    assert_eq!([ln_violated(1.0, 9.0, 0.0), ln_satisfied(9.0, 9.0, 1.0)], [f64::INFINITY; 2]);
    assert_eq!(
        [ln_violated(0.0, 9.0, 0.0), ln_satisfied(0.0, 9.0, 0.0), ln_violated(9.0, 9.0, 1.0)],
        [f64::NEG_INFINITY; 3]
    );
}

#[test]
fn a_single_look_is_sharper_than_all_of_them() {
    let fixed = super::super::proportion::clopper_pearson(50.0, 1_000.0, 0.05);
    let [lower, upper] = limits(50.0, 1_000.0, 0.05);
    assert!(lower < fixed[0] && upper > fixed[1]);
}

proptest! {
    #[test]
    fn limits_hold_the_share(n in 1_u32..5_000, share in 0.0_f64..=1.0, alpha in 0.0001_f64..0.5) {
        let k = (f64::from(n) * share).floor();
        let [lower, upper] = limits(k, f64::from(n), alpha);
        let p = k / f64::from(n);
        prop_assert!(0.0 <= lower && lower <= p && p <= upper && upper <= 1.0, "{lower} {p} {upper}");
    }

    #[test]
    fn hostile_numbers_give_no_nan(k in any::<f64>(), n in any::<f64>(), theta0 in any::<f64>(), alpha in any::<f64>()) {
        prop_assert!(!ln_satisfied(k, n, theta0).is_nan() && !ln_violated(k, n, theta0).is_nan());
        prop_assert!(limits(k, n, alpha).iter().all(|end| (0.0..=1.0).contains(end)));
        let (most, least) = ranks(n, theta0, alpha);
        prop_assert!([most, least].into_iter().flatten().all(|rank| rank >= 0.0 && rank <= n));
    }
}
