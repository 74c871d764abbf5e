//! `iter8 k rollout set`, `promote`, `rollback` and `tags`: what they change, and what they wait for.

use serde_json::{Value, json};

use super::rollout_case::{R1, R2, R3, RolloutCase, manifest, uri};
use crate::support::kubernetes::Outcome;
use crate::support::transcript::transcript;

fn pair(revision: &str, percent: i64) -> (String, i64) {
    (revision.to_owned(), percent)
}

#[test]
fn a_percent_is_waited_for_until_the_split_is_really_there() {
    let Some(case) = RolloutCase::with_candidate(0) else { return };
    case.hold_knative();
    let waiting = format!("revision {R2} gets 0 % of the traffic; expected 20 %");
    let set = case.start(&["set", "iris", "--percent", "20"], &waiting);
    // The API server has accepted the percent, and the conditions are still true.
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 20);
    case.wait_until_ready();
    case.release_knative();
    let set = set.end();
    assert_eq!(set.exits(0).stdout, format!("iris: 20 % to {R2} (candidate), 80 % to {R1} (stable)\n"));
    assert_eq!(case.traffic(), [pair(R2, 20), pair(R1, 80)]);
    let again = case.rollout(&["set", "iris", "--percent", "20"]);
    assert!(again.exits(0).stdout.ends_with(" (as before)\n"), "{again:#?}");
}

#[test]
fn a_candidate_that_is_not_ready_yet_gets_its_percent_and_no_more_once_it_is() {
    let Some(case) = RolloutCase::with_stable() else { return };
    case.decide(R2, Outcome::Starting);
    // Without a percent: KServe would promote it.
    case.apply(2, None);
    case.wait_for_revision(R2);
    let set = case.start(&["set", "iris", "--percent", "20"], &format!("revision {R2} is not ready"));
    case.decide(R2, Outcome::Ready);
    let set = set.end();
    assert_eq!(set.exits(0).stdout, format!("iris: 20 % to {R2} (candidate), 80 % to {R1} (stable)\n"));
    assert_eq!(case.service()["status"]["components"]["predictor"]["latestRolledoutRevision"], R1);
}

#[test]
fn a_promotion_removes_the_percent_and_waits_for_all_the_traffic() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let promotion = case.rollout(&["promote", "iris"]);
    assert_eq!(promotion.exits(0).stdout, format!("iris: 100 % to {R2} (stable)\n"));
    let service = case.service();
    assert_eq!(service["spec"]["predictor"]["canaryTrafficPercent"], Value::Null);
    assert_eq!(service["status"]["components"]["predictor"]["latestRolledoutRevision"], R2);
    assert_eq!(case.traffic(), [pair(R2, 100)]);
    let again = case.rollout(&["promote", "iris"]);
    assert_eq!(again.exits(0).stdout, format!("iris: 100 % to {R2} (stable) (as before)\n"));
}

#[test]
fn a_candidate_is_rolled_back_before_its_promotion() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let rollback = case.rollout(&["rollback", "iris"]);
    assert_eq!(rollback.exits(0).stdout, format!("iris: 0 % to {R2} (candidate), 100 % to {R1} (stable)\n"));
    assert_eq!(case.traffic(), [pair(R2, 0), pair(R1, 100)]);
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 0);
}

/// KServe first gives the rest to the promoted revision, then to the one before.
#[test]
fn a_promoted_revision_is_rolled_back_in_both_of_kserves_phases() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    case.rollout(&["promote", "iris"]).exits(0);
    let rollback = case.rollout(&["rollback", "iris"]);
    assert_eq!(rollback.exits(0).stdout, format!("iris: 0 % to {R2} (candidate), 100 % to {R1} (stable)\n"));
    assert_eq!(case.traffic(), [pair(R2, 0), pair(R1, 100)]);
    assert_eq!(case.service()["status"]["components"]["predictor"]["latestRolledoutRevision"], R1);
}

/// Until the new revision is ready, KServe would give its percent to the newest one that is: the one that was rolled back.
#[test]
fn a_revision_that_was_rolled_back_gets_no_traffic_in_the_next_rollout() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    case.rollout(&["rollback", "iris"]).exits(0);
    case.decide(R3, Outcome::Starting);
    case.patch("kubectl", &json!({"model": {"storageUri": uri(3)}, "canaryTrafficPercent": 10}));
    case.wait_for_revision(R3);
    let set = case.start(&["set", "iris", "--percent", "10"], &format!("revision {R3} is not ready"));
    case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
    case.decide(R3, Outcome::Ready);
    assert_eq!(set.end().exits(0).stdout, format!("iris: 10 % to {R3} (candidate), 90 % to {R1} (stable)\n"));
}

