//! Job or CronJob that runs an experiment: this binary as an unprivileged user, without capabilities.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec,
    SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::names::{CONTAINER, GROUP, JOB_UID, JOB_VARIABLE, REVISION};
use super::settings::{Runner, Settings};
use super::{Plan, metadata};

/// User and group ID of the image.
const NOBODY: i64 = 65_532;

/// Path of the binary in the image.
const PROGRAM: &str = "/iter8";

/// Restarts of a pod that generates a share of the load.
const RETRIES_PER_POD: i32 = 3;

pub(super) fn job(plan: &Plan<'_>, settings: &Settings) -> Job {
    Job {
        metadata: metadata(plan, plan.group.job(plan.revision), None),
        spec: Some(job_spec(plan, settings)),
        ..Job::default()
    }
}

pub(super) fn cron_job(plan: &Plan<'_>, settings: &Settings) -> CronJob {
    CronJob {
        metadata: metadata(plan, plan.group.cron_job(plan.revision), None),
        spec: Some(CronJobSpec {
            schedule: settings.schedule.clone(),
            // Concurrent runs would write the same document.
            concurrency_policy: Some("Forbid".to_owned()),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta { name: None, namespace: None, ..metadata(plan, String::new(), None) }),
                spec: Some(job_spec(plan, settings)),
            },
            ..CronJobSpec::default()
        }),
        ..CronJob::default()
    }
}

fn job_spec(plan: &Plan<'_>, settings: &Settings) -> JobSpec {
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(BTreeMap::from([
                (GROUP.to_owned(), plan.group.name.clone()),
                (REVISION.to_owned(), plan.revision.to_string()),
            ])),
            annotations: Some(BTreeMap::from([
                (GROUP.to_owned(), plan.group.name.clone()),
                (REVISION.to_owned(), plan.revision.to_string()),
                // A sidecar would keep the Job running forever.
                ("sidecar.istio.io/inject".to_owned(), "false".to_owned()),
            ])),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(plan, settings)),
    };
    let whole = JobSpec { template, ..JobSpec::default() };
    if settings.parallelism == 1 {
        return JobSpec { backoff_limit: Some(0), ..whole };
    }
    let pods = i32::try_from(settings.parallelism).unwrap_or(i32::MAX);
    JobSpec {
        completion_mode: Some("Indexed".to_owned()),
        completions: Some(pods),
        parallelism: Some(pods),
        backoff_limit_per_index: Some(RETRIES_PER_POD),
        pod_failure_policy: Some(failure_policy()),
        // Two pods of one index would write the same Secret.
        pod_replacement_policy: Some("Failed".to_owned()),
        ..whole
    }
}

/// Restarts evicted pods without counting them. Gives up on final exit codes: invalid input (2), a failed task (3), and a cluster
/// or store that stays unreachable for minutes (4).
fn failure_policy() -> PodFailurePolicy {
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
        values: vec![2, 3, 4],
    };
    let rule = PodFailurePolicyRule {
        action: "FailIndex".to_owned(),
        on_exit_codes: Some(on_exit_codes),
        ..PodFailurePolicyRule::default()
    };
    PodFailurePolicy { rules: vec![ignored, rule] }
}

fn pod(plan: &Plan<'_>, settings: &Settings) -> PodSpec {
    PodSpec {
        service_account_name: Some(settings.service_account.clone().unwrap_or_else(|| plan.group.service_account())),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
            ..PodSecurityContext::default()
        }),
        containers: vec![Container {
            name: CONTAINER.to_owned(),
            image: Some(settings.image.clone()),
            command: Some(vec![PROGRAM.to_owned()]),
            args: Some(arguments(plan, settings)),
            env: (settings.parallelism > 1).then(|| vec![job_variable()]),
            resources: Some(settings.resources.clone()),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
                ..SecurityContext::default()
            }),
            ..Container::default()
        }],
        ..PodSpec::default()
    }
}

fn arguments(plan: &Plan<'_>, settings: &Settings) -> Vec<String> {
    let revision = plan.revision.to_string();
    let words = [
        "k",
        "run",
        "--namespace",
        &plan.group.namespace,
        "--group",
        &plan.group.name,
        "--revision",
        &revision,
        "--loglevel",
        &settings.log_level,
    ];
    let reuse = (settings.runner == Runner::CronJob).then_some("--reuseResult");
    words.into_iter().chain(reuse).map(str::to_owned).collect()
}

/// Returns the variable with the UID of the Job, from the label that the Job controller puts on the pod.
fn job_variable() -> EnvVar {
    let field_ref = ObjectFieldSelector { field_path: format!("metadata.labels['{JOB_UID}']"), ..Default::default() };
    EnvVar {
        name: JOB_VARIABLE.to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field_ref), ..EnvVarSource::default() }),
        ..EnvVar::default()
    }
}
