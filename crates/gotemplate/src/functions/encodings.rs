//! JSON, YAML, base64 and hashes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Function, Outcome, args, row};
use crate::context::Context;
use crate::json::{self, Style};
use crate::types::Type;
use crate::value::{Value, as_float};
use crate::yaml;

pub const FUNCTIONS: &[Function] = &[
    row("toJson", 1, 1, |context, args| to_json(context, args, false, true)),
    row("mustToJson", 1, 1, |context, args| to_json(context, args, false, true)),
    row("toPrettyJson", 1, 1, |context, args| to_json(context, args, true, true)),
    row("mustToPrettyJson", 1, 1, |context, args| to_json(context, args, true, true)),
    row("toRawJson", 1, 1, |context, args| to_json(context, args, false, false)),
    row("mustToRawJson", 1, 1, |context, args| to_json(context, args, false, false)),
    row("fromJson", 1, 1, |context, args| from_json(context, args, serde_json::Value::is_object, "a JSON object")),
    row("mustFromJson", 1, 1, |context, args| from_json(context, args, |_| true, "JSON")),
    row("fromJsonArray", 1, 1, |context, args| from_json(context, args, serde_json::Value::is_array, "a JSON list")),
    row("toYaml", 1, 1, |context, args| {
        let text = yaml::write(context, &args[0])?;
        context.string(text)
    }),
    row("fromYaml", 1, 1, |context, args| from_yaml(context, args, serde_json::Value::is_object, "a YAML map")),
    row("fromYamlArray", 1, 1, |context, args| from_yaml(context, args, serde_json::Value::is_array, "a YAML list")),
    row("b64enc", 1, 1, |context, args| context.string(STANDARD.encode(args::string(args, 0)?.as_bytes()))),
    row("b64dec", 1, 1, b64dec),
    row("sha1sum", 1, 1, |context, args| sum(context, args, &ring::digest::SHA1_FOR_LEGACY_USE_ONLY)),
    row("sha256sum", 1, 1, |context, args| sum(context, args, &ring::digest::SHA256)),
    row("sha512sum", 1, 1, |context, args| sum(context, args, &ring::digest::SHA512)),
];

fn to_json(context: &mut Context, args: &[Value], is_pretty: bool, escapes_html: bool) -> Outcome {
    let text = json::write(context, &args[0], Style { is_pretty, escapes_html })?;
    context.string(text)
}

fn checked(
    context: &mut Context,
    value: &serde_json::Value,
    is_expected: fn(&serde_json::Value) -> bool,
    expected: &str,
) -> Outcome {
    if !is_expected(value) && !value.is_null() {
        return Err(format!("expected {expected}, found {}", helm_yaml::kind(value)));
    }
    match context.read_json(value, Type::Any, as_float, &[])? {
        // `null` becomes an empty map or list, as in Go.
        Value::Nil if is_expected(&serde_json::json!({})) && expected != "JSON" => context.map(Default::default()),
        Value::Nil if expected != "JSON" => context.list(Vec::new()),
        value => Ok(value),
    }
}

fn from_json(
    context: &mut Context,
    args: &[Value],
    is_expected: fn(&serde_json::Value) -> bool,
    expected: &str,
) -> Outcome {
    let text = args::string(args, 0)?;
    context.spend(text.len() * 32)?;
    let value = serde_json::from_str(text).map_err(|error| format!("invalid JSON: {error}"))?;
    checked(context, &value, is_expected, expected)
}

fn from_yaml(
    context: &mut Context,
    args: &[Value],
    is_expected: fn(&serde_json::Value) -> bool,
    expected: &str,
) -> Outcome {
    let text = args::string(args, 0)?;
    context.spend(text.len() * 64)?;
    let value = helm_yaml::value_from_yaml(text).map_err(|error| format!("invalid YAML: {error}"))?;
    checked(context, &value, is_expected, expected)
}

fn b64dec(context: &mut Context, args: &[Value]) -> Outcome {
    let bytes = STANDARD.decode(args::string(args, 0)?.as_bytes()).map_err(|_| "invalid base64".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| "the decoded base64 is not UTF-8".to_owned())?;
    context.string(text)
}

fn sum(context: &mut Context, args: &[Value], algorithm: &'static ring::digest::Algorithm) -> Outcome {
    let text = args::string(args, 0)?;
    context.spend(text.len())?;
    let digest = ring::digest::digest(algorithm, text.as_bytes());
    context.string(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}
