//! Digest of the values that decide what an experiment measures.

use std::fmt::{self, Write};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Number, Value};

use super::without_nulls;

/// Largest magnitude up to which every integer is exactly a float.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Length of a new key, that of the digest.
const KEY_BYTES: usize = 32;

/// Key of digests. Values may contain short secrets, which whoever sees a document could guess from a digest without a key.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestKey(Vec<u8>);

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey")
    }
}

impl DigestKey {
    /// Makes a key; `None` if the operating system has no random numbers.
    pub(crate) fn random() -> Option<Self> {
        let mut bytes = vec![0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).ok().map(|()| Self(bytes))
    }

    /// Reads a key; `None` if it is too short to be one of ours.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= KEY_BYTES).then(|| Self(bytes.to_vec()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the digest of `tasks` and the values of these tasks, with their secrets: a cookie may select the version that is measured.
    /// Settings of the runner do not change what is measured.
    pub(crate) fn digest(&self, values: &Value) -> String {
        let values = without_nulls(values.clone());
        let names = values["tasks"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let measured = names.chain(["tasks"]).filter_map(|name| Some((name.to_owned(), values.get(name)?.clone())));
        let text = canonical(Value::Object(measured.collect())).to_string();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), text.as_bytes());
        tag.as_ref().iter().fold("hmac-sha256:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
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

    fn key(byte: u8) -> DigestKey {
        DigestKey::from_bytes(&[byte; KEY_BYTES]).unwrap()
    }

    fn digest(values: &Value) -> String {
        key(7).digest(values)
    }

    #[test]
    fn the_digest_is_stable() {
        let expected = "hmac-sha256:243747b35cdd9773ec1716affdbecdc5ff87413074330085d651e2fa4e9a7949";
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
            with("/http/headers", json!({"Cookie": "version=v1"})),
            with("/http/url", json!("http://shop/?key=v1")),
        ];
        for values in changed {
            assert_ne!(digest(&values), digest(&self::values()), "{values}");
        }
    }

    #[test]
    fn secrets_change_the_digest() {
        let cookie = |version: &str| with("/http/headers", json!({"Cookie": format!("version={version}")}));
        assert_ne!(digest(&cookie("v1")), digest(&cookie("v2")));
        let url = |version: &str| with("/http/url", json!(format!("http://shop/?key={version}")));
        assert_ne!(digest(&url("v1")), digest(&url("v2")));
    }

    #[test]
    fn the_digest_depends_on_a_key_that_is_random_and_not_printed() {
        assert_ne!(key(1).digest(&values()), key(2).digest(&values()));
        let random = DigestKey::random().unwrap();
        assert_ne!(random, DigestKey::random().unwrap());
        assert_eq!(DigestKey::from_bytes(random.bytes()), Some(random));
        assert_eq!(DigestKey::from_bytes(&[7; KEY_BYTES - 1]), None);
        assert_eq!(format!("{:?}", key(7)), "DigestKey");
    }

    #[test]
    fn what_does_not_change_the_measurements_does_not_change_the_digest() {
        let same = [
            (with("/http/qps", json!(1e6)), values()),
            (with("/http/timeout", Value::Null), values()),
            (with("/runner", json!("cronjob")), values()),
            (with("/grpc", json!({"call": "a.B/C"})), values()),
        ];
        for (a, b) in same {
            assert_eq!(digest(&a), digest(&b), "{a} {b}");
        }
    }
}
