//! Values of `versionFrom`, which attributes the responses of one target to versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::field_paths::FieldPaths;
use crate::load::attribution::{Attribution, MAX_VALUE, Source};
use crate::model::path::FieldPath;
use crate::model::split::UNKNOWN;
use crate::templates::jq::Filter;
use crate::values::input::InputError;

/// Maximum versions; each takes memory and a part of the document.
const MAX_VERSIONS: usize = 20;

/// Longest name of a version, in characters.
const MAX_NAME: usize = 100;

/// Maximum entries of `map`.
const MAX_ENTRIES: usize = 1_000;

/// Field of the values.
pub(super) const FIELD: &str = "versionFrom";

/// Values of `versionFrom`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::tasks) struct VersionFrom {
    header: Option<String>,
    jq: Option<String>,
    grpc_field: Option<String>,
    map: Option<BTreeMap<String, Text>>,
    versions: Option<Vec<Text>>,
}

/// A string, or a number or boolean as `--set` reads it.
#[derive(Clone, Debug, PartialEq)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            scalar @ (Value::Number(_) | Value::Bool(_)) => Ok(Self(scalar.to_string())),
            _ => Err(serde::de::Error::custom("not a string")),
        }
    }
}

/// Protocol of the responses, which decides where a version can be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tasks) enum ResponseKind {
    Http,
    Grpc,
}

impl ResponseKind {
    /// Fields for the place in a response, of which one is required.
    fn sources(self) -> [&'static str; 2] {
        match self {
            Self::Http => ["header", "jq"],
            Self::Grpc => ["header", "grpcField"],
        }
    }
}

impl VersionFrom {
    /// Builds the attribution. Errors have paths below `versionFrom`.
    pub(in crate::tasks) fn plan(&self, kind: ResponseKind, paths: &FieldPaths) -> Result<Attribution, InputError> {
        let at = paths.of(FIELD);
        let source = self.source(kind, &at)?;
        let versions = self.versions(&at)?;
        let index = |name: &str| versions.iter().position(|version| version == name);
        let mut values = BTreeMap::new();
        match &self.map {
            None => values.extend(versions.iter().enumerate().map(|(index, name)| (name.clone().into_bytes(), index))),
            Some(map) => {
                for (value, Text(name)) in map {
                    let at = at.clone().key("map").key(value);
                    let Some(index) = index(name) else {
                        let known = versions.join(", ");
                        return Err(InputError::new(at, format!("unknown version `{name}`; expected one of {known}")));
                    };
                    values.insert(value.clone().into_bytes(), index);
                }
                let is_unnamed = |version: &&String| !map.values().any(|Text(name)| name == *version);
                if let Some(version) = versions.iter().find(is_unnamed) {
                    let message = format!("no value stands for version `{version}` of `versions`");
                    return Err(InputError::new(at.key("map"), message));
                }
            }
        }
        if let Some(value) = values.keys().find(|value| value.len() > MAX_VALUE) {
            let text = String::from_utf8_lossy(&value[..20]);
            let message = format!("`{text}…` is longer than {MAX_VALUE} bytes");
            return Err(InputError::new(at.key(if self.map.is_some() { "map" } else { "versions" }), message));
        }
        Ok(Attribution { source, versions, values })
    }

    fn source(&self, kind: ResponseKind, at: &FieldPath) -> Result<Source, InputError> {
        let given = [("header", &self.header), ("jq", &self.jq), ("grpcField", &self.grpc_field)];
        let mut given = given.into_iter().filter_map(|(field, text)| Some((field, text.as_ref()?)));
        let sources = kind.sources();
        let expected = format!("`{}`", sources.join("` or `"));
        let Some((field, text)) = given.next() else {
            return Err(InputError::new(at, format!("requires {expected}: the place of the version in a response")));
        };
        let at_field = |field: &str| at.clone().key(field);
        if let Some((other, _)) = given.next() {
            return Err(InputError::new(at_field(other), format!("cannot be combined with `{field}`")));
        }
        if !sources.contains(&field) {
            return Err(InputError::new(at_field(field), format!("not available for this protocol; use {expected}")));
        }
        match field {
            "header" => match text.parse::<http::HeaderName>() {
                Ok(name) => Ok(Source::Header(name.as_str().to_owned())),
                Err(_) => Err(InputError::new(at_field(field), format!("`{text}` is not a valid header name"))),
            },
            "jq" => match Filter::compile(text) {
                Ok(filter) => Ok(Source::Json(Arc::new(filter))),
                Err(error) => Err(InputError::new(at_field(field), format!("the filter {error}"))),
            },
            _ => {
                let is_name =
                    |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if !text.split('.').all(is_name) {
                    let message =
                        format!("`{text}` is not a field; expected a name such as `model_name`, or a path of names");
                    return Err(InputError::new(at_field(field), message));
                }
                Ok(Source::Field(text.clone()))
            }
        }
    }

