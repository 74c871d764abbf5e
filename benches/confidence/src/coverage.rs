//! Table A: how often an interval misses the truth, for one version and for two.

use crate::cells::{Cells, blocks_over};
use crate::judges::percentile;
use crate::laws::{ErrorLaw, Law, Load, Trace};
use crate::markdown::{Table, percent, share};
use crate::ours::{self, Misses, sorted};
use crate::random::Random;

/// Shares over the limit: p50, p90, p95, p99, p99.9.
pub(crate) const SHARES: [f64; 5] = [0.5, 0.1, 0.05, 0.01, 0.001];
/// Seconds, in multiples of a law's memory, from which coverage is promised.
pub(crate) const SCOPE: f64 = 30.0;
/// Error of each end.
pub(crate) const ALPHA: f64 = 0.05;

/// Laws by the rows of the table.
pub(crate) const GROUPS: [(&str, &[Law]); 7] = [
    ("independent (exponential, lognormal, two modes)", &[Law::Exponential, Law::Lognormal(1.0), Law::Bimodal]),
    ("modes that last 100 ms", &[Law::Sticky]),
    ("AR(1) of 50 ms, 300 ms, 1 s", &[Law::Autoregressive(0.05), Law::Autoregressive(0.3), Law::Autoregressive(1.0)]),
    ("AR(1) of 300 ms and 1 s, three times as wide", &[Law::Wide(0.3), Law::Wide(1.0)]),
    ("stalls of 50 ms, once a second", &[Law::Stalls]),
    ("M/M/1 at .5 and .8", &[Law::Queue(0.5), Law::Queue(0.8)]),
    ("drift of 20 % (average of the run)", &[Law::Drift]),
];

/// Loads from 50 to 1,000,000 requests.
const LOADS: [Load; 8] = [
    Load { rate: 5.0, seconds: 10 },
    Load { rate: 8.0, seconds: 30 },
    Load { rate: 50.0, seconds: 10 },
    Load { rate: 50.0, seconds: 30 },
    Load { rate: 50.0, seconds: 120 },
    Load { rate: 500.0, seconds: 30 },
    Load { rate: 500.0, seconds: 240 },
    Load { rate: 5_000.0, seconds: 200 },
];

/// Loads for comparisons.
const PAIR_LOADS: [Load; 3] =
    [Load { rate: 8.0, seconds: 30 }, Load { rate: 50.0, seconds: 30 }, Load { rate: 50.0, seconds: 120 }];

/// One law, load and percentile.
pub(crate) struct Cell {
    pub(crate) law: Law,
    pub(crate) load: Load,
    pub(crate) share: f64,
    pub(crate) runs: usize,
    pub(crate) ours: Misses,
    pub(crate) plain: Misses,
    /// Effective requests divided by requests, of every run.
    pub(crate) worth: Vec<f64>,
    /// Design effects of every run.
    deffs: Vec<f64>,
}

impl Cell {
    fn is_in_scope(&self) -> bool {
        is_in_scope(self.law, self.load)
    }

    /// Share of the runs that missed at the worse end.
    fn worst(&self) -> f64 {
        self.ours.upper.max(self.ours.lower) as f64 / self.runs as f64
    }

    fn name(&self) -> String {
        format!("{} · {}", name(self.law, self.load), percentile_name(self.share))
    }
}

fn is_in_scope(law: Law, load: Load) -> bool {
    load.seconds as f64 >= SCOPE * law.memory(load)
}

pub(crate) fn name(law: Law, load: Load) -> String {
    format!("{law:?}, {}/s, {} s", load.rate, load.seconds)
}

pub(crate) fn percentile_name(share: f64) -> String {
    format!("p{}", (1_000.0 - 1_000.0 * share).round() / 10.0)
}

