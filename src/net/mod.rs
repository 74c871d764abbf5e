//! What every outgoing connection needs: TLS settings, and credentials kept out of messages.

pub mod redact;
pub mod tls;
