//! JSON, YAML, TOML, base64, base32 and hashes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Function, Outcome, args, row};
use crate::context::Context;
use crate::json::{self, Style};
use crate::toml;
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
    row("toToml", 1, 1, |context, args| {
        let text = toml::write(context, &args[0])?;
        context.string(text)
    }),
    row("fromToml", 1, 1, |context, args| {
        let text = args::string(args, 0)?;
        context.spend(text.len() * 32)?;
        toml::read(context, text)
    }),
    row("b64enc", 1, 1, |context, args| context.string(STANDARD.encode(args::string(args, 0)?.as_bytes()))),
    row("b64dec", 1, 1, b64dec),
    row("b32enc", 1, 1, |context, args| {
        context.spend(args::string(args, 0)?.len())?;
        context.string(base32(args::string(args, 0)?.as_bytes()))
    }),
    row("b32dec", 1, 1, b32dec),
    row("adler32sum", 1, 1, |context, args| {
        let text = args::string(args, 0)?;
        context.spend(text.len())?;
        context.string(adler32(text.as_bytes()).to_string())
    }),
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

/// Alphabet of base32 in RFC 4648.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks(5) {
        let bits = (0..5).fold(0_u64, |bits, at| bits << 8 | u64::from(group.get(at).copied().unwrap_or(0)));
        let used = (group.len() * 8).div_ceil(5);
        for digit in 0..8 {
            let value = (bits >> (35 - 5 * digit)) as usize & 31;
            text.push(if digit < used { char::from(BASE32[value]) } else { '=' });
        }
    }
    text
}

fn b32dec(context: &mut Context, args: &[Value]) -> Outcome {
    let text = args::string(args, 0)?;
    context.spend(text.len() * 32)?;
    let invalid = || "invalid base32".to_owned();
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = BASE32.iter().position(|known| *known == digit).ok_or_else(invalid)?;
        bits = (bits << 5 | value as u32) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    // The padding has to fit, too.
    if base32(&bytes).len() != text.len() {
        return Err(invalid());
    }
    context.string(String::from_utf8(bytes).map_err(|_| "the decoded base32 is not UTF-8".to_owned())?)
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65521;
        (low, (high + low) % 65521)
    });
    high << 16 | low
}

fn sum(context: &mut Context, args: &[Value], algorithm: &'static ring::digest::Algorithm) -> Outcome {
    let text = args::string(args, 0)?;
    context.spend(text.len())?;
    let digest = ring::digest::digest(algorithm, text.as_bytes());
    context.string(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}
