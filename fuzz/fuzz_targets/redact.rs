//! Redacts arbitrary strings, URLs and values: a known secret never survives.
#![no_main]

use iter8::redact::{REDACTED, RequestSecrets, redact, redact_form, redact_text, redact_url, redact_webhook};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Secrets that a replacement cannot bring back by joining its neighbours.
fn is_distinct(secret: &str) -> bool {
    secret.len() >= 6 && !secret.contains(['[', ']']) && !REDACTED.contains(secret)
}

fuzz_target!(|input: (&str, &str, &str)| {
    let (text, secret, name) = input;
    redact_url(text);
    redact_webhook(text);
    redact_form(text);
    let _ = redact_text(text);
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        redact(&value);
    }
    if !is_distinct(secret) {
        return;
    }
    // By value, in whatever a server responds.
    let body = json!({"password": secret}).to_string();
    let secrets = RequestSecrets::of("http://localhost/", &[]).with_body(body.as_bytes());
    let response = format!("{text}{secret}{text}");
    assert!(!secrets.redact(&response).contains(secret));
    let bytes = secrets.redact_bytes(response.as_bytes());
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    // By name, in values.
    let spec = json!([{"task": "http", "with": {name: {"headers": {"Authorization": secret}}, "password": secret}}]);
    let redacted = redact(&spec);
    assert_ne!(redacted[0]["with"]["password"], json!(secret));
    assert_ne!(redacted[0]["with"][name]["headers"]["Authorization"], json!(secret));
});
