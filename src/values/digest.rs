//! Digest of the values that decide what an experiment measures.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

use super::without_nulls;
use crate::redact::redact;

/// Largest magnitude up to which every integer is exactly a float.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns the digest of `tasks` and the values of these tasks. Settings of the runner do not change what is measured. Secrets do not
/// contribute: whoever sees a document could guess short ones.
pub(crate) fn digest(values: &Value) -> String {
    let values = redact(&without_nulls(values.clone()));
    let names = values["tasks"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let measured = names.chain(["tasks"]).filter_map(|name| Some((name.to_owned(), values.get(name)?.clone())));
    let text = canonical(Value::Object(measured.collect())).to_string();
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    hash.as_ref().iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes whole floats as integers, because Helm writes `1000000` as `1e+06`. Maps are sorted by key.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: Map<String, Value> = map.into_iter().map(|(key, value)| (key, canonical(value))).collect();
            Value::Object(map)
        }
        Value::Array(list) => list.into_iter().map(canonical).collect(),
        Value::Number(number) => Value::Number(whole(&number).map_or(number, Number::from)),
        other => other,
    }
}

fn whole(number: &Number) -> Option<i64> {
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < MAX_EXACT)?;
    Some(float as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values() -> Value {
        json!({"tasks": ["http", "assess"], "http": {"url": "http://shop/", "qps": 1_000_000},
            "assess": {"SLOs": {"upper": {"http/error-count": 0}}}})
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut values = values();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        values.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
        values
    }

    #[test]
    fn the_digest_is_stable() {
        let expected = "sha256:2a6e36cf6efad5af5e2b1b600d37dbd61076e4695c30825e74322d806cdf0b75";
        assert_eq!(digest(&values()), expected, "documents that exist would be outdated");
    }

    #[test]
    fn what_is_measured_changes_the_digest() {
        let changed = [
            with("/http/url", json!("http://shop-v2/")),
            with("/http/qps", json!(5)),
            with("/http/qps", json!("1000000")),
            with("/tasks", json!(["assess", "http"])),
            with("/tasks", json!(["http"])),
            with("/assess/if", json!("SLOs()")),
            with("/assess/SLOs", json!({"upper": {"http/error-count": 1}})),
        ];
        for values in changed {
            assert_ne!(digest(&values), digest(&self::values()), "{values}");
        }
    }

    #[test]
    fn what_does_not_change_the_measurements_does_not_change_the_digest() {
        let token = |token: &str| with("/http/headers", json!({"Authorization": format!("Bearer {token}")}));
        let same = [
            (with("/http/qps", json!(1e6)), values()),
            (with("/http/timeout", Value::Null), values()),
            (with("/runner", json!("cronjob")), values()),
            (with("/grpc", json!({"call": "a.B/C"})), values()),
            (token("one-secret"), token("another")),
        ];
        for (a, b) in same {
            assert_eq!(digest(&a), digest(&b), "{a} {b}");
        }
    }
}
