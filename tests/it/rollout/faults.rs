//! Changes that cannot be made, or that are interrupted.

use serde_json::json;

use super::rollout_case::{R1, R2, R3, RolloutCase};
use crate::support::kubernetes::{KServe, Outcome};
use crate::support::transcript::transcript;

#[test]
fn a_candidate_that_never_gets_ready_is_given_up_with_the_reason() {
    let Some(case) = RolloutCase::with_stable() else { return };
    case.decide(R2, Outcome::Failed("the model cannot be loaded"));
    case.apply(2, Some(0));
    case.wait_for_revision(R2);
    case.wait(|status| status["conditions"].to_string().contains("the model cannot be loaded"));
    let set = case.rollout(&["set", "iris", "--percent", "20", "--timeout", "2s"]);
    set.expect(
        4,
        &[
            "error: InferenceService iris did not reach the requested traffic within 2s: ",
            &format!("revision {R2} is not ready: PredictorReady is False (RevisionFailed: "),
            "failed with message: the model cannot be loaded.",
            "hint: `iter8 k rollout status iris` shows its state",
        ],
    );
    assert_eq!(case.service()["status"]["components"]["predictor"]["latestRolledoutRevision"], R1);
}

#[test]
fn a_split_that_never_takes_effect_is_given_up_with_the_reason() {
    let Some(case) = RolloutCase::with_candidate(0) else { return };
    case.hold_knative();
    let set = case.rollout(&["set", "iris", "--percent", "20", "--timeout", "2s"]);
    set.expect(4, &[&format!("within 2s: revision {R2} gets 0 % of the traffic; expected 20 %")]);
}

#[test]
fn an_outside_edit_ends_the_wait() {
    let Some(case) = RolloutCase::with_candidate(0) else { return };
    case.hold_knative();
    let set = case.start(&["set", "iris", "--percent", "20"], "expected 20 %");
    case.patch("argocd", &json!({"canaryTrafficPercent": 60}));
    let lost = "error: the change of InferenceService iris was lost: spec.predictor.canaryTrafficPercent was changed by argocd: it \
                is 60; expected 20";
    set.end().expect(4, &[lost, "hint: `iter8 k rollout status iris` shows its state"]);
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 60);
}

#[test]
fn an_outside_edit_ends_a_promotion() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    case.hold_knative();
    let promotion = case.start(&["promote", "iris"], "expected 100 %");
    case.patch("argocd", &json!({"canaryTrafficPercent": 20}));
    let lost = "spec.predictor.canaryTrafficPercent was changed by argocd: it is 20; expected absent";
    promotion.end().expect(4, &[lost]);
}

#[test]
fn a_third_revision_ends_the_wait() {
    let Some(case) = RolloutCase::with_stable() else { return };
    case.decide(R2, Outcome::Starting);
    case.apply(2, Some(0));
    case.wait_for_revision(R2);
    let set = case.start(&["set", "iris", "--percent", "20"], &format!("revision {R2} is not ready"));
    case.replace_model(3);
    set.end().expect(4, &[&format!("was lost: a newer revision appeared: {R3}; expected {R2}")]);
}

/// The same while the percent is not set yet, because the candidate is not ready.
#[test]
fn a_third_revision_does_not_get_the_percent_of_the_second() {
    let Some(case) = RolloutCase::with_candidate(0) else { return };
    case.decide(R3, Outcome::Starting);
    case.replace_model(3);
    case.wait_for_revision(R3);
    let set = case.start(&["set", "iris", "--percent", "20"], &format!("revision {R3} is not ready"));
    case.replace_model(4);
    set.end().expect(4, &[&format!("was lost: a newer revision appeared: iris-predictor-00004; expected {R3}")]);
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 0);
}

#[test]
fn a_deletion_ends_the_wait() {
    let Some(case) = RolloutCase::with_candidate(0) else { return };
    case.hold_knative();
    let set = case.start(&["set", "iris", "--percent", "20"], "expected 20 %");
    case.case.cluster.kubectl_ok(&["delete", "isvc", "iris", "-n", &case.case.namespace, "--wait=false"]);
    // KServe's finalizer delays it, or has done so already.
    let set = set.end();
    set.expect(4, &["error: the change of InferenceService iris was lost: it "]);
    assert!(set.stderr.contains("it is being deleted") || set.stderr.contains("it was deleted"), "{set:#?}");
}

/// A user who may do this with the InferenceService, has the rights of this other rule, if there is one, and no more.
pub fn user(case: RolloutCase, verbs: &str, other: &str) -> RolloutCase {
    let RolloutCase { case, kserve } = case;
    let role = format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: ci}}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: ci}}\n\
         rules: [{{apiGroups: [serving.kserve.io], resources: [inferenceservices], resourceNames: [iris], verbs: {verbs}}}, {other}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: ci}}\n\
         subjects: [{{kind: ServiceAccount, name: ci}}]\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: ci}}\n"
    );
    case.cluster.apply_in(&case.namespace, &role);
    let token = case.cluster.token(&case.namespace, "ci");
    let kubeconfig = case.cluster.kubeconfig_with_token(&token, &case.namespace);
    RolloutCase { case: case.with_kubeconfig(kubeconfig), kserve }
}

#[test]
fn a_missing_right_is_named() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let _transcript = transcript!();
    let case = user(case, "[get, list, watch]", "");
    case.rollout(&["set", "iris", "--percent", "50"]).snapshot(4);
    case.rollout(&["rollback", "iris"]).snapshot(4);
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 20);
    let case = user(case, "[get]", "");
    case.rollout(&["status", "iris"]).snapshot(4);
}

#[test]
fn permissions_on_the_one_service_are_enough() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let case = user(case, "[list, watch, patch]", "");
    case.rollout(&["set", "iris", "--percent", "50"]).exits(0);
    case.rollout(&["promote", "iris"]).exits(0);
    case.rollout(&["rollback", "iris"]).exits(0);
    case.rollout(&["status", "iris"]).exits(0);
}

#[test]
fn a_restart_of_the_api_server_does_not_end_the_wait() {
    let Some(kserve) = KServe::own() else { return };
    let kserve: &'static KServe = Box::leak(Box::new(kserve));
    let case = RolloutCase::of(kserve).stable().candidate(0);
    case.hold_knative();
    let set = case.start(&["set", "iris", "--percent", "20"], "expected 20 %");
    kserve.cluster.stop_api_server();
    kserve.cluster.start_api_server();
    case.release_knative();
    assert_eq!(set.end().exits(0).stdout, format!("iris: 20 % to {R2} (candidate), 80 % to {R1} (stable)\n"));
    kserve.stop();
}
