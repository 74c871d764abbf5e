//! Classifies and describes failed TLS handshakes.

use chrono::{DateTime, Utc};
use rustls::{AlertDescription, CertificateError, Error, OtherError};

use crate::model::tls_problem::TlsProblem;

/// Detail for a server that presents a CA certificate.
const AUTHORITY_AS_SERVER: &str = "invalid peer certificate: it is an authority's certificate (CA:TRUE), not a server's; name \
                                   it as the authority to trust, or let it issue one for the server";

/// Returns the kind of an error.
pub(in crate::load) fn problem_of(error: &Error) -> TlsProblem {
    match error {
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsProblem::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsProblem::Name,
            CertificateError::Revoked => TlsProblem::Revoked,
            _ => TlsProblem::Untrusted,
        },
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA
            // A signature of the client cannot be verified (RFC 8446, 6.2).
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => TlsProblem::ClientCertificate,
            AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::HandshakeFailure => TlsProblem::Version,
            AlertDescription::NoApplicationProtocol => TlsProblem::Protocol,
            _ => TlsProblem::Other,
        },
        Error::NoApplicationProtocol => TlsProblem::Protocol,
        Error::PeerIncompatible(_) => TlsProblem::Version,
        Error::InvalidMessage(_) => TlsProblem::NoTls,
        _ => TlsProblem::Other,
    }
}

/// Describes errors for which rustls has no message that users can read.
pub(in crate::load) fn describe(error: &Error) -> Option<String> {
    let date = |seconds: u64| {
        let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
        time.map_or_else(|| format!("{seconds} s after 1970"), |time| time.format("%Y-%m-%d %H:%M UTC").to_string())
    };
    match error {
        // The usual result of `openssl req -x509`.
        error if is_ca_as_server(error) => Some(AUTHORITY_AS_SERVER.to_owned()),
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            Some(format!("the server's certificate expired on {}", date(not_after.as_secs())))
        }
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            Some(format!("the server's certificate is not valid before {}", date(not_before.as_secs())))
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            Some("the server requires a client certificate".to_owned())
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            Some("the server supports neither TLS 1.2 nor TLS 1.3".to_owned())
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol => {
            Some("the server does not offer the protocol (ALPN)".to_owned())
        }
        Error::AlertReceived(alert) if problem_of(error) == TlsProblem::ClientCertificate => {
            Some(format!("the server rejects the client certificate: {alert:?}"))
        }
        Error::InvalidMessage(_) => Some("the server does not speak TLS on this port".to_owned()),
        _ => None,
    }
}

/// Returns true if a server presented a CA certificate as its own. rustls has no variant for this error of its `webpki`, so it is
/// recognized by its debug form; a test provokes it.
pub(in crate::load) fn is_ca_as_server(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            format!("{inner:?}") == "CaUsedAsEndEntity"
        }
        _ => false,
    }
}
