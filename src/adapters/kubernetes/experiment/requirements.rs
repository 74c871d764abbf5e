//! Checks before a launch or a deletion: permissions of this user, and the version of Kubernetes.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{CronJob, Job, JobSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::{Client, ResourceExt};

use super::iter8_v013::Original;
use crate::adapters::kubernetes::client::{
    Access, INTERACTIVE, Object, Operation, is_allowed, kind_of, missing, rules, with_retry,
};
use crate::manifests::Launch;
use crate::manifests::names::Group;
use crate::manifests::rbac::rule_in_yaml;
use crate::model::object::ResourceKind;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Minor version of Kubernetes 1 with every feature that our Indexed Jobs use, such as `backoffLimitPerIndex`.
const INDEXED_JOBS_SINCE: u32 = 29;

/// Permissions needed for objects of one kind.
fn on_kind<K: Object>(namespace: &str, verbs: &[&str]) -> impl Iterator<Item = Access> {
    verbs.iter().map(|verb| Access::new(namespace, &kind_of::<K>(), verb)).collect::<Vec<_>>().into_iter()
}

/// Permissions needed for one object.
fn on_object<K: Object>(namespace: &str, name: &str, verbs: &[&str]) -> impl Iterator<Item = Access> {
    on_kind::<K>(namespace, verbs).map(|access| access.on(name)).collect::<Vec<_>>().into_iter()
}

/// Permissions to apply these objects, whose names stay the same in later launches.
fn to_apply<'a, K: Object + 'a>(objects: impl IntoIterator<Item = &'a K>) -> BTreeSet<Access> {
    let mut wanted = BTreeSet::new();
    for object in objects {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        wanted.extend(on_kind::<K>(&namespace, &["create"]));
        wanted.extend(on_object::<K>(&namespace, &name, &["get", "patch"]));
    }
    wanted
}

/// Rejects a launch if this user lacks permissions, listing all missing ones. `is_first` if the group has no Secret yet; `to_delete` are
/// the permissions to delete objects of earlier launches.
pub(crate) async fn check_launch(
    client: &Client,
    group: &Group,
    launch: &Launch,
    is_first: bool,
    to_delete: BTreeSet<Access>,
) -> Result<(), ClusterError> {
    let namespace = &group.namespace;
    let mut wanted = to_apply(std::iter::once(&launch.secret).chain(&launch.shards));
    wanted.extend(on_object::<Secret>(namespace, &group.secret(), &["update"]));
    wanted.extend(to_apply(&launch.service_account));
    wanted.extend(to_apply(&launch.roles));
    wanted.extend(to_apply(&launch.role_bindings));
    // The names of runs contain the revision.
    let run: &[&str] = &["get", "create", "patch"];
    if !is_first {
        // An earlier launch may have had the other runner, and is deleted after its document is replaced.
        wanted.extend(on_kind::<Job>(namespace, &["delete"]));
        wanted.extend(on_kind::<CronJob>(namespace, &["delete"]));
    }
    wanted.extend(launch.job.iter().flat_map(|_| on_kind::<Job>(namespace, run)));
    wanted.extend(launch.cron_job.iter().flat_map(|_| on_kind::<CronJob>(namespace, run)));
    wanted.extend(to_list(namespace));
    wanted.extend(to_grant(client, launch).await);
    wanted.extend(to_delete);
    check(client, wanted).await
}

/// Permissions to find the objects of earlier launches.
fn to_list(namespace: &str) -> impl Iterator<Item = Access> {
    let list: &[&str] = &["list"];
    on_kind::<Secret>(namespace, list)
        .chain(on_kind::<ServiceAccount>(namespace, list))
        .chain(on_kind::<Job>(namespace, list))
        .chain(on_kind::<CronJob>(namespace, list))
}

/// Returns the permissions in the Roles of a launch: the API server lets users grant only what they have.
async fn to_grant(client: &Client, launch: &Launch) -> BTreeSet<Access> {
    let mut wanted = BTreeSet::new();
    for role in &launch.roles {
        let namespace = role.namespace().unwrap_or_default();
        let escalate = Access::new(&namespace, &kind_of::<Role>(), "escalate");
        let bind = Access::new(&namespace, &kind_of::<Role>(), "bind");
        let is_exempt = |access| async move { is_allowed(client, &access).await.unwrap_or(false) };
        if !(is_exempt(escalate).await && is_exempt(bind).await) {
            wanted.extend(role.rules.iter().flatten().flat_map(|rule| Access::of_rule(&namespace, rule)));
        }
    }
    wanted
}

/// Rejects a deletion if this user lacks permissions, listing all missing ones. `planned` are those to delete what was found.
pub(crate) async fn check_delete(
    client: &Client,
    group: &Group,
    original: Option<&Original>,
    planned: BTreeSet<Access>,
) -> Result<(), ClusterError> {
    let mut wanted = to_delete(group, original);
    wanted.extend(planned);
    check(client, wanted).await.map_err(|error| {
        let message = format!("cannot delete group {}: {}", group.name, error.message);
        ClusterError { message, ..error }
    })
}

