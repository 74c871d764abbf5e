//! The secrets of a notification: their sources, and their redaction in output.

use crate::model::secret_key::SecretKey;
use crate::ports::Files;
use crate::redact::{self, RequestSecrets};
use crate::tasks::secret_source::{Secret, Unreadable};
use crate::values::input::InputError;

/// A secret as it is written: the value, or one of its sources.
pub(super) struct Given<'a> {
    pub(super) value: Option<&'a String>,
    pub(super) env: Option<&'a String>,
    pub(super) file: Option<&'a String>,
    pub(super) key: Option<&'a SecretKey>,
}

/// Reads one secret.
pub(super) fn secret(files: &dyn Files, name: &str, given: Given<'_>) -> Result<Option<String>, InputError> {
    let Given { value, env, file, key } = given;
    if let Some(key) = key {
        let read = Secret::Key(key.clone()).read(files);
        return read.map(Some).map_err(|Unreadable { message, hint }| {
            let error = InputError::new(format!("with.{name}SecretKeyRef"), message);
            hint.into_iter().fold(error, InputError::with_hint)
        });
    }
    if let Some(variable) = env {
        let value = files.env(variable).filter(|value| !value.is_empty());
        let missing =
            || InputError::new(format!("with.{name}Env"), format!("environment variable `{variable}` is not set"));
        return value.map(Some).ok_or_else(missing);
    }
    if let Some(path) = file {
        let unreadable =
            |reason: String| InputError::new(format!("with.{name}File"), format!("cannot read `{path}`: {reason}"));
        let content = files.read(path, 64 << 10).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(content).map_err(|_| unreadable("not valid UTF-8".to_owned()))?;
        return Ok(Some(text.trim().to_owned()));
    }
    Ok(value.cloned())
}

/// Returns scheme and host, because the rest of a webhook's URL is secret.
pub(super) fn origin(url: &str) -> String {
    url::Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// Redacts the secrets of the request in a text, and everything that looks like a secret.
pub(super) fn redacted(secrets: &RequestSecrets, text: &str) -> String {
    redact::redact_text(&secrets.redact(text))
}
