//! Expected values come from R's documentation, from scipy 1.17.1 (`binomtest`, `multinomial`) and, for large counts, from sums with 40
//! digits by mpmath: scipy's intervals have only 5 correct digits there.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn assert_close(value: f64, expected: f64, tolerance: f64) {
    let difference = (value - expected).abs();
    assert!(difference <= tolerance * expected.abs(), "{value} is not {expected}");
}

#[test]
fn binomial_tests_agree_with_r_and_scipy() {
    // The first is Mendel's peas from the examples of R's `binom.test`: 0.3825.
    let cases = [
        (682, 925, 0.75, 0.3824915595748517),
        (7, 50, 0.2, 0.3764668050448092),
        (0, 20, 0.2, 0.02151100136679278),
        (0, 30, 0.2, 0.002139809368012913),
        (0, 31, 0.2, 0.0023340572208070073),
        (20, 100, 0.2, 1.0),
        (35, 100, 0.2, 0.0004140507636903579),
        (8, 100, 0.2, 0.0015922819637640346),
        (1, 10, 0.5, 0.021484375),
        (50, 100, 0.5, 1.0),
        (60, 100, 0.5, 0.05688793364098089),
        (3, 1000, 0.001, 0.080209342840201),
        (999, 1000, 0.99, 0.0011310695918519721),
        (2, 3, 0.5, 1.0),
    ];
    for (count, total, share, expected) in cases {
        assert_close(binomial_test(count, total, share), expected, 1e-9);
    }
}

#[test]
fn binomial_tests_of_large_counts_agree_with_scipy() {
    let cases = [
        (500_100, 1_000_000, 0.5, 0.8422627570516166),
        (20_010_000, 100_000_000, 0.2, 0.012423712981646885),
        (79_987_000, 100_000_000, 0.8, 0.0011550648746467577),
        (3_000, 100_000_000, 0.00003, 1.0),
    ];
    for (count, total, share, expected) in cases {
        assert_close(binomial_test(count, total, share), expected, 1e-5);
    }
}

#[test]
fn shares_of_zero_and_one_leave_nothing_to_chance() {
    assert_eq!([binomial_test(0, 9, 0.0), binomial_test(1, 9, 0.0)], [1.0, 0.0]);
    assert_eq!([binomial_test(9, 9, 1.0), binomial_test(8, 9, 1.0)], [1.0, 0.0]);
    assert_eq!(binomial_test(0, 0, 0.3), 1.0);
}

#[test]
fn intervals_agree_with_scipy() {
    let cases = [
        (7, 50, 0.95, [0.05819170033997344, 0.26739600249700846]),
        (2, 100, 0.95, [0.0024313368239247935, 0.07038393247107005]),
        (0, 299, 0.9, [0.0, 0.009969146792958022]),
        (100, 100, 0.9, [0.9704869503928434, 1.0]),
        (137, 1_000_000, 0.9, [0.00011833357204272393, 0.00015787260403565394]),
        (22, 100, 0.95, [0.14330357674980537, 0.3139196537863181]),
        (1, 1, 0.95, [0.025, 1.0]),
        (21, 100, 0.999, [0.09639148579840844, 0.36787658049223787]),
    ];
    for (count, total, confidence, [lower, upper]) in cases {
        let interval = interval(count, total, confidence);
        assert_close(interval[0], lower, 1e-8);
        assert_close(interval[1], upper, 1e-8);
    }
    assert_eq!(interval(0, 0, 0.95), [0.0, 1.0]);
}

#[test]
fn intervals_of_large_counts_agree_with_long_arithmetic() {
    let cases = [
        (0, 0.95, [0.0, 3.68887938607478e-8]),
        (1, 0.999, [5.00125041681047e-12, 9.99867704774945e-8]),
        (5, 0.95, [1.62348640940961e-8, 1.16683316902811e-7]),
        (3_000, 0.95, [2.89360014594313e-5, 3.10931183100972e-5]),
    ];
    for (count, confidence, [lower, upper]) in cases {
        let interval = interval(count, 100_000_000, confidence);
        assert_close(interval[0], lower, 1e-5);
        assert_close(interval[1], upper, 1e-5);
    }
}

#[test]
fn counts_beyond_the_largest_keep_their_shares() {
    let [lower, upper] = interval(u64::MAX / 5, u64::MAX, 0.95);
    assert!(lower < 0.2 && 0.2 < upper && upper - lower < 1e-4, "{lower} {upper}");
    assert!(binomial_test(u64::MAX / 5, u64::MAX, 0.2) > 0.9);
    assert!(binomial_test(u64::MAX / 5, u64::MAX, 0.21) < 1e-9);
    // One of very many is still neither none nor all.
    assert!(interval(1, u64::MAX, 0.95)[0] > 0.0 && interval(u64::MAX - 1, u64::MAX, 0.95)[1] < 1.0);
    assert_eq!(goodness_of_fit(&[u64::MAX, u64::MAX, 1], &[0.5, 0.5, 0.0]).p_value, 0.0);
}

#[test]
fn multinomial_tests_agree_with_enumeration_by_scipy() {
    let third = 1.0 / 3.0;
    let cases: [(&[u64], &[f64], f64); 6] = [
        (&[5, 3, 2], &[0.5, 0.3, 0.2], 1.0),
        (&[10, 0, 2], &[0.5, 0.3, 0.2], 0.022466149574999972),
        (&[60, 30, 10], &[0.5, 0.3, 0.2], 0.02262083269327945),
        (&[40, 40, 20], &[0.5, 0.3, 0.2], 0.07115858141855663),
        (&[3, 3, 3, 11], &[0.25; 4], 0.04914023883811669),
        (&[86, 66, 39], &[third; 3], 0.00011782737772148176),
    ];
    for (counts, shares, expected) in cases {
        let fit = goodness_of_fit(counts, shares);
        assert_eq!(fit.method, Method::Multinomial);
        assert_close(fit.p_value, expected, 1e-9);
    }
}

