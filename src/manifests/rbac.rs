//! Permissions of an experiment: its own Secrets and the objects that it waits for, by name.
//!
//! Kubernetes authorizes `list` and `watch` on a name if the request selects that name (`fieldSelector=metadata.name=NAME`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use serde_json::Value;

use super::settings::Settings;
use super::{Plan, metadata};
use crate::model::object::Permission;

/// API group, plural name and verbs.
type Access<'a> = (&'a str, &'a str, &'static [&'static str]);

/// Verb that a Role cannot restrict to names: the name of a new object is not part of the URL.
const UNNAMED: &[&str] = &["create"];

/// Builds the Roles that an experiment needs, that for the group's Secrets first.
pub(super) fn roles(plan: &Plan<'_>, settings: &Settings) -> Vec<Role> {
    let group = plan.group;
    let mut secrets = vec![group.secret()];
    if settings.parallelism > 1 {
        secrets.extend((0..settings.parallelism).map(|index| group.shard(index)));
    }
    let secrets_rule = rule("", "secrets", secrets, &["get", "list", "update", "watch"]);
    let mut roles = vec![Role { metadata: metadata(plan, group.role(), None), rules: Some(vec![secrets_rule]) }];
    for (namespace, kinds) in permissions(plan) {
        let rules = kinds.into_iter().map(|((api, resource, verbs), names)| {
            let rule = rule(api, resource, names.into_iter().map(str::to_owned), verbs);
            PolicyRule { resource_names: rule.resource_names.filter(|_| verbs != UNNAMED), ..rule }
        });
        roles.push(Role {
            metadata: metadata(plan, group.ready_role(namespace), Some(namespace)),
            rules: Some(rules.collect()),
        });
    }
    roles
}

/// Formats a rule as one line of YAML.
pub(crate) fn rule_in_yaml(rule: &PolicyRule) -> String {
    let list = |items: &[String]| {
        let items: Vec<_> = items.iter().map(|item| scalar(item)).collect();
        format!("[{}]", items.join(", "))
    };
    let group = rule.api_groups.iter().flatten().next().map(String::as_str).unwrap_or_default();
    let names = rule.resource_names.as_ref().map(|names| format!(", resourceNames: {}", list(names)));
    format!(
        "{{apiGroups: [\"{group}\"], resources: {}{}, verbs: {}}}",
        list(rule.resources.as_deref().unwrap_or_default()),
        names.unwrap_or_default(),
        list(&rule.verbs)
    )
}

/// Words that YAML 1.1 reads as booleans or null.
const NO_STRINGS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Writes a name as a YAML string; in quotes if it could be read as something else, such as a number.
fn scalar(name: &str) -> Cow<'_, str> {
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-./".contains(c));
    match is_word && !NO_STRINGS.contains(&name.to_ascii_lowercase().as_str()) {
        true => name.into(),
        false => Value::from(name).to_string().into(),
    }
}

/// Groups permissions: namespace → kind and verbs → names of objects.
fn permissions<'a>(plan: &Plan<'a>) -> BTreeMap<&'a str, BTreeMap<Access<'a>, BTreeSet<&'a str>>> {
    let mut permissions: BTreeMap<&str, BTreeMap<Access<'_>, BTreeSet<&str>>> = BTreeMap::new();
    for Permission { object, verbs } in plan.permissions {
        let namespace = object.namespace.as_deref().unwrap_or(&plan.group.namespace);
        let access = (object.kind.group.as_str(), object.kind.resource.as_str(), *verbs);
        permissions.entry(namespace).or_default().entry(access).or_default().insert(&object.name);
    }
    permissions
}

fn rule(api: &str, resource: &str, names: impl IntoIterator<Item = String>, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![api.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        resource_names: Some(names.into_iter().collect()),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..PolicyRule::default()
    }
}

/// Binds a Role to the group's service account; the RoleBinding has the Role's name.
pub(super) fn binding(plan: &Plan<'_>, role: &Role) -> RoleBinding {
    RoleBinding {
        metadata: role.metadata.clone(),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "Role".to_owned(),
            name: role.metadata.name.clone().unwrap_or_default(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: plan.group.service_account(),
            namespace: Some(plan.group.namespace.clone()),
            ..Subject::default()
        }]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::value_from_yaml;

    #[test]
    fn rules_are_valid_yaml_whatever_the_names() {
        let names = ["shop", "123", "on", "1e3", "0x1f", "null", "a.b", "y", "-", "a: b", "it's \"x\"", ""];
        let rule = rule("", "pods/log", names.map(str::to_owned), &["get", "*"]);
        let text = rule_in_yaml(&rule);
        assert_eq!(
            text,
            r#"{apiGroups: [""], resources: [pods/log], resourceNames: [shop, "123", "on", "1e3", "0x1f", "null", a.b, "y", "-", "a: b", "it's \"x\"", ""], verbs: [get, "*"]}"#
        );
        assert_eq!(value_from_yaml(&text).unwrap(), serde_json::to_value(&rule).unwrap());
    }
}
