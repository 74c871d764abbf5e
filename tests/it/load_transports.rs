//! Transports: HTTP/2 with and without TLS, proxies, Unix sockets, IPv6, other names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Version};
use iter8::load::engine;
use iter8::load::histograms::HistogramKind;
use iter8::load::http::{Http, Http2, HttpTarget, Transport};
use iter8::load::outcome::LoadOutcome;
use iter8::load::pacing::{Arrival, Bound, Pacer};
use iter8::load::plan::{LoadPlan, StopMode};
use iter8::load::protocol::Protocol;
use iter8::model::tls::TlsOptions;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::authority::Authority;
use crate::support::echo_server::{EchoOptions, EchoServer};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

fn plan(count: u64, connections: usize) -> LoadPlan {
    let pacer = Pacer::new(Arrival::Max, Bound::Count(count));
    LoadPlan { allow_initial_errors: true, ..LoadPlan::new("the server", pacer, connections) }
}

fn target(url: &str) -> HttpTarget {
    HttpTarget::new(url.parse().unwrap())
}

async fn load<P: Protocol>(plan: LoadPlan, protocol: P) -> LoadOutcome {
    engine::run(plan, Arc::new(protocol), CancellationToken::new(), &|_| {}).await.unwrap()
}

fn causes(outcome: &LoadOutcome) -> BTreeMap<&'static str, u64> {
    outcome.causes.iter().map(|(cause, (count, _))| (cause.name(), *count)).collect()
}

/// An authority, and a server of its with these protocols on offer.
fn secure(alpn: &[&str]) -> (Authority, EchoServer) {
    let authority = Authority::new();
    let mut config = authority.server(None);
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let server = EchoServer::start(EchoOptions { tls: Some(config), ..EchoOptions::default() });
    (authority, server)
}

