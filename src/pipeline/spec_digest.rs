//! Digest of the tasks that decide what a loop measures. Loops with different digests are not counted together.

use std::fmt::Write;

use ring::digest::{SHA256, digest};

use crate::model::document::TaskSpec;

/// Tasks that measure nothing. Rules and messages may change between loops.
const OTHERS: [&str; 3] = ["assess", "notify", "split"];

/// Bytes of the digest. It detects edits, and protects nothing.
const BYTES: usize = 8;

/// Returns the digest of a spec without its secrets, which must neither be guessed from a digest nor change it when they are rotated.
pub(super) fn of(redacted: &[TaskSpec]) -> String {
    let measuring: Vec<&TaskSpec> = redacted.iter().filter(|task| !OTHERS.contains(&task.name())).collect();
    // Cannot fail: a spec was read from JSON or YAML. Maps are sorted by key.
    let text = serde_json::to_value(measuring).unwrap_or_default().to_string();
    digest(&SHA256, text.as_bytes()).as_ref().iter().take(BYTES).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::codec::experiment_from_yaml;
    use crate::pipeline::redacted;
    use crate::redact::secrets_of;

    fn digest_of(spec: &Value) -> String {
        let spec = experiment_from_yaml(&json!({ "spec": spec }).to_string()).unwrap().spec;
        of(&redacted(&spec, &secrets_of(&spec)))
    }

    fn spec(url: &str) -> Value {
        json!([
            {"run": "echo go"},
            {"task": "http", "with": {"url": url, "headers": {"Authorization": "Bearer one-1234"}}},
            {"task": "assess", "with": {"SLOs": {"upper": []}, "consecutive": 2}},
            {"task": "notify", "with": {"url": "http://chat"}},
        ])
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut spec = spec("http://a/");
        *spec.pointer_mut(pointer).unwrap() = value;
        spec
    }

    #[test]
    fn the_digest_is_stable() {
        assert_eq!(digest_of(&spec("http://a/")), "f9ffd7d58d6c8f13", "loops that exist would not count");
    }

    #[test]
    fn only_what_measures_changes_the_digest() {
        let same = [
            changed("/1/with/headers/Authorization", json!("Bearer two-5678")),
            changed("/2/with/consecutive", json!(3)),
            changed("/2/with", json!({"failureLimit": 1})),
            changed("/3/with/url", json!("http://other-chat")),
        ];
        for spec in same {
            assert_eq!(digest_of(&spec), digest_of(&self::spec("http://a/")), "{spec}");
        }
        let other = [
            spec("http://b/"),
            changed("/0/run", json!("echo stop")),
            changed("/1/task", json!("grpc")),
            changed("/1/with/headers", json!({"Authorization": "Bearer one-1234", "X-Version": "2"})),
        ];
        for spec in other {
            assert_ne!(digest_of(&spec), digest_of(&self::spec("http://a/")), "{spec}");
        }
    }
}
