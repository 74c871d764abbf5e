//! Integers from strings, as Go's `strconv` parses them.

/// Parses an integer with an optional sign and base (`0x`, `0o`, `0b`, or a leading zero for base 8), like `ParseInt(text, 0, 64)`.
pub fn parse_int(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, bare) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // Underscores may separate digits if there is a base prefix.
    let has_base = base != 10;
    let is_spaced = bare.contains('_');
    if is_spaced && (!has_base || bare.ends_with('_') || bare.contains("__")) {
        return None;
    }
    let bare = bare.replace('_', "");
    if bare.is_empty() || bare.starts_with(['+', '-']) {
        return None;
    }
    let size = i128::from_str_radix(&bare, base).ok()?;
    i64::try_from(if is_negative { -size } else { size }).ok()
}

/// Parses an integer the way sprig casts a string: zeros after the point are dropped (`8.0` is 8).
pub fn cast_int(text: &str) -> Option<i64> {
    let cut = match text.rsplit_once('.') {
        Some((before, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => before,
        _ => text,
    };
    parse_int(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_bases_and_signs() {
        for (text, number) in [
            ("12", Some(12)),
            ("-0x1F", Some(-31)),
            ("0b101", Some(5)),
            ("017", Some(15)),
            ("08", None),
            ("0o17", Some(15)),
            ("0x_1", Some(1)),
            ("1_000", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("0", Some(0)),
            ("1.5", None),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
        ] {
            assert_eq!(parse_int(text), number, "{text}");
        }
        assert_eq!((cast_int("8.0"), cast_int("8.50"), cast_int("8.")), (Some(8), None, None));
    }
}