/// Permissions to delete a group.
pub(crate) fn to_delete(group: &Group, original: Option<&Original>) -> BTreeSet<Access> {
    let namespace = &group.namespace;
    let mut wanted: BTreeSet<Access> = to_list(namespace).collect();
    wanted.extend(on_object::<Secret>(namespace, &group.secret(), &["get", "delete"]));
    wanted.extend(on_object::<ServiceAccount>(namespace, &group.service_account(), &["delete"]));
    wanted.extend(on_kind::<Job>(namespace, &["delete"]));
    wanted.extend(on_kind::<CronJob>(namespace, &["delete"]));
    // Roles of ours are deleted with the Secret, which owns them.
    if let Some(original) = original {
        if original.may_have_roles {
            wanted.extend(on_kind::<Role>(namespace, &["list", "delete"]));
            wanted.extend(on_kind::<RoleBinding>(namespace, &["list", "delete"]));
        }
        wanted.extend(original.releases.iter().flat_map(|name| on_object::<Secret>(namespace, name, &["delete"])));
    }
    wanted
}

async fn check(client: &Client, wanted: BTreeSet<Access>) -> Result<(), ClusterError> {
    let missing = missing(client, wanted).await;
    if missing.is_empty() {
        return Ok(());
    }
    let namespaces: BTreeSet<&str> = missing.iter().map(|access| access.namespace.as_str()).collect();
    let (mut lacks, mut roles) = (Vec::new(), Vec::new());
    for namespace in namespaces {
        let here: Vec<&Access> = missing.iter().filter(|access| access.namespace == namespace).collect();
        let rules = rules(&here);
        let kinds: Vec<String> = rules
            .iter()
            .map(|rule| {
                let one = |list: &Option<Vec<String>>| list.iter().flatten().next().cloned().unwrap_or_default();
                let kind = ResourceKind {
                    group: one(&rule.api_groups),
                    version: String::new(),
                    resource: one(&rule.resources),
                };
                format!("{} {kind}", conjunction(&rule.verbs))
            })
            .collect();
        lacks.push(format!("in namespace {namespace}, this user may not {}", kinds.join("; ")));
        let rules: Vec<String> = rules.iter().map(rule_in_yaml).collect();
        roles.push(format!("in namespace {namespace}, add to a Role of this user: {}", rules.join(", ")));
    }
    let error = ClusterError::new(ClusterErrorKind::Forbidden, lacks.join("; "));
    Err(error.with_hint(roles.join("; ")))
}

/// Joins words as in `get, list and watch`.
fn conjunction(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [words @ .., last] => format!("{} and {last}", words.join(", ")),
    }
}

/// Rejects a shared load if the cluster is too old for it.
pub(crate) async fn check_version(client: &Client, launch: &Launch) -> Result<(), ClusterError> {
    let of_job = launch.job.as_ref().and_then(|job| job.spec.as_ref());
    let of_cron_job = launch.cron_job.as_ref().and_then(|job| job.spec.as_ref()?.job_template.spec.as_ref());
    let is_indexed = |job: &JobSpec| job.backoff_limit_per_index.is_some();
    if !of_job.or(of_cron_job).is_some_and(is_indexed) {
        return Ok(());
    }
    let kind = ResourceKind { group: String::new(), version: "v1".to_owned(), resource: "version".to_owned() };
    let operation = Operation::on_collection("get", &kind, None);
    match with_retry(INTERACTIVE, &operation, || client.apiserver_version()).await {
        Ok(info) => check_indexed_jobs(&info),
        // Some other request reports that the API server does not work.
        Err(_) => Ok(()),
    }
}

fn check_indexed_jobs(info: &Info) -> Result<(), ClusterError> {
    // Providers append to it, such as `27+`.
    let digits =
        |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().and_then(|text| text.parse::<u32>().ok());
    let (Some(1), Some(minor)) = (digits(&info.major), digits(&info.minor)) else { return Ok(()) };
    if minor >= INDEXED_JOBS_SINCE {
        return Ok(());
    }
    let message = format!("`parallelism` needs Kubernetes 1.{INDEXED_JOBS_SINCE} or later; this cluster has 1.{minor}");
    Err(ClusterError::new(ClusterErrorKind::Refused, message)
        .with_hint("launch without `parallelism`, or upgrade the cluster"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_loads_need_kubernetes_1_29() {
        for (minor, is_accepted) in [("27", false), ("28+", false), ("29", true), ("33-eks-1", true), ("", true)] {
            let info = Info { major: "1".to_owned(), minor: minor.to_owned(), ..Info::default() };
            assert_eq!(check_indexed_jobs(&info).is_ok(), is_accepted, "{minor}");
        }
        let info = Info { major: "1".to_owned(), minor: "27+".to_owned(), ..Info::default() };
        let error = check_indexed_jobs(&info).unwrap_err();
        assert_eq!(error.message, "`parallelism` needs Kubernetes 1.29 or later; this cluster has 1.27");
    }
}
