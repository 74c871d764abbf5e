//! Deserializes structs from maps only.
//!
//! Derived implementations also accept lists, by position: `ready: [x]` would set the field that is declared first.

use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// A value to read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strict<'de>(pub(crate) &'de Value);

impl<'de> IntoDeserializer<'de, Error> for Strict<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(list) => {
                let mut items = SeqDeserializer::new(list.iter().map(Self));
                let read = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(read)
            }
            Value::Object(map) => {
                let mut entries = MapDeserializer::new(map.iter().map(|(key, value)| (Key(key), Self(value))));
                let read = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(read)
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A key of a map. Keys are strings; nothing reads them as numbers.
struct Key<'de>(&'de str);

impl<'de> IntoDeserializer<'de, Error> for Key<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Load {
        url: Option<String>,
        headers: BTreeMap<Name, String>,
        rates: Vec<f64>,
        targets: BTreeMap<String, Load>,
        at: Option<(u8, u8)>,
        kind: Kind,
    }

    #[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Name(String);

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        #[default]
        Plain,
        Of(u8),
    }

    fn read(value: &Value) -> Result<Load, String> {
        Load::deserialize(Strict(value)).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_read_as_serde_json_reads_them() {
        for value in [
            json!({"url": "x", "rates": [1, 2.5], "targets": {"a": {"url": null, "kind": {"of": 3}}}, "at": [1, 2]}),
            json!({"kind": "plain", "targets": {"a": {}}, "headers": {"Accept": "x"}}),
            json!({"url": 5}),
            json!({"rates": ["x"]}),
            json!({"kind": "other"}),
            json!("text"),
            json!(null),
        ] {
            let expected = Load::deserialize(&value).map_err(|error| error.to_string());
            assert_eq!(read(&value), expected, "{value}");
        }
        assert!(read(&json!({"at": [1, 2, 3]})).is_err(), "an item too many");
    }

    #[test]
    fn a_list_is_no_struct() {
        let message = "invalid type: sequence, expected struct Load";
        for value in [json!([]), json!(["x"]), json!({"targets": {"a": ["x"]}})] {
            assert_eq!(read(&value), Err(message.to_owned()), "{value}");
        }
    }
}
