//! ANSI colours.

/// Style of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// No escape sequences.
    Plain,
    /// ANSI colours.
    Coloured,
}

/// Colours a word, if the style allows it.
pub(crate) fn label(word: &str, colour: &str, style: Style) -> String {
    match style {
        Style::Plain => word.to_owned(),
        Style::Coloured => format!("\x1b[{colour}m{word}\x1b[0m"),
    }
}
