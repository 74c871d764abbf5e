//! What kind of fault an error is, and how it is told: with its causes, without the URL, which may hold a password.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::ports::WebErrorKind;

/// Why an exchange gave no answer.
#[derive(Debug)]
pub(super) struct ExchangeError {
    pub(super) kind: WebErrorKind,
    pub(super) reason: String,
}

impl ExchangeError {
    /// A fault that another attempt would end with, too.
    pub(super) fn last(reason: String) -> Self {
        Self { kind: WebErrorKind::Final, reason }
    }

    /// The time for the whole exchange is over.
    pub(super) fn timeout(limit: Duration) -> Self {
        Self { kind: WebErrorKind::Timeout, reason: format!("no complete answer within {} s", limit.as_secs_f64()) }
    }
}

impl From<reqwest::Error> for ExchangeError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let kind = if error.is_builder() || causes(&error).any(|error| error.is::<rustls::Error>()) {
            // The server and we do not agree on certificates or on TLS at all: that is a matter of settings.
            WebErrorKind::Final
        } else if error.is_timeout() && !error.is_connect() {
            WebErrorKind::Timeout
        } else {
            // To open a connection has a time of its own: when that is over, nobody was asked.
            WebErrorKind::Transport
        };
        // The first link says no more than that something was sent or read.
        let mut links: Vec<_> = causes(&error).skip(1).map(ToString::to_string).collect();
        links.dedup();
        let reason = if links.is_empty() { error.to_string() } else { links.join(": ") };
        Self { kind, reason }
    }
}

/// An error and what caused it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error says what the error in it says, and names that one's cause as its own.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(within) => Some(within),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::load::connect::tls::client_config;
    use crate::model::tls::TlsOptions;

    #[tokio::test]
    async fn a_connection_that_does_not_open_in_time_is_no_late_answer() {
        // Nobody accepts, and the queue is full: further connections hang.
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
