//! Kinds of failed TLS handshakes, each with a message of its own and the next step.

use chrono::{DateTime, Utc};
use rustls::{AlertDescription, CertificateError, Error, OtherError};

/// Detail for a server that presents a CA certificate.
const AUTHORITY_AS_SERVER: &str = "invalid peer certificate: it is an authority's certificate (CA:TRUE), not a server's; name \
                                   it as the authority to trust, or let it issue one for the server";

/// Kind of a failed handshake, by increasing precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsProblem {
    /// Anything else, such as a handshake that the server ended.
    Other,
    /// The certificate was issued by an unknown authority, or is not a server's.
    Untrusted,
    /// The certificate is not valid at this time.
    Expired,
    /// The certificate was revoked.
    Revoked,
    /// The certificate is for another name.
    Name,
    /// The server requires a client certificate, or rejects the one that it got.
    ClientCertificate,
    /// There is no TLS version or cipher in common.
    Version,
    /// The server does not speak the protocol over TLS (ALPN).
    Protocol,
    /// The server does not speak TLS.
    NoTls,
}

/// Names of a task's settings, for hints.
#[derive(Clone, Copy, Debug)]
pub struct TlsFields {
    /// Trusted authorities.
    pub ca: &'static str,
    /// Name that the certificate must have.
    pub server_name: &'static str,
    /// Switch that trusts any certificate.
    pub skip_verify: &'static str,
    /// Client certificate and its key.
    pub client: &'static str,
    /// Setting for a server without TLS.
    pub plain: &'static str,
    /// Setting for a server without HTTP/2; `None` if the task needs it.
    pub no_http2: Option<&'static str>,
}

/// Settings of `http`.
pub const HTTP_FIELDS: TlsFields = TlsFields {
    ca: "`ca`",
    server_name: "`serverName`",
    skip_verify: "`insecureSkipVerify: true`",
    client: "`cert` and `key`",
    plain: "a URL with `http://`",
    no_http2: Some("`http2: false`"),
};

impl TlsProblem {
    /// Returns the kind of an error.
    pub(in crate::load) fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => match error {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::Name,
                CertificateError::Revoked => Self::Revoked,
                _ => Self::Untrusted,
            },
            Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied => Self::ClientCertificate,
                AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity
                | AlertDescription::HandshakeFailure => Self::Version,
                AlertDescription::NoApplicationProtocol => Self::Protocol,
                _ => Self::Other,
            },
            Error::NoApplicationProtocol => Self::Protocol,
            Error::PeerIncompatible(_) => Self::Version,
            Error::InvalidMessage(_) => Self::NoTls,
            _ => Self::Other,
        }
    }

    /// Returns the next step for the user.
    pub fn hint(self, fields: TlsFields) -> String {
        let TlsFields { ca, server_name, skip_verify, client, plain, no_http2 } = fields;
        match self {
            Self::Other | Self::Untrusted => format!(
                "set {ca} to the CA that issued the server's certificate (a PEM file), or skip verification with {skip_verify}; \
                 check that the server uses TLS"
            ),
            Self::Expired => format!(
                "renew the server's certificate, check the clock of this machine, or skip verification with {skip_verify}"
            ),
            Self::Revoked => format!("replace the server's certificate, or skip verification with {skip_verify}"),
            Self::Name => format!("set {server_name} to a name in the server's certificate, or connect to such a name"),
            Self::ClientCertificate => {
                format!("set {client} to a client certificate that the server accepts, and its private key")
            }
            Self::Version => format!(
                "enable TLS 1.2 or 1.3 and a modern cipher at the server; it may also require a client certificate ({client})"
            ),
            Self::Protocol => {
                let other = no_http2.map(|setting| format!(", or set {setting}")).unwrap_or_default();
                format!("enable HTTP/2 at the server{other}")
            }
            Self::NoTls => format!("check the port; for a server without TLS, set {plain}"),
        }
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
        Error::AlertReceived(alert) if TlsProblem::of(error) == TlsProblem::ClientCertificate => {
            Some(format!("the server rejects the client certificate: {alert:?}"))
        }
        Error::InvalidMessage(_) => Some(format!("the server does not speak TLS: {error}")),
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
