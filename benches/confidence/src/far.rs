//! Table A5: limits far above everything that a service does.

use crate::cells::{Cells, blocks_over};
use crate::coverage::{ALPHA, name};
use crate::judges::Decision;
use crate::laws::{Law, Load, Trace};
use crate::markdown::{Table, share};
use crate::ours;
use crate::random::Random;

/// Share over the limit of p99.
const SHARE: f64 = 0.01;
/// Limits in multiples of the true p99.
const MULTIPLES: [f64; 4] = [1.0, 2.0, 10.0, 100.0];

const CASES: [(Law, Load); 5] = [
    (Law::Exponential, Load { rate: 100.0, seconds: 60 }),
    (Law::Drift, Load { rate: 100.0, seconds: 60 }),
    (Law::Autoregressive(1.0), Load { rate: 100.0, seconds: 60 }),
    (Law::Autoregressive(10.0), Load { rate: 100.0, seconds: 60 }),
    (Law::Queue(0.8), Load { rate: 100.0, seconds: 60 }),
];

/// Compares two latencies whose exceedances stand in for those of a limit: p90, and the middle between the median and the limit.
pub(crate) fn table(runs: usize, seed: u64) -> String {
    let mut table = Table::new(&["law, load · p99", "limit ÷ true p99", "satisfied by p90", "satisfied by the middle"]);
    for (law, load) in CASES {
        let (mut random, mut trace, mut cells) = (Random::new(&[seed]), Trace::default(), Cells::new());
        let p99 = law.quantile(SHARE, load);
        let mut satisfied = [[0; 2]; MULTIPLES.len()];
        for _ in 0..runs {
            law.run(load, &mut random, &mut trace);
            cells.fill(&trace.latencies);
            for (satisfied, multiple) in satisfied.iter_mut().zip(MULTIPLES) {
                let limit = multiple * p99;
                let blocks = blocks_over(&trace, limit);
                let lower = cells.own().lower(limit);
                let p90 = lower.map(|_| cells.own().p90);
                for (satisfied, lower) in satisfied.iter_mut().zip([p90, lower]) {
                    let tail = lower.map(|lower| blocks_over(&trace, lower));
                    *satisfied +=
                        usize::from(ours::verdict(&blocks, tail.as_deref(), SHARE, ALPHA) == Decision::Promote);
                }
            }
        }
        for (multiple, [p90, middle]) in MULTIPLES.iter().zip(satisfied) {
            table.row([name(law, load), multiple.to_string(), share(p90, runs), share(middle, runs)]);
        }
    }
    table.to_string()
}
