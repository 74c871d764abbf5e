//! Limits on one template. Templates are not trusted, so every rendering has to end.

/// Longest template, in bytes.
pub const MAX_TEMPLATE: usize = 256 << 10;

/// Longest output, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;

/// Most nodes, arguments and loop iterations that one rendering evaluates.
pub const MAX_STEPS: u64 = 1_000_000;

/// Most work of one rendering. A unit is about one byte written or scanned by a function.
pub const MAX_WORK: usize = 64 << 20;

/// Deepest nesting of blocks in a template; an `else if` counts as one level.
pub const MAX_BLOCKS: usize = 50;

/// Deepest nesting during rendering: blocks, parentheses and named templates together.
pub const MAX_DEPTH: usize = 100;

/// Deepest nesting of lists and maps that are printed, compared or copied.
pub const MAX_NESTING: usize = 64;

/// Largest compiled regular expression, in bytes.
pub const MAX_PATTERN: usize = 256 << 10;

/// Work units of a value, in addition to its text.
pub(crate) const VALUE: usize = 32;
