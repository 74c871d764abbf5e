//! Servers that misbehave: no panic, no hang beyond the timeouts, and each failure has its cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};
use serde_json::json;

use super::run::{load, outcomes, record, run, with};
use super::server::{Call, PROTO, Server, answer, framed, head, msg, trailers};
use crate::support::cli_case::CliCase;
use crate::support::transcript::transcript;

/// Codes, causes and notes of 8 calls that are all answered alike.
async fn against<F: Future<Output = ()> + Send + 'static>(
    method: &str,
    script: impl Fn(Call) -> F + Send + Sync + 'static,
) -> (String, String) {
    let server = Server::scripted(script).await;
    let start = Instant::now();
    let contribution = load(&server, method, json!({"total": 8, "timeout": "400ms"})).await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    (outcomes(&contribution), contribution.notes.join("\n"))
}

fn of_type(content_type: &str) -> Response<()> {
    Response::builder().header("content-type", content_type).body(()).unwrap()
}

fn of_gzip() -> Response<()> {
    let mut head = head();
    head.headers_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    head
}

fn with_type(mut head: Response<()>, content_type: &str) -> Response<()> {
    head.headers_mut().append("content-type", content_type.parse().unwrap());
    head
}

fn with_status(mut head: Response<()>, statuses: &[&str]) -> Response<()> {
    for status in statuses {
        head.headers_mut().append("grpc-status", status.parse().unwrap());
    }
    head
}

/// Trailers with two statuses.
fn twice(first: &str, second: &str) -> HeaderMap {
    let mut trailers = trailers(first, "");
    trailers.append("grpc-status", second.parse().unwrap());
    trailers
}

#[tokio::test]
async fn no_response_with_another_http_status_or_type_is_a_success() {
    let of = |status: u16, content_type: &str| {
        let head = Response::builder().status(status).header("content-type", content_type).body(()).unwrap();
        with_status(head, &["0"])
    };
    for method in ["Unary", "Server"] {
        for (status, content_type, data, expected) in [
            (503, "text/html", false, "UNAVAILABLE×8"),
            (503, "application/grpc", false, "UNAVAILABLE×8"),
            (503, "application/grpc", true, "UNAVAILABLE×8"),
            (500, "application/grpc", true, "UNKNOWN×8"),
            (204, "application/grpc", false, "UNKNOWN×8"),
            (201, "application/grpc", true, "UNKNOWN×8"),
            (302, "text/html", false, "UNKNOWN×8"),
            (200, "text/html", false, "malformed×8"),
            (200, "text/html", true, "malformed×8"),
        ] {
            let script = move |call: Call| async move {
                let data = if data { vec![msg("", 1)] } else { vec![] };
                let end = (!data.is_empty()).then(|| trailers("0", ""));
                answer(call.respond, of(status, content_type), &data, end);
            };
            let (outcomes, notes) = against(method, script).await;
            assert_eq!(outcomes, expected, "{method} {status} {content_type}: {notes}");
        }
    }
}

