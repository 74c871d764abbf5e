//! The route guide: all four kinds of gRPC call, as a client sees them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use http::uri::PathAndQuery;
use prost::Message;
use sample_model::SampleConfig;
use sample_model::pb::route_guide::{Feature, Point, Rectangle, RouteNote, RouteSummary};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::{port, serving};

const ORCHARD: Point = Point { latitude: 461_510_000, longitude: 78_500_000 };
const MARBLE_QUARRY: Point = Point { latitude: 462_100_000, longitude: 79_150_000 };
const FROM_ORCHARD_TO_QUARRY: [&str; 4] = ["Orchard", "Mill Bridge", "Beech Wood", "Marble Quarry"];
const NOWHERE: Point = Point { latitude: 900_000_001, longitude: 0 };

struct RouteGuide(tonic::client::Grpc<Channel>);

impl RouteGuide {
    async fn at(addr: SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap();
        Self(tonic::client::Grpc::new(channel))
    }

    /// Returns the client when it is ready for a call.
    async fn ready(&mut self) -> &mut tonic::client::Grpc<Channel> {
        self.0.ready().await.unwrap();
        &mut self.0
    }

    fn path(method: &str) -> PathAndQuery {
        format!("/routeguide.RouteGuide/{method}").parse().unwrap()
    }

    async fn get(&mut self, point: Point) -> Result<Response<Feature>, Status> {
        self.ready().await.unary(Request::new(point), Self::path("GetFeature"), ProstCodec::default()).await
    }

    async fn list(&mut self, lo: Point, hi: Point, interval: &str) -> Result<Response<Streaming<Feature>>, Status> {
        let mut request = Request::new(Rectangle { lo: Some(lo), hi: Some(hi) });
        request.metadata_mut().insert("interval-ms", interval.parse().unwrap());
        self.ready().await.server_streaming(request, Self::path("ListFeatures"), ProstCodec::default()).await
    }

    async fn record(&mut self, points: Vec<Point>) -> Result<Response<RouteSummary>, Status> {
        let request = Request::new(stream::iter(points));
        self.ready().await.client_streaming(request, Self::path("RecordRoute"), ProstCodec::default()).await
    }

    async fn chat<A: Message + 'static>(
        &mut self,
        messages: impl futures_util::Stream<Item = A> + Send + 'static,
    ) -> Result<Response<Streaming<RouteNote>>, Status> {
        self.ready().await.streaming(Request::new(messages), Self::path("RouteChat"), ProstCodec::default()).await
    }
}

fn slow_v1(config: &mut SampleConfig) {
    config.versions[0].latency.constant = Duration::from_millis(30);
}

fn note(location: Point, message: &str) -> RouteNote {
    RouteNote { location: Some(location), message: message.into() }
}

/// Returns the messages of a stream with their times, and how the stream ended.
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
    let response = RouteGuide::at(port(&service, "v1")).await.get(ORCHARD).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert_eq!(response.metadata().get("x-model-version").unwrap(), "v1");
    assert_eq!(response.get_ref().name, "Orchard");

    let status = RouteGuide::at(port(&service, "v2")).await.get(NOWHERE).await.unwrap_err();
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
    let mut guide = RouteGuide::at(port(&service, "v1")).await;
    let started = Instant::now();
    let response = guide.list(ORCHARD, MARBLE_QUARRY, "20").await.unwrap();
    assert_eq!(response.metadata().get("x-model-version").unwrap(), "v1");
    let (features, end) = drained(response.into_inner()).await;
    end.unwrap();
    let names: Vec<&str> = features.iter().map(|(_, feature)| feature.name.as_str()).collect();
    assert_eq!(names, FROM_ORCHARD_TO_QUARRY);
    for (number, (came, _)) in (0_u32..).zip(&features) {
        let due = Duration::from_millis(30) + INTERVAL * number;
        assert!(*came - started >= due, "feature {number} came before it was due");
    }
    let stats = &service.stats()[0];
    assert_eq!((stats.requests, stats.errors), (1, 0));
    assert!(stats.latency.min.unwrap() >= 90.0, "the whole stream is its latency");
}

#[tokio::test]
async fn empty_and_unpaced_server_streams_succeed() {
    let service = serving(|_| ()).await;
    let mut guide = RouteGuide::at(service.front).await;
    let cases = [
        (ORCHARD, MARBLE_QUARRY, "0", 4),
        (ORCHARD, ORCHARD, "10000", 1),
        (Point::default(), Point::default(), "1", 0),
    ];
    for (lo, hi, interval, count) in cases {
        let (received, end) = drained(guide.list(lo, hi, interval).await.unwrap().into_inner()).await;
        end.unwrap();
        assert_eq!(received.len(), count);
    }
    assert_eq!(service.stats().iter().map(|version| version.requests).sum::<u64>(), 3);
}

