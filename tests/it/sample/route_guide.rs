//! The railway line: all four kinds of gRPC call, as a client sees them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use http::uri::PathAndQuery;
use prost::Message;
use sample_model::SampleConfig;
use sample_model::pb::route_guide::{Notice, Passage, PassengerCount, Position, RideRequest, Station, Stop};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::{port, serving};

/// A client of the line.
struct Line(tonic::client::Grpc<Channel>);

impl Line {
    async fn at(addr: SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap();
        Self(tonic::client::Grpc::new(channel))
    }

    /// The client, ready for a call.
    async fn ready(&mut self) -> &mut tonic::client::Grpc<Channel> {
        self.0.ready().await.unwrap();
        &mut self.0
    }

    fn path(method: &str) -> PathAndQuery {
        format!("/iter8.sample.v1.Line/{method}").parse().unwrap()
    }

    async fn nearest(&mut self, km: f64) -> Result<Response<Station>, Status> {
        let request = Request::new(Position { km });
        self.ready().await.unary(request, Self::path("NearestStation"), ProstCodec::default()).await
    }

    async fn ride(&mut self, request: RideRequest) -> Result<Response<Streaming<Stop>>, Status> {
        self.ready().await.server_streaming(Request::new(request), Self::path("Ride"), ProstCodec::default()).await
    }

    async fn count(&mut self, passages: Vec<Passage>) -> Result<Response<PassengerCount>, Status> {
        let request = Request::new(stream::iter(passages));
        self.ready().await.client_streaming(request, Self::path("CountPassengers"), ProstCodec::default()).await
    }

    async fn follow<A: Message + 'static>(
        &mut self,
        messages: impl futures_util::Stream<Item = A> + Send + 'static,
    ) -> Result<Response<Streaming<Notice>>, Status> {
        self.ready().await.streaming(Request::new(messages), Self::path("Follow"), ProstCodec::default()).await
    }
}

fn ride(stops: u32, interval_ms: u32) -> RideRequest {
    RideRequest { from: String::new(), stops, interval_ms }
}

fn slow_v1(config: &mut SampleConfig) {
    config.versions[0].latency.constant = Duration::from_millis(30);
}

/// The messages of a stream, each with when it came, and how the stream ended.
async fn drained<T>(mut stream: Streaming<T>) -> (Vec<(Instant, T)>, Result<(), Status>) {
    let mut messages = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(message)) => messages.push((Instant::now(), message)),
            Ok(None) => return (messages, Ok(())),
            Err(status) => return (messages, Err(status)),
        }
    }
}

#[tokio::test]
async fn a_unary_call_returns_one_message() {
    let service = serving(slow_v1).await;
    let started = Instant::now();
    let answer = Line::at(port(&service, "v1")).await.nearest(6.0).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert_eq!(answer.metadata().get("x-model-version").unwrap(), "v1");
    assert_eq!(answer.get_ref().name, "Mill Bridge");

    let status = Line::at(port(&service, "v2")).await.nearest(-1.0).await.unwrap_err();
    assert_eq!(
        (status.code(), status.metadata().get("x-model-version").unwrap().as_bytes()),
        (Code::InvalidArgument, &b"v2"[..])
    );
    assert!(service.stats().iter().map(|version| (version.requests, version.errors)).eq([(1, 0), (1, 1)]));
}

#[tokio::test]
async fn a_server_stream_is_paced() {
    const INTERVAL: Duration = Duration::from_millis(20);
    let service = serving(slow_v1).await;
    let mut line = Line::at(port(&service, "v1")).await;
    let started = Instant::now();
    let answer = line.ride(RideRequest { from: "Upper Pasture".into(), ..ride(5, 20) }).await.unwrap();
    assert_eq!(answer.metadata().get("x-model-version").unwrap(), "v1");
    let (stops, end) = drained(answer.into_inner()).await;
    end.unwrap();
    let names: Vec<&str> = stops.iter().map(|(_, stop)| stop.station.as_ref().unwrap().name.as_str()).collect();
    assert_eq!(names, ["Upper Pasture", "Observatory", "Upper Pasture", "Marble Quarry", "Beech Wood"]);
    for (number, (came, stop)) in (0_u32..).zip(&stops) {
        let due = Duration::from_millis(30) + INTERVAL * number;
        assert!(*came - started >= due, "stop {number} came before it was due");
        assert_eq!(stop.number, number + 1);
        assert!(stop.sent_after_ms >= due.as_secs_f64() * 1e3, "{stop:?}");
        assert!(stop.sent_after_ms <= (*came - started).as_secs_f64() * 1e3, "{stop:?}");
    }
    let stats = &service.stats()[0];
    assert_eq!((stats.requests, stats.errors), (1, 0));
    assert!(stats.latency.min.unwrap() >= 110.0, "the whole ride is its latency");
}

#[tokio::test]
async fn empty_and_unpaced_server_streams_succeed() {
    let service = serving(|_| ()).await;
    let mut line = Line::at(service.front).await;
    for (stops, interval_ms) in [(0, 10_000), (1, 10_000), (10_000, 0)] {
        let (received, end) = drained(line.ride(ride(stops, interval_ms)).await.unwrap().into_inner()).await;
        end.unwrap();
        assert_eq!(received.len(), stops as usize);
    }
    assert_eq!(service.stats().iter().map(|version| version.requests).sum::<u64>(), 3);
}