#[tokio::test]
async fn responses_that_are_not_grpc_are_malformed() {
    let good = || Some(trailers("0", ""));
    type Answer = (&'static str, fn() -> Response<()>, Vec<Bytes>, Option<HeaderMap>, &'static str);
    let cases: Vec<Answer> = vec![
        ("a wrong type", || of_type("text/html"), vec![msg("", 1)], good(), "content-type is `text/html`"),
        ("a type that starts alike", || of_type("application/grpcx"), vec![], good(), "application/grpcx"),
        ("no type", || Response::new(()), vec![msg("", 1)], good(), "no content-type"),
        ("no status", head, vec![msg("", 1)], None, "no grpc-status"),
        ("a status that is no number", head, vec![msg("", 1)], Some(trailers("ok", "")), "grpc-status is `ok`"),
        ("a huge length", head, vec![Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1])], good(), "4294967295 bytes"),
        ("a compressed message", head, vec![Bytes::from_static(&[1, 0, 0, 0, 1, 1])], good(), "has no grpc-encoding"),
        ("an odd flag", head, vec![Bytes::from_static(&[9, 0, 0, 0, 0])], good(), "flag byte is 9"),
        ("no protobuf", head, vec![framed(&[0xff; 3])], good(), "the response message cannot be decoded: it is not in"),
        ("no gzip", of_gzip, vec![Bytes::from_static(&[1, 0, 0, 0, 2, 8, 1])], good(), "not complete gzip"),
        ("half a message", head, vec![msg("hello", 1).slice(..7)], good(), "ended within a message"),
        ("no message", head, vec![], good(), "with 0 messages; expected one"),
        ("two messages", head, vec![msg("", 1), msg("", 2)], good(), "with 2 messages; expected one"),
        ("two statuses", head, vec![msg("", 1)], Some(twice("0", "13")), "given twice: `0` and `13`"),
        ("a status twice", head, vec![msg("", 1)], Some(twice("0", "0")), "given twice: `0` and `0`"),
        ("two statuses in the head", || with_status(head(), &["0", "13"]), vec![], None, "given twice: `0` and `13`"),
        (
            "one status in the head, another in the trailers",
            || with_status(head(), &["13"]),
            vec![msg("", 1)],
            good(),
            "grpc-status is 13 in the head and 0 in the trailers",
        ),
        ("two types", || with_type(head(), "text/html"), vec![msg("", 1)], good(), "content-type is `text/html`"),
    ];
    for (name, head, data, end, expected) in cases {
        let script = move |call: Call| {
            let (data, end) = (data.clone(), end.clone());
            async move { answer(call.respond, head(), &data, end) }
        };
        let (outcomes, notes) = against("Unary", script).await;
        assert_eq!(outcomes, "malformed×8", "{name}: {notes}");
        assert!(notes.contains(expected), "{name}: {notes}");
    }
}

#[tokio::test]
async fn statuses_are_counted_by_name() {
    type Answer = (fn() -> Response<()>, Vec<Bytes>, Option<HeaderMap>, &'static str, &'static str);
    let trailers_only = || {
        let mut head = head();
        head.headers_mut().extend(trailers("14", "come%20back%20later"));
        head
    };
    let cases: Vec<Answer> = vec![
        (head, vec![], Some(trailers("4", "")), "DEADLINE_EXCEEDED×8", "DEADLINE_EXCEEDED ×8"),
        (trailers_only, vec![], None, "UNAVAILABLE×8", "the first: come back later"),
        (head, vec![msg("", 1)], Some(trailers("99", "")), "Code(99)×8", "Code(99)"),
        (|| Response::builder().status(503).body(()).unwrap(), vec![], None, "UNAVAILABLE×8", "HTTP status 503"),
        (
            || Response::builder().status(404).body(()).unwrap(),
            vec![Bytes::from_static(b"<html>")],
            None,
            "UNIMPLEMENTED×8",
            "HTTP status 404",
        ),
        (
            || Response::builder().status(500).header("grpc-status", "8").body(()).unwrap(),
            vec![],
            None,
            "RESOURCE_EXHAUSTED×8",
            "",
        ),
    ];
    for (head, data, end, expected, noted) in cases {
        let script = move |call: Call| {
            let (data, end) = (data.clone(), end.clone());
            async move { answer(call.respond, head(), &data, end) }
        };
        let (outcomes, notes) = against("Unary", script).await;
        assert_eq!(outcomes, expected, "{notes}");
        assert!(notes.contains(noted), "{notes}");
    }
}

