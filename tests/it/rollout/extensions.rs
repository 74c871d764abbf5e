//! Rollouts in steps whose first analysis has too few requests for its confidence.

use serde_json::Value;

use super::rollout_case::{R1, R2};
use super::steps::Stepped;
use crate::support::kubernetes::Model;

/// The exact limits of an error rate of 0 in 64 requests within 4 seconds are above 0.1, and those of 87 within 5 seconds below.
fn unsure() -> Option<Stepped> {
    let rollout = Stepped::new(Model::new("good"))?.steps("50").set("http.numRequests=64");
    let objectives =
        ["assess.confidence=0.95", "assess.SLOs.upper.http/latency-p90=null", "assess.SLOs.upper.http/error-rate=0.1"];
    Some(objectives.into_iter().fold(rollout.set("rollout.onInconclusive=extend"), Stepped::set))
}

/// Requests of the newest load.
fn sent(rollout: &Stepped) -> Value {
    rollout.case.case.cli.document()["result"]["insights"]["load"][0]["http"]["requests"].take()
}

#[test]
fn an_analysis_with_too_few_requests_is_repeated_with_enough() {
    let Some(rollout) = unsure() else { return };
    let run = rollout.run(&[]);
    run.expect(0, &["was promoted (50 → 100 %)"]);
    let step = rollout.record()["steps"][0].take();
    let requests = &step["extension"]["requests"];
    assert!(requests.as_u64().unwrap() > 64, "{step}");
    assert_eq!((&step["analyses"], &sent(&rollout)), (&2.into(), requests), "{step}");
    let again = format!("50 %: analyzing again with {requests} requests, 1.");
    assert!(run.stderr.contains(&again), "{}", run.stderr);
}

#[test]
fn a_killed_run_goes_on_with_the_requests_that_were_asked_for() {
    let Some(rollout) = unsure() else { return };
    drop(rollout.start(&[], "50 %: analyzing again with"));
    drop(rollout.start(&[], "[2/3] http"));
    let run = rollout.run(&[]);
    run.expect(0, &["was promoted (50 → 100 %)"]);
    assert_eq!(sent(&rollout), rollout.record()["steps"][0]["extension"]["requests"]);
}

#[test]
fn a_load_that_may_not_be_longer_waits_for_a_person() {
    let Some(rollout) = unsure() else { return };
    let rollout = rollout.set("rollout.maxLoad=2s").set("rollout.pauseTimeout=50ms");
    let reason = "not repeated, because http/error-rate needs a load longer than maxLoad, 2s";
    rollout.run(&[]).expect(5, &["is paused at 50 %, step 1 of 1: inconclusive at 50 %", reason]);
    assert_eq!(rollout.record()["steps"][0]["analyses"], 1);
}

/// Both versions are measured in the same seconds, by the header of their responses.
#[test]
fn a_candidate_is_compared_with_the_stable_version_in_its_steps() {
    let Some(rollout) = unsure() else { return };
    let rollout = rollout
        .set("http.versionFrom.header=X-Model-Version")
        .set(&format!("http.versionFrom.versions={{{R1},{R2}}}"))
        .set("assess.relative.upper.http/error-rate=0.2");
    let run = rollout.run(&[]);
    run.expect(0, &["was promoted (50 → 100 %)"]);
    let document = rollout.case.case.cli.document();
    let verdicts = document["result"]["insights"]["verdicts"].as_array().unwrap();
    let compared: Vec<_> = verdicts.iter().filter(|verdict| verdict["reference"] == 0).collect();
    assert_eq!(compared.len(), 1, "{verdicts:#?}");
    assert_eq!((&compared[0]["version"], &compared[0]["method"]), (&1.into(), &"difference".into()));
    let extension = &document["result"]["rollout"]["steps"][0]["extension"];
    // About half of the requests are the candidate's, and those of both are asked for.
    assert!(extension["times"].as_f64().unwrap() > 1.5, "{extension}");
}
