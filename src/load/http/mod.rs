//! HTTP as a protocol of the load loop: HTTP/1.1 with one connection per request in flight, HTTP/2 with shared connections.

mod client;
mod connection;
mod expect;
pub mod h1;
mod http2;
mod message;
mod redirect;
mod request_template;
mod target;
mod transport;

pub use client::HttpClient;
pub use connection::HttpConnection;
pub use expect::{Expectations, ExpectedStatus};
pub use http2::{Http2, Http2Client};
pub use request_template::{RenderedRequest, RequestTemplate};
pub use target::{ErrorRange, Http, HttpTarget, TargetError};
pub use transport::{Transport, authorization};
