//! Clients, one per TLS settings: a client keeps its connections, and what it trusts can't be changed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::load::connect::tls::client_config;
use crate::model::tls::TlsOptions;

/// Time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Clients that are kept; beyond that, the one that was not used for the longest time goes.
const MAX_CLIENTS: usize = 8;

/// The clients made so far, the one used last at the end.
///
/// They are found by the content of their settings: a certificate that was replaced in its file gets a client of its own.
#[derive(Default)]
pub(super) struct Clients {
    kept: Mutex<Vec<(TlsOptions, reqwest::Client)>>,
}

impl Clients {
    /// The client for these settings. The error says which of them can't be used.
    pub(super) fn get(&self, options: &TlsOptions) -> Result<reqwest::Client, String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn settings_that_can_not_be_used_are_named_and_few_clients_are_kept() {
        let clients = Clients::default();
        let broken = TlsOptions { ca: Some(b"none".to_vec()), ..TlsOptions::default() };
        assert_eq!(
            clients.get(&broken).unwrap_err(),
            "the ca file holds no usable PEM certificate: no CERTIFICATE section"
        );
        for at in 0..2 * MAX_CLIENTS {
            let key = rcgen::generate_simple_self_signed([format!("host-{at}")]).unwrap();
            let ca = Some(key.cert.pem().into_bytes());
            clients.get(&TlsOptions { ca, ..TlsOptions::default() }).unwrap();
            // What is in use stays.
            clients.get(&TlsOptions::default()).unwrap();
        }
        let kept = clients.kept.lock().unwrap();
        assert_eq!(kept.len(), MAX_CLIENTS);
        assert!(kept.iter().any(|(options, _)| *options == TlsOptions::default()));
    }
}
