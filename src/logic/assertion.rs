//! The conditions that `assert` knows, judged from the document.
