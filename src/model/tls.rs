//! TLS options of a connection, in PEM.

/// TLS options of a user, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Trusted certificate authorities, in place of the public ones and the system's.
    pub ca: Option<Vec<u8>>,
    /// Client certificate.
    pub identity: Option<Identity>,
    /// Disables verification of the server's certificate.
    pub skip_verify: bool,
}

/// A client certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Certificate chain, the leaf first.
    pub cert: Vec<u8>,
    /// Private key of the leaf: PKCS #8, PKCS #1 or SEC1, not encrypted.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}