#[tokio::test]
async fn an_early_status_ends_the_request_stream() {
    let server = Server::scripted(|call| async move {
        answer(call.respond, head(), &[], Some(trailers("8", "enough")));
    })
    .await;
    let data: Vec<_> = (0..1000).map(|_| json!({"text": "x".repeat(1000)})).collect();
    let start = Instant::now();
    let contribution = load(&server, "Client", json!({"data": data, "stream-interval": "10ms", "total": 4})).await;
    assert_eq!(outcomes(&contribution), "RESOURCE_EXHAUSTED×4");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn resets_are_counted_as_resets() {
    for (reason, expected) in [(Reason::CANCEL, "CANCEL"), (Reason::INTERNAL_ERROR, "INTERNAL_ERROR")] {
        let (outcomes, notes) =
            against("Unary", move |mut call: Call| async move { call.respond.send_reset(reason) }).await;
        assert_eq!(outcomes, "reset×8");
        assert!(notes.contains(expected), "{notes}");
    }
    let amid = |mut call: Call| async move {
        let mut stream = call.respond.send_response(head(), false).unwrap();
        stream.send_data(msg("hello", 1).slice(..6), false).unwrap();
        stream.send_reset(Reason::INTERNAL_ERROR);
    };
    assert_eq!(against("Server", amid).await.0, "reset×8");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_until_the_timeout() {
    let server = Server::scripted(|mut call| async move {
        match call.number % 2 {
            0 => call.respond.send_reset(Reason::REFUSED_STREAM),
            _ => answer(call.respond, head(), &[msg("", 1)], Some(trailers("0", ""))),
        }
    })
    .await;
    let contribution = load(&server, "Unary", json!({"total": 6, "concurrency": 1})).await;
    assert_eq!((outcomes(&contribution).as_str(), server.calls()), ("OK×6", 12));
    assert_eq!(record(&contribution).counts.resent, 6);
    let (outcomes, notes) =
        against("Unary", |mut call: Call| async move { call.respond.send_reset(Reason::REFUSED_STREAM) }).await;
    assert_eq!(outcomes, "timeout×8", "not for ever");
    assert!(notes.contains("timeout ×8: the service did not take the request before"), "{notes}");
}

#[tokio::test]
async fn reconnects_after_goaway_without_losing_calls() {
    let server = Server::leaving(7, |call| async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        answer(call.respond, head(), &[msg("", 1)], Some(trailers("0", "")));
    })
    .await;
    let contribution = load(&server, "Unary", json!({"total": 200, "concurrency": 5})).await;
    assert_eq!(outcomes(&contribution), "OK×200");
    assert!((10..=40).contains(&server.connections()), "{}", server.connections());
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let silent = |call: Call| async move {
        std::future::pending::<()>().await;
        drop(call);
    };
    let (outcomes, notes) = against("Unary", silent).await;
    assert_eq!(outcomes, "timeout×8");
    assert!(notes.contains("timed out after 400ms while waiting for the response"), "{notes}");
    let after_head = |mut call: Call| async move {
        let _stream = call.respond.send_response(head(), false).unwrap();
        std::future::pending::<()>().await;
    };
    let (outcomes, notes) = against("Both", after_head).await;
    assert_eq!(outcomes, "timeout×8");
    assert!(notes.contains("timed out after 400ms while receiving the messages of the response"), "{notes}");
}

#[tokio::test]
async fn a_connect_timeout_names_the_phase() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let base = json!({"host": host, "call": "t.Echo/Unary", "total": 4, "connect-timeout": "200ms", "timeout": "5s",
        "insecure": false, "allowInitialErrors": true});
    let mut with = base.clone();
    with["proto"] = json!("t.proto");
    let contribution = run(with).await.unwrap();
    assert_eq!(outcomes(&contribution), "timeout×4");
    let expected = format!("timed out after 200ms during the TLS handshake with {host}");
    assert!(contribution.notes.join("\n").contains(&expected), "{:?}", contribution.notes);
    let mut with = base;
    with["timeout"] = json!("300ms");
    let Err(iter8::tasks::TaskError::Failed { message, .. }) = run(with).await else { panic!() };
    let expected = format!("for reflection: timed out after 500ms during the TLS handshake with {host}");
    assert!(message.contains(&expected), "{message}");
}

#[tokio::test]
async fn a_closed_flow_control_window_times_out() {
    let server = Server::scripted(|call| async move {
        // Data that is never read never reopens the flow-control window.
        let _held = call;
        std::future::pending::<()>().await;
    })
    .await;
    let big = json!({"text": "x".repeat(200_000)});
    for (method, data) in [("Unary", big.clone()), ("Client", json!([big.clone(), big.clone(), big]))] {
        let contribution = load(&server, method, json!({"data": data, "total": 4, "timeout": "400ms"})).await;
        assert_eq!(outcomes(&contribution), "timeout×4", "{method}");
    }
}