/// Simulates the percentiles of one law and load on the same runs.
pub(crate) fn percentiles(law: Law, load: Load, shares: &[f64], runs: usize, seed: u64) -> Vec<Cell> {
    let mut random = Random::new(&[seed, load.rate.to_bits(), load.seconds as u64]);
    let (mut trace, mut grid) = (Trace::default(), Cells::new());
    let new = |share: &f64| {
        let (ours, plain) = Default::default();
        (
            law.quantile(*share, load),
            Cell { law, load, share: *share, runs, ours, plain, worth: Vec::new(), deffs: Vec::new() },
        )
    };
    let mut cells: Vec<(f64, Cell)> = shares.iter().map(new).collect();
    for _ in 0..runs {
        law.run(load, &mut random, &mut trace);
        grid.fill(&trace.latencies);
        let own = grid.own();
        for (limit, cell) in &mut cells {
            let blocks = blocks_over(&trace, *limit);
            let tail = own.lower(*limit).map(|lower| blocks_over(&trace, lower));
            if let Some(effective) = ours::share_over(&blocks, tail.as_deref(), ALPHA) {
                cell.ours.add(ours::misses(effective.n, effective.k, cell.share, ALPHA));
                cell.worth.push(effective.n / effective.total);
                cell.deffs.push(effective.deff);
            }
            let n: f64 = blocks.iter().map(|block| block.n).sum();
            let k: f64 = blocks.iter().map(|block| block.k).sum();
            cell.plain.add(ours::misses(n, k, cell.share, ALPHA));
        }
    }
    cells.into_iter().map(|(_, cell)| cell).collect()
}

/// Coverage of the share over a limit: section 3.2 and 3.3.
pub(crate) fn one_version(runs: usize, seed: u64) -> String {
    let mut groups: Vec<(&str, Vec<Cell>)> = Vec::new();
    let mut outside = Vec::new();
    for (group, laws) in GROUPS {
        let mut inside = Vec::new();
        for (law, load) in laws.iter().flat_map(|law| LOADS.map(|load| (*law, load))) {
            // A million requests cost as much as everything else.
            let runs = if load.requests() > 500_000.0 { runs.div_ceil(13) } else { runs };
            let cells = percentiles(law, load, &SHARES, runs, seed);
            if is_in_scope(law, load) { inside.extend(cells) } else { outside.extend(cells) }
        }
        groups.push((group, inside));
    }
    let mut table = Table::new(&[
        "law",
        "cells",
        "ours: worst upper / lower",
        "ours: mean upper / lower",
        "design effect, median",
        "effective ÷ actual, median",
        "Clopper–Pearson: worst upper / lower",
    ]);
    groups.push(("out of scope: run shorter than 30 × the correlation time", outside));
    for (group, cells) in &groups {
        table.row(group_row(group, cells));
    }
    let mut inside: Vec<&Cell> = groups.iter().flat_map(|(_, cells)| cells).filter(|cell| cell.is_in_scope()).collect();
    inside.sort_by(|a, b| b.worst().total_cmp(&a.worst()));
    let mut worst =
        Table::new(&["hardest cells in scope", "runs", "ours: upper / lower", "Clopper–Pearson: upper / lower"]);
    for cell in inside.iter().take(12) {
        worst.row([cell.name(), cell.runs.to_string(), cell.ours.percent(cell.runs), cell.plain.percent(cell.runs)]);
    }
    format!("{table}\n{worst}")
}

fn group_row(group: &str, cells: &[Cell]) -> [String; 7] {
    let worst = |misses: fn(&Cell) -> usize| {
        percent(cells.iter().map(|cell| misses(cell) as f64 / cell.runs as f64).fold(0.0, f64::max))
    };
    let mean = |misses: fn(&Cell) -> usize| {
        percent(cells.iter().map(|cell| misses(cell) as f64 / cell.runs as f64).sum::<f64>() / cells.len() as f64)
    };
    let median = |values: fn(&Cell) -> &[f64]| {
        let all: Vec<f64> = cells.iter().flat_map(|cell| values(cell).iter().copied()).collect();
        format!("{:.2}", percentile(&sorted(&all), 0.5))
    };
    [
        group.to_owned(),
        cells.len().to_string(),
        format!("{} / {}", worst(|cell| cell.ours.upper), worst(|cell| cell.ours.lower)),
        format!("{} / {}", mean(|cell| cell.ours.upper), mean(|cell| cell.ours.lower)),
        median(|cell| &cell.deffs),
        median(|cell| &cell.worth),
        format!("{} / {}", worst(|cell| cell.plain.upper), worst(|cell| cell.plain.lower)),
    ]
}

