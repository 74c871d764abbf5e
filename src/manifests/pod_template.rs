//! `podTemplate`: a strategic patch of the pod, as in `kubectl patch`. Maps are merged; lists whose items have a key are merged by it;
//! everything else is replaced.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};

use super::names::{CONTAINER, JOB_VARIABLE};
use crate::model::path::FieldPath;
use crate::values::input::{InputError, typed};

/// Name of the value.
pub(super) const NAME: &str = "podTemplate";

/// Merge keys of lists, as in the Kubernetes API. The chart has the same table.
const MERGE_KEYS: [(&str, &str); 10] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("ports", "containerPort"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
];

/// Prefix of labels and annotations by which the program finds its objects.
const OURS: &str = "iter8.tools/";

/// Rejects a patch of what the program depends on, and items of lists without their merge key.
pub(super) fn check(patch: &Value) -> Result<(), InputError> {
    let root = FieldPath::root().key(NAME);
    let map = patch.as_object().ok_or_else(|| {
        InputError::new(&root, format!("`{patch}` is not a map"))
            .with_hint("set `metadata` and `spec`, as in the pod template of a Job")
    })?;
    known_keys(map, &["metadata", "spec"], &root)?;
    for (name, value) in map {
        if !value.is_object() {
            return Err(InputError::new(root.clone().key(name), format!("`{value}` is not a map")));
        }
    }
    let metadata = patch["metadata"].as_object();
    if let Some(metadata) = metadata {
        known_keys(metadata, &["labels", "annotations"], &root.clone().key("metadata"))?;
    }
    for (kind, marks) in metadata.into_iter().flatten() {
        if let Some(mark) = marks.as_object().and_then(|marks| marks.keys().find(|mark| mark.starts_with(OURS))) {
            return Err(reserved(root.key("metadata").key(kind).key(mark)));
        }
    }
    let spec = root.key("spec");
    for (name, instead) in [("restartPolicy", None), ("serviceAccountName", Some("serviceAccountName"))] {
        if patch["spec"].get(name).is_some() {
            let error = reserved(spec.key(name));
            return Err(instead.iter().fold(error, |error, value| error.with_hint(format!("set the value `{value}`"))));
        }
    }
    check_keys(&patch["spec"], &spec)?;
    let containers = patch["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, container) in containers.iter().enumerate().filter(|(_, container)| container["name"] == CONTAINER) {
        let at = spec.clone().key("containers").index(index);
        if let Some(name) = ["command", "args"].into_iter().find(|name| container.get(name).is_some()) {
            return Err(reserved(at.key(name)));
        }
        let env = container["env"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(index) = env.iter().position(|variable| variable["name"] == JOB_VARIABLE) {
            return Err(reserved(at.key("env").index(index)));
        }
    }
    Ok(())
}

fn reserved(path: FieldPath) -> InputError {
    InputError::new(path, "cannot be changed: iter8 depends on it")
}

fn known_keys(map: &Map<String, Value>, known: &[&'static str], at: &FieldPath) -> Result<(), InputError> {
    let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let message = format!("unknown field `{key}`; expected one of {}", known.join(", "));
    Err(InputError::new(at.clone().key(key), message).with_suggestion(key, known.iter().copied()))
}

/// Rejects items without the merge key of their list.
fn check_keys(value: &Value, at: &FieldPath) -> Result<(), InputError> {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = at.clone().key(name);
        check_keys(value, &path)?;
        let (Some(items), Some(key)) = (value.as_array(), merge_key(name)) else { continue };
        for (index, item) in items.iter().enumerate() {
            let path = path.clone().index(index);
            if item.get(key).is_none() {
                return Err(InputError::new(path, format!("requires `{key}`, by which the list is merged")));
            }
            check_keys(item, &path)?;
        }
    }
    Ok(())
}

fn merge_key(list: &str) -> Option<&'static str> {
    MERGE_KEYS.iter().find(|(name, _)| *name == list).map(|(_, key)| *key)
}

/// Applies a patch.
pub(super) fn patched(template: PodTemplateSpec, patch: &Value) -> Result<PodTemplateSpec, InputError> {
    let invalid = |error: serde_json::Error| InputError::new(NAME, error.to_string());
    let mut merged = serde_json::to_value(template).map_err(invalid)?;
    merge(&mut merged, patch);
    let patched: PodTemplateSpec = typed(&merged, NAME)?;
    // The typed form has no room for unknown fields.
    let kept = serde_json::to_value(&patched).map_err(invalid)?;
    match lost(patch, &kept, &FieldPath::root().key(NAME)) {
        Some(path) => Err(InputError::new(path, "unknown field; expected the fields of a pod in the Kubernetes API")),
        None => Ok(patched),
    }
}

