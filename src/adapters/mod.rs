//! The outside world: file store, web client, Kubernetes, shell, clock, and recordings. Each file implements traits in `ports`.

pub mod clock;
mod error_chain;
pub mod file_store;
pub mod files;
pub mod kubernetes;
pub mod record;
pub mod shell;
pub mod web;