/// Coverage of error rates, whose clustering shows only in the errors.
pub(crate) fn error_rates(runs: usize, seed: u64) -> String {
    let loads = [
        Load { rate: 50.0, seconds: 30 },
        Load { rate: 50.0, seconds: 120 },
        Load { rate: 500.0, seconds: 60 },
        Load { rate: 500.0, seconds: 240 },
    ];
    let mut table =
        Table::new(&["errors", "error rate", "load", "ours: upper / lower", "Clopper–Pearson: upper / lower"]);
    for law in [ErrorLaw::Independent, ErrorLaw::Bursts] {
        for (rate, load) in [0.001, 0.01, 0.05].into_iter().flat_map(|rate| loads.map(|load| (rate, load))) {
            let mut random = Random::new(&[seed, load.rate.to_bits(), load.seconds as u64]);
            let (mut ours, mut plain) = (Misses::default(), Misses::default());
            for _ in 0..runs {
                let blocks = ours::blocks(&law.run(rate, load, &mut random), load.rate);
                if let Some(effective) = ours::share_over(&blocks, None, ALPHA) {
                    ours.add(ours::misses(effective.n, effective.k, rate, ALPHA));
                }
                plain.add(ours::misses(load.requests(), blocks.iter().map(|block| block.k).sum(), rate, ALPHA));
            }
            table.row([
                format!("{law:?}"),
                format!("{} %", 100.0 * rate),
                format!("{}/s, {} s", load.rate, load.seconds),
                ours.percent(runs),
                plain.percent(runs),
            ]);
        }
    }
    table.to_string()
}

/// Coverage of the mean: section 3.4.
pub(crate) fn means(runs: usize, seed: u64) -> String {
    let loads = [
        Load { rate: 50.0, seconds: 13 },
        Load { rate: 50.0, seconds: 30 },
        Load { rate: 50.0, seconds: 120 },
        Load { rate: 500.0, seconds: 30 },
        Load { rate: 500.0, seconds: 120 },
    ];
    let mut table = Table::new(&["law", "load", "run ÷ correlation time", "ours: upper / lower"]);
    let laws = GROUPS.iter().flat_map(|(_, laws)| laws.iter().copied()).chain([Law::Lognormal(1.5)]);
    for (law, load) in laws.flat_map(|law| loads.map(|load| (law, load))) {
        let mut random = Random::new(&[seed, load.rate.to_bits(), load.seconds as u64]);
        let (mut trace, mut misses) = (Trace::default(), Misses::default());
        let truth = law.mean(load);
        for _ in 0..runs {
            law.run(load, &mut random, &mut trace);
            if let Some([low, high]) = ours::mean(&trace, ALPHA) {
                misses.add([high < truth, low > truth]);
            }
        }
        let memory = law.memory(load);
        table.row([
            format!("{law:?}"),
            format!("{}/s, {} s", load.rate, load.seconds),
            if memory > 0.0 { format!("{:.0}", load.seconds as f64 / memory) } else { "independent".to_owned() },
            misses.percent(runs),
        ]);
    }
    table.to_string()
}

/// Coverage of comparisons: sections 4.1 to 4.3. A shock slows both versions down in the same 5 s.
pub(crate) fn comparisons(runs: usize, seed: u64) -> String {
    let mut table = Table::new(&["compared", "cells", "worst upper / lower", "mean upper / lower", "hardest"]);
    for shock in [None, Some(3.0)] {
        let suffix = if shock.is_some() { ", common shock" } else { "" };
        let mut rows: Vec<(String, Vec<(String, Misses)>)> = Vec::new();
        for (law, load) in GROUPS
            .iter()
            .flat_map(|(_, laws)| laws.iter().copied())
            .flat_map(|law| PAIR_LOADS.map(|load| (law, load)))
            .filter(|(law, load)| is_in_scope(*law, *load))
        {
            for (what, misses) in pair(law, load, shock, runs, seed) {
                let what = format!("{what}{suffix}");
                let entry = (name(law, load), misses);
                match rows.iter_mut().find(|(name, _)| *name == what) {
                    Some((_, cells)) => cells.push(entry),
                    None => rows.push((what, vec![entry])),
                }
            }
        }
        rows.iter().for_each(|(what, cells)| table.row(comparison_row(what, cells, runs)));
    }
    for (law, cells) in differences(runs, seed) {
        table.row(comparison_row(&format!("error-rate difference, {law:?}"), &cells, runs));
    }
    table.to_string()
}

