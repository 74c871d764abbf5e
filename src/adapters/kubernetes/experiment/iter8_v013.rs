//! Experiments launched by Iter8 v0.13.
//!
//! Its launches are Helm releases named after the group. Their objects have an annotation with the group instead of a label, except the
//! service account, which has only Helm's annotations. Nothing owns the objects, so they are found by name and annotation.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::secret_data;
use crate::adapters::kubernetes::client::{list_labelled, list_metadata};
use crate::manifests::names::{GROUP, Group};
use crate::model::codec;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Annotations that Helm adds to the objects of a release.
const RELEASE: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// Type of the Secrets in which Helm stores releases.
const RELEASE_TYPE: &str = "helm.sh/release.v1";

/// Name of Iter8's chart.
const CHART: &str = "iter8";

/// Maximum size of a decompressed release.
const MAX_RELEASE_BYTES: u64 = 64 << 20;

/// Returns true if Helm created the object.
pub(crate) fn is_managed_by_helm(metadata: &ObjectMeta) -> bool {
    let manager = metadata.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/managed-by"));
    manager.is_some_and(|manager| manager == "Helm")
}

/// Returns the error for a group that only Helm may change.
pub(crate) fn managed_by_helm(group: &Group) -> ClusterError {
    let Group { namespace, name } = group;
    let message = format!("group {name} in namespace {namespace} is managed by Helm");
    let hint = format!("use `helm upgrade {name} -n {namespace}` or `helm uninstall`, or choose another group with -g");
    ClusterError::new(ClusterErrorKind::Refused, message).with_hint(hint)
}

/// Returns true if Iter8 created an object with this metadata for the group.
pub(crate) fn is_original(metadata: &ObjectMeta, group: &Group) -> bool {
    let annotation = |key: &str| metadata.annotations.as_ref().and_then(|all| all.get(key)).map(String::as_str);
    let name = metadata.name.as_deref().unwrap_or_default();
    if metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(GROUP)) {
        return false;
    }
    // Groups of several namespaces may have Roles in one.
    if annotation(RELEASE_NAMESPACE).is_some_and(|namespace| namespace != group.namespace) {
        return false;
    }
    if name == group.service_account() {
        return annotation(RELEASE) == Some(group.name.as_str());
    }
    annotation(GROUP) == Some(group.name.as_str()) && is_name_of_original(name, group)
}

/// Returns true if Iter8 created an object with this metadata for the group, in another namespace: groups there have the same names.
pub(crate) fn is_original_elsewhere(metadata: &ObjectMeta, group: &Group) -> bool {
    let annotations = metadata.annotations.as_ref();
    is_original(metadata, group) && annotations.is_some_and(|all| all.contains_key(RELEASE_NAMESPACE))
}

/// Returns true for the names of Iter8's objects. Copies under other names, such as backups, keep the annotation.
fn is_name_of_original(name: &str, group: &Group) -> bool {
    name == group.name || name == group.ready_role(&group.namespace) || run_revision(group, name).is_some()
}

/// Returns the revisions of the Jobs and CronJobs of a group.
async fn runs(client: &Client, group: &Group) -> Result<Vec<i64>, ClusterError> {
    let namespace = Some(group.namespace.as_str());
    let jobs = listed(list_metadata::<Job>(client, namespace).await)?;
    let cron_jobs = listed(list_metadata::<CronJob>(client, namespace).await)?;
    let names = jobs.iter().chain(&cron_jobs).filter_map(|run| run.name.as_deref());
    Ok(names.filter_map(|name| run_revision(group, name)).collect())
}

/// Missing permissions are reported later, all of them together.
fn listed(objects: Result<Vec<ObjectMeta>, ClusterError>) -> Result<Vec<ObjectMeta>, ClusterError> {
    match objects {
        Err(error) if error.kind == ClusterErrorKind::Forbidden => Ok(Vec::new()),
        objects => objects,
    }
}

/// Returns the revision in the name of a Job or CronJob of the group.
fn run_revision(group: &Group, name: &str) -> Option<i64> {
    let rest = name.strip_prefix(group.name.as_str())?.strip_prefix('-')?;
    let revision = rest.strip_suffix("-job").or(rest.strip_suffix("-cronjob"))?;
    revision.parse().ok().filter(|revision| *revision >= 0)
}

