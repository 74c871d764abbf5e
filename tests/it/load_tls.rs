//! Loads of servers with TLS: trust, client certificates, and the message of each problem.

use std::collections::BTreeMap;

use iter8::load::http::HttpTarget;
use iter8::load::pacing::Bound;
use iter8::load::plan::LoadPlan;
use iter8::model::tls::{Identity, TlsOptions};

use crate::load::{MAX, causes, load, plan, target};
use crate::support::authority::Authority;
use crate::support::misbehaving_server::{MisbehavingServer, Reply, response};

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_only_the_configured_authority() {
    let authority = Authority::new();
    let server = MisbehavingServer::secure(authority.server(None), |_| Reply::ok("ok"));
    let url = format!("https://{}/", server.address);
    let with = |tls| load(plan(MAX, Bound::Count(6), 2), HttpTarget { tls, ..target(&url) });
    let ca = |authority: &Authority| Some(authority.pem.clone().into_bytes());
    let trusted = with(TlsOptions { ca: ca(&authority), ..TlsOptions::default() }).await.unwrap();
    assert_eq!((trusted.responses(), trusted.counts.errors), (6, 0), "{:?}", trusted.causes);
    let any = with(TlsOptions { skip_verify: true, ..TlsOptions::default() }).await.unwrap();
    assert_eq!((any.responses(), any.counts.errors), (6, 0), "{:?}", any.causes);
    for tls in [TlsOptions::default(), TlsOptions { ca: ca(&Authority::new()), ..TlsOptions::default() }] {
        let outcome = with(tls).await.unwrap();
        assert_eq!(causes(&outcome), BTreeMap::from([("tls", 6)]), "{:?}", outcome.causes);
    }
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", plain.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.read(&mut [0; 2048]).await;
            let _ = stream.write_all(&response(400, "", "plain HTTP here")).await;
        }
    });
    let outcome = load(plan(MAX, Bound::Count(2), 1), target(&url)).await.unwrap();
    assert_eq!(causes(&outcome), BTreeMap::from([("tls", 2)]), "{:?}", outcome.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_certificate_is_trusted_for_its_name() {
    for (name, expected) in [("127.0.0.1", None), ("127.0.0.2", Some("tls"))] {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let server = MisbehavingServer::secure(Authority::showing(&certificate, &key, None), |_| Reply::ok("ok"));
        let url = format!("https://{}/", server.address);
        let with = |pem: String| {
            let tls = TlsOptions { ca: Some(pem.into_bytes()), ..TlsOptions::default() };
            load(plan(MAX, Bound::Count(4), 2), HttpTarget { tls, ..target(&url) })
        };
        let expected: BTreeMap<_, _> = expected.map(|cause| (cause, 4)).into_iter().collect();
        assert_eq!(causes(&with(certificate.pem()).await.unwrap()), expected, "{name}");
        let other = with(Authority::new().pem).await.unwrap();
        assert_eq!(causes(&other), BTreeMap::from([("tls", 4)]));
        let detail = other.causes.values().next().unwrap().1.to_string();
        assert!(detail.contains("CA:TRUE") && !detail.contains("Other"), "{detail}");
    }
}

/// Error and hint of a load of this server, which must fail.
async fn tls_error(address: std::net::SocketAddr, trusted: &Authority) -> (String, String) {
    let tls = TlsOptions { ca: Some(trusted.pem.clone().into_bytes()), ..TlsOptions::default() };
    let plan = LoadPlan { allow_initial_errors: false, ..plan(MAX, Bound::Count(1), 1) };
    let error = load(plan, HttpTarget { tls, ..target(&format!("https://{address}/")) }).await.unwrap_err();
    (error.to_string(), error.hint().unwrap())
}

/// A server that responds to every handshake with these bytes.
fn tls_bytes(bytes: &'static [u8]) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            use std::io::{Read, Write};
            let _ = stream.read(&mut [0; 2048]).and_then(|_| stream.write_all(bytes));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tls_problem_has_its_message_and_hint() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let showing = |name: &str, year| {
        let (certificate, key) = servers.issue_until(name, year);
        MisbehavingServer::secure(Authority::showing(&certificate, &key, None), |_| Reply::ok("ok")).address
    };
    let strict = MisbehavingServer::secure(servers.server(Some(&clients)), |_| Reply::ok("ok")).address;
    // An alert: content type 21, version, length, fatal, code.
    let alert = |bytes| tls_bytes(bytes);
    for (address, trusted, message, hint) in [
        (showing("127.0.0.1", 2020), &servers, "the server's certificate expired on 2020-12-31", "renew the server's"),
        (showing("127.0.0.2", 4000), &servers, "127.0.0.2", "set `http.serverName` to a name in the"),
        (showing("127.0.0.1", 4000), &clients, "invalid peer certificate", "set `http.ca` to the CA that issued"),
        (strict, &servers, "the server requires a client certificate", "set `http.cert` and `http.key` to a client"),
        (alert(&[21, 3, 3, 0, 2, 2, 70]), &servers, "supports neither TLS 1.2 nor TLS 1.3", "enable TLS 1.2 or 1.3"),
        (
            alert(&[21, 3, 3, 0, 2, 2, 120]),
            &servers,
            "does not offer the protocol",
            "enable HTTP/2 at the server, or set `http.http2=false`",
        ),
        (
            alert(&[21, 3, 3, 0, 2, 2, 48]),
            &servers,
            "rejects the client certificate: UnknownCA",
            "set `http.cert` and `http.key`",
        ),
        (
            alert(&[21, 3, 3, 0, 2, 2, 51]),
            &servers,
            "rejects the client certificate: DecryptError",
            "set `http.cert` and `http.key`",
        ),
        (
            alert(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            &servers,
            "the server does not speak TLS",
            "set a URL with `http://`",
        ),
    ] {
        let (error, next) = tls_error(address, trusted).await;
        assert!(error.contains(message) && next.contains(hint), "{message}: {error}; {next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_are_sent() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = MisbehavingServer::secure(servers.server(Some(&clients)), |_| Reply::ok("ok"));
    let url = format!("https://{}/", server.address);
    let (certificate, key) = clients.issue();
    let identity = Identity { cert: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() };
    let ca = Some(servers.pem.clone().into_bytes());
    for (identity, expected) in [(Some(identity), None), (None, Some("tls"))] {
        let tls = TlsOptions { ca: ca.clone(), identity, skip_verify: false };
        let outcome = load(plan(MAX, Bound::Count(6), 2), HttpTarget { tls, ..target(&url) }).await.unwrap();
        let expected: BTreeMap<_, _> = expected.map(|cause| (cause, 6)).into_iter().collect();
        assert_eq!(causes(&outcome), expected, "{:?}", outcome.causes);
    }
}
