//! Table G: the time that a look at a running load takes.

use std::hint::black_box;
use std::time::Instant;

use crate::cells::{Cells, blocks_over};
use crate::coverage::ALPHA;
use crate::laws::{Law, Load, Trace};
use crate::markdown::Table;
use crate::ours;
use crate::random::Random;

/// Objectives of a look.
const OBJECTIVES: [f64; 8] = [0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001];

/// Times looks at the end of the longest series that a run keeps, 240 blocks, for eight objectives together.
pub(crate) fn table(runs: usize, seed: u64) -> String {
    let mut table = Table::new(&["law", "mean of a look", "longest"]);
    let load = Load { rate: 500.0, seconds: 240 };
    for law in [Law::Exponential, Law::Autoregressive(0.3), Law::Queue(0.8)] {
        let (mut random, mut trace) = (Random::new(&[seed]), Trace::default());
        law.run(load, &mut random, &mut trace);
        let mut cells = Cells::new();
        cells.fill(&trace.latencies);
        let blocks = OBJECTIVES.map(|share| {
            let limit = law.quantile(share, load);
            let tail = cells.own().lower(limit).map(|lower| blocks_over(&trace, lower));
            (share, blocks_over(&trace, limit), tail)
        });
        let (mut total, mut longest) = (0.0, 0.0_f64);
        for _ in 0..runs {
            let start = Instant::now();
            for (share, blocks, tail) in &blocks {
                black_box(ours::look(black_box(blocks), tail.as_deref(), *share, load.rate, ALPHA));
            }
            let milliseconds = 1e3 * start.elapsed().as_secs_f64();
            total += milliseconds;
            longest = longest.max(milliseconds);
        }
        table.row([format!("{law:?}"), format!("{:.3} ms", total / runs as f64), format!("{longest:.3} ms")]);
    }
    table.to_string()
}
