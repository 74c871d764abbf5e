//! All looks at the loads of a group, and the decision to end them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::claim::{Claim, Statistic};
use super::comparison::{self, Comparison, Measured};
use super::share::{self, Corrections, Looked, Requests, Rules, columns};
use super::target::Target;
use crate::confidence::blocks::Block;
use crate::confidence::design_effect::midway;
use crate::confidence::looks::FIRST;
use crate::load::early_end::{EarlyEnd, LoadState};
use crate::load::timeline::{MAX_INTERVALS, Timeline};
use crate::metrics::series::COLUMN_DISTANCE;
use crate::model::contribution::VersionMetrics;
use crate::model::counts::Counts;
use crate::model::duration::GoDuration;
use crate::model::load::{CLIENT_LIMIT, Decision, LoadRecord, Stopped};
use crate::model::objectives::{Confidence, Objectives};
use crate::model::series::{Over, Series};
use crate::model::slo::Outcome;
use crate::slo::load_validity;

/// Objectives that the progress of a load names, those with the least evidence first.
const MAX_SHOWN: usize = 3;

/// Judges the objectives on the loads of a group after each second.
pub(in crate::tasks::loadgen) struct Judge {
    loads: Vec<JudgedLoad>,
    claims: Vec<Claim>,
    confidence: Confidence,
    /// Number of objectives on each later version; on version 0, the relative ones do not apply.
    objectives: usize,
    /// Requests that a verdict needs.
    min_samples: f64,
    /// Planned duration in seconds, the longest of all loads.
    duration: f64,
    decided: CancellationToken,
    state: Mutex<State>,
}

/// A load, as looks see it.
struct JudgedLoad {
    target: Target,
    /// Ages of requests in flight that are counted.
    ages: Vec<u64>,
}

/// A look: the newest states of all loads, and the results before it.
struct Look {
    seconds: u64,
    loads: Vec<Option<Arc<LoadState>>>,
    results: Vec<Option<Looked>>,
    comparison: Option<Comparison>,
}

#[derive(Default)]
struct State {
    /// Newest state of each load; absent before its first second.
    loads: Vec<Option<Arc<LoadState>>>,
    /// Loads that have ended.
    left: BTreeSet<usize>,
    /// Seconds of the last look that was begun, and of the last one whose results are here.
    looked: u64,
    judged: u64,
    /// Result of each claim at the last look.
    results: Vec<Option<Looked>>,
    /// Looks at comparisons so far.
    comparisons: usize,
    is_stopped: bool,
}

impl Judge {
    /// Creates the judge of the loads of a group; `None` if there are no objectives with a confidence.
    pub(in crate::tasks::loadgen) fn new(targets: Vec<Target>, objectives: Option<&Objectives>) -> Option<Arc<Self>> {
        let objectives = objectives?;
        let confidence = objectives.confidence?;
        let mut claims = Vec::new();
        let mut loads = Vec::new();
        let mut duration = Duration::ZERO;
        for (index, target) in targets.into_iter().enumerate() {
            let of_load = Claim::list(objectives, index, &target);
            let mut ages: Vec<u64> = of_load.iter().filter_map(Claim::micros).collect();
            // A request in flight for this long may become an error; the last count in [`LoadState::older`] is of these.
            ages.push(u64::try_from(target.timeout.as_micros() / 2).unwrap_or(u64::MAX));
            claims.extend(of_load);
            duration = duration.max(target.duration.unwrap_or_default());
            loads.push(JudgedLoad { target, ages });
        }
        let limits = &objectives.limits;
        let state = State {
            loads: loads.iter().map(|_| None).collect(),
            results: claims.iter().map(|_| None).collect(),
            ..State::default()
        };
        Some(Arc::new(Self {
            loads,
            claims,
            confidence,
            objectives: limits.upper.len() + limits.lower.len() + objectives.relative.upper.len(),
            min_samples: objectives.min_samples as f64,
            duration: duration.as_secs_f64(),
            decided: CancellationToken::new(),
            state: Mutex::new(state),
        }))
    }

