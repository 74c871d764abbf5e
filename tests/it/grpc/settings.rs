//! Settings of calls and connections.

use std::time::{Duration, Instant};

use serde_json::json;

use super::run::{load, outcomes, proto_env, record, run, run_in, samples, with};
use super::server::{PROTO, Server, answer, head, msg, trailers};
use crate::support::authority::Authority;
use crate::support::cli_case::CliCase;

async fn echo() -> Server {
    Server::echo(None, h2::server::Builder::new()).await
}

/// A server that answers call 0 at once, and holds all others.
async fn holding() -> Server {
    Server::scripted(|call| async move {
        if call.number > 0 {
            std::future::pending::<()>().await;
        }
        answer(call.respond, head(), &[msg("", 1)], Some(trailers("0", "")));
    })
    .await
}

#[tokio::test]
async fn compressed_messages_arrive_whole() {
    let server = echo().await;
    let text = "again ".repeat(1000);
    let contribution = load(&server, "Unary", json!({"data": {"text": text}, "enable-compression": true})).await;
    assert_eq!(outcomes(&contribution), "OK×20");
    let (headers, messages) = server.seen().pop().unwrap();
    assert_eq!(headers["grpc-encoding"], "gzip");
    assert!(messages[0].len() > 6000 && record(&contribution).traffic.bytes_sent < Some(20 * 200));
}

#[tokio::test]
async fn requests_in_flight_share_connections() {
    let server = echo().await;
    let fields = json!({"total": 200, "concurrency": 20, "connections": 2});
    assert_eq!(outcomes(&load(&server, "Unary", fields).await), "OK×200");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_servers_stream_limit_is_respected() {
    let mut settings = h2::server::Builder::new();
    settings.max_concurrent_streams(3);
    let server = Server::echo(None, settings).await;
    let contribution = load(&server, "Both", json!({"total": 100, "concurrency": 20, "data": [{}, {}]})).await;
    assert_eq!(outcomes(&contribution), "OK×100");
    assert!(server.most_at_once() <= 3, "{}", server.most_at_once());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_warm_up_is_not_measured() {
    let server = echo().await;
    let fields = json!({"skipFirst": 5, "warmupNumRequests": 3, "data": {"n": 3}});
    let contribution = load(&server, "Server", fields).await;
    let record = record(&contribution);
    assert_eq!((record.counts.requests, server.calls()), (15, 23));
    assert_eq!((record.traffic.messages_sent, record.traffic.messages_received), (Some(15), Some(45)));
    assert_eq!((record.traffic.bytes_sent, record.traffic.bytes_received), (Some(30), 15 * 4));
    assert_eq!(samples(&contribution, "grpc/between-messages"), 30);
}

#[tokio::test]
async fn calls_in_flight_at_the_end_are_aborted_awaited_or_ignored() {
    let cases = [("close", "OK×1 cut×4"), ("ignore", "OK×1"), ("wait", "OK×1 timeout×4")];
    for (stop, expected) in cases {
        let server = holding().await;
        let fields = json!({"duration": "300ms", "duration-stop": stop, "timeout": "1s", "qps": 0});
        let start = Instant::now();
        let contribution = load(&server, "Unary", fields).await;
        assert_eq!(outcomes(&contribution), expected, "{stop}");
        assert_eq!(start.elapsed() > Duration::from_millis(900), stop == "wait", "{stop}: {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_over_no_calls_is_no_data() {
    let server = Server::scripted(|call| async move {
        std::future::pending::<()>().await;
        drop(call);
    })
    .await;
    let cli = CliCase::new();
    cli.write("t.proto", PROTO);
    let values = format!(
        "grpc.host={},grpc.call=t.Echo/Unary,grpc.proto=t.proto,grpc.duration=300ms,grpc.duration-stop=ignore,\
         grpc.concurrency=2,assess.SLOs.upper.grpc/error-count=0",
        server.host()
    );
    let output = cli.run(["run", "--set", "tasks={grpc,assess}", "--set", &values]);
    output.expect(0, &["2 requests were in flight at the end of the load, and ignored"]);
    let output = cli.run(["assert", "-c", "slos"]);
    let expected = "grpc/error-count: no value: no request ended in time: 2 were in flight at the end of the load";
    assert!(output.exits(1).stdout.contains(expected), "{output:#?}");
}

#[tokio::test]
async fn max_duration_bounds_total() {
    let server = echo().await;
    let fields = json!({"total": 1_000_000, "rps": 100, "max-duration": "300ms"});
    let requests = record(&load(&server, "Unary", fields).await).counts.requests;
    assert!((20..=40).contains(&requests), "{requests}");
}

#[tokio::test]
async fn an_unanswered_keepalive_closes_the_connection() {
    // Accepts, and never says a word: no settings, no answers to PINGs.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let with = json!({"host": host, "call": "t.Echo/Unary", "proto": "t.proto", "total": 2, "concurrency": 2,
        "timeout": "5s", "keepalive": "100ms", "allowInitialErrors": true});
    let contribution = run(with).await.unwrap();
    assert_eq!(outcomes(&contribution), "closed×2");
    held.abort();
}

#[tokio::test]
async fn tls_options_enable_tls() {
    let authority = Authority::new();
    let server = Server::echo(Some(authority.server(None)), h2::server::Builder::new()).await;
    let env = proto_env().file("ca.pem", authority.pem.clone());
    let port = server.address.port();
    for fields in [
        json!({"cacert": "ca.pem"}),
        json!({"skipTLS": true}),
        json!({"insecure": false, "cacert": "ca.pem", "cname": "localhost"}),
        json!({"host": format!("localhost:{port}"), "cacert": "ca.pem"}),
    ] {
        let contribution = run_in(&env, with(&server, "Unary", fields.clone())).await.unwrap();
        assert_eq!(outcomes(&contribution), "OK×20", "{fields}");
    }
    for fields in [json!({"insecure": false}), json!({"cacert": "ca.pem", "cname": "other.example"})] {
        let contribution = run_in(&env, with(&server, "Unary", fields.clone())).await.unwrap();
        assert_eq!(outcomes(&contribution), "tls×20", "{fields}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_sent() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::echo(Some(authority.server(Some(&clients))), h2::server::Builder::new()).await;
    let (certificate, key) = clients.issue();
    let env = proto_env()
        .file("ca.pem", authority.pem.clone())
        .file("cert.pem", certificate.pem())
        .file("key.pem", key.serialize_pem());
    let mut fields = json!({"cacert": "ca.pem", "cert": "cert.pem", "key": "key.pem"});
    assert_eq!(outcomes(&run_in(&env, with(&server, "Unary", fields.clone())).await.unwrap()), "OK×20");
    let (certificate, key) = clients.issue_encrypted();
    let env = env.file("cert.pem", certificate.pem()).file("key.pem", key).file("passphrase", "hunter2\n");
    fields["keyPassphrase"] = json!({"file": "passphrase"});
    assert_eq!(outcomes(&run_in(&env, with(&server, "Unary", fields.clone())).await.unwrap()), "OK×20");
    let env = env.file("passphrase", "hunter3");
    let Err(iter8::tasks::TaskError::Input(error)) = run_in(&env, with(&server, "Unary", fields)).await else {
        panic!()
    };
    assert_eq!(error.to_string(), "with.keyPassphrase: `key.pem` cannot be decrypted with this passphrase");
}

#[tokio::test]
async fn authority_and_unix_sockets_are_used() {
    let server = echo().await;
    load(&server, "Unary", json!({"authority": "svc.example", "total": 1, "concurrency": 1})).await;
    assert_eq!(server.seen()[0].0["host"], "svc.example");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let address = server.address;
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let mut there = tokio::net::TcpStream::connect(address).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut here, &mut there).await });
        }
    });
    let fields = json!({"host": format!("unix:{}", path.display())});
    assert_eq!(outcomes(&load(&server, "Unary", fields).await), "OK×20");
}

