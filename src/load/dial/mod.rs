//! Opens the byte streams that protocols speak over: TCP to a name's addresses in turn, Unix sockets, HTTP proxies, and TLS on top.

mod dialer;
mod origin;
mod proxy;
mod stream;

pub use dialer::{Dialed, Dialer, Tls, Via};
pub use origin::{Origin, server_name};
pub use proxy::Proxy;
pub use stream::Stream;
