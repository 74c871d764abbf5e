//! The outside world: file store, web client, shell, clock. Each file implements one of the traits in `ports`.

pub mod clock;
pub mod file_store;
pub mod files;
pub mod shell;
pub mod web;
