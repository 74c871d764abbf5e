//! Names, labels and annotations of a group's objects, the same as Iter8's.

use crate::manifests::dns_names;
use crate::values::input::InputError;

/// Label and annotation with the name of the group.
pub(crate) const GROUP: &str = "iter8.tools/group";

/// Annotation, and label of pods, with the revision.
pub(crate) const REVISION: &str = "iter8.tools/revision";

/// Label of a shard's Secret, with its index.
pub(crate) const SHARD: &str = "iter8.tools/shard";

/// Label with the UID of a Job that Kubernetes puts on its pods.
pub(crate) const JOB_UID: &str = "batch.kubernetes.io/controller-uid";

/// Name of the container.
pub(crate) const CONTAINER: &str = "iter8";

/// Environment variable with the UID of the Job, for pods that share a load. Names of Jobs are reused; UIDs are not.
pub(crate) const JOB_VARIABLE: &str = "ITER8_JOB_UID";

/// A group: the name of an experiment within a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Namespace.
    pub namespace: String,
    /// Name within the namespace.
    pub name: String,
}

impl Group {
    /// Checks both names.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Result<Self, InputError> {
        let group = Self { namespace: namespace.into(), name: name.into() };
        if !dns_names::is_label(&group.name) {
            let message = format!(
                "`{}` is not a valid group name; expected at most 63 lowercase letters, digits and `-`",
                group.name
            );
            return Err(InputError::new("--group", message).with_hint("for example: -g shop-canary"));
        }
        if !dns_names::is_label(&group.namespace) {
            let message =
                format!("`{}` is not a valid namespace; expected lowercase letters, digits and `-`", group.namespace);
            return Err(InputError::new("--namespace", message));
        }
        Ok(group)
    }

    /// Name of the Secret.
    pub(crate) fn secret(&self) -> String {
        self.name.clone()
    }

    /// Name of a shard's Secret.
    pub(crate) fn shard(&self, index: u32) -> String {
        format!("{}-shard-{index}", self.name)
    }

    /// Name of Role and RoleBinding for the Secrets.
    pub(crate) fn role(&self) -> String {
        self.name.clone()
    }

    /// Name of Role and RoleBinding for the watched objects in a namespace. Another namespace may have Roles for groups of several
    /// namespaces, so the name ends with a dot and the group's namespace; neither group names nor namespaces contain dots.
    pub(crate) fn ready_role(&self, namespace: &str) -> String {
        if namespace == self.namespace {
            format!("{}-ready", self.name)
        } else {
            format!("{}-ready.{}", self.name, self.namespace)
        }
    }

    /// Name of the service account.
    pub(crate) fn service_account(&self) -> String {
        format!("{}-iter8-sa", self.name)
    }

    /// Name of a revision's Job.
    pub(crate) fn job(&self, revision: i64) -> String {
        format!("{}-{revision}-job", self.name)
    }

    /// Name of a revision's CronJob.
    pub(crate) fn cron_job(&self, revision: i64) -> String {
        format!("{}-{revision}-cronjob", self.name)
    }
}
