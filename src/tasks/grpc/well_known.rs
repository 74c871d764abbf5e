//! Well-known types whose JSON is not a map of their fields.

use prost_reflect::MessageDescriptor;
use serde_json::Value;

/// Well-known types of `google.protobuf`, and their JSON.
const FORMS: [(&str, &str); 16] = [
    ("Any", "a map with `@type`"),
    ("BoolValue", "true or false"),
    ("BytesValue", "a base64 string"),
    ("DoubleValue", "a number"),
    ("Duration", "a string such as `1.5s`"),
    ("Empty", "an empty map"),
    ("FieldMask", "a string of names, such as `a,b.c`"),
    ("FloatValue", "a number"),
    ("Int32Value", "an integer"),
    ("Int64Value", "an integer"),
    ("ListValue", "a list within the list of messages: `[[…]]`"),
    ("StringValue", "a string"),
    ("Struct", "a map"),
    ("Timestamp", "a string such as `2030-01-02T03:04:05Z`"),
    ("UInt32Value", "a non-negative integer"),
    ("UInt64Value", "a non-negative integer"),
];

/// JSON of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A map of its fields.
    Fields,
    /// The JSON that these words describe.
    Own(&'static str),
    /// Any JSON.
    Any,
}

impl Form {
    /// Returns the form of a message type.
    pub(super) fn of(kind: &MessageDescriptor) -> Self {
        match kind.full_name().strip_prefix("google.protobuf.") {
            Some("Value") => Self::Any,
            Some(name) => {
                FORMS.iter().find(|(known, _)| *known == name).map_or(Self::Fields, |(_, words)| Self::Own(words))
            }
            None => Self::Fields,
        }
    }

    /// Describes the expected JSON.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Fields => "a map",
            Self::Own(words) => words,
            Self::Any => "JSON",
        }
    }
}

/// Reads the messages from a text, which is JSON, or the string of a message whose JSON is a string.
pub(super) fn read_text(kind: &MessageDescriptor, text: &str) -> Result<Value, String> {
    let is_string = ["google.protobuf.StringValue", "google.protobuf.BytesValue"].contains(&kind.full_name());
    match serde_json::from_str(text) {
        Ok(value @ (Value::String(_) | Value::Array(_))) => Ok(value),
        // `data: "12"`.
        Ok(_) if is_string => Ok(Value::String(text.to_owned())),
        Ok(value) => Ok(value),
        Err(_) if Form::of(kind) != Form::Fields => Ok(Value::String(text.to_owned())),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}
