//! A route guide over gRPC, about a railway line: a service with all four kinds of call.

mod stations;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status, Streaming};

use self::stations::{Counting, Train};
use crate::body::MAX_BYTES;
use crate::error::ServiceError;
use crate::pb::route_guide::line_server::{Line, LineServer};
use crate::pb::route_guide::{Notice, Passage, PassengerCount, Position, RideRequest, Station, Stop};
use crate::router::Router;
use crate::version::Version;
use crate::version_header::{error_status, with_version};

/// Maximum stops of a ride.
const MAX_STOPS: u32 = 10_000;
/// Longest time between two stops, in milliseconds.
const MAX_INTERVAL_MS: u32 = 10_000;
/// Longest ride, in milliseconds.
const MAX_RIDE_MS: u64 = 600_000;

/// Returns the service behind one port.
pub(super) fn service(router: Arc<Router>) -> LineServer<impl Line> {
    LineServer::new(Railway { router }).max_decoding_message_size(MAX_BYTES)
}

struct Railway {
    router: Arc<Router>,
}

impl Railway {
    /// Returns the version for a call.
    fn version(&self, headers: &HeaderMap) -> Result<Arc<Version>, Status> {
        self.router.prediction(headers, None).cloned().map_err(|error| error.to_grpc())
    }
}

/// Messages of a streamed response.
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Line for Railway {
    type RideStream = Messages<Stop>;
    type FollowStream = Messages<Notice>;

    async fn nearest_station(&self, request: Request<Position>) -> Result<Response<Station>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        let work = async {
            let station = stations::nearest(request.get_ref().km)?;
            version.take_turn(received).await?;
            Ok(station)
        };
        let response = version.respond(received, work).await;
        response.map(|station| with_version(&version, station)).map_err(|error| error_status(&version, &error))
    }

    async fn ride(&self, request: Request<RideRequest>) -> Result<Response<Messages<Stop>>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        let opening = async {
            let ride = Ride::new(request.get_ref(), Arc::clone(&version), received)?;
            version.take_turn(received).await?;
            Ok(ride)
        };
        let mut ride = opened(&version, received, opening.await).await?;
        ride.first = Instant::now();
        let stops = stream::unfold(ride, |mut ride| async move { Some((Ok(ride.next().await?), ride)) });
        Ok(with_version(&version, Box::pin(stops)))
    }

    async fn count_passengers(&self, request: Request<Streaming<Passage>>) -> Result<Response<PassengerCount>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        let mut passages = request.into_inner();
        let work = async {
            let mut counting = Counting::default();
            while let Some(passage) = passages.message().await.map_err(|status| broken(&status))? {
                counting.add(&passage)?;
            }
            version.take_turn(Instant::now()).await?;
            Ok(counting.sum())
        };
        let response = version.respond(received, work).await;
        response.map(|count| with_version(&version, count)).map_err(|error| error_status(&version, &error))
    }

    async fn follow(&self, request: Request<Streaming<Position>>) -> Result<Response<Messages<Notice>>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        opened(&version, received, version.take_turn(received).await).await?;
        let following = Following { version: Arc::clone(&version), received, positions: Some(request.into_inner()) };
        let notices =
            stream::unfold(following, |mut following| async move { Some((following.next().await?, following)) });
        Ok(with_version(&version, Box::pin(notices)))
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

/// A running ride.
struct Ride {
    version: Arc<Version>,
    received: Instant,
    train: Train,
    stops: u32,
    interval: Duration,
    /// Time of the first stop; the others are scheduled relative to it, so that delays do not add up.
    first: Instant,
    sent: u32,
}

impl Ride {
    fn new(request: &RideRequest, version: Arc<Version>, received: Instant) -> Result<Self, ServiceError> {
        let RideRequest { from, stops, interval_ms } = request;
        if *stops > MAX_STOPS {
            return Err(ServiceError::bad(format!("stops is {stops}, expected up to {MAX_STOPS}")));
        }
        if *interval_ms > MAX_INTERVAL_MS {
            return Err(ServiceError::bad(format!("interval_ms is {interval_ms}, expected up to {MAX_INTERVAL_MS}")));
        }
        let whole_ms = u64::from(stops.saturating_sub(1)) * u64::from(*interval_ms);
        if whole_ms > MAX_RIDE_MS {
            return Err(ServiceError::bad(format!("the ride takes {whole_ms} ms, expected up to {MAX_RIDE_MS}")));
        }
        let interval = Duration::from_millis((*interval_ms).into());
        let train = Train::starting(from)?;
        Ok(Self { version, received, train, stops: *stops, interval, first: received, sent: 0 })
    }

    /// Waits for the next stop. The call is counted at its end.
    async fn next(&mut self) -> Option<Stop> {
        if self.sent == self.stops {
            self.version.count(self.received, StatusCode::OK);
            return None;
        }
        let offset = self.interval * self.sent;
        if !offset.is_zero() {
            sleep_until(self.first + offset).await;
        }
        self.version.wait_while_paused().await;
        self.sent += 1;
        let sent_after_ms = self.received.elapsed().as_secs_f64() * 1e3;
        Some(Stop { number: self.sent, station: Some(self.train.stop()), sent_after_ms })
    }
}

/// A client that reports its position.
struct Following {
    version: Arc<Version>,
    received: Instant,
    /// `None` after an error.
    positions: Option<Streaming<Position>>,
}

impl Following {
    /// Returns the response to the next position, or the error that ends the stream. The call is counted at its end.
    async fn next(&mut self) -> Option<Result<Notice, Status>> {
        let notice = match self.positions.as_mut()?.message().await {
            Ok(Some(position)) => stations::next(position.km),
            Ok(None) => {
                self.version.count(self.received, StatusCode::OK);
                return None;
            }
            Err(status) => Err(broken(&status)),
        };
        self.version.wait_while_paused().await;
        Some(notice.map_err(|error| {
            self.positions = None;
            self.version.count(self.received, error.status);
            error_status(&self.version, &error)
        }))
    }
}
