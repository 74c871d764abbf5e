//! Laws of response times, with their exact percentiles and means.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::random::Random;

/// Rate and duration of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Requests per second.
    pub(crate) rate: f64,
    pub(crate) seconds: usize,
}

impl Load {
    /// Number of requests, on average if they arrive at random.
    pub(crate) fn requests(self) -> f64 {
        self.rate * self.seconds as f64
    }
}

/// Latencies of one run in milliseconds, in order of time, with the boundaries of its seconds.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    pub(crate) latencies: Vec<f64>,
    /// Number of latencies until the end of each second.
    ends: Vec<usize>,
}

impl Trace {
    /// Returns the latencies of each second.
    pub(crate) fn seconds(&self) -> impl Iterator<Item = &[f64]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.latencies[start..*end])
    }

    /// Returns the first seconds.
    pub(crate) fn until(&self, second: usize) -> Self {
        let ends = self.ends[..second].to_vec();
        Self { latencies: self.latencies[..ends.last().copied().unwrap_or_default()].to_vec(), ends }
    }

    /// Multiplies the latencies of some seconds.
    pub(crate) fn slow_down(&mut self, seconds: std::ops::Range<usize>, factor: f64) {
        let start = seconds.start.checked_sub(1).map_or(0, |last| self.ends[last]);
        let end = self.ends[seconds.end - 1];
        self.latencies[start..end].iter_mut().for_each(|latency| *latency *= factor);
    }

    /// Multiplies all latencies.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.latencies.iter_mut().for_each(|latency| *latency *= factor);
    }
}

/// Law of response times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Law {
    Exponential,
    /// Independent, with this standard deviation of the logarithm.
    Lognormal(f64),
    /// Fast, or slow with the probability [`SLOW`]; independent.
    Bimodal,
    /// [`Law::Bimodal`], but all requests of 100 ms are fast or slow together.
    Sticky,
    /// Lognormal with the standard deviation [`WAVE`]; correlation decays exponentially in this many seconds.
    Autoregressive(f64),
    /// [`Law::Autoregressive`] with the standard deviation [`WIDE_WAVE`]: the slowest of a thousand requests takes a hundred times the median.
    Wide(f64),
    /// Evenly distributed, and the rest of a stall for requests that start in one: stalls of [`STALL`] seconds on average with a second
    /// between them on average.
    Stalls,
    /// Time in an M/M/1 queue with this utilization.
    Queue(f64),
    /// Exponential with a mean that grows by 20 % during the run.
    Drift,
}

/// Share of slow requests of [`Law::Bimodal`].
const SLOW: f64 = 0.08;
/// Mean of the logarithm and its standard deviation for fast and for slow requests.
const MODES: [(f64, f64); 2] = [(2.3, 0.2), (4.6, 0.3)];
/// Standard deviation of the logarithm of [`Law::Autoregressive`].
const WAVE: f64 = 0.5;
/// Standard deviation of the logarithm of [`Law::Wide`].
const WIDE_WAVE: f64 = 1.5;
/// Mean length of a stall of [`Law::Stalls`] in seconds, and the mean time between stalls.
const STALL: f64 = 0.05;
const BETWEEN: f64 = 1.0;
/// Mean or median of the other laws in milliseconds.
const BASE: f64 = 10.0;
/// Growth of [`Law::Drift`].
const GROWTH: f64 = 0.2;
/// Seconds in which requests of [`Law::Sticky`] share their mode.
pub(crate) const STICK: f64 = 0.1;

/// Function from the time of a request to its latency.
type Sampler = Box<dyn FnMut(f64, &mut Random) -> f64>;

impl Law {
    /// Simulates one run. Requests are evenly spaced, except in queues, where they arrive at random.
    pub(crate) fn run(self, load: Load, random: &mut Random, trace: &mut Trace) {
        trace.latencies.clear();
        trace.ends.clear();
        match self {
            Law::Queue(utilization) => queue(utilization, load, random, trace),
            _ => paced(self.sampler(load, random), load, random, trace),
        }
    }

