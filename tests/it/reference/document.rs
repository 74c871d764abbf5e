//! The page of the experiment document.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{anchor, code, head, hold, printed, row};

/// Type of a schema; definitions are links.
fn kind(schema: &Value) -> String {
    let Some(map) = schema.as_object() else { return "any".to_owned() };
    if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(alternatives) = map.get("anyOf").or(map.get("oneOf")).and_then(Value::as_array) {
        let kinds: BTreeSet<String> = alternatives.iter().map(kind).filter(|kind| kind != "null").collect();
        return kinds.into_iter().collect::<Vec<_>>().join(" or ");
    }
    if let Some(value) = map.get("const") {
        return format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    if let Some(values) = map.get("enum").and_then(Value::as_array) {
        let values = values.iter().filter_map(Value::as_str).map(code);
        return values.collect::<Vec<_>>().join(" or ");
    }
    let names: Vec<&str> = match map.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => vec!["any"],
    };
    let kind = |name: &&str| match *name {
        "array" => format!("list of {}", map.get("items").map_or_else(|| "any".to_owned(), kind)),
        "object" => match map.get("additionalProperties").filter(|inner| inner.is_object()) {
            Some(inner) => format!("map of {}", kind(inner)),
            None => "object".to_owned(),
        },
        "string" if map.get("format").is_some_and(|format| format == "date-time") => "time".to_owned(),
        name => name.to_owned(),
    };
    names.iter().map(kind).collect::<Vec<_>>().join(" or ")
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn table(name: &str, properties: &Map<String, Value>) -> String {
    let rows = properties.iter().map(|(field, schema)| {
        row([&format!("{}{}", anchor(&format!("{name}.{field}")), code(field)), &kind(schema), &description(schema)])
    });
    head(["field", "type", "description"]) + &rows.collect::<String>()
}

#[test]
fn the_page_of_the_document_is_that_of_the_schema() {
    let schema = printed(&["schema", "document"]);
    let version = schema["title"].as_str().unwrap().rsplit(' ').next().unwrap();
    let mut page = format!(
        "An experiment document, `experiment.yaml`, has the tasks (`spec`) and what became of them (`result`). It is schema {version}; \
         documents of Iter8 v0.13 are read, too. `iter8 schema document` prints the JSON Schema.\n\n\
         ## spec\n\nA list of tasks.\n\n{}",
        head(["field", "type", "description"])
    );
    for (field, kind, about) in [
        ("task", "string", "Name of a [task](tasks.md)."),
        ("run", "string", "Shell script, instead of `task`."),
        ("with", "object", "Settings of the task; mostly those of its [values](values.md)."),
        ("if", "string", "Condition; the task is skipped if it is false."),
    ] {
        page.push_str(&row([&format!("{}{}", anchor(&format!("spec.{field}")), code(field)), kind, about]));
    }
    let result = &schema["properties"]["result"];
    page.push_str(&format!("\n## result\n\nResult of the experiment: {}.\n", kind(&without_definitions(result))));
    for (name, definition) in result["$defs"].as_object().unwrap() {
        page.push_str(&format!("\n### {name}\n"));
        let about = description(definition);
        if !about.is_empty() {
            page.push_str(&format!("\n{about}\n"));
        }
        match definition["properties"].as_object() {
            Some(properties) => page.push_str(&format!("\n{}", table(name, properties))),
            None => page.push_str(&alternatives(definition)),
        }
    }
    hold("document.md", "Experiment document", &page);
}

fn without_definitions(schema: &Value) -> Value {
    let mut schema = schema.clone();
    schema.as_object_mut().unwrap().remove("$defs");
    schema
}

/// Values of an enumeration, or the type.
fn alternatives(definition: &Value) -> String {
    let list = definition.get("oneOf").or(definition.get("anyOf")).and_then(Value::as_array);
    match list.filter(|list| list.iter().any(|schema| !description(schema).is_empty())) {
        Some(list) => {
            let rows = list.iter().map(|schema| row([&kind(schema), &description(schema)]));
            format!("\n{}{}", head(["value", "meaning"]), rows.collect::<String>())
        }
        None => format!("\nType: {}.\n", kind(&without_description(definition))),
    }
}

fn without_description(schema: &Value) -> Value {
    let mut schema = schema.clone();
    schema.as_object_mut().unwrap().remove("description");
    schema
}
