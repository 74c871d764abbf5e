//! A key of a Kubernetes Secret, and the path at which pods of an experiment read it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Directory of the Secrets in a pod.
pub const SECRETS_DIR: &str = "/var/run/secrets/iter8";

/// Maximum length of a key, and of the name of a Secret.
const MAX_LENGTH: usize = 253;

/// Patterns of names and of keys.
const NAME_PATTERN: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
const KEY_PATTERN: &str = "^[-._a-zA-Z0-9]+$";

/// A key of a Secret in the namespace of the experiment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: String,
    /// Key within the Secret.
    pub key: String,
}

/// The fields as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    key: String,
}

impl JsonSchema for SecretKey {
    fn schema_name() -> Cow<'static, str> {
        "SecretKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A key of a Secret in the namespace of the experiment.",
            "required": ["name", "key"],
            "properties": {
                "name": {"type": "string", "description": "Name of the Secret.", "pattern": NAME_PATTERN},
                "key": {"type": "string", "description": "Key within the Secret.", "pattern": KEY_PATTERN},
            },
            "additionalProperties": false,
        })
    }
}

impl TryFrom<Raw> for SecretKey {
    type Error = String;

    fn try_from(Raw { name, key }: Raw) -> Result<Self, String> {
        let has_only = |text: &str, more: &str| {
            (1..=MAX_LENGTH).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let is_name = has_only(&name, "-.") && !name.chars().any(|c| c.is_ascii_uppercase());
        if !is_name || name.starts_with(['-', '.']) || name.ends_with(['-', '.']) {
            return Err(
                "`name` is not a valid name of a Secret; expected lowercase letters, digits, `-` and `.`".into()
            );
        }
        if !has_only(&key, "-._") || key == "." || key.starts_with("..") {
            return Err("`key` is not a valid key of a Secret; expected letters, digits, `-`, `_` and `.`".into());
        }
        Ok(Self { name, key })
    }
}

impl SecretKey {
    /// Path below [`SECRETS_DIR`].
    pub fn path(&self) -> String {
        format!("{}/{}", self.name, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_keys_are_those_of_kubernetes() {
        for (name, key) in [("datadog", "api-key"), ("a.b-c", "x_Y.z"), ("a", ".dockerconfigjson")] {
            let read: SecretKey = serde_json::from_value(json!({"name": name, "key": key})).unwrap();
            assert_eq!(read.path(), format!("{name}/{key}"));
        }
        for (name, key) in [("", "k"), ("A", "k"), ("-a", "k"), ("a.", "k"), ("a/b", "k"), ("..", "k"), ("a", "")] {
            assert!(serde_json::from_value::<SecretKey>(json!({"name": name, "key": key})).is_err(), "{name}/{key}");
        }
        for key in ["..", "../x", "a/b", "ä", "."] {
            assert!(serde_json::from_value::<SecretKey>(json!({"name": "a", "key": key})).is_err(), "{key}");
        }
    }
}
