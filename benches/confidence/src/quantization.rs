//! Tables D and F: intervals from the cells of a histogram, and verdicts of halved series.

use iter8::confidence::order::Samples;
use iter8::confidence::percentile::{interval, interval_of, over, ranks};

use crate::cells::{Cells, Own, blocks_over};
use crate::coverage::{ALPHA, name, percentile_name};
use crate::judges::Decision;
use crate::laws::{Law, Load, Trace};
use crate::markdown::Table;
use crate::ours::{self, Block};
use crate::random::Random;

const CASES: [(Law, Load); 6] = [
    (Law::Exponential, Load { rate: 50.0, seconds: 30 }),
    (Law::Lognormal(1.0), Load { rate: 50.0, seconds: 30 }),
    (Law::Bimodal, Load { rate: 50.0, seconds: 120 }),
    (Law::Autoregressive(0.3), Load { rate: 50.0, seconds: 120 }),
    (Law::Autoregressive(1.0), Load { rate: 50.0, seconds: 240 }),
    (Law::Queue(0.8), Load { rate: 100.0, seconds: 120 }),
];
const SHARES: [f64; 3] = [0.5, 0.05, 0.01];
/// Limits by the share of the requests that is over them, in multiples of the allowed share.
const MULTIPLES: [f64; 5] = [0.2, 0.5, 1.0, 1.5, 3.0];

/// Results of one case and percentile.
#[derive(Default)]
struct Counts {
    /// Ends of intervals that are within the exact end, or further outside than a cell is wide.
    ends: usize,
    /// Verdicts of the exact counts that the counts of the cells contradict.
    contradicted: usize,
    /// Verdicts that the cells leave open.
    open: usize,
    decided: usize,
    /// Verdicts of halved series that are the opposite, and that are open.
    opposite: usize,
    lost: usize,
}

/// Compares verdicts and intervals of the same runs.
pub(crate) fn table(runs: usize, seed: u64) -> String {
    let mut table = Table::new(&[
        "law",
        "verdicts",
        "ends off by more than a cell",
        "contradicted by cells",
        "left open by cells",
        "opposite after halving",
        "left open after halving",
    ]);
    for ((law, load), share) in CASES.into_iter().flat_map(|case| SHARES.map(|share| (case, share))) {
        let (mut random, mut trace, mut grid) = (Random::new(&[seed]), Trace::default(), Cells::new());
        let mut counts = Counts::default();
        let limits = MULTIPLES.map(|multiple| law.quantile((multiple * share).min(0.9), load));
        for _ in 0..runs {
            law.run(load, &mut random, &mut trace);
            grid.fill(&trace.latencies);
            let own = grid.own();
            for limit in limits {
                _ = compare(&trace, limit, own, share, &mut counts);
            }
        }
        let Counts { ends, contradicted, open, decided, opposite, lost } = counts;
        let name = format!("{} · {}", name(law, load), percentile_name(share));
        table.row(
            std::iter::once(name).chain([decided, ends, contradicted, open, opposite, lost].map(|n| n.to_string())),
        );
    }
    table.to_string()
}

fn compare(trace: &Trace, limit: f64, own: Own, share: f64, counts: &mut Counts) -> Option<()> {
    let limit_micros = ours::micros(limit);
    let blocks: Vec<Block> = trace.seconds().map(|second| ours::over(second, limit_micros as f64)).collect();
    let tail = own.lower(limit).map(|lower| blocks_over(trace, lower));
    let tail = tail.as_deref();
    let verdict = ours::verdict(&blocks, tail, share, ALPHA);
    counts.decided += usize::from(verdict != Decision::Inconclusive);

    let halved = ours::verdict(&halved(&blocks), tail.map(halved).as_deref(), share, ALPHA);
    counts.opposite += usize::from(is_opposite(verdict, halved));
    counts.lost += usize::from(verdict != Decision::Inconclusive && halved == Decision::Inconclusive);

    let effective = ours::share_over(&blocks, tail, ALPHA)?;
    let histogram = ours::recorded(&trace.latencies);
    let [least, most] = over(&histogram, limit_micros).map(|k| effective.n * k as f64 / effective.total);
    let [passes, _] = ours::misses(effective.n, most, share, ALPHA);
    let [_, fails] = ours::misses(effective.n, least, share, ALPHA);
    let by_cells = if passes {
        Decision::Promote
    } else if fails {
        Decision::RollBack
    } else {
        Decision::Inconclusive
    };
    counts.contradicted += usize::from(is_opposite(verdict, by_cells));
    counts.open += usize::from(verdict != Decision::Inconclusive && by_cells == Decision::Inconclusive);

    let micros: Vec<f64> = trace.latencies.iter().map(|latency| ours::micros(*latency) as f64).collect();
    let exact = interval_of(&Samples::new(&micros)?, effective.n, ranks(effective.n, share, ALPHA));
    let of_cells = interval(&histogram, effective.n, share, ALPHA);
    let width = 1.0 + 1.0 / 1024.0;
    let is_off = |exact: Option<f64>, of_cells: Option<u64>, is_upper: bool| match (exact, of_cells) {
        (Some(exact), Some(end)) if is_upper => !(exact..=exact * width).contains(&(end as f64)),
        (Some(exact), Some(end)) => !(exact / width..=exact).contains(&(end as f64)),
        (exact, end) => exact.is_some() != end.is_some(),
    };
    counts.ends += usize::from(is_off(exact[0], of_cells[0], false)) + usize::from(is_off(exact[1], of_cells[1], true));
    Some(())
}

fn is_opposite(one: Decision, other: Decision) -> bool {
    matches!((one, other), (Decision::Promote, Decision::RollBack) | (Decision::RollBack, Decision::Promote))
}

/// Joins neighbours, as a document does to keep fewer intervals.
fn halved(blocks: &[Block]) -> Vec<Block> {
    let sum = |pair: &[Block]| pair.iter().fold(Block::default(), |sum, b| Block { n: sum.n + b.n, k: sum.k + b.k });
    blocks.chunks(2).map(sum).collect()
}
