//! Table C: runs that end as soon as the verdict is sure (`until: verdict`).

use crate::cells::{Cells, block_over};
use crate::coverage::ALPHA;
use crate::judges::Decision;
use crate::laws::{ErrorLaw, Law, Load, Trace};
use crate::markdown::{Table, share};
use crate::ours::{self, Block};
use crate::random::Random;

/// Seconds before the first look.
const FIRST_LOOK: usize = 10;
/// Limit of the ratio of the 95th percentiles.
const RATIO_LIMIT: f64 = 1.10;

/// An SLO and a load.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    pub(crate) objective: Objective,
}

/// Objective of a set-up, with the law of what it is about.
#[derive(Clone, Copy)]
pub(crate) enum Objective {
    /// At most this share of the requests is over the limit.
    Percentile(Law, f64),
    /// At most this share of the requests fails.
    ErrorRate(ErrorLaw, f64),
    /// The ratio of the 95th percentiles is at most [`RATIO_LIMIT`].
    Ratio(Law),
}

pub(crate) const SETUPS: [Setup; 9] = [
    setup("p95, independent", 50.0, 120, Objective::Percentile(Law::Exponential, 0.05)),
    setup("p95, AR .15 s", 50.0, 120, Objective::Percentile(Law::Autoregressive(0.15), 0.05)),
    setup("p95, AR .5 s", 50.0, 300, Objective::Percentile(Law::Autoregressive(0.5), 0.05)),
    setup("p95, AR 1 s", 50.0, 300, Objective::Percentile(Law::Autoregressive(1.0), 0.05)),
    setup("p95, M/M/1 at .5", 50.0, 120, Objective::Percentile(Law::Queue(0.5), 0.05)),
    setup("errors ≤ 1 %, independent", 500.0, 120, Objective::ErrorRate(ErrorLaw::Independent, 0.01)),
    setup("errors ≤ 1 %, bursts of 100 ms", 500.0, 120, Objective::ErrorRate(ErrorLaw::Bursts, 0.01)),
    setup("p99, AR .15 s", 500.0, 300, Objective::Percentile(Law::Autoregressive(0.15), 0.01)),
    setup("p95 ratio ≤ 1.10", 50.0, 120, Objective::Ratio(Law::Lognormal(0.5))),
];

const fn setup(name: &'static str, rate: f64, seconds: usize, objective: Objective) -> Setup {
    Setup { name, load: Load { rate, seconds }, objective }
}

/// True shares in multiples of the limit.
const MULTIPLES: [f64; 6] = [0.0, 0.2, 0.5, 1.0, 1.5, 3.0];
/// True ratios.
const RATIOS: [f64; 6] = [0.8, 0.9, 1.0, 1.1, 1.5, 2.0];

/// Results of one truth.
#[derive(Default)]
pub(crate) struct Stops {
    runs: usize,
    pub(crate) satisfied: usize,
    pub(crate) violated: usize,
    /// Seconds of all runs.
    seconds: usize,
    /// Runs that are decided by their whole data without looking before.
    pub(crate) fixed: usize,
}

impl Stops {
    /// Mean duration of a run.
    pub(crate) fn mean_seconds(&self) -> f64 {
        self.seconds as f64 / self.runs as f64
    }

    fn add(&mut self, at: usize, decision: Decision, fixed: Decision) {
        self.runs += 1;
        self.seconds += at;
        self.satisfied += usize::from(decision == Decision::Promote);
        self.violated += usize::from(decision == Decision::RollBack);
        self.fixed += usize::from(fixed != Decision::Inconclusive);
    }
}

/// Simulates runs of a set-up at a truth.
pub(crate) fn stops(setup: &Setup, truth: f64, runs: usize, seed: u64) -> Stops {
    let mut random = Random::new(&[seed, truth.to_bits()]);
    let mut stops = Stops::default();
    for _ in 0..runs {
        let (at, decision, fixed) = match setup.objective {
            Objective::Percentile(law, limit) => percentile(law, limit, truth, setup.load, &mut random),
            Objective::ErrorRate(law, limit) => error_rate(law, limit, truth, setup.load, &mut random),
            Objective::Ratio(law) => ratio(law, truth, setup.load, &mut random),
        };
        stops.add(at, decision, fixed);
    }
    stops
}

type Stop = (usize, Decision, Decision);

