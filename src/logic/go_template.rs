//! Go templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use gotmpl::{Template, Value};

/// Why a template can't be read, or becomes no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateFault(String);

/// A template, read.
pub struct GoTemplate(Template);

impl GoTemplate {
    /// Reads a template.
    pub fn parse(text: &str, _now: DateTime<Utc>) -> Result<Self, TemplateFault> {
        Template::new("").parse(text).map(Self).map_err(|error| TemplateFault(error.to_string()))
    }

    /// What it becomes with these values.
    pub fn render(&self, values: &serde_json::Value) -> Result<String, TemplateFault> {
        self.0.execute_to_string(&value(values)).map_err(|error| TemplateFault(error.to_string()))
    }
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(is_so) => Value::Bool(*is_so),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int)
        }
        serde_json::Value::String(text) => Value::String(text.as_str().into()),
        serde_json::Value::Array(list) => Value::List(list.iter().map(value).collect()),
        serde_json::Value::Object(map) => {
            let map: BTreeMap<Arc<str>, Value> =
                map.iter().map(|(key, item)| (key.as_str().into(), value(item))).collect();
            Value::Map(Arc::new(map))
        }
    }
}