#[tokio::test]
async fn versions_and_endpoints_have_separate_metrics() {
    let server = echo().await;
    let other = echo().await;
    let fields = json!({
        "parallel": true,
        "endpoints": {"one": {"call": "t.Echo/Unary"}, "many": {"call": "t.Echo/Server", "data": {"n": 2}}},
        "versionValues": [{"name": "v1"}, {"name": "v2", "host": other.host()}],
    });
    let contribution = load(&server, "Unary", fields).await;
    let names: Vec<_> = contribution.versions.iter().map(|version| version.name.clone().unwrap()).collect();
    assert_eq!(names, ["v1", "v2"]);
    for version in &contribution.versions {
        assert_eq!(version.load.keys().collect::<Vec<_>>(), ["grpc-many", "grpc-one"]);
    }
    assert_eq!((server.calls(), other.calls()), (40, 40));
}

#[tokio::test]
async fn versions_on_one_host_are_loaded_at_the_same_time_and_told_apart_by_authority_and_metadata() {
    let server = Server::scripted(|call| async move {
        let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let status = match (header("host"), header("mm-vmodel-id")) {
            ("prev-iris.example", "v1") => "0",
            ("latest-iris.example", "v2") => "9",
            _ => "5",
        };
        answer(call.respond, head(), &[msg("", 1)], Some(trailers(status, "")));
    })
    .await;
    let fields = json!({
        "rps": 100,
        "versionValues": [
            {"name": "prev", "authority": "prev-iris.example", "metadata": {"mm-vmodel-id": "v1"}},
            {"name": "latest", "authority": "latest-iris.example", "metadata": {"mm-vmodel-id": "v2"}},
        ],
    });
    let contribution = run_in(&proto_env().with_real_clock(), with(&server, "Unary", fields)).await.unwrap();
    let loads = [0, 1].map(|version| &contribution.versions[version].load["grpc"]);
    assert_eq!(loads.map(|load| load.statuses.clone()), [[(0, 20)].into(), [(9, 20)].into()]);
    let start = loads.map(|load| load.start.unwrap());
    let end = loads.map(|load| load.start.unwrap() + load.duration.0);
    assert!(start[0] < end[1] && start[1] < end[0], "{start:?} {end:?}");
}