#[test]
fn too_many_outcomes_to_enumerate_are_tested_per_version() {
    assert_eq!([outcomes(631, 3), outcomes(3, 2), outcomes(u64::MAX, 4)], [Some(200_028), Some(4), None]);
    let fit = |counts: &[u64]| goodness_of_fit(counts, &[0.5, 0.3, 0.2]);
    assert_eq!(fit(&[315, 189, 126]).method, Method::Multinomial);
    let large = fit(&[316, 189, 126]);
    assert_eq!((large.method, large.p_value), (Method::BinomialPerVersion, 1.0));
    let wrong = fit(&[5_000, 3_200, 1_800]);
    assert_close(wrong.p_value, 3.0 * binomial_test(1_800, 10_000, 0.2), 1e-12);
    assert!(wrong.p_value < 0.001);
}

#[test]
fn versions_without_a_share_must_have_no_responses() {
    let fit = |counts: &[u64], shares: &[f64]| goodness_of_fit(counts, shares);
    assert_eq!(fit(&[80, 20, 0], &[0.8, 0.2, 0.0]), Fit { p_value: 1.0, method: Method::Binomial });
    assert_eq!(fit(&[80, 20, 1], &[0.8, 0.2, 0.0]), Fit { p_value: 0.0, method: Method::Certain });
    assert_eq!(fit(&[7, 0], &[1.0, 0.0]), Fit { p_value: 1.0, method: Method::Certain });
    assert_eq!(fit(&[6, 1], &[1.0, 0.0]).p_value, 0.0);
    assert_eq!(fit(&[0, 0], &[0.8, 0.2]).p_value, 1.0);
}

#[test]
fn weights_are_normalized() {
    assert_eq!(shares(&[80.0, 20.0]), Some(vec![0.8, 0.2]));
    assert_eq!(shares(&[3.0, 1.0, 0.0]), Some(vec![0.75, 0.25, 0.0]));
    assert_eq!(shares(&[f64::MAX, f64::MAX]), Some(vec![0.5, 0.5]));
    for invalid in [&[][..], &[0.0, 0.0], &[1.0, -1.0], &[1.0, f64::NAN], &[f64::INFINITY, 1.0]] {
        assert_eq!(shares(invalid), None);
    }
}

#[test]
fn needed_requests_make_an_unseen_version_unlikely() {
    // 0.8^30 = 0.00124 and 0.8^31 = 0.00099.
    assert_eq!(needed(0.2, 0.001), Some(31));
    assert_eq!(needed(0.01, 0.001), Some(688));
    assert_eq!(needed(1e-9, 0.001), Some(6_907_755_276));
    assert_eq!([needed(1.0, 0.001), needed(0.0, 0.001), needed(f64::NAN, 0.001)], [Some(1), None, None]);
}

proptest! {
    #[test]
    fn a_correct_split_is_rejected_no_more_often_than_the_significance(total in 0_u64..80, share in 0.001_f64..0.999) {
        for significance in [0.001, 0.05] {
            let rejected = (0..=total).filter(|count| binomial_test(*count, total, share) <= significance);
            let probability: f64 = rejected.map(|count| ln_probability(count, total, share).exp()).sum();
            prop_assert!(probability <= significance * (1.0 + 1e-9), "{probability}");
        }
    }

    #[test]
    fn two_versions_are_tested_alike_in_any_order(a in 0_u64..3_000, b in 0_u64..3_000, share in 0.001_f64..0.999) {
        let (p, q) = (binomial_test(a, a + b, share), binomial_test(b, a + b, 1.0 - share));
        prop_assert!((p - q).abs() <= 1e-6 * p.max(1e-300), "{p} {q}");
    }

    #[test]
    fn a_multinomial_test_of_two_versions_is_the_binomial_test(a in 0_u64..300, b in 0_u64..300, share in 0.001_f64..0.999) {
        let versions = [(a, share), (b, 1.0 - share)];
        let (p, q) = (multinomial_test(&versions, a + b), binomial_test(a, a + b, share));
        prop_assert!((p - q).abs() <= 1e-8, "{p} {q}");
    }

    #[test]
    fn intervals_contain_the_observed_share_and_narrow_with_confidence(total in 1_u64..200_000, part in 0.0_f64..=1.0) {
        let count = ((total as f64 * part) as u64).min(total);
        let [lower, upper] = interval(count, total, 0.999);
        let [inner_lower, inner_upper] = interval(count, total, 0.95);
        let share = count as f64 / total as f64;
        prop_assert!(0.0 <= lower && lower <= inner_lower && inner_lower <= share);
        prop_assert!(share <= inner_upper && inner_upper <= upper && upper <= 1.0);
    }

    #[test]
    fn no_responses_after_the_needed_requests_are_rejected(share in 0.0005_f64..0.999, significance in 0.0001_f64..0.2) {
        let needed = needed(share, significance).unwrap();
        let missed = |requests: u64| (1.0 - share).powf(requests as f64);
        prop_assert!(missed(needed) <= significance * (1.0 + 1e-9));
        prop_assert!(needed == 1 || missed(needed - 1) > significance * (1.0 - 1e-9));
    }
}
