//! ANSI colours.

use std::io::IsTerminal;

/// Style of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// No escape sequences.
    Plain,
    /// ANSI colours.
    Coloured,
}

impl Style {
    /// Returns the style for a stream: coloured on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if is_plain || !stream.is_terminal() { Self::Plain } else { Self::Coloured }
    }
}

/// Colours a word, if the style allows it.
pub(crate) fn label(word: &str, colour: &str, style: Style) -> String {
    match style {
        Style::Plain => word.to_owned(),
        Style::Coloured => format!("\x1b[{colour}m{word}\x1b[0m"),
    }
}