fn trusting(authority: &Authority) -> TlsOptions {
    TlsOptions { ca: Some(authority.pem.clone().into_bytes()), ..TlsOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_with_prior_knowledge_carries_headers_and_body() {
    let server = EchoServer::plain();
    let mut target = target(&format!("http://{}/predict?model=iris", server.address));
    target.method = Method::PUT;
    target.body = Bytes::from(vec![b'x'; 100_000]);
    target.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    target.headers.insert(HOST, HeaderValue::from_static("iris.example"));
    target.headers.insert("connection", HeaderValue::from_static("keep-alive"));
    let outcome = load(plan(50, 2), Http2::new(target).unwrap()).await;
    assert_eq!((outcome.responses(), outcome.counts.errors, server.requests()), (50, 0, 50), "{:?}", outcome.causes);
    assert_eq!((outcome.traffic.bytes_sent, outcome.traffic.bytes_received), (Some(5_000_000), 5_000_000));
    assert_eq!(outcome.histograms[HistogramKind::Connect].len(), server.connections());
    assert_eq!(outcome.histograms[HistogramKind::First].len(), 50);
    let seen = &server.seen()[0];
    assert_eq!((seen.version, &seen.method, seen.body.len()), (Version::HTTP_2, &Method::PUT, 100_000));
    assert_eq!(seen.uri, "http://iris.example/predict?model=iris");
    assert_eq!(seen.headers[CONTENT_TYPE], "text/plain");
    assert!(!seen.headers.contains_key("connection") && !seen.headers.contains_key(HOST));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_share_connections_and_run_concurrently() {
    // The server answers nobody before 40 requests are there: fewer in flight would never end.
    let server = EchoServer::start(EchoOptions { crowd: Some(40), ..EchoOptions::default() });
    let http = Http2::new(target(&format!("http://{}/", server.address))).unwrap();
    let outcome = load(LoadPlan { in_flight: 40, ..plan(400, 3) }, http).await;
    assert_eq!((outcome.responses(), outcome.counts.errors), (400, 0), "{:?}", outcome.causes);
    assert_eq!(server.connections(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn alpn_negotiates_http2_or_fails() {
    let (authority, server) = secure(&["h2", "http/1.1"]);
    let url = format!("https://{}/", server.address);
    let with = |url: &str| HttpTarget { tls: trusting(&authority), ..target(url) };
    let outcome = load(plan(20, 2), Http2::new(with(&url)).unwrap()).await;
    assert_eq!((outcome.responses(), server.seen()[0].version), (20, Version::HTTP_2), "{:?}", outcome.causes);
    let outcome = load(plan(20, 2), Http::new(with(&url)).unwrap()).await;
    assert_eq!((outcome.responses(), outcome.counts.errors), (20, 0), "{:?}", outcome.causes);

    let (authority, server) = secure(&["http/1.1"]);
    let url = format!("https://{}/", server.address);
    let outcome = load(plan(4, 2), Http2::new(HttpTarget { tls: trusting(&authority), ..target(&url) }).unwrap()).await;
    assert_eq!(causes(&outcome), BTreeMap::from([("tls", 4)]), "{:?}", outcome.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_work() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let authority = Authority::new();
        let server =
            EchoServer::start(EchoOptions { tls: Some(authority.server_of(version)), ..EchoOptions::default() });
        let url = format!("https://{}/", server.address);
        let http = Http::new(HttpTarget { tls: trusting(&authority), ..target(&url) }).unwrap();
        let outcome = load(plan(4, 2), http).await;
        assert_eq!((outcome.responses(), outcome.counts.errors), (4, 0), "{version:?}: {:?}", outcome.causes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_name_overrides_the_host_of_the_url() {
    let (authority, server) = secure(&[]);
    // 127.0.0.2 is not in the certificate, `localhost` is.
    let url = format!("https://localhost:{}/", server.address.port());
    for (name, expected) in [(None, 0), (Some("localhost"), 0), (Some("elsewhere.example"), 4)] {
        let server_name = name.map(str::to_owned);
        let target = HttpTarget { tls: trusting(&authority), server_name, ..target(&url) };
        assert_eq!(load(plan(4, 1), Http::new(target).unwrap()).await.counts.errors, expected, "{name:?}");
    }
    let odd = HttpTarget { server_name: Some("not a name".into()), ..target(&url) };
    assert!(Http::new(odd).unwrap_err().to_string().contains("`not a name`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connects_over_unix_sockets_and_ipv6() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.sock");
    let server = EchoServer::on_socket(&path);
    let with = |transport| HttpTarget { transport, ..target("http://model.example/ready") };
    let outcome = load(plan(10, 2), Http::new(with(Transport::Unix(path.clone()))).unwrap()).await;
    assert_eq!((outcome.responses(), server.connections()), (10, 2), "{:?}", outcome.causes);
    assert_eq!(server.seen()[0].headers[HOST], "model.example");
    let outcome = load(plan(10, 2), Http2::new(with(Transport::Unix(path.clone()))).unwrap()).await;
    assert_eq!((outcome.responses(), server.seen()[10].version), (10, Version::HTTP_2));
    let outcome = load(plan(2, 1), Http::new(with(Transport::Unix(directory.path().join("none")))).unwrap()).await;
    let detail = outcome.causes.values().next().unwrap().1.to_string();
    assert!(detail.contains("none") && detail.contains("No such file"), "{detail}");

    let server = EchoServer::start(EchoOptions { is_ipv6: true, ..EchoOptions::default() });
    let outcome = load(plan(10, 2), Http::new(target(&format!("http://{}/", server.address))).unwrap()).await;
    assert_eq!((outcome.responses(), outcome.counts.errors), (10, 0), "{:?}", outcome.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_fail_immediately_do_not_starve_others() {
    let directory = tempfile::tempdir().unwrap();
    let target =
        HttpTarget { transport: Transport::Unix(directory.path().join("none")), ..target("http://model.example/") };
    let pacer = Pacer::new(Arrival::Max, Bound::Duration(Duration::from_secs(5)));
    let plan = LoadPlan { pacer, threads: Some(1), allow_initial_errors: false, ..plan(1, 4) };
    let start = std::time::Instant::now();
    let loaded = engine::run(plan, Arc::new(Http::new(target).unwrap()), CancellationToken::new(), &|_| {}).await;
    assert!(loaded.unwrap_err().to_string().starts_with("the first 4 requests to the server all failed"));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// A proxy that makes tunnels, and passes requests in absolute form on; every one needs these credentials. Returns its address and
/// counts what it was asked.
async fn proxy(requested: Arc<std::sync::Mutex<Vec<String>>>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let requested = Arc::clone(&requested);
            tokio::spawn(async move {
                let _ = relay(stream, requested).await;
            });
        }
    });
    address
}

async fn relay(stream: TcpStream, requested: Arc<std::sync::Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut client = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && client.read_line(&mut head).await? > 0 {}
    let line = head.lines().next().unwrap_or_default().to_owned();
    requested.lock().unwrap().push(line.clone());
    // `user:p@ss` in base64.
    if !head.contains("roxy-authorization: Basic dXNlcjpwQHNz")
        && !head.contains("roxy-Authorization: Basic dXNlcjpwQHNz")
    {
        return client.write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n").await;
    }
    let word = line.split(' ').nth(1).unwrap_or_default();
    let to = word.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let mut server = TcpStream::connect(to).await?;
    if line.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Go ahead\r\nX-Proxy: yes\r\n\r\n").await?;
    } else {
        server.write_all(head.as_bytes()).await?;
    }
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_forwards_plain_http_and_tunnels_tls() {
    let requested = Arc::default();
    let proxy = proxy(Arc::clone(&requested)).await;
    let transport = Transport::Proxy(format!("http://user:p%40ss@{proxy}").parse().unwrap());
    let plain = EchoServer::plain();
    let url = format!("http://{}/a?b=c", plain.address);
    let outcome =
        load(plan(6, 2), Http::new(HttpTarget { transport: transport.clone(), ..target(&url) }).unwrap()).await;
    assert_eq!((outcome.responses(), outcome.counts.errors), (6, 0), "{:?} {:?}", outcome.causes, outcome.statuses);
    assert_eq!(requested.lock().unwrap().first(), Some(&format!("GET {url} HTTP/1.1")));
    assert_eq!(plain.seen()[0].headers[HOST], plain.address.to_string());
    assert!(plain.seen()[0].headers.contains_key(PROXY_AUTHORIZATION), "our small proxy passes on what it gets");

    requested.lock().unwrap().clear();
    let outcome =
        load(plan(6, 2), Http2::new(HttpTarget { transport: transport.clone(), ..target(&url) }).unwrap()).await;
    assert_eq!((outcome.responses(), outcome.counts.errors), (6, 0), "{:?}", outcome.causes);
    let (authority, secret) = secure(&["h2", "http/1.1"]);
    let url = format!("https://{}/", secret.address);
    let with = HttpTarget { transport, tls: trusting(&authority), ..target(&url) };
    let outcome = load(plan(6, 2), Http::new(with).unwrap()).await;
    assert_eq!((outcome.responses(), outcome.counts.errors), (6, 0), "{:?}", outcome.causes);
    assert!(!secret.seen()[0].headers.contains_key(PROXY_AUTHORIZATION), "the proxy's password is the proxy's alone");
    let tunnels = [plain.address, plain.address, secret.address, secret.address];
    assert_eq!(*requested.lock().unwrap(), tunnels.map(|to| format!("CONNECT {to} HTTP/1.1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_errors_differ_from_service_errors() {
    let proxy = proxy(Arc::default()).await;
    let transport = Transport::Proxy(format!("http://{proxy}").parse().unwrap());
    let target = HttpTarget { transport, ..target("https://127.0.0.1:1/") };
    let outcome = load(plan(2, 1), Http::new(target).unwrap()).await;
    assert_eq!(causes(&outcome), BTreeMap::from([("proxy", 2)]));
    assert!(outcome.causes.values().next().unwrap().1.to_string().contains("407"), "{:?}", outcome.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hop_that_failed_is_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = MisbehavingServer::always(Reply::with(302, &format!("Location: http://{closed}/next\r\n"), ""));
    let service = server.url();
    for (url, proxied, cause, detail) in [
        (service.as_str(), true, "proxy", format!("proxy {closed}: Connection refused")),
        ("https://127.0.0.1:1/", true, "proxy", format!("proxy {closed}: Connection refused")),
        (&service, false, "redirect", format!("redirect target `http://{closed}/next`: Connection refused")),
    ] {
        let transport =
            if proxied { Transport::Proxy(format!("http://{closed}").parse().unwrap()) } else { Transport::Direct };
        let with = || Http::new(HttpTarget { transport: transport.clone(), redirects: 5, ..target(url) }).unwrap();
        let outcome = load(plan(3, 1), with()).await;
        assert_eq!(causes(&outcome), BTreeMap::from([(cause, 3)]));
        let text = outcome.causes.values().next().unwrap().1.to_string();
        assert!(text.starts_with(&detail), "{text}");
        let plan = LoadPlan { allow_initial_errors: false, ..plan(3, 1) };
        let error = engine::run(plan, Arc::new(with()), CancellationToken::new(), &|_| {}).await.unwrap_err();
        assert!(
            error.to_string().contains(&detail) && error.hint().unwrap().contains(cause),
            "{error}: {:?}",
            error.hint()
        );
    }
}

/// A listener that accepts connections and never writes.
async fn silent() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    address
}

/// A listener whose queue is full, so that connecting to it takes forever. It is full until the second value is dropped.
async fn full() -> (std::net::SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut open = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        open.push(stream.unwrap());
    }
    (address, (listener, open))
}

/// Detail of the timeouts of a load of four requests, two at a time, and the hint if it is not allowed to start with errors.
async fn timed_out<P: Protocol>(protocol: impl Fn() -> P) -> (String, String) {
    let plan = || LoadPlan { timeout: Duration::from_millis(200), in_flight: 2, ..plan(4, 2) };
    let outcome = load(plan(), protocol()).await;
    assert_eq!(causes(&outcome), BTreeMap::from([("timeout", 4)]), "{:?}", outcome.causes);
    let detail = outcome.causes.values().next().unwrap().1.to_string();
    let plan = LoadPlan { allow_initial_errors: false, ..plan() };
    let error = engine::run(plan, Arc::new(protocol()), CancellationToken::new(), &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains(&detail), "{error}");
    (detail.trim_start_matches("timed out after 200ms ").to_owned(), error.hint().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_names_the_phase_and_the_hop() {
    let (silent, (full, _queue)) = (silent().await, full().await);
    let half = MisbehavingServer::always(Reply::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi".to_vec()));
    let redirecting = MisbehavingServer::always(Reply::with(302, &format!("Location: http://{silent}/next\r\n"), ""));
    let away = MisbehavingServer::always(Reply::with(302, &format!("Location: http://{full}/next\r\n"), ""));
    let (plain, secure) = (format!("http://{silent}/"), format!("https://{silent}/"));
    let direct = Transport::Direct;
    let by = |proxy: std::net::SocketAddr| Transport::Proxy(format!("http://{proxy}").parse().unwrap());
    for (url, transport, clause, hint) in [
        (plain.clone(), &direct, "while waiting for the response".to_owned(), "service is running"),
        (half.url(), &direct, "while reading the body of the response".to_owned(), "service is running"),
        (format!("http://{full}/"), &direct, format!("while connecting to {full}"), "service is running"),
        (secure.clone(), &direct, format!("during the TLS handshake with {silent}"), "set a URL with `http://`"),
        (
            secure.clone(),
            &by(silent),
            format!("while waiting for proxy {silent} to respond to CONNECT"),
            "`http.proxy`",
        ),
        (plain.clone(), &by(full), format!("while connecting to proxy {full}"), "`http.proxy`"),
        (
            redirecting.url(),
            &direct,
            format!("while waiting for the response of redirect target {silent}"),
            "`http.followRedirects`",
        ),
        (away.url(), &direct, format!("while connecting to redirect target {full}"), "`http.followRedirects`"),
    ] {
        let with = || HttpTarget { transport: transport.clone(), redirects: 5, ..target(&url) };
        let (detail, next) = timed_out(|| Http::new(with()).unwrap()).await;
        assert_eq!(detail, clause);
        assert!(next.contains(hint), "{detail}: {next}");
    }
    for (url, transport, clause) in [
        (plain, direct.clone(), "while waiting for the response".to_owned()),
        (secure.clone(), direct, format!("during the TLS handshake with {silent}")),
        (secure, by(silent), format!("while waiting for proxy {silent} to respond to CONNECT")),
    ] {
        let with = || HttpTarget { transport: transport.clone(), ..target(&url) };
        assert_eq!(timed_out(|| Http2::new(with()).unwrap()).await.0, clause);
    }
}

/// A server of HTTP/2 that treats every stream alike.
async fn scripted_h2<F, R>(treat: F) -> std::net::SocketAddr
where
    F: Fn(h2::RecvStream, h2::server::SendResponse<Bytes>, u64) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let treat = treat.clone();
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                let mut number = 0;
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(treat(request.into_body(), respond, number));
                    number += 1;
                    if number == 7 {
                        connection.graceful_shutdown();
                    }
                }
            });
        }
    });
    address
}

fn fine(mut respond: h2::server::SendResponse<Bytes>) {
    let response = http::Response::new(());
    if let Ok(mut stream) = respond.send_response(response, false) {
        let _ = stream.send_data(Bytes::from_static(b"ok"), true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnects_after_goaway_without_losing_requests() {
    let address = scripted_h2(|_, respond, _| async move { fine(respond) }).await;
    let http = Http2::new(target(&format!("http://{address}/"))).unwrap();
    let outcome = load(LoadPlan { in_flight: 4, ..plan(200, 2) }, http).await;
    assert_eq!(
        (outcome.counts.requests, outcome.responses(), outcome.counts.errors),
        (200, 200, 0),
        "{:?}",
        outcome.causes
    );
    assert!(
        outcome.histograms[HistogramKind::Connect].len() > 20,
        "seven streams a connection: {}",
        outcome.histograms[HistogramKind::Connect].len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_reset_fails_one_request() {
    let address = scripted_h2(|_, mut respond, number| async move {
        if number % 2 == 0 { respond.send_reset(h2::Reason::INTERNAL_ERROR) } else { fine(respond) }
    })
    .await;
    let http = Http2::new(target(&format!("http://{address}/"))).unwrap();
    let outcome = load(plan(60, 1), http).await;
    assert_eq!(outcome.counts.requests, 60);
    assert_eq!(causes(&outcome), BTreeMap::from([("reset", outcome.counts.errors)]), "{:?}", outcome.causes);
    assert!((20..=40).contains(&outcome.counts.errors), "{}", outcome.counts.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_responses_and_closed_windows_time_out() {
    let address = scripted_h2(|body, mut respond, _| async move {
        // Neither reads the request's body, which is larger than the window, nor ends the answer.
        let _stream = respond.send_response(http::Response::new(()), false);
        let _body = body;
        std::future::pending::<()>().await;
    })
    .await;
    for body in [Bytes::new(), Bytes::from(vec![0; 1 << 20])] {
        let http = Http2::new(HttpTarget { body, ..target(&format!("http://{address}/")) }).unwrap();
        let plan = LoadPlan { timeout: Duration::from_millis(200), in_flight: 3, ..plan(6, 1) };
        let outcome = load(plan, http).await;
        assert_eq!(causes(&outcome), BTreeMap::from([("timeout", 6)]), "{:?}", outcome.causes);
        assert!(outcome.duration < Duration::from_secs(2), "{:?}", outcome.duration);
    }
}

/// Requests and errors by cause of a load that ends with requests in flight.
async fn stop_mode(stop_mode: StopMode) -> (LoadOutcome, Duration) {
    // Answers to 8 of 12 requests never come.
    let address = scripted_h2(|_, respond, number| async move {
        if number < 4 { fine(respond) } else { std::future::pending().await }
    })
    .await;
    let http = Http2::new(target(&format!("http://{address}/"))).unwrap();
    let pacer = Pacer::new(Arrival::Max, Bound::Duration(Duration::from_millis(300)));
    let plan = LoadPlan { pacer, in_flight: 3, timeout: Duration::from_secs(1), stop_mode, ..plan(1, 1) };
    let start = std::time::Instant::now();
    (load(plan, http).await, start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_at_the_end_are_awaited_aborted_or_ignored() {
    let (waited, time) = stop_mode(StopMode::Wait).await;
    assert_eq!((waited.counts.requests, causes(&waited)), (7, BTreeMap::from([("timeout", 3)])));
    assert!(time >= Duration::from_secs(1), "{time:?}");
    let (cut, time) = stop_mode(StopMode::Abort).await;
    assert_eq!(
        (cut.counts.requests, cut.histograms[HistogramKind::Latency].len(), causes(&cut)),
        (7, 4, BTreeMap::from([("cut", 3)]))
    );
    assert!(time < Duration::from_millis(900), "{time:?}");
    let (ignored, time) = stop_mode(StopMode::Ignore).await;
    assert_eq!((ignored.counts.requests, ignored.counts.errors), (4, 0));
    assert!(time < Duration::from_millis(900), "{time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_has_two_bounds_and_a_warm_up() {
    let server = EchoServer::plain();
    let http = || Http::new(target(&format!("http://{}/", server.address))).unwrap();
    let pacer = Pacer::new(Arrival::Constant { rate: 100.0 }, Bound::Count(1_000_000));
    let plan_of = LoadPlan { pacer, max_duration: Some(Duration::from_millis(500)), ..plan(1, 2) };
    let outcome = load(plan_of, http()).await;
    assert!((40..=52).contains(&outcome.counts.requests), "{}", outcome.counts.requests);
    assert!(outcome.counts.dropped <= 2, "slots after the end are not due: {}", outcome.counts.dropped);

    let before = server.requests();
    let outcome = load(LoadPlan { skip_first: 30, ..plan(100, 4) }, http()).await;
    assert_eq!(
        (server.requests() - before, outcome.counts.requests, outcome.histograms[HistogramKind::Latency].len()),
        (100, 70, 70)
    );
    let cold = MisbehavingServer::scripted(|a| Reply::plain(if a.number < 30 { 503 } else { 200 }, ""));
    let http = Http::new(target(&cold.url())).unwrap();
    let outcome =
        load(LoadPlan { skip_first: 34, allow_initial_errors: false, threads: Some(1), ..plan(100, 4) }, http).await;
    assert_eq!((outcome.counts.requests, outcome.counts.errors), (66, 0));
}
