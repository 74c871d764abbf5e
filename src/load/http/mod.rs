//! HTTP/1.1 as a protocol of the load loop: hyper's connections, driven directly, without a pool.

mod client;
mod connection;
mod message;
mod redirect;
mod target;
mod wire;

pub use connection::HttpConnection;
pub use target::{ErrorRange, Http, HttpTarget, TargetError};
