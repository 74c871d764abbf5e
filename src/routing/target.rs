//! Checks of rendered objects, before they may be applied: type, name, namespace, size, and routes that Envoy would reject.

use std::fmt;

use helm_yaml::value_within;
use serde_json::{Map, Value};

use super::config::{Config, ResourceType};
use super::fields::{Fields, Mistakes, shown};
use super::render::{MAX_MEMORY, MAX_OUTPUT};
use super::weighted_routes;
use crate::model::object::ResourceKind;
use crate::model::path::FieldPath;
use crate::values::input::{InputError, InputErrors};

/// Longest name of an object, in bytes.
const MAX_NAME: usize = 253;

/// Expected form of a name, for messages.
pub(super) const EXPECTED_NAME: &str = "expected at most 253 lowercase letters, digits, `-` and `.`";

/// Fields of the metadata that a template may not have: with them, no apply succeeds. The API server ignores others that it sets.
const NOT_APPLICABLE: [&str; 4] = ["deletionTimestamp", "managedFields", "resourceVersion", "uid"];

/// Identity of a rendered object. Two versions of a resource type have the same objects, so the version is not a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// API group.
    pub group: Box<str>,
    /// Plural of the type.
    pub resource: Box<str>,
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

impl fmt::Display for Target {
    /// Formats as kubectl does, with the namespace: `virtualservices.networking.istio.io shop/wisdom`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        write!(f, " {}/{}", self.namespace, self.name)
    }
}

/// An object to apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its identity.
    pub target: Target,
    /// Resource type with the version to write it in.
    pub resource: ResourceKind,
    /// The object, with its namespace.
    pub object: Map<String, Value>,
}

/// An object that may not be applied.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Invalid {
    /// Its identity, if that is valid.
    pub(super) target: Option<Target>,
    /// All its mistakes.
    pub(super) errors: InputErrors,
}

impl From<InputError> for Invalid {
    fn from(error: InputError) -> Self {
        Self { target: None, errors: error.into() }
    }
}

/// Checks the text of an object of this type.
pub(super) fn check(text: &str, kind: &ResourceType, namespace: &str, config: &Config) -> Result<Desired, Invalid> {
    let invalid = |message: String| InputError::new(FieldPath::root(), message);
    let value = value_within(text, MAX_MEMORY).map_err(|error| invalid(error.to_string()))?;
    let Value::Object(mut object) = value else {
        return Err(invalid(format!("output is {}; expected a Kubernetes object", helm_yaml::kind(&value))).into());
    };
    // Aliases may expand a short text.
    let bytes = serde_json::to_string(&object).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_OUTPUT {
        return Err(invalid(format!("object has {bytes} bytes; at most {MAX_OUTPUT} are allowed")).into());
    }
    let mut mistakes = Mistakes::default();
    check_kind(&object, kind, &mut mistakes);
    let (name, namespace) = check_metadata(&object, namespace, config, &mut mistakes);
    let is_named = is_name(&name) && is_name(&namespace);
    weighted_routes::check(&kind.resource.group, &object, &mut mistakes);
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("namespace".to_owned(), namespace.as_str().into());
    }
    let target = Target {
        group: kind.resource.group.as_str().into(),
        resource: kind.resource.resource.as_str().into(),
        namespace: namespace.into(),
        name: name.into(),
    };
    let identity = is_named.then(|| target.clone());
    mistakes
        .check(Desired { target, resource: kind.resource.clone(), object })
        .map_err(|errors| Invalid { target: identity, errors })
}

fn check_kind(object: &Map<String, Value>, kind: &ResourceType, mistakes: &mut Mistakes) {
    let fields = Fields::exact(object, FieldPath::root());
    let api_version = kind.api_version();
    if let Some(given) = mistakes.required(&fields, "apiVersion").filter(|given| *given != api_version) {
        mistakes.add(fields.at("apiVersion"), format!("is `{}`; expected `{api_version}`", shown(given)));
    }
    if let Some(given) = mistakes.required(&fields, "kind").filter(|given| !kind.accepts_kind(given)) {
        let expected = match &kind.kind {
            Some(known) => format!("`{known}`"),
            None => format!("the kind of {}", kind.resource),
        };
        mistakes.add(fields.at("kind"), format!("is `{}`; expected {expected}", shown(given)));
    }
}

/// Checks name and namespace, and returns them.
fn check_metadata(
    object: &Map<String, Value>,
    namespace: &str,
    config: &Config,
    mistakes: &mut Mistakes,
) -> (String, String) {
    let empty = Map::new();
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(other) if !other.is_null() => {
            mistakes.mistyped(FieldPath::from("metadata"), other, "a map");
            return Default::default();
        }
        _ => &empty,
    };
    let fields = Fields::exact(metadata, FieldPath::from("metadata"));
    let name = mistakes.required(&fields, "name").unwrap_or_default();
    if !name.is_empty() && !is_name(name) {
        mistakes.add(fields.at("name"), format!("`{}` is not a valid name; {EXPECTED_NAME}", shown(name)));
    }
    for key in NOT_APPLICABLE {
        let value = metadata.get(key).unwrap_or(&Value::Null);
        // `kubectl create --dry-run` writes null.
        if !value.is_null() && value != "" {
            mistakes.add(fields.at(key), "is set by the API server; remove it from the template");
        }
    }
    let given = mistakes.text(&fields, "namespace").unwrap_or(namespace);
    if given != namespace && !config.allows_other_namespaces {
        let message = format!("is `{}`; expected the namespace of the routemap (`{namespace}`)", shown(given));
        mistakes.push(InputError::new(fields.at("namespace"), message).with_hint(
            "set `otherNamespaces: true` and `clusterScoped: true` in the controller's configuration to allow it",
        ));
    } else if !is_name(given) {
        let message =
            format!("`{}` is not a valid namespace; expected lowercase letters, digits and `-`", shown(given));
        mistakes.add(fields.at("namespace"), message);
    }
    for key in ["labels", "annotations"] {
        check_strings(metadata.get(key), &fields.at(key), mistakes);
    }
    (name.to_owned(), given.to_owned())
}

/// Checks a map of strings. The API server responds with status 500 to one that has other values.
fn check_strings(map: Option<&Value>, path: &FieldPath, mistakes: &mut Mistakes) {
    match map {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) => {
            for (key, value) in map.iter().filter(|(_, value)| !value.is_string()) {
                mistakes.mistyped(path.clone().key(key), value, "a string; write it in quotes");
            }
        }
        Some(other) => mistakes.mistyped(path.clone(), other, "a map"),
    }
}

/// Returns true for the name of an object (RFC 1123), which becomes a part of a URL.
pub(super) fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    name.len() <= MAX_NAME && name.bytes().all(is_inner) && is_end(bytes.first()) && is_end(bytes.last())
}