fn percentile(law: Law, limit: f64, multiple: f64, load: Load, random: &mut Random) -> Stop {
    let mut trace = Trace::default();
    law.run(load, random, &mut trace);
    let longest = if multiple > 0.0 { law.quantile(multiple * limit, load) } else { f64::INFINITY };
    let (mut cells, mut blocks, mut tail) = (Cells::new(), Vec::new(), Vec::new());
    let (mut lower, mut stop) = (None, None);
    let seconds: Vec<&[f64]> = trace.seconds().collect();
    for (second, latencies) in seconds.iter().enumerate() {
        blocks.push(block_over(latencies, longest));
        cells.grow(latencies);
        let now = cells.own().lower(longest);
        if now == lower {
            tail.extend(now.map(|lower| block_over(latencies, lower)));
        } else {
            let over = |lower| seconds[..=second].iter().map(move |latencies| block_over(latencies, lower)).collect();
            (lower, tail) = (now, now.map_or_else(Vec::new, over));
        }
        let tail = lower.is_some().then_some(&*tail);
        if second + 1 >= FIRST_LOOK && stop.is_none() {
            stop = decided(second + 1, ours::look(&blocks, tail, limit, load.rate, ALPHA));
        }
    }
    let tail = lower.is_some().then_some(&*tail);
    ended(stop, &blocks, tail, limit)
}

fn error_rate(law: ErrorLaw, limit: f64, multiple: f64, load: Load, random: &mut Random) -> Stop {
    let blocks = ours::blocks(&law.run(multiple * limit, load, random), load.rate);
    let looks = FIRST_LOOK..=blocks.len();
    let stop = looks.into_iter().find_map(|at| decided(at, ours::look(&blocks[..at], None, limit, load.rate, ALPHA)));
    ended(stop, &blocks, None, limit)
}

fn decided(at: usize, decision: Decision) -> Option<(usize, Decision)> {
    (decision != Decision::Inconclusive).then_some((at, decision))
}

/// The early verdict if there is one, or that of the whole run with the other half of the error.
fn ended(stop: Option<(usize, Decision)>, blocks: &[Block], tail: Option<&[Block]>, limit: f64) -> Stop {
    let (at, decision) = stop.unwrap_or_else(|| (blocks.len(), ours::verdict(blocks, tail, limit, ALPHA / 2.0)));
    (at, decision, ours::verdict(blocks, tail, limit, ALPHA))
}

fn ratio(law: Law, truth: f64, load: Load, random: &mut Random) -> Stop {
    let (mut candidate, mut baseline) = (Trace::default(), Trace::default());
    law.run(load, random, &mut candidate);
    law.run(load, random, &mut baseline);
    candidate.scale(truth);
    let judge = |at: usize, alpha: f64| {
        let interval = ours::Pair::new(&candidate.until(at), &baseline.until(at)).ratio(0.05, alpha);
        let [low, high] = interval.unwrap_or([None, None]);
        crate::judgement::decide(low, high, RATIO_LIMIT)
    };
    let looks = ours::looks(load.seconds);
    let each = ALPHA / 2.0 / looks.len() as f64;
    let stop = looks.iter().find_map(|at| decided(*at, judge(*at, each)));
    let (at, decision) = stop.unwrap_or_else(|| (load.seconds, judge(load.seconds, ALPHA / 2.0)));
    (at, decision, judge(load.seconds, ALPHA))
}

/// The table of all set-ups.
pub(crate) fn table(runs: usize, seed: u64) -> String {
    let mut table = Table::new(&[
        "set-up",
        "truth ÷ limit",
        "satisfied",
        "violated",
        "ended after, mean",
        "requests saved",
        "decided by the whole run alone",
    ]);
    for setup in &SETUPS {
        let is_ratio = matches!(setup.objective, Objective::Ratio(_));
        for truth in if is_ratio { RATIOS } else { MULTIPLES } {
            let stops = stops(setup, truth, runs, seed);
            let mean = stops.mean_seconds();
            let Load { rate, seconds } = setup.load;
            table.row([
                format!("{}, {rate}/s, {seconds} s", setup.name),
                if is_ratio { format!("ratio {truth:.1}") } else { format!("{truth}") },
                share(stops.satisfied, runs),
                share(stops.violated, runs),
                format!("{mean:.0} s"),
                format!("{:.0} %", 100.0 * (1.0 - mean / seconds as f64)),
                share(stops.fixed, runs),
            ]);
        }
    }
    table.to_string()
}
