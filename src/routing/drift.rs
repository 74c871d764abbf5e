//! Drift: the difference between a desired object and the live one, in the fields that we own.
//!
//! The API server adds defaults and other writers add fields, so the live object has more than the desired one, also inside the items of
//! lists. Lists have no keys in VirtualServices and routes: they are owned whole, and differ if their lengths do.
//!
//! The API server also rewrites what it is sent: it drops nulls, converts quantities, and sets fields by itself. So if an object was
//! never applied, the comparison with the desired one is a guess ([`difference`], [`addition`]). After an apply, its result is the
//! reference ([`projection`], [`change`]).

use serde_json::{Map, Number, Value};

use crate::model::path::FieldPath;

/// Fields of the metadata that the API server sets.
const SERVER_METADATA: [&str; 7] =
    ["creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// Returns the first field in which `live` differs from `desired`; `None` if it contains all of it.
pub fn difference(desired: &Value, live: &Value) -> Option<FieldPath> {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired.iter().find_map(|(key, value)| {
            // A null removes the field.
            let live = live.get(key).unwrap_or(&Value::Null);
            Some(FieldPath::root().key(key).join(difference(value, live)?))
        }),
        (Value::Array(desired), Value::Array(live)) if desired.len() == live.len() => {
            let mut items = desired.iter().zip(live).enumerate();
            items.find_map(|(index, (desired, live))| {
                Some(FieldPath::root().index(index).join(difference(desired, live)?))
            })
        }
        (Value::Number(desired), Value::Number(live)) => (!is_same(desired, live)).then(FieldPath::root),
        (desired, Value::Null) if is_empty(desired) => None,
        (desired, live) => (desired != live).then(FieldPath::root),
    }
}

/// Returns true for values that the API server may omit.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Returns the first field in which an object changed.
pub fn change(before: &Value, after: &Value) -> Option<FieldPath> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let changed = after.iter().find_map(|(key, value)| {
                let before = before.get(key).unwrap_or(&Value::Null);
                Some(FieldPath::root().key(key).join(change(before, value)?))
            });
            let removed = || before.keys().find(|key| !after.contains_key(*key)).map(|key| FieldPath::root().key(key));
            changed.or_else(removed)
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let mut items = before.iter().zip(after).enumerate();
            items.find_map(|(index, (before, after))| Some(FieldPath::root().index(index).join(change(before, after)?)))
        }
        (Value::Number(before), Value::Number(after)) => (!is_same(before, after)).then(FieldPath::root),
        (before, after) => (before != after).then(FieldPath::root),
    }
}

/// Removes the fields of an object that the API server sets by itself, whatever it is sent, and its type.
pub fn without_server_fields(mut desired: Value) -> Value {
    if let Some(object) = desired.as_object_mut() {
        // Another version of the type is the same object, and lists of built-in types have neither.
        for key in ["apiVersion", "kind", "status"] {
            object.remove(key);
        }
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            SERVER_METADATA.iter().for_each(|key| drop(metadata.remove(*key)));
        }
    }
    desired
}

/// Returns the first field inside of a list in `live` that `desired` does not have. Lists have no keys and are owned whole, so such a field was
/// added by the API server as a default, by someone else, or by an earlier apply that wanted it.
pub fn addition(desired: &Value, live: &Value) -> Option<FieldPath> {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired
            .iter()
            .find_map(|(key, value)| Some(FieldPath::root().key(key).join(addition(value, live.get(key)?)?))),
        (Value::Array(desired), Value::Array(live)) => {
            let mut items = desired.iter().zip(live).enumerate();
            items.find_map(|(index, (desired, live))| {
                Some(FieldPath::root().index(index).join(addition_to_item(desired, live)?))
            })
        }
        _ => None,
    }
}

fn addition_to_item(desired: &Value, live: &Value) -> Option<FieldPath> {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => live.iter().find_map(|(key, value)| match desired.get(key) {
            None => Some(FieldPath::root().key(key)),
            Some(desired) => Some(FieldPath::root().key(key).join(addition_to_item(desired, value)?)),
        }),
        _ => addition(desired, live),
    }
}

/// Returns the part of `live` that `desired` names, with lists as a whole: the part that an apply replaces.
pub fn projection(desired: &Value, live: &Value) -> Value {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            let owned = |(key, value): (&String, &Value)| Some((key.clone(), projection(value, live.get(key)?)));
            Value::Object(desired.iter().filter_map(owned).collect::<Map<_, _>>())
        }
        (_, live) => live.clone(),
    }
}

