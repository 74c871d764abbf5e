//! Typed reading of user input: the path of a wrong field, the expectation, and the nearest valid name.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::origin::Origin;
use super::strict::Strict;
use crate::model::path::{FieldPath, Segment};
use crate::model::serde_words::{in_plain_words, wanted};
use crate::redact::{is_secret_path, redact_text};
use suggest::did_you_mean;

/// A mistake in user input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// File or flag, if known.
    pub origin: Option<Origin>,
    /// Path from the root of the input: `http.endpoints.get.qps`, `spec[2].with.SLOs`; empty for the whole.
    pub path: FieldPath,
    /// Mistake and expectation: a lowercase fragment without a final period.
    pub message: String,
    /// Next step, if there is one.
    pub hint: Option<String>,
    /// True if a name is unknown, or the type of a field is wrong. Such mistakes are independent of other fields.
    pub(crate) is_mistyped: bool,
    /// Kind of an unknown name if the message leaves out the known ones, because one of them is near.
    pub(crate) unlisted: Option<Unknown>,
}

impl std::error::Error for InputError {}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if self.path.is_root() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl InputError {
    /// Creates an error at `path`.
    pub fn new(path: impl Into<FieldPath>, message: impl Into<String>) -> Self {
        Self {
            origin: None,
            path: path.into(),
            message: message.into(),
            hint: None,
            is_mistyped: false,
            unlisted: None,
        }
    }

    /// Creates an error about a whole source: a file or a flag.
    pub fn of_source(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin: Some(origin), ..Self::new(FieldPath::root(), message) }
    }

    /// Adds a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the candidate nearest to `name` as a hint, if one is near enough to be a typo.
    #[must_use]
    pub fn with_suggestion<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match did_you_mean(name, candidates) {
            Some(suggestion) => self.with_hint(suggestion),
            None => self,
        }
    }

    /// Returns the message and the next step as one line, for places that have no line for a hint.
    pub fn with_next_step(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self} ({hint})"),
            None => self.to_string(),
        }
    }

    /// Returns the path of the field that has the known names, if the message leaves them out.
    pub(crate) fn unlisted(&self) -> Option<FieldPath> {
        self.unlisted.map(|kind| match kind {
            Unknown::Field => self.path.parent(),
            Unknown::Variant => self.path.clone(),
        })
    }

    /// Moves the error below `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: impl Into<FieldPath>) -> Self {
        self.path = prefix.into().join(self.path);
        self
    }
}

/// Mistakes of one input, in its order; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputErrors(Vec<InputError>);

impl std::error::Error for InputErrors {}

impl fmt::Display for InputErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl From<InputError> for InputErrors {
    fn from(error: InputError) -> Self {
        Self(vec![error])
    }
}

impl InputErrors {
    /// Returns `value` if there are no mistakes.
    pub fn check<T>(errors: Vec<InputError>, value: T) -> Result<T, Self> {
        if errors.is_empty() { Ok(value) } else { Err(Self(errors)) }
    }

    /// Returns all mistakes and their next steps as one line.
    pub fn with_next_steps(&self) -> String {
        let mistakes: Vec<String> = self.iter().map(InputError::with_next_step).collect();
        mistakes.join("; ")
    }

    /// Iterates over the mistakes, in the order of the input.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &InputError> {
        self.0.iter()
    }

    /// Adds a mistake, unless one in the same field is known.
    #[must_use]
    pub(crate) fn with(mut self, error: InputError) -> Self {
        if self.0.iter().all(|known| known.path != error.path) {
            self.0.push(error);
        }
        self
    }

    pub(crate) fn into_vec(self) -> Vec<InputError> {
        self.0
    }

    /// Changes each mistake.
    #[must_use]
    pub fn map(self, change: impl FnMut(InputError) -> InputError) -> Self {
        Self(self.0.into_iter().map(change).collect())
    }

    /// Sorts the mistakes; those with equal keys keep their order.
    pub(super) fn sort_by_cached_key<K: Ord>(&mut self, key: impl FnMut(&InputError) -> K) {
        self.0.sort_by_cached_key(key);
    }
}

/// Reads `value` as a `T`; `at` is its path. Unknown fields are reported with the nearest valid name, missing and mistyped ones with
/// the expectation.
pub fn typed<T: DeserializeOwned>(value: &Value, at: impl Into<FieldPath>) -> Result<T, InputError> {
    serde_path_to_error::deserialize(Strict(value)).map_err(|error| {
        let path = at.into().join(serde_path(error.path()));
        InputError { is_mistyped: true, ..mistyped(&error.inner().to_string(), &path) }
    })
}

/// Converts serde's path.
pub(crate) fn serde_path(path: &serde_path_to_error::Path) -> FieldPath {
    use serde_path_to_error::Segment as Step;
    let segments = path.iter().filter_map(|step| match step {
        Step::Seq { index } => Some(Segment::Index(*index)),
        Step::Map { key } => Some(Segment::Key(key.clone())),
        Step::Enum { variant } => Some(Segment::Key(variant.clone())),
        Step::Unknown => None,
    });
    segments.collect::<Vec<_>>().into()
}

