//! `iter8 schema`: the JSON Schemas, made from the types and the task registry.

use clap::{Args, ValueEnum};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::error::CliError;
use super::exit::Exit;
use super::output;
use crate::model::document::{ExperimentResult, SCHEMA_VERSION};
use crate::tasks::registry::{TASKS, value_names};

/// Flags of `schema`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  iter8 schema values > values.schema.json\n  iter8 schema document | jq '.\"$defs\" | keys'"
)]
pub struct SchemaArgs {
    /// Which schema
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// What --set and -f take
    Values,
    /// The experiment document, experiment.yaml
    Document,
}

/// Prints a schema.
pub fn run(args: &SchemaArgs) -> Result<Exit, CliError> {
    let schema = match args.what {
        What::Values => values(),
        What::Document => document(),
    };
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    output::to_stdout(&format!("{text}\n"))?;
    Ok(Exit::Done)
}

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of values.
fn values() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = Map::new();
    for kind in TASKS {
        for name in kind.value_names {
            let own = Value::from((kind.values_schema)(name, &mut generator));
            properties.insert((*name).to_owned(), with_condition(own, &mut generator));
        }
    }
    let names: Vec<_> = value_names().collect();
    properties.insert(
        "tasks".to_owned(),
        json!({"description": "The tasks to run, in order.", "type": "array", "minItems": 1, "items": {"enum": names}}),
    );
    for (name, schema) in [
        ("runner", json!({"description": "How it runs in Kubernetes.", "enum": ["job", "cronjob", "none"]})),
        ("cronjobSchedule", json!({"description": "Schedule of the cronjob runner.", "type": "string"})),
        ("serviceAccountName", json!({"type": "string"})),
        ("iter8Image", json!({"type": "string"})),
        ("logLevel", json!({"type": "string"})),
        ("resources", json!({"type": "object"})),
    ] {
        properties.insert(name.to_owned(), schema);
    }
    json!({
        "$schema": DIALECT,
        "title": "Values of an iter8 experiment",
        "type": "object",
        "properties": properties,
        "required": ["tasks"],
        "additionalProperties": false,
        "$defs": generator.take_definitions(true),
    })
}

/// Every task's values may hold an `if`, beside what the task itself knows.
fn with_condition(schema: Value, generator: &mut SchemaGenerator) -> Value {
    let condition =
        json!({"description": "Condition; the task is skipped when it is false.", "type": ["string", "boolean"]});
    let target = match schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => generator.definitions_mut().get_mut(name),
        None => None,
    };
    if let Some(properties) = target.and_then(|target| target.get_mut("properties")).and_then(Value::as_object_mut) {
        properties.insert("if".to_owned(), condition);
    }
    schema
}

/// The schema of the experiment document.
fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let result = Value::from(generator.subschema_for::<ExperimentResult>());
    let mut entries = Vec::new();
    for kind in TASKS {
        let with = Value::from((kind.with_schema)(&mut generator));
        let (key, name) = match kind.name {
            "run" => ("run", json!({"description": "The shell script.", "type": "string"})),
            name => ("task", json!({"const": name})),
        };
        entries.push(json!({
            "description": kind.summary,
            "type": "object",
            "properties": {key: name, "with": with, "if": {"type": "string"}},
            "required": [key],
            "additionalProperties": false,
        }));
    }
    json!({
        "$schema": DIALECT,
        "title": format!("iter8 experiment document, schema {SCHEMA_VERSION}"),
        "type": "object",
        "properties": {
            "spec": {"description": "The tasks, in order.", "type": "array", "items": {"anyOf": entries}},
            "result": result,
        },
        "required": ["spec"],
        "$defs": generator.take_definitions(true),
    })
}
