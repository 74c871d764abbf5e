//! Encodings in which a response may repeat a secret: verbatim, escaped as in JSON or HTML, percent-encoded, in base64, in hexadecimal.

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Conventions of JSON writers: the optional characters that they escape.
const JSON: [fn(char) -> bool; 6] = [
    |_| false,
    is_html,
    |c| !c.is_ascii(),
    |c| is_html(c) || !c.is_ascii(),
    // PHP, and .NET.
    |c| is_html(c) || matches!(c, '\'' | '"') || !c.is_ascii(),
    |c| is_html(c) || matches!(c, '\'' | '"' | '+' | '`') || !c.is_ascii(),
];

/// Characters that percent-encoding keeps besides letters and digits: in encodings, URL components, and paths.
const PLAIN: [&[u8]; 4] = [b"-_.*", b"-_.~", b"-_.!~*'()", b"-_.~/:@!$'()*,;=&+"];

/// Variants of base64.
const BASE64: [&GeneralPurpose; 4] = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];

/// Conventions of HTML writers, for quotes and other characters; all escape `&`, `<` and `>`.
const HTML: [&[(char, &str)]; 9] = [
    &[],
    // Python, Jinja, Go's `html`, XML, PHP.
    &[('"', "&quot;")],
    &[('"', "&quot;"), ('\'', "&#x27;")],
    &[('"', "&quot;"), ('\'', "&#39;")],
    &[('"', "&#34;"), ('\'', "&#39;")],
    &[('"', "&quot;"), ('\'', "&apos;")],
    &[('"', "&quot;"), ('\'', "&#039;")],
    // Go's `html/template`, Handlebars.
    &[('"', "&#34;"), ('\'', "&#39;"), ('+', "&#43;")],
    &[('"', "&quot;"), ('\'', "&#x27;"), ('`', "&#x60;"), ('=', "&#x3D;"), ('/', "&#x2F;")],
];

/// Separators of the bytes in hexadecimal dumps.
const HEX: [(&str, &str); 4] = [("", ""), ("", ":"), ("", " "), ("\\x", "")];

/// Characters that Go escapes in JSON, to make it safe in HTML.
fn is_html(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

/// Returns all distinct encodings of a secret, starting with the verbatim one.
pub fn encodings(secret: &str) -> Vec<String> {
    let mut encodings = Distinct::default();
    let escaped = escaped(secret);
    // JSON within JSON, or within a URL or a page.
    let twice: Vec<String> = json_forms(secret).iter().flat_map(|text| self::escaped(text)).collect();
    encodings.extend(escaped);
    encodings.extend(twice);
    for text in unbroken(secret) {
        encodings.extend(escaped_base64(&text));
        encodings.extend([text]);
    }
    for is_upper in [true, false] {
        encodings.extend(HEX.map(|(before, between)| hex(secret, before, between, is_upper)));
    }
    encodings.list
}

/// Returns the encodings that programs may break into lines: base64 and hexadecimal digits.
pub(super) fn unbroken(secret: &str) -> Vec<String> {
    let mut encodings = Distinct::default();
    for engine in BASE64 {
        encodings.extend([engine.encode(secret)]);
        encodings.extend(within_base64(secret, engine));
    }
    encodings.extend([true, false].map(|is_upper| hex(secret, "", "", is_upper)));
    encodings.list
}

/// Texts without duplicates, in the order in which they were added.
#[derive(Default)]
struct Distinct {
    list: Vec<String>,
    known: BTreeSet<String>,
}

impl Distinct {
    fn extend(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            if self.known.insert(text.clone()) {
                self.list.push(text);
            }
        }
    }
}

/// Returns a text verbatim, and as JSON, URLs and pages escape it.
fn escaped(text: &str) -> Vec<String> {
    let mut escaped = vec![text.to_owned()];
    escaped.extend(json_forms(text));
    for is_upper in [true, false] {
        for plain in PLAIN {
            let encoded = percent(text, plain, is_upper);
            if !plain.contains(&b'+') {
                escaped.push(encoded.replace("%20", "+"));
            }
            escaped.push(encoded);
        }
    }
    escaped.extend(HTML.map(|convention| html(text, convention)));
    escaped
}

fn json_forms(text: &str) -> Vec<String> {
    let mut forms = Distinct::default();
    for is_upper in [true, false] {
        for is_escaped in JSON {
            let json = json(text, is_escaped, is_upper);
            forms.extend([json.clone(), json.replace('/', "\\/")]);
        }
    }
    forms.list
}

