//! Launching an experiment in a cluster.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::Role;
use serde_json::Value;

use super::error::AppError;
use super::resolve::{self, Resolved};
use crate::adapters::kubernetes::{Launched, MAX_SECRET_BYTES};
use crate::manifests::memory::check_memory;
use crate::manifests::names::Group;
use crate::manifests::rbac::rule_in_yaml;
use crate::manifests::settings::{Runner, Settings, with_defaults};
use crate::manifests::{Launch, Plan, launch};
use crate::model::codec;
use crate::model::document::{Experiment, TaskSpec};
use crate::model::object::Permission;
use crate::model::secret_key::SECRETS_DIR;
use crate::pipeline;
use crate::ports::Files;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::redact::{self, RequestSecrets};
use crate::tasks::Task;
use crate::values::input::{InputError, InputErrors};
use crate::values::{Values, digest};

/// Space reserved for the document beside the values in the Secret; documents can be shrunk to this size.
const DOCUMENT_ROOM: usize = 384 << 10;

/// An experiment to launch.
pub(crate) struct LaunchPlan {
    pub(crate) settings: Settings,
    values: Value,
    secrets: RequestSecrets,
    /// The spec, without secrets.
    redacted_spec: Vec<TaskSpec>,
    permissions: Vec<Permission>,
}

impl LaunchPlan {
    /// Checks the values like the run will, and logs warnings about them.
    pub(crate) fn new(values: Values) -> Result<Self, AppError> {
        let defaulted = with_defaults(&values.value).map_err(AppError::in_values)?;
        let values = Values { value: defaulted, ..values };
        let (resolved, settings) = resolve(&values).map_err(AppError::in_values)?;
        for warning in &resolved.warnings {
            tracing::warn!("{warning}");
        }
        // Pods may have files that this machine lacks, so templates in files accept every name.
        resolved.check_slos(None, &PodFiles).map_err(AppError::in_values)?;
        if settings.runner != Runner::None {
            let memory = resolved.tasks().iter().map(|task| task.facts().memory).max().unwrap_or_default();
            check_memory(&settings, memory)
                .map_err(|error| AppError::in_values(values.origins.locate(InputErrors::from(error))))?;
            warn_about_local_resources(&resolved, &settings);
        }
        let size = codec::to_yaml(&values.value)
            .map_err(|error| AppError::input("the values cannot be stored").caused_by(error))?
            .len();
        if size > MAX_SECRET_BYTES - DOCUMENT_ROOM {
            let message = format!(
                "the values have {size} bytes; at most {} fit into the experiment's Secret together with its document",
                MAX_SECRET_BYTES - DOCUMENT_ROOM
            );
            return Err(AppError::input(message).with_hint("move large payloads to a URL, such as http.payloadURL"));
        }
        let permissions = permissions(resolved.tasks());
        let secrets = resolved.secrets(&PodFiles);
        let redacted_spec = resolved.redacted_spec(&PodFiles);
        Ok(Self { settings, values: values.value, secrets, redacted_spec, permissions })
    }

    /// Returns the plan for a group. Fails before any request is sent if the objects cannot be created.
    pub(crate) fn for_group(self, group: Group) -> Result<GroupLaunch, AppError> {
        let launch = GroupLaunch { plan: self, group };
        let objects = launch.manifests(1).map_err(AppError::in_values)?;
        if let Some(account) = &launch.plan.settings.service_account {
            for (namespace, rules) in rules_by_namespace(&objects.expected_roles) {
                tracing::info!(
                    "no Role is created for serviceaccount/{account}; it needs these rules in namespace {namespace}: {}",
                    rules.join(", ")
                );
            }
        }
        Ok(launch)
    }

    /// Returns the objects of revision 1, with secrets redacted.
    pub(crate) fn redacted_manifests(&self, group: &Group) -> Result<Launch, AppError> {
        let values = redact::redact_strings_with(&redact::redact(&self.values), &self.secrets);
        if values != self.values {
            tracing::warn!(
                "secrets are redacted, so these manifests cannot be applied as they are: read secrets from files or \
                 variables (such as slack.urlEnv), or launch without --dry"
            );
        }
        let plan = Plan { group, revision: 1, values: &values, permissions: &self.permissions };
        launch(&plan).map_err(|error| match error.path.to_string().starts_with("--") {
            true => AppError::in_flag(error),
            false => AppError::in_values(error),
        })
    }
}

