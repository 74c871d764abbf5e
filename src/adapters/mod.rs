//! The outside world: file store, web client, Kubernetes, shell, clock, and recordings. Each file implements traits in `ports`.

pub(crate) mod clock;
mod error_chain;
pub(crate) mod file_store;
pub(crate) mod files;
pub mod kubernetes;
pub(crate) mod open_files;
pub(crate) mod record;
pub(crate) mod shell;
pub mod web;
