//! serde's messages about types, in the words of this program: users know lists and maps, not sequences and structs.

use super::text::prefix;

/// Longest value that a message repeats, in characters.
const MAX_VALUE: usize = 80;

/// Rewrites "invalid type: X, expected Y" and its siblings; other messages stay as they are.
pub(crate) fn in_plain_words(message: &str) -> String {
    let kinds = ["invalid type: ", "invalid value: "];
    let rest = kinds.iter().find_map(|kind| message.strip_prefix(kind));
    // The value may contain anything; the expectation is serde's.
    match rest.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((value, expected)) => format!("{}; expected {}", found(value), wanted(expected)),
        None => message.to_owned(),
    }
}

/// Rewrites an expectation: `struct TaskSpec`, `a sequence`, `usize`.
pub(crate) fn wanted(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a non-negative integer",
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        "unit" => "nothing",
        text if text.starts_with("struct ") => "a map",
        text if text.starts_with("tuple ") || text.starts_with("a tuple ") || text.starts_with("an array ") => "a list",
        text => text,
    }
}

/// Rewrites what serde found: its kind and, for scalars, its value.
fn found(value: &str) -> String {
    let value_of = |kind: &str, open: char| value.strip_prefix(kind)?.strip_prefix(open)?.strip_suffix(open);
    let scalars = [
        ("string ", '"', "a string"),
        ("integer ", '`', "an integer"),
        ("floating point ", '`', "a number"),
        ("boolean ", '`', "a boolean"),
    ];
    if let Some((text, kind)) = scalars.iter().find_map(|(kind, open, name)| Some((value_of(kind, *open)?, name))) {
        let start = prefix(text, MAX_VALUE);
        return format!("`{start}{}` is {kind}", if start.len() < text.len() { "…" } else { "" });
    }
    match value {
        "sequence" => "is a list".to_owned(),
        "map" => "is a map".to_owned(),
        "null" | "unit value" => "is empty".to_owned(),
        other => format!("is {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Map {
        #[allow(dead_code)]
        a: u8,
    }

    fn error<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
        in_plain_words(&serde_json::from_value::<T>(value).unwrap_err().to_string())
    }

    #[test]
    fn types_have_plain_names() {
        assert_eq!(error::<String>(json!(1)), "`1` is an integer; expected a string");
        assert_eq!(error::<String>(json!(1.5)), "`1.5` is a number; expected a string");
        assert_eq!(error::<String>(json!([1])), "is a list; expected a string");
        assert_eq!(error::<Vec<u8>>(json!("x, expected y")), "`x, expected y` is a string; expected a list");
        assert_eq!(error::<Map>(json!(true)), "`true` is a boolean; expected a map");
        assert_eq!(error::<u64>(json!(-1)), "`-1` is an integer; expected a non-negative integer");
        assert_eq!(error::<i32>(json!({})), "is a map; expected an integer");
        assert_eq!(error::<f64>(json!(null)), "is empty; expected a number");
        assert_eq!(error::<Map>(json!({})), "missing field `a`");
        let long = error::<bool>(json!("x".repeat(200)));
        assert_eq!(long, format!("`{}…` is a string; expected a boolean", "x".repeat(80)));
    }
}
