//! JSON Schemas of values and of the experiment document, generated from the types and the task registry.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::manifests::settings;
use crate::model::document::{ExperimentResult, SCHEMA_VERSION};
use crate::tasks::registry::{NOT_YET, TASKS, value_names};

/// Title of the schema of values.
pub(crate) const VALUES_TITLE: &str = "Values of an iter8 experiment";

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Schema of values. Like the program, it checks the values of a task only if `tasks` lists the task.
pub(crate) fn values() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = settings::properties();
    let mut listed = Vec::new();
    for kind in TASKS {
        for name in kind.value_names {
            let schema = Value::from((kind.values_schema)(name, &mut generator));
            add_condition(&schema, &mut generator);
            listed.push(json!({
                "if": {"required": ["tasks"], "properties": {"tasks": {"contains": {"const": name}}}},
                "then": {"required": [name], "properties": {*name: schema}},
            }));
            properties.insert((*name).to_owned(), json!({"description": kind.summary}));
        }
    }
    properties.values_mut().for_each(allow_null);
    let names: Vec<_> = value_names().collect();
    properties.insert(
        "tasks".to_owned(),
        json!({"description": "The tasks to run, in order.", "type": "array", "minItems": 1, "items": {"enum": names}}),
    );
    let mut definitions = generator.take_definitions(true);
    definitions.values_mut().for_each(allow_nulls);
    json!({
        "$schema": DIALECT,
        "title": VALUES_TITLE,
        "type": "object",
        "properties": properties,
        "required": ["tasks"],
        "additionalProperties": false,
        "allOf": listed,
        "$defs": definitions,
    })
}

/// Adds `if`, which the values of every task may have.
fn add_condition(schema: &Value, generator: &mut SchemaGenerator) {
    let condition =
        json!({"description": "Condition; the task is skipped if it is false.", "type": ["string", "boolean"]});
    let alternatives = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    for schema in alternatives.chain([schema]) {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next());
        let target = name.and_then(|name| generator.definitions_mut().get_mut(name));
        let is_map = |target: &&mut Value| target.get("type").is_some_and(|kind| kind == "object");
        let properties = target.filter(is_map).and_then(|target| target.get_mut("properties"));
        if let Some(properties) = properties.and_then(Value::as_object_mut) {
            properties.insert("if".to_owned(), condition.clone());
        }
    }
}

/// Allows `null` for optional entries: in values, and in results of Iter8, it means "not set".
fn allow_nulls(schema: &mut Value) {
    let required = schema.get("required").cloned();
    let is_required = |name: &str| {
        let names = required.as_ref().and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (_, property) in properties.iter_mut().filter(|(name, _)| !is_required(name)) {
            allow_nulls(property);
            allow_null(property);
        }
    }
    for key in ["additionalProperties", "items"] {
        if let Some(inner) = schema.get_mut(key).filter(|inner| inner.is_object()) {
            allow_nulls(inner);
            if key == "additionalProperties" {
                allow_null(inner);
            }
        }
    }
}

/// Allows `null` in addition to the schema.
fn allow_null(schema: &mut Value) {
    let null_type = json!({"type": "null"});
    let is_constrained = ["type", "$ref", "anyOf", "enum", "allOf"].iter().any(|key| schema.get(key).is_some());
    let allows = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
        Some(kind) => kind == "null",
        None => schema.get("anyOf").and_then(Value::as_array).is_some_and(|any| any.contains(&null_type)),
    };
    if is_constrained && !allows {
        let description = schema.as_object_mut().and_then(|map| map.remove("description"));
        *schema = json!({"anyOf": [schema.take(), null_type]});
        if let Some(description) = description {
            schema["description"] = description;
        }
    }
}

/// Schema of the experiment document.
pub(crate) fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let condition =
        json!({"description": "Condition; the task is skipped if it is false.", "type": ["string", "null"]});
    let mut entries: Vec<Value> = TASKS
        .iter()
        .map(|kind| {
            let with = Value::from((kind.with_schema)(&mut generator));
            let script = json!({"description": "The shell script.", "type": "string", "pattern": r"\S"});
            let (key, other, name, with, required) = match kind.name {
                "run" => ("run", "task", script, json!({"anyOf": [with, {"type": "null"}]}), json!(["run"])),
                name => ("task", "run", json!({"const": name}), with, json!(["task", "with"])),
            };
            json!({
                "description": kind.summary,
                "type": "object",
                "properties": {key: name, other: {"type": "null"}, "with": with, "if": condition},
                "required": required,
                "additionalProperties": false,
            })
        })
        .collect();
    entries.push(json!({
        "description": "task of Iter8 that this version reads but does not run",
        "type": "object",
        "properties": {
            "task": {"enum": NOT_YET},
            "run": {"type": "null"},
            "with": {"type": ["object", "null"]},
            "if": condition,
        },
        "required": ["task"],
        "additionalProperties": false,
    }));
    json!({
        "$schema": DIALECT,
        "title": format!("iter8 experiment document, schema {SCHEMA_VERSION}"),
        "type": "object",
        "properties": {
            "spec": {"description": "The tasks, in order.", "type": "array", "items": {"anyOf": entries}},
            "result": result(),
        },
        "required": ["spec"],
        "$defs": generator.take_definitions(true),
    })
}

/// Schema of the document's result, with its definitions. Unlike the spec, it also allows the forms written by Iter8.
fn result() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/properties/result/$defs".into();
    });
    let mut generator = settings.into_generator();
    let mut result = Value::from(generator.subschema_for::<Option<ExperimentResult>>());
    let mut definitions = Value::Object(generator.take_definitions(true));
    let time = "/ExperimentResult/properties/startTime";
    let summaries = "/Insights/properties/SummaryMetricValues/items/additionalProperties";
    // Iter8 writes an unset time as an empty string, and older documents have a list of summaries.
    let others = [
        (time, json!({"const": ""})),
        (summaries, json!({"type": "array", "items": {"type": "array", "items": {"type": "number"}}})),
    ];
    for (pointer, other) in others {
        if let Some(schema) = definitions.pointer_mut(pointer) {
            *schema = json!({"anyOf": [schema.take(), other]});
        }
    }
    let version = json!({"type": ["integer", "null"], "minimum": 0, "maximum": SCHEMA_VERSION});
    if let Some(schema) = definitions.pointer_mut("/ExperimentResult/properties/schemaVersion") {
        *schema = version;
    }
    definitions.as_object_mut().into_iter().flat_map(|map| map.values_mut()).for_each(allow_nulls);
    result["$defs"] = definitions;
    result
}
