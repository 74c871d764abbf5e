//! Tests of merged reports, complete and damaged.

use chrono::{DateTime, Utc};

use super::super::job::JobContext;
use super::*;
use crate::load::attribution::Attribution;
use crate::load::pacing::{Arrival, Bound, Pacer};
use crate::load::plan::LoadPlan;
use crate::metrics::catalog::MetricNames;
use crate::metrics::histogram;
use crate::model::contribution::VersionMetrics;
use crate::model::counts::Counts;
use crate::model::shard::LoadShard;
use crate::ports::BoxFuture;
use crate::values::input::InputError;

struct Plain;

impl Load for Plain {
    fn provider(&self) -> &str {
        "http"
    }

    fn version(&self) -> usize {
        0
    }

    fn label(&self) -> &str {
        "http"
    }

    fn plan(&self) -> LoadPlan {
        LoadPlan::new("t", Pacer::new(Arrival::Constant { rate: 40.0 }, Bound::Count(40)), 1)
    }

    fn attribution(&self) -> Option<&Attribution> {
        None
    }

    fn is_tls(&self) -> bool {
        false
    }

    fn warmup(&self) -> Option<Pacer> {
        None
    }

    fn run<'a>(&'a self, _: &'a JobContext<'a>) -> BoxFuture<'a, JobEnd> {
        Box::pin(async { JobEnd::Interrupted })
    }

    fn metric_names(&self) -> MetricNames {
        MetricNames::Unknown
    }

    fn add(&self, _: &LoadOutcome, _: DateTime<Utc>, _: &mut VersionMetrics) {}

    fn notes(&self, _: &LoadOutcome) -> Vec<String> {
        Vec::new()
    }
}

fn shard(requests: u64) -> LoadShard {
    LoadShard {
        counts: Counts { requests, ..Counts::default() },
        whole_rate: Some(40.0),
        requested_rate: Some(10.0),
        achieved_rate: 10.0,
        ..LoadShard::default()
    }
}

fn coordinator(requests: u64) -> JobEnd {
    let outcome = LoadOutcome::from_shard(&shard(requests), &Plain.plan().pacer, Instant::now()).unwrap();
    JobEnd::Measured(Box::new(outcome))
}

fn member(index: usize, end: ShardEnd) -> MemberShard {
    MemberShard { index, is_late: false, report: Ok(vec![end]) }
}

fn measured(index: usize, requests: u64) -> MemberShard {
    member(index, ShardEnd::Measured(Box::new(shard(requests))))
}

fn failed(index: usize, message: &str) -> MemberShard {
    let hint = Some("look".to_owned());
    member(index, ShardEnd::Failed(ShardFailure { message: message.to_owned(), hint }))
}

fn merged(coordinator: JobEnd, others: &[MemberShard]) -> MergedLoad {
    MergedLoad::of_pods(&Plain, coordinator, others, (0, 1), 4, Instant::now())
}

/// Index and reason of the missing pods.
fn missing(merged: &MergedLoad) -> Vec<(u64, String)> {
    let shards = merged.outcome.as_ref().unwrap().shards.as_ref().unwrap();
    shards.missing.iter().map(|missing| (missing.index, missing.reason.clone())).collect()
}

#[test]
fn measurements_add_up() {
    let others = [measured(1, 10), MemberShard { is_late: true, ..measured(2, 9) }, measured(3, 8)];
    let merged = merged(coordinator(11), &others);
    let outcome = merged.outcome.as_ref().unwrap();
    assert_eq!((outcome.counts.requests, outcome.requested_rate, outcome.achieved_rate), (38, Some(40.0), 40.0));
    assert_eq!(outcome.shards, Some(Shards { count: 4, missing: Vec::new(), late: vec![2] }));
    assert!(merged.failures.is_empty() && !merged.is_interrupted);
    assert_eq!(merged.notes.len(), 1);
}

#[test]
fn a_pod_that_attributes_to_other_versions_is_missing() {
    let mut other = measured(1, 10);
    let versions = vec![Default::default(); 3];
    other.report = Ok(vec![ShardEnd::Measured(Box::new(LoadShard { versions, ..shard(10) }))]);
    let merged = merged(coordinator(10), &[other, measured(2, 10), measured(3, 10)]);
    assert_eq!(
        missing(&merged),
        [(1, "attributes responses to other versions; run all pods with the same image and values".to_owned())]
    );
}

