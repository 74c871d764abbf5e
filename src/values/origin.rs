//! Origin of a value: the file and line, or the flag, that set it.

use std::fmt;

/// Origin of a value, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A values file or document.
    File {
        /// Name of the file.
        name: String,
        /// Line, from 1; `None` for the file as a whole.
        line: Option<u64>,
    },
    /// A flag, such as `--set`.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Self::File { name, line: None } => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}
