//! HTTP as a protocol of the load loop: HTTP/1.1 with a connection per seat, HTTP/2 with connections that seats share.

mod client;
mod connection;
mod expect;
pub mod h1;
mod http2;
mod message;
mod redirect;
mod target;
mod vary;
mod way;

pub use client::HttpClient;
pub use connection::HttpConnection;
pub use expect::{Expectations, ExpectedStatus};
pub use http2::{Http2, Http2Client};
pub use target::{ErrorRange, Http, HttpTarget, TargetError};
pub use vary::{Variant, Vary};
pub use way::{Way, authorization};
