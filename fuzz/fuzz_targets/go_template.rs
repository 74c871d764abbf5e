//! Renders arbitrary templates with arbitrary values: every rendering ends within its bounds, and depends on its input only.
#![no_main]

use chrono::DateTime;
use gotemplate::{GoTemplate, MissingKey, Options, bounds};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|input: (u8, &str, &str)| {
    let (missing_key, text, values) = input;
    let missing_key = match missing_key % 3 {
        0 => MissingKey::Nil,
        1 => MissingKey::Error,
        _ => MissingKey::Zero,
    };
    let options = Options { missing_key, ..Options::default() };
    let Ok(template) = GoTemplate::with_options(text, options) else { return };
    let values: Value = serde_json::from_str(values)
        .unwrap_or_else(|_| json!({"a": {"b": 1}, "list": [1, "two", 3.5, null], "text": values}));
    let rendered = template.render(&values, DateTime::UNIX_EPOCH);
    if let Ok(output) = &rendered {
        assert!(output.len() <= bounds::MAX_OUTPUT);
    }
    assert_eq!(template.render(&values, DateTime::UNIX_EPOCH), rendered);
});
