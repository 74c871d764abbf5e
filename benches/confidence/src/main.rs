//! Simulates loads whose truth is known, and counts how often a verdict is wrong: ours, the point rule's and Mann–Whitney's.
//!
//! `README.md` explains the tables and has the results of the full size. The tests of `reduced.rs` run the hardest cases in seconds.

mod cells;
mod coverage;
mod far;
mod judgement;
mod judges;
mod laws;
mod look;
mod markdown;
mod ours;
mod quantization;
mod random;
#[cfg(test)]
mod reduced;
mod stopping;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

/// Name, description, runs relative to `--runs`, and function of a table.
type Simulation = (&'static str, &'static str, usize, fn(usize, u64) -> String);

const SIMULATIONS: [Simulation; 10] = [
    ("coverage", "A1. Share over a limit: misses in %", 1, coverage::one_version),
    ("errors", "A2. Error rate: misses in %", 1, coverage::error_rates),
    ("means", "A3. Mean: misses in %", 2, coverage::means),
    ("comparisons", "A4. Candidate against version 0: misses in %", 2, coverage::comparisons),
    ("far", "A5. Limits far above the latencies: satisfied in %", 4, far::table),
    ("judges-10", "B1. Judges after 10 s: promoted / rolled back / inconclusive in %", 1, |runs, seed| {
        judgement::table(10, runs, seed)
    }),
    ("judges-60", "B2. Judges after 60 s: promoted / rolled back / inconclusive in %", 1, |runs, seed| {
        judgement::table(60, runs, seed)
    }),
    ("stopping", "C. Runs until the verdict, in %", 8, stopping::table),
    ("cells", "D, F. Histogram cells, and halved series", 8, quantization::table),
    ("look", "G. Time of a look", 1, look::table),
];

const HELP: &str = "usage: confidence-simulation [--runs N] [--seed N] [TABLE…]";

fn main() -> ExitCode {
    match run(env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let (mut runs, mut seed, mut names) = (4_000, 1, Vec::new());
    while let Some(arg) = args.next() {
        let mut number =
            || args.next().and_then(|value| value.parse().ok()).ok_or(format!("{arg}: expected a number\n{HELP}"));
        match arg.as_str() {
            "--runs" => runs = number()?,
            "--seed" => seed = number()?,
            name if SIMULATIONS.iter().any(|(known, ..)| *known == name) => names.push(arg),
            _ => return Err(format!("undefined table `{arg}`\n{HELP}")),
        }
    }
    for (name, title, divisor, table) in SIMULATIONS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let start = Instant::now();
        let runs = usize::try_from(runs).unwrap_or(usize::MAX).div_ceil(divisor);
        let text = table(runs, seed);
        let seconds = start.elapsed().as_secs_f64();
        let written = writeln!(io::stdout(), "### {title} ({runs} runs per row or cell, {seconds:.0} s)\n\n{text}");
        written.map_err(|error| error.to_string())?;
    }
    Ok(())
}