    /// Returns the sampler of one run.
    fn sampler(self, load: Load, random: &mut Random) -> Sampler {
        match self {
            Law::Exponential => Box::new(|_, random| BASE * random.exponential()),
            Law::Lognormal(sigma) => Box::new(move |_, random| BASE * (sigma * random.normal()).exp()),
            Law::Bimodal => Box::new(|_, random| {
                let is_slow = random.chance(SLOW);
                mode(is_slow, random)
            }),
            Law::Sticky => {
                let mut slot = -1.0;
                let mut is_slow = false;
                Box::new(move |time, random| {
                    let current = (time / STICK + 1e-9).floor();
                    if current > slot {
                        slot = current;
                        is_slow = random.chance(SLOW);
                    }
                    mode(is_slow, random)
                })
            }
            Law::Autoregressive(memory) => wave(memory, WAVE, load, random),
            Law::Wide(memory) => wave(memory, WIDE_WAVE, load, random),
            Law::Stalls => {
                let next = |random: &mut Random, after: f64| {
                    let start = after + BETWEEN * random.exponential();
                    start..start + STALL * random.exponential()
                };
                let mut stall = next(random, 0.0);
                Box::new(move |time, random| {
                    while time >= stall.end {
                        stall = next(random, stall.end);
                    }
                    let is_stalled = time >= stall.start;
                    if is_stalled { BASE + 1e3 * (stall.end - time) } else { BASE * (0.5 + random.uniform() / 2.0) }
                })
            }
            Law::Drift => {
                let growth = GROWTH / load.seconds as f64;
                Box::new(move |time, random| BASE * (1.0 + growth * time) * random.exponential())
            }
            Law::Queue(_) => unreachable!("its requests are not evenly spaced"),
        }
    }

    /// Seconds after which requests have little to do with each other.
    pub(crate) fn memory(self, load: Load) -> f64 {
        match self {
            Law::Sticky => STICK,
            Law::Autoregressive(memory) | Law::Wide(memory) => memory,
            Law::Stalls => BETWEEN,
            // Relaxation time of the queue's length.
            Law::Queue(utilization) => utilization / (1.0 - utilization.sqrt()).powi(2) / load.rate,
            _ => 0.0,
        }
    }

    /// Probability of a latency above this one; the run's average if it changes.
    fn share_over(self, latency: f64, load: Load) -> f64 {
        let normal = |(mean, sigma): (f64, f64)| Normal::standard().sf((latency.ln() - mean) / sigma);
        match self {
            Law::Exponential => (-latency / BASE).exp(),
            Law::Lognormal(sigma) => normal((BASE.ln(), sigma)),
            Law::Autoregressive(_) => normal((BASE.ln(), WAVE)),
            Law::Wide(_) => normal((BASE.ln(), WIDE_WAVE)),
            Law::Stalls => {
                let stalled = STALL / (STALL + BETWEEN);
                let fast = (2.0 - 2.0 * latency / BASE).clamp(0.0, 1.0);
                stalled * (-(latency - BASE).max(0.0) / 1e3 / STALL).exp() + (1.0 - stalled) * fast
            }
            Law::Bimodal | Law::Sticky => (1.0 - SLOW) * normal(MODES[0]) + SLOW * normal(MODES[1]),
            Law::Queue(_) => (-latency / self.mean(load)).exp(),
            Law::Drift => {
                const STEPS: usize = 2_000;
                let at = |step: usize| 1.0 + GROWTH * (step as f64 + 0.5) / STEPS as f64;
                (0..STEPS).map(|step| (-latency / (BASE * at(step))).exp()).sum::<f64>() / STEPS as f64
            }
        }
    }

    /// Returns the latency that this share of the requests exceeds.
    pub(crate) fn quantile(self, share_over: f64, load: Load) -> f64 {
        let (mut low, mut high) = (1e-6_f64, 1e9_f64);
        while high / low > 1.0 + 1e-12 {
            let middle = (low * high).sqrt();
            if self.share_over(middle, load) > share_over { low = middle } else { high = middle }
        }
        high
    }

    /// Returns the mean latency; the run's average if it changes.
    pub(crate) fn mean(self, load: Load) -> f64 {
        let normal = |(mean, sigma): (f64, f64)| f64::exp(mean + sigma * sigma / 2.0);
        match self {
            Law::Exponential => BASE,
            Law::Lognormal(sigma) => normal((BASE.ln(), sigma)),
            Law::Autoregressive(_) => normal((BASE.ln(), WAVE)),
            Law::Wide(_) => normal((BASE.ln(), WIDE_WAVE)),
            Law::Stalls => {
                let stalled = STALL / (STALL + BETWEEN);
                stalled * (BASE + 1e3 * STALL) + (1.0 - stalled) * 0.75 * BASE
            }
            Law::Bimodal | Law::Sticky => (1.0 - SLOW) * normal(MODES[0]) + SLOW * normal(MODES[1]),
            Law::Queue(utilization) => 1e3 * utilization / load.rate / (1.0 - utilization),
            Law::Drift => BASE * (1.0 + GROWTH / 2.0),
        }
    }
}

