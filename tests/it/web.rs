//! The web adapter against servers that redirect, stall, lie and hide behind proxies.

mod proxy;

use std::sync::Arc;
use std::time::{Duration, Instant};

use iter8::adapters::web::WebClient;
use iter8::model::tls::{Identity, TlsOptions};
use iter8::model::tls_problem::TlsProblem;
use iter8::ports::{Web, WebError, WebErrorKind, WebRequest, WebResponse};

use crate::support::authority::Authority;
use crate::support::cli_case::CliCase;
use crate::support::echo_server::{EchoOptions, EchoServer};
use crate::support::misbehaving_server::{MisbehavingServer, Reply, response};
use proxy::Proxy;

const LONG: Duration = Duration::from_secs(30);

fn get(url: impl Into<String>) -> WebRequest {
    WebRequest {
        method: "GET".to_owned(),
        url: url.into(),
        max_response_bytes: 1 << 10,
        timeout: LONG,
        ..WebRequest::default()
    }
}

async fn send(request: WebRequest) -> Result<WebResponse, WebError> {
    WebClient::default().send(request).await
}

#[track_caller]
fn assert_fault(end: Result<WebResponse, WebError>, kind: WebErrorKind, message: &str) {
    let error = end.unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.reason.contains(message), "{error}");
}

/// A server that redirects every request but those for `/end` there, with this status.
fn redirecting(status: u16, location: impl Into<String>) -> MisbehavingServer {
    let location = location.into();
    MisbehavingServer::scripted(move |request| match request.head.split(' ').nth(1) {
        Some("/end") => Reply::ok("ok"),
        _ => Reply::with(status, &format!("Location: {location}\r\n"), ""),
    })
}

#[tokio::test]
async fn date_and_retry_after_are_read() {
    let headers = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n";
    let server = MisbehavingServer::always(Reply::with(503, headers, "later"));
    let answer = send(get(server.url())).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (503, b"later".as_slice()));
    assert!(answer.clock_ahead.unwrap() < chrono::TimeDelta::days(-365 * 30));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(10)));
    // No compression is requested.
    let head = server.seen()[0].head.to_lowercase();
    assert!(!head.contains("accept-encoding") && head.contains("user-agent: iter8/"), "{head}");
}

#[tokio::test]
async fn same_origin_redirects_keep_method_headers_and_body() {
    for status in [307, 308] {
        let server = redirecting(status, "/end");
        let request = WebRequest {
            method: "PUT".to_owned(),
            headers: vec![("Authorization".to_owned(), "Bearer hunter2".to_owned())],
            body: Some(b"payload".to_vec()),
            ..get(server.url())
        };
        assert_eq!(send(request).await.unwrap().status, 200);
        let second = &server.seen()[1];
        assert!(second.head.starts_with("PUT /end ") && second.head.contains("Bearer hunter2"), "{}", second.head);
        assert_eq!(second.body, "payload");
    }
    let server = redirecting(303, "/end");
    let request = WebRequest { method: "POST".to_owned(), body: Some(b"payload".to_vec()), ..get(server.url()) };
    assert_eq!(send(request).await.unwrap().status, 200);
    let second = &server.seen()[1];
    assert!(second.head.starts_with("GET /end ") && second.body.is_empty(), "{}", second.head);
}

#[tokio::test]
async fn credentials_in_a_url_are_not_sent_to_another_host() {
    let (other, server) = (MisbehavingServer::always(Reply::ok("ok")), redirecting(302, "/end"));
    let with_user = |server: &MisbehavingServer| format!("http://user:hunter2@{}/", server.address);
    assert_eq!(send(get(with_user(&server))).await.unwrap().status, 200);
    assert!(server.seen().iter().all(|seen| seen.head.to_lowercase().contains("authorization: basic")));
    let server = redirecting(302, other.url());
    assert_eq!(send(get(with_user(&server))).await.unwrap().status, 200);
    let head = &other.seen()[0].head;
    assert!(!head.to_lowercase().contains("authorization") && !head.to_lowercase().contains("referer"), "{head}");
}

