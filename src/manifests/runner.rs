//! Job or CronJob that runs an experiment: this binary as an unprivileged user, without capabilities.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec,
    SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::failure_policy::failure_policy;
use super::names::{CONTAINER, GROUP, JOB_UID, JOB_VARIABLE, REVISION};
use super::pod_template::patched;
use super::rollout::replaceable;
use super::secret_keys::{referred, volume};
use super::settings::{Runner, Settings};
use super::{Plan, metadata};
use crate::values::input::InputError;

/// User and group ID of the image.
const NOBODY: i64 = 65_532;

/// Path of the binary in the image.
const PROGRAM: &str = "/iter8";

/// Labels and annotations that opt out of the sidecars of Istio, Linkerd, Kuma and Consul: a sidecar would keep the Job running forever.
const NO_SIDECAR_LABELS: [(&str, &str); 2] =
    [("sidecar.istio.io/inject", "false"), ("kuma.io/sidecar-injection", "disabled")];
const NO_SIDECAR_ANNOTATIONS: [(&str, &str); 4] = [
    ("sidecar.istio.io/inject", "false"),
    ("linkerd.io/inject", "disabled"),
    ("kuma.io/sidecar-injection", "disabled"),
    ("consul.hashicorp.com/connect-inject", "false"),
];

/// Restarts of a pod that generates a share of the load.
const RETRIES_PER_POD: i32 = 3;

pub(super) fn job(plan: &Plan<'_>, settings: &Settings) -> Result<Job, InputError> {
    Ok(Job {
        metadata: metadata(plan, plan.group.job(plan.revision), None),
        spec: Some(job_spec(plan, settings)?),
        ..Job::default()
    })
}

pub(super) fn cron_job(plan: &Plan<'_>, settings: &Settings) -> Result<CronJob, InputError> {
    Ok(CronJob {
        metadata: metadata(plan, plan.group.cron_job(plan.revision), None),
        spec: Some(CronJobSpec {
            schedule: settings.schedule.clone(),
            time_zone: settings.time_zone.clone(),
            suspend: settings.suspend,
            successful_jobs_history_limit: settings.successful_jobs_history_limit,
            failed_jobs_history_limit: settings.failed_jobs_history_limit,
            // Concurrent runs would write the same document.
            concurrency_policy: Some("Forbid".to_owned()),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta { name: None, namespace: None, ..metadata(plan, String::new(), None) }),
                spec: Some(job_spec(plan, settings)?),
            },
            ..CronJobSpec::default()
        }),
        ..CronJob::default()
    })
}

fn job_spec(plan: &Plan<'_>, settings: &Settings) -> Result<JobSpec, InputError> {
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(marks(plan, &NO_SIDECAR_LABELS)),
            annotations: Some(marks(plan, &NO_SIDECAR_ANNOTATIONS)),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(plan, settings)),
    };
    let template = match &settings.pod_template {
        Some(patch) => patched(template, patch)?,
        None => template,
    };
    let whole = JobSpec {
        template,
        ttl_seconds_after_finished: settings.ttl_seconds_after_finished,
        active_deadline_seconds: settings.active_deadline_seconds,
        ..JobSpec::default()
    };
    if settings.parallelism == 1 {
        return Ok(replaceable(JobSpec { backoff_limit: Some(0), ..whole }, plan.values));
    }
    let pods = i32::try_from(settings.parallelism).unwrap_or(i32::MAX);
    Ok(JobSpec {
        completion_mode: Some("Indexed".to_owned()),
        completions: Some(pods),
        parallelism: Some(pods),
        backoff_limit_per_index: Some(RETRIES_PER_POD),
        pod_failure_policy: Some(failure_policy("FailIndex", FINAL_EXIT_CODES)),
        // Two pods of one index would write the same Secret.
        pod_replacement_policy: Some("Failed".to_owned()),
        ..whole
    })
}

/// Returns the labels or annotations of a pod.
fn marks(plan: &Plan<'_>, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let ours = [(GROUP, plan.group.name.clone()), (REVISION, plan.revision.to_string())];
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    ours.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Exit codes after which another pod would fail, too: invalid input (2), a failed task (3), and a cluster or store that stays unreachable for
/// minutes (4).
const FINAL_EXIT_CODES: &[i32] = &[2, 3, 4];

fn pod(plan: &Plan<'_>, settings: &Settings) -> PodSpec {
    let (volumes, volume_mounts) = volume(&referred(plan.values)).unzip();
    PodSpec {
        volumes: volumes.map(|volume| vec![volume]),
        service_account_name: Some(settings.service_account.clone().unwrap_or_else(|| plan.group.service_account())),
        // The account may be set to mount none.
        automount_service_account_token: Some(true),
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
            volume_mounts: volume_mounts.map(|mount| vec![mount]),
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
