//! Launching, listing and deleting groups.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::Value;

use super::connect::Connection;
use super::fault::Act;
use super::objects::{Effect, MANAGER, Named, Object, apply, delete, find, kind_of, labelled};
use super::retry::{BRIEF, patiently};
use super::secret_data;
use super::secret_store::{SecretStore, is_of_launch, revision};
use crate::logic::launch::Launch;
use crate::logic::launch::names::{GROUP, Group, SHARD};
use crate::model::document::Experiment;
use crate::ports::cluster::{ClusterError, ClusterFault};
use crate::ports::{DocumentStore, StoreError};

/// How often a launch begins anew because another one was quicker.
const MAX_RACES: u32 = 10;

/// What is to be launched; both depend on which launch of the group it will be.
pub trait Launched: Sync {
    /// The objects.
    fn objects(&self, revision: i64) -> Result<Launch, ClusterError>;
    /// The document as it is before anything runs.
    fn planned(&self, revision: i64) -> Experiment;
    /// Other namespaces in which a launch of these values has roles.
    fn namespaces(&self, values: &Value) -> BTreeSet<String>;
}

/// Launches the group's next revision, and gives its number. The earlier one's run ends, and nothing of it stays but the Secret.
///
/// Everything is tried before anything is done, so that a launch that the API server does not take changes nothing. Of several
/// launches at the same time the last one stays.
pub async fn launch(connection: &Connection, group: &Group, new: &dyn Launched) -> Result<i64, StoreError> {
    let client = &connection.client;
    let location = || SecretStore::new(connection, group.clone(), None).location();
    let failed = |source| StoreError::Cluster { action: "write", location: location(), source };
    for _ in 0..MAX_RACES {
        let existing: Option<Secret> = find(client, &group.namespace, &group.secret()).await.map_err(failed)?;
        let next = match &existing {
            None => 1,
            Some(secret) => {
                check_ours(secret, group).map_err(failed)?;
                revision(secret).unwrap_or(0).saturating_add(1)
            }
        };
        let mut objects = new.objects(next).map_err(failed)?;
        check_free(client, group, &objects).await.map_err(failed)?;
        make(client, &objects, Effect::DryRun).await.map_err(failed)?;
        let existing = match existing {
            Some(existing) => existing,
            None => match create(client, &objects.secret).await.map_err(failed)? {
                Some(created) => created,
                None => continue,
            },
        };
        // Of the version that was seen: whoever is later begins anew.
        let mut secret = objects.secret.clone();
        secret.metadata.resource_version = existing.metadata.resource_version.clone();
        let secret = match apply(client, &secret, Effect::Real).await {
            Ok(secret) => secret,
            Err(error) if error.fault == ClusterFault::Conflict => continue,
            Err(error) => return Err(failed(error)),
        };
        // From here on the earlier run can't write any more: it sees that the revision is not its own.
        let store = SecretStore::new(connection, group.clone(), Some(next));
        store.open().await?;
        store.save(&new.planned(next)).await?;
        let before = secret_data::values(&existing).and_then(Result::ok);
        let elsewhere = before.map(|values| new.namespaces(&values)).unwrap_or_default();
        prune(client, group, &objects, &elsewhere).await.map_err(failed)?;
        objects.own(secret.metadata.uid.as_deref().unwrap_or_default());
        // A launch that was overtaken makes nothing over the later one's.
        store.open().await?;
        make(client, &objects, Effect::Real).await.map_err(failed)?;
        return match store.open().await {
            Ok(_) => Ok(next),
            Err(error) => {
                // A later launch did not see what was made since.
                remove_runs(client, group, next).await.map_err(failed)?;
                Err(error)
            }
        };
    }
    let told = format!("{MAX_RACES} other launches of this group were quicker");
    Err(failed(ClusterError::new(ClusterFault::Conflict, told).with_hint("try again when they are through")))
}

/// Whether an object is of this group: Iter8 marked objects by an annotation alone.
fn is_of_group<K: Object>(object: &K, group: &str) -> bool {
    let marks = [&object.meta().labels, &object.meta().annotations];
    marks.iter().any(|marks| marks.as_ref().and_then(|marks| marks.get(GROUP)).is_some_and(|name| name == group))
}

