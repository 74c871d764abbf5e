//! Pieces of a secret: what a template takes out of it, such as a field of JSON or the password after `user:`.

use serde_json::Value;

use super::names::is_secret;

/// Minimum length of a piece, in bytes. Shorter ones are words such as `user`.
const SHORTEST: usize = 6;

/// Maximum number of pieces.
const MAX: usize = 100;

/// Returns a secret and its pieces.
pub(crate) fn pieces(secret: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    match serde_json::from_str::<Value>(secret) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => {
            // Names say which fields are secret, unless none does.
            fields(&value, false, &mut pieces);
            if pieces.is_empty() {
                fields(&value, true, &mut pieces);
            }
        }
        _ => pieces.extend(secret.split(|c: char| c.is_whitespace() || ":;,=|".contains(c)).map(str::to_owned)),
    }
    pieces.retain(|piece| piece.len() >= SHORTEST);
    pieces.truncate(MAX);
    pieces.push(secret.to_owned());
    pieces
}

/// Collects strings and numbers: all of them, or those with secret names.
fn fields(value: &Value, is_wanted: bool, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| fields(value, is_wanted || is_secret(name), found));
        }
        Value::Array(list) => list.iter().for_each(|value| fields(value, is_wanted, found)),
        Value::String(text) if is_wanted => found.push(text.clone()),
        Value::Number(number) if is_wanted => found.push(number.to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_parts_of_a_secret_are_secret() {
        assert_eq!(pieces(r#"{"user": "u", "pw": "hunter-two"}"#)[0], "hunter-two");
        let account = r#"{"type": "service_account", "project_id": "project-1", "private_key": "hunter-two"}"#;
        assert_eq!(pieces(account), ["hunter-two", account]);
        assert_eq!(pieces("admin:hunter-two"), ["hunter-two", "admin:hunter-two"]);
        assert_eq!(pieces("hunter-two"), ["hunter-two", "hunter-two"]);
    }
}
