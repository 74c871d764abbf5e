//! A Job that runs a rollout in steps: its pod is replaced until the rollout has ended, and one pod at a time runs it.

use k8s_openapi::api::batch::v1::JobSpec;
use serde_json::Value;

use super::failure_policy::failure_policy;
use super::settings::{Runner, Settings};
use crate::values::input::InputError;

/// Name of the task in the `tasks` value.
const ROLLOUT: &str = "rollout";

/// Replacements of a pod that was killed. Evictions do not count.
const RETRIES: i32 = 6;

/// Exit codes after which the Job has failed: the rollout ended, or another run would end the same way. Code 4 is one of them: the run has
/// already retried for minutes, and a refused rollback needs a person. A killed pod exits with none of these codes, so it is replaced.
const FINAL_EXIT_CODES: &[i32] = &[1, 2, 3, 4, 5];

/// Returns true if these values have a rollout in steps.
fn is_rollout(values: &Value) -> bool {
    values["tasks"].as_array().is_some_and(|tasks| tasks.iter().any(|task| task == ROLLOUT))
}

/// Rejects settings with which several runs would move the same traffic.
pub(super) fn check(values: &Value, settings: &Settings) -> Result<(), InputError> {
    if !is_rollout(values) {
        return Ok(());
    }
    if settings.runner == Runner::CronJob {
        return Err(InputError::new("runner", "a rollout cannot run on a schedule: each run would start it again")
            .with_hint("use --set runner=job"));
    }
    if settings.parallelism > 1 {
        return Err(InputError::new("parallelism", "the load of a rollout cannot be shared between pods yet")
            .with_hint("leave out `parallelism`"));
    }
    Ok(())
}

/// Lets the Job of a rollout replace its pod.
pub(super) fn replaceable(job: JobSpec, values: &Value) -> JobSpec {
    if !is_rollout(values) {
        return job;
    }
    JobSpec {
        backoff_limit: Some(RETRIES),
        pod_failure_policy: Some(failure_policy("FailJob", FINAL_EXIT_CODES)),
        // Two pods would move the same traffic.
        pod_replacement_policy: Some("Failed".to_owned()),
        ..job
    }
}
