//! Merges the results that the pods report for one load.

use std::time::Instant;

use super::job::{JobEnd, Load};
use crate::load::outcome::LoadOutcome;
use crate::model::load::{MissingShard, Shards};
use crate::model::shard::{ShardEnd, ShardFailure, ShardReport};
use crate::model::text::prefix;
use crate::ports::fleet::MemberShard;
use crate::slo::load_validity;
use crate::tasks::TaskError;

/// Reason for a missing pod that was interrupted too early.
const INTERRUPTED: &str = "was interrupted before it measured anything";

/// Maximum length, in characters, of the reason kept per missing pod, because there may be many.
const MAX_REASON: usize = 300;

/// Merged result of one load.
#[derive(Default)]
pub(super) struct MergedLoad {
    /// Measurements of all pods that reported some.
    pub(super) outcome: Option<Box<LoadOutcome>>,
    /// Counts of a load whose first requests all failed.
    pub(super) aborted: Option<Box<LoadOutcome>>,
    /// True if this run was interrupted.
    pub(super) is_interrupted: bool,
    pub(super) failures: Vec<TaskError>,
    /// Notes about the pods.
    pub(super) notes: Vec<String>,
}

impl MergedLoad {
    /// Result of a load that ran in a single pod.
    pub(super) fn of_single(ended: JobEnd) -> Self {
        match ended {
            JobEnd::Measured(outcome) => {
                Self { is_interrupted: outcome.interrupted, outcome: Some(outcome), ..Self::default() }
            }
            JobEnd::Interrupted | JobEnd::Absent => Self { is_interrupted: true, ..Self::default() },
            JobEnd::Failed(error) => Self::failed(error),
            JobEnd::Aborted(error, outcome) => Self { aborted: Some(outcome), ..Self::failed(error) },
        }
    }

    pub(super) fn failed(error: TaskError) -> Self {
        Self { failures: vec![error], ..Self::default() }
    }

    /// Result of a load that ran in `count` pods, of which this one is the coordinator. `at` is the position of the load in reports
    /// of `loads` entries; `started` is the start of the load.
    pub(super) fn of_pods(
        load: &impl Load,
        coordinator: JobEnd,
        others: &[MemberShard],
        (at, loads): (usize, usize),
        count: usize,
        started: Instant,
    ) -> Self {
        let mut sum = Sum::default();
        sum.add_coordinator(coordinator);
        let plan = load.plan();
        for index in 1..count {
            let member = others.iter().find(|member| member.index == index);
            let report = member.map(|member| (member.report.as_ref(), member.is_late));
            match report {
                None => sum.miss(index, "it never reported"),
                Some((Err(reason), _)) => sum.miss(index, reason),
                Some((Ok(report), is_late)) => match entry(report, at, loads) {
                    Err(reason) => sum.miss(index, &reason),
                    Ok(ShardEnd::Interrupted) => sum.miss(index, INTERRUPTED),
                    Ok(ShardEnd::Failed(failure)) => sum.fail(index, failure.clone()),
                    Ok(ShardEnd::Measured(shard)) if shard.versions.len() != plan.origins() => {
                        let reason =
                            "attributes responses to other versions; run all pods with the same image and values";
                        sum.miss(index, reason);
                    }
                    Ok(ShardEnd::Measured(shard)) => match LoadOutcome::from_shard(shard, &plan.pacer, started) {
                        Err(error) => sum.miss(index, &format!("its report cannot be read: {error}")),
                        Ok(outcome) => sum.add(index, is_late, outcome),
                    },
                },
            }
        }
        sum.finish(count)
    }
}

/// Returns the entry of one load in a pod's report.
fn entry(report: &ShardReport, at: usize, count: usize) -> Result<&ShardEnd, String> {
    let complete = report.get(at).filter(|_| report.len() == count);
    complete.ok_or_else(|| format!("reported {} loads, expected {count}", report.len()))
}

