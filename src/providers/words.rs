//! Finds the provider's own words in an error response, whatever its form.

use serde_json::Value;

use super::keys::{find, is_filled};

/// Keys of messages, the most telling first.
const KEYS: [&str; 18] = [
    "message",
    "msg",
    "errormessage",
    "errormsg",
    "errmsg",
    "errordescription",
    "faultstring",
    "detail",
    "details",
    "reason",
    "title",
    "error",
    "errors",
    "rootcause",
    "failures",
    "fault",
    "exception",
    "status",
];

/// Maximum messages of a list.
const MAX_MESSAGES: usize = 3;

/// Maximum nesting that is searched.
const MAX_DEPTH: usize = 6;

/// Returns the messages in a JSON value; `None` if there are none.
///
/// Knows the forms of Google (`{"error": {"message": …}}`, also in a list), Azure, AWS, Datadog (`{"errors": ["…"]}`), GraphQL and New
/// Relic (`{"errors": [{"message": …}]}`), Elasticsearch (`{"error": {"root_cause": [{"reason": …}]}}`), and RFC 9457 (`detail`, `title`).
pub(super) fn words(value: &Value) -> Option<String> {
    at_depth(value, 0)
}

fn at_depth(value: &Value, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return None;
    }
    match value {
        Value::String(text) => Some(one_line(text)).filter(|text| !text.is_empty()),
        Value::Array(list) => {
            let mut texts: Vec<String> = list.iter().filter_map(|entry| at_depth(entry, depth + 1)).collect();
            texts.dedup();
            texts.truncate(MAX_MESSAGES);
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        Value::Object(map) => {
            let of_key = |key: &str| at_depth(find(map, key)?, depth + 1);
            KEYS.into_iter().find_map(of_key)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Returns the provider's words, or all of a value without any.
pub(super) fn quoted(value: &Value) -> String {
    words(value).unwrap_or_else(|| value.to_string())
}

/// Returns the texts of warnings, which are a text, a list of texts or objects, or a map of them.
pub(super) fn warnings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter(|entry| is_filled(entry) || entry.is_number()).map(quoted).collect(),
        Value::Object(map) => match words(value) {
            Some(text) => vec![text],
            None if map.values().any(is_filled) => map
                .iter()
                .filter(|(_, entry)| is_filled(entry))
                .map(|(key, entry)| format!("{key}: {}", quoted(entry)))
                .collect(),
            None if map.values().any(|entry| entry.as_f64().is_some_and(|number| number != 0.0)) => {
                vec![value.to_string()]
            }
            None => Vec::new(),
        },
        Value::String(text) => Some(one_line(text)).filter(|text| !text.is_empty()).into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Joins the lines of a text.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_is_quoted() {
        for (body, expected) in [
            (
                r#"{"error":{"code":403,"message":"Permission\n denied.","status":"PERMISSION_DENIED"}}"#,
                "Permission denied.",
            ),
            (r#"[{"error":{"code":400,"message":"bad filter"}}]"#, "bad filter"),
            (r#"{"error":{"code":"InsufficientAccessError","message":"no access","innererror":{}}}"#, "no access"),
            (r#"{"__type":"AccessDenied","Message":"not authorized"}"#, "not authorized"),
            (r#"{"errors":["Forbidden","Missing scope"]}"#, "Forbidden; Missing scope"),
            (r#"{"errors":[{"title":"Bad Request","detail":"unknown metric"}]}"#, "unknown metric"),
            (r#"{"data":null,"errors":[{"message":"NRQL syntax error"}]}"#, "NRQL syntax error"),
            (
                r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [x]"}],"type":"x","reason":"no such index [x]"},"status":404}"#,
                "no such index [x]",
            ),
            (r#"{"error":"invalid_client","error_description":"unknown client"}"#, "unknown client"),
            (r#"{"type":"about:blank","title":"Not Found","status":404}"#, "Not Found"),
            (r#"{"error":{"error":{"message":"inner"}}}"#, "inner"),
        ] {
            let value: Value = serde_json::from_str(body).unwrap();
            assert_eq!(words(&value).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn warnings_of_every_form_are_kept() {
        for (value, expected) in [
            (r#""partial\n response""#, &["partial response"][..]),
            (r#"["a","b",""]"#, &["a", "b"]),
            (r#"[{"message":"a"},{"code":5}]"#, &["a", r#"{"code":5}"#]),
            (r#"{"store1":"timeout","store2":{"message":"down"}}"#, &["store1: timeout", "store2: down"]),
            (r#"{"message":"a"}"#, &["a"]),
            (r#"{"code":1}"#, &[r#"{"code":1}"#]),
            (r#"{"count":0}"#, &[]),
            ("null", &[]),
            ("[]", &[]),
            ("{}", &[]),
            ("3", &[]),
        ] {
            assert_eq!(warnings(&serde_json::from_str(value).unwrap()), expected, "{value}");
        }
    }

    #[test]
    fn a_body_without_words_has_none() {
        for body in ["{}", "[]", "5", r#"{"error":{"code":5}}"#, r#"{"message":""}"#, r#"{"data":{"message":"x"}}"#] {
            assert_eq!(words(&serde_json::from_str(body).unwrap()), None, "{body}");
        }
        let deep = format!("{}\"x\"{}", "[".repeat(50), "]".repeat(50));
        assert_eq!(words(&serde_json::from_str(&deep).unwrap()), None);
    }
}
