//! Finding all mistakes of an input with readers that stop at the first one.
//!
//! A reader is called again without the field that it rejected, until it accepts the rest. Removing a field may make the reader reject
//! others that were right, so a further mistake counts only if it cannot be a consequence: it is not around or inside a removed field,
//! and it concerns that field alone (its name or type), or another part of the input than the removed ones.

use serde_json::Value;

use super::input::InputError;
use crate::model::path::{FieldPath, Segment};

/// Maximum fields that are removed from one value.
const MAX_ROUNDS: usize = 50;

/// Mistakes of an input.
#[derive(Debug)]
pub(crate) struct Rejected<T> {
    /// At least one; paths start at the input.
    pub(crate) mistakes: Vec<InputError>,
    /// Result of reading the input without the rejected fields, if that succeeds.
    pub(crate) rest: Option<T>,
}

/// Reads `value`, and collects its mistakes.
pub(crate) fn read_all<T>(
    value: &Value,
    read: impl Fn(&Value) -> Result<T, Vec<InputError>>,
) -> Result<T, Rejected<T>> {
    let mut mistakes = match read(value) {
        Ok(read) => return Ok(read),
        Err(errors) => errors,
    };
    let (mut rest, mut accepted) = (value.clone(), None);
    let mut rejected: Vec<FieldPath> = mistakes.iter().map(|mistake| mistake.path.clone()).collect();
    let mut removed = 0;
    // Without progress, the reader would fail the same way.
    while removed < rejected.len().min(MAX_ROUNDS) && rejected[removed..].iter().all(|path| remove(&mut rest, path)) {
        removed = rejected.len();
        let further = match read(&rest) {
            Ok(read) => {
                accepted = Some(read);
                break;
            }
            Err(further) => further,
        };
        for error in further {
            let is_apart = rejected.iter().all(|path| are_apart(&error.path, path));
            rejected.push(error.path.clone());
            if is_apart && is_independent(&error, &mistakes) {
                mistakes.push(error);
            }
        }
    }
    Err(Rejected { mistakes, rest: accepted })
}

fn are_apart(a: &FieldPath, b: &FieldPath) -> bool {
    !a.is_within(b) && !b.is_within(a)
}

/// Returns true if the error concerns its field alone, or another part of the input than the mistakes.
fn is_independent(error: &InputError, mistakes: &[InputError]) -> bool {
    let parent = error.path.parent();
    error.is_mistyped || mistakes.iter().all(|mistake| are_apart(&parent, &mistake.path.parent()))
}

/// Removes an entry of a map. Items of lists stay, because the indices of the others would change.
fn remove(value: &mut Value, path: &FieldPath) -> bool {
    let Some((Segment::Key(key), parents)) = path.segments().split_last() else { return false };
    let parent = parents.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(index),
    });
    parent.and_then(Value::as_object_mut).is_some_and(|map| map.remove(key).is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::values::input::typed;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Load {
        #[serde(default)]
        rate: Option<f64>,
        #[serde(default)]
        random: bool,
        #[serde(default)]
        targets: BTreeMap<String, Target>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Target {
        url: String,
    }

    fn read(value: &Value) -> Result<(), Vec<InputError>> {
        let load: Load = typed(value, "").map_err(|error| vec![error])?;
        for (name, target) in &load.targets {
            if target.url.is_empty() {
                let path = FieldPath::from("targets").key(name).key("url");
                return Err(vec![InputError::new(path, "is empty")]);
            }
        }
        match load.rate {
            None if load.random => Err(vec![InputError::new("random", "needs a rate")]),
            _ => Ok(()),
        }
    }

    fn mistakes(value: Value) -> Vec<String> {
        let rejected = read_all(&value, read).err();
        rejected.into_iter().flat_map(|rejected| rejected.mistakes).map(|error| error.to_string()).collect()
    }

    #[test]
    fn independent_mistakes_are_found_together() {
        let value = json!({"rat": 1, "rate": "x", "targets": {"a": {"url": 1}, "b.c": {"uri": "x", "url": ""}}});
        let mistakes = mistakes(value);
        let paths: Vec<_> = mistakes.iter().map(|mistake| mistake.split(": ").next().unwrap()).collect();
        assert_eq!(paths, ["rat", "rate", "targets.a.url", "targets.b.c.uri"], "{mistakes:?}");
    }

    #[test]
    fn consequences_of_a_mistake_are_not_reported() {
        // Without its rate, `random` would be wrong.
        assert_eq!(mistakes(json!({"rate": "x", "random": true})).len(), 1);
        // The missing field is the misspelled one.
        assert_eq!(mistakes(json!({"targets": {"a": {"uri": "x"}}})).len(), 1);
    }

    #[test]
    fn the_rest_of_an_input_with_mistakes_is_read() {
        let reader = |value: &Value| typed::<Load>(value, "").map_err(|error| vec![error]);
        let rejected = read_all(&json!({"rat": 1, "rate": "x", "random": true}), reader).err().unwrap();
        assert!(rejected.rest.is_some_and(|rest| rest.random && rest.rate.is_none()));
        assert!(read_all(&json!("text"), reader).err().unwrap().rest.is_none(), "nothing is left");
    }

    #[test]
    fn mistakes_of_several_entries_are_found() {
        let value = json!({"targets": {"a": {"url": ""}, "b": {"url": ""}, "c": {"url": "x"}}});
        assert_eq!(mistakes(value), ["targets.a.url: is empty", "targets.b.url: is empty"]);
        assert_eq!(mistakes(json!({"rate": 1, "targets": {}})), Vec::<String>::new());
    }
}
