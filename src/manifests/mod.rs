//! What a launch puts into a cluster: the objects of one experiment, typed, as a pure function of its values.
//!
//! The chart `charts/iter8` makes the same objects of the same values; a test holds both together. Names, labels and annotations are
//! Iter8's. One [`Launch`] is one revision of a group:
//!
//! - Secret `G`: the values under `values.yaml`; the run keeps the experiment document beside them, under `experiment.yaml`;
//! - Secrets `G-shard-N`, where several pods make the load together: what each of them measured;
//! - ServiceAccount `G-iter8-sa`, Role and RoleBinding `G`: that Secret and nothing else; `G-ready`: the objects that are waited for;
//! - Job `G-REV-job` or CronJob `G-REV-cronjob`.

pub mod dns_names;
pub mod names;
mod rbac;
mod runner;
pub mod schedule;
pub mod settings;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;

use self::names::{GROUP, Group, REVISION, SHARD};
use self::settings::{Runner, Settings};
use crate::model::codec;
use crate::model::object::Permission;
use crate::values::input::InputError;

/// Key of the values in the group's Secret.
pub const VALUES_KEY: &str = "values.yaml";

/// What is launched.
pub struct Plan<'a> {
    /// The group.
    pub group: &'a Group,
    /// Which launch of the group it is, from 1.
    pub revision: i64,
    /// The user's values [with defaults](settings::with_defaults).
    pub values: &'a Value,
    /// Access that its tasks need.
    pub permissions: &'a [Permission],
}

/// The objects of a launch, in the order in which they are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The Secret of the group, which owns the others.
    pub secret: Secret,
    /// The Secrets of the shards.
    pub shards: Vec<Secret>,
    /// The service account; none where the user named one.
    pub service_account: Option<ServiceAccount>,
    /// The roles.
    pub roles: Vec<Role>,
    /// Their bindings.
    pub role_bindings: Vec<RoleBinding>,
    /// What runs the experiment, if it runs once.
    pub job: Option<Job>,
    /// What runs it, if it runs again and again.
    pub cron_job: Option<CronJob>,
}

/// Makes the objects. Fails where a setting is not right, and where a name would be too long.
pub fn launch(plan: &Plan<'_>) -> Result<Launch, InputError> {
    let settings = Settings::from_values(plan.values)?;
    plan.group.check(plan.revision, &settings)?;
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
    let (roles, role_bindings) = rbac::roles(plan, &settings);
    let service_account = settings.service_account.is_none().then(|| ServiceAccount {
        metadata: metadata(plan, plan.group.service_account(), None),
        ..ServiceAccount::default()
    });
    Ok(Launch {
        secret,
        shards: shards.map(shard).collect(),
        service_account,
        roles,
        role_bindings,
        job: (settings.runner == Runner::Job).then(|| runner::job(plan, &settings)),
        cron_job: (settings.runner == Runner::CronJob).then(|| runner::cron_job(plan, &settings)),
    })
}

/// What all objects of a launch say of themselves.
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
    /// Makes the Secret the owner of everything in its namespace, so that nothing outlives it.
    pub fn own(&mut self, uid: &str) {
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

    /// The objects as a stream of YAML documents, for `kubectl apply`.
    pub fn to_yaml(&self) -> Result<String, codec::CodecError> {
        let mut all = vec![manifest(&self.secret)];
        all.extend(self.shards.iter().map(manifest));
        all.extend(self.service_account.iter().map(manifest));
        all.extend(self.roles.iter().map(manifest));
        all.extend(self.role_bindings.iter().map(manifest));
        all.extend(self.job.iter().map(manifest));
        all.extend(self.cron_job.iter().map(manifest));
        let documents: Vec<String> = all.iter().map(codec::to_yaml).collect::<Result<_, _>>()?;
        Ok(documents.join("---\n"))
    }
}

/// An object as it stands in a file: a Secret with its texts readable.
fn manifest<T: serde::Serialize>(object: &T) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if value["kind"] == "Secret"
        && let Some(map) = value.as_object_mut()
        && let Some(data) = map.remove("data")
    {
        let readable = data.as_object().into_iter().flatten().filter_map(|(key, encoded)| {
            use base64::Engine;
            let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.as_str()?).ok()?;
            Some((key.clone(), Value::String(String::from_utf8(bytes).ok()?)))
        });
        map.insert("stringData".to_owned(), Value::Object(readable.collect()));
    }
    value
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
