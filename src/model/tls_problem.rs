//! Kinds of failed TLS handshakes, each with the next step for the user.

use serde::{Deserialize, Serialize};

/// Kind of a failed handshake, by increasing precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// Names of the settings of a connection, for hints.
#[derive(Clone, Copy, Debug)]
pub struct TlsFields<'a> {
    /// Trusted authorities.
    pub ca: &'a str,
    /// Name that the certificate must have; `None` for the host of the URL.
    pub server_name: Option<&'a str>,
    /// Switch that trusts any certificate, if there is one.
    pub skip_verify: Option<&'a str>,
    /// Client certificate and its key; `None` if none can be presented.
    pub client: Option<&'a str>,
    /// Next step for a server without TLS.
    pub plain: &'a str,
    /// Protocols of which the server must speak one.
    pub protocols: &'a str,
    /// Setting for a server without HTTP/2, if there is one.
    pub no_http2: Option<&'a str>,
}

/// Settings of `http`.
pub const HTTP_FIELDS: TlsFields<'static> = TlsFields {
    ca: "`http.ca`",
    server_name: Some("`http.serverName`"),
    skip_verify: Some("-k (`http.insecureSkipVerify=true`)"),
    client: Some("`http.cert` and `http.key`"),
    plain: "set a URL with `http://`",
    protocols: "HTTP/2",
    no_http2: Some("`http.http2=false`"),
};

/// Settings of downloads and notifications, which have no fields of their own.
pub const WEB_FIELDS: TlsFields<'static> = TlsFields {
    ca: "the environment variable `SSL_CERT_FILE`",
    server_name: None,
    skip_verify: None,
    client: None,
    plain: "set a URL with `http://`",
    protocols: "HTTP/1.1 or HTTP/2",
    no_http2: None,
};

impl TlsProblem {
    /// Returns the next step for the user.
    pub fn hint(self, fields: TlsFields<'_>) -> String {
        let TlsFields { ca, server_name, skip_verify, client, plain, protocols, no_http2 } = fields;
        let or_skip = skip_verify.map(|switch| format!(", or skip verification with {switch}")).unwrap_or_default();
        match self {
            Self::Other => format!(
                "check that the server uses TLS; set {ca} to the CA that issued its certificate (a PEM file){or_skip}"
            ),
            Self::Untrusted => {
                format!("set {ca} to the CA that issued the server's certificate (a PEM file){or_skip}")
            }
            Self::Expired if skip_verify.is_none() => {
                "renew the server's certificate, or check the clock of this machine".to_owned()
            }
            Self::Expired => format!("renew the server's certificate, check the clock of this machine{or_skip}"),
            Self::Revoked => format!("replace the server's certificate{or_skip}"),
            Self::Name => match server_name {
                Some(field) => format!("set {field} to a name in the server's certificate, or connect to such a name"),
                None => format!("use a name in the server's certificate as the host of the URL{or_skip}"),
            },
            Self::ClientCertificate => match client {
                Some(fields) => {
                    format!("set {fields} to a client certificate that the server accepts, and its private key")
                }
                None => "use a URL that requires no client certificate: this request cannot present one".to_owned(),
            },
            Self::Version => {
                let may = "it may also require a client certificate";
                let client = client.map(|fields| format!("; {may} ({fields})")).unwrap_or_default();
                format!("enable TLS 1.2 or 1.3 and a modern cipher at the server{client}")
            }
            Self::Protocol => {
                let other = no_http2.map(|setting| format!(", or set {setting}")).unwrap_or_default();
                format!("enable {protocols} at the server{other}")
            }
            Self::NoTls => format!("check the port; for a server without TLS, {plain}"),
        }
    }
}