#[test]
fn pauses_of_pods_explain_a_missed_rate_on_average() {
    let paused =
        |seconds: u64| LoadShard { paused_nanos: seconds * 1_000_000_000, whole_rate: Some(80.0), ..shard(10) };
    let first = LoadOutcome::from_shard(&paused(3), &Plain.plan().pacer, Instant::now()).unwrap();
    let others = [1, 0, 0].into_iter().zip(1..).map(|(seconds, index)| {
        let mut other = measured(index, 10);
        other.report = Ok(vec![ShardEnd::Measured(Box::new(paused(seconds)))]);
        other
    });
    let merged = merged(JobEnd::Measured(Box::new(first)), &others.collect::<Vec<_>>());
    let notes = crate::tasks::loadgen::measure::notes("http", merged.outcome.as_ref().unwrap());
    let cause = "the load generator was stopped or got no CPU time for 1 s";
    assert_eq!(notes, [format!("http: 40 of 80 requests/s were offered (0 late, 0 dropped); {cause}")]);
}

#[test]
fn missing_pods_are_listed_with_the_reason() {
    let mut damaged = shard(9);
    damaged.histograms.insert("latency".to_owned(), histogram::encode(&histogram::new()).unwrap());
    damaged.histograms.get_mut("latency").unwrap().data.clear();
    let others = [
        member(1, ShardEnd::Interrupted),
        member(2, ShardEnd::Measured(Box::new(damaged))),
        MemberShard { report: Ok(Vec::new()), ..measured(3, 1) },
    ];
    let missing_of = |others: &[MemberShard]| missing(&merged(coordinator(11), others));
    let reasons = missing_of(&others);
    assert_eq!(reasons[0], (1, "was interrupted before it measured anything".to_owned()));
    assert!(reasons[1].1.starts_with("its report cannot be read: `latency`: the histogram is damaged"), "{reasons:?}");
    assert_eq!(reasons[2], (3, "reported 0 loads, expected 1".to_owned()));
    // A pod that the fleet forgot is still missing, and reasons are truncated.
    let long = MemberShard { report: Err("x".repeat(5_000)), ..measured(2, 1) };
    let reasons = missing_of(&[measured(1, 1), long]);
    assert_eq!((reasons[0].0, reasons[0].1.len()), (2, 300));
    assert_eq!(reasons[1], (3, "it never reported".to_owned()));
}

#[test]
fn equal_failures_are_reported_once_with_their_pods() {
    let others = [failed(1, "no way"), failed(2, "no food"), failed(3, "no way")];
    let merged = merged(coordinator(11), &others);
    let failures: Vec<(String, Option<String>)> = merged
        .failures
        .iter()
        .map(|failure| match failure {
            TaskError::Failed { message, hint, .. } => (message.clone(), hint.clone()),
            TaskError::Interrupted | TaskError::Input(_) => panic!("{failure}"),
        })
        .collect();
    let look = Some("look".to_owned());
    assert_eq!(failures, [("no way (indices 1, 3)".to_owned(), look.clone()), ("no food (index 2)".to_owned(), look)]);
    assert_eq!(missing(&merged).iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(merged.outcome.unwrap().counts.requests, 11);
}

#[test]
fn invalid_input_stays_invalid_input() {
    let input = || JobEnd::Failed(TaskError::Input(InputError::new("with.url", "is no URL")));
    let merged = merged(input(), &[measured(1, 1), failed(2, "with.url: is no URL"), measured(3, 1)]);
    assert!(matches!(merged.failures[..], [TaskError::Input(_), TaskError::Failed { .. }]), "{:?}", merged.failures);
    assert_eq!(missing(&merged)[0], (0, "its load failed: with.url: is no URL".to_owned()));
}

#[test]
fn only_the_coordinator_interrupts_the_run() {
    let mut stopped = shard(5);
    stopped.interrupted = true;
    let others = [measured(1, 1), member(2, ShardEnd::Measured(Box::new(stopped))), measured(3, 1)];
    let one = merged(coordinator(11), &others);
    assert!(!one.is_interrupted && one.outcome.unwrap().interrupted);
    assert_eq!(one.notes, ["index 2 was interrupted before the end"]);
    let early = merged(JobEnd::Interrupted, &others);
    assert!(early.is_interrupted);
    assert_eq!(missing(&early), [(0, "was interrupted before it measured anything".to_owned())]);
    assert_eq!(early.outcome.unwrap().counts.requests, 7);
    let nothing = merged(JobEnd::Interrupted, &[]);
    assert!(nothing.outcome.is_none() && nothing.is_interrupted);
}