/// Groups the rules of Roles by namespace, as YAML.
fn rules_by_namespace(roles: &[Role]) -> BTreeMap<&str, Vec<String>> {
    let mut by_namespace: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Role { metadata, rules } in roles {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        by_namespace.entry(namespace).or_default().extend(rules.iter().flatten().map(rule_in_yaml));
    }
    by_namespace
}

/// Resolves tasks and settings, and reports the mistakes of both.
fn resolve(values: &Values) -> Result<(Resolved, Settings), InputErrors> {
    let errors = match (resolve::from_values(values), Settings::from_values(&values.value)) {
        (Ok(resolved), Ok(settings)) => return Ok((resolved, settings)),
        (Ok(_), Err(error)) => InputErrors::from(error),
        (Err(errors), Ok(_)) => errors,
        (Err(errors), Err(error)) => errors.with(error),
    };
    Err(values.origins.locate(errors))
}

/// Warns about files, variables and shells of this machine, which pods cannot access.
fn warn_about_local_resources(resolved: &Resolved, settings: &Settings) {
    if let Err(errors) = resolved.check_files(&PodFiles) {
        for error in errors.iter() {
            tracing::warn!(
                "{error}; pods cannot read files and variables of this machine: use a URL, or an image that contains them"
            );
        }
    }
    if settings.image == Settings::default_image() && resolved.spec.iter().any(|task| task.run.is_some()) {
        tracing::warn!(
            "the task `run` needs a shell, which the default image does not have: set `iter8Image` to another image"
        );
    }
}

/// Known files of a pod: those of its service account, and the Secrets that it mounts.
pub(super) struct PodFiles;

impl Files for PodFiles {
    fn read(&self, path: &str, _: u64) -> std::io::Result<Vec<u8>> {
        let content = if path.starts_with(SECRETS_DIR) { b"secret".to_vec() } else { Vec::new() };
        if path.starts_with("/var/run/secrets/") { Ok(content) } else { Err(std::io::ErrorKind::NotFound.into()) }
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

/// An experiment to launch in a group.
pub(crate) struct GroupLaunch {
    plan: LaunchPlan,
    group: Group,
}

impl GroupLaunch {
    fn manifests(&self, revision: i64) -> Result<Launch, InputError> {
        let LaunchPlan { values, permissions, .. } = &self.plan;
        launch(&Plan { group: &self.group, revision, values, permissions })
    }
}

impl Launched for GroupLaunch {
    fn objects(&self, revision: i64) -> Result<Launch, ClusterError> {
        self.manifests(revision).map_err(|error| {
            let message = ClusterError::new(ClusterErrorKind::Config, error.to_string());
            match error.hint {
                Some(hint) => message.with_hint(hint),
                None => message,
            }
        })
    }

    fn planned(&self, revision: i64) -> Experiment {
        pipeline::planned(self.plan.redacted_spec.clone(), revision, digest(&self.plan.values))
    }

    fn namespaces(&self, values: &Value) -> BTreeSet<String> {
        watched_namespaces(values)
    }
}

fn permissions(tasks: &[Box<dyn Task>]) -> Vec<Permission> {
    tasks.iter().flat_map(|task| task.facts().permissions).collect()
}

/// Returns the namespaces in which the tasks of these values watch objects, which have Roles of the group. Returns none if the values, from
/// an earlier launch, are no longer valid.
pub(crate) fn watched_namespaces(values: &Value) -> BTreeSet<String> {
    if Settings::from_values(values).is_ok_and(|settings| settings.service_account.is_some()) {
        return BTreeSet::new();
    }
    let needed = resolve::from_value(values).map_or_else(|_| Vec::new(), |resolved| permissions(resolved.tasks()));
    needed.into_iter().filter_map(|permission| permission.object.namespace).collect()
}
