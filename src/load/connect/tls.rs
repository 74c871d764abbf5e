//! TLS client settings: trusted authorities and client credentials.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use crate::load::tls_problem::is_ca_as_server;
use crate::model::tls::TlsOptions;

/// TLS settings cannot be used. The variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of trusted authorities.
    #[error("the ca file contains no usable PEM certificate: {0}")]
    Ca(String),
    /// The file of the client certificate.
    #[error("the cert file contains no usable PEM certificate: {0}")]
    Cert(String),
    /// The file of the client certificate's private key.
    #[error("the key file contains no usable PEM private key: {0}")]
    Key(String),
    /// Certificate and key do not match, or TLS cannot be set up at all.
    #[error("cert and key cannot be used: {0}")]
    Identity(#[source] rustls::Error),
}

/// Builds client settings that offer these protocols (`http/1.1`, `h2`), in order of preference.
pub fn client_config(options: &TlsOptions, protocols: &[&str]) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?;
    let algorithms = provider.signature_verification_algorithms;
    let trusting = |trust| Arc::new(Verifier { algorithms, trust });
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
            let key = private_key(&identity.key).map_err(TlsError::Key)?;
            let key = provider.key_provider.load_private_key(key).map_err(TlsError::Identity)?;
            let identity = CertifiedKey::new(chain, key);
            matches(&identity).map_err(TlsError::Identity)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

/// Checks that a client's certificate and key match. rustls does not read certificates of X.509 version 1, which have no extensions;
/// servers decide if they accept one.
fn matches(identity: &CertifiedKey) -> Result<(), rustls::Error> {
    match identity.keys_match() {
        Err(rustls::Error::InvalidCertificate(error)) if is_version_1(&error) => Ok(()),
        // The provider cannot tell.
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(()),
        matched => matched,
    }
}

fn is_version_1(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(OtherError(inner)) if format!("{inner:?}") == "UnsupportedCertVersion")
}

/// Reads the private key of a PEM file; an encrypted one is decrypted before ([`super::client_key`]).
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| error.to_string())
}

/// Returns the public authorities and those of the system.
fn public_roots() -> Arc<RootCertStore> {
    // Cached: reading the system's takes milliseconds.
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // Systems without a store, such as an empty container image, are common: the public roots are enough then.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    }))
}

/// Builds a root store of these certificates.
fn roots_of(certificates: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate.clone()).map_err(|error| TlsError::Ca(error.to_string()))?;
    }
    Ok(Arc::new(store))
}

/// Parses the certificates of a PEM file, which must have at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("no CERTIFICATE section".into()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(error.to_string()),
    }
}

/// Verification of server certificates with rules that rustls does not have. Always verifies that the server holds the
/// certificate's key.
#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    trust: Trust,
}

#[derive(Debug)]
enum Trust {
    /// Any certificate.
    Any,
    /// Certificates issued by these authorities, and the authorities' own certificates: `openssl req -x509` makes self-signed CA
    /// certificates, which a server strictly may not present.
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
            // rustls checks the validity period before the kind of certificate, but the name after it.
            Err(error) if is_ca_as_server(error) && pinned.contains(cert) => {
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
        verify_tls12_signature(message, cert, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tls::Identity;

    /// Client certificates of X.509 version 1 by `openssl x509 -req`, and their keys.
    const CERT: &str = include_str!("../../../testdata/tls/version1.pem");
    const KEY: &str = include_str!("../../../testdata/tls/version1.key");

    fn with(cert: &str, key: &str) -> Result<ClientConfig, TlsError> {
        let identity = Identity { cert: cert.as_bytes().to_vec(), key: key.as_bytes().to_vec() };
        client_config(&TlsOptions { identity: Some(identity), ..TlsOptions::default() }, &[])
    }

    #[test]
    fn client_certificates_of_version_1_are_accepted() {
        assert!(with(CERT, KEY).unwrap().client_auth_cert_resolver.has_certs());
    }

    #[test]
    fn a_key_that_does_not_match_is_rejected() {
        let key = || rcgen::KeyPair::generate().unwrap();
        let cert = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key()).unwrap();
        let error = with(&cert.pem(), &key().serialize_pem()).unwrap_err();
        assert!(matches!(error, TlsError::Identity(rustls::Error::InconsistentKeys(_))), "{error:?}");
    }
}