#[tokio::test]
async fn too_long_server_streams_are_rejected() {
    let service = serving(|_| ()).await;
    let mut line = Line::at(port(&service, "v1")).await;
    let cases = [
        (ride(10_001, 0), Code::InvalidArgument, "stops is 10001, expected up to 10000"),
        (ride(1, 10_001), Code::InvalidArgument, "interval_ms is 10001, expected up to 10000"),
        (ride(62, 10_000), Code::InvalidArgument, "the ride takes 610000 ms, expected up to 600000"),
        (ride(u32::MAX, u32::MAX), Code::InvalidArgument, "stops is 4294967295"),
        (RideRequest { from: "Nowhere".into(), ..ride(1, 0) }, Code::NotFound, "unknown station `Nowhere`"),
    ];
    let count = cases.len() as u64;
    for (request, code, message) in cases {
        let status = line.ride(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(message), "{status}");
    }
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (count, count));
}

#[tokio::test]
async fn a_client_stream_returns_a_sum() {
    let service = serving(slow_v1).await;
    let mut line = Line::at(port(&service, "v1")).await;
    let passage = |station: &str, boarded, alighted| Passage { station: station.into(), boarded, alighted };
    let started = Instant::now();
    let passages = vec![passage("Lakeside", 12, 0), passage("Orchard", 3, 5), passage("Boatyard", 0, 10)];
    let answer = line.count(passages).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert_eq!(answer.metadata().get("x-model-version").unwrap(), "v1");
    let sum = answer.into_inner();
    assert_eq!((sum.passages, sum.boarded, sum.alighted), (3, 15, 15));
    assert!((sum.km - 7.0).abs() < 1e-9, "{sum:?}");

    assert_eq!(line.count(vec![]).await.unwrap().into_inner(), PassengerCount::default());
    let refused = line.count(vec![passage("Lakeside", 1, 1), passage("Nowhere", 1, 1)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (3, 1));
}

#[tokio::test]
async fn a_bidirectional_stream_alternates() {
    let service = serving(slow_v1).await;
    let mut line = Line::at(port(&service, "v1")).await;
    let (positions, sent) = mpsc::unbounded_channel();
    let sent = stream::unfold(sent, |mut sent| async move { Some((sent.recv().await?, sent)) });
    let started = Instant::now();
    let mut notices = line.follow(sent).await.unwrap().into_inner();
    for (km, next) in [(0.0, "Boatyard"), (3.0, "Orchard"), (17.3, "Observatory")] {
        positions.send(Position { km }).unwrap();
        let notice = notices.message().await.unwrap().unwrap();
        let station = notice.next.unwrap();
        assert_eq!(station.name, next);
        assert!((notice.distance_km - (station.km - km)).abs() < 1e-9);
    }
    assert!(started.elapsed() >= Duration::from_millis(30));
    drop(positions);
    assert_eq!(notices.message().await.unwrap(), None);
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (1, 0));
}

#[tokio::test]
async fn a_bad_message_ends_a_bidirectional_stream() {
    let service = serving(|_| ()).await;
    let mut line = Line::at(port(&service, "v1")).await;
    let positions = [1.0, 99.0, 2.0].map(|km| Position { km });
    let (notices, end) = drained(line.follow(stream::iter(positions)).await.unwrap().into_inner()).await;
    assert_eq!((notices.len(), end.unwrap_err().code()), (1, Code::InvalidArgument));

    // A station's name where a number is expected.
    let garbled = stream::iter([Station { name: "Orchard".into(), km: 0.0 }]);
    let (notices, end) = drained(line.follow(garbled).await.unwrap().into_inner()).await;
    let status = end.unwrap_err();
    assert_eq!((notices.len(), status.code()), (0, Code::InvalidArgument));
    assert!(status.message().contains("the stream ended early"), "{status}");
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (2, 2));
}

#[tokio::test]
async fn error_rates_apply_to_every_kind_of_call() {
    let service = serving(|config| config.versions[0].error_rate = 1.0).await;
    let mut line = Line::at(port(&service, "v1")).await;
    let statuses = [
        line.nearest(1.0).await.unwrap_err(),
        line.ride(ride(3, 1)).await.unwrap_err(),
        line.count(vec![]).await.unwrap_err(),
        line.follow(stream::iter([Position { km: 1.0 }])).await.unwrap_err(),
    ];
    for status in statuses {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert_eq!(status.metadata().get("x-model-version").unwrap(), "v1");
    }
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (4, 4));
}

#[tokio::test]
async fn a_pause_delays_stream_messages() {
    let service = serving(|_| ()).await;
    let mut line = Line::at(port(&service, "v1")).await;
    let mut stops = line.ride(ride(100, 5)).await.unwrap().into_inner();
    stops.next().await.unwrap().unwrap();
    let pause = service.pause();
    let held = tokio::time::timeout(Duration::from_secs(10), service.pause_switch().held(1)).await;
    assert!(held.is_ok(), "no stop was held back");
    let ended = Instant::now();
    drop(pause);
    let (rest, end) = drained(stops).await;
    end.unwrap();
    assert_eq!(rest.len(), 99);
    assert!(rest.last().unwrap().0 > ended);
}
