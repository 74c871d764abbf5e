//! Every request that a server counted is one that the load counted: as a request, or as one that was sent again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use iter8::load::engine::run;
use iter8::load::http::{Http, Http2, HttpTarget};
use iter8::load::outcome::LoadOutcome;
use iter8::load::pacing::{Arrival, Bound, Pacer};
use iter8::load::plan::LoadPlan;
use iter8::load::protocol::Protocol;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::grpc::run::{proto_env, record, run_in};
use crate::support::cli_case::CliCase;
use crate::support::frame_server::{CANCEL, FrameServer, INTERNAL_ERROR, REFUSED_STREAM, Stream};
use crate::support::misbehaving_server::{MisbehavingServer, Reply, response};

fn plan(count: u64, connections: usize) -> LoadPlan {
    LoadPlan {
        allow_initial_errors: true,
        timeout: Duration::from_secs(5),
        ..LoadPlan::new("the server", Pacer::new(Arrival::Max, Bound::Count(count)), connections)
    }
}

async fn load<P: Protocol>(plan: LoadPlan, protocol: P) -> LoadOutcome {
    run(plan, Arc::new(protocol), CancellationToken::new(), &|_| {}).await.unwrap()
}

/// Every way in which an HTTP/1.1 connection can end, by the errors that it must cause: `None` if they depend on when the end is
/// seen.
fn ends() -> Vec<(Reply, Option<u64>)> {
    let later = Duration::from_millis(50);
    let body = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel".to_vec();
    vec![
        (Reply::ok("ok"), Some(0)),
        (Reply::with(200, "Connection: close\r\n", "ok"), Some(0)),
        // Idle: closed after a response, without a word.
        (Reply::SendAndHalfClose(response(200, "", "ok")), None),
        // After a request, at once: as if the end had come first.
        (Reply::SendAndClose(Vec::new()), None),
        (Reply::SendAndReset(Vec::new()), None),
        // After a request that the server worked on.
        (Reply::SendAndCloseLater(Vec::new(), later), Some(10)),
        (Reply::ResetLater(later), Some(10)),
        // Within the response.
        (Reply::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), Some(10)),
        (Reply::SendAndClose(body.clone()), Some(10)),
        (Reply::SendAndReset(body), Some(10)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_the_load_count_the_same_requests_over_http1() {
    for method in [Method::GET, Method::PUT, Method::POST] {
        for (end, errors) in ends() {
            // The second request of every connection.
            let last = end.clone();
            let server = MisbehavingServer::scripted(
                move |request| if request.turn == 1 { last.clone() } else { Reply::ok("ok") },
            );
            let body = if method == Method::GET { Bytes::new() } else { Bytes::from_static(b"{}") };
            let target = HttpTarget { method: method.clone(), body, ..HttpTarget::new(server.url().parse().unwrap()) };
            let outcome = load(plan(20, 1), Http::new(target).unwrap()).await;
            let counts = outcome.counts;
            let sent = counts.requests + counts.resent;
            assert_eq!((counts.requests, server.arrived(sent)), (20, sent), "{method} {end:?}: {counts:?}");
            if let Some(errors) = errors {
                assert_eq!((counts.errors, counts.resent), (errors, 0), "{method} {end:?}: {:?}", outcome.causes);
            } else if method == Method::POST && !matches!(end, Reply::SendAndHalfClose(_)) {
                assert_eq!((counts.errors, counts.resent), (10, 0), "{end:?}: {:?}", outcome.causes);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirected_request_counts_at_both_servers() {
    for (end, errors) in ends() {
        let last = end.clone();
        let there =
            MisbehavingServer::scripted(move |request| if request.turn == 1 { last.clone() } else { Reply::ok("ok") });
        let location = format!("Location: {}\r\n", there.url());
        let here = MisbehavingServer::always(Reply::with(302, &location, ""));
        let http = Http::new(HttpTarget { redirects: 10, ..HttpTarget::new(here.url().parse().unwrap()) }).unwrap();
        let outcome = load(plan(20, 1), http).await;
        let counts = outcome.counts;
        assert_eq!((counts.requests, here.requests()), (20, 20), "{end:?}: {counts:?}");
        let sent = counts.requests + counts.resent;
        assert_eq!(there.arrived(sent), sent, "{end:?}: {counts:?}");
        if let Some(errors) = errors {
            // A failed request gives up both connections.
            assert_eq!((counts.errors, counts.resent), (errors, 0), "{end:?}: {:?}", outcome.causes);
        }
    }
}

/// Every way in which an HTTP/2 stream can end, with the errors and resent requests that it must cause among 70, if every seventh
/// stream of a connection ends so.
const STREAMS: [(Stream, u64, u64); 10] = [
    (Stream::Respond, 0, 0),
    (Stream::Reset(REFUSED_STREAM), 0, 11),
    (Stream::Reset(CANCEL), 10, 0),
    (Stream::HeadAndReset(INTERNAL_ERROR), 10, 0),
    // Refused, it says, but it had begun to respond.
    (Stream::HeadAndReset(REFUSED_STREAM), 10, 0),
    (Stream::DataAndReset(REFUSED_STREAM), 10, 0),
    (Stream::PseudoTrailers, 10, 0),
    (Stream::RespondAndGoAway, 0, 0),
    (Stream::GoAway, 0, 11),
    (Stream::Close, 10, 0),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_the_load_count_the_same_requests_over_http2() {
    for (end, errors, resent) in STREAMS {
        let server = FrameServer::scripted(move |number| if number % 7 == 6 { end } else { Stream::Respond });
        let http = Http2::new(HttpTarget::new(server.url().parse().unwrap())).unwrap();
        let counts = load(plan(70, 1), http).await.counts;
        assert_eq!((counts.requests, counts.errors, counts.resent), (70, errors, resent), "{end:?}");
        assert_eq!(server.arrived(70 + resent), 70 + resent, "{end:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_streams_count_once() {
    for (end, _, _) in STREAMS {
        let server = FrameServer::scripted(move |number| if number % 7 == 6 { end } else { Stream::Respond });
        let http = Http2::new(HttpTarget::new(server.url().parse().unwrap())).unwrap();
        let counts = load(LoadPlan { in_flight: 5, ..plan(200, 1) }, http).await.counts;
        let sent = counts.requests + counts.resent;
        assert_eq!((counts.requests, server.arrived(sent)), (200, sent), "{end:?}: {counts:?}");
        assert!(counts.errors == 0 || counts.resent == 0, "{end:?}: {counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_serves_one_stream_per_connection_causes_no_errors() {
    let server = FrameServer::scripted(|_| Stream::RespondAndGoAway);
    let http = Http2::new(HttpTarget::new(server.url().parse().unwrap())).unwrap();
    let outcome = load(LoadPlan { in_flight: 10, ..plan(200, 1) }, http).await;
    assert_eq!((outcome.counts.requests, outcome.counts.errors), (200, 0), "{:?}", outcome.causes);
    assert_eq!(server.processed(), 200);
}

#[tokio::test]
async fn a_server_and_the_load_count_the_same_requests_over_grpc() {
    for (end, errors, resent) in STREAMS {
        let server = FrameServer::scripted(move |number| if number % 7 == 6 { end } else { Stream::Respond });
        let with = json!({
            "host": server.address.to_string(), "call": "t.Echo/Unary", "proto": "t.proto",
            "total": 70, "concurrency": 1, "timeout": "5s", "allowInitialErrors": true,
        });
        let contribution = run_in(&proto_env(), with).await.unwrap();
        let counts = record(&contribution).counts;
        assert_eq!((counts.requests, counts.errors, counts.resent), (70, errors, resent), "{end:?}");
        assert_eq!(server.arrived(70 + resent), 70 + resent, "{end:?}");
    }
}

#[test]
fn reports_count_requests_that_were_sent_again() {
    let server = FrameServer::scripted(|number| if number % 7 == 6 { Stream::GoAway } else { Stream::Respond });
    let cli = CliCase::new();
    let url = format!("http.url={}", server.url());
    let values = ["tasks={http}", &url, "http.http2=true", "http.numRequests=70", "http.connections=1", "http.qps=max"];
    cli.run(["run"].into_iter().chain(values.into_iter().flat_map(|value| ["--set", value]))).exits(0);
    let document = cli.document();
    assert!(document.to_string().contains("\"resent\":11"), "{document}");
    assert!(document.to_string().contains("requests were sent again 11 times"), "{document}");
    for (format, expected) in [("text", "failed | resent"), ("html", ">Resent<"), ("json", "\"resent\": 11")] {
        let report = cli.run(["report", "-o", format]).exits(0).stdout.clone();
        assert!(report.contains(expected), "{format}: {report}");
    }
}

#[test]
fn another_status_in_the_trailers_is_not_a_success() {
    let server = FrameServer::scripted(|_| Stream::PseudoTrailers);
    let cli = CliCase::new();
    let url = format!("http.url={}", server.url());
    let slo = "assess.SLOs.upper.http/error-count=0";
    let values = ["tasks={http,assess}", &url, "http.http2=true", "http.numRequests=20", "http.qps=max", slo];
    cli.run(["run"].into_iter().chain(values.into_iter().flat_map(|value| ["--set", value]))).exits(0);
    cli.run(["assert", "-c", "slos"]).exits(1);
    let document = cli.document().to_string();
    assert!(document.contains("malformed ×20: HTTP/2: the trailers contain a pseudo-header"), "{document}");
}