/// Converts serde's `message` about the field at `path` to an error.
fn mistyped(message: &str, path: &FieldPath) -> InputError {
    // serde gives the unknown name as the last segment of the path, but not always.
    let parent = |name: &str| match path.segments().last() {
        Some(Segment::Key(last)) if last == name => path.parent(),
        _ => path.clone(),
    };
    match unknown_name(message) {
        Some((kind, name, expected)) => {
            let suggestion = did_you_mean(&name, expected.iter().map(String::as_str));
            // A long list hides the name that was meant.
            let known = match &suggestion {
                Some(_) => String::new(),
                None => format!("; expected one of {}", expected.join(", ")),
            };
            let error = match kind {
                Unknown::Variant => InputError::new(parent(&name), format!("`{name}` is not valid{known}")),
                Unknown::Field => InputError::new(parent(&name).key(&name), format!("unknown field `{name}`{known}")),
            };
            InputError { unlisted: suggestion.is_some().then_some(kind), hint: suggestion, ..error }
        }
        None => {
            let text = match message.split_once(", expected ") {
                // serde's own messages repeat the value.
                Some((actual, expected)) if actual.starts_with("invalid ") && is_secret(path) => {
                    format!("wrong type; expected {}", wanted(expected))
                }
                _ => redact_text(&in_plain_words(message)),
            };
            let error = InputError::new(path, text);
            if is_unquoted(message) { error.with_hint("use `--set-string`, or quotes in a file") } else { error }
        }
    }
}

/// Returns true for serde's message about a number or boolean in the place of a string.
fn is_unquoted(message: &str) -> bool {
    let kinds = ["invalid type: integer", "invalid type: floating point", "invalid type: boolean"];
    kinds.iter().any(|kind| message.starts_with(kind)) && message.ends_with("expected a string")
}

fn is_secret(path: &FieldPath) -> bool {
    let keys = path.segments().iter().filter_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    is_secret_path(&keys.collect::<Vec<_>>())
}

/// Kind of an unknown name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Field,
    Variant,
}

/// Parses serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_name(text: &str) -> Option<(Unknown, String, Vec<String>)> {
    let field = text.strip_prefix("unknown field ").map(|rest| (Unknown::Field, rest));
    let (kind, rest) = field.or_else(|| Some((Unknown::Variant, text.strip_prefix("unknown variant ")?)))?;
    // The name may contain anything; the expectation is serde's.
    let rest = rest.strip_prefix('`')?;
    let (name, expected) = rest.rsplit_once("`, expected ").or_else(|| rest.rsplit_once("`, there are no "))?;
    let known = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((kind, name.to_owned(), known))
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
    fn a_name_may_contain_what_separates_names() {
        for name in ["a`b", "`", "x`, expected `y", "", "a.b[0]"] {
            let error = typed::<Outer>(&json!({name: 1}), "http").unwrap_err();
            assert_eq!(error.message, format!("unknown field `{name}`; expected one of numRequests, inner"));
        }
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path_and_the_nearest_one() {
        let error = typed::<Outer>(&json!({"numrequests": 1}), "http").unwrap_err();
        assert_eq!(error.to_string(), "http.numrequests: unknown field `numrequests`");
        assert_eq!(error.hint.as_deref(), Some("did you mean `numRequests`?"));
    }

    #[test]
    fn a_mistyped_secret_is_not_repeated() {
        let error =
            typed::<std::collections::BTreeMap<String, bool>>(&json!({"token": "hunter2"}), "github").unwrap_err();
        assert_eq!(error.to_string(), "github.token: wrong type; expected a boolean");
    }

    #[test]
    fn a_number_in_the_place_of_a_string_has_a_hint() {
        for value in [json!({"name": 5}), json!({"name": 1.5}), json!({"name": true})] {
            let error = typed::<std::collections::BTreeMap<String, String>>(&value, "x").unwrap_err();
            assert!(error.to_string().ends_with("expected a string"), "{error}");
            assert_eq!(error.hint.as_deref(), Some("use `--set-string`, or quotes in a file"));
        }
        let error = typed::<std::collections::BTreeMap<String, String>>(&json!({"name": []}), "x").unwrap_err();
        assert_eq!(error.hint, None);
    }

    #[test]
    fn a_mistyped_field_is_named_with_its_path() {
        let error = typed::<Outer>(&json!({"numRequests": -3}), "http").unwrap_err();
        assert_eq!(error.to_string(), "http.numRequests: -3 is not a non-negative integer");
        let error = typed::<Outer>(&json!({"inner": [{"limit": 1.0}, {"limit": "x"}]}), "http").unwrap_err();
        assert!(error.to_string().starts_with("http.inner[1].limit: `x` is a string; expected a number"), "{error}");
        let error = typed::<Outer>(&json!({"inner": [{"limt": 1.0}]}), "").unwrap_err();
        assert!(error.to_string().starts_with("inner[0].limt: unknown field"), "{error}");
        assert!(error.is_mistyped);
    }
}
