//! Launching an experiment in a cluster.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::Role;
use serde_json::Value;

use super::error::AppError;
use super::resolve::{self, Resolved};
use crate::adapters::kubernetes::{Launched, MAX_SECRET_BYTES};
use crate::manifests::memory::check_memory;
use crate::manifests::names::{CONTAINER, Group};
use crate::manifests::rbac::rule_in_yaml;
use crate::manifests::settings::{Runner, Settings, with_defaults};
use crate::manifests::{Launch, Plan, launch};
use crate::model::codec;
use crate::model::document::{Experiment, TaskSpec};
use crate::model::object::Permission;
use crate::pipeline;
use crate::ports::Files;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::redact::{self, RequestSecrets};
use crate::tasks::Task;
use crate::values::input::{InputError, InputErrors};
use crate::values::{DigestKey, Values};

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
        let files = PodFiles::new(&settings);
        // Pods may have files that this machine lacks, so templates in files accept every name.
        resolved.check_slos(None, &files).map_err(AppError::in_values)?;
        resolved.check_pods(settings.parallelism).map_err(AppError::in_values)?;
        if settings.runner != Runner::None {
            let memory = resolved.tasks().iter().map(|task| task.facts().memory).max().unwrap_or_default();
            check_memory(&settings, memory)
                .map_err(|error| AppError::in_values(values.origins.locate(InputErrors::from(error))))?;
            warn_about_local_resources(&resolved, &settings, &files);
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
        let secrets = resolved.secrets(&files);
        let redacted_spec = resolved.redacted_spec(&files);
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
fn warn_about_local_resources(resolved: &Resolved, settings: &Settings, files: &PodFiles) {
    if let Err(errors) = resolved.check_files(files) {
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

/// Files and variables that a pod is known to have: its service account, the Secrets that it mounts, and those of `podTemplate`.
#[derive(Default)]
pub(super) struct PodFiles {
    directories: Vec<String>,
    variables: Vec<String>,
    /// True if variables come from whole Secrets or ConfigMaps.
    has_more_variables: bool,
}

/// Stands in for the content of a file or variable of a pod. Too short to be redacted by accident.
const UNKNOWN: &str = "?";

impl PodFiles {
    fn new(settings: &Settings) -> Self {
        let patch = settings.pod_template.as_ref().unwrap_or(&Value::Null);
        let containers = patch["spec"]["containers"].as_array().into_iter().flatten();
        let ours: Vec<&Value> = containers.filter(|container| container["name"] == CONTAINER).collect();
        let texts = |list: &str, field: &str| -> Vec<String> {
            let items = ours.iter().flat_map(|container| container[list].as_array().into_iter().flatten());
            items.filter_map(|item| item[field].as_str().map(str::to_owned)).collect()
        };
        let mut directories = texts("volumeMounts", "mountPath");
        directories.push("/var/run/secrets".to_owned());
        let has_more_variables = ours.iter().any(|container| container.get("envFrom").is_some());
        Self { directories, variables: texts("env", "name"), has_more_variables }
    }
}

impl Files for PodFiles {
    fn read(&self, path: &str, _: u64) -> std::io::Result<Vec<u8>> {
        let is_below = |directory: &String| std::path::Path::new(path).starts_with(directory);
        match self.directories.iter().any(is_below) {
            true => Ok(UNKNOWN.as_bytes().to_vec()),
            false => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        let is_known = self.has_more_variables || self.variables.iter().any(|known| known == name);
        is_known.then(|| UNKNOWN.to_owned())
    }

    fn knows_content(&self) -> bool {
        false
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

    fn planned(&self, revision: i64, key: &DigestKey) -> Experiment {
        pipeline::planned(self.plan.redacted_spec.clone(), revision, Some(key.digest(&self.plan.values)))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_have_what_their_account_and_their_template_mount() {
        let patch = json!({"spec": {"containers": [
            {"name": "proxy", "env": [{"name": "OTHER"}], "volumeMounts": [{"name": "x", "mountPath": "/other"}]},
            {"name": "iter8", "env": [{"name": "TOKEN"}], "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]},
        ]}});
        let settings = |patch: Value| {
            let values = with_defaults(&json!({"runner": "job", "podTemplate": patch})).unwrap();
            Settings::from_values(&values).unwrap()
        };
        let files = PodFiles::new(&settings(patch));
        for (path, is_known) in [
            ("/var/run/secrets/kubernetes.io/serviceaccount/token", true),
            ("/var/run/secrets/iter8/shop/key", true),
            ("/keys/token", true),
            ("/keyset", false),
            ("/other/token", false),
            ("token", false),
        ] {
            assert_eq!(files.read(path, 1).is_ok(), is_known, "{path}");
        }
        assert!(files.env("TOKEN").is_some() && files.env("OTHER").is_none());
        let whole = json!({"spec": {"containers": [{"name": "iter8", "envFrom": [{"secretRef": {"name": "s"}}]}]}});
        assert!(PodFiles::new(&settings(whole)).env("ANY").is_some());
    }
}
