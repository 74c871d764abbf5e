//! One file per task, one registry.
