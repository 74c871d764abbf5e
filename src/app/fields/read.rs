//! Reads the tree of fields from a JSON Schema.

use serde_json::{Map, Value};

use super::{Allowed, Field};
use crate::app::schema;

/// Placeholder for a name of the user's choice in a path.
const KEY: &str = "NAME";

/// Start of the sentence with a default.
const DEFAULT: &str = "Default: ";

/// Start of the description of a field that only exists for compatibility.
const ALIAS: &str = "Another spelling of ";

/// Maxima that only bound the size of an integer.
const UNBOUNDED: u64 = i32::MAX as u64;

/// Returns all values.
pub(crate) fn values() -> Field {
    let mut schema = schema::values();
    let definitions = schema.get_mut("$defs").map(Value::take).unwrap_or_default();
    // The schema checks the values of a task only if `tasks` lists it.
    let tasks = schema.get_mut("allOf").map(Value::take).unwrap_or_default();
    for rule in tasks.as_array().into_iter().flatten() {
        let properties = rule.pointer("/then/properties").and_then(Value::as_object);
        for (name, values) in properties.into_iter().flatten() {
            if let Some(property) = schema.pointer_mut(&format!("/properties/{name}")) {
                let summary = property.get("description").cloned().unwrap_or_default();
                property.clone_from(values);
                property["x-summary"] = summary;
            }
        }
    }
    Reader { definitions }.field("", "", &schema, false)
}

struct Reader {
    definitions: Value,
}

impl Reader {
    fn field(&self, path: &str, name: &str, schema: &Value, required: bool) -> Field {
        let forms = self.forms(schema);
        let (description, default) = split_default(&self.description(schema));
        let mut field = Field {
            path: path.to_owned(),
            name: name.to_owned(),
            kind: self.kind(&forms),
            required,
            description,
            default: forms.iter().find_map(|form| scalar(form.get("default")?)).or(default),
            range: forms.iter().find_map(|form| range(form)),
            allowed: allowed(&forms),
            ..Field::default()
        };
        for form in &forms {
            let required = form.get("required").and_then(Value::as_array);
            let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
            for (name, property) in form.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let child = self.field(&path, name, property, is_required(name));
                if !child.description.starts_with(ALIAS) && !field.fields.iter().any(|known| known.name == *name) {
                    field.fields.push(child);
                }
            }
            let entry = [("additionalProperties", format!("{path}.{KEY}")), ("items", format!("{path}[]"))];
            for (key, path) in entry {
                if let Some(schema) = form.get(key).filter(|schema| schema.is_object()) {
                    field.entry = Some(Box::new(self.field(&path, KEY, schema, false)));
                }
            }
        }
        field.example = example(&field);
        field
    }

    /// Returns the alternatives of a schema, without `null`.
    fn forms<'a>(&'a self, schema: &'a Value) -> Vec<&'a Map<String, Value>> {
        let Some(map) = schema.as_object() else { return Vec::new() };
        if let Some(definition) = self.definition(map) {
            return self.forms(definition);
        }
        let alternatives = ["anyOf", "oneOf"].iter().find_map(|key| map.get(*key)?.as_array());
        let is_constraint = ["type", "enum", "const", "properties"].iter().any(|key| map.contains_key(*key));
        match alternatives.filter(|_| !is_constraint) {
            Some(alternatives) => alternatives.iter().flat_map(|schema| self.forms(schema)).collect(),
            None if map.get("type").is_some_and(|kind| kind == "null") => Vec::new(),
            None => vec![map],
        }
    }

    fn definition(&self, schema: &Map<String, Value>) -> Option<&Value> {
        let name = schema.get("$ref")?.as_str()?.rsplit('/').next()?;
        self.definitions.get(name)
    }

    /// Returns the description, in one line.
    fn description(&self, schema: &Value) -> String {
        let Some(map) = schema.as_object() else { return String::new() };
        let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
        let inherited = || {
            let alternatives = map.get("anyOf").and_then(Value::as_array).into_iter().flatten();
            let described = alternatives.map(|schema| self.description(schema)).find(|text| !text.is_empty());
            self.definition(map).map(|schema| self.description(schema)).or(described).unwrap_or_default()
        };
        let own = Some(text("description")).filter(|text| !text.is_empty()).unwrap_or_else(inherited);
        // Some definitions only say whose values they are.
        match text("x-summary") {
            summary
                if !summary.is_empty()
                    && (own.is_empty() || own.starts_with("Values of ") || own.starts_with("A shell")) =>
            {
                capitalized(&summary)
            }
            _ => own,
        }
    }

    /// Returns the type in the words of users.
    fn kind(&self, forms: &[&Map<String, Value>]) -> String {
        let mut kinds: Vec<String> = forms.iter().flat_map(|form| self.kinds(form)).collect();
        let has = |kinds: &[String], kind: &str| kinds.iter().any(|known| known == kind);
        let is_numeric = has(&kinds, "integer") || has(&kinds, "number");
        // Numbers are also accepted as strings, because `--set-string` and templates write them so.
        kinds.retain(|kind| !(kind == "string" && is_numeric));
        if has(&kinds, "number") || has(&kinds, "duration") {
            kinds.retain(|kind| kind != "integer");
        }
        let mut unique = Vec::new();
        for kind in kinds {
            if !unique.contains(&kind) {
                unique.push(kind);
            }
        }
        if unique.is_empty() { "any".to_owned() } else { unique.join(" or ") }
    }

    fn kinds(&self, form: &Map<String, Value>) -> Vec<String> {
        let names: Vec<&str> = match form.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
            }
            _ => constants(form).iter().map(|value| type_of(value)).collect(),
        };
        if ["string", "number", "boolean"].iter().all(|name| names.contains(name)) {
            // Any scalar stands for its text.
            return vec!["string".to_owned()];
        }
        let entry =
            |key: &str| form.get(key).filter(|schema| schema.is_object()).map(|schema| self.kind(&self.forms(schema)));
        let kind = |name: &str| match name {
            "string" if is_duration(form) => "duration".to_owned(),
            "array" => entry("items").map_or_else(|| "list".to_owned(), |kind| format!("list of {kind}")),
            "object" => {
                entry("additionalProperties").map_or_else(|| "object".to_owned(), |kind| format!("map of {kind}"))
            }
            name => name.to_owned(),
        };
        names.into_iter().map(kind).collect()
    }
}