#[tokio::test]
async fn a_long_response_is_read_and_not_kept() {
    let server = Server::scripted(|mut call| async move {
        let mut stream = call.respond.send_response(head(), false).unwrap();
        // A field of bytes, whose tag and length take four bytes.
        let chunk = framed(&[&[0x0a, 0x9c, 0x8d, 0x06][..], &[0; 99_996]].concat());
        for _ in 0..100 {
            stream.send_data(chunk.clone(), false).unwrap();
        }
        let _ = stream.send_trailers(trailers("0", ""));
    })
    .await;
    let contribution = load(&server, "Server", json!({"total": 2, "concurrency": 2})).await;
    assert_eq!(outcomes(&contribution), "OK×2");
    assert_eq!(record(&contribution).traffic.messages_received, Some(200));
    assert_eq!(record(&contribution).traffic.bytes_received, 20_000_000);
}

#[tokio::test]
async fn a_server_without_http2_is_an_error() {
    for (words, cause) in [(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "malformed×8"), (b"", "closed×8")] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut heard = [0; 1024];
                let _ = stream.read(&mut heard).await;
                let _ = stream.write_all(words).await;
                let _ = stream.shutdown().await;
                // Read to the end, so that nothing is reset.
                while stream.read(&mut heard).await.is_ok_and(|count| count > 0) {}
            }
        });
        let with = json!({"host": host, "call": "t.Echo/Unary", "proto": "t.proto", "total": 8, "concurrency": 2,
            "timeout": "2s", "allowInitialErrors": true});
        assert_eq!(outcomes(&run(with).await.unwrap()), cause);
        server.abort();
    }
}

#[tokio::test]
async fn a_service_whose_responses_are_not_grpc_is_measured() {
    let html = |call: Call| async move {
        answer(call.respond, of_type("text/html"), &[Bytes::from_static(b"<html>")], None);
    };
    let reset = |mut call: Call| async move { call.respond.send_reset(Reason::INTERNAL_ERROR) };
    for (server, expected) in
        [(Server::scripted(html).await, "malformed×8"), (Server::scripted(reset).await, "reset×8")]
    {
        let fields = json!({"total": 8, "allowInitialErrors": false});
        assert_eq!(outcomes(&load(&server, "Unary", fields).await), expected);
        // Its description is built in.
        let with = json!({"host": server.host(), "call": "grpc.health.v1.Health/Check", "total": 8, "timeout": "5s"});
        assert_eq!(outcomes(&run(with).await.unwrap()), expected);
        // There is no description, but a connection.
        let with = json!({"host": server.host(), "call": "t.Echo/Unary", "total": 8, "timeout": "5s"});
        let Err(iter8::tasks::TaskError::Failed { message, hint, .. }) = run(with).await else { panic!() };
        assert!(message.contains("which is connected: the "), "{message}");
        assert!(hint.unwrap().contains("whether it uses TLS"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failed_call_of_reflection_is_repeated() {
    let service = sample_model::start(sample_model::SampleConfig::default()).await.unwrap();
    let model = service.versions[0].addr;
    // The first connection misbehaves, the others lead to the service.
    for first in [Reason::REFUSED_STREAM, Reason::INTERNAL_ERROR, Reason::NO_ERROR] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let bad = Server::scripted(move |mut call: Call| async move {
            match first {
                Reason::NO_ERROR => answer(call.respond, of_type("text/html"), &[Bytes::from_static(b"<html>")], None),
                reason => call.respond.send_reset(reason),
            }
        })
        .await;
        let bad_address = bad.address;
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            let mut targets = [bad_address].into_iter().chain(std::iter::repeat(model));
            while let (Ok((mut here, _)), Some(target)) = (listener.accept().await, targets.next()) {
                accepted.fetch_add(1, Ordering::Relaxed);
                let mut there = tokio::net::TcpStream::connect(target).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut here, &mut there).await });
            }
        });
        let with = json!({"host": host, "call": "inference.GRPCInferenceService/ServerLive", "total": 4, "concurrency": 1, "reflect-metadata": {}});
        assert_eq!(outcomes(&run(with).await.unwrap()), "OK×4", "{first:?}");
        assert_eq!(bad.calls(), 1);
        // The failed call of reflection, its repetition, and the load: without the repetition, the built-in description would be used.
        assert_eq!(connections.load(Ordering::Relaxed), 3, "{first:?}");
    }
    service.shutdown().await;
}

