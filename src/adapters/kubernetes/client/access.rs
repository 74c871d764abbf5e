//! Permissions of this user, as the API server sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Api, PostParams};
use kube::{Client, Error};

use crate::model::object::ResourceKind;

/// Maximum number of reviews at the same time.
const CONCURRENCY: usize = 16;

/// Timeout of all reviews: without them, the API server rejects requests one by one.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(10);

/// Permission for one verb on a kind of object, or on one of its objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    pub(crate) namespace: String,
    pub(crate) kind: ResourceKind,
    /// `None` for all objects.
    pub(crate) name: Option<String>,
    pub(crate) verb: String,
}

impl Access {
    pub(crate) fn new(namespace: &str, kind: &ResourceKind, verb: &str) -> Self {
        // Permissions do not depend on the version.
        let kind = ResourceKind { version: String::new(), ..kind.clone() };
        Self { namespace: namespace.to_owned(), kind, name: None, verb: verb.to_owned() }
    }

    /// Limits it to one object.
    pub(crate) fn on(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// Returns the permissions that a rule of a Role grants.
    pub(crate) fn of_rule(namespace: &str, rule: &PolicyRule) -> Vec<Self> {
        let group = rule.api_groups.iter().flatten().next().cloned().unwrap_or_default();
        let names: Vec<Option<&String>> = match &rule.resource_names {
            Some(names) => names.iter().map(Some).collect(),
            None => vec![None],
        };
        let mut all = Vec::new();
        for resource in rule.resources.iter().flatten() {
            let kind = ResourceKind { group: group.clone(), version: String::new(), resource: resource.clone() };
            for verb in &rule.verbs {
                let access = |name: &Option<&String>| Self { name: name.cloned(), ..Self::new(namespace, &kind, verb) };
                all.extend(names.iter().map(access));
            }
        }
        all
    }
}

/// Returns the permissions that this user lacks. Returns none if the API server does not review them.
pub(crate) async fn missing(client: &Client, wanted: BTreeSet<Access>) -> Vec<Access> {
    tokio::time::timeout(REVIEW_TIMEOUT, reviewed(client, wanted)).await.unwrap_or_default()
}

async fn reviewed(client: &Client, wanted: BTreeSet<Access>) -> Vec<Access> {
    // Administrators of the namespaces may do everything, so one request is enough for them.
    let everything = ResourceKind { group: "*".to_owned(), version: "*".to_owned(), resource: "*".to_owned() };
    let namespaces: BTreeSet<&str> = wanted.iter().map(|access| access.namespace.as_str()).collect();
    let mut limited = BTreeSet::new();
    for namespace in namespaces {
        match is_allowed(client, &Access::new(namespace, &everything, "*")).await {
            Ok(true) => {}
            Ok(false) => {
                limited.insert(namespace.to_owned());
            }
            Err(error) => {
                tracing::debug!("permissions are not reviewed: {error}");
                return Vec::new();
            }
        }
    }
    let denied = stream::iter(wanted.into_iter().filter(|access| limited.contains(&access.namespace)))
        .map(|access| async move {
            let is_denied = is_allowed(client, &access).await.is_ok_and(|allowed| !allowed);
            is_denied.then_some(access)
        })
        .buffered(CONCURRENCY);
    denied.filter_map(std::future::ready).collect().await
}

/// Asks the API server whether this user has a permission.
pub(crate) async fn is_allowed(client: &Client, access: &Access) -> Result<bool, Error> {
    let attributes = ResourceAttributes {
        namespace: Some(access.namespace.clone()),
        group: Some(access.kind.group.clone()),
        resource: Some(access.kind.resource.clone()),
        name: access.name.clone(),
        verb: Some(access.verb.clone()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let reviewed = api.create(&PostParams::default(), &review).await?;
    Ok(reviewed.status.is_some_and(|status| status.allowed))
}

/// Builds the rules of a Role that grants these permissions, which are of one namespace.
pub(crate) fn rules(accesses: &[&Access]) -> Vec<PolicyRule> {
    let mut by_kind: BTreeMap<&ResourceKind, (BTreeSet<&str>, Option<BTreeSet<&str>>)> = BTreeMap::new();
    for access in accesses {
        let (verbs, names) = by_kind.entry(&access.kind).or_insert_with(|| (BTreeSet::new(), Some(BTreeSet::new())));
        verbs.insert(&access.verb);
        match &access.name {
            Some(name) => {
                if let Some(names) = names {
                    names.insert(name);
                }
            }
            None => *names = None,
        }
    }
    let owned = |items: BTreeSet<&str>| items.into_iter().map(str::to_owned).collect();
    let rule = |(kind, (verbs, names)): (&ResourceKind, (BTreeSet<&str>, Option<BTreeSet<&str>>))| PolicyRule {
        api_groups: Some(vec![kind.group.clone()]),
        resources: Some(vec![kind.resource.clone()]),
        resource_names: names.map(owned),
        verbs: owned(verbs),
        ..PolicyRule::default()
    };
    by_kind.into_iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::rbac::rule_in_yaml;

    #[test]
    fn missing_permissions_are_merged_into_one_rule_per_kind() {
        let kind = |group: &str, resource: &str| ResourceKind {
            group: group.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
        };
        let (secrets, jobs) = (kind("", "secrets"), kind("batch", "jobs"));
        let all = [
            Access::new("shop", &secrets, "get").on("canary"),
            Access::new("shop", &secrets, "update").on("canary"),
            Access::new("shop", &jobs, "patch"),
            Access::new("shop", &jobs, "create"),
            Access::new("shop", &jobs, "get").on("canary-1-job"),
        ];
        let merged: Vec<String> = rules(&all.iter().collect::<Vec<_>>()).iter().map(rule_in_yaml).collect();
        let expected = [
            r#"{apiGroups: [""], resources: [secrets], resourceNames: [canary], verbs: [get, update]}"#,
            r#"{apiGroups: ["batch"], resources: [jobs], verbs: [create, get, patch]}"#,
        ];
        assert_eq!(merged, expected);
        let rule = &rules(&all.iter().collect::<Vec<_>>())[0];
        let granted: Vec<Access> = Access::of_rule("shop", rule);
        assert_eq!(granted.iter().map(|access| access.verb.as_str()).collect::<Vec<_>>(), ["get", "update"]);
        assert!(granted.iter().all(|access| access.name.as_deref() == Some("canary")));
    }
}