/// Recognizes the pattern of Go's durations.
fn is_duration(form: &Map<String, Value>) -> bool {
    form.get("pattern").and_then(Value::as_str).is_some_and(|pattern| pattern.contains("(ns|us|"))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        _ => "string",
    }
}

/// Returns the values of `const` and `enum`, without `null`.
fn constants(form: &Map<String, Value>) -> Vec<&Value> {
    let listed = form.get("enum").and_then(Value::as_array).into_iter().flatten();
    form.get("const").into_iter().chain(listed).filter(|value| !value.is_null()).collect()
}

/// Returns all values of a field, if every alternative names its own.
fn allowed(forms: &[&Map<String, Value>]) -> Vec<Allowed> {
    let mut allowed = Vec::<Allowed>::new();
    for form in forms {
        let constants = constants(form);
        if constants.is_empty() {
            return Vec::new();
        }
        let meaning = form.get("const").and(form.get("description")).and_then(Value::as_str).map(str::to_owned);
        for value in constants.into_iter().filter_map(scalar) {
            // Iter8 also accepts capitals.
            if !allowed.iter().any(|known| known.value.eq_ignore_ascii_case(&value)) {
                allowed.push(Allowed { value, meaning: meaning.clone() });
            }
        }
    }
    allowed
}

/// Returns a scalar as text; `None` for `null`, the empty string and everything else.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Returns the range of a number in words.
fn range(form: &Map<String, Value>) -> Option<String> {
    let bound = |key: &str| form.get(key).filter(|bound| bound.is_number());
    let maximum = bound("maximum").filter(|maximum| maximum.as_u64() != Some(UNBOUNDED));
    let lower = bound("minimum").map(|minimum| format!("at least {minimum}"));
    let lower = lower.or(bound("exclusiveMinimum").map(|minimum| format!("above {minimum}")));
    let upper = maximum.map(|maximum| format!("at most {maximum}"));
    match (bound("minimum"), maximum) {
        (Some(minimum), Some(maximum)) => Some(format!("{minimum} to {maximum}")),
        _ => match (lower, upper) {
            (Some(lower), Some(upper)) => Some(format!("{lower} and {upper}")),
            (lower, upper) => lower.or(upper),
        },
    }
}

/// Splits a text into sentences, without the spaces between them.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.match_indices(". ").map(|(at, _)| at + 1).next().unwrap_or(rest.len());
        let (sentence, after) = rest.split_at_checked(end)?;
        rest = after.trim_start();
        Some(sentence).filter(|sentence| !sentence.is_empty())
    })
}

/// Takes the default out of a description.
fn split_default(description: &str) -> (String, Option<String>) {
    let default = sentences(description).find_map(|sentence| sentence.strip_prefix(DEFAULT));
    let others: Vec<&str> = sentences(description).filter(|sentence| !sentence.starts_with(DEFAULT)).collect();
    let default = default.map(|text| {
        let text = text.trim_end_matches('.');
        let inner = text.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
        inner.filter(|inner| !inner.contains('`')).unwrap_or(text).to_owned()
    });
    (others.join(" "), default)
}

/// Returns an example: from the description, the allowed values, or the default.
fn example(field: &Field) -> Option<String> {
    if !field.is_leaf() {
        return None;
    }
    let (_, after) = field.description.split_once("such as ").unwrap_or_default();
    let quoted = after.strip_prefix('`').and_then(|text| text.split_once('`')).map(|(example, _)| example.to_owned());
    let first = || field.allowed.first().map(|allowed| allowed.value.clone());
    let is_token = |text: &&String| !text.contains([' ', '`', ',']);
    let default = || field.default.as_ref().filter(is_token).cloned();
    let number =
        || after.split(' ').next().map(|word| word.trim_end_matches('.')).filter(|word| word.parse::<f64>().is_ok());
    match field.kind.as_str() {
        "boolean" => Some("true".to_owned()),
        _ => quoted.or_else(|| number().map(str::to_owned)).or_else(first).or_else(default),
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", characters.as_str())
}