/// Refuses a Secret that is not an experiment's, and one that Helm manages.
fn check_ours(secret: &Secret, group: &Group) -> Result<(), ClusterError> {
    let Group { namespace, name } = group;
    if !is_of_group(secret, name) {
        let told = format!("the Secret {name} in namespace {namespace} is not that of an experiment");
        return Err(ClusterError::new(ClusterFault::Refused, told).with_hint("name another group with -g"));
    }
    let manager = secret.metadata.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/managed-by"));
    if manager.is_some_and(|manager| manager == "Helm") {
        let told = format!("the group {name} in namespace {namespace} is a release of Helm");
        let hint = format!("launch it again with `helm upgrade {name} -n {namespace}`, or name another group with -g");
        return Err(ClusterError::new(ClusterFault::Refused, told).with_hint(hint));
    }
    Ok(())
}

/// Makes the group's Secret, with nothing but its marks; none where somebody else was quicker.
async fn create(client: &Client, secret: &Secret) -> Result<Option<Secret>, ClusterError> {
    let ObjectMeta { name, namespace, labels, .. } = secret.metadata.clone();
    let blank =
        Secret { metadata: ObjectMeta { name, namespace, labels, ..ObjectMeta::default() }, ..Secret::default() };
    let api: Api<Secret> = Api::namespaced(client.clone(), &secret.namespace());
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let act = Act::new("create", &kind_of::<Secret>(), &secret.namespace(), &secret.name());
    match patiently(BRIEF, &act, || api.create(&params, &blank)).await {
        Ok(created) => Ok(Some(created)),
        Err(error) if error.fault == ClusterFault::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// Applies everything but the group's Secret; in a dry run that too.
async fn make(client: &Client, launch: &Launch, effect: Effect) -> Result<(), ClusterError> {
    if effect == Effect::DryRun {
        apply(client, &launch.secret, effect).await?;
    }
    for secret in &launch.shards {
        apply(client, secret, effect).await?;
    }
    if let Some(account) = &launch.service_account {
        apply(client, account, effect).await?;
    }
    // A binding is tried with its Role, which a dry run does not make.
    let has_roles = effect == Effect::Real || all_there(client, &launch.roles).await?;
    for role in &launch.roles {
        apply(client, role, effect).await?;
    }
    for binding in launch.role_bindings.iter().filter(|_| has_roles) {
        apply(client, binding, effect).await?;
    }
    if let Some(job) = &launch.job {
        apply(client, job, effect).await?;
    }
    if let Some(job) = &launch.cron_job {
        apply(client, job, effect).await?;
    }
    Ok(())
}

async fn all_there(client: &Client, roles: &[Role]) -> Result<bool, ClusterError> {
    for role in roles {
        if find::<Role>(client, &role.namespace(), &role.name()).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses to take over what is somebody else's.
async fn check_free(client: &Client, group: &Group, launch: &Launch) -> Result<(), ClusterError> {
    check_each_free(client, group, &launch.shards).await?;
    check_each_free(client, group, &launch.service_account).await?;
    check_each_free(client, group, &launch.roles).await?;
    check_each_free(client, group, &launch.role_bindings).await?;
    check_each_free(client, group, &launch.job).await?;
    check_each_free(client, group, &launch.cron_job).await
}

async fn check_each_free<'a, K: Object + 'a>(
    client: &Client,
    group: &Group,
    objects: impl IntoIterator<Item = &'a K>,
) -> Result<(), ClusterError> {
    for object in objects {
        let (namespace, name) = (object.namespace(), object.name());
        let found: Option<K> = find(client, &namespace, &name).await?;
        if found.is_some_and(|found| !is_of_group(&found, &group.name)) {
            let told = format!("{}/{name} in namespace {namespace} is there, and not of this group", kind_of::<K>());
            return Err(ClusterError::new(ClusterFault::Refused, told).with_hint("name another group with -g"));
        }
    }
    Ok(())
}

/// What an object is found by, whatever its kind.
type Place = (String, String);

fn places<'a, K: Object + 'a>(objects: impl IntoIterator<Item = &'a K>) -> BTreeSet<Place> {
    objects.into_iter().map(|object| (object.namespace(), object.name())).collect()
}

/// Deletes what the group has and this launch has not, runs first.
async fn prune(
    client: &Client,
    group: &Group,
    launch: &Launch,
    elsewhere: &BTreeSet<String>,
) -> Result<(), ClusterError> {
    let own = [group.namespace.clone()];
    remove_but::<CronJob>(client, group, &own, &places(&launch.cron_job)).await?;
    remove_but::<Job>(client, group, &own, &places(&launch.job)).await?;
    let kept = places(std::iter::once(&launch.secret).chain(&launch.shards));
    remove_but::<Secret>(client, group, &own, &kept).await?;
    remove_but::<ServiceAccount>(client, group, &own, &places(&launch.service_account)).await?;
    remove_but::<RoleBinding>(client, group, &own, &places(&launch.role_bindings)).await?;
    remove_but::<Role>(client, group, &own, &places(&launch.roles)).await?;
    remove_elsewhere(client, group, elsewhere, &places(&launch.roles)).await
}

/// Deletes the group's objects of a kind in these namespaces, but for those that are kept.
async fn remove_but<K: Object>(
    client: &Client,
    group: &Group,
    namespaces: &[String],
    kept: &BTreeSet<Place>,
) -> Result<bool, ClusterError> {
    let labels = format!("{GROUP}={}", group.name);
    let mut any = false;
    for namespace in namespaces {
        for object in labelled::<K>(client, Some(namespace), &labels).await? {
            // Runs of a CronJob go with it.
            let is_owned = object
                .meta()
                .owner_references
                .as_ref()
                .is_some_and(|owners| owners.iter().any(|owner| owner.kind == "CronJob" || owner.kind == "Job"));
            if !is_owned && !kept.contains(&(object.namespace(), object.name())) {
                any |= delete::<K>(client, namespace, &object.name()).await?;
            }
        }
    }
    Ok(any)
}

/// Deletes the roles that the group has in other namespaces, where no owner can take them along.
async fn remove_elsewhere(
    client: &Client,
    group: &Group,
    namespaces: &BTreeSet<String>,
    kept: &BTreeSet<Place>,
) -> Result<(), ClusterError> {
    for namespace in namespaces.iter().filter(|namespace| **namespace != group.namespace) {
        let name = group.ready_role(namespace);
        if !kept.contains(&(namespace.clone(), name.clone())) {
            delete::<RoleBinding>(client, namespace, &name).await?;
            delete::<Role>(client, namespace, &name).await?;
        }
    }
    Ok(())
}

/// Other namespaces that have a role of this group, as far as this user may look there.
async fn roles_elsewhere(client: &Client, group: &Group) -> BTreeSet<String> {
    let labels = format!("{GROUP}={}", group.name);
    let roles: Vec<Role> = labelled(client, None, &labels).await.unwrap_or_default();
    let ours = |role: &Role| {
        let namespace = role.namespace();
        (namespace != group.namespace && role.name() == group.ready_role(&namespace)).then_some(namespace)
    };
    roles.iter().filter_map(ours).collect()
}

/// Deletes what runs a revision.
async fn remove_runs(client: &Client, group: &Group, revision: i64) -> Result<(), ClusterError> {
    delete::<CronJob>(client, &group.namespace, &group.cron_job(revision)).await?;
    delete::<Job>(client, &group.namespace, &group.job(revision)).await?;
    Ok(())
}

/// Deletes everything of a group, its Secret last. Whether there was anything. `namespaces` gives the other namespaces in which a
/// launch of these values has roles.
pub async fn delete_group(
    connection: &Connection,
    group: &Group,
    namespaces: &(dyn Fn(&Value) -> BTreeSet<String> + Sync),
) -> Result<bool, ClusterError> {
    let client = &connection.client;
    let secret: Option<Secret> = find(client, &group.namespace, &group.secret()).await?;
    if let Some(secret) = &secret {
        check_ours(secret, group)?;
    }
    let (own, none) = ([group.namespace.clone()], BTreeSet::new());
    let kept = places(&secret);
    let mut any = remove_but::<CronJob>(client, group, &own, &none).await?;
    any |= remove_but::<Job>(client, group, &own, &none).await?;
    let values = secret.as_ref().and_then(secret_data::values).and_then(Result::ok);
    let mut elsewhere = values.map(|values| namespaces(&values)).unwrap_or_default();
    elsewhere.extend(roles_elsewhere(client, group).await);
    any |= !elsewhere.is_empty();
    remove_elsewhere(client, group, &elsewhere, &none).await?;
    any |= remove_but::<RoleBinding>(client, group, &own, &none).await?;
    any |= remove_but::<Role>(client, group, &own, &none).await?;
    any |= remove_but::<ServiceAccount>(client, group, &own, &none).await?;
    any |= remove_but::<Secret>(client, group, &own, &kept).await?;
    if secret.is_some() {
        any |= delete::<Secret>(client, &group.namespace, &group.secret()).await?;
    }
    Ok(any)
}

/// How a group stands.
#[derive(Clone, Debug)]
pub struct GroupState {
    /// The group.
    pub group: Group,
    /// Its revision.
    pub revision: Option<i64>,
    /// What runs it: `job`, `cronjob`, `none`; none where the Secret does not say.
    pub runner: Option<String>,
    /// The document, if there is one that can be read.
    pub document: Option<Experiment>,
    /// Why its run will change nothing any more, where it is over.
    pub over: Option<RunEnded>,
}

/// The groups of the connection's namespace, or of all.
pub async fn groups(connection: &Connection, in_all: bool) -> Result<Vec<GroupState>, ClusterError> {
    let namespace = (!in_all).then_some(connection.namespace.as_str());
    let labels = format!("{GROUP},!{SHARD}");
    let secrets: Vec<Secret> = labelled(&connection.client, namespace, &labels).await?;
    let jobs: Vec<Job> = labelled(&connection.client, namespace, GROUP).await?;
    let mut states: Vec<GroupState> = secrets.iter().filter_map(|secret| state(secret, &jobs)).collect();
    states.sort_by(|a, b| (&a.group.namespace, &a.group.name).cmp(&(&b.group.namespace, &b.group.name)));
    Ok(states)
}

fn state(secret: &Secret, jobs: &[Job]) -> Option<GroupState> {
    let group = Group::new(secret.namespace(), secret.name()).ok()?;
    let values = secret_data::values(secret).and_then(Result::ok);
    let runner = values.as_ref().and_then(|values| values["runner"].as_str()).map(str::to_owned);
    let revision = revision(secret);
    let job = revision.map(|revision| group.job(revision));
    let job = jobs.iter().find(|found| found.namespace() == group.namespace && Some(found.name()) == job);
    let over = job.and_then(ended);
    let document = secret_data::document(secret).and_then(Result::ok);
    let document = document.filter(|document| is_of_launch(document, revision));
    Some(GroupState { document, group, revision, runner, over })
}

/// How a Job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnded {
    /// Whether it failed.
    pub failed: bool,
    /// The Job and what its controller says of it.
    pub told: String,
}

/// Whether nothing of a revision will run any more: its Job has ended, or neither Job nor CronJob is there.
pub(super) async fn has_ended(connection: &Connection, group: &Group, revision: i64) -> Result<bool, ClusterError> {
    let (client, namespace) = (&connection.client, &group.namespace);
    if let Some(job) = find::<Job>(client, namespace, &group.job(revision)).await? {
        return Ok(ended(&job).is_some());
    }
    Ok(find::<CronJob>(client, namespace, &group.cron_job(revision)).await?.is_none())
}

/// How the run of a group's revision ended, if it runs once and has ended.
pub async fn run_is_over(
    connection: &Connection,
    group: &Group,
    revision: i64,
) -> Result<Option<RunEnded>, ClusterError> {
    let job: Option<Job> = find(&connection.client, &group.namespace, &group.job(revision)).await?;
    Ok(job.as_ref().and_then(ended))
}

fn ended(job: &Job) -> Option<RunEnded> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True");
    let (failed, condition) = match (is("Failed"), is("Complete")) {
        (Some(condition), _) => (true, condition),
        (None, Some(condition)) => (false, condition),
        (None, None) => return None,
    };
    let why = condition.message.as_deref().or(condition.reason.as_deref()).unwrap_or("no reason is given");
    let word = if failed { "failed" } else { "is complete" };
    Some(RunEnded { failed, told: format!("job/{} {word}: {why}", job.name()) })
}
