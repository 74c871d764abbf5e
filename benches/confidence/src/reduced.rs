//! The hardest cases of the simulation at a reduced size: 300 runs each, with bounds that are three standard deviations wider.

use crate::coverage::{self, ALPHA, percentiles};
use crate::judgement::{self, JUDGES, TRUTHS};
use crate::judges::percentile;
use crate::laws::{Law, Load};
use crate::ours::sorted;
use crate::stopping::{self, SETUPS};

const RUNS: usize = 300;
const SEED: u64 = 15;
/// Index of our own judge.
const OURS: usize = JUDGES.len() - 1;

/// Misses of a true rate that are still plausible: the mean plus three standard deviations.
fn plausible(rate: f64, runs: usize) -> usize {
    let runs = runs as f64;
    (runs * rate + 3.0 * (runs * rate * (1.0 - rate)).sqrt()).floor() as usize
}

/// Cells with the most misses at the full size.
const HARDEST: [(Law, f64, usize, &[f64]); 10] = [
    (Law::Sticky, 50.0, 30, &[0.05, 0.01]),
    (Law::Sticky, 500.0, 30, &[0.1, 0.05, 0.01]),
    (Law::Autoregressive(0.3), 50.0, 10, &[0.5, 0.1, 0.05]),
    (Law::Autoregressive(0.3), 50.0, 30, &[0.1, 0.05]),
    (Law::Autoregressive(1.0), 8.0, 30, &[0.5, 0.1, 0.05]),
    (Law::Autoregressive(1.0), 50.0, 30, &[0.1, 0.05, 0.01]),
    (Law::Autoregressive(1.0), 500.0, 30, &[0.05, 0.001]),
    (Law::Queue(0.5), 8.0, 30, &[0.05, 0.01]),
    (Law::Queue(0.5), 50.0, 10, &[0.05, 0.01]),
    (Law::Queue(0.8), 50.0, 120, &[0.5, 0.05]),
];

#[test]
fn intervals_miss_the_truth_as_rarely_as_promised_where_that_is_hardest() {
    let mut plain_is_worse = 0;
    let mut count = 0;
    for (law, rate, seconds, shares) in HARDEST {
        let load = Load { rate, seconds };
        for cell in percentiles(law, load, shares, RUNS, SEED) {
            let name = coverage::name(law, load);
            let (upper, lower) = (cell.ours.upper, cell.ours.lower);
            let bound = plausible(0.066, RUNS);
            assert!(upper <= bound && lower <= bound, "{name}, {}: {upper} and {lower} misses", cell.share);
            plain_is_worse += usize::from(cell.plain.upper.max(cell.plain.lower) > 2 * bound);
            count += 1;
        }
    }
    assert_eq!(count, 24);
    assert!(plain_is_worse >= 18, "independent limits are bad in {plain_is_worse} cells only");
}

#[test]
fn independent_requests_keep_most_of_their_worth() {
    for law in [Law::Exponential, Law::Lognormal(1.0), Law::Bimodal] {
        for cell in percentiles(law, Load { rate: 50.0, seconds: 120 }, &[0.5, 0.05], RUNS, SEED) {
            let median = percentile(&sorted(&cell.worth), 0.5);
            assert!(median >= 0.70 && cell.worth.len() == RUNS, "{law:?}, {}: {median}", cell.share);
        }
    }
}

/// Prints false promotions and false rollbacks side by side (`--nocapture`), and holds ours to its promise.
#[test]
#[expect(clippy::print_stdout, reason = "the figures of all judges side by side, for `--nocapture`")]
fn our_false_verdicts_are_rarer_than_those_of_the_point_rule_and_of_mann_whitney() {
    let mut worst = [[0; 2]; JUDGES.len()];
    let mut lines = Vec::new();
    for seconds in [10, 60] {
        for truth in &TRUTHS {
            let decisions = judgement::judge(truth, seconds, RUNS, SEED);
            let wrong = decisions.map(|decisions| judgement::wrong(truth, decisions));
            lines.push(format!("{seconds} s, {}: {wrong:?}", truth.name));
            for (worst, wrong) in worst.iter_mut().zip(wrong) {
                *worst = [worst[0].max(wrong[0]), worst[1].max(wrong[1])];
            }
        }
    }
    println!("false promotions and rollbacks of {RUNS} by {JUDGES:?}\n{}", lines.join("\n"));
    let bound = plausible(ALPHA, RUNS);
    let [ours_promoted, ours_rolled_back] = worst[OURS];
    assert!(ours_promoted <= bound && ours_rolled_back <= bound, "{:?}", worst[OURS]);
    for (judge, [promoted, rolled_back]) in JUDGES.iter().zip(worst).take(OURS) {
        assert!(promoted.max(rolled_back) > 2 * bound, "{judge}: {promoted} and {rolled_back}");
    }
}

#[test]
fn what_is_clearly_slower_is_rolled_back_and_what_is_the_same_is_promoted() {
    let ours = |index: usize| judgement::judge(&TRUTHS[index], 60, RUNS, SEED)[OURS];
    assert!(ours(4).rolled_back >= RUNS - plausible(0.05, RUNS), "{}", TRUTHS[4].name);
    assert!(ours(0).promoted >= RUNS - plausible(0.16, RUNS), "{}", TRUTHS[0].name);
}

#[test]
fn runs_that_end_early_are_as_rarely_wrong_and_save_requests() {
    for setup in &SETUPS[..2] {
        let at_the_limit = stopping::stops(setup, 1.0, 100, SEED);
        let bound = plausible(0.06, 100);
        let (satisfied, violated) = (at_the_limit.satisfied, at_the_limit.violated);
        assert!(satisfied <= bound && violated <= bound, "{}: {satisfied} and {violated}", setup.name);
        for clear in [0.2, 3.0] {
            let stops = stopping::stops(setup, clear, 100, SEED);
            let saved = 1.0 - stops.mean_seconds() / setup.load.seconds as f64;
            assert!(saved >= 0.45, "{}, {clear}: saved {saved}", setup.name);
            let decided = [stops.satisfied + stops.violated, stops.fixed];
            assert!(decided.iter().all(|count| *count >= 95), "{}, {clear}: decided {decided:?}", setup.name);
        }
    }
}
