//! Limits on one template. Templates are not trusted, so every rendering has to end.

/// Maximum size of a template, in bytes.
pub const MAX_TEMPLATE: usize = 256 << 10;

/// Maximum size of the output, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;

/// Maximum nodes, arguments and loop iterations that one rendering evaluates.
pub const MAX_STEPS: u64 = 1_000_000;

/// Maximum work of one rendering. A unit is about one byte written or scanned by a function.
pub const MAX_WORK: usize = 64 << 20;

/// Maximum nesting of blocks in a template; an `else if` counts as one level.
pub const MAX_BLOCKS: usize = 50;

/// Maximum nesting during rendering: blocks, parentheses and named templates together.
pub const MAX_DEPTH: usize = 100;

/// Maximum nesting of lists and maps that are printed, compared or copied.
pub const MAX_NESTING: usize = 64;

/// Maximum size of a compiled regular expression, in bytes.
pub const MAX_PATTERN: usize = 256 << 10;

/// Work units of a method call: a method may have to evaluate a histogram.
pub(crate) const METHOD: usize = 16 << 10;

/// Work units of a value, in addition to its text.
pub(crate) const VALUE: usize = 32;
