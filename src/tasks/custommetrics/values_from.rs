//! Variables of templates that are secrets.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::path::FieldPath;
use crate::ports::Files;
use crate::providers::window::{ELAPSED, STARTING_TIME};
use crate::redact::pieces;
use crate::tasks::credentials::read_secret;
use crate::tasks::secret_source::Secret;
use crate::values::input::InputError;

/// Stands in for an unreadable secret during validation. Too short to be redacted by accident.
const PLACEHOLDER: &str = "?";

/// Names and sources of the variables.
#[derive(Debug)]
pub(super) struct ValuesFrom {
    at: FieldPath,
    sources: BTreeMap<String, Secret>,
}

impl ValuesFrom {
    /// Reads names and sources; `at` is the path of the task's values. An error never repeats a value, which may be a secret.
    /// `overrides` are the variables that versions set.
    pub(super) fn plan<'v>(
        sources: BTreeMap<String, Value>,
        mut overrides: impl Iterator<Item = &'v String>,
        at: &FieldPath,
    ) -> Result<Self, InputError> {
        let at = at.clone().key("valuesFrom");
        if let Some(name) = overrides.find(|name| sources.contains_key(*name)) {
            return Err(InputError::new(at.key(name), "a version sets the same variable in `versionValues`")
                .with_hint(
                    "use another name for one of them: a variable of `valuesFrom` has one value for all versions",
                ));
        }
        let read = |(name, value): (String, Value)| {
            let invalid = |message: &str| InputError::new(at.clone().key(&name), message);
            if [ELAPSED, STARTING_TIME].contains(&name.as_str()) {
                return Err(invalid("cannot come from a secret source").with_hint("set it in `values`"));
            }
            match Secret::of(&value) {
                Some(Ok(secret)) => Ok((name, secret)),
                Some(Err(error)) => Err(invalid(&error)),
                None => Err(invalid(
                    "invalid secret source; expected `file: PATH`, `env: NAME` or `secretKeyRef: {name: …, key: …}`",
                )
                .with_hint("values that are not secret belong to `values`")),
            }
        };
        let sources = sources.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { at, sources })
    }

    /// Reads the secrets.
    pub(super) fn read(&self, files: &dyn Files) -> Result<BTreeMap<String, String>, InputError> {
        let read = |(name, secret): (&String, &Secret)| {
            let error_at = |field: &str, message: String| InputError::new(self.at.clone().key(field), message);
            Ok((name.clone(), read_secret(secret, files, name, &error_at)?))
        };
        self.sources.iter().map(read).collect()
    }

    /// Reads the secrets, with placeholders for unreadable ones.
    pub(super) fn placeholders(&self, files: &dyn Files) -> BTreeMap<String, String> {
        let read = |(name, secret): (&String, &Secret)| {
            (name.clone(), secret.read(files).unwrap_or_else(|_| PLACEHOLDER.to_owned()))
        };
        self.sources.iter().map(read).collect()
    }

    /// Returns the secrets, as far as they are readable.
    pub(super) fn secrets(&self, files: &dyn Files) -> Vec<String> {
        let read = |secret: &Secret| secret.read(files).ok().map(|secret| pieces(&secret));
        self.sources.values().filter_map(read).flatten().collect()
    }
}
