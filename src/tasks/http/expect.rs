//! Expected responses (`expect`), and the checks built from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

use crate::load::http::{Expectations, ExpectedStatus};
use crate::templates::jq::Filter;

/// Requirements for every response. A response that violates one is an error, counted under the first that applies of
/// `unexpected-status`, `unexpected-header`, `unexpected-body` and `unexpected-json`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Expect {
    /// Expected statuses: `200`, or `2xx` for 200 to 299. Unless `errorRanges` are set, these alone decide which statuses are
    /// errors.
    status: Option<Vec<Status>>,
    /// Headers by name, each with a substring of its value; null if the header only has to be present.
    headers: Option<BTreeMap<Name, Option<String>>>,
    /// Substring of the body, within its first MiB.
    body_contains: Option<String>,
    /// Filter in the jq language, applied to the body as JSON of up to 1 MiB: at least one output must be neither false nor null.
    /// It supports the core of jq without regular expressions, dates and modules, and is limited to 2000000 steps.
    jq: Option<Jq>,
}

impl Expect {
    /// Returns true if statuses are expected.
    pub(super) fn has_status(&self) -> bool {
        self.status.as_ref().is_some_and(|statuses| !statuses.is_empty())
    }

    /// Builds the checks of the load.
    pub(super) fn expectations(&self) -> Expectations {
        Expectations {
            statuses: self.status.iter().flatten().map(|status| status.0).collect(),
            headers: self.headers.iter().flatten().map(|(name, text)| (name.0.clone(), text.clone())).collect(),
            body: self.body_contains.clone(),
            json: self.jq.as_ref().map(|jq| jq.filter.clone()),
        }
    }
}

/// A status, or a class of them.
#[derive(Clone, Debug, PartialEq)]
struct Status(ExpectedStatus);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = match &value {
            Value::String(text) => text.trim().to_ascii_lowercase(),
            other => other.to_string(),
        };
        let expected = match text.strip_suffix("xx") {
            Some(class) => class.parse().ok().filter(|class| (1..=9).contains(class)).map(ExpectedStatus::Class),
            None => text.parse().ok().filter(|status| (100..=999).contains(status)).map(ExpectedStatus::Exactly),
        };
        let invalid =
            || D::Error::custom(format!("`{text}` is not a status; expected 100 to 999, or a class such as `2xx`"));
        expected.map(Self).ok_or_else(invalid)
    }
}

impl JsonSchema for Status {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExpectedStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A status from 100 to 999, or a class of them such as `2xx`.", "anyOf": [{"type": "integer", "minimum": 100, "maximum": 999}, {"type": "string", "pattern": r"^\s*[1-9]([0-9]{2}|[xX]{2})\s*$"}]})
    }
}

/// A header's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name.parse::<http::HeaderName>() {
            Ok(_) => Ok(Self(name)),
            Err(_) => Err(D::Error::custom(format!("`{name}` is not a valid header name"))),
        }
    }
}

impl JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"})
    }
}

/// A compiled filter.
#[derive(Clone, Debug)]
struct Jq {
    text: String,
    filter: Arc<Filter>,
}

impl PartialEq for Jq {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<'de> Deserialize<'de> for Jq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match Filter::compile(&text) {
            Ok(filter) => Ok(Self { text, filter: Arc::new(filter) }),
            Err(error) => Err(D::Error::custom(format!("the filter {error}"))),
        }
    }
}

impl JsonSchema for Jq {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JqFilter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "A filter in the jq language.", "pattern": r"\S", "maxLength": 4096})
    }
}
