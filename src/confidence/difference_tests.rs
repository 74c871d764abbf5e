//! Expected values: the table of Newcombe's paper (rounded there to four digits), and scipy 1.17.1.

use proptest::prelude::*;

use super::*;
use crate::confidence::blocks::paired;
use crate::confidence::testing::{assert_close, assert_relative, blocks};

fn share(k: f64, n: f64) -> Block {
    Block { n, k }
}

#[track_caller]
fn assert_newcombe(candidate: (f64, f64), baseline: (f64, f64), alpha: f64, expected: [f64; 2]) {
    let ends = newcombe(share(candidate.0, candidate.1), share(baseline.0, baseline.1), alpha).unwrap();
    assert_close(ends[0], expected[0]);
    assert_close(ends[1], expected[1]);
}

#[test]
fn differences_agree_with_newcombes_table() {
    assert_newcombe((56.0, 70.0), (48.0, 80.0), 0.025, [0.052_431, 0.333_873]);
    assert_newcombe((9.0, 10.0), (3.0, 10.0), 0.025, [0.170_523, 0.809_018]);
    assert_newcombe((5.0, 56.0), (0.0, 29.0), 0.025, [-0.038_137, 0.192_560]);
    assert_newcombe((0.0, 10.0), (0.0, 20.0), 0.025, [-0.161_125, 0.277_533]);
}

#[test]
fn differences_of_rare_errors_agree_with_scipy() {
    let ends = newcombe(share(12.0, 3_000.0), share(3.0, 3_000.0), 0.05).unwrap();
    assert_relative(ends[0], 0.000_879_206);
    assert_close(ends[1], 0.005_468);
    let ends = newcombe(share(0.0, 3_000.0), share(0.0, 3_000.0), 0.05).unwrap();
    assert_relative(ends[0], -0.000_901_035);
    assert_relative(ends[1], 0.000_901_035);
    assert_newcombe((2.4, 410.5), (0.8, 395.2), 0.05, [-0.005_374, 0.014_154]);
}

#[test]
fn a_disturbance_of_both_cancels() {
    let shock = [1, 1, 30, 30, 1, 1, 1, 1, 30, 30, 1, 1];
    let (candidate, baseline) = (blocks(100.0, &shock), blocks(100.0, &shock));
    let same_time = design_effect(&paired(&candidate, &baseline)).unwrap();
    let one_after_another = design_effect_unpaired(&candidate, &baseline).unwrap();
    assert_eq!(same_time.deff, 1.0);
    assert!(one_after_another.deff > 15.0, "{one_after_another:?}");
}

#[test]
fn uneven_blocks_are_compared_with_the_mean_of_their_version() {
    let counts = |of: [(i32, i32); 4]| of.map(|(n, k)| share(f64::from(k), f64::from(n)));
    let candidate = counts([(100, 5), (50, 12), (150, 9), (80, 20)]);
    let baseline = counts([(300, 2), (310, 5), (250, 2), (320, 4)]);
    let effect = design_effect(&paired(&candidate, &baseline)).unwrap();
    assert_close(effect.deff, 8.205_080_90);
}

#[test]
fn independent_variances_add_up() {
    let [a, b] = [Dependence { variance: 3.0, df: 4.0 }, Dependence { variance: 1.0, df: 10.0 }];
    let both = add([a, b]);
    assert_close(both.variance, 4.0);
    assert_close(both.df, 16.0 / (9.0 / 4.0 + 0.1));
    assert_eq!(add([Dependence { variance: 0.0, df: 4.0 }, Dependence { variance: 0.0, df: 3.0 }]).df, 3.0);
}

#[test]
fn two_versions_without_errors_leave_a_doubt() {
    let effect = design_effect(&paired(&blocks(100.0, &[0; 30]), &blocks(100.0, &[0; 30]))).unwrap();
    assert_eq!(effect, DesignEffect { deff: 1.0, df: 29.0 });
    let [lower, upper] = interval(share(0.0, 3_000.0), share(0.0, 3_000.0), effect, 0.05).unwrap();
    assert!(lower < -0.0009 && upper > 0.0009 && upper < 0.001, "{lower} {upper}");
}

#[test]
fn dependence_widens_the_interval() {
    let with = |deff, df| interval(share(30.0, 3_000.0), share(3.0, 3_000.0), DesignEffect { deff, df }, 0.05).unwrap();
    assert!(with(4.0, 29.0)[1] > with(1.0, 29.0)[1] && with(1.0, 2.0)[1] > with(1.0, 29.0)[1]);
    let [lower, upper] = with(1.0, 5_999.0);
    assert_eq!(Some([lower, upper]), newcombe(share(30.0, 3_000.0), share(3.0, 3_000.0), 0.05));
}

#[test]
fn a_version_without_requests_has_no_difference() {
    let effect = DesignEffect { deff: 1.0, df: 9.0 };
    assert_eq!(interval(share(0.0, 0.0), share(0.0, 10.0), effect, 0.05), None);
    assert_eq!(interval(share(2.0, 1.0), share(0.0, 10.0), effect, 0.05), None);
    assert_eq!(interval(share(1.0, 2.0), share(0.0, 10.0), DesignEffect { deff: f64::NAN, df: 9.0 }, 0.05), None);
    assert_eq!(design_effect(&paired(&blocks(10.0, &[1, 2]), &[])), None);
    assert_eq!(design_effect_unpaired(&blocks(10.0, &[1, 2]), &blocks(10.0, &[1])), None);
}

proptest! {
    #[test]
    fn an_interval_holds_the_difference(
        (n_c, n_0) in (1_u32..5_000, 1_u32..5_000), (p_c, p_0) in (0.0_f64..=1.0, 0.0_f64..=1.0), deff in 1.0_f64..50.0, alpha in 0.0001_f64..0.5,
    ) {
        let [candidate, baseline] = [(n_c, p_c), (n_0, p_0)].map(|(n, p)| share((f64::from(n) * p).floor(), f64::from(n)));
        let [lower, upper] = interval(candidate, baseline, DesignEffect { deff, df: 9.0 }, alpha).unwrap();
        let difference = candidate.k / candidate.n - baseline.k / baseline.n;
        prop_assert!(lower <= difference && difference <= upper);
        prop_assert!(lower >= -1.0 - 1e-9 && upper <= 1.0 + 1e-9);
    }

    #[test]
    fn hostile_numbers_give_no_nan(values in prop::collection::vec((any::<f64>(), any::<f64>()), 4), deff in any::<f64>(), df in any::<f64>(), alpha in any::<f64>()) {
        let blocks: Vec<Block> = values.into_iter().map(|(n, k)| Block { n, k }).collect();
        let (candidate, baseline) = blocks.split_at(2);
        let effects = [design_effect(&paired(candidate, baseline)), design_effect_unpaired(candidate, baseline), Some(DesignEffect { deff, df })];
        for effect in effects.into_iter().flatten() {
            for ends in [interval(blocks[0], blocks[1], effect, alpha), interval(share(1.0, 9.0), share(2.0, 9.0), effect, alpha)] {
                prop_assert!(ends.is_none_or(|ends| ends.iter().all(|end| end.is_finite())));
            }
        }
    }
}
