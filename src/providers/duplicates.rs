//! Keys that an object of a JSON document has twice. Parsers take either of the values, so such a document has no meaning.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Returns the first key that one of the objects in a document has twice; `None` also if the document is not JSON.
pub(super) fn duplicate_key(document: &[u8]) -> Option<String> {
    let found = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    // The error itself does not matter: it is that of the key, or of the syntax.
    let _ = Unique(&found).deserialize(&mut deserializer);
    found.take()
}

/// Reads a value, and ends at the first duplicate key.
#[derive(Clone, Copy)]
struct Unique<'a>(&'a Cell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys: HashSet<String> = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                self.0.set(Some(key));
                return Err(A::Error::custom("duplicate key"));
            }
            keys.insert(key);
            map.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_an_object_has_twice_is_found() {
        for (document, expected) in [
            (r#"{"v":9,"v":0}"#, Some("v")),
            (r#"{"data":{"result":[{"value":[1,"9"],"value":[1,"0"]}]}}"#, Some("value")),
            (r#"{"a":1.5,"\u0061":true}"#, Some("a")),
            (r#"[{"a":-1},{"a":null}]"#, None),
            (r#"{"a":{"a":{"a":"a"}},"A":1}"#, None),
            ("<html>", None),
            (r#"{"a":"#, None),
            ("", None),
        ] {
            assert_eq!(duplicate_key(document.as_bytes()).as_deref(), expected, "{document}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(duplicate_key(deep.as_bytes()), None);
    }
}
