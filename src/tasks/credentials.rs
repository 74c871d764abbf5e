//! Client credentials: user name and password, or a token. Their secrets are never in a document.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::fetch;
use super::fields::{HeaderSource, PlainText};
use super::schema_fragments::each_given;
use super::secret_source::{Secret, Sources, Unreadable};
use crate::model::secret_key::SecretKey;
use crate::ports::Files;
use crate::values::input::InputError;

/// User name and password. The password comes from a file, an environment variable or a Secret, so it is not stored in the document.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("oneOf" = each_given(&["passwordFile", "passwordEnv", "passwordSecretKeyRef"])))]
pub(in crate::tasks) struct BasicAuth {
    /// The user name.
    #[schemars(extend("pattern" = "^[^:]*$"))]
    pub(in crate::tasks) username: PlainText,
    /// File with the password. A trailing newline is ignored.
    pub(in crate::tasks) password_file: Option<String>,
    /// Environment variable with the password.
    pub(in crate::tasks) password_env: Option<String>,
    /// Key of a Secret with the password, for runs in a cluster.
    pub(in crate::tasks) password_secret_key_ref: Option<SecretKey>,
}

pub(in crate::tasks) fn basic_auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BasicAuth>, D::Error> {
    deserializer.deserialize_any(NoSecret(
        "expected a map, because documents must not contain passwords: set `basicAuth.username` and one of \
         `passwordFile`, `passwordEnv` and `passwordSecretKeyRef`",
        PhantomData,
    ))
}

pub(in crate::tasks) fn bearer_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sources>, D::Error> {
    deserializer.deserialize_any(NoSecret(
        "expected a map, because documents must not contain tokens: set `bearerToken.file`, `bearerToken.env` or \
         `bearerToken.secretKeyRef`",
        PhantomData,
    ))
}

pub(in crate::tasks) fn key_passphrase<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Sources>, D::Error> {
    deserializer.deserialize_any(NoSecret(
        "expected a map, because documents must not contain passphrases: set `keyPassphrase.file`, `keyPassphrase.env` or \
         `keyPassphrase.secretKeyRef`",
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
    token: Option<&Sources>,
    error_at: ErrorAt<'_>,
) -> Result<Option<Login>, InputError> {
    match (basic, token) {
        (Some(_), Some(_)) => Err(error_at("bearerToken", "cannot be combined with `basicAuth`".to_owned())),
        (Some(basic), None) if basic.username.0.contains(':') => {
            Err(error_at("basicAuth", "`username` must not contain `:`".to_owned()))
        }
        (Some(basic), None) => {
            let BasicAuth { username, password_file, password_env, password_secret_key_ref } = basic.clone();
            let sources = Sources { file: password_file, env: password_env, secret_key_ref: password_secret_key_ref };
            let names = "requires exactly one of `passwordFile`, `passwordEnv` and `passwordSecretKeyRef`";
            let secret = Secret::try_from(sources).map_err(|_| error_at("basicAuth", names.to_owned()))?;
            Ok(Some(Login::Basic(username.0, secret)))
        }
        (None, Some(token)) => {
            let secret = Secret::try_from(token.clone()).map_err(|error| error_at("bearerToken", error.to_owned()))?;
            Ok(Some(Login::Bearer(secret)))
        }
        (None, None) => Ok(None),
    }
}

/// Reads the secret of a field.
pub(in crate::tasks) fn read_secret(
    secret: &Secret,
    files: &dyn Files,
    field: &str,
    error_at: ErrorAt<'_>,
) -> Result<String, InputError> {
    secret.read(files).map_err(|Unreadable { message, hint }| {
        let error = error_at(field, message);
        hint.into_iter().fold(error, InputError::with_hint)
    })
}

impl Login {
    /// Builds the `Authorization` header with the current secret, marked as sensitive so that no log shows it.
    pub(in crate::tasks) fn header(&self, files: &dyn Files, error_at: ErrorAt<'_>) -> Result<HeaderValue, InputError> {
        let (field, text) = match self {
            Self::Basic(user, secret) => {
                let password = read_secret(secret, files, "basicAuth", error_at)?;
                ("basicAuth", format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Self::Bearer(secret) => {
                ("bearerToken", format!("Bearer {}", read_secret(secret, files, "bearerToken", error_at)?))
            }
        };
        let invalid = |_| error_at(field, "contains characters that are not allowed in a header".to_owned());
        HeaderValue::from_str(&text).map(sensitive).map_err(invalid)
    }
}

/// Reads the secrets of headers. They are marked as sensitive, so no log shows them and templates send them unchanged.
pub(in crate::tasks) fn read_headers(
    headers: &[(HeaderName, HeaderSource)],
    files: &dyn Files,
    error_at: ErrorAt<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, InputError> {
    let read = |(name, source): &(HeaderName, HeaderSource)| {
        let value = match source {
            HeaderSource::Literal(value) => value.clone(),
            HeaderSource::Secret(secret) => {
                let at_header = |field: &str, message: String| error_at(field, format!("`{name}`: {message}"));
                let text = read_secret(secret, files, "headers", &at_header)?;
                let invalid = "the secret contains characters that are not allowed in a header";
                let value = HeaderValue::from_str(&text).map_err(|_| at_header("headers", invalid.to_owned()));
                sensitive(value?)
            }
        };
        Ok((name.clone(), value))
    };
    headers.iter().map(read).collect()
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl Login {
    /// Returns the secret in its forms, as far as it can be read.
    pub(in crate::tasks) fn secrets(&self, files: &dyn Files) -> Vec<String> {
        let (Self::Basic(_, secret) | Self::Bearer(secret)) = self;
        let Ok(secret) = secret.read(files) else { return Vec::new() };
        match self {
            Self::Basic(user, _) => vec![STANDARD.encode(format!("{user}:{secret}")), secret],
            Self::Bearer(_) => vec![secret],
        }
    }
}

/// Returns the secrets that these headers have by their source, as far as they can be read.
pub(in crate::tasks) fn header_secrets(headers: &[(HeaderName, HeaderSource)], files: &dyn Files) -> Vec<String> {
    let secret = |(_, source): &(HeaderName, HeaderSource)| match source {
        HeaderSource::Literal(_) => None,
        HeaderSource::Secret(secret) => secret.read(files).ok(),
    };
    headers.iter().filter_map(secret).collect()
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