#[tokio::test]
async fn redirects_to_another_host_are_rejected_with_credentials() {
    let other = MisbehavingServer::always(Reply::ok("ok"));
    let server = redirecting(302, format!("{}stolen?secret=hunter2", other.url()));
    let headers = vec![("Authorization".to_owned(), "Bearer hunter2".to_owned())];
    let end = send(WebRequest { headers, ..get(format!("{}?token=hunter2", server.url())) }).await;
    let error = end.unwrap_err();
    let expected = format!(
        "redirects to another host (http://{}), and the request's headers are not forwarded; use that URL instead",
        other.address
    );
    assert_eq!((error.kind, error.reason.as_str()), (WebErrorKind::Final, expected.as_str()));
    assert!(!error.to_string().contains("hunter2") && !error.to_string().contains('?'), "{error}");
    assert_eq!(other.connections(), 0);
    // A download has nothing to hide.
    assert_eq!(send(get(server.url())).await.unwrap().status, 200);
    assert_eq!(other.requests(), 1);
}

#[tokio::test]
async fn bad_redirects_are_errors() {
    let ring = redirecting(302, "/again");
    assert_fault(send(get(ring.url())).await, WebErrorKind::Final, "more than 10 redirects");
    assert_eq!(ring.requests(), 11);
    for location in ["", "ftp://host/", "http://[", "\u{1}"] {
        let server = redirecting(301, location);
        assert!(send(get(server.url())).await.is_err(), "{location}");
    }
    let silent = MisbehavingServer::always(Reply::with(302, "", ""));
    assert_fault(send(get(silent.url())).await, WebErrorKind::Final, "without a `Location`");
    // These are answers, not redirects.
    for status in [300, 304] {
        let server = MisbehavingServer::always(Reply::with(status, "Location: /end\r\n", ""));
        assert_eq!(send(get(server.url())).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn large_responses_are_limited() {
    let announced =
        MisbehavingServer::always(Reply::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\nabc".to_vec()));
    assert_fault(send(get(announced.url())).await, WebErrorKind::Final, "the response is larger than 1024 bytes");
    // 100 MB without a Content-Length; the server cannot write all of it if the client stops reading.
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(100 << 20, b'x');
    let endless = MisbehavingServer::always(Reply::SendAndClose(endless));
    assert_fault(send(get(endless.url())).await, WebErrorKind::Final, "the response is larger than 1024 bytes");
    let exact = MisbehavingServer::always(Reply::with(200, "", &"x".repeat(1 << 10)));
    assert_eq!(send(get(exact.url())).await.unwrap().body.len(), 1 << 10);
}

#[tokio::test]
async fn the_timeout_covers_the_whole_exchange() {
    let drip = response(200, "", &"x".repeat(1000));
    for act in [Reply::Silence, Reply::Drip(drip, Duration::from_millis(50))] {
        let server = MisbehavingServer::always(act);
        let started = Instant::now();
        let request = WebRequest { timeout: Duration::from_millis(300), ..get(server.url()) };
        assert_fault(send(request).await, WebErrorKind::Timeout, "no complete response within 0.3 s");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    // Redirects share it.
    let server =
        MisbehavingServer::scripted(|_| Reply::Drip(response(302, "Location: /\r\n", ""), Duration::from_millis(5)));
    let request = WebRequest { timeout: Duration::from_millis(600), ..get(server.url()) };
    assert_fault(send(request).await, WebErrorKind::Timeout, "no complete response");
}

#[tokio::test]
async fn connection_errors_are_retryable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = listener.local_addr().unwrap();
    drop(listener);
    assert_fault(send(get(format!("http://{refused}/"))).await, WebErrorKind::Transport, "refused");
    assert_fault(send(get("http://no-such-host.invalid/")).await, WebErrorKind::Transport, "dns");
    let truncated = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc".to_vec();
    for act in [
        Reply::SendAndClose(truncated.clone()),
        Reply::SendAndReset(truncated),
        Reply::SendAndReset(b"HTTP/1.1 2".to_vec()),
        Reply::SendAndClose(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
    ] {
        let server = MisbehavingServer::always(act.clone());
        let end = send(get(server.url())).await;
        assert_eq!(end.as_ref().map_err(|error| error.kind).err(), Some(WebErrorKind::Transport), "{act:?}: {end:?}");
    }
}

#[tokio::test]
async fn invalid_requests_are_not_retryable() {
    for url in ["", "ftp://host/", "host:80", "http://", "http://[::1"] {
        assert_fault(send(get(url)).await, WebErrorKind::Final, "not a valid URL");
    }
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for headers in [header("bad name", "x"), header("x", "hunter2\n")] {
        let error = send(WebRequest { headers, ..get(server.url()) }).await.unwrap_err();
        assert!(error.kind == WebErrorKind::Final && !error.to_string().contains("hunter2"), "{error}");
    }
    assert_fault(
        send(WebRequest { method: "G T".to_owned(), ..get(server.url()) }).await,
        WebErrorKind::Final,
        "method",
    );
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn untrusted_certificates_are_rejected() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = MisbehavingServer::secure(authority.server(None), |_| Reply::ok("ok"));
    let url = format!("https://{}/", server.address);
    let trusting = |pem: &str| TlsOptions { ca: Some(pem.as_bytes().to_vec()), ..TlsOptions::default() };
    let client = WebClient::default();
    let ask = |tls| client.send(WebRequest { tls, ..get(url.clone()) });
    assert_fault(ask(TlsOptions::default()).await, WebErrorKind::Tls(TlsProblem::Untrusted), "UnknownIssuer");
    assert_fault(ask(trusting(&other.pem)).await, WebErrorKind::Tls(TlsProblem::Untrusted), "certificate");
    // The same client: each of its settings has its own connections.
    assert_eq!(ask(trusting(&authority.pem)).await.unwrap().status, 200);
    assert_fault(ask(trusting(&other.pem)).await, WebErrorKind::Tls(TlsProblem::Untrusted), "certificate");
    assert_eq!(ask(TlsOptions { skip_verify: true, ..TlsOptions::default() }).await.unwrap().status, 200);
    assert_fault(ask(trusting("none")).await, WebErrorKind::Final, "the ca file contains no usable PEM certificate");
    let plain = EchoServer::plain();
    let end = send(get(format!("https://{}/", plain.address))).await;
    assert_fault(end, WebErrorKind::Tls(TlsProblem::NoTls), "the server does not speak TLS on this port");
}

#[tokio::test]
async fn client_certificates_are_sent_on_request() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = MisbehavingServer::secure(authority.server(Some(&clients)), |_| Reply::ok("ok"));
    let url = format!("https://{}/", server.address);
    let ca = Some(authority.pem.clone().into_bytes());
    let (certificate, key) = clients.issue();
    let identity = Identity { cert: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() };
    let known = TlsOptions { ca: ca.clone(), identity: Some(identity), skip_verify: false };
    assert_eq!(send(WebRequest { tls: known, ..get(url.clone()) }).await.unwrap().status, 200);
    let unknown = TlsOptions { ca, ..TlsOptions::default() };
    assert_fault(
        send(WebRequest { tls: unknown, ..get(url) }).await,
        WebErrorKind::Tls(TlsProblem::ClientCertificate),
        "the server requires a client certificate",
    );
}

#[tokio::test]
async fn http2_is_negotiated() {
    let authority = Authority::new();
    let mut config = authority.server(None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = EchoServer::start(EchoOptions { tls: Some(config), ..EchoOptions::default() });
    let tls = TlsOptions { ca: Some(authority.pem.into_bytes()), ..TlsOptions::default() };
    let answer = send(WebRequest { tls, ..get(format!("https://{}/", server.address)) }).await.unwrap();
    assert_eq!(answer.body, b"ok");
    assert_eq!(server.seen()[0].version, http::Version::HTTP_2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_variables_are_respected() {
    let authority = Authority::new();
    let values = || Reply::with(200, "", "tasks: [run]\nrun: echo through\n");
    let (plain, proxy) = (MisbehavingServer::always(values()), Arc::new(Proxy::start().await));
    let secure = MisbehavingServer::secure(authority.server(None), move |_| values());
    let cli = CliCase::new();
    let ca = cli.write("ca.pem", &authority.pem);
    let dry = |url: String, no_proxy: &str| {
        let mut command = cli.command();
        command.env("HTTP_PROXY", proxy.url()).env("HTTPS_PROXY", proxy.url()).env("NO_PROXY", no_proxy);
        command.env("SSL_CERT_FILE", &ca).args(["run", "--dry", "-f", &url]);
        tokio::task::block_in_place(|| command.output().unwrap())
    };
    let message = |output: std::process::Output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(message(dry(format!("{}v.yaml", plain.url()), "")).contains("echo through"));
    assert!(message(dry(format!("https://{}/v.yaml", secure.address), "")).contains("echo through"));
    let expected = [format!("GET http://{}/v.yaml", plain.address), format!("CONNECT {}", secure.address)];
    assert_eq!(proxy.asked(), expected);
    assert!(message(dry(format!("{}v.yaml", plain.url()), "127.0.0.1")).contains("echo through"));
    assert_eq!(proxy.asked().len(), 2, "the proxy was asked in spite of NO_PROXY");
}
