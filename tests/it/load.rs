//! The load engine against servers that behave, stall and misbehave.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use iter8::load::engine::run;
use iter8::load::histograms::HistogramKind;
use iter8::load::http::{Http, HttpTarget};
use iter8::load::outcome::LoadOutcome;
use iter8::load::pacing::{Arrival, Bound, Pacer};
use iter8::load::plan::{LoadError, LoadPlan};
use iter8::metrics::histogram::percentile_ms;
use iter8::ports::LoadProgress;
use tokio_util::sync::CancellationToken;

use crate::support::echo_server::EchoServer;
use crate::support::misbehaving_server::{MisbehavingServer, Reply, response};

pub(crate) const MAX: Arrival = Arrival::Max;

pub(crate) fn plan(arrival: Arrival, bound: Bound, connections: usize) -> LoadPlan {
    LoadPlan { allow_initial_errors: true, ..LoadPlan::new("the server", Pacer::new(arrival, bound), connections) }
}

pub(crate) fn target(url: &str) -> HttpTarget {
    HttpTarget::new(url.parse().unwrap())
}

pub(crate) async fn load(plan: LoadPlan, target: HttpTarget) -> Result<LoadOutcome, LoadError> {
    run(plan, Arc::new(Http::new(target).unwrap()), CancellationToken::new(), &|_| {}).await
}

pub(crate) fn causes(outcome: &LoadOutcome) -> BTreeMap<&'static str, u64> {
    outcome.causes.iter().map(|(cause, (count, _))| (cause.name(), *count)).collect()
}