/// Result of one load as reported by a pod; `None` if the pod skips it.
pub(super) fn shard_end(ended: &JobEnd) -> Option<ShardEnd> {
    match ended {
        JobEnd::Measured(outcome) => Some(match outcome.shard() {
            Ok(shard) => ShardEnd::Measured(Box::new(shard)),
            Err(error) => ShardEnd::Failed(ShardFailure { message: error.to_string(), hint: None }),
        }),
        JobEnd::Interrupted => Some(ShardEnd::Interrupted),
        JobEnd::Absent => None,
        JobEnd::Failed(error) | JobEnd::Aborted(error, _) => Some(ShardEnd::Failed(failure(error))),
    }
}

fn failure(error: &TaskError) -> ShardFailure {
    let hint = match error {
        TaskError::Interrupted => None,
        TaskError::Input(error) => error.hint.clone(),
        TaskError::Failed { hint, .. } => hint.clone(),
    };
    ShardFailure { message: error.to_string(), hint }
}

/// Accumulates the reports of the pods.
#[derive(Default)]
struct Sum {
    /// Measurements so far. Reports are merged one by one, because each takes a megabyte.
    whole: Option<Box<LoadOutcome>>,
    shards: Shards,
    /// Failures, with the indices of the pods that had them.
    failures: Vec<(ShardFailure, Vec<usize>)>,
    /// Invalid input found by this pod.
    input: Option<TaskError>,
    is_interrupted: bool,
    /// Other pods that were interrupted during the load.
    interrupted: Vec<usize>,
}

impl Sum {
    fn add_coordinator(&mut self, end: JobEnd) {
        match end {
            JobEnd::Measured(outcome) => {
                self.is_interrupted = outcome.interrupted;
                self.merge(outcome);
            }
            JobEnd::Interrupted | JobEnd::Absent => {
                self.is_interrupted = true;
                self.miss(0, INTERRUPTED);
            }
            JobEnd::Failed(error @ TaskError::Input(_)) => {
                self.miss(0, &format!("its load failed: {error}"));
                self.input = Some(error);
            }
            JobEnd::Failed(error) | JobEnd::Aborted(error, _) => self.fail(0, failure(&error)),
        }
    }

    fn add(&mut self, index: usize, is_late: bool, outcome: LoadOutcome) {
        if is_late {
            self.shards.late.push(index as u64);
        }
        if outcome.interrupted {
            self.interrupted.push(index);
        }
        self.merge(Box::new(outcome));
    }

    fn merge(&mut self, outcome: Box<LoadOutcome>) {
        let parts = self.whole.take().into_iter().chain([outcome]);
        self.whole = LoadOutcome::merged(parts.map(|part| *part)).map(Box::new);
    }

    fn miss(&mut self, index: usize, reason: &str) {
        let reason = prefix(reason, MAX_REASON).to_owned();
        self.shards.missing.push(MissingShard { index: index as u64, reason });
    }

    fn fail(&mut self, index: usize, failure: ShardFailure) {
        self.miss(index, &format!("its load failed: {}", failure.message));
        match self.failures.iter_mut().find(|(known, _)| *known == failure) {
            Some((_, indices)) => indices.push(index),
            None => self.failures.push((failure, vec![index])),
        }
    }

    fn finish(self, count: usize) -> MergedLoad {
        let shards = Shards { count: count as u64, ..self.shards };
        let interrupted = match (self.is_interrupted, self.interrupted.as_slice()) {
            // The whole run was interrupted.
            (true, _) | (false, []) => None,
            (false, indices) => Some(format!("{} interrupted before the end", indexed(indices, "was", "were"))),
        };
        let notes = [load_validity::gap(&shards), load_validity::lateness(&shards), interrupted]
            .into_iter()
            .flatten()
            .collect();
        let failed = self.failures.into_iter().map(|(failure, indices)| TaskError::Failed {
            message: format!("{} ({})", failure.message, indexed(&indices, "", "").trim_end()),
            hint: failure.hint,
            partial: None,
        });
        MergedLoad {
            failures: self.input.into_iter().chain(failed).collect(),
            outcome: self.whole.map(|outcome| Box::new(LoadOutcome { shards: Some(shards), ..*outcome })),
            aborted: None,
            is_interrupted: self.is_interrupted,
            notes,
        }
    }
}

/// `index 3 was`, `indices 3, 5 were`.
fn indexed(indices: &[usize], one: &str, many: &str) -> String {
    let list = indices.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if indices.len() == 1 { format!("index {list} {one}") } else { format!("indices {list} {many}") }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
