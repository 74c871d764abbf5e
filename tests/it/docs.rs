//! README and the manual in `docs/`: their commands work, their links lead somewhere, and the manual is a book.

mod book;
mod commands;
mod copies;
mod links;

use crate::support::files;

/// Path and text of every page of the manual, without its table of contents.
fn pages() -> Vec<(String, String)> {
    let mut pages = files::below(&files::root(), &["docs"], "md");
    pages.retain(|(name, _)| name != "docs/SUMMARY.md");
    pages
}