/// A group that Iter8 launched.
#[derive(Debug)]
pub(crate) struct Original {
    /// Revision of its last launch.
    pub(crate) revision: i64,
    /// Names of the Secrets of its releases.
    pub(crate) releases: Vec<String>,
    /// Namespaces that may have Roles of the group.
    pub(crate) namespaces: BTreeSet<String>,
    /// False if its releases have no Roles, because the user named a service account.
    pub(crate) may_have_roles: bool,
}

impl Original {
    /// Returns what Iter8 launched in this group, if anything. `secret` is that of the group, if it exists.
    ///
    /// Fails if its objects are a part of another application's release, whose history belongs to that application.
    pub(crate) async fn find(
        client: &Client,
        group: &Group,
        secret: Option<&Secret>,
    ) -> Result<Option<Self>, ClusterError> {
        if secret.is_some_and(|secret| !is_original(&secret.metadata, group)) {
            return Ok(None);
        }
        let labels = format!("owner=helm,name={}", group.name);
        let stored: Vec<Secret> = list_labelled(client, Some(&group.namespace), &labels).await?;
        let releases: Vec<Release> = stored.iter().filter_map(|secret| Release::read(secret, group)).collect();
        if releases.iter().any(|release| release.is_shared) {
            return Err(managed_by_helm(group));
        }
        let runs = if releases.is_empty() { runs(client, group).await? } else { Vec::new() };
        let of_document = secret.map(ready_namespaces).unwrap_or_default();
        let is_found = secret.is_some() || !releases.is_empty();
        let original = Self {
            revision: releases.iter().map(|release| release.revision).chain(runs).max().unwrap_or(0),
            namespaces: releases.iter().flat_map(|release| release.namespaces.clone()).chain(of_document).collect(),
            may_have_roles: releases.is_empty() || releases.iter().any(|release| release.has_roles),
            releases: releases.into_iter().map(|release| release.name).collect(),
        };
        Ok(is_found.then_some(original))
    }
}

/// Returns the namespaces of objects that the document's `ready` tasks wait for.
fn ready_namespaces(secret: &Secret) -> BTreeSet<String> {
    let spec = secret_data::document(secret).and_then(Result::ok).map(|document| document.spec).unwrap_or_default();
    let ready = spec.iter().filter(|task| task.name() == "ready");
    ready.filter_map(|task| Some(task.with.as_ref()?["namespace"].as_str()?.to_owned())).collect()
}

/// One release of Iter8's chart.
struct Release {
    /// Name of its Secret.
    name: String,
    revision: i64,
    /// True if it is a release of another chart, which has Iter8's as a part, or has other objects.
    is_shared: bool,
    has_roles: bool,
    /// Namespaces of its Roles.
    namespaces: BTreeSet<String>,
}

impl Release {
    /// Reads the Secret of a release. Returns `None` for releases of other charts, which may have the group's name.
    fn read(secret: &Secret, group: &Group) -> Option<Self> {
        if secret.type_.as_deref() != Some(RELEASE_TYPE) {
            return None;
        }
        let Stored { chart, manifest } = stored(secret)?;
        let objects: Vec<Value> = documents(&manifest).into_iter().filter(|object| !object.is_null()).collect();
        let is_secret = |object: &&Value| object["kind"] == "Secret" && object["metadata"]["name"] == *group.name;
        let metadata = &objects.iter().find(is_secret)?["metadata"];
        if metadata["annotations"][GROUP] != *group.name || !metadata["labels"][GROUP].is_null() {
            return None;
        }
        let roles: Vec<&Value> = objects.iter().filter(|object| object["kind"] == "Role").collect();
        Some(Self {
            name: secret.name_any(),
            revision: secret.labels().get("version").and_then(|version| version.parse().ok()).unwrap_or(0),
            is_shared: chart != CHART || !objects.iter().all(|object| is_in_chart(object, group)),
            has_roles: !roles.is_empty(),
            namespaces: roles
                .iter()
                .filter_map(|role| Some(role["metadata"]["namespace"].as_str()?.to_owned()))
                .collect(),
        })
    }
}

/// Returns true if Iter8's chart has an object of this name. Manifests lack the annotations that Helm adds.
fn is_in_chart(object: &Value, group: &Group) -> bool {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    name == group.service_account() || is_name_of_original(name, group)
}

/// Parts of a stored release.
struct Stored {
    /// Name of its chart; empty if there is none.
    chart: String,
    manifest: String,
}

