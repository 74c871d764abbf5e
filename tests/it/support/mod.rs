//! What the integration tests share.

pub mod authority;
pub mod cli;
#[cfg(target_os = "linux")]
pub mod edge;
pub mod files;
pub mod fleet;
pub mod hostile;
#[cfg(target_os = "linux")]
pub mod kubernetes;
pub mod markdown;
pub mod mirror;
pub mod module_tree;
pub mod prometheus;
pub mod rust_source;
pub mod scripted;
pub mod service;
pub mod tools;
pub mod transcript;
