//! JSON Schemas of values that come in layers.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::tasks::schema_fragments::{given, some_entry};

/// Builds the part of the base's schema that requires `field` for every load.
///
/// A schema cannot express the merge of endpoints by name: with both versions and endpoints it only requires `field` in some of
/// them.
pub(in crate::tasks) fn required(field: &str) -> Value {
    let here = given(field);
    let some = some_entry("endpoints", &here);
    let every = json!({"properties": {"endpoints": {"additionalProperties": {"anyOf": [{"type": "null"}, here]}}}});
    let versions = |entry: Value| json!({"required": ["versionValues"], "properties": {"versionValues": {"type": "array", "minItems": 1, "items": entry}}});
    let single = json!({"properties": {"versionValues": {"type": ["array", "null"], "maxItems": 0}}});
    json!({"anyOf": [
        here,
        {"allOf": [single, some, every]},
        {"allOf": [versions(json!(true)), some]},
        versions(json!({"anyOf": [here, some]})),
    ]})
}

/// Removes fields from the schema of a map.
pub(in crate::tasks) fn remove_fields(schema: &mut Schema, names: &[&str]) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !names.contains(&name.as_str()));
    }
}

/// Values of a load task: the base, and below it endpoints and versions with the same fields.
pub(in crate::tasks) trait LayeredValues: JsonSchema {
    /// Prefix of the schemas' names.
    const PREFIX: &'static str;
}

/// Schema of `endpoints`.
pub(in crate::tasks) struct Endpoints<T>(PhantomData<T>);

impl<T: LayeredValues> JsonSchema for Endpoints<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Endpoints", T::PREFIX).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": {"pattern": r"^[^\x00-,/:-@\[-\^`{-\x7f]+$"},
            "additionalProperties": generator.subschema_for::<EndpointLevel<T>>(),
        })
    }
}

/// Schema of an endpoint.
struct EndpointLevel<T>(PhantomData<T>);

impl<T: LayeredValues> JsonSchema for EndpointLevel<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Endpoint", T::PREFIX).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let except = ["endpoints", "versionValues", "parallel", "versionFrom"];
        below_base::<T>(generator, "Overrides for one endpoint.", &except)
    }
}

/// Schema of an entry of `versionValues`.
pub(in crate::tasks) struct VersionLevel<T>(PhantomData<T>);

impl<T: LayeredValues> JsonSchema for VersionLevel<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Version", T::PREFIX).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let except = ["versionValues", "parallel", "versionFrom"];
        let mut schema = below_base::<T>(generator, "Overrides for one version.", &except);
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            let name = || json!({"description": "Name of the version.", "type": ["string", "null"]});
            properties.entry("name").or_insert_with(name);
        }
        schema
    }
}

/// Builds the schema of a layer above the base `T`: its fields except those in `except`.
fn below_base<T: JsonSchema>(generator: &mut SchemaGenerator, text: &str, except: &[&str]) -> Schema {
    let mut schema = T::json_schema(generator);
    schema.remove("anyOf");
    schema.remove("allOf");
    remove_fields(&mut schema, except);
    schema.insert("description".to_owned(), text.into());
    schema
}
