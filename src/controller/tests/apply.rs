//! Server-side apply by one field manager, without conflicts. Like a real API server, it does not store exactly what it is sent: nulls
//! are dropped, and defaults are added, also inside lists.

use serde_json::{Map, Value, json};

/// Returns the object after `desired` was applied to it.
pub(super) fn apply(mut object: Value, desired: &Value) -> Value {
    let owned = object["metadata"]["managedFields"][0]["fieldsV1"].clone();
    remove(&mut object, &owned, desired);
    merge(&mut object, desired);
    normalize(&mut object);
    object["metadata"]["managedFields"] = json!([{
        "manager": "iter8", "operation": "Apply", "apiVersion": desired["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": fields(desired),
    }]);
    object
}

/// Removes the owned fields that are no longer desired.
fn remove(object: &mut Value, owned: &Value, desired: &Value) {
    for (key, below) in owned.as_object().into_iter().flatten() {
        let name = key.trim_start_matches("f:");
        match (object.get_mut(name), desired.get(name)) {
            (Some(object), Some(desired)) => remove(object, below, desired),
            (Some(_), None) => {
                object.as_object_mut().unwrap().remove(name);
            }
            (None, _) => {}
        }
    }
}

/// Sets the desired fields. Lists are replaced.
fn merge(object: &mut Value, desired: &Value) {
    match (object, desired) {
        (Value::Object(object), Value::Object(desired)) => {
            for (key, desired) in desired {
                merge(object.entry(key).or_insert(Value::Null), desired);
            }
        }
        (object, desired) => *object = desired.clone(),
    }
}

fn normalize(object: &mut Value) {
    object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.retain(|_, value| !value.is_null());
    }
    for http in object["spec"]["http"].as_array_mut().into_iter().flatten() {
        for route in http["route"].as_array_mut().into_iter().flatten() {
            route["destination"]["port"] = json!({"number": 80});
        }
    }
}

/// Returns the field set of an object, without its identity.
fn fields(object: &Value) -> Value {
    let mut set = field_set(object);
    let top = set.as_object_mut().unwrap();
    top.retain(|key, _| !["f:apiVersion", "f:kind"].contains(&key.as_str()));
    if let Some(metadata) = top.get_mut("f:metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !["f:name", "f:namespace", "f:creationTimestamp"].contains(&key.as_str()));
        if metadata.is_empty() {
            top.remove("f:metadata");
        }
    }
    set
}

fn field_set(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(key, value)| (format!("f:{key}"), field_set(value))).collect::<Map<_, _>>().into()
}