    /// Returns the connection of a load to this judge.
    pub(in crate::tasks::loadgen) fn early_end(self: &Arc<Self>, load: usize) -> EarlyEnd {
        let judge = Arc::clone(self);
        let ages = self.loads.get(load).map(|load| load.ages.clone()).unwrap_or_default();
        EarlyEnd { look: Arc::new(move |state| judge.look(load, state)), ages, decided: self.decided.clone() }
    }

    /// Goes on without a load, which has ended. What it measured until then still counts.
    pub(in crate::tasks::loadgen) fn leave(&self, load: usize) {
        self.state.lock().left.insert(load);
    }

    /// Completes the records of a load, one for each version that responded.
    pub(in crate::tasks::loadgen) fn complete(
        &self,
        load: usize,
        provider: &str,
        decided: Option<Duration>,
        versions: &mut [VersionMetrics],
    ) {
        let state = self.state.lock();
        for version in self.loads.get(load).map(|load| load.target.versions.as_slice()).unwrap_or_default() {
            let Some(record) = versions.get_mut(*version).and_then(|version| version.load.get_mut(provider)) else {
                continue;
            };
            record.until_verdict = true;
            let all = self.claims.iter().zip(&state.results);
            let of_version = all.filter(|(claim, _)| (claim.load, claim.version) == (load, *version));
            let decisions = of_version.filter_map(|(claim, looked)| Some(decision(claim, looked.as_ref()?))).collect();
            let confidence = 1.0 - self.alpha() / 2.0;
            record.stopped = decided.map(|at| Stopped { at: GoDuration(at), confidence, decisions });
        }
    }

    /// Renders the evidence on the objectives of a load: `p95 ≤ 50 msec: 62 % of the evidence`. Empty before the first look.
    pub(in crate::tasks::loadgen) fn progress(&self, load: usize) -> String {
        let state = self.state.lock();
        let of_load = self.claims.iter().zip(&state.results).filter(|(claim, _)| claim.load == load);
        let mut known: Vec<(String, u32)> = Vec::new();
        for (claim, looked) in of_load {
            let Some(looked) = looked else { continue };
            // Rounded down, so that 100 % is a decision.
            let percent = (looked.progress * 100.0).floor() as u32;
            let text = claim.text();
            match known.iter_mut().find(|(other, _)| *other == text) {
                // Of several versions, the one with the least evidence.
                Some((_, least)) => *least = percent.min(*least),
                None => known.push((text, percent)),
            }
        }
        known.sort_by_key(|(_, percent)| *percent);
        let shown = known.iter().take(MAX_SHOWN).map(|(text, percent)| format!("{text}: {percent} %"));
        let list = shown.collect::<Vec<_>>().join(", ");
        if list.is_empty() { list } else { format!("{list} of the evidence") }
    }

    fn alpha(&self) -> f64 {
        1.0 - self.confidence.level
    }

    /// Takes the state of a load, and judges all of them once they have completed another second.
    fn look(&self, load: usize, state: LoadState) {
        let Some(look) = self.begin(load, state) else { return };
        // Without the lock, so that the other loads go on meanwhile.
        let results = self.judge(&look);
        self.end(&look, results);
    }

    /// Keeps the results of a look. Looks may end in another order than they began.
    fn end(&self, look: &Look, results: Vec<Option<Looked>>) {
        let all = &mut *self.state.lock();
        if all.is_stopped {
            return;
        }
        let is_newest = look.seconds >= all.judged;
        all.judged = all.judged.max(look.seconds);
        for ((claim, stored), new) in self.claims.iter().zip(&mut all.results).zip(results) {
            let is_open = stored.is_none_or(|looked| looked.verdict == Outcome::Inconclusive);
            // A decision on a comparison stands.
            if if claim.is_relative { is_open } else { is_newest } {
                *stored = new;
            }
        }
        if self.is_decided(&look.loads, &all.results) {
            all.is_stopped = true;
            self.decided.cancel();
        }
    }

