//! Table B: five judges on the same data, candidate against version 0.

use crate::coverage::ALPHA;
use crate::judges::{Decision, kayenta, mann_whitney, percentile};
use crate::laws::{ErrorLaw, Law, Load, Trace};
use crate::markdown::{Table, share};
use crate::ours::{self, sorted};
use crate::random::Random;

/// Limit of the ratio of the 95th percentiles, and of the difference of error rates.
const RATIO_LIMIT: f64 = 1.10;
const DIFFERENCE_LIMIT: f64 = 0.005;
/// Requests per second of each version.
const RATE: f64 = 50.0;
/// Law of the baseline's latencies.
const BASELINE: Law = Law::Lognormal(0.5);
/// Common shock: so many seconds in which both versions are slower by a factor.
const SHOCK: (usize, f64) = (5, 3.0);

/// True difference of two versions.
#[derive(Clone, Copy)]
pub(crate) struct Truth {
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    has_shock: bool,
    /// The truth is at or over the limit: promoting is wrong.
    pub(crate) is_over: bool,
    /// The truth is at or within the limit: rolling back is wrong.
    pub(crate) is_within: bool,
}

/// Difference of the candidate from version 0.
#[derive(Clone, Copy)]
pub(crate) enum Effect {
    /// All its requests take this many times as long.
    Slower(f64),
    /// Its latencies have this law.
    Law(Law),
    /// This share of its requests takes ten times as long.
    Tail(f64),
    /// Error rates of candidate and baseline.
    Errors(f64, f64),
}

pub(crate) const TRUTHS: [Truth; 12] = [
    within("same", Effect::Slower(1.0)),
    Truth { has_shock: true, ..within("same, common shock", Effect::Slower(1.0)) },
    within("5 % slower (allowed)", Effect::Slower(1.05)),
    Truth { is_over: true, ..within("exactly 10 % slower", Effect::Slower(1.10)) },
    over("25 % slower", Effect::Slower(1.25)),
    Truth { has_shock: true, ..over("25 % slower, common shock", Effect::Slower(1.25)) },
    over("wider spread, same median", Effect::Law(Law::Lognormal(0.8))),
    over("8 % of requests ×10", Effect::Tail(0.08)),
    within("errors 0.2 against 0.2 %", Effect::Errors(0.002, 0.002)),
    Truth { is_over: true, ..within("errors 0.7 against 0.2 % (the limit)", Effect::Errors(0.007, 0.002)) },
    over("errors 2 against 0 %", Effect::Errors(0.02, 0.0)),
    over("errors 2 against 0.2 %", Effect::Errors(0.02, 0.002)),
];

const fn within(name: &'static str, effect: Effect) -> Truth {
    Truth { name, effect, has_shock: false, is_over: false, is_within: true }
}

const fn over(name: &'static str, effect: Effect) -> Truth {
    Truth { name, effect, has_shock: false, is_over: true, is_within: false }
}

pub(crate) const JUDGES: [&str; 5] =
    ["point rule", "Kayenta, p95 per s", "Kayenta, mean per s", "Mann–Whitney, requests", "ours"];
/// Decisions of one judge.
#[derive(Clone, Copy, Default)]
pub(crate) struct Decisions {
    pub(crate) promoted: usize,
    pub(crate) rolled_back: usize,
    inconclusive: usize,
}

impl Decisions {
    fn add(&mut self, decision: Decision) {
        match decision {
            Decision::Promote => self.promoted += 1,
            Decision::RollBack => self.rolled_back += 1,
            Decision::Inconclusive => self.inconclusive += 1,
        }
    }

    /// Formats promoted, rolled back and inconclusive in percent.
    fn percent(self) -> String {
        let total = self.promoted + self.rolled_back + self.inconclusive;
        let show = |count: usize| {
            let share = 100.0 * count as f64 / total.max(1) as f64;
            if share == share.round() { format!("{share}") } else { format!("{share:.1}") }
        };
        format!("{} / {} / {}", show(self.promoted), show(self.rolled_back), show(self.inconclusive))
    }
}

/// Judges simulated runs of a truth.
pub(crate) fn judge(truth: &Truth, seconds: usize, runs: usize, seed: u64) -> [Decisions; 5] {
    let mut random = Random::new(&[seed, seconds as u64]);
    let load = Load { rate: RATE, seconds };
    let mut decisions = [Decisions::default(); 5];
    let mut traces = (Trace::default(), Trace::default());
    for _ in 0..runs {
        let made = match truth.effect {
            Effect::Errors(candidate, baseline) => {
                let [c, b] = [candidate, baseline].map(|rate| ErrorLaw::Independent.run(rate, load, &mut random));
                judge_errors(&c, &b)
            }
            effect => {
                latencies(effect, truth.has_shock, load, &mut random, &mut traces);
                judge_latencies(&traces.0, &traces.1)
            }
        };
        decisions.iter_mut().zip(made).for_each(|(decisions, decision)| decisions.add(decision));
    }
    decisions
}

