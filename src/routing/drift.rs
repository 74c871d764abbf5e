//! Drift: the difference between a desired object and the live one, in the fields that we own.
//!
//! The API server adds defaults and other writers add fields, so the live object has more than the desired one, also inside the items of
//! lists. Lists have no keys in VirtualServices and routes: they are owned whole, and differ if their lengths do.

use serde_json::{Map, Number, Value};

use crate::model::path::FieldPath;

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
        (desired, live) => (desired != live).then(FieldPath::root),
    }
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
        assert_eq!(path(json!({"a": "1"}), json!({"a": 1})).as_deref(), Some("a"));
        assert_eq!(path(json!({"a": u64::MAX}), json!({"a": u64::MAX - 1})).as_deref(), Some("a"));
        assert_eq!(path(json!([]), json!({})).as_deref(), Some(""));
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