    /// Begins a look if all loads have completed another second.
    fn begin(&self, load: usize, state: LoadState) -> Option<Look> {
        let all = &mut *self.state.lock();
        if let Some(slot) = all.loads.get_mut(load) {
            *slot = Some(Arc::new(state));
        }
        let running = all.loads.iter().enumerate().filter(|(index, _)| !all.left.contains(index));
        let seconds = running.map(|(_, state)| state.as_ref().map_or(0, |state| state.seconds)).min().unwrap_or(0);
        if all.is_stopped || seconds <= all.looked || (seconds as f64) < FIRST {
            return None;
        }
        all.looked = seconds;
        let comparison = self.comparison(all);
        Some(Look { seconds, loads: all.loads.clone(), results: all.results.clone(), comparison })
    }

    /// Judges all claims. Comparisons that are decided, or not due, keep their result.
    fn judge(&self, look: &Look) -> Vec<Option<Looked>> {
        let series: Vec<Vec<Option<Series>>> =
            look.loads.iter().map(|state| state.as_ref().map_or_else(Vec::new, |state| origins(state))).collect();
        let elapsed = look.loads.iter().map(|state| state.as_ref().map_or(0.0, |state| state.elapsed.as_secs_f64()));
        let rules: Vec<Rules> = elapsed.map(|elapsed| self.rules(elapsed)).collect();
        let judge = |(claim, result): (&Claim, &Option<Looked>)| {
            let (Some(load), Some(Some(state))) = (self.loads.get(claim.load), look.loads.get(claim.load)) else {
                return *result;
            };
            if claim.is_relative {
                let is_open = result.is_none_or(|looked| looked.verdict == Outcome::Inconclusive);
                return match look.comparison.as_ref().filter(|_| is_open) {
                    Some(comparison) => {
                        let looked = self.compare(claim, state, &look.loads, comparison);
                        looked.map(|looked| self.admitted(claim, state, looked))
                    }
                    None => *result,
                };
            }
            let origins = series.get(claim.load).map(Vec::as_slice).unwrap_or_default();
            let share = claim.share()?;
            let looked = share::look(&requests(claim, load, state, origins)?, share, rules.get(claim.load)?)?;
            Some(self.admitted(claim, state, looked))
        };
        self.claims.iter().zip(&look.results).map(judge).collect()
    }

    fn rules(&self, elapsed: f64) -> Rules {
        let burst = self.confidence.burst.as_secs_f64();
        Rules { alpha: self.alpha(), objectives: self.objectives, burst, elapsed, corrections: Corrections::default() }
    }

    /// Leaves a decision open that the end of the load would not keep: one on too few samples, or a violation that the load generator's own
    /// delays may explain.
    fn admitted(&self, claim: &Claim, state: &LoadState, looked: Looked) -> Looked {
        let own_late = state.counts.own_late as f64;
        let is_delayed = looked.verdict == Outcome::Violated
            && own_late > 0.0
            && !claim.is_relative
            && matches!(claim.statistic, Statistic::Percentile(_))
            && claim.share().is_some_and(|share| looked.k - own_late <= share * looked.n);
        if is_delayed || looked.samples < self.min_samples {
            // Rounded down, 100 % is a decision.
            return Looked { verdict: Outcome::Inconclusive, progress: looked.progress.min(0.99), ..looked };
        }
        looked
    }

    /// Returns the rules of a look at comparisons, if one is due.
    fn comparison(&self, all: &mut State) -> Option<Comparison> {
        if !self.claims.iter().any(|claim| claim.is_relative) {
            return None;
        }
        let planned = crate::confidence::looks::schedule(self.duration);
        let due = planned.iter().filter(|at| **at <= all.looked as f64).count();
        if due <= all.comparisons {
            return None;
        }
        all.comparisons = due;
        let alpha = crate::confidence::looks::alpha_per_look(self.alpha(), planned.len());
        Some(Comparison { alpha, objectives: self.objectives, burst: self.confidence.burst.as_secs_f64() })
    }

