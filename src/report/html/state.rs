//! States and names as the page shows them.

use serde::Serialize;

use crate::report::show::squeezed;

/// Longest name, the middle left out of longer ones.
const MAX_NAME: usize = 80;

/// A name from outside, at most 80 characters of it.
pub(super) fn named(name: &str) -> String {
    squeezed(name, MAX_NAME)
}

/// A state: its class, its sign and its words, so that none stands for itself.
#[derive(Clone, Copy, Serialize)]
pub(super) struct State {
    pub class: &'static str,
    pub sign: &'static str,
    pub words: &'static str,
}

/// A state of these parts.
pub(super) const fn state(class: &'static str, sign: &'static str, words: &'static str) -> State {
    State { class, sign, words }
}
