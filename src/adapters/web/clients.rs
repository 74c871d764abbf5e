//! One client per set of TLS options, because the TLS configuration of a client and its connections is fixed.

use std::time::Duration;

use parking_lot::Mutex;

use crate::load::connect::tls::client_config;
use crate::model::tls::TlsOptions;

/// Timeout for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of cached clients; the least recently used one is dropped.
const MAX_CLIENTS: usize = 8;

/// Cache of clients, the most recently used one last.
///
/// The key is the content of the options, so a replaced certificate file gets a new client.
#[derive(Default)]
pub(super) struct Clients {
    kept: Mutex<Vec<(TlsOptions, reqwest::Client)>>,
}

impl Clients {
    /// Returns the client for these options. The error names the one that is invalid.
    pub(super) fn get(&self, options: &TlsOptions) -> Result<reqwest::Client, String> {
        let mut kept = self.kept.lock();
        let entry = match kept.iter().position(|(known, _)| known == options) {
            Some(at) => kept.remove(at),
            None => (options.clone(), build(options)?),
        };
        let client = entry.1.clone();
        if kept.len() >= MAX_CLIENTS {
            kept.remove(0);
        }
        kept.push(entry);
        Ok(client)
    }
}

fn build(options: &TlsOptions) -> Result<reqwest::Client, String> {
    let tls = client_config(options, &["h2", "http/1.1"]).map_err(|error| error.to_string())?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("iter8/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| super::error::ExchangeError::from(error).reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_options_are_named_and_few_clients_are_kept() {
        let clients = Clients::default();
        let broken = TlsOptions { ca: Some(b"none".to_vec()), ..TlsOptions::default() };
        assert_eq!(
            clients.get(&broken).unwrap_err(),
            "the ca file contains no usable PEM certificate: no CERTIFICATE section"
        );
        for at in 0..2 * MAX_CLIENTS {
            let key = rcgen::generate_simple_self_signed([format!("host-{at}")]).unwrap();
            let ca = Some(key.cert.pem().into_bytes());
            clients.get(&TlsOptions { ca, ..TlsOptions::default() }).unwrap();
            // A client in use stays.
            clients.get(&TlsOptions::default()).unwrap();
        }
        let kept = clients.kept.lock();
        assert_eq!(kept.len(), MAX_CLIENTS);
        assert!(kept.iter().any(|(options, _)| *options == TlsOptions::default()));
    }
}
