//! Values as Helm merges them: files, `--set` and its variants.
//!
//! Grammar and precedence are exactly Helm's, so that existing scripts keep their meaning; a test compares both programs over a table
//! of cases. The only differences are bounds on memory and stack, and better error messages.

mod digest;
pub mod input;
mod merge;
pub(crate) mod mistakes;
pub(crate) mod origin;
pub(crate) mod origins;
mod set;
pub(crate) mod slo_text;
mod strict;

pub use digest::DigestKey;
pub use merge::{Source, Values, merge, overlay, without_nulls};