#[tokio::test]
async fn a_refused_connection_has_a_hint() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let with = json!({"host": gone.to_string(), "call": "t.Echo/Unary", "proto": "t.proto", "total": 8});
    let Err(iter8::tasks::TaskError::Failed { message, hint, .. }) = run(with).await else { panic!() };
    assert!(message.contains("t.Echo/Unary of 127.0.0.1") && message.contains("connection refused ×8"), "{message}");
    assert!(hint.unwrap().contains("check that the service is running"));
    let with = json!({"host": gone.to_string(), "call": "t.Echo/Unary"});
    let Err(iter8::tasks::TaskError::Failed { message, .. }) = run(with).await else { panic!() };
    assert!(message.contains("cannot reach 127.0.0.1"), "{message}");
    // The reflection of a server that is not trusted.
    let authority = crate::support::authority::Authority::new();
    let server = Server::echo(Some(authority.server(None)), h2::server::Builder::new()).await;
    let with = json!({"host": server.host(), "call": "t.Echo/Unary", "insecure": false});
    let Err(iter8::tasks::TaskError::Failed { hint, .. }) = run(with).await else { panic!() };
    assert!(hint.as_ref().unwrap().contains("set `grpc.cacert` to the CA"), "{hint:?}");
}

#[tokio::test]
async fn a_server_without_reflection_has_a_hint() {
    let server = Server::echo(None, h2::server::Builder::new()).await;
    let mut with = with(&server, "Unary", json!({}));
    with.as_object_mut().unwrap().remove("proto");
    let Err(iter8::tasks::TaskError::Failed { message, hint, .. }) = run(with).await else { panic!() };
    assert!(message.contains("does not describe its services: the server has no reflection service"), "{message}");
    assert!(hint.unwrap().contains("`grpc.protoset`"));
    assert_eq!(server.calls(), 2, "both versions are asked");
}

/// A server whose first connection says farewell (GOAWAY) as soon as there is a call on it, which it has not processed; the other
/// connections lead to `server`.
async fn farewell_at_first(server: &Server) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let address = server.address;
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut heard = Vec::new();
            first.write_all(SETTINGS).await.unwrap();
            // A head: a frame of type 1 on stream 1.
            let has_call = |heard: &[u8]| heard.windows(6).any(|frame| frame[0] == 1 && frame[2..] == [0, 0, 0, 1]);
            while !has_call(&heard) && first.read_buf(&mut heard).await.unwrap() > 0 {}
            first.write_all(GOAWAY).await.unwrap();
            std::future::pending::<()>().await;
        });
        while let Ok((mut here, _)) = listener.accept().await {
            let mut there = tokio::net::TcpStream::connect(address).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut here, &mut there).await });
        }
    });
    host
}

#[tokio::test]
async fn calls_rejected_by_goaway_are_retried() {
    let server = Server::echo(None, h2::server::Builder::new()).await;
    let host = farewell_at_first(&server).await;
    let contribution = load(&server, "Unary", json!({"host": host, "total": 20, "concurrency": 5})).await;
    assert_eq!(outcomes(&contribution), "OK×20", "{:?}", contribution.notes);
    assert_eq!((server.calls(), server.connections()), (20, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_services_are_sanitized() {
    let _transcript = transcript!();
    let server = Server::scripted(|call: Call| async move {
        answer(call.respond, head(), &[], Some(trailers("14", "a%1b[2Jb%0aok      slos: %0a::error::c")));
    })
    .await;
    let cli = CliCase::new();
    cli.write("t.proto", PROTO);
    let values = format!("grpc.host={},grpc.call=t.Echo/Unary,grpc.proto=t.proto,grpc.total=4", server.host());
    let output = cli.run(["run", "--set", "tasks={grpc}", "--set", &values]);
    output.snapshot(0);
    assert!(!output.stderr.contains('\u{1b}'), "{output:#?}");
    cli.run(["assert", "-c", "nofailure,slos"]).snapshot(1);
    let report = cli.run(["report"]).stdout;
    let forged = |line: &str| line.trim_start().starts_with("ok ") || line.trim_start().starts_with("::");
    assert!(!report.contains('\u{1b}') && !report.lines().any(forged), "{report}");
}
