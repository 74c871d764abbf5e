//! TLS client settings: which servers are trusted, and who we say we are.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::model::tls::TlsOptions;

/// Why settings can't be used; says which of the files is meant.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authorities' file.
    #[error("the ca file holds no usable PEM certificate: {0}")]
    Ca(String),
    /// Our certificate's file.
    #[error("the cert file holds no usable PEM certificate: {0}")]
    Cert(String),
    /// Our key's file.
    #[error("the key file holds no usable PEM private key: {0}")]
    Key(String),
    /// Certificate and key do not go together, or TLS can't be set up at all.
    #[error("cert and key can't be used: {0}")]
    Identity(#[source] rustls::Error),
}

/// Makes client settings that offer the given protocols (`http/1.1`, `h2`), in order of preference.
pub fn client_config(options: &TlsOptions, protocols: &[&str]) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?;
    let trusting = |trust| Arc::new(Verifier { provider: Arc::clone(&provider), trust });
    let builder = match &options.ca {
        _ if options.skip_verify => builder.dangerous().with_custom_certificate_verifier(trusting(Trust::Any)),
        None => builder.with_root_certificates(public_roots()),
        Some(pem) => {
            let pinned = certificates(pem).map_err(TlsError::Ca)?;
            let authorities = WebPkiServerVerifier::builder_with_provider(roots_of(&pinned)?, Arc::clone(&provider))
                .build()
                .map_err(|error| TlsError::Ca(error.to_string()))?;
            builder.dangerous().with_custom_certificate_verifier(trusting(Trust::Named { authorities, pinned }))
        }
    };
    let mut config = match &options.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates(&identity.cert).map_err(TlsError::Cert)?;
            let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|error| TlsError::Key(error.to_string()))?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Identity)?
        }
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

/// The public authorities and those the system knows.
fn public_roots() -> Arc<RootCertStore> {
    // Reading the system's takes milliseconds, and they do not change while we run.
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // Systems without a store, such as an empty container image, are common: the public roots do then.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    }))
}

/// The authorities that these certificates are.
fn roots_of(certificates: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate.clone()).map_err(|error| TlsError::Ca(error.to_string()))?;
    }
    Ok(Arc::new(store))
}

/// All certificates of a PEM file; none is an error.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("no CERTIFICATE section".into()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks of a server's certificate that rustls does not make by itself. That the server holds the certificate's key is always
/// checked.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

#[derive(Debug)]
enum Trust {
    /// Any certificate.
    Any,
    /// What the authorities issued, and a server that shows one of the named certificates itself: `openssl req -x509` makes
    /// self-signed certificates that are an authority's, which a server may not show by the book.
    Named { authorities: Arc<WebPkiServerVerifier>, pinned: Vec<CertificateDer<'static>> },
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust::Named { authorities, pinned } = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let verified = authorities.verify_server_cert(cert, chain, name, ocsp, now);
        match &verified {
            // Validity in time is checked before the kind of certificate; the name is not. rustls names this fault in words only.
            Err(error) if format!("{error:?}").contains("CaUsedAsEndEntity") && pinned.contains(cert) => {
                verify_server_name(&ParsedCertificate::try_from(cert)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            _ => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