fn comparison_row(what: &str, cells: &[(String, Misses)], runs: usize) -> [String; 5] {
    let worst = |misses: fn(&Misses) -> usize| cells.iter().map(|(_, cell)| misses(cell)).max().unwrap_or_default();
    let mean = |misses: fn(&Misses) -> usize| cells.iter().map(|(_, cell)| misses(cell)).sum::<usize>();
    let hardest = cells.iter().max_by_key(|(_, misses)| misses.upper.max(misses.lower));
    let total = cells.len() * runs;
    [
        what.to_owned(),
        cells.len().to_string(),
        format!("{} / {}", share(worst(|m| m.upper), runs), share(worst(|m| m.lower), runs)),
        format!("{} / {}", share(mean(|m| m.upper), total), share(mean(|m| m.lower), total)),
        hardest.map(|(name, _)| name.clone()).unwrap_or_default(),
    ]
}

/// Ratios of percentiles and of means of two versions, of which the candidate is 20 % slower.
fn pair(law: Law, load: Load, shock: Option<f64>, runs: usize, seed: u64) -> Vec<(String, Misses)> {
    const TRUTH: f64 = 1.2;
    let mut random = Random::new(&[seed, load.rate.to_bits(), load.seconds as u64]);
    let mut results: Vec<(String, Misses)> =
        SHARES[..4].iter().map(|share| (format!("{} ratio", percentile_name(*share)), Misses::default())).collect();
    results.push(("mean ratio".to_owned(), Misses::default()));
    let (mut candidate, mut baseline) = (Trace::default(), Trace::default());
    for _ in 0..runs {
        law.run(load, &mut random, &mut candidate);
        law.run(load, &mut random, &mut baseline);
        candidate.scale(TRUTH);
        if let Some(factor) = shock {
            let start = (random.uniform() * (load.seconds - 5) as f64) as usize;
            candidate.slow_down(start..start + 5, factor);
            baseline.slow_down(start..start + 5, factor);
        }
        let pair = ours::Pair::new(&candidate, &baseline);
        for (share, (_, misses)) in SHARES[..4].iter().zip(&mut results) {
            if let Some([low, high]) = pair.ratio(*share, ALPHA) {
                misses.add([high.is_some_and(|high| high < TRUTH), low.is_some_and(|low| low > TRUTH)]);
            }
        }
        if let (Some([low, high]), Some((_, misses))) = (pair.mean_ratio(ALPHA), results.last_mut()) {
            misses.add([high < TRUTH, low > TRUTH]);
        }
    }
    results
}

/// Differences of error rates.
fn differences(runs: usize, seed: u64) -> Vec<(ErrorLaw, Vec<(String, Misses)>)> {
    let rates = [(0.0, 0.0), (0.002, 0.002), (0.007, 0.002), (0.02, 0.0), (0.05, 0.02), (0.02, 0.05)];
    let laws = [ErrorLaw::Independent, ErrorLaw::Bursts].into_iter();
    let cells = |law: ErrorLaw| {
        let cells = rates.into_iter().flat_map(|rates| PAIR_LOADS.map(|load| (rates, load)));
        cells.map(move |((candidate, baseline), load)| {
            let mut random = Random::new(&[seed, load.rate.to_bits(), load.seconds as u64]);
            let mut misses = Misses::default();
            for _ in 0..runs {
                let [c, b] = [candidate, baseline]
                    .map(|error_rate| ours::blocks(&law.run(error_rate, load, &mut random), load.rate));
                if let Some([low, high]) = ours::difference(&c, &b, ALPHA) {
                    let truth = candidate - baseline;
                    misses.add([high < truth, low > truth]);
                }
            }
            let name = format!(
                "{:.1} against {:.1} %, {}/s, {} s",
                100.0 * candidate,
                100.0 * baseline,
                load.rate,
                load.seconds
            );
            (name, misses)
        })
    };
    laws.map(|law| (law, cells(law).collect())).collect()
}
