//! What a user may say about the TLS of a connection, in PEM; `net` makes settings of it.

/// What a user may say about TLS; everything in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates of the authorities to trust, instead of the public and the system's ones.
    pub ca: Option<Vec<u8>>,
    /// Our certificate chain and its private key.
    pub identity: Option<Identity>,
    /// Trust any certificate.
    pub skip_verify: bool,
}

/// A client certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain, the leaf first.
    pub cert: Vec<u8>,
    /// The leaf's private key: PKCS #8, PKCS #1 or SEC1.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}