/// Reads a stored release: base64 of compressed JSON.
fn stored(secret: &Secret) -> Option<Stored> {
    let encoded = secret.data.as_ref()?.get("release")?;
    let compressed = STANDARD.decode(&encoded.0).ok()?;
    let mut text = String::new();
    GzDecoder::new(compressed.as_slice()).take(MAX_RELEASE_BYTES).read_to_string(&mut text).ok()?;
    let mut release: BTreeMap<String, Value> = serde_json::from_str(&text).ok()?;
    let chart =
        release.get("chart").and_then(|chart| chart["metadata"]["name"].as_str()).unwrap_or_default().to_owned();
    match release.remove("manifest")? {
        Value::String(manifest) => Some(Stored { chart, manifest }),
        _ => None,
    }
}

/// Parses the YAML documents of a manifest. Skips those that are no YAML.
fn documents(manifest: &str) -> Vec<Value> {
    let lines: Vec<&str> = manifest.lines().collect();
    let texts = lines.split(|line| line.starts_with("---"));
    texts.filter_map(|lines| codec::value_from_yaml(&lines.join("\n")).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use k8s_openapi::ByteString;
    use serde_json::json;

    use super::*;

    /// A stored release of this chart, with Iter8's objects and one of this name.
    fn release(chart: &str, other: &str) -> Secret {
        let manifest = format!(
            "---\n# Source: a.yaml\nkind: Secret\nmetadata:\n  name: canary\n  annotations: {{{GROUP}: canary}}\n---\n\
             kind: ServiceAccount\nmetadata: {{name: canary-iter8-sa}}\n---\n\
             kind: Role\nmetadata: {{name: canary-ready, namespace: web}}\n---\n\
             kind: Deployment\nmetadata: {{name: {other}}}\n---\n"
        );
        let text = json!({"chart": {"metadata": {"name": chart}}, "manifest": manifest}).to_string();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        let encoded = STANDARD.encode(encoder.finish().unwrap());
        Secret {
            metadata: metadata("sh.helm.release.v1.canary.v3", &[], &[("version", "3")]),
            type_: Some(RELEASE_TYPE.to_owned()),
            data: Some(BTreeMap::from([("release".to_owned(), ByteString(encoded.into_bytes()))])),
            ..Secret::default()
        }
    }

    #[test]
    fn releases_with_objects_of_others_or_of_other_charts_are_shared() {
        let group = Group::new("shop", "canary").unwrap();
        let is_shared = |chart: &str, other: &str| Release::read(&release(chart, other), &group).unwrap().is_shared;
        assert!(!is_shared("iter8", "canary-3-job"));
        assert!(is_shared("iter8", "web"));
        assert!(is_shared("shop", "canary-3-job"));
        let own = Release::read(&release("iter8", "canary-3-job"), &group).unwrap();
        assert_eq!((own.revision, own.has_roles), (3, true));
    }

    fn metadata(name: &str, annotations: &[(&str, &str)], labels: &[(&str, &str)]) -> ObjectMeta {
        let map = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        ObjectMeta {
            name: Some(name.to_owned()),
            annotations: map(annotations),
            labels: map(labels),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn objects_of_iter8_have_its_names_and_its_annotation() {
        let group = Group::new("shop", "canary").unwrap();
        let mark = [(GROUP, "canary")];
        for name in ["canary", "canary-ready", "canary-3-job", "canary-12-cronjob"] {
            assert!(is_original(&metadata(name, &mark, &[]), &group), "{name}");
            assert!(!is_original(&metadata(name, &[], &[]), &group), "{name}");
            assert!(!is_original(&metadata(name, &mark, &mark), &group), "{name} is ours");
            let elsewhere = [(GROUP, "canary"), (RELEASE_NAMESPACE, "other")];
            assert!(!is_original(&metadata(name, &elsewhere, &[]), &group), "{name} of another namespace");
        }
        for name in ["canary-backup", "canary-x-job", "canary-job", "other", "canary-3-job-x"] {
            assert!(!is_original(&metadata(name, &mark, &[]), &group), "{name}");
        }
        let release = [(RELEASE, "canary"), (RELEASE_NAMESPACE, "shop")];
        assert!(is_original(&metadata("canary-iter8-sa", &release, &[]), &group));
        assert!(!is_original(&metadata("canary-iter8-sa", &[(RELEASE, "shop")], &[]), &group));
    }
}