    /// Compares the version of a claim, whose load is in `state`, with version 0.
    fn compare(
        &self,
        claim: &Claim,
        state: &LoadState,
        loads: &[Option<Arc<LoadState>>],
        rules: &Comparison,
    ) -> Option<Looked> {
        let target = &self.loads.get(claim.load)?.target;
        let is_baseline =
            |load: &JudgedLoad| load.target.provider == target.provider && load.target.versions.contains(&0);
        let baseline = self.loads.iter().position(is_baseline)?;
        let measured = Measured {
            candidate: self.timeline(claim.load, claim.version, loads)?,
            baseline: self.timeline(baseline, 0, loads)?,
            unknown: if target.is_attributed { Some(state.versions.last()?) } else { None },
            stalled: state.older.last().copied().unwrap_or(0),
            own_late: state.counts.own_late,
            elapsed: state.elapsed.as_secs_f64(),
        };
        comparison::look(claim, &measured, rules)
    }

    /// Returns the requests of a version of a load.
    fn timeline<'a>(&self, load: usize, version: usize, loads: &'a [Option<Arc<LoadState>>]) -> Option<&'a Timeline> {
        let state = loads.get(load)?.as_ref()?;
        if self.loads.get(load)?.target.is_attributed { state.versions.get(version) } else { Some(&state.timeline) }
    }

    /// Returns true if every version is decided: one of its objectives is violated, or all are satisfied. A load that is not as asked proves
    /// nothing.
    fn is_decided(&self, loads: &[Option<Arc<LoadState>>], results: &[Option<Looked>]) -> bool {
        if self.claims.is_empty() || loads.iter().any(|state| state.as_ref().is_none_or(|state| is_doubtful(state))) {
            return false;
        }
        let versions: BTreeSet<usize> = self.claims.iter().map(|claim| claim.version).collect();
        versions.into_iter().all(|version| {
            let of_version = self.claims.iter().zip(results).filter(|(claim, _)| claim.version == version);
            let mut verdicts =
                of_version.map(|(_, looked)| looked.map_or(Outcome::Inconclusive, |looked| looked.verdict));
            verdicts.clone().any(|verdict| verdict == Outcome::Violated)
                || verdicts.all(|verdict| verdict == Outcome::Satisfied)
        })
    }
}

/// Returns the series of each origin of a load: its versions and the unknown one, or the whole load.
fn origins(state: &LoadState) -> Vec<Option<Series>> {
    let timelines = if state.versions.is_empty() { std::slice::from_ref(&state.timeline) } else { &state.versions };
    // Intervals become longer once a request ends after the last one, which may not be the case for all.
    let interval = timelines.iter().map(Timeline::interval).max().unwrap_or_default();
    timelines.iter().map(|timeline| timeline.with_intervals_of(interval).counts(MAX_INTERVALS)).collect()
}

/// Counts the requests that a claim is about; `None` if they are not known.
fn requests(claim: &Claim, load: &JudgedLoad, state: &LoadState, origins: &[Option<Series>]) -> Option<Requests> {
    let position = if load.target.is_attributed { claim.version } else { 0 };
    let series = origins.get(position)?.as_ref()?;
    let micros = claim.micros();
    let mut known = blocks(series, claim.statistic, micros)?;
    let ended = known.iter().map(|block| block.n).sum();
    let timeout = load.target.timeout.as_micros();
    let age =
        micros.map_or_else(|| load.ages.len().checked_sub(1), |micros| load.ages.iter().position(|age| *age == micros));
    let older = age.and_then(|age| state.older.get(age)).copied().unwrap_or(0) as f64;
    // Requests that have not ended and are over the limit are bad ones now: without them, a stall would look like silence.
    let mut possible = known.clone();
    let is_beyond = micros.is_some_and(|micros| u128::from(micros) >= timeout);
    if is_beyond {
        // Errors may be timeouts, which may have exceeded even a limit beyond the timeout.
        for (block, errors) in possible.iter_mut().zip(&series.errors) {
            block.k = (block.k + *errors as f64).min(block.n);
        }
    }
    // Requests without a response have no latency, and count as beyond every limit.
    if micros.is_some() {
        add_each(&mut possible, lost(series));
    }
    add_last(&mut possible, older);
    let is_over = micros.is_some() && !load.target.is_attributed;
    if is_over {
        add_last(&mut known, older);
    }
    if let Some(unknown) = origins.last().and_then(Option::as_ref).filter(|_| load.target.is_attributed) {
        let bad = blocks(unknown, claim.statistic, micros)?;
        for ((block, bad), errors) in possible.iter_mut().zip(bad).zip(&unknown.errors) {
            let bad = bad.k + if is_beyond { *errors as f64 } else { 0.0 };
            *block = *block + Block { n: bad, k: bad };
        }
        if micros.is_some() {
            add_each(&mut possible, lost(unknown));
        }
    }
    let lower = match claim.statistic {
        Statistic::Percentile(_) => {
            let limit = claim.slo.limit.0;
            let p90 = series.over.iter().find(|over| over.percentile == Some(90.0))?;
            let column = if limit > p90.limit { Some(midway_column(series, p90, limit)?) } else { None };
            column.map(|over| columns(timed(series), &over.counts))
        }
        Statistic::Errors | Statistic::None => None,
    };
    Some(Requests { known, possible, lower, ended })
}

