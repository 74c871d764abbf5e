//! Typed reading of what users wrote: the path of a wrong field, what was expected, and the nearest valid name.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::path::join;
use crate::redact::is_secret_path;
use suggest::nearest;

/// A value that is not what was expected, with its path from the root of what the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// Where: `http.endpoints.get.qps`, `spec[2].with.SLOs`; empty for the whole.
    pub path: String,
    /// What is wrong and what was expected: a lowercase fragment without a final period.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
}

impl std::error::Error for InputError {}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl InputError {
    /// An error at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), hint: None }
    }

    /// The same error with a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, `prefix` levels further from the root.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.path = join(prefix, &self.path);
        self
    }
}

/// Reads `value` as a `T` whose place is `at`. Unknown fields are named with the nearest valid one; a missing or mistyped one with
/// what was expected.
pub fn typed<T: DeserializeOwned>(value: &Value, at: &str) -> Result<T, InputError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string();
        let inner = if inner == "." { String::new() } else { inner };
        let text = error.inner().to_string();
        match unknown_name(&text) {
            Some((Unknown::Variant, name, expected)) => {
                // serde names the variant as the last step of the path.
                let place = inner.strip_suffix(&name).map_or(inner.as_str(), |p| p.trim_end_matches('.'));
                let known = expected.join(", ");
                let error =
                    InputError::new(join(at, place), format!("`{name}` is not known here; expected one of {known}"));
                match nearest(&name, expected.iter().map(String::as_str)) {
                    Some(candidate) => error.with_hint(format!("did you mean `{candidate}`?")),
                    None => error,
                }
            }
            Some((Unknown::Field, name, expected)) => {
                // serde names the unknown field as the last step of the path; where it does not, it is added here.
                let parent = inner.strip_suffix(&name).map_or(inner.as_str(), |p| p.trim_end_matches('.'));
                let path = join(at, &join(parent, &name));
                let known = expected.join(", ");
                let error = InputError::new(path, format!("unknown field `{name}`; known here: {known}"));
                match nearest(&name, expected.iter().map(String::as_str)) {
                    Some(candidate) => error.with_hint(format!("did you mean `{candidate}`?")),
                    None => error,
                }
            }
            None => {
                let path = join(at, &inner);
                let steps: Vec<&str> = path.split('.').collect();
                let text = match text.split_once(", expected ") {
                    // serde's own texts repeat the value.
                    Some((found, expected)) if found.starts_with("invalid ") && is_secret_path(&steps) => {
                        format!("the value is of another type; expected {expected}")
                    }
                    _ => text,
                };
                InputError::new(path, text)
            }
        }
    })
}

/// What a name is not one of.
enum Unknown {
    Field,
    Variant,
}

/// Takes apart serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_name(text: &str) -> Option<(Unknown, String, Vec<String>)> {
    let field = text.strip_prefix("unknown field ").map(|rest| (Unknown::Field, rest));
    let (kind, rest) = field.or_else(|| Some((Unknown::Variant, text.strip_prefix("unknown variant ")?)))?;
    let mut quoted = rest.split('`').skip(1).step_by(2).map(str::to_owned);
    let name = quoted.next()?;
    Some((kind, name, quoted.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Outer {
        #[allow(dead_code)]
        num_requests: Option<crate::model::number::Count>,
        #[allow(dead_code)]
        inner: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code)]
        limit: f64,
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path_and_the_nearest_one() {
        let error = typed::<Outer>(&json!({"numrequests": 1}), "http").unwrap_err();
        assert_eq!(error.to_string(), "http.numrequests: unknown field `numrequests`; known here: numRequests, inner");
        assert_eq!(error.hint.as_deref(), Some("did you mean `numRequests`?"));
    }

    #[test]
    fn a_mistyped_secret_is_not_repeated() {
        let error =
            typed::<std::collections::BTreeMap<String, bool>>(&json!({"token": "hunter2"}), "github").unwrap_err();
        assert_eq!(error.to_string(), "github.token: the value is of another type; expected a boolean");
    }

    #[test]
    fn a_mistyped_field_is_named_with_its_path() {
        let error = typed::<Outer>(&json!({"numRequests": -3}), "http").unwrap_err();
        assert_eq!(error.to_string(), "http.numRequests: -3 is not a whole number of 0 or more");
        let error = typed::<Outer>(&json!({"inner": [{"limit": 1.0}, {"limit": "x"}]}), "http").unwrap_err();
        assert!(error.to_string().starts_with("http.inner[1].limit: invalid type"), "{error}");
        let error = typed::<Outer>(&json!({"inner": [{"limt": 1.0}]}), "").unwrap_err();
        assert!(error.to_string().starts_with("inner[0].limt: unknown field"), "{error}");
    }
}
