//! Failure policy of a Job whose pods are replaced.

use k8s_openapi::api::batch::v1::{
    PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};

use super::names::CONTAINER;

/// Builds a policy that ignores evictions, and takes `action` on final exit codes.
pub(super) fn failure_policy(action: &str, final_exit_codes: &[i32]) -> PodFailurePolicy {
    let disrupted =
        PodFailurePolicyOnPodConditionsPattern { type_: "DisruptionTarget".to_owned(), status: "True".to_owned() };
    let ignored = PodFailurePolicyRule {
        action: "Ignore".to_owned(),
        on_pod_conditions: Some(vec![disrupted]),
        ..PodFailurePolicyRule::default()
    };
    let on_exit_codes = PodFailurePolicyOnExitCodesRequirement {
        container_name: Some(CONTAINER.to_owned()),
        operator: "In".to_owned(),
        values: final_exit_codes.to_vec(),
    };
    let rule = PodFailurePolicyRule {
        action: action.to_owned(),
        on_exit_codes: Some(on_exit_codes),
        ..PodFailurePolicyRule::default()
    };
    PodFailurePolicy { rules: vec![ignored, rule] }
}
