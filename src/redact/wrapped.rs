//! Secrets in base64 and hexadecimal dumps with line breaks, as `base64` and `xxd -p` write them.

use std::ops::Range;

/// Line breaks: as such, and as JSON, URLs and pages escape them.
const BREAKS: [&[u8]; 8] = [b"\r", b"\n", b"\\r", b"\\n", b"%0D", b"%0A", b"%0d", b"%0a"];

/// Returns where the encodings of secrets are in a text, across its line breaks. Those without a line break are left out.
pub(super) fn find_wrapped(text: &[u8], encodings: &[String]) -> Vec<Range<usize>> {
    if encodings.is_empty() || !BREAKS.iter().any(|line_break| memchr::memmem::find(text, line_break).is_some()) {
        return Vec::new();
    }
    let (unbroken, positions) = unbroken(text);
    let mut found: Vec<Range<usize>> = Vec::new();
    for encoding in encodings {
        for at in memchr::memmem::find_iter(&unbroken, encoding.as_bytes()) {
            let (first, last) = (positions.get(at), positions.get(at + encoding.len() - 1));
            if let (Some(first), Some(last)) = (first, last)
                && last + 1 - first > encoding.len()
            {
                found.push(*first..last + 1);
            }
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

/// Replaces parts of a text, which are sorted by their start.
pub(super) fn replace_ranges(text: &[u8], ranges: &[Range<usize>], with: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        if range.start >= from {
            replaced.extend_from_slice(&text[from..range.start]);
            replaced.extend_from_slice(with);
        }
        from = from.max(range.end);
    }
    replaced.extend_from_slice(&text[from..]);
    replaced
}

/// Returns a text without line breaks and the indentation after them, and the position of each byte that is left.
fn unbroken(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut unbroken, mut positions) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let Some(line_break) = BREAKS.iter().find(|line_break| text[at..].starts_with(line_break)) else {
            unbroken.push(*byte);
            positions.push(at);
            at += 1;
            continue;
        };
        at += line_break.len();
        while matches!(text.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
    }
    (unbroken, positions)
}

#[cfg(test)]
mod tests {
    use super::super::RequestSecrets;
    use super::super::encodings::unbroken as encodings;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn a_secret_is_found_across_the_lines_of_base64() {
        let secret = "a secret of some length, as keys are: 0123456789";
        let secrets = RequestSecrets::from_values(vec![secret.to_owned()]);
        for before in 0..90 {
            let encoded = STANDARD.encode(format!("{}{secret}, and more", "x".repeat(before)));
            for (width, line_break) in [(76, "\n"), (64, "\r\n"), (76, "\\n"), (60, "%0A"), (76, "\n    ")] {
                let lines: Vec<_> = encoded.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
                let text = format!("data:\n{}\nend", lines.join(line_break));
                let redacted = secrets.redact(&text);
                assert!(redacted.contains("[hidden]") && redacted.ends_with("end"), "{text}: {redacted}");
                let left = redacted.replace(line_break, "");
                assert!(!encodings(&secret[3..40]).iter().any(|form| left.contains(form)), "{text}: {redacted}");
                assert_eq!(secrets.redact_bytes(text.as_bytes()), redacted.as_bytes());
            }
        }
    }

    #[test]
    fn a_text_with_other_lines_is_kept() {
        let secrets = RequestSecrets::from_values(vec!["hunter-two".to_owned()]);
        for text in ["hunter\n-two", "a\nb", "", "\n", "aHVu\nzzzz"] {
            assert_eq!(secrets.redact(text), text);
        }
    }
}
