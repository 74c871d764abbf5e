//! HTTP/1.1 against servers that break every rule of it, and expectations of answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::support::misbehaving_server::{MisbehavingServer, Reply, Request, response};
use iter8::load::engine;
use iter8::load::http::{Expectations, ExpectedStatus, Http, HttpTarget};
use iter8::load::outcome::LoadOutcome;
use iter8::load::pacing::{Arrival, Bound, Pacer};
use iter8::load::plan::LoadPlan;
use iter8::templates::jq::Filter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A POST, which is never sent twice.
fn target(url: &str) -> HttpTarget {
    HttpTarget { method: http::Method::POST, ..HttpTarget::new(url.parse().unwrap()) }
}

async fn load(count: u64, target: HttpTarget) -> LoadOutcome {
    let pacer = Pacer::new(Arrival::Max, Bound::Count(count));
    let plan = LoadPlan { allow_initial_errors: true, ..LoadPlan::new("the server", pacer, 2) };
    engine::run(plan, Arc::new(Http::new(target).unwrap()), CancellationToken::new(), &|_| {}).await.unwrap()
}

fn causes(outcome: &LoadOutcome) -> BTreeMap<&'static str, u64> {
    outcome.causes.iter().map(|(cause, (count, _))| (cause.name(), *count)).collect()
}