/// Simulates the latencies of the candidate and of the baseline.
fn latencies(effect: Effect, has_shock: bool, load: Load, random: &mut Random, (c, b): &mut (Trace, Trace)) {
    let law = if let Effect::Law(law) = effect { law } else { BASELINE };
    law.run(load, random, c);
    BASELINE.run(load, random, b);
    match effect {
        Effect::Slower(factor) => c.scale(factor),
        Effect::Tail(share) => {
            c.latencies.iter_mut().for_each(|latency| *latency *= if random.chance(share) { 10.0 } else { 1.0 });
        }
        Effect::Law(_) | Effect::Errors(..) => {}
    }
    if has_shock {
        let start = (random.uniform() * (load.seconds + 1 - SHOCK.0) as f64) as usize;
        for trace in [c, b] {
            trace.slow_down(start..start + SHOCK.0, SHOCK.1);
        }
    }
}

fn judge_latencies(candidate: &Trace, baseline: &Trace) -> [Decision; 5] {
    let per_second = |trace: &Trace, number: fn(&[f64]) -> f64| trace.seconds().map(number).collect::<Vec<f64>>();
    let p95 = |trace: &Trace| per_second(trace, |second| percentile(&sorted(second), 0.95));
    let mean = |trace: &Trace| per_second(trace, |second| second.iter().sum::<f64>() / second.len() as f64);
    let (c, b) = (sorted(&candidate.latencies), sorted(&baseline.latencies));
    let interval = ours::Pair::new(candidate, baseline).ratio(0.05, ALPHA);
    let [low, high] = interval.unwrap_or([None, None]);
    [
        Decision::of(percentile(&c, 0.95) <= RATIO_LIMIT * percentile(&b, 0.95)),
        kayenta(&p95(candidate), &p95(baseline)),
        kayenta(&mean(candidate), &mean(baseline)),
        mann_whitney(&c, &b),
        decide(low, high, RATIO_LIMIT),
    ]
}

fn judge_errors(candidate: &[f64], baseline: &[f64]) -> [Decision; 5] {
    let requests = RATE * candidate.len() as f64;
    let rates = |errors: &[f64]| errors.iter().map(|errors| errors / RATE).collect::<Vec<f64>>();
    let sum = |errors: &[f64]| errors.iter().sum::<f64>();
    let single = |errors: &[f64]| {
        let mut fails = vec![0.0; (requests - sum(errors)) as usize];
        fails.resize(requests as usize, 1.0);
        fails
    };
    let per_second = kayenta(&rates(candidate), &rates(baseline));
    let interval = ours::difference(&ours::blocks(candidate, RATE), &ours::blocks(baseline, RATE), ALPHA);
    [
        Decision::of((sum(candidate) - sum(baseline)) / requests <= DIFFERENCE_LIMIT),
        per_second,
        per_second,
        mann_whitney(&single(candidate), &single(baseline)),
        decide(interval.map(|[low, _]| low), interval.map(|[_, high]| high), DIFFERENCE_LIMIT),
    ]
}

/// Decides by an interval with an upper limit.
pub(crate) fn decide(low: Option<f64>, high: Option<f64>, limit: f64) -> Decision {
    if high.is_some_and(|high| high <= limit) {
        Decision::Promote
    } else if low.is_some_and(|low| low > limit) {
        Decision::RollBack
    } else {
        Decision::Inconclusive
    }
}

/// False promotions and false rollbacks among the decisions about a truth.
pub(crate) fn wrong(truth: &Truth, decisions: Decisions) -> [usize; 2] {
    [if truth.is_over { decisions.promoted } else { 0 }, if truth.is_within { decisions.rolled_back } else { 0 }]
}

/// The table of one duration. Its last row has the worst of each column.
pub(crate) fn table(seconds: usize, runs: usize, seed: u64) -> String {
    let truth = format!("truth, {seconds} s");
    let mut table = Table::new(&[&[truth.as_str()], &JUDGES[..]].concat());
    let mut worst = [[0; 2]; JUDGES.len()];
    for row in &TRUTHS {
        let decisions = judge(row, seconds, runs, seed);
        for (worst, decisions) in worst.iter_mut().zip(decisions) {
            let [promoted, rolled_back] = wrong(row, decisions);
            *worst = [worst[0].max(promoted), worst[1].max(rolled_back)];
        }
        table.row(std::iter::once(row.name.to_owned()).chain(decisions.map(Decisions::percent)));
    }
    let worst = worst.map(|counts| counts.map(|count| share(count, runs)).join(" / "));
    table.row(std::iter::once("**worst false promotion / false rollback**".to_owned()).chain(worst));
    table.to_string()
}
