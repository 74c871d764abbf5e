//! Pieces of a secret: what a template takes out of it, such as a field of JSON or the password after `user:`.

use serde_json::Value;

/// Minimum length of a piece, in bytes. Shorter ones are words such as `user`.
const SHORTEST: usize = 8;

/// Maximum number of pieces.
const MAX: usize = 100;

/// Returns a secret and its pieces.
pub(crate) fn pieces(secret: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    match serde_json::from_str::<Value>(secret) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => strings(&value, &mut pieces),
        _ => pieces.extend(secret.split(|c: char| c.is_whitespace() || ":;,=|".contains(c)).map(str::to_owned)),
    }
    pieces.retain(|piece| piece.len() >= SHORTEST);
    pieces.truncate(MAX);
    pieces.push(secret.to_owned());
    pieces
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|value| strings(value, found)),
        Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        Value::String(text) => found.push(text.clone()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_parts_of_a_secret_are_secret() {
        assert_eq!(pieces(r#"{"user": "u", "pw": "hunter-two"}"#)[0], "hunter-two");
        assert_eq!(pieces("admin:hunter-two"), ["hunter-two", "admin:hunter-two"]);
        assert_eq!(pieces("hunter-two"), ["hunter-two", "hunter-two"]);
    }
}
