//! Values as Helm merges them: files, `--set` and its kin.
//!
//! Grammar and precedence are Helm's to the letter, so that what users have in scripts keeps its meaning; a test compares both
//! programs over a table of cases. What differs is only there to bound memory and stack, and to make errors say where and what next.

pub mod input;
mod merge;
mod set;

pub use merge::{Source, merge, overlay, without_nulls};
