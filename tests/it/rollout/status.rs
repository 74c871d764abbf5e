//! `iter8 k rollout status`.

use super::rollout_case::{R2, RolloutCase, without_progress};
use crate::support::kubernetes::Outcome;
use crate::support::transcript::transcript;

/// The steps of KServe's canary tutorial, with the table that it shows at each.
#[test]
fn status_shows_the_table_of_the_tutorial_at_each_step() {
    let Some(case) = RolloutCase::with_stable() else { return };
    let _transcript = transcript!();
    let status = || case.rollout(&["status", "iris"]);
    case.wait_until_ready();
    status().snapshot(0);
    let case = case.candidate(10);
    let status = || case.rollout(&["status", "iris"]);
    status().snapshot(0);
    without_progress(case.rollout(&["promote", "iris"])).snapshot(0);
    status().snapshot(0);
    without_progress(case.rollout(&["rollback", "iris"])).snapshot(0);
    status().snapshot(0);
}

#[test]
fn status_as_json_has_revisions_traffic_and_conditions() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let _transcript = transcript!();
    case.rollout(&["status", "iris", "-o", "json"]).snapshot(0);
}

#[test]
fn status_says_why_a_candidate_is_not_ready() {
    let Some(case) = RolloutCase::with_stable() else { return };
    let _transcript = transcript!();
    case.decide(R2, Outcome::Failed("the model cannot be loaded"));
    case.apply(2, Some(20));
    case.wait_for_revision(R2);
    case.wait(|status| status["conditions"].to_string().contains("the model cannot be loaded"));
    case.rollout(&["status", "iris"]).snapshot(0);
}

#[test]
fn status_shows_the_urls_of_tags() {
    let Some(case) = RolloutCase::with_stable() else { return };
    case.rollout(&["tags", "iris", "on"]).exits(0);
    case.wait_for_traffic(&[(R2, 100)]);
    let status = case.rollout(&["status", "iris"]);
    let url = format!("latest: http://latest-iris-predictor.{}.example.com ({R2})\n", case.case.namespace);
    assert!(status.exits(0).stdout.contains(&url), "{status:#?}");
}

#[test]
fn an_absent_service_is_bad_input() {
    let Some(case) = RolloutCase::new() else { return };
    let _transcript = transcript!();
    case.rollout(&["status", "iris"]).snapshot(2);
    case.rollout(&["set", "iris", "--percent", "20"]).snapshot(2);
    case.rollout(&["tags", "iris", "on"]).snapshot(2);
}
