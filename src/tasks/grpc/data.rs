//! The messages of a call: JSON or bytes, optionally with actions.

use std::fmt;

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use super::well_known::{Form, read_text};
use crate::model::path::{FieldPath, Segment};
use crate::templates::grpc_template::{CallValues, RequestTemplate, has_actions};
use crate::templates::random::RandomBits;
use crate::values::input::serde_path;
use suggest::did_you_mean;

/// Maximum size of the data, in bytes.
pub(super) const MAX_DATA: usize = 64 << 20;

/// Maximum number of messages in one call, or in a list that calls use in turn.
const MAX_MESSAGES: usize = 100_000;

/// Maximum nesting depth of the data.
const MAX_DEPTH: usize = 100;

/// Maximum number of field names that an error lists.
const MAX_LISTED: usize = 10;

/// Source of the messages.
#[derive(Debug)]
pub(super) enum Data {
    /// Same messages for every call.
    Fixed(Value),
    /// The same, as text.
    Text(String),
    /// JSON whose strings contain actions.
    Texts(Node),
    /// Template whose output is JSON.
    Whole(RequestTemplate),
    /// Encoded messages.
    Binary(Vec<Bytes>),
}

/// Error in a part of the data. It does not repeat the value, which may be a secret.
#[derive(Debug)]
struct DataError {
    path: FieldPath,
    message: String,
}

impl DataError {
    fn new(message: impl Into<String>) -> Self {
        Self { path: FieldPath::root(), message: message.into() }
    }

    /// Prefixes the path with `parent`.
    fn under(self, parent: FieldPath) -> Self {
        Self { path: parent.join(self.path), ..self }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// JSON whose strings are parsed templates.
#[derive(Debug)]
pub(super) enum Node {
    Fixed(Value),
    Text(RequestTemplate),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Data {
    /// Reads data from the values. A string contains JSON.
    pub(super) fn of_value(value: &Value, random: &RandomBits) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::of_text(text, random),
            value => Ok(match Node::parse(value, random, MAX_DEPTH).map_err(|error| error.to_string())? {
                Node::Fixed(value) => Self::Fixed(value),
                node => Self::Texts(node),
            }),
        }
    }

    /// Reads data from a file: JSON, or a template whose output is JSON.
    pub(super) fn of_text(text: &str, random: &RandomBits) -> Result<Self, String> {
        if has_actions(text) {
            return RequestTemplate::parse(text, random).map(Self::Whole).map_err(|error| error.to_string());
        }
        check_json(text)?;
        Ok(Self::Text(text.to_owned()))
    }

    /// Reads encoded messages: length-delimited (varint) for a stream, else a single one.
    pub(super) fn of_bytes(bytes: Bytes, is_stream: bool) -> Result<Self, String> {
        if !is_stream {
            return Ok(Self::Binary(vec![bytes]));
        }
        let mut rest = bytes;
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let number = messages.len();
            let length = prost::decode_length_delimiter(&mut rest).map_err(|_| {
                format!("message {number} has no length prefix; messages of a stream are length-delimited")
            })?;
            if length > rest.len() || number >= MAX_MESSAGES {
                return Err(format!("message {number} is truncated: expected {length} bytes, found {}", rest.len()));
            }
            messages.push(rest.split_to(length));
        }
        Ok(Self::Binary(messages))
    }

    /// Returns true if actions make the messages differ between calls.
    pub(super) fn varies(&self) -> bool {
        matches!(self, Self::Texts(_) | Self::Whole(_))
    }

    /// Checks the parts that do not depend on the type of the messages.
    pub(super) fn check(&self, values: &CallValues) -> Result<(), String> {
        match self {
            Self::Binary(_) | Self::Fixed(_) | Self::Text(_) => Ok(()),
            Self::Texts(node) => node.expand(values).map(drop).map_err(|error| error.to_string()),
            Self::Whole(template) => {
                let text = template.expand(values).map_err(|error| error.to_string())?;
                check_json(&text).map_err(|error| format!("the rendered template is {error}"))
            }
        }
    }

    /// Encodes the messages of one call as type `kind`.
    pub(super) fn encode(&self, kind: &MessageDescriptor, values: &CallValues) -> Result<Vec<Bytes>, String> {
        let value = match self {
            Self::Binary(messages) => return Ok(messages.clone()),
            Self::Fixed(value) => value.clone(),
            Self::Text(text) => read_text(kind, text)?,
            Self::Texts(node) => node.expand(values).map_err(|error| error.to_string())?,
            Self::Whole(template) => {
                let text = template.expand(values).map_err(|error| error.to_string())?;
                read_text(kind, &text).map_err(|error| format!("the rendered template is {error}"))?
            }
        };
        // A list is always one of messages.
        let messages = match value {
            Value::Array(list) if list.len() > MAX_MESSAGES => {
                return Err(format!("contains more than {MAX_MESSAGES} messages"));
            }
            Value::Array(list) => list,
            message => return encode(kind, &message).map(|message| vec![message]).map_err(|error| error.to_string()),
        };
        let encode = |(at, message): (usize, &Value)| {
            // The only message of a list has the place of a message alone.
            let place = if messages.len() == 1 { FieldPath::root() } else { FieldPath::root().index(at) };
            encode(kind, message).map_err(|error| error.under(place).to_string())
        };
        messages.iter().enumerate().map(encode).collect()
    }
}