/// Returns the highest column of a series that is not above the middle between its median and a limit; at least `p90`.
fn midway_column<'a>(series: &'a Series, p90: &'a Over, limit: f64) -> Option<&'a Over> {
    let median = series.over.iter().find(|over| over.percentile == Some(50.0))?;
    // The column of the middle may be one cell higher.
    let middle = midway(median.limit, limit) * (1.0 + COLUMN_DISTANCE);
    let own = series.over.iter().filter(|over| over.percentile.is_some());
    let below = own.filter(|over| (p90.limit..=middle).contains(&over.limit));
    Some(below.max_by(|a, b| a.limit.total_cmp(&b.limit)).unwrap_or(p90))
}

fn add_each(blocks: &mut [Block], bad: impl Iterator<Item = f64>) {
    for (block, bad) in blocks.iter_mut().zip(bad) {
        *block = *block + Block { n: bad, k: bad };
    }
}

/// Returns the number of requests of each interval that got no response.
fn lost(series: &Series) -> impl Iterator<Item = f64> {
    series.requests.iter().zip(timed(series)).map(|(requests, timed)| requests.saturating_sub(*timed) as f64)
}

fn add_last(blocks: &mut [Block], bad: f64) {
    if let Some(last) = blocks.last_mut() {
        *last = *last + Block { n: bad, k: bad };
    }
}

/// Returns the requests of a series by interval, and the bad ones among them. `micros` is the limit of a percentile.
fn blocks(series: &Series, statistic: Statistic, micros: Option<u64>) -> Option<Vec<Block>> {
    match statistic {
        Statistic::Errors => Some(columns(&series.requests, &series.errors)),
        Statistic::Percentile(_) => {
            let limit = micros? as f64 / 1000.0;
            let over = series.over.iter().find(|over| over.percentile.is_none() && over.limit == limit)?;
            Some(columns(timed(series), &over.counts))
        }
        Statistic::None => None,
    }
}

fn timed(series: &Series) -> &[u64] {
    if series.timed.is_empty() { &series.requests } else { &series.timed }
}

/// Returns true if the measurements of a load would be inconclusive if it ended now.
fn is_doubtful(state: &LoadState) -> bool {
    let seconds = state.elapsed.as_secs_f64();
    let dropped = state.due.map_or(0, |due| due.saturating_sub(state.sent));
    let limits = (CLIENT_LIMIT.to_owned(), state.client_limits);
    let record = LoadRecord {
        duration: GoDuration(state.elapsed),
        requested_rate: state.due.map(|due| due as f64 / seconds),
        achieved_rate: state.sent as f64 / seconds,
        counts: Counts { requests: state.timeline.requests(), dropped, ..state.counts },
        causes: [limits].into(),
        ..LoadRecord::default()
    };
    load_validity::inconclusive_reason(&record).is_some()
}

fn decision(claim: &Claim, looked: &Looked) -> Decision {
    Decision {
        metric: claim.slo.metric.clone(),
        bound: claim.bound,
        limit: claim.slo.limit.0,
        reference: claim.is_relative.then_some(0),
        verdict: looked.verdict,
        n: looked.n as u64,
        k: looked.k as u64,
        deff: looked.deff,
        df: looked.df,
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
