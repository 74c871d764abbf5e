//! The `if` conditions of tasks.