    /// Returns the names of the versions, in the order of `versions` or else alphabetically.
    fn versions(&self, at: &FieldPath) -> Result<Vec<String>, InputError> {
        let (field, names): (_, Vec<&str>) = match (&self.versions, &self.map) {
            (Some(names), _) => ("versions", names.iter().map(|Text(name)| name.as_str()).collect()),
            (None, Some(map)) => {
                let mut names: Vec<&str> = map.values().map(|Text(name)| name.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                ("map", names)
            }
            (None, None) => {
                let message = "requires `map` (value: version), or `versions` if the values are the versions' names";
                return Err(InputError::new(at, message));
            }
        };
        let error = |message: String| InputError::new(at.clone().key(field), message);
        if self.map.as_ref().is_some_and(|map| map.len() > MAX_ENTRIES) {
            return Err(InputError::new(at.clone().key("map"), format!("has more than {MAX_ENTRIES} entries")));
        }
        if names.is_empty() || names.len() > MAX_VERSIONS {
            return Err(error(format!("has {} versions; expected 1 to {MAX_VERSIONS}", names.len())));
        }
        for (index, name) in names.iter().enumerate() {
            let is_valid = !name.trim().is_empty() && !name.contains(char::is_control) && name.trim() == *name;
            if !is_valid || name.chars().count() > MAX_NAME {
                let expected = format!("expected 1 to {MAX_NAME} characters, without leading or trailing spaces");
                return Err(error(format!("`{}` is not a valid name; {expected}", name.escape_debug())));
            }
            if *name == UNKNOWN {
                return Err(error(format!("`{UNKNOWN}` is reserved for responses of unknown origin")));
            }
            if names[..index].contains(name) {
                return Err(error(format!("`{name}` is given twice")));
            }
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }
}

/// Builds the schema of `versionFrom` for a protocol.
fn schema(kind: ResponseKind) -> Schema {
    let sources = kind.sources();
    let place = |field: &str| match field {
        "header" => json!({
            "description": "Header of the response; for gRPC, metadata before or after the messages.",
            "type": ["string", "null"], "pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        }),
        "jq" => json!({
            "description": "Filter in the jq language, applied to the body as JSON of up to 1 MiB; its output must be a string or a number. \
                            Costs more than a header: the body is kept and parsed.",
            "type": ["string", "null"], "pattern": r"\S", "maxLength": 4096,
        }),
        _ => json!({
            "description": "Field of the response message (of a stream, of its first message), such as `model_name`, or a path of fields: a \
                            string, an integer or an enum by its number. Messages longer than 1 MiB are of unknown origin.",
            "type": ["string", "null"], "pattern": r"^\w+(\.\w+)*$",
        }),
    };
    let scalar = json!({"type": ["string", "number", "boolean"]});
    let mut properties: serde_json::Map<String, Value> =
        sources.iter().map(|field| ((*field).to_owned(), place(field))).collect();
    properties.insert(
        "map".to_owned(),
        json!({
            "description": "Version that each value stands for; several values may stand for one version. Default: the values are the names \
                            in `versions`.",
            "type": ["object", "null"], "maxProperties": MAX_ENTRIES, "additionalProperties": scalar,
        }),
    );
    properties.insert(
        "versions".to_owned(),
        json!({
            "description": "Names of the versions in their order; version 0 is the baseline. Default: the names in `map`, alphabetically.",
            "type": ["array", "null"], "minItems": 1, "maxItems": MAX_VERSIONS, "items": scalar,
        }),
    );
    let one_of: Vec<Value> = sources.iter().map(|field| crate::tasks::schema_fragments::given(field)).collect();
    let named = ["map", "versions"].map(crate::tasks::schema_fragments::given);
    json_schema!({
        "description": "Attributes the responses of one target to versions.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
        "allOf": [{"anyOf": [{"type": "null"}, {"oneOf": one_of}]}, {"anyOf": [{"type": "null"}, {"anyOf": named}]}],
    })
}

/// Schema of `versionFrom` of `http`.
pub(in crate::tasks) fn http_schema(_: &mut SchemaGenerator) -> Schema {
    schema(ResponseKind::Http)
}

/// Schema of `versionFrom` of `grpc`.
pub(in crate::tasks) fn grpc_schema(_: &mut SchemaGenerator) -> Schema {
    schema(ResponseKind::Grpc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(kind: ResponseKind, value: &Value) -> Result<Attribution, String> {
        let root = json!({"versionFrom": value});
        let values: VersionFrom = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        let paths = FieldPaths::new(&root, &"http".into(), &[FieldPath::root()]);
        values.plan(kind, &paths).map_err(|error| error.to_string())
    }

    #[test]
    fn versions_have_the_order_of_the_list_else_of_the_alphabet() {
        let versions = |value: Value| plan(ResponseKind::Http, &value).unwrap().versions;
        let map = json!({"a": "xgb", "b": "rf", "c": "xgb"});
        assert_eq!(versions(json!({"header": "X-V", "map": map})), ["rf", "xgb"]);
        assert_eq!(versions(json!({"header": "X-V", "map": map, "versions": ["xgb", "rf"]})), ["xgb", "rf"]);
        assert_eq!(versions(json!({"jq": ".v", "versions": [2, 1]})), ["2", "1"]);
        let values =
            plan(ResponseKind::Http, &json!({"header": "X-V", "map": map, "versions": ["xgb", "rf"]})).unwrap().values;
        assert_eq!(
            values,
            [("a", 0), ("b", 1), ("c", 0)].map(|(value, index)| (value.as_bytes().to_vec(), index)).into()
        );
    }

    #[test]
    fn mistakes_are_rejected_with_path_and_expectation() {
        let long = "x".repeat(MAX_VALUE + 1);
        let cases = [
            (
                json!({"map": {"a": "v"}}),
                "http.versionFrom: requires `header` or `jq`: the place of the version in a response",
            ),
            (json!({"header": "a", "jq": ".a"}), "http.versionFrom.jq: cannot be combined with `header`"),
            (
                json!({"grpcField": "a"}),
                "http.versionFrom.grpcField: not available for this protocol; use `header` or `jq`",
            ),
            (json!({"header": "a b", "map": {"a": "v"}}), "http.versionFrom.header: `a b` is not a valid header name"),
            (json!({"jq": ".a |", "map": {"a": "v"}}), "http.versionFrom.jq: the filter ends unexpectedly"),
            (
                json!({"header": "a"}),
                "http.versionFrom: requires `map` (value: version), or `versions` if the values are the versions' names",
            ),
            (
                json!({"header": "a", "map": {"a": "v", "b": "w"}, "versions": ["v"]}),
                "http.versionFrom.map.b: unknown version `w`; expected one of v",
            ),
            (
                json!({"header": "a", "map": {"a": "v"}, "versions": ["v", "w"]}),
                "http.versionFrom.map: no value stands for version `w` of `versions`",
            ),
            (json!({"header": "a", "map": {}}), "http.versionFrom.map: has 0 versions; expected 1 to 20"),
            (json!({"header": "a", "versions": ["v", "v"]}), "http.versionFrom.versions: `v` is given twice"),
            (
                json!({"header": "a", "map": {"a": "unknown"}}),
                "http.versionFrom.map: `unknown` is reserved for responses of unknown origin",
            ),
            (
                json!({"header": "a", "versions": [" v"]}),
                "http.versionFrom.versions: ` v` is not a valid name; expected 1 to 100 characters, without leading or trailing spaces",
            ),
            (
                json!({"header": "a", "map": {long: "v"}}),
                "http.versionFrom.map: `xxxxxxxxxxxxxxxxxxxx…` is longer than 256 bytes",
            ),
            (json!({"header": "a", "versions": [["v"]]}), "not a string"),
            (
                json!({"headers": "a"}),
                "unknown field `headers`, expected one of `header`, `jq`, `grpcField`, `map`, `versions`",
            ),
        ];
        for (value, message) in cases {
            assert_eq!(plan(ResponseKind::Http, &value).unwrap_err(), message);
        }
        let of_grpc = |value| plan(ResponseKind::Grpc, &value).unwrap_err();
        assert_eq!(
            of_grpc(json!({"jq": ".a"})),
            "http.versionFrom.jq: not available for this protocol; use `header` or `grpcField`"
        );
        assert_eq!(
            of_grpc(json!({"grpcField": "a..b", "versions": ["v"]})),
            "http.versionFrom.grpcField: `a..b` is not a field; expected a name such as `model_name`, or a path of names"
        );
    }
}
