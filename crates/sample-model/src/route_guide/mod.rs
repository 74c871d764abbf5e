//! gRPC's well-known route guide: a service with all four kinds of call.

mod features;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status, Streaming};

use self::features::{Notes, Route};
use crate::body::MAX_BYTES;
use crate::error::ServiceError;
use crate::pb::route_guide::route_guide_server::{RouteGuide, RouteGuideServer};
use crate::pb::route_guide::{Feature, Point, Rectangle, RouteNote, RouteSummary};
use crate::router::Router;
use crate::version::Version;
use crate::version_header::{error_status, with_version};

/// Metadata with the time between two features of a list, in milliseconds.
const INTERVAL: &str = "interval-ms";
/// Longest time between two features.
const MAX_INTERVAL_MS: u64 = 10_000;

/// Returns the service behind one port.
pub(super) fn service(router: Arc<Router>) -> RouteGuideServer<impl RouteGuide> {
    RouteGuideServer::new(Guide { router }).max_decoding_message_size(MAX_BYTES)
}

struct Guide {
    router: Arc<Router>,
}

impl Guide {
    /// Returns the version for a call.
    fn version(&self, headers: &HeaderMap) -> Result<Arc<Version>, Status> {
        self.router.prediction(headers, None).cloned().map_err(|error| error.to_grpc())
    }
}

/// Messages of a streamed response.
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl RouteGuide for Guide {
    type ListFeaturesStream = Messages<Feature>;
    type RouteChatStream = Messages<RouteNote>;

    async fn get_feature(&self, request: Request<Point>) -> Result<Response<Feature>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        let work = async {
            let feature = features::at(*request.get_ref())?;
            version.take_turn(received).await?;
            Ok(feature)
        };
        let response = version.respond(received, work).await;
        response.map(|feature| with_version(&version, feature)).map_err(|error| error_status(&version, &error))
    }

    async fn list_features(&self, request: Request<Rectangle>) -> Result<Response<Messages<Feature>>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        let opening = async {
            let interval = interval(request.metadata().as_ref())?;
            let features = features::within(*request.get_ref())?;
            version.take_turn(received).await?;
            Ok(Listing { version: Arc::clone(&version), received, features, interval, first: Instant::now(), sent: 0 })
        };
        let listing = opened(&version, received, opening.await).await?;
        let features = stream::unfold(listing, |mut listing| async move { Some((Ok(listing.next().await?), listing)) });
        Ok(with_version(&version, Box::pin(features)))
    }

    async fn record_route(&self, request: Request<Streaming<Point>>) -> Result<Response<RouteSummary>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        let mut points = request.into_inner();
        let work = async {
            let mut route = Route::default();
            while let Some(point) = points.message().await.map_err(|status| broken(&status))? {
                route.add(point)?;
            }
            let ended = Instant::now();
            version.take_turn(ended).await?;
            Ok(route.summary((ended - received).as_secs()))
        };
        let response = version.respond(received, work).await;
        response.map(|summary| with_version(&version, summary)).map_err(|error| error_status(&version, &error))
    }

    async fn route_chat(
        &self,
        request: Request<Streaming<RouteNote>>,
    ) -> Result<Response<Messages<RouteNote>>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        opened(&version, received, version.take_turn(received).await).await?;
        let chat = Chat {
            version: Arc::clone(&version),
            received,
            incoming: Some(request.into_inner()),
            notes: Notes::default(),
            unsent: Vec::new().into_iter(),
        };
        let notes = stream::unfold(chat, |mut chat| async move { Some((chat.next().await?, chat)) });
        Ok(with_version(&version, Box::pin(notes)))
    }
}

/// Starts a stream, or counts the error that is the whole response.
async fn opened<T>(version: &Version, received: Instant, outcome: Result<T, ServiceError>) -> Result<T, Status> {
    match outcome {
        Ok(stream) => Ok(stream),
        Err(error) => {
            let response = version.respond(received, async { Err::<T, _>(error) }).await;
            response.map_err(|error| error_status(version, &error))
        }
    }
}

/// Returns the error of a request stream that breaks off, or has a malformed message.
fn broken(status: &Status) -> ServiceError {
    ServiceError::bad(format!("the stream ended early: {}", status.message()))
}

/// Reads the interval from the metadata; none means zero.
fn interval(headers: &HeaderMap) -> Result<Duration, ServiceError> {
    let Some(value) = headers.get(INTERVAL) else { return Ok(Duration::ZERO) };
    let ms = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|ms| *ms <= MAX_INTERVAL_MS);
    let message = || format!("{INTERVAL} is {value:?}, expected milliseconds up to {MAX_INTERVAL_MS}");
    ms.map(Duration::from_millis).ok_or_else(|| ServiceError::bad(message()))
}

/// A list of features that is being sent.
struct Listing {
    version: Arc<Version>,
    received: Instant,
    features: Vec<Feature>,
    interval: Duration,
    /// Time of the first feature; the others are scheduled relative to it, so that delays do not add up.
    first: Instant,
    sent: u32,
}

impl Listing {
    /// Waits for the next feature. The call is counted at its end.
    async fn next(&mut self) -> Option<Feature> {
        let Some(feature) = self.features.get(self.sent as usize).cloned() else {
            self.version.count(self.received, StatusCode::OK);
            return None;
        };
        let offset = self.interval * self.sent;
        if !offset.is_zero() {
            sleep_until(self.first + offset).await;
        }
        self.version.wait_while_paused().await;
        self.sent += 1;
        Some(feature)
    }
}

/// A call that exchanges notes.
struct Chat {
    version: Arc<Version>,
    received: Instant,
    /// `None` after an error.
    incoming: Option<Streaming<RouteNote>>,
    notes: Notes,
    /// Rest of the response to the last note.
    unsent: std::vec::IntoIter<RouteNote>,
}

impl Chat {
    /// Returns the next note of the response, or the error that ends the stream. The call is counted at its end.
    async fn next(&mut self) -> Option<Result<RouteNote, Status>> {
        if let Some(note) = self.unsent.next() {
            return Some(Ok(note));
        }
        let response = match self.incoming.as_mut()?.message().await {
            Ok(Some(note)) => self.notes.add(note),
            Ok(None) => {
                self.version.count(self.received, StatusCode::OK);
                return None;
            }
            Err(status) => Err(broken(&status)),
        };
        self.version.wait_while_paused().await;
        match response {
            Ok(notes) => {
                self.unsent = notes.into_iter();
                self.unsent.next().map(Ok)
            }
            Err(error) => {
                self.incoming = None;
                self.version.count(self.received, error.status);
                Some(Err(error_status(&self.version, &error)))
            }
        }
    }
}
