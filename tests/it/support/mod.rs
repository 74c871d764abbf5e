//! What the integration tests share.

pub mod authority;
pub mod cli;
pub mod files;
pub mod fleet;
pub mod hostile;
pub mod markdown;
pub mod mirror;
pub mod module_tree;
pub mod prometheus;
pub mod rust_source;
pub mod scripted;
pub mod service;
pub mod tools;
