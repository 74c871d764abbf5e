//! Starting, stalling and stopping the service.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use sample_model::{Classifier, SampleConfig, VersionConfig, start};
use tokio::net::TcpStream;

use super::client::Client;
use super::{port, serving};

#[tokio::test]
async fn a_paused_service_sends_nothing() {
    let service = serving(|_| ()).await;
    let mut clients = [
        Client::http1(service.front).await,
        Client::http2(port(&service, "v1")).await,
        Client::http1(port(&service, "v2")).await,
    ];
    let mut other = Client::http1(service.front).await;
    let pause = service.pause();
    // A prediction is held back before it is counted, everything else on its way out.
    let mut predictions = Box::pin(join_all(clients.iter_mut().map(Client::predict)));
    let mut ready = Box::pin(other.get("/v2/health/ready"));
    // The requests are sent by polling, and the switch reports when all of them are held.
    tokio::select! {
        _ = &mut predictions => panic!("predicted while paused"),
        _ = &mut ready => panic!("answered while paused"),
        () = async { service.pause_switch().held(4).await } => {}
    }
    assert!(predictions.as_mut().now_or_never().is_none());
    assert!(ready.as_mut().now_or_never().is_none());
    assert!(service.stats().iter().all(|version| version.requests == 0));
    drop(pause);
    assert!(predictions.await.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(ready.await.status, StatusCode::OK);
    assert_eq!(service.stats().iter().map(|version| version.requests).sum::<u64>(), 3);
}

#[tokio::test]
async fn a_pause_shows_in_latencies() {
    let service = serving(|_| ()).await;
    let mut client = Client::http1(port(&service, "v1")).await;
    let started = Instant::now();
    let stall = Duration::from_millis(100);
    let ((), answer) = tokio::join!(service.stall(stall), client.predict());
    assert_eq!(answer.status, StatusCode::OK);
    assert!(started.elapsed() >= stall);
    assert!(service.stats()[0].latency.max.unwrap() > 50.0, "{:?}", service.stats()[0]);
}

#[tokio::test]
async fn a_shutdown_finishes_responses_and_frees_the_ports() {
    let service = serving(|_| ()).await;
    let front = service.front;
    let mut idle = Client::http2(front).await;
    idle.get("/healthz").await;
    let _pause = service.pause();
    let pause_switch = service.pause_switch();
    let answers: Vec<_> =
        (0..20).map(|_| tokio::spawn(async move { Client::http1(front).await.predict().await.status })).collect();
    pause_switch.held(answers.len()).await;
    service.shutdown().await;
    for answer in answers {
        assert_eq!(answer.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(TcpStream::connect(front).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn an_invalid_config_is_rejected() {
    let config = SampleConfig { versions: Vec::new(), ..Default::default() };
    let error = start(config).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::InvalidInput, "versions: 0 versions, expected 1 to 64")
    );

    let service = serving(|_| ()).await;
    let config = SampleConfig { front_port: service.front.port(), ..Default::default() };
    let error = start(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("cannot listen on {}: ", service.front)), "{error}");
}

#[tokio::test]
async fn any_number_of_versions_is_served() {
    let names = ["a", "b", "c"];
    let versions = names.map(|name| VersionConfig::new(name, Classifier::DecisionTree)).to_vec();
    let service = start(SampleConfig { versions, ..Default::default() }).await.unwrap();
    let mut client = Client::http1(service.front).await;
    let mut answered = Vec::new();
    for _ in 0..100 {
        answered.push(client.predict().await.version().to_owned());
    }
    assert!(names.iter().all(|name| answered.iter().any(|version| version == name)), "{answered:?}");
    for name in names {
        assert_eq!(Client::http1(port(&service, name)).await.predict().await.version(), name);
    }
    assert_eq!(service.version_url("b"), Some(format!("http://{}", service.versions[1].addr)));
    assert_eq!(service.version_url("d"), None);
}

/// Takes a line apart as a shell and curl would: address, path, headers, body.
fn parse(line: &str) -> (String, String, Vec<(String, String)>, Option<String>) {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 { words.push(part) } else { words.extend(part.split_whitespace()) }
    }
    let after = |flag: &str| words.iter().position(|word| *word == flag).map(|at| words[at + 1].to_owned());
    let url = words.iter().find_map(|word| word.strip_prefix("http://")).unwrap();
    let (at, path) = url.split_at(url.find('/').unwrap());
    let headers =
        after("-H").iter().map(|header| header.split_once(": ").unwrap()).map(|(k, v)| (k.into(), v.into())).collect();
    (at.to_owned(), path.to_owned(), headers, after("-d"))
}

#[tokio::test]
async fn the_curl_examples_work() {
    let service = serving(|config| config.versions[1].weight = 0).await;
    let lines = service.curl_lines();
    let mut answered = Vec::new();
    for line in &lines {
        assert!(line.starts_with("curl "), "{line}");
        let (at, path, headers, body) = parse(line);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut client = Client::http1(at.parse().unwrap()).await;
        let answer = client.send(method, &path, &headers, body.unwrap_or_default().as_bytes()).await;
        assert_eq!(answer.status, StatusCode::OK, "{line}");
        answered.push(answer.version().to_owned());
    }
    assert_eq!(answered, ["v1", "v2", "v1", "v1", "v2", "", ""]);
}