fn merge(base: &mut Value, patch: &Value) {
    let (Value::Object(base), Value::Object(patch)) = (&mut *base, patch) else {
        *base = patch.clone();
        return;
    };
    for (name, value) in patch {
        match (base.get_mut(name), merge_key(name)) {
            (Some(Value::Array(items)), Some(key)) if value.is_array() => {
                for item in value.as_array().into_iter().flatten() {
                    match items.iter_mut().find(|known| known.get(key) == item.get(key)) {
                        Some(known) => merge(known, item),
                        None => items.push(item.clone()),
                    }
                }
            }
            (Some(known), _) => merge(known, value),
            (None, _) => {
                base.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Returns the path of the first field of a patch that the typed form does not have. Its lists may have more items.
fn lost(patch: &Value, kept: &Value, at: &FieldPath) -> Option<FieldPath> {
    match patch {
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            let path = at.clone().key(key);
            match kept.get(key) {
                // Empty maps and lists are left out.
                None if value.as_object().is_some_and(Map::is_empty) => None,
                None if value.as_array().is_some_and(Vec::is_empty) => None,
                None => Some(path),
                Some(kept) => match (value.as_array(), kept.as_array(), merge_key(key)) {
                    (Some(items), Some(all), Some(name)) => items.iter().enumerate().find_map(|(index, item)| {
                        let kept = all.iter().find(|known| known.get(name) == item.get(name));
                        kept.and_then(|kept| lost(item, kept, &path.clone().index(index)))
                    }),
                    _ => lost(value, kept, &path),
                },
            }
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| kept.get(index).and_then(|kept| lost(item, kept, &at.clone().index(index)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn base() -> PodTemplateSpec {
        let base = json!({
            "metadata": {"labels": {"iter8.tools/group": "g"}},
            "spec": {"restartPolicy": "Never", "securityContext": {"runAsUser": 65532},
                "containers": [{"name": "iter8", "image": "iter8:1", "env": [{"name": "A", "value": "1"}]}]},
        });
        serde_json::from_value(base).unwrap()
    }

    fn result(patch: &Value) -> Value {
        serde_json::to_value(patched(base(), patch).unwrap()).unwrap()
    }

    #[test]
    fn maps_and_keyed_lists_are_merged_and_the_rest_is_replaced() {
        let patch = json!({
            "metadata": {"labels": {"team": "ml"}, "annotations": {"a": "b"}},
            "spec": {
                "securityContext": {"fsGroup": 1},
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "volumes": [{"name": "keys", "secret": {"secretName": "keys"}}],
                "containers": [
                    {"name": "iter8", "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}],
                        "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]},
                    {"name": "proxy", "image": "p:1"},
                ],
            },
        });
        assert_eq!(
            result(&patch),
            json!({
                "metadata": {"labels": {"iter8.tools/group": "g", "team": "ml"}, "annotations": {"a": "b"}},
                "spec": {
                    "restartPolicy": "Never",
                    "securityContext": {"runAsUser": 65532, "fsGroup": 1},
                    "tolerations": [{"key": "gpu", "operator": "Exists"}],
                    "volumes": [{"name": "keys", "secret": {"secretName": "keys"}}],
                    "containers": [
                        {"name": "iter8", "image": "iter8:1", "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}],
                            "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]},
                        {"name": "proxy", "image": "p:1"},
                    ],
                },
            })
        );
        assert_eq!(result(&json!({})), serde_json::to_value(base()).unwrap());
    }

    #[test]
    fn unknown_fields_and_wrong_types_are_rejected() {
        for (patch, expected) in [
            (json!({"spec": {"tolerationz": []}}), None),
            (json!({"spec": {"tolerationz": [1]}}), Some("podTemplate.spec.tolerationz: unknown field")),
            (
                json!({"spec": {"containers": [{"name": "x"}, {"name": "iter8", "imagePolicy": "Always"}]}}),
                Some("podTemplate.spec.containers[1].imagePolicy: unknown field"),
            ),
            (
                json!({"spec": {"tolerations": [{"keyy": "x"}]}}),
                Some("podTemplate.spec.tolerations[0].keyy: unknown field"),
            ),
            (json!({"spec": {"nodeSelector": 5}}), Some("podTemplate")),
        ] {
            match (patched(base(), &patch), expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (other, _) => panic!("{patch}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_the_program_depends_on_cannot_be_patched() {
        for (patch, path) in [
            (json!([]), "podTemplate"),
            (json!({"specs": {}}), "podTemplate.specs"),
            (json!({"spec": 5}), "podTemplate.spec"),
            (json!({"metadata": {"name": "x"}}), "podTemplate.metadata.name"),
            (
                json!({"metadata": {"labels": {"iter8.tools/group": "x"}}}),
                "podTemplate.metadata.labels.iter8.tools/group",
            ),
            (json!({"spec": {"restartPolicy": "Always"}}), "podTemplate.spec.restartPolicy"),
            (json!({"spec": {"serviceAccountName": "x"}}), "podTemplate.spec.serviceAccountName"),
            (json!({"spec": {"containers": [{"image": "x"}]}}), "podTemplate.spec.containers[0]"),
            (json!({"spec": {"containers": [{"name": "iter8", "args": []}]}}), "podTemplate.spec.containers[0].args"),
            (
                json!({"spec": {"containers": [{"name": "iter8", "env": [{"name": "ITER8_JOB_UID"}]}]}}),
                "podTemplate.spec.containers[0].env[0]",
            ),
            (
                json!({"spec": {"containers": [{"name": "x", "volumeMounts": [{"name": "v"}]}]}}),
                "podTemplate.spec.containers[0].volumeMounts[0]",
            ),
        ] {
            assert_eq!(check(&patch).unwrap_err().path.to_string(), path);
        }
        check(&json!({"spec": {"containers": [{"name": "x", "command": ["y"]}]}})).unwrap();
    }
}