#[tokio::test]
async fn bad_points_and_intervals_are_rejected() {
    let service = serving(|_| ()).await;
    let mut guide = RouteGuide::at(port(&service, "v1")).await;
    let cases = [
        (NOWHERE, "0", "latitude is 900000001, expected -900000000 to 900000000"),
        (ORCHARD, "10001", "interval-ms is \"10001\", expected milliseconds up to 10000"),
        (ORCHARD, "-1", "interval-ms is \"-1\""),
        (ORCHARD, "", "interval-ms is \"\""),
    ];
    let count = cases.len() as u64;
    for (lo, interval, message) in cases {
        let status = guide.list(lo, ORCHARD, interval).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().starts_with(message), "{status}");
    }
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (count, count));
}

#[tokio::test]
async fn a_client_stream_returns_a_summary() {
    let service = serving(slow_v1).await;
    let mut guide = RouteGuide::at(port(&service, "v1")).await;
    let started = Instant::now();
    let north = Point { latitude: 471_510_000, ..ORCHARD };
    let response = guide.record(vec![ORCHARD, north, north]).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert_eq!(response.metadata().get("x-model-version").unwrap(), "v1");
    let expected = RouteSummary { point_count: 3, feature_count: 1, distance: 111_195, elapsed_time: 0 };
    assert_eq!(response.into_inner(), expected);

    assert_eq!(guide.record(vec![]).await.unwrap().into_inner(), RouteSummary::default());
    let rejected = guide.record(vec![ORCHARD, NOWHERE]).await.unwrap_err();
    assert_eq!(rejected.code(), Code::InvalidArgument);
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (3, 1));
}

#[tokio::test]
async fn a_bidirectional_stream_alternates() {
    let service = serving(slow_v1).await;
    let mut guide = RouteGuide::at(port(&service, "v1")).await;
    let (outgoing, sent) = mpsc::unbounded_channel();
    let sent = stream::unfold(sent, |mut sent| async move { Some((sent.recv().await?, sent)) });
    let started = Instant::now();
    let mut incoming = guide.chat(sent).await.unwrap().into_inner();
    let [first, other, second] = [note(ORCHARD, "first"), note(MARBLE_QUARRY, "other"), note(ORCHARD, "second")];
    let exchanges = [(&first, vec![&first]), (&other, vec![&other]), (&second, vec![&first, &second])];
    for (sent, responses) in exchanges {
        outgoing.send(sent.clone()).unwrap();
        for expected in responses {
            assert_eq!(incoming.message().await.unwrap().as_ref(), Some(expected));
        }
    }
    assert!(started.elapsed() >= Duration::from_millis(30));
    drop(outgoing);
    assert_eq!(incoming.message().await.unwrap(), None);
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (1, 0));
}

#[tokio::test]
async fn a_bad_message_ends_a_bidirectional_stream() {
    let service = serving(|_| ()).await;
    let mut guide = RouteGuide::at(port(&service, "v1")).await;
    let notes = [ORCHARD, NOWHERE, MARBLE_QUARRY].map(|point| note(point, ""));
    let (received, end) = drained(guide.chat(stream::iter(notes)).await.unwrap().into_inner()).await;
    assert_eq!((received.len(), end.unwrap_err().code()), (1, Code::InvalidArgument));

    // A number where a message is expected.
    let garbled = stream::iter([ORCHARD]);
    let (received, end) = drained(guide.chat(garbled).await.unwrap().into_inner()).await;
    let status = end.unwrap_err();
    assert_eq!((received.len(), status.code()), (0, Code::InvalidArgument));
    assert!(status.message().contains("the stream ended early"), "{status}");
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (2, 2));
}

#[tokio::test]
async fn error_rates_apply_to_every_kind_of_call() {
    let service = serving(|config| config.versions[0].error_rate = 1.0).await;
    let mut guide = RouteGuide::at(port(&service, "v1")).await;
    let statuses = [
        guide.get(ORCHARD).await.unwrap_err(),
        guide.list(ORCHARD, MARBLE_QUARRY, "1").await.unwrap_err(),
        guide.record(vec![]).await.unwrap_err(),
        guide.chat(stream::iter([note(ORCHARD, "")])).await.unwrap_err(),
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
    let mut guide = RouteGuide::at(port(&service, "v1")).await;
    let mut features = guide.list(ORCHARD, MARBLE_QUARRY, "50").await.unwrap().into_inner();
    features.next().await.unwrap().unwrap();
    let pause = service.pause();
    let held = tokio::time::timeout(Duration::from_secs(10), service.pause_switch().held(1)).await;
    assert!(held.is_ok(), "no feature was held back");
    let ended = Instant::now();
    drop(pause);
    let (rest, end) = drained(features).await;
    end.unwrap();
    assert!(rest.last().unwrap().0 > ended);
}
