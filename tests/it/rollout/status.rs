//! `iter8 k rollout status`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;

use serde_json::json;

use super::rollout_case::{R1, R2, RolloutCase, without_progress};
use crate::support::kubernetes::TIMEOUT;
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
    let Some(case) = RolloutCase::with_failed_candidate() else { return };
    let _transcript = transcript!();
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
fn status_is_shown_again_after_each_change_until_the_deletion() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let mut command = case.case.command(["k", "rollout", "status", "iris", "--watch", "-n", &case.case.namespace]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (tell, shown) = mpsc::channel();
    // The thread ends with the program.
    std::thread::spawn(move || lines.all(|line| tell.send(line).is_ok()));
    let mut wait_for = |text: String| {
        while let Ok(line) = shown.recv_timeout(TIMEOUT) {
            if line == text {
                return;
            }
        }
        let _ = child.kill();
        panic!("it did not show {text:?}");
    };
    wait_for(format!("iris: 20 % to {R2} (candidate), 80 % to {R1} (stable)"));
    case.patch("kubectl", &json!({"canaryTrafficPercent": 30}));
    wait_for(format!("iris: 30 % to {R2} (candidate), 70 % to {R1} (stable)"));
    case.case.cluster.kubectl_ok(&["delete", "isvc", "iris", "-n", &case.case.namespace]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_absent_service_is_bad_input() {
    let Some(case) = RolloutCase::new() else { return };
    let _transcript = transcript!();
    case.rollout(&["status", "iris"]).snapshot(2);
    case.rollout(&["set", "iris", "--percent", "20"]).snapshot(2);
    case.rollout(&["tags", "iris", "on"]).snapshot(2);
}