/// Lognormal with a correlation that decays in `memory` seconds.
fn wave(memory: f64, sigma: f64, load: Load, random: &mut Random) -> Sampler {
    let kept = (-1.0 / (load.rate * memory)).exp();
    let new = (1.0 - kept * kept).sqrt();
    let mut level = random.normal();
    Box::new(move |_, random| {
        level = kept * level + new * random.normal();
        BASE * (sigma * level).exp()
    })
}

fn mode(is_slow: bool, random: &mut Random) -> f64 {
    let (mean, sigma) = MODES[usize::from(is_slow)];
    (mean + sigma * random.normal()).exp()
}

/// Simulates evenly spaced requests.
fn paced(mut latency: impl FnMut(f64, &mut Random) -> f64, load: Load, random: &mut Random, trace: &mut Trace) {
    let requests = load.requests().round() as usize;
    let mut second = 1;
    for request in 0..requests {
        let time = (request as f64 + 0.5) / load.rate;
        while time >= second as f64 {
            trace.ends.push(request);
            second += 1;
        }
        let latency = latency(time, random);
        trace.latencies.push(latency);
    }
    trace.ends.resize(load.seconds, requests);
}

/// Simulates a queue from its steady state, by Lindley's recursion.
fn queue(utilization: f64, load: Load, random: &mut Random, trace: &mut Trace) {
    let service = 1e3 * utilization / load.rate;
    let between = 1e3 / load.rate;
    let mut wait =
        if random.chance(utilization) { Law::Queue(utilization).mean(load) * random.exponential() } else { 0.0 };
    let mut time = between * random.exponential();
    let mut second = 1;
    while time < 1e3 * load.seconds as f64 {
        while time >= 1e3 * second as f64 {
            trace.ends.push(trace.latencies.len());
            second += 1;
        }
        let latency = wait + service * random.exponential();
        trace.latencies.push(latency);
        let pause = between * random.exponential();
        wait = (latency - pause).max(0.0);
        time += pause;
    }
    trace.ends.resize(load.seconds, trace.latencies.len());
}

/// Law of errors at an error rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ErrorLaw {
    Independent,
    /// All requests of 100 ms fail together.
    Bursts,
}

impl ErrorLaw {
    /// Returns the number of errors of each second.
    pub(crate) fn run(self, error_rate: f64, load: Load, random: &mut Random) -> Vec<f64> {
        let is_burst = self == ErrorLaw::Bursts;
        let size = if is_burst { (load.rate * STICK).round().max(1.0) } else { 1.0 };
        let groups = (load.rate / size).round() as usize;
        (0..load.seconds).map(|_| (0..groups).filter(|_| random.chance(error_rate)).count() as f64 * size).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Law, Load, Trace};
    use crate::random::Random;

    const LAWS: [Law; 12] = [
        Law::Exponential,
        Law::Lognormal(1.0),
        Law::Bimodal,
        Law::Sticky,
        Law::Autoregressive(0.05),
        Law::Autoregressive(0.3),
        Law::Autoregressive(1.0),
        Law::Wide(0.3),
        Law::Stalls,
        Law::Queue(0.5),
        Law::Queue(0.8),
        Law::Drift,
    ];

    #[test]
    fn long_runs_have_the_percentiles_and_the_mean_of_their_law() {
        let load = Load { rate: 100.0, seconds: 5_000 };
        let mut trace = Trace::default();
        for law in LAWS {
            law.run(load, &mut Random::new(&[1]), &mut trace);
            assert_eq!(trace.seconds().count(), load.seconds);
            assert_eq!(trace.seconds().map(<[f64]>::len).sum::<usize>(), trace.latencies.len());
            let requests = trace.latencies.len() as f64;
            for share in [0.5, 0.1, 0.05] {
                let limit = law.quantile(share, load);
                let seen = trace.latencies.iter().filter(|latency| **latency > limit).count() as f64 / requests;
                assert!((seen / share - 1.0).abs() < 0.06, "{law:?}: {seen} over its {share}");
            }
            let mean = trace.latencies.iter().sum::<f64>() / requests;
            assert!((mean / law.mean(load) - 1.0).abs() < 0.04, "{law:?}: {mean}, {}", law.mean(load));
        }
    }
}
