//! Client credentials: user name and password, or a token. Secrets come from files and environment variables and are never in a
//! document.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::fetch;
use super::fields::PlainText;
use super::loadgen::FieldPaths;
use super::schema_fragments::each_given;
use crate::ports::Files;
use crate::values::input::InputError;

/// Maximum size of a certificate, key or credential, in bytes.
pub(in crate::tasks) const MAX_SECRET: u64 = 1 << 20;

/// User name and password. The password comes from a file or environment variable, so it is not stored in the document.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("oneOf" = each_given(&["passwordFile", "passwordEnv"])))]
pub(in crate::tasks) struct BasicAuth {
    /// The user name.
    #[schemars(extend("pattern" = "^[^:]*$"))]
    pub(in crate::tasks) username: PlainText,
    /// File with the password. A trailing newline is ignored.
    pub(in crate::tasks) password_file: Option<String>,
    /// Environment variable with the password.
    pub(in crate::tasks) password_env: Option<String>,
}

/// A bearer token, from a file or an environment variable.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("oneOf" = each_given(&["file", "env"])))]
pub(in crate::tasks) struct BearerToken {
    /// File with the token. A trailing newline is ignored.
    pub(in crate::tasks) file: Option<String>,
    /// Environment variable with the token.
    pub(in crate::tasks) env: Option<String>,
}

pub(in crate::tasks) fn basic_auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BasicAuth>, D::Error> {
    deserializer.deserialize_any(NoSecret(
        "expected a map, because documents must not contain passwords: set `basicAuth.username` and either \
         `basicAuth.passwordFile` or `basicAuth.passwordEnv`",
        PhantomData,
    ))
}

pub(in crate::tasks) fn bearer_token<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BearerToken>, D::Error> {
    deserializer.deserialize_any(NoSecret(
        "expected a map, because documents must not contain tokens: set `bearerToken.file` or `bearerToken.env`",
        PhantomData,
    ))
}

/// Deserializes a map, and rejects any other value with a fixed message. Serde's own message would repeat the value, which may be a
/// secret.
struct NoSecret<T>(&'static str, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NoSecret<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom(self.0))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(E::custom(self.0))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(E::custom(self.0))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(E::custom(self.0))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom(self.0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom(self.0))
    }
}

/// Location of a secret.
#[derive(Clone, Debug)]
pub(in crate::tasks) enum Secret {
    File(String),
    Env(String),
}

/// Client credentials.
#[derive(Clone, Debug)]
pub(in crate::tasks) enum Login {
    Basic(String, Secret),
    Bearer(Secret),
}

/// Builds an error at a field.
pub(in crate::tasks) type ErrorAt<'a> = &'a dyn Fn(&str, String) -> InputError;

/// Returns the configured credentials, if any; rejects both kinds at once.
pub(in crate::tasks) fn login(
    basic: Option<&BasicAuth>,
    token: Option<&BearerToken>,
    error_at: ErrorAt<'_>,
) -> Result<Option<Login>, InputError> {
    let one = |field: &str, file: &Option<String>, env: &Option<String>, names: &str| match (file, env) {
        (Some(file), None) => Ok(Secret::File(file.clone())),
        (None, Some(env)) => Ok(Secret::Env(env.clone())),
        _ => Err(error_at(field, format!("requires exactly one of {names}"))),
    };
    match (basic, token) {
        (Some(_), Some(_)) => Err(error_at("bearerToken", "cannot be combined with `basicAuth`".to_owned())),
        (Some(basic), None) if basic.username.0.contains(':') => {
            Err(error_at("basicAuth", "`username` must not contain `:`".to_owned()))
        }
        (Some(basic), None) => {
            let secret =
                one("basicAuth", &basic.password_file, &basic.password_env, "`passwordFile` and `passwordEnv`")?;
            Ok(Some(Login::Basic(basic.username.0.clone(), secret)))
        }
        (None, Some(token)) => {
            Ok(Some(Login::Bearer(one("bearerToken", &token.file, &token.env, "`file` and `env`")?)))
        }
        (None, None) => Ok(None),
    }
}

impl Login {
    /// Builds the `Authorization` header with the current secret, marked as sensitive so that no log shows it.
    pub(in crate::tasks) fn header(&self, files: &dyn Files, error_at: ErrorAt<'_>) -> Result<HeaderValue, InputError> {
        let (field, text) = match self {
            Self::Basic(user, secret) => {
                let password = secret.read(files, "basicAuth", error_at)?;
                ("basicAuth", format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Self::Bearer(secret) => ("bearerToken", format!("Bearer {}", secret.read(files, "bearerToken", error_at)?)),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| error_at(field, "contains characters that are not allowed in a header".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Secret {
    /// Reads the secret without trailing newlines. A replay sends nothing, so a missing secret is replaced there.
    fn read(&self, files: &dyn Files, field: &str, error_at: ErrorAt<'_>) -> Result<String, InputError> {
        self.read_source(files, field, error_at).or_else(|error| files.placeholder().ok_or(error))
    }

    fn read_source(&self, files: &dyn Files, field: &str, error_at: ErrorAt<'_>) -> Result<String, InputError> {
        let text = match self {
            Self::Env(name) => {
                files.env(name).ok_or_else(|| error_at(field, format!("environment variable `{name}` is not set")))?
            }
            Self::File(path) => String::from_utf8(read_file(files, field, path, MAX_SECRET, error_at)?)
                .map_err(|_| error_at(field, format!("file `{path}` is not valid UTF-8")))?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(error_at(field, "the secret is empty".to_owned()));
        }
        Ok(text.to_owned())
    }
}

/// Paths of client certificate and key; each requires the other.
pub(in crate::tasks) fn identity(
    cert: Option<String>,
    key: Option<String>,
    paths: &FieldPaths,
) -> Result<Option<(String, String)>, InputError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(paths.error("key", "required with `cert`: the certificate's private key")),
        (None, Some(_)) => Err(paths.error("cert", "required with `key`: the key's certificate")),
    }
}

/// Reads the file that `field` names.
pub(in crate::tasks) fn read_file(
    files: &dyn Files,
    field: &str,
    path: &str,
    max: u64,
    error_at: ErrorAt<'_>,
) -> Result<Vec<u8>, InputError> {
    fetch::read(files, path, max).map_err(|error| error_at(field, error))
}