/// Compares numbers by value: 1 and 1.0 are the same.
fn is_same(a: &Number, b: &Number) -> bool {
    a == b || (a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(desired: Value, live: Value) -> Option<String> {
        difference(&desired, &live).map(|path| path.to_string())
    }

    #[test]
    fn defaults_and_fields_of_others_are_no_difference() {
        let desired =
            json!({"spec": {"rules": [{"backendRefs": [{"name": "a", "weight": 1}]}], "timeout": 1.0, "none": null}});
        let live = json!({
            "metadata": {"uid": "x"},
            "spec": {"rules": [{"backendRefs": [{"name": "a", "weight": 1, "group": "", "kind": "Service"}], "matches": []}],
                     "timeout": 1, "other": true},
        });
        assert_eq!(path(desired.clone(), live.clone()), None);
    }

    #[test]
    fn the_first_difference_is_named() {
        let route = |weights: &[i64]| json!({"spec": {"http": [{"route": weights.iter().map(|w| json!({"weight": w})).collect::<Vec<_>>()}]}});
        assert_eq!(path(route(&[80, 20]), route(&[80, 30])).as_deref(), Some("spec.http[0].route[1].weight"));
        assert_eq!(path(route(&[80]), route(&[80, 20])).as_deref(), Some("spec.http[0].route"));
        assert_eq!(path(route(&[80]), json!({})).as_deref(), Some("spec"));
        assert_eq!(path(json!({"a": null}), json!({"a": 1})).as_deref(), Some("a"));
        assert_eq!(path(json!({"a": []}), json!({"a": [1]})).as_deref(), Some("a"));
        assert_eq!(path(json!({"a": "1"}), json!({"a": 1})).as_deref(), Some("a"));
        assert_eq!(path(json!({"a": u64::MAX}), json!({"a": u64::MAX - 1})).as_deref(), Some("a"));
        assert_eq!(path(json!([]), json!({})).as_deref(), Some(""));
    }

    #[test]
    fn empty_values_may_be_omitted() {
        assert_eq!(path(json!({"a": {}, "b": [], "c": null, "d": {"e": 1}}), json!({"d": {"e": 1}})), None);
        assert_eq!(path(json!({"a": {"b": {}}, "c": 0}), json!({"a": {}, "c": null})).as_deref(), Some("c"));
    }

    #[test]
    fn changes_are_named_in_both_directions() {
        let named = |before: Value, after: Value| change(&before, &after).map(|path| path.to_string());
        let route = |weights: &[i64]| json!({"spec": {"http": weights}});
        assert_eq!(named(route(&[80, 20]), route(&[80, 30])).as_deref(), Some("spec.http[1]"));
        assert_eq!(named(route(&[80]), route(&[80, 30])).as_deref(), Some("spec.http"));
        assert_eq!(named(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 1}})).as_deref(), Some("a.c"));
        assert_eq!(named(json!({"a": {}}), json!({"a": {"b": 1}})).as_deref(), Some("a.b"));
        assert_eq!(named(json!({"a": 1}), json!({"a": 1.0})), None);
    }

    #[test]
    fn fields_of_the_api_server_are_not_compared() {
        let desired = json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "a", "creationTimestamp": null}, "status": {}});
        assert_eq!(without_server_fields(desired), json!({"metadata": {"name": "a"}}));
        assert_eq!(without_server_fields(json!({"metadata": null})), json!({"metadata": null}));
    }

    #[test]
    fn only_fields_inside_lists_are_additions() {
        let found = |desired: Value, live: Value| addition(&desired, &live).map(|path| path.to_string());
        let route = json!({"spec": {"http": [{"route": [{"host": "a"}]}]}});
        assert_eq!(
            found(route.clone(), json!({"spec": {"exportTo": ["."], "http": [{"route": [{"host": "a"}]}]}})),
            None
        );
        let mirrored = json!({"spec": {"http": [{"route": [{"host": "a"}], "mirror": {"host": "b"}}]}});
        assert_eq!(found(route.clone(), mirrored).as_deref(), Some("spec.http[0].mirror"));
        let nested = json!({"spec": {"http": [{"route": [{"host": "a", "weight": 5}]}]}});
        assert_eq!(found(route, nested).as_deref(), Some("spec.http[0].route[0].weight"));
    }

    #[test]
    fn projections_have_whole_lists_and_no_fields_of_others() {
        let desired = json!({"spec": {"http": [{"weight": 80}]}});
        let of = |live| projection(&desired, &live);
        let live = json!({"spec": {"http": [{"weight": 80, "mirror": {}}], "tcp": []}});
        assert_eq!(of(live), json!({"spec": {"http": [{"weight": 80, "mirror": {}}]}}));
        assert_ne!(of(json!({"spec": {"http": [{"weight": 80}]}})), of(json!({"spec": {"http": [{"weight": 81}]}})));
        assert_ne!(
            of(json!({"spec": {"http": [{"weight": 80}]}})),
            of(json!({"spec": {"http": [{"weight": 80}, {}]}}))
        );
        assert_eq!(of(json!({"spec": 5})), json!({"spec": 5}));
    }
}
