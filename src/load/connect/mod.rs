//! Opens the byte streams under a protocol: TCP to a name's addresses in turn, Unix sockets, HTTP proxies, and TLS on top.

pub mod client_key;
mod connector;
mod endpoint;
mod proxy;
mod stream;
pub mod tls;

pub use connector::{Connector, Route, Tls};
pub use endpoint::{Endpoint, server_name};
pub use proxy::Proxy;
pub use stream::Stream;
