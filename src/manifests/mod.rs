//! Kubernetes objects of one experiment, as a pure function of its values.
//!
//! The chart `charts/iter8` renders the same objects from the same values; a test compares them. Names, labels and annotations are Iter8's.
//! One [`Launch`] is one revision of a group:
//!
//! - Secret `G`: the values under `values.yaml` and, written by the run, the experiment document under `experiment.yaml`
//!   and the key of its digest;
//! - Secrets `G-shard-N`, if several pods generate the load: the mailbox of each pod;
//! - ServiceAccount `G-iter8-sa`; Role and RoleBinding `G` for these Secrets, `G-ready` for the objects that tasks wait for; none of them
//!   if the user names an existing service account;
//! - Job `G-REV-job` or CronJob `G-REV-cronjob`.

pub(crate) mod dns_names;
mod failure_policy;
pub(crate) mod memory;
mod name_length;
pub mod names;
mod pod_template;
pub(crate) mod rbac;
mod rollout;
mod runner;
mod secret_keys;
pub mod settings;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Map, Value};

use self::names::{GROUP, Group, REVISION, SHARD};
use self::settings::{Runner, Settings};
use crate::model::codec;
use crate::model::object::Permission;
use crate::values::input::InputError;

/// Key of the values in the group's Secret.
pub(crate) const VALUES_KEY: &str = "values.yaml";

/// Input of a launch.
pub(crate) struct Plan<'a> {
    /// Group to launch.
    pub group: &'a Group,
    /// Number of the launch, from 1.
    pub revision: i64,
    /// The user's values [with defaults](settings::with_defaults).
    pub values: &'a Value,
    /// Permissions needed by its tasks.
    pub permissions: &'a [Permission],
}

/// Objects of a launch, in the order of creation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Launch {
    /// Secret of the group, owner of the other objects.
    pub secret: Secret,
    /// Secrets of the shards.
    pub shards: Vec<Secret>,
    /// Service account, unless the user named an existing one.
    pub service_account: Option<ServiceAccount>,
    /// Roles.
    pub roles: Vec<Role>,
    /// RoleBindings of these Roles.
    pub role_bindings: Vec<RoleBinding>,
    /// Roles that an existing service account needs; they are not created.
    pub expected_roles: Vec<Role>,
    /// Job, if the experiment runs once.
    pub job: Option<Job>,
    /// CronJob, if it runs on a schedule.
    pub cron_job: Option<CronJob>,
}

/// Builds the objects. Fails on invalid settings and on names that are too long.
pub(crate) fn launch(plan: &Plan<'_>) -> Result<Launch, InputError> {
    let settings = Settings::from_values(plan.values)?;
    rollout::check(plan.values, &settings)?;
    name_length::check(plan.group, plan.revision, &settings)?;
    let text = codec::to_yaml(plan.values).map_err(|error| InputError::new("", error.to_string()))?;
    let secret = Secret {
        metadata: metadata(plan, plan.group.secret(), None),
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([(VALUES_KEY.to_owned(), ByteString(text.into_bytes()))])),
        ..Secret::default()
    };
    let shards = match settings.parallelism {
        1 => 0..0,
        pods => 0..pods,
    };
    let shard = |index| {
        let mut metadata = metadata(plan, plan.group.shard(index), None);
        metadata.labels.get_or_insert_default().insert(SHARD.to_owned(), index.to_string());
        Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() }
    };
    let roles = rbac::roles(plan, &settings);
    let (roles, expected_roles) = match settings.service_account {
        None => (roles, Vec::new()),
        Some(_) => (Vec::new(), roles),
    };
    let service_account = settings.service_account.is_none().then(|| ServiceAccount {
        metadata: metadata(plan, plan.group.service_account(), None),
        ..ServiceAccount::default()
    });
    Ok(Launch {
        secret,
        shards: shards.map(shard).collect(),
        service_account,
        role_bindings: roles.iter().map(|role| rbac::binding(plan, role)).collect(),
        roles,
        expected_roles,
        job: (settings.runner == Runner::Job).then(|| runner::job(plan, &settings)).transpose()?,
        cron_job: (settings.runner == Runner::CronJob).then(|| runner::cron_job(plan, &settings)).transpose()?,
    })
}

/// Builds the metadata of an object of a launch.
fn metadata(plan: &Plan<'_>, name: String, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(namespace.unwrap_or(&plan.group.namespace).to_owned()),
        labels: Some(BTreeMap::from([(GROUP.to_owned(), plan.group.name.clone())])),
        annotations: Some(BTreeMap::from([
            (GROUP.to_owned(), plan.group.name.clone()),
            (REVISION.to_owned(), plan.revision.to_string()),
        ])),
        ..ObjectMeta::default()
    }
}

impl Launch {
    /// Makes the Secret the owner of all objects in its namespace, so deleting it deletes them.
    pub(crate) fn own(&mut self, uid: &str) {
        let (Some(name), namespace) = (self.secret.metadata.name.clone(), self.secret.metadata.namespace.clone())
        else {
            return;
        };
        let owner = OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
            name,
            uid: uid.to_owned(),
            ..OwnerReference::default()
        };
        let all = (self.shards.iter_mut().map(|object| &mut object.metadata))
            .chain(self.service_account.iter_mut().map(|object| &mut object.metadata))
            .chain(self.roles.iter_mut().map(|object| &mut object.metadata))
            .chain(self.role_bindings.iter_mut().map(|object| &mut object.metadata))
            .chain(self.job.iter_mut().map(|object| &mut object.metadata))
            .chain(self.cron_job.iter_mut().map(|object| &mut object.metadata));
        for metadata in all.filter(|metadata| metadata.namespace == namespace) {
            metadata.owner_references = Some(vec![owner.clone()]);
        }
    }

    /// Writes the objects as a stream of YAML documents for `kubectl apply`.
    pub(crate) fn to_yaml(&self) -> Result<String, codec::CodecError> {
        let mut all = vec![manifest(&self.secret)];
        all.extend(self.shards.iter().map(manifest));
        all.extend(self.service_account.iter().map(manifest));
        all.extend(self.roles.iter().map(manifest));
        all.extend(self.role_bindings.iter().map(manifest));
        all.extend(self.job.iter().map(manifest));
        all.extend(self.cron_job.iter().map(manifest));
        let documents: Vec<String> =
            all.into_iter().map(|object| codec::to_readable_yaml(object?)).collect::<Result<_, _>>()?;
        Ok(documents.join("---\n"))
    }
}

/// Converts an object to the form users read, with the data of a Secret as strings.
fn manifest<T: serde::Serialize>(object: &T) -> Result<Value, codec::CodecError> {
    let invalid = |message: String| codec::CodecError { message, line: None, column: None };
    let mut value = serde_json::to_value(object).map_err(|error| invalid(error.to_string()))?;
    if value["kind"] == "Secret"
        && let Some(map) = value.as_object_mut()
        && let Some(Value::Object(data)) = map.remove("data")
    {
        let decode = |(key, encoded): (String, Value)| {
            use base64::Engine;
            let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.as_str().unwrap_or_default());
            let text = String::from_utf8(bytes.map_err(|error| invalid(error.to_string()))?);
            Ok((key, Value::String(text.map_err(|error| invalid(error.to_string()))?)))
        };
        let readable: Map<String, Value> = data.into_iter().map(decode).collect::<Result<_, codec::CodecError>>()?;
        map.insert("stringData".to_owned(), Value::Object(readable));
    }
    Ok(value)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
