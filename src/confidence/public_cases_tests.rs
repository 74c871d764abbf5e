//! Data of public issues in which Kayenta promoted a bad canary, judged here.

use super::beta::student;
use super::blocks::{Block, SumBlock, SumPair, paired_sums};
use super::dependence::depend;
use super::design_effect::DesignEffect;
use super::order::Samples;
use super::testing::assert_close;
use super::{difference, mean_difference, mean_ratio, proportion, ratio};

fn points(candidate: &[f64], baseline: &[f64]) -> Vec<SumPair> {
    let sums = |values: &[f64]| values.iter().map(|value| SumBlock { n: 1.0, sum: *value }).collect::<Vec<_>>();
    paired_sums(&sums(candidate), &sums(baseline))
}

fn samples(values: &[f64]) -> Samples {
    Samples::new(values).unwrap()
}

/// Interval of a ratio of percentiles of single points, taken as independent.
fn ratio_of(candidate: &[f64], baseline: &[f64], q: f64) -> [Option<f64>; 2] {
    let total = (candidate.len() + baseline.len()) as f64;
    let deff = q * total / (total - 1.0);
    let effect = DesignEffect { deff, df: total / 2.0 - 1.0 };
    ratio::interval(&samples(candidate), &samples(baseline), q, effect, 0.05)
}

#[test]
fn a_canary_that_is_70_times_as_slow_is_violated() {
    // spinnaker#6278.
    let (candidate, baseline) = ([[100.0; 7].as_slice(), &[1.0; 3]].concat(), [1.0; 10]);
    let [lower, _] = mean_ratio::interval(&points(&candidate, &baseline), 0.05).unwrap();
    assert!((lower - 1.391).abs() < 5e-4, "{lower}");
    let over = proportion::effective_with(7.0, 10.0, 1.0, 9.0, 0.05).unwrap();
    assert!((proportion::limits(&over, 0.05)[0] - 0.393).abs() < 5e-4);
    assert_eq!(ratio_of(&candidate, &baseline, 0.5), [Some(1.0), Some(100.0)]);
}

#[test]
fn a_change_of_shape_shows_in_two_percentiles() {
    // kayenta#780, case 1.
    let candidate = [10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 17.0, 17.1, 17.2, 17.3, 17.4, 17.5, 17.6, 17.7];
    let baseline = [1.0, 100.0, 4.0, 101.0, 5.0, 102.0, 6.0, 103.0, 7.0, 104.0, 8.0, 105.0, 9.0, 106.0, 17.0];
    let upper = ratio_of(&candidate, &baseline, 0.75)[1].unwrap();
    assert!((upper - 0.176).abs() < 5e-4, "{upper}");
    let lower = ratio_of(&candidate, &baseline, 0.25)[0].unwrap();
    assert_close(lower, 1.2625);
}

#[test]
fn four_errors_in_six_points_are_too_few_and_of_600_requests_they_are_not() {
    // kayenta#426.
    let [lower, upper] = mean_difference::interval(&points(&[0.0, 1.0, 2.0, 1.0, 0.0, 0.0], &[0.0; 6]), 0.05).unwrap();
    assert!((lower + 0.005).abs() < 5e-4 && (upper - 1.338).abs() < 5e-4, "{lower} {upper}");
    let ends = difference::newcombe(Block { n: 600.0, k: 4.0 }, Block { n: 600.0, k: 0.0 }, 0.05).unwrap();
    assert_close(ends[0], 0.000_868);
    assert_close(ends[1], 0.014_766);
}

#[test]
fn rare_errors_of_the_candidate_alone_are_a_difference() {
    // kayenta#799, the second set, without data taken as 0.
    let errors = [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0].map(f64::from);
    let [lower, _] = mean_difference::interval(&points(&errors, &[0.0; 25]), 0.05).unwrap();
    assert!((lower - 0.07).abs() < 5e-4, "{lower}");
}

#[test]
fn a_rate_above_zero_is_found_beside_a_rate_of_zero() {
    // spinnaker#5622.
    let rates = [0.0, 0.048, 0.0, 0.18, 0.089, 0.0, 0.098, 0.035, 0.0, 0.0];
    let [lower, _] = mean_difference::interval(&points(&rates, &[0.0; 10]), 0.05).unwrap();
    assert_close(lower, 0.008_852);
    // The points do not depend on each other: it is Student's interval of ten values.
    let dependence = depend(&rates.map(|rate| (rate - 0.045) / 10.0)).unwrap();
    assert_close(0.045 - student(0.95, dependence.df).unwrap() * dependence.variance.sqrt(), lower);
}
