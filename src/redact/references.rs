//! References to secrets in scripts, which are not secret themselves: `$TOKEN`, `${TOKEN}`, `$(cat token)`.

use std::sync::LazyLock;

use regex::Regex;

/// A sequence of references and separators.
pub(super) static REFERENCE: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:\$[\w@*#?]+|\$\{\{[^}]*\}\}|\$\{[#!]?\w+(?:[:?%#/^,@][^-=+}]*)?\}|\$\([^()]*(?:\([^()]*\)[^()]*)*\)|`[^`]*`|[:/@._ -])+$",
    )
});

/// Longest reference in bytes. Anything longer is redacted.
const MAX_REFERENCE: usize = 1_024;

/// Meaning of `$…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dollars {
    /// A reference, as in a script.
    Refer,
    /// A literal, as in a value.
    Literal,
}

impl Dollars {
    /// Returns true if a value consists of references only. A default (`${TOKEN:-x}`) may be a secret.
    pub(super) fn refer(self, value: &str) -> bool {
        self == Self::Refer
            && value.len() <= MAX_REFERENCE
            && value.contains(['$', '`'])
            && REFERENCE.as_ref().is_ok_and(|reference| reference.is_match(value))
    }
}