/// Returns base64 as JSON, URLs and pages escape it.
fn escaped_base64(text: &str) -> [String; 5] {
    [
        percent(text, b"-_", true),
        percent(text, b"-_", false),
        text.replace('/', "\\/"),
        html(text, &[('+', "&#43;")]),
        html(text, &[('=', "&#x3D;"), ('/', "&#x2F;")]),
    ]
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

fn html(text: &str, convention: &[(char, &str)]) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match (c, convention.iter().find(|(escaped, _)| *escaped == c)) {
            (_, Some((_, entity))) => html.push_str(entity),
            ('&', _) => html.push_str("&amp;"),
            ('<', _) => html.push_str("&lt;"),
            ('>', _) => html.push_str("&gt;"),
            _ => html.push(c),
        }
    }
    html
}

/// Returns the bytes of a string in hexadecimal, with a prefix before each of them and a separator between them.
fn hex(text: &str, before: &str, between: &str, is_upper: bool) -> String {
    let digits = |byte: u8| if is_upper { format!("{before}{byte:02X}") } else { format!("{before}{byte:02x}") };
    text.bytes().map(digits).collect::<Vec<_>>().join(between)
}

fn json(text: &str, is_escaped: fn(char) -> bool, is_upper: bool) -> String {
    let mut json = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' if !is_escaped(c) => json.extend(['\\', c]),
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
    fn a_secret_without_special_characters_has_one_encoding_besides_base64_and_hexadecimal() {
        assert_eq!(
            encodings("hunter2"),
            [
                "hunter2",
                "aHVudGVyMg%3D%3D",
                "aHVudGVyMg%3d%3d",
                "aHVudGVyMg==",
                "aHVudGVyMg&#x3D;&#x3D;",
                "aHVudGVyM",
                "h1bnRlcj",
                "odW50ZXIy",
                "aHVudGVyMg",
                "68756E74657232",
                "68756e74657232",
                "68:75:6E:74:65:72:32",
                "68 75 6E 74 65 72 32",
                "\\x68\\x75\\x6E\\x74\\x65\\x72\\x32",
                "68:75:6e:74:65:72:32",
                "68 75 6e 74 65 72 32",
                "\\x68\\x75\\x6e\\x74\\x65\\x72\\x32",
            ]
        );
    }

    #[test]
    fn a_secret_is_found_in_what_encoders_write() {
        let secret = "a\"b'c&d<e>/f+g=h`i\\";
        for (writer, text) in [
            ("Python html.escape", "a&quot;b&#x27;c&amp;d&lt;e&gt;/f+g=h`i\\"),
            ("Go html.EscapeString", "a&#34;b&#39;c&amp;d&lt;e&gt;/f+g=h`i\\"),
            ("Go html/template", "a&#34;b&#39;c&amp;d&lt;e&gt;/f&#43;g=h`i\\"),
            ("PHP htmlspecialchars", "a&quot;b&#039;c&amp;d&lt;e&gt;/f+g=h`i\\"),
            ("Handlebars", "a&quot;b&#x27;c&amp;d&lt;e&gt;&#x2F;f+g&#x3D;h&#x60;i\\"),
            ("XML", "a&quot;b&apos;c&amp;d&lt;e&gt;/f+g=h`i\\"),
            ("XML, text", "a\"b'c&amp;d&lt;e&gt;/f+g=h`i\\"),
            ("Python json.dumps", "a\\\"b'c&d<e>/f+g=h`i\\\\"),
            ("Go encoding/json", "a\\\"b'c\\u0026d\\u003ce\\u003e/f+g=h`i\\\\"),
            (".NET System.Text.Json", "a\\u0022b\\u0027c\\u0026d\\u003Ce\\u003E/f\\u002Bg=h\\u0060i\\\\"),
            ("JSON in JSON", "a\\\\\\\"b'c&d<e>/f+g=h`i\\\\\\\\"),
            ("JSON in a page", "a\\&quot;b&#x27;c&amp;d&lt;e&gt;/f+g=h`i\\\\"),
            ("JavaScript encodeURIComponent", "a%22b'c%26d%3Ce%3E%2Ff%2Bg%3Dh%60i%5C"),
            ("Python repr of bytes, xxd", &hex(secret, "\\x", "", false)),
            ("xxd -p", &hex(secret, "", "", false)),
            ("openssl x509", &hex(secret, "", ":", true)),
        ] {
            assert!(encodings(secret).iter().any(|form| form == text), "{writer}: {text}");
        }
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
            // Tested by what encoders write.
            let is_other = form.contains("&") || form.contains("\\\\") || form.contains("%5C") || form.contains("%5c");
            let is_hex = form.bytes().all(|byte| byte.is_ascii_hexdigit() || b": \\x".contains(&byte));
            assert!(is_base64 || is_other || is_hex || decoded.iter().any(|text| text == secret), "{form}");
        }
    }
}