/// Rejects text that begins like a map or a list and is not JSON. Other text may be a message whose JSON is a string.
fn check_json(text: &str) -> Result<(), String> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Err(error) if text.trim_start().starts_with(['{', '[']) || text.trim().is_empty() => {
            Err(format!("not valid JSON: {error}"))
        }
        _ => Ok(()),
    }
}

impl Node {
    fn parse(value: &Value, random: &RandomBits, depth: usize) -> Result<Self, DataError> {
        if depth == 0 {
            return Err(DataError::new(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let text = |text: &str| match has_actions(text) {
            false => Ok(Self::Fixed(Value::String(text.to_owned()))),
            true => {
                RequestTemplate::parse(text, random).map(Self::Text).map_err(|error| DataError::new(error.to_string()))
            }
        };
        let node = match value {
            Value::String(string) => text(string)?,
            Value::Array(list) => {
                let node = |(at, item): (usize, &Value)| {
                    Self::parse(item, random, depth - 1).map_err(|error| error.under(FieldPath::root().index(at)))
                };
                Self::List(list.iter().enumerate().map(node).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let node = |(key, value): (&String, &Value)| {
                    let nodes = text(key).and_then(|name| Ok((name, Self::parse(value, random, depth - 1)?)));
                    nodes.map_err(|error| error.under(FieldPath::root().key(key)))
                };
                Self::Map(map.iter().map(node).collect::<Result<_, DataError>>()?)
            }
            other => Self::Fixed(other.clone()),
        };
        // Subtrees without actions are kept unparsed.
        let is_fixed = |node: &Self| matches!(node, Self::Fixed(_));
        Ok(match &node {
            Self::List(nodes) if nodes.iter().all(is_fixed) => Self::Fixed(value.clone()),
            Self::Map(nodes) if nodes.iter().all(|(key, node)| is_fixed(key) && is_fixed(node)) => {
                Self::Fixed(value.clone())
            }
            _ => node,
        })
    }

    fn expand(&self, values: &CallValues) -> Result<Value, DataError> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => {
                let text = template.expand(values).map_err(|error| DataError::new(error.to_string()))?;
                Value::String(text)
            }
            Self::List(nodes) => {
                let item = |(at, node): (usize, &Self)| {
                    node.expand(values).map_err(|error| error.under(FieldPath::root().index(at)))
                };
                Value::Array(nodes.iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Self::Map(nodes) => {
                let entry = |(key, node): &(Self, Self)| {
                    let key = match key.expand(values)? {
                        Value::String(key) => key,
                        other => other.to_string(),
                    };
                    let value = node.expand(values).map_err(|error| error.under(FieldPath::root().key(&key)))?;
                    Ok((key, value))
                };
                Value::Object(nodes.iter().map(entry).collect::<Result<_, DataError>>()?)
            }
        })
    }
}

/// Encodes a JSON message; an error has the path of the field.
fn encode(kind: &MessageDescriptor, message: &Value) -> Result<Bytes, DataError> {
    let form = Form::of(kind);
    let mismatch = || {
        let (found, expected) = (json_type(message), form.expected());
        DataError::new(format!("found {found}; expected {expected}, because the request is `{}`", kind.full_name()))
    };
    if form == Form::Fields && !message.is_object() {
        return Err(mismatch());
    }
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(message, &mut track);
    match DynamicMessage::deserialize(kind.clone(), tracked) {
        Ok(message) => Ok(message.encode_to_vec().into()),
        Err(error) => {
            let path = serde_path(&track.path());
            if path.is_root() && matches!(form, Form::Own(_)) && !message.is_object() {
                return Err(mismatch());
            }
            let unknown = unknown_field(kind, message, &path);
            Err(DataError { path, message: unknown.unwrap_or_else(|| error.to_string()) })
        }
    }
}

/// Type of a JSON value, for messages that do not repeat the value.
fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Returns the error about the first unknown field in the map at `path`, which lists the known ones; `None` if it has no unknown field.
fn unknown_field(kind: &MessageDescriptor, message: &Value, path: &FieldPath) -> Option<String> {
    let (mut within, mut value) = (kind.clone(), message);
    for step in path.segments() {
        match step {
            Segment::Index(index) => value = value.get(index)?,
            Segment::Key(key) => {
                let field = field(&within, key).filter(|field| !field.is_map())?;
                let Kind::Message(inner) = field.kind() else { return None };
                (within, value) = (inner, value.get(key)?);
            }
        }
    }
    if within.full_name().starts_with("google.protobuf.") {
        // Their JSON is not a map of their fields.
        return None;
    }
    let is_unknown = |name: &&String| !name.starts_with('[') && field(&within, name).is_none();
    let name = value.as_object()?.keys().find(is_unknown)?;
    let names: Vec<String> = within.fields().map(|field| field.name().to_owned()).collect();
    let mut listed = names.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_LISTED {
        listed.push_str(&format!(" and {} more", names.len() - MAX_LISTED));
    }
    let meant = did_you_mean(name, names.iter().map(String::as_str)).map(|question| format!("; {question}"));
    let message = within.full_name();
    Some(match names.is_empty() {
        true => format!("unknown field `{name}`; message `{message}` has no fields"),
        false => format!("unknown field `{name}`; message `{message}` has: {listed}{}", meant.unwrap_or_default()),
    })
}

fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.fields().find(|field| field.name() == name || field.json_name() == name)
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
