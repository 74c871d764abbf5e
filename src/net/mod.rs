//! What every outgoing connection needs: TLS settings.

pub mod tls;
