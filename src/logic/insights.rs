//! Merging what a task contributes into the document's insights, within stated bounds.