/// Loads a server with 12 requests that are all treated alike.
async fn against(act: Reply) -> (LoadOutcome, MisbehavingServer) {
    let server = MisbehavingServer::always(act);
    let plan = LoadPlan { timeout: Duration::from_millis(300), ..plan(MAX, Bound::Count(12), 3) };
    (load(plan, target(&server.url())).await.unwrap(), server)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exact_number_of_requests_is_sent() {
    for (arrival, count, connections, threads) in [
        (MAX, 1, 4, None),
        (MAX, 5_003, 7, Some(3)),
        (Arrival::Constant { rate: 5_000.0 }, 1_501, 5, Some(3)),
        (Arrival::Constant { rate: 40.0 }, 9, 4, Some(4)),
    ] {
        let server = MisbehavingServer::always(Reply::ok("ok"));
        let plan = LoadPlan { threads, ..plan(arrival, Bound::Count(count), connections) };
        let outcome = load(plan, target(&server.url())).await.unwrap();
        assert_eq!((outcome.counts.requests, outcome.responses(), server.requests()), (count, count, count));
        assert_eq!(
            (outcome.counts.errors, outcome.counts.dropped, outcome.histograms[HistogramKind::Latency].len()),
            (0, 0, count)
        );
        assert_eq!(outcome.statuses, BTreeMap::from([(200, count)]));
        assert_eq!(outcome.traffic.bytes_received, 2 * count);
        assert!(server.connections() <= connections as u64, "{}", server.connections());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duration_bounds_the_load_at_any_rate() {
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let bound = Bound::Duration(Duration::from_millis(500));
    let outcome = load(plan(Arrival::Constant { rate: 400.0 }, bound, 4), target(&server.url())).await.unwrap();
    assert_eq!((outcome.counts.requests, outcome.counts.dropped), (200, 0));
    assert!(outcome.achieved_rate > 300.0 && outcome.achieved_rate < 401.0, "{}", outcome.achieved_rate);
    let outcome = load(plan(MAX, bound, 4), target(&server.url())).await.unwrap();
    assert!(outcome.duration >= Duration::from_millis(480) && outcome.duration < Duration::from_millis(2_000));
    assert_eq!(outcome.counts.requests, server.requests() - 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_shows_in_latency_and_not_in_service_time() {
    // 3,000 requests, 1,000 of them due while the server stands still for the second from 1 s to 2 s: the delays are even over
    // 0 to 1 s, so that 30 requests (1 %) wait longer than 970 ms, and 300 longer than 700 ms.
    let server = MisbehavingServer::stalling(Duration::from_secs(1), Duration::from_secs(2));
    let plan = plan(Arrival::Constant { rate: 1000.0 }, Bound::Count(3000), 10);
    let outcome = load(plan, target(&server.url())).await.unwrap();
    assert_eq!((outcome.counts.requests, server.requests()), (3000, 3000));
    for (p, truth) in [(99.0, 970.0), (90.0, 700.0)] {
        let measured = percentile_ms(&outcome.histograms[HistogramKind::Latency], p);
        // A busy machine adds to delays and never takes from them.
        assert!(measured > truth * 0.95 && measured < truth * 1.25, "p{p}: {measured} ms, truth {truth} ms");
    }
    let service = percentile_ms(&outcome.histograms[HistogramKind::ServiceTime], 99.0);
    assert!(service < 300.0, "p99 of the service time: {service} ms");
    assert!(outcome.counts.late >= 900, "{} late", outcome.counts.late);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_connection_does_not_delay_other_slots() {
    // Worker 0 has one connection, and it is stuck with the first request until its time-out: worker 1 must send everything else.
    let server =
        MisbehavingServer::scripted(|request| if request.number == 0 { Reply::Silence } else { Reply::ok("ok") });
    let plan = LoadPlan {
        threads: Some(2),
        timeout: Duration::from_millis(900),
        ..plan(Arrival::Constant { rate: 20.0 }, Bound::Count(16), 2)
    };
    let outcome = load(plan, target(&server.url())).await.unwrap();
    assert_eq!((outcome.counts.requests, outcome.responses(), server.requests()), (16, 15, 16));
    // Without being rung, worker 1 would find the other's slots only at its own ones: 50 ms late. Three quarters leave room for a
    // busy machine, and half of the slots are the other's.
    let p75 = percentile_ms(&outcome.histograms[HistogramKind::Latency], 75.0);
    assert!(p75 < 45.0, "p75 {p75} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_slots_are_dropped_and_counted() {
    let server = MisbehavingServer::always(Reply::Silence);
    let plan = LoadPlan {
        timeout: Duration::from_millis(700),
        ..plan(Arrival::Constant { rate: 100.0 }, Bound::Duration(Duration::from_millis(500)), 2)
    };
    let outcome = load(plan, target(&server.url())).await.unwrap();
    assert_eq!(outcome.counts.requests + outcome.counts.dropped, 50);
    assert_eq!(causes(&outcome), BTreeMap::from([("timeout", outcome.counts.requests)]));
    assert!((4..=6).contains(&outcome.counts.requests), "{}", outcome.counts.requests);
    assert!(outcome.duration < Duration::from_millis(2600), "{:?}", outcome.duration);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_legal_framings_are_read() {
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\nyes\r\n0\r\nTrailer: 1\r\n\r\n";
    let early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let slow = response(200, "", "hello");
    let large = response(200, "", &"x".repeat(3_000_000));
    let wordy = response(200, &"X-Word: and another one\r\n".repeat(250), "hello");
    let until_closed = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello";
    for (act, bytes) in [
        (Reply::Send(chunked.to_vec()), 5),
        (Reply::Send(early.to_vec()), 5),
        (Reply::Drip(slow, Duration::from_millis(1)), 5),
        (Reply::Send(large), 3_000_000),
        (Reply::Send(wordy), 5),
        (Reply::SendAndClose(until_closed.to_vec()), 5),
        (Reply::SendAndClose(response(200, "Connection: close\r\n", "hello")), 5),
    ] {
        let (outcome, server) = against(act).await;
        assert_eq!(
            (outcome.responses(), outcome.counts.errors, outcome.counts.requests),
            (12, 0, 12),
            "{:?}",
            outcome.causes
        );
        assert_eq!((outcome.traffic.bytes_received, server.requests()), (12 * bytes, 12));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_by_cause() {
    let partial = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel".to_vec();
    let bad_chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n".to_vec();
    let half_chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok".to_vec();
    let half_head = b"HTTP/1.1 200 OK\r\nContent-".to_vec();
    let endless_head = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"A: b\r\n".repeat(100_000)].concat();
    for (act, cause) in [
        (Reply::SendAndClose(Vec::new()), "closed"),
        (Reply::SendAndClose(half_head), "closed"),
        (Reply::SendAndClose(partial.clone()), "closed"),
        (Reply::SendAndClose(half_chunk), "closed"),
        (Reply::SendAndReset(Vec::new()), "reset"),
        (Reply::Send(partial), "timeout"),
        (Reply::Silence, "timeout"),
        (Reply::Drip(response(200, "", "hello"), Duration::from_millis(100)), "timeout"),
        (Reply::Send(b"what is this?\r\n\r\n".to_vec()), "malformed"),
        (Reply::Send(bad_chunk), "malformed"),
        (Reply::Send(endless_head), "malformed"),
    ] {
        let (outcome, _) = against(act.clone()).await;
        assert_eq!(causes(&outcome), BTreeMap::from([(cause, 12)]), "{act:?}: {:?}", outcome.causes);
        assert_eq!((outcome.counts.requests, outcome.counts.errors, outcome.responses()), (12, 12, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_within_the_body_is_a_reset() {
    let (outcome, _) = against(Reply::SendAndReset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel".to_vec())).await;
    assert_eq!(causes(&outcome), BTreeMap::from([("reset", 12)]), "{:?}", outcome.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_response_fails_only_its_request() {
    let server = MisbehavingServer::scripted(|request| match request.number % 3 {
        0 => Reply::SendAndClose(Vec::new()),
        1 => Reply::with(503, "", "busy"),
        _ => Reply::ok("ok"),
    });
    // A POST is never sent twice.
    let post = HttpTarget { method: http::Method::POST, ..target(&server.url()) };
    let outcome = load(plan(MAX, Bound::Count(300), 4), post).await.unwrap();
    assert_eq!((outcome.counts.requests, outcome.responses(), outcome.counts.errors), (300, 200, 200));
    assert_eq!(outcome.statuses, BTreeMap::from([(200, 100), (503, 100)]));
    assert_eq!(causes(&outcome), BTreeMap::from([("closed", 100)]));
    assert_eq!(outcome.histograms[HistogramKind::Latency].len(), 200, "failures without an answer have no latency");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_and_dns_errors_differ() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = load(plan(MAX, Bound::Count(6), 2), target(&format!("http://{closed}/"))).await.unwrap();
    assert_eq!(causes(&refused), BTreeMap::from([("refused", 6)]));
    let unknown = load(plan(MAX, Bound::Count(2), 2), target("http://no-such-host.invalid/")).await.unwrap();
    assert_eq!(causes(&unknown), BTreeMap::from([("dns", 2)]), "{:?}", unknown.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_aborts_if_its_first_requests_all_fail() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let strict = |count| LoadPlan { allow_initial_errors: false, ..plan(MAX, Bound::Count(count), 4) };
    let error = load(strict(1_000), target(&format!("http://{closed}/"))).await.unwrap_err();
    assert!(error.to_string().starts_with("the first "), "{error}");
    assert!(error.to_string().contains(" requests to the server all failed: connection refused ×"), "{error}");
    assert!(error.hint().unwrap().contains("allowInitialErrors"));
    // A load that is over before every connection had something to do.
    let error = load(strict(5), target(&format!("http://{closed}/"))).await.unwrap_err();
    assert!(
        error.to_string().contains("the first 4 requests to the server all failed: connection refused ×4"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_responds_with_errors_only_is_measured() {
    let strict = LoadPlan { allow_initial_errors: false, ..plan(MAX, Bound::Count(20), 4) };
    let server = MisbehavingServer::always(Reply::with(404, "", ""));
    let outcome = load(strict, target(&server.url())).await.unwrap();
    assert_eq!((outcome.counts.requests, outcome.counts.errors), (20, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_success_among_the_first_requests_is_enough() {
    // The first connection fails a hundred times before the others get their first answer.
    let server = MisbehavingServer::scripted(|request| match request.connection {
        0 => Reply::with(500, "", ""),
        _ => Reply::Drip(response(200, "", "ok"), Duration::from_millis(5)),
    });
    let plan = LoadPlan {
        allow_initial_errors: false,
        threads: Some(1),
        ..plan(Arrival::Constant { rate: 400.0 }, Bound::Count(100), 4)
    };
    let outcome = load(plan, target(&server.url())).await.unwrap();
    assert_eq!(outcome.counts.requests, 100);
    assert!(outcome.counts.errors > 10, "{}", outcome.counts.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_sent_before_it_is_due() {
    let server = MisbehavingServer::always(Reply::Drip(response(200, "", "ok"), Duration::from_millis(1)));
    for _ in 0..5 {
        let plan = plan(Arrival::Constant { rate: 100.0 }, Bound::Count(1), 1);
        let outcome = load(plan, target(&server.url())).await.unwrap();
        assert!(
            outcome.histograms[HistogramKind::Latency].max() >= outcome.histograms[HistogramKind::ServiceTime].max(),
            "{:?}",
            outcome.duration
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_idempotent_requests_are_sent_again_on_a_closed_connection() {
    // The second request of every connection is read and met with a silent close or a reset: as if the close had come first.
    for end in [Reply::SendAndClose(Vec::new()), Reply::SendAndReset(Vec::new())] {
        let server =
            MisbehavingServer::scripted(move |request| if request.turn == 1 { end.clone() } else { Reply::ok("ok") });
        for (method, is_idempotent) in
            [(http::Method::GET, true), (http::Method::PUT, true), (http::Method::POST, false)]
        {
            let before = server.requests();
            let target = HttpTarget { method: method.clone(), ..target(&server.url()) };
            let outcome = load(plan(MAX, Bound::Count(10), 1), target).await.unwrap();
            let counts = outcome.counts;
            assert_eq!((counts.requests, server.requests() - before), (10, 10 + counts.resent), "{method}: {counts:?}");
            // On a busy machine the server may take so long that it seems to have worked on the request.
            match is_idempotent {
                true => assert!(counts.resent > 0, "{method}: {counts:?} {:?}", outcome.causes),
                false => assert_eq!((counts.errors, counts.resent), (5, 0), "{method}"),
            }
        }
    }
    // Part of an answer is a failure of the service.
    let half = Reply::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-".to_vec());
    let server =
        MisbehavingServer::scripted(move |request| if request.turn == 1 { half.clone() } else { Reply::ok("ok") });
    let outcome = load(plan(MAX, Bound::Count(10), 1), target(&server.url())).await.unwrap();
    assert_eq!(causes(&outcome), BTreeMap::from([("closed", 5)]));
    // Idle connections that are closed between two requests.
    let server =
        MisbehavingServer::always(Reply::SendAndCloseLater(response(200, "", "ok"), Duration::from_millis(10)));
    let outcome =
        load(plan(Arrival::Constant { rate: 25.0 }, Bound::Count(12), 1), target(&server.url())).await.unwrap();
    assert_eq!((outcome.counts.errors, outcome.counts.resent), (0, 0), "{:?}", outcome.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_response_counts() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // Closing with unread bytes resets the connection.
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(&response(413, "Connection: close\r\n", "too large")).await;
            });
        }
    });
    let body = Bytes::from(vec![b'x'; 8 << 20]);
    let post = HttpTarget { method: http::Method::POST, body, ..target(&url) };
    let outcome = load(plan(MAX, Bound::Count(20), 2), post).await.unwrap();
    assert_eq!(outcome.statuses, BTreeMap::from([(413, 20)]), "{:?}", outcome.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_exact_although_it_is_checked_at_intervals() {
    let server = EchoServer::plain();
    let plan =
        LoadPlan { timeout: Duration::from_nanos(1), allow_initial_errors: true, ..plan(MAX, Bound::Count(20), 2) };
    let outcome = load(plan, target(&server.url())).await.unwrap();
    assert_eq!(causes(&outcome), BTreeMap::from([("timeout", 20)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_alone_have_no_percentiles() {
    let server = MisbehavingServer::always(Reply::Silence);
    let plan = LoadPlan { timeout: Duration::from_millis(300), ..plan(MAX, Bound::Count(4), 2) };
    let seen = Mutex::new(Vec::<LoadProgress>::new());
    let http = Arc::new(Http::new(target(&server.url())).unwrap());
    run(plan, http, CancellationToken::new(), &|progress| seen.lock().unwrap().push(progress)).await.unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.last().unwrap().ended && seen.last().unwrap().errors == 4, "{seen:?}");
    assert!(seen.iter().all(|progress| progress.p50_ms.is_none() && progress.p99_ms.is_none()), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_the_load_and_keeps_its_measurements() {
    let server =
        MisbehavingServer::scripted(|request| if request.number < 50 { Reply::ok("ok") } else { Reply::Silence });
    let stop = CancellationToken::new();
    let plan = plan(Arrival::Constant { rate: 200.0 }, Bound::Count(100_000), 4);
    let (seen, stopper) = (Mutex::new(Vec::<LoadProgress>::new()), stop.clone());
    let progress = |progress: LoadProgress| {
        if progress.done >= 50 && progress.elapsed >= Duration::from_millis(400) {
            stopper.cancel();
        }
        seen.lock().unwrap().push(progress);
    };
    let started = Instant::now();
    let outcome = run(plan, Arc::new(Http::new(target(&server.url())).unwrap()), stop, &progress).await.unwrap();
    assert!(outcome.interrupted && started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!((outcome.counts.requests, outcome.counts.errors), (50, 0));
    assert!(outcome.counts.dropped > 0 && outcome.counts.dropped < 1_000, "{}", outcome.counts.dropped);
    let seen = seen.into_inner().unwrap();
    let last = seen.last().unwrap();
    assert!(last.ended && last.p99_ms.is_some() && last.total == Some(100_000) && last.done == 50, "{last:?}");
    assert!(seen.len() >= 2 && seen[..seen.len() - 1].iter().all(|progress| !progress.ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_opt_in_and_drop_credentials() {
    let end = MisbehavingServer::always(Reply::ok("ok"));
    let location = format!("Location: {}end\r\n", end.url());
    let start = MisbehavingServer::scripted(move |request| match request.head.split(' ').nth(1).unwrap() {
        "/" => Reply::with(302, "Location: /next\r\n", "12"),
        _ => Reply::with(307, &location, "345"),
    });
    let mut post = target(&start.url());
    post.method = http::Method::POST;
    post.body = Bytes::from_static(b"body");
    post.headers.insert(http::header::AUTHORIZATION, "Bearer x".parse().unwrap());
    post.headers.insert("x-api-key", "k".parse().unwrap());
    post.headers.insert("x-plain", "p".parse().unwrap());
    let mut from_file = http::HeaderValue::from_static("f");
    from_file.set_sensitive(true);
    post.headers.insert("x-tenant", from_file);
    let outcome = load(plan(MAX, Bound::Count(2), 1), post.clone()).await.unwrap();
    assert_eq!((outcome.statuses, outcome.counts.errors), (BTreeMap::from([(302, 2)]), 0));
    post.redirects = 2;
    let outcome = load(plan(MAX, Bound::Count(2), 1), post.clone()).await.unwrap();
    assert_eq!((outcome.statuses, outcome.traffic.bytes_received), (BTreeMap::from([(200, 2)]), 14));
    let first = &start.seen()[2];
    assert!(first.head.starts_with("POST / ") && first.body == "body", "{first:?}");
    let second = &start.seen()[3];
    assert!(second.head.starts_with("GET /next ") && second.head.contains("authorization: Bearer x"), "{second:?}");
    assert!(second.head.contains("x-api-key: k") && second.head.contains("x-tenant: f"), "{second:?}");
    let third = &end.seen()[0];
    assert!(third.head.starts_with("GET /end ") && !third.head.contains("authorization"), "{third:?}");
    assert!(!third.head.contains("x-api-key") && third.head.contains("x-plain: p"), "{third:?}");
    assert!(!third.head.contains("x-tenant"), "{third:?}");
    assert!(third.head.contains(&format!("host: {}", end.address)), "{third:?}");
    assert_eq!(end.connections(), 1);
    post.redirects = 1;
    let outcome = load(plan(MAX, Bound::Count(1), 1), post).await.unwrap();
    assert_eq!((&outcome.statuses, causes(&outcome)), (&BTreeMap::from([(307, 1)]), BTreeMap::from([("redirect", 1)])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_cannot_be_followed_to_its_end_is_an_error() {
    for (status, headers, expected) in [
        (302, "Location: /again\r\n", "more than 3 redirects"),
        (308, "", "status 308 without a `Location`"),
        (
            301,
            "Location: ftp://example.org/x\r\n",
            "redirect to `ftp://example.org/x`; expected an `http` or `https` URL",
        ),
        (303, "Location: http://[\r\n", "status 303 with an invalid `Location`: `http://[`"),
        (307, "Location: http://u:pw@[\r\n", "status 307 with an invalid `Location`"),
    ] {
        let server = MisbehavingServer::always(Reply::with(status, headers, ""));
        let redirecting = HttpTarget { redirects: 3, ..target(&server.url()) };
        let outcome = load(plan(MAX, Bound::Count(4), 1), redirecting).await.unwrap();
        assert_eq!((outcome.counts.errors, causes(&outcome)), (4, BTreeMap::from([("redirect", 4)])), "{headers}");
        assert_eq!(outcome.statuses, BTreeMap::from([(status, 4)]));
        let detail = outcome.causes.values().next().unwrap().1.to_string();
        assert!(detail.starts_with(expected) && !detail.contains("pw"), "{detail}");
    }
    // Not a redirect.
    let server = MisbehavingServer::always(Reply::plain(304, ""));
    let redirecting = HttpTarget { redirects: 3, ..target(&server.url()) };
    assert_eq!(load(plan(MAX, Bound::Count(4), 1), redirecting).await.unwrap().counts.errors, 0);
}
