//! A certificate authority of the tests' own.

use std::sync::Arc;

/// An authority, and what it issued.
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    /// A certificate for 127.0.0.1 and `localhost`, and its key.
    pub fn issue(&self) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A certificate for a client whose key is encrypted, and that key: its passphrase is `hunter2`.
    pub fn issue_encrypted(&self) -> (rcgen::Certificate, &'static str) {
        let key = rcgen::KeyPair::from_pem(include_str!("../../../testdata/tls/version1.key")).unwrap();
        let params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), include_str!("../../../testdata/tls/encrypted.key"))
    }

    /// A server's certificate for `name` that is valid from 2001 to the end of `year`, and its key.
    pub fn issue_until(&self, name: &str, year: i32) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A certificate by which a client is this user of this group, as Kubernetes reads it, and its key.
    pub fn issue_to(&self, user: &str, group: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, user);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, group);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server that shows a certificate of this authority, and asks for one of `clients`.
    pub fn server(&self, clients: Option<&Authority>) -> rustls::ServerConfig {
        let (certificate, key) = self.issue();
        Self::showing(&certificate, &key, clients)
    }

    /// A server that shows this certificate.
    pub fn showing(
        certificate: &rcgen::Certificate,
        key: &rcgen::KeyPair,
        clients: Option<&Authority>,
    ) -> rustls::ServerConfig {
        use rustls::pki_types::pem::PemObject;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                let pem = rustls::pki_types::CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
                roots.add(pem).unwrap();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }

    /// A server that speaks this version of TLS alone.
    pub fn server_of(&self, version: &'static rustls::SupportedProtocolVersion) -> rustls::ServerConfig {
        use rustls::pki_types::pem::PemObject;
        let (certificate, key) = self.issue();
        let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }
}
