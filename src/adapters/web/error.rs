//! Classifies and describes errors: with their causes, without the URL, which may contain a password.

use std::time::Duration;

use crate::adapters::error_chain::causes;
use crate::load::cause::{Cause, Failure};
use crate::model::tls_problem::TlsProblem;
use crate::ports::WebErrorKind;

/// Failure of an exchange.
#[derive(Debug)]
pub(super) struct ExchangeError {
    pub(super) kind: WebErrorKind,
    pub(super) reason: String,
}

impl ExchangeError {
    /// Builds a failure that another attempt would repeat.
    pub(super) fn permanent(reason: String) -> Self {
        Self { kind: WebErrorKind::Final, reason }
    }

    /// Builds the error for an exchange that took too long.
    pub(super) fn timeout(limit: Duration) -> Self {
        Self { kind: WebErrorKind::Timeout, reason: format!("no complete response within {} s", limit.as_secs_f64()) }
    }
}

impl From<reqwest::Error> for ExchangeError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(tls) = causes(&error).find(|error| error.is::<rustls::Error>()) {
            // The same words as for loads; the links before it only say that a connection failed.
            let failure = Failure::from_error(tls, Cause::Tls);
            let kind = WebErrorKind::Tls(failure.tls.unwrap_or(TlsProblem::Other));
            return Self { kind, reason: failure.to_string() };
        }
        let kind = if error.is_builder() {
            // A configuration error.
            WebErrorKind::Final
        } else if error.is_timeout() && !error.is_connect() {
            WebErrorKind::Timeout
        } else {
            // Includes the timeout for opening a connection: no request was sent.
            WebErrorKind::Transport
        };
        // The first link only says that something was sent or read.
        let mut links: Vec<_> = causes(&error).skip(1).map(ToString::to_string).collect();
        links.dedup();
        let reason = if links.is_empty() { error.to_string() } else { links.join(": ") };
        Self { kind, reason }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::load::connect::tls::client_config;
    use crate::model::tls::TlsOptions;

    #[tokio::test]
    async fn a_connect_timeout_is_a_transport_error() {
        // Nothing accepts, and the queue is full: further connections hang.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_millis(200);
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(limit, tokio::net::TcpStream::connect(address)).await {
            waiting.push(stream);
        }
        let tls = client_config(&TlsOptions::default(), &["http/1.1"]).unwrap();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().connect_timeout(limit);
        let client = client.build().unwrap();
        let error = client.get(format!("http://{address}/")).send().await.unwrap_err();
        assert!(error.is_timeout() && error.is_connect(), "{error:?}");
        assert_eq!(ExchangeError::from(error).kind, WebErrorKind::Transport);
    }
}
