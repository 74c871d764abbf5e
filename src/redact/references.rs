//! What refers to a secret in a script, and is none: `$TOKEN`, `${TOKEN}`, `$(cat token)`.

use std::sync::LazyLock;

use regex::Regex;

/// What refers to a secret, or joins such references.
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:\$[\w@*#?]+|\$\{\{[^}]*\}\}|\$\{[#!]?\w+(?:[:?%#/^,@][^-=+}]*)?\}|\$\([^()]*(?:\([^()]*\)[^()]*)*\)|`[^`]*`|[:/@._ -])+$").ok()
});

/// Whether `$…` refers to something, as in a script, or is as literal as everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dollars {
    /// In a script.
    Refer,
    /// In a value.
    Literal,
}

impl Dollars {
    /// Whether the value is made of references only; a default (`${TOKEN:-x}`) may be a secret.
    pub fn refer(self, value: &str) -> bool {
        self == Self::Refer
            && value.contains(['$', '`'])
            && REFERENCE.as_ref().is_some_and(|reference| reference.is_match(value))
    }
}
