//! Encodings in which a response may repeat a secret: verbatim, escaped as in JSON, percent-encoded.

use std::fmt::Write;

/// Conventions of JSON writers: the optional characters that they escape.
const JSON: [fn(char) -> bool; 4] = [|_| false, is_html, |c| !c.is_ascii(), |c| is_html(c) || !c.is_ascii()];

/// Characters that percent-encoding keeps besides letters and digits: in encodings, URL components, and paths.
const PLAIN: [&[u8]; 4] = [b"-_.*", b"-_.~", b"-_.!~*'()", b"-_.~/:@!$'()*,;=&+"];

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
    encodings
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
    fn a_secret_without_special_characters_has_one_encoding() {
        assert_eq!(encodings("eyJhbGciOi.J9_x-1"), ["eyJhbGciOi.J9_x-1"]);
    }

    #[test]
    fn each_encoding_decodes_to_the_secret() {
        let secret = "a\"\\/<&>\n\t\u{1}ö€𝄞 +%'~*";
        let percent = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        for form in encodings(secret) {
            let json = serde_json::from_str(&format!("\"{form}\"")).unwrap_or_default();
            let decoded = [form.clone(), json, percent(&form), percent(&form.replace('+', "%20"))];
            assert!(decoded.iter().any(|text| text == secret), "{form}");
        }
    }
}
