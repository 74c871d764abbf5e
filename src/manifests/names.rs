//! Names, labels and annotations of a group's objects: Iter8's.

use super::settings::{Runner, Settings};
use crate::manifests::dns_names;
use crate::values::input::InputError;

/// Label and annotation that name the group.
pub const GROUP: &str = "iter8.tools/group";

/// Annotation, and label of pods, with the revision.
pub const REVISION: &str = "iter8.tools/revision";

/// Label of the Secrets of shards, with their index.
pub const SHARD: &str = "iter8.tools/shard";

/// Kubernetes' own label of a pod with the UID of its Job.
pub const JOB_UID: &str = "batch.kubernetes.io/controller-uid";

/// Name of the container of a pod.
pub const CONTAINER: &str = "iter8";

/// Variable that tells pods that make a load together which Job they belong to, by its UID: names come again.
pub const JOB_VARIABLE: &str = "ITER8_JOB_UID";

/// Longest name of a Job: its pods carry it as a label.
const MAX_JOB: usize = 63;

/// Longest name of a CronJob, which adds the time to the names of its Jobs.
const MAX_CRON_JOB: usize = 52;

/// A group: the name of an experiment within a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Group {
    /// A group, if objects can be called so.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Result<Self, InputError> {
        let group = Self { namespace: namespace.into(), name: name.into() };
        if !dns_names::is_label(&group.name) {
            let told = format!("`{}` is not the name of a group: small letters, digits and -, at most 63", group.name);
            return Err(InputError::new("--group", told).with_hint("such as -g shop-canary"));
        }
        if !dns_names::is_label(&group.namespace) {
            let told = format!("`{}` is not the name of a namespace: small letters, digits and -", group.namespace);
            return Err(InputError::new("--namespace", told));
        }
        Ok(group)
    }

    /// Finds names that would be too long.
    pub(super) fn check(&self, revision: i64, settings: &Settings) -> Result<(), InputError> {
        // Pods of an Indexed Job are hosts named after the Job and their index.
        let index = match settings.parallelism {
            1 => 0,
            pods => 1 + (pods - 1).to_string().len(),
        };
        let (kind, name, most) = match settings.runner {
            Runner::Job => ("Job", self.job(revision), MAX_JOB),
            Runner::CronJob => ("CronJob", self.cron_job(revision), MAX_CRON_JOB),
            Runner::None => return Ok(()),
        };
        let most = most - index;
        if name.len() <= most {
            return Ok(());
        }
        let told = format!("the {kind} of the group would be called `{name}`, which is longer than {most} characters");
        Err(InputError::new("--group", told).with_hint("give the group a shorter name"))
    }

    /// The Secret.
    pub fn secret(&self) -> String {
        self.name.clone()
    }

    /// The Secret of a shard.
    pub fn shard(&self, index: u32) -> String {
        format!("{}-shard-{index}", self.name)
    }

    /// Role and RoleBinding for the Secret.
    pub fn role(&self) -> String {
        self.name.clone()
    }

    /// Role and RoleBinding for the objects that are waited for in a namespace. In a namespace that is not the group's, groups of
    /// several namespaces may meet: the name says whose it is, with a dot, which no name of a group or namespace has.
    pub fn ready_role(&self, namespace: &str) -> String {
        if namespace == self.namespace {
            format!("{}-ready", self.name)
        } else {
            format!("{}-ready.{}", self.name, self.namespace)
        }
    }

    /// The service account.
    pub fn service_account(&self) -> String {
        format!("{}-iter8-sa", self.name)
    }

    /// The Job of a revision.
    pub fn job(&self, revision: i64) -> String {
        format!("{}-{revision}-job", self.name)
    }

    /// The CronJob of a revision.
    pub fn cron_job(&self, revision: i64) -> String {
        format!("{}-{revision}-cronjob", self.name)
    }
}
