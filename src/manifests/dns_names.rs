//! Names of Kubernetes objects.

/// Maximum length of a domain label, in bytes (RFC 1123).
const MAX_LABEL: usize = 63;

/// Maximum length of a subdomain, in bytes.
const MAX_SUBDOMAIN: usize = 253;

/// Returns true for an RFC 1123 label, such as the name of a namespace: at most 63 lowercase letters, digits and dashes, with a
/// letter or digit at both ends.
pub(crate) fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= MAX_LABEL && !text.is_empty() && text.bytes().all(is_inner) && has_ends(text)
}

/// Returns true for an RFC 1123 subdomain, the name of most objects: labels of any length separated by dots, at most 253 bytes.
pub(crate) fn is_subdomain(text: &str) -> bool {
    let is_part = |part: &str| {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && part.bytes().all(is_inner) && has_ends(part)
    };
    text.len() <= MAX_SUBDOMAIN && text.split('.').all(is_part)
}

fn has_ends(text: &str) -> bool {
    !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_subdomains_follow_rfc_1123() {
        for good in ["a", "a-b", "0", &"a".repeat(63)] {
            assert!(is_label(good) && is_subdomain(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a/b", "..", "a..b", "ä"] {
            assert!(!is_label(bad) && !is_subdomain(bad), "{bad}");
        }
        for longer in ["a.b", "a-b.c", &"a".repeat(64)] {
            assert!(!is_label(longer) && is_subdomain(longer), "{longer}");
        }
        assert!(!is_subdomain(&"a.".repeat(127)) && !is_subdomain(&"a".repeat(254)));
    }
}
