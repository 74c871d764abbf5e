//! Opens the byte streams that protocols speak over: TCP to a name's addresses in turn, Unix sockets, HTTP proxies, and TLS on top.

mod connector;
mod endpoint;
mod proxy;
mod stream;
pub mod tls;

pub use connector::{Connected, Connector, Route, Tls};
pub use endpoint::{Endpoint, server_name};
pub use proxy::Proxy;
pub use stream::Stream;
