//! Secrets that the values refer to, which the pod mounts: `secretKeyRef`, `passwordSecretKeyRef` and the like.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};
use serde_json::Value;

use crate::model::secret_key::{SECRETS_DIR, SecretKey};

/// Name of the volume.
const VOLUME: &str = "iter8-secrets";

/// End of the name of a reference, in the case of its first letter: `secretKeyRef`, `urlSecretKeyRef`.
const REFERENCE: &str = "ecretKeyRef";

/// Returns the keys that the values of the listed tasks refer to. The chart has the same rule.
pub(super) fn referred(values: &Value) -> BTreeSet<SecretKey> {
    let mut keys = BTreeSet::new();
    tasks(values).iter().filter_map(|task| values.get(task.as_str()?)).for_each(|values| collect(values, &mut keys));
    keys
}

/// Returns the listed tasks, and those that analyze a rollout.
fn tasks(values: &Value) -> Vec<&Value> {
    let mut tasks: Vec<&Value> = values["tasks"].as_array().into_iter().flatten().collect();
    if tasks.iter().any(|task| **task == "rollout") {
        tasks.extend(values["rollout"]["analysis"].as_array().into_iter().flatten());
    }
    tasks
}

fn collect(value: &Value, keys: &mut BTreeSet<SecretKey>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match serde_json::from_value(value.clone()) {
                    Ok(key) if name.ends_with(REFERENCE) => drop(keys.insert(key)),
                    _ => collect(value, keys),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}

/// Returns the volume with these keys, and its mount; `None` without keys.
pub(super) fn volume(keys: &BTreeSet<SecretKey>) -> Option<(Volume, VolumeMount)> {
    let mut items: BTreeMap<&str, Vec<KeyToPath>> = BTreeMap::new();
    for key in keys {
        let item = KeyToPath { key: key.key.clone(), path: key.path(), mode: None };
        items.entry(&key.name).or_default().push(item);
    }
    let source = |(name, items): (&str, Vec<KeyToPath>)| VolumeProjection {
        secret: Some(SecretProjection { name: name.to_owned(), items: Some(items), optional: None }),
        ..VolumeProjection::default()
    };
    let sources: Vec<VolumeProjection> = items.into_iter().map(source).collect();
    let projected = ProjectedVolumeSource { sources: Some(sources), default_mode: None };
    let mount = VolumeMount {
        name: VOLUME.to_owned(),
        mount_path: SECRETS_DIR.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    let volume = Volume { name: VOLUME.to_owned(), projected: Some(projected), ..Volume::default() };
    (!keys.is_empty()).then_some((volume, mount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_references_of_listed_tasks_are_mounted() {
        let key = |name: &str, key: &str| json!({"name": name, "key": key});
        let values = json!({
            "tasks": ["http", "custommetrics"],
            "http": {"headers": {"X-A": {"secretKeyRef": key("a", "one")}, "X-B": {"env": "B"}}},
            "custommetrics": {
                "providers": {"p": {"basicAuth": {"username": "u", "passwordSecretKeyRef": key("a", "two")}}},
                "valuesFrom": {"k": {"secretKeyRef": key("b", "one")}},
                "versionValues": [{"secretKeyRef": "text"}, {"secretKeyRef": {"name": "x"}}],
            },
            "slack": {"urlSecretKeyRef": key("c", "url")},
            "podTemplate": {"spec": {"env": [{"valueFrom": {"secretKeyRef": key("d", "k")}}]}},
        });
        let paths: Vec<String> = referred(&values).iter().map(SecretKey::path).collect();
        assert_eq!(paths, ["a/one", "a/two", "b/one"]);
        assert!(volume(&referred(&json!({"tasks": ["http"]}))).is_none());
        let (volume, _) = volume(&referred(&values)).unwrap();
        assert_eq!(
            serde_json::to_value(volume.projected).unwrap(),
            json!({"sources": [
                {"secret": {"name": "a", "items": [{"key": "one", "path": "a/one"}, {"key": "two", "path": "a/two"}]}},
                {"secret": {"name": "b", "items": [{"key": "one", "path": "b/one"}]}},
            ]})
        );
    }
}
