//! Sources of a secret: a file, an environment variable, or a key of a Kubernetes Secret. The secret itself is never in a document.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

use super::fetch;
use super::schema_fragments::each_given;
use crate::model::secret_key::{SECRETS_DIR, SecretKey};
use crate::ports::Files;

/// Maximum size of a certificate, key or credential, in bytes.
pub(in crate::tasks) const MAX_SECRET: u64 = 1 << 20;

/// Source of a secret. It is read again for each loop, so rotated secrets are picked up.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Sources")]
#[schemars(with = "Sources")]
pub(in crate::tasks) enum Secret {
    File(String),
    Env(String),
    Key(SecretKey),
}

/// A file, an environment variable, or a key of a Secret. A trailing newline is ignored.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(rename = "SecretSource", extend("oneOf" = each_given(&["file", "env", "secretKeyRef"])))]
pub(in crate::tasks) struct Sources {
    /// File with the secret.
    pub(in crate::tasks) file: Option<String>,
    /// Environment variable with the secret.
    pub(in crate::tasks) env: Option<String>,
    /// Key of a Secret in the namespace of the experiment, for runs in a cluster: the pods mount it.
    pub(in crate::tasks) secret_key_ref: Option<SecretKey>,
}

impl TryFrom<Sources> for Secret {
    type Error = &'static str;

    fn try_from(sources: Sources) -> Result<Self, Self::Error> {
        match (sources.file, sources.env, sources.secret_key_ref) {
            (Some(file), None, None) => Ok(Self::File(file)),
            (None, Some(env), None) => Ok(Self::Env(env)),
            (None, None, Some(key)) => Ok(Self::Key(key)),
            _ => Err("requires exactly one of `file`, `env` and `secretKeyRef`"),
        }
    }
}

/// Schema of the sources, for values that may also be literal.
pub(in crate::tasks) fn schema_of_source() -> Schema {
    let inline = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    Sources::json_schema(&mut inline.into_generator())
}

/// A secret that cannot be read.
#[derive(Debug, PartialEq)]
pub(in crate::tasks) struct Unreadable {
    pub(in crate::tasks) message: String,
    pub(in crate::tasks) hint: Option<&'static str>,
}

impl From<String> for Unreadable {
    fn from(message: String) -> Self {
        Self { message, hint: None }
    }
}

impl Secret {
    /// Reads the source if the value is a map, as in headers with literal values beside it. An error never repeats the value.
    pub(in crate::tasks) fn of(value: &Value) -> Option<Result<Self, String>> {
        value.is_object().then(|| {
            let sources: Result<Sources, _> = serde_json::from_value(value.clone());
            let expected =
                "invalid secret source; expected `file: PATH`, `env: NAME` or `secretKeyRef: {name: …, key: …}`";
            Self::try_from(sources.map_err(|_| expected.to_owned())?).map_err(str::to_owned)
        })
    }

    /// Reads the secret without trailing newlines. A replay sends nothing, so a missing secret is replaced there.
    pub(in crate::tasks) fn read(&self, files: &dyn Files) -> Result<String, Unreadable> {
        self.read_source(files).or_else(|error| files.placeholder().ok_or(error))
    }

    fn read_source(&self, files: &dyn Files) -> Result<String, Unreadable> {
        let text = |bytes, what: &str| {
            String::from_utf8(bytes).map_err(|_| Unreadable::from(format!("{what} is not valid UTF-8")))
        };
        let secret = match self {
            Self::Env(name) => {
                files.env(name).ok_or_else(|| Unreadable::from(format!("environment variable `{name}` is not set")))?
            }
            Self::File(path) => text(fetch::read(files, path, MAX_SECRET)?, &format!("file `{path}`"))?,
            Self::Key(key) => {
                let path = format!("{SECRETS_DIR}/{}", key.path());
                let what = format!("key `{}` of Secret `{}`", key.key, key.name);
                let bytes = fetch::read(files, &path, MAX_SECRET).map_err(|error| Unreadable {
                    message: format!("{what} is not mounted: {error}"),
                    hint: Some("only pods of an experiment mount Secrets; elsewhere, set `file` or `env`"),
                })?;
                text(bytes, &what)?
            }
        };
        let secret = secret.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err("the secret is empty".to_owned().into());
        }
        Ok(secret.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Pod;

    impl Files for Pod {
        fn read(&self, path: &str, _: u64) -> std::io::Result<Vec<u8>> {
            match path {
                "/var/run/secrets/iter8/datadog/api-key" => Ok(b"hunter2\n".to_vec()),
                "empty" => Ok(b"\n".to_vec()),
                "binary" => Ok(vec![255]),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }
        }

        fn env(&self, name: &str) -> Option<String> {
            (name == "KEY").then(|| "from-env".to_owned())
        }
    }

    fn read(source: Value) -> Result<String, Unreadable> {
        serde_json::from_value::<Secret>(source).unwrap().read(&Pod)
    }

    #[test]
    fn a_secret_comes_from_a_file_a_variable_or_a_mounted_secret() {
        assert_eq!(read(json!({"env": "KEY"})).unwrap(), "from-env");
        let key = |name: &str| json!({"secretKeyRef": {"name": name, "key": "api-key"}});
        assert_eq!(read(key("datadog")).unwrap(), "hunter2");
        let error = read(key("other")).unwrap_err();
        assert!(error.message.starts_with("key `api-key` of Secret `other` is not mounted"), "{}", error.message);
        assert!(error.hint.unwrap().contains("set `file` or `env`"));
        for (source, expected) in [
            (json!({"env": "NONE"}), "environment variable `NONE` is not set"),
            (json!({"file": "empty"}), "the secret is empty"),
            (json!({"file": "binary"}), "file `binary` is not valid UTF-8"),
        ] {
            assert_eq!(read(source).unwrap_err().message, expected);
        }
    }

    #[test]
    fn exactly_one_source_is_required_and_no_value_is_repeated() {
        for source in [json!({}), json!({"file": "a", "env": "b"}), json!({"file": null})] {
            let error = Secret::of(&source).unwrap().unwrap_err();
            assert_eq!(error, "requires exactly one of `file`, `env` and `secretKeyRef`");
        }
        for source in [json!({"value": "hunter2"}), json!({"secretKeyRef": "hunter2"}), json!({"env": ["hunter2"]})] {
            let error = Secret::of(&source).unwrap().unwrap_err();
            assert!(error.starts_with("invalid secret source") && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(Secret::of(&json!("text")), None);
    }
}
