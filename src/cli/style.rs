//! Colour, or none.

/// Whether output may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No escape sequences.
    Plain,
    /// ANSI colours.
    Coloured,
}

/// A word in a colour, or not.
pub fn label(word: &str, colour: &str, style: Style) -> String {
    match style {
        Style::Plain => word.to_owned(),
        Style::Coloured => format!("\x1b[{colour}m{word}\x1b[0m"),
    }
}
