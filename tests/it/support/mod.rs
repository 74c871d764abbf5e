//! Servers, environments and helpers for all integration tests.

#[cfg(target_os = "linux")]
pub mod api_server_proxy;
pub mod authority;
pub mod cli_case;
pub mod echo_server;
pub mod env;
#[cfg(unix)]
pub mod file_server;
pub mod files;
pub mod fleet;
pub mod frame_server;
pub mod helm;
#[cfg(target_os = "linux")]
pub mod kubernetes;
pub mod markdown;
#[cfg(target_os = "linux")]
pub mod mesh;
pub mod misbehaving_server;
pub mod module_tree;
pub mod prometheus;
pub mod runtime;
pub mod rust_source;
pub mod tools;
pub mod transcript;
#[cfg(target_os = "linux")]
pub mod tutorial;
