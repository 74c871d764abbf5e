//! What a Go template may take: templates come from outside, and must end whatever they say.
//!
//! Nothing here looks at a clock, so that a template that fails fails everywhere, and at the same place.

/// Longest template, in bytes.
pub const MAX_TEMPLATE: usize = 256 << 10;

/// Longest text that a template may become, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;

/// Most nodes of the template, and parts of their expressions, that one rendering evaluates.
pub const MAX_STEPS: u64 = 1_000_000;

/// Most work of one rendering, in units of about a byte written: texts and lists that functions make, and what they look through.
pub const MAX_WORK: usize = 64 << 20;

/// Deepest nesting of blocks in a template; an `else if` counts as one.
pub const MAX_BLOCKS: usize = 50;

/// Deepest nesting while rendering: of blocks, parentheses and named templates together.
pub const MAX_DEPTH: usize = 100;

/// Deepest nesting of lists and maps, where they are written, compared or copied.
pub const MAX_NESTING: usize = 64;

/// Largest regular expression once compiled, in bytes.
pub const MAX_PATTERN: usize = 256 << 10;

/// What a value counts beside its text, in units of work.
pub const VALUE: usize = 32;
