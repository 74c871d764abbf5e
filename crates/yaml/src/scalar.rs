//! Typing rules for YAML 1.1 scalars, as in the Go library of Helm and Kubernetes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A typed scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond `i64`.
    Unsigned(u64),
    /// Any other number, also infinite or NaN.
    Float(f64),
    Text(String),
}

/// The type requested by an explicit tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedType {
    /// No tag.
    Anything,
    /// `!!bool`
    Bool,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!null`
    Null,
    /// `!!binary`
    Binary,
    /// `!!str`, and unknown tags.
    Text,
}

impl RequestedType {
    /// Returns the type for the name after `!!`.
    pub fn of_core_tag(name: &str) -> Self {
        match name {
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "null" => Self::Null,
            "binary" => Self::Binary,
            _ => Self::Text,
        }
    }
}

/// Resolves a scalar; the error is a fragment without position.
pub fn resolve(text: &str, requested: RequestedType) -> Result<Scalar, String> {
    let scalar = match requested {
        RequestedType::Text => return Ok(Scalar::Text(text.to_owned())),
        RequestedType::Binary => return decode(text),
        _ => plain(text),
    };
    let name = match (requested, &scalar) {
        (RequestedType::Float, Scalar::Int(n)) => return Ok(Scalar::Float(*n as f64)),
        (RequestedType::Anything, _)
        | (RequestedType::Bool, Scalar::Bool(_))
        | (RequestedType::Int, Scalar::Int(_) | Scalar::Unsigned(_))
        | (RequestedType::Float, Scalar::Float(_))
        | (RequestedType::Null, Scalar::Null) => return Ok(scalar),
        (RequestedType::Bool, _) => "bool",
        (RequestedType::Int, _) => "int",
        (RequestedType::Float, _) => "float",
        (RequestedType::Null | RequestedType::Binary | RequestedType::Text, _) => "null",
    };
    Err(format!("`{text}` is not a `!!{name}`"))
}

/// Resolves a scalar without quotes and tag.
fn plain(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => number(text).unwrap_or_else(|| Scalar::Text(text.to_owned())),
    }
}

/// Parses a number: `12`, `012`, `0o12`, `0x1F`, `0b1`, `1_000`, `1e3`, `.5`. As in Go, there is no base 60.
fn number(text: &str) -> Option<Scalar> {
    match text.bytes().next()? {
        // After a leading dot, Go's number parser requires a digit on both sides of an underscore.
        b'.' => return between_digits(text).then(|| decimal(&text.replace('_', ""))).flatten(),
        b'0'..=b'9' | b'+' | b'-' => {}
        _ => return None,
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| decimal(&digits)).or_else(|| {
        // Go's library parses `0b` twice, and accepts a sign behind it.
        let signed = digits.strip_prefix("0b").and_then(|rest| i64::from_str_radix(rest, 2).ok());
        signed.map(Scalar::Int)
    })
}

/// Parses an integer with a sign and a base prefix; a leading `0` means base 8.
fn integer(text: &str) -> Option<Scalar> {
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("+", &text[1..]),
        _ => ("", text),
    };
    let (base, digits) = match rest.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &rest[2..]),
        [b'0', b'o' | b'O', ..] => (8, &rest[2..]),
        [b'0', b'b' | b'B', ..] => (2, &rest[2..]),
        [b'0', _, ..] => (8, &rest[1..]),
        _ => (10, rest),
    };
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let signed = i64::from_str_radix(&format!("{sign}{digits}"), base).map(Scalar::Int);
    match (signed, sign) {
        (Ok(scalar), _) => Some(scalar),
        (Err(_), "") => u64::from_str_radix(digits, base).map(Scalar::Unsigned).ok(),
        (Err(_), _) => None,
    }
}

/// Returns true if each underscore is between two digits.
fn between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    (0..bytes.len()).all(|i| bytes[i] != b'_' || (i > 0 && is_digit(bytes.get(i - 1)) && is_digit(bytes.get(i + 1))))
}

/// Parses a finite decimal fraction.
fn decimal(text: &str) -> Option<Scalar> {
    let is_decimal = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let float: f64 = if is_decimal { text.parse().ok()? } else { return None };
    float.is_finite().then_some(Scalar::Float(float))
}

/// Decodes base64 to a string. Bytes that are not UTF-8 are replaced, as JSON has only strings.
fn decode(text: &str) -> Result<Scalar, String> {
    let packed: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    match STANDARD.decode(packed) {
        Ok(bytes) => Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned())),
        Err(_) => Err("the value of a `!!binary` must be base64".to_owned()),
    }
}

impl Scalar {
    /// Converts the scalar to a JSON value; the error is a fragment without position.
    pub fn into_value(self) -> Result<Value, String> {
        match self {
            Self::Null => Ok(Value::Null),
            Self::Bool(bool) => Ok(Value::Bool(bool)),
            Self::Int(n) => Ok(n.into()),
            Self::Unsigned(n) => Ok(n.into()),
            Self::Float(n) => super::number(n).map(Value::Number).ok_or_else(|| {
                let name = if n.is_nan() { ".nan" } else { ".inf" };
                format!("`{name}` is not a finite number; quote it to use it as a string")
            }),
            Self::Text(text) => Ok(Value::String(text)),
        }
    }

    /// Converts the scalar to a key; the error is a fragment without position.
    pub fn into_key(self) -> Result<String, String> {
        match self {
            Self::Null => Err("a key cannot be null; quote `null` or `~` to use it as a string".to_owned()),
            Self::Bool(bool) => Ok(bool.to_string()),
            Self::Int(n) => Ok(n.to_string()),
            Self::Unsigned(n) => Ok(n.to_string()),
            Self::Float(n) => Ok(float_key(n)),
            Self::Text(text) => Ok(text),
        }
    }
}

/// Formats a float as a key, like Go's `%g` in single precision.
fn float_key(float: f64) -> String {
    // Helm's library rounds keys to 32 bits.
    let single = float as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        format!("{single}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}