const CHUNKED: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n2;x=y\r\nok\r\n3\r\nyes\r\n0\r\nT: 1\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn truncated_responses_are_counted_by_cause() {
    type End = fn(Vec<u8>) -> Reply;
    let ends: [(End, &str); 2] = [(Reply::SendAndClose, "closed"), (Reply::SendAndReset, "reset")];
    for whole in [CHUNKED.to_vec(), response(200, "A: b\r\n", "hello")] {
        for (end, cause) in ends {
            let length = whole.len() as u64;
            let bytes = whole.clone();
            let server = MisbehavingServer::scripted(move |request| end(bytes[..request.number as usize].to_vec()));
            let outcome = load(length, target(&server.url())).await;
            assert_eq!(causes(&outcome), BTreeMap::from([(cause, length)]), "{:?}", outcome.causes);
            assert_eq!((outcome.counts.errors, outcome.responses(), server.connections()), (length, 0, length));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_heads_and_extras_are_malformed() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for (start, more, detail) in [
        (b"HTTP/1.1 200 OK\r\nA: ".to_vec(), &*"x".repeat(20), "the head is longer than 1024 KiB"),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), "A: b\r\n", "more than 256 headers"),
        (Vec::new(), "HTTP/1.1 100 Continue\r\n\r\n", "more than 64 interim responses (1xx)"),
        ([&chunked[..], b"1;"].concat(), "x", "more than 16 KiB of chunk extensions"),
        ([&chunked[..], b"0\r\n"].concat(), "A: b\r\n", "more than 16 KiB of trailers"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(), "", "unexpected status 101 (switching protocols)"),
    ] {
        let server = MisbehavingServer::always(Reply::Send([start, more.repeat(70_000).into_bytes()].concat()));
        let outcome = load(6, target(&server.url())).await;
        assert_eq!(causes(&outcome), BTreeMap::from([("malformed", 6)]), "{:?}", outcome.causes);
        assert_eq!(outcome.causes.values().next().unwrap().1.to_string(), detail);
        // None is used again; one of those that were opened ahead may never be used, if the other worker is faster.
        assert!((6..=7).contains(&server.connections()), "{}", server.connections());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_after_the_end_of_a_response_are_discarded() {
    let line_end = [response(200, "", "ok"), b"\r\n".to_vec()].concat();
    let folded = response(200, "A: b\r\n c\r\n", "ok");
    let long = response(200, &format!("A: {}\r\n", "x".repeat(200_000)), "ok");
    for (bytes, is_kept) in [(response(204, "", "{}"), false), (line_end, true), (folded, true), (long, true)] {
        let server = MisbehavingServer::always(Reply::Send(bytes));
        let outcome = load(20, target(&server.url())).await;
        assert_eq!((outcome.counts.errors, server.requests()), (0, 20), "{:?}", outcome.causes);
        assert_eq!(server.connections() <= 2, is_kept, "{}", server.connections());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_alive() {
    let limited = |request: &Request| match request.turn {
        4 => Reply::SendAndClose(response(200, "Connection: close\r\n", "ok")),
        _ => Reply::ok("ok"),
    };
    let server = MisbehavingServer::scripted(limited);
    let outcome = load(100, target(&server.url())).await;
    assert_eq!((outcome.counts.errors, server.requests()), (0, 100), "{:?}", outcome.causes);
    assert!((20..=22).contains(&server.connections()), "{}", server.connections());
    for headers in ["Connection: close\r\n", "connection: x, CLOSE\r\n"] {
        let server = MisbehavingServer::always(Reply::with(200, headers, "ok"));
        assert_eq!(load(10, target(&server.url())).await.counts.errors, 0);
        assert!(server.connections() >= 10, "{}", server.connections());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_to_head_have_no_body() {
    let server = MisbehavingServer::always(Reply::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec()));
    let head = HttpTarget { method: http::Method::HEAD, ..target(&server.url()) };
    let outcome = load(20, head).await;
    assert_eq!((outcome.counts.errors, outcome.traffic.bytes_received), (0, 0), "{:?}", outcome.causes);
    assert!(server.connections() <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsolicited_responses_are_discarded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(&response(503, "Connection: close\r\n", "full")).await;
                while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    let outcome = tokio::time::timeout(Duration::from_secs(60), load(20, target(&url))).await.unwrap();
    assert_eq!((outcome.counts.requests, outcome.statuses), (20, BTreeMap::from([(503, 20)])), "{:?}", outcome.causes);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_a_gigabyte_takes_no_memory() {
    const LENGTH: usize = 1 << 30;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let block = vec![b'x'; 1 << 16];
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            for _ in 0..LENGTH / block.len() {
                if stream.write_all(&block).await.is_err() {
                    break;
                }
            }
        }
    });
    let output = tokio::task::spawn_blocking(move || {
        let cli = crate::support::cli_case::CliCase::new();
        let url = format!("http.url={url}");
        let values = [
            "tasks={http}",
            &url,
            "http.numRequests=1",
            "http.connections=1",
            "http.timeout=60s",
            "http.expect.bodyContains=x",
        ];
        let mut command = cli.command();
        command.arg("run").args(values.iter().flat_map(|value| ["--set", *value]));
        let mut child =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        loop {
            // An exited process has no memory statistics.
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            if let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
                peak = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
            }
            if let Some(ended) = child.try_wait().unwrap() {
                return (ended.success(), peak, cli.document());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let (is_good, peak, document) = output.await.unwrap();
    assert!(is_good && peak > 0 && peak < 80_000, "{peak} kB");
    let text = document.to_string();
    assert!(text.contains(&format!("{LENGTH}")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unexpected_responses_are_errors_with_a_cause() {
    let body = r#"{"ready": true, "items": [1, 2]}"#;
    let server = MisbehavingServer::always(Reply::with(202, "Content-Type: application/json\r\n", body));
    let header = |name: &str, text: Option<&str>| Expectations {
        headers: vec![(name.to_owned(), text.map(str::to_owned))],
        ..Expectations::default()
    };
    let filter =
        |text: &str| Expectations { json: Some(Filter::compile(text).unwrap().into()), ..Expectations::default() };
    let status = |status| Expectations { statuses: vec![status], ..Expectations::default() };
    let text = |text: &str| Expectations { body: Some(text.to_owned()), ..Expectations::default() };
    for (expect, cause) in [
        (status(ExpectedStatus::Class(2)), None),
        (status(ExpectedStatus::Exactly(200)), Some(("unexpected-status", "status 202"))),
        (header("content-type", Some("json")), None),
        (header("etag", None), Some(("unexpected-header", "no header `etag`"))),
        (text("\"ready\""), None),
        (text("healthy"), Some(("unexpected-body", "the string is not in the body"))),
        (filter(".ready and (.items | add == 3)"), None),
        (filter(".items[] | select(. > 2)"), Some(("unexpected-json", "the filter is not satisfied"))),
        (filter("last(repeat(1))"), Some(("unexpected-json", "the filter takes more than 2000000 steps"))),
    ] {
        let count = 4;
        let outcome = load(count, HttpTarget { expect: Arc::new(expect), ..target(&server.url()) }).await;
        assert_eq!((outcome.responses(), outcome.statuses[&202]), (count, count));
        let found: Vec<_> =
            outcome.causes.iter().map(|(cause, (count, words))| (cause.name(), *count, words.to_string())).collect();
        match cause {
            None => assert_eq!((outcome.counts.errors, found.len()), (0, 0)),
            Some((name, words)) => {
                assert_eq!(outcome.counts.errors, count);
                assert_eq!(found, [(name, count, words.to_owned())]);
            }
        }
    }
}
