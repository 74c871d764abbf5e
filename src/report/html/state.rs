//! States and names on the page.

use serde::Serialize;

use crate::report::show::squeezed;

/// Maximum characters of a name.
const MAX_NAME: usize = 80;

/// Shortens a name from the document.
pub(super) fn named(name: &str) -> String {
    squeezed(name, MAX_NAME)
}

/// A state as class, sign and label: colour alone is not accessible.
#[derive(Clone, Copy, Serialize)]
pub(super) struct State {
    pub class: &'static str,
    pub sign: &'static str,
    pub label: &'static str,
}

pub(super) const fn state(class: &'static str, sign: &'static str, label: &'static str) -> State {
    State { class, sign, label }
}