#[test]
fn a_failed_candidate_is_rolled_back() {
    let Some(case) = RolloutCase::with_stable() else { return };
    case.decide(R2, Outcome::Failed("the model cannot be loaded"));
    case.apply(2, Some(20));
    case.wait_for_revision(R2);
    case.rollout(&["rollback", "iris"]).exits(0);
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 0);
    assert_eq!(case.traffic(), [pair(R1, 0), pair(R1, 100)]);
}

#[test]
fn tags_are_switched_before_a_rollout_and_not_during_one() {
    let Some(case) = RolloutCase::with_stable() else { return };
    let _transcript = transcript!();
    let annotation =
        |case: &RolloutCase| case.service()["metadata"]["annotations"]["serving.kserve.io/enable-tag-routing"].clone();
    case.rollout(&["tags", "iris", "on"]).snapshot(0);
    assert_eq!(annotation(&case), "true");
    case.rollout(&["tags", "iris", "on"]).snapshot(0);
    case.wait_for_traffic(&[(R2, 100)]);
    case.wait(|status| status["components"]["predictor"]["latestRolledoutRevision"] == R2);
    case.patch("kubectl", &json!({"model": {"storageUri": uri(2)}, "canaryTrafficPercent": 10}));
    case.wait_for_traffic(&[(R3, 10), (R2, 90)]);
    case.rollout(&["tags", "iris", "off"]).snapshot(2);
    assert_eq!(annotation(&case), "true");
}

#[test]
fn dry_prints_the_patch_and_sends_nothing() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let _transcript = transcript!();
    let before = case.service()["metadata"]["generation"].clone();
    case.rollout(&["set", "iris", "--percent", "50", "--dry"]).snapshot(0);
    case.rollout(&["promote", "iris", "--dry"]).snapshot(0);
    case.rollout(&["rollback", "iris", "--dry"]).snapshot(0);
    case.rollout(&["set", "iris", "--percent", "20", "--dry"]).snapshot(0);
    assert_eq!(case.service()["metadata"]["generation"], before);
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 20);
}

/// The fields that a field manager owns.
fn owned(case: &RolloutCase, manager: &str) -> Value {
    let args = ["get", "isvc", "iris", "-n", &case.case.namespace, "-o", "json", "--show-managed-fields"];
    let service: Value = serde_json::from_str(&case.case.cluster.kubectl_ok(&args)).unwrap();
    let entries = service["metadata"]["managedFields"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["manager"] == manager && entry["subresource"].is_null());
    entry.map(|entry| entry["fieldsV1"].clone()).unwrap_or_default()
}

#[test]
fn fields_and_field_managers_of_others_are_kept() {
    let Some(case) = RolloutCase::with_stable() else { return };
    let annotations = json!({"example.com/team": "vision"});
    case.case.cluster.apply_in(&case.case.namespace, &manifest(2, Some(0), &annotations));
    case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
    case.wait_until_ready();
    let (before, mut kept) = (case.service(), owned(&case, "kubectl"));
    case.rollout(&["set", "iris", "--percent", "20"]).exits(0);
    let after = case.service();
    let mut expected = before["spec"].clone();
    expected["predictor"]["canaryTrafficPercent"] = json!(20);
    assert_eq!(after["spec"], expected);
    assert_eq!(after["metadata"]["annotations"], before["metadata"]["annotations"]);
    assert_eq!(owned(&case, "iter8"), json!({"f:spec": {"f:predictor": {"f:canaryTrafficPercent": {}}}}));
    assert!(kept["f:spec"]["f:predictor"].as_object_mut().unwrap().remove("f:canaryTrafficPercent").is_some());
    assert_eq!(owned(&case, "kubectl"), kept);
}

#[test]
fn field_managers_who_may_set_the_percent_back_are_named() {
    let Some(case) = RolloutCase::with_candidate(0) else { return };
    let yaml = manifest(2, Some(0), &json!({}));
    let args = ["apply", "-n", &case.case.namespace, "--server-side", "--field-manager=argocd", "-f", "-"];
    let output = case.case.cluster.kubectl_with_input(&args, &yaml);
    output.exits(0);
    let set = case.rollout(&["set", "iris", "--percent", "20"]);
    for manager in ["argocd", "kubectl"] {
        let warning = format!("{manager} also manages spec.predictor.canaryTrafficPercent, and may set it back");
        set.expect(0, &[&warning]);
    }
    let next = case.rollout(&["set", "iris", "--percent", "30"]);
    assert!(!next.exits(0).stderr.contains("also manages"), "{next:#?}");
}
