//! Encodings in which a response may repeat a secret: verbatim, escaped as in JSON, percent-encoded, in base64.

use std::fmt::Write;

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Conventions of JSON writers: the optional characters that they escape.
const JSON: [fn(char) -> bool; 4] = [|_| false, is_html, |c| !c.is_ascii(), |c| is_html(c) || !c.is_ascii()];

/// Characters that percent-encoding keeps besides letters and digits: in encodings, URL components, and paths.
const PLAIN: [&[u8]; 4] = [b"-_.*", b"-_.~", b"-_.!~*'()", b"-_.~/:@!$'()*,;=&+"];

/// Variants of base64.
const BASE64: [&GeneralPurpose; 4] = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];

/// Characters that Go escapes in JSON, to make it safe in HTML.
fn is_html(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

/// Returns all distinct encodings of a secret, starting with the verbatim one.
pub fn encodings(secret: &str) -> Vec<String> {
    let mut encodings = vec![secret.to_owned()];
    let mut add = |form: String| {
        if !encodings.contains(&form) {
            encodings.push(form);
        }
    };
    for is_upper in [true, false] {
        for is_escaped in JSON {
            let text = json(secret, is_escaped, is_upper);
            add(text.replace('/', "\\/"));
            add(text);
        }
        for plain in PLAIN {
            let text = percent(secret, plain, is_upper);
            if !plain.contains(&b'+') {
                add(text.replace("%20", "+"));
            }
            add(text);
        }
    }
    for engine in BASE64 {
        for text in [vec![engine.encode(secret)], within_base64(secret, engine)].concat() {
            for is_upper in [true, false] {
                add(percent(&text, b"-_", is_upper));
            }
            add(text.replace('/', "\\/"));
            add(text);
        }
    }
    encodings
}

/// Returns what base64 makes of a secret that is a part of a text, such as `user:password`: for each of the three positions that it may
/// have in a group, the characters that do not depend on the text around it.
fn within_base64(secret: &str, engine: &GeneralPurpose) -> Vec<String> {
    let encoded = |before: usize| {
        let text = [&[0; 2][..before], secret.as_bytes()].concat();
        let (start, end) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
        engine.encode(text).get(start..end).map(str::to_owned)
    };
    (0..3).filter_map(encoded).collect()
}

fn json(text: &str, is_escaped: fn(char) -> bool, is_upper: bool) -> String {
    let mut json = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            c if c < ' ' || is_escaped(c) => {
                // Writing to a string cannot fail.
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = if is_upper { write!(json, "\\u{unit:04X}") } else { write!(json, "\\u{unit:04x}") };
                }
            }
            c => json.push(c),
        }
    }
    json
}

fn percent(text: &str, plain: &[u8], is_upper: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = if is_upper { write!(encoded, "%{byte:02X}") } else { write!(encoded, "%{byte:02x}") };
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_without_special_characters_has_one_encoding_besides_base64() {
        assert_eq!(
            encodings("hunter2"),
            [
                "hunter2",
                "aHVudGVyMg%3D%3D",
                "aHVudGVyMg%3d%3d",
                "aHVudGVyMg==",
                "aHVudGVyM",
                "h1bnRlcj",
                "odW50ZXIy",
                "aHVudGVyMg"
            ]
        );
    }

    #[test]
    fn a_secret_is_found_in_base64_at_any_position() {
        let secret = "p?~>ss\u{f6}rd\u{7f}";
        for before in ["", "u", "us", "use", "user:"] {
            for after in ["", ":", ":x", "xyz"] {
                for engine in BASE64 {
                    let text = engine.encode(format!("{before}{secret}{after}"));
                    let json = text.replace('/', "\\/");
                    for text in [&text, &json, &percent(&text, b"-_", true), &percent(&text, b"-_", false)] {
                        assert!(encodings(secret).iter().any(|form| text.contains(form)), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_encoding_decodes_to_the_secret() {
        let secret = "a\"\\/<&>\n\t\u{1}ö€𝄞 +%'~*";
        let percent = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        for form in encodings(secret) {
            let json = serde_json::from_str(&format!("\"{form}\"")).unwrap_or_default();
            let decoded = [form.clone(), json, percent(&form), percent(&form.replace('+', "%20"))];
            let is_base64 = form.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-%\\".contains(&byte));
            assert!(is_base64 || decoded.iter().any(|text| text == secret), "{form}");
        }
    }
}
