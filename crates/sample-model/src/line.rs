//! The railway line over gRPC: a service with all four kinds of call.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status, Streaming};

use super::body::MAX_BYTES;
use super::choice::Choice;
use super::pb::line::line_server::{Line, LineServer};
use super::pb::line::{Notice, Passage, PassengerCount, Position, RideRequest, Station, Stop};
use super::refusal::Refusal;
use super::signature::{refused, signed};
use super::stations::{self, Counting, Train};
use super::version::Version;

/// The most stops of a ride.
const MAX_STOPS: u32 = 10_000;
/// The longest time between two stops, in milliseconds.
const MAX_INTERVAL_MS: u32 = 10_000;
/// The longest ride, in milliseconds.
const MAX_RIDE_MS: u64 = 600_000;

/// The service behind one port.
pub(super) fn service(choice: Arc<Choice>) -> LineServer<impl Line> {
    LineServer::new(Railway { choice }).max_decoding_message_size(MAX_BYTES)
}

struct Railway {
    choice: Arc<Choice>,
}

impl Railway {
    /// The version that answers a call.
    fn version(&self, headers: &HeaderMap) -> Result<Arc<Version>, Status> {
        self.choice.prediction(headers, None).cloned().map_err(|refusal| refusal.to_grpc())
    }
}

/// The messages of an answer.
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
        let answer = version.answer(received, work).await;
        answer.map(|station| signed(&version, station)).map_err(|refusal| refused(&version, &refusal))
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
        Ok(signed(&version, Box::pin(stops)))
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
        let answer = version.answer(received, work).await;
        answer.map(|count| signed(&version, count)).map_err(|refusal| refused(&version, &refusal))
    }

    async fn follow(&self, request: Request<Streaming<Position>>) -> Result<Response<Messages<Notice>>, Status> {
        let received = Instant::now();
        let version = self.version(request.metadata().as_ref())?;
        opened(&version, received, version.take_turn(received).await).await?;
        let following = Following { version: Arc::clone(&version), received, positions: Some(request.into_inner()) };
        let notices =
            stream::unfold(following, |mut following| async move { Some((following.next().await?, following)) });
        Ok(signed(&version, Box::pin(notices)))
    }
}

/// A stream that begins now, unless it is refused; then that is the whole answer, and counted.
async fn opened<T>(version: &Version, received: Instant, outcome: Result<T, Refusal>) -> Result<T, Status> {
    match outcome {
        Ok(stream) => Ok(stream),
        Err(refusal) => {
            let answer = version.answer(received, async { Err::<T, _>(refusal) }).await;
            answer.map_err(|refusal| refused(version, &refusal))
        }
    }
}

/// A client's stream that ends in the middle, or has a message that can't be read.
fn broken(status: &Status) -> Refusal {
    Refusal::bad(format!("the stream broke off: {}", status.message()))
}

/// A train on its way.
struct Ride {
    version: Arc<Version>,
    received: Instant,
    train: Train,
    stops: u32,
    interval: Duration,
    /// When the first stop is sent; the others follow this clock, so that lateness does not add up.
    first: Instant,
    sent: u32,
}

impl Ride {
    fn new(asked: &RideRequest, version: Arc<Version>, received: Instant) -> Result<Self, Refusal> {
        let RideRequest { from, stops, interval_ms } = asked;
        if *stops > MAX_STOPS {
            return Err(Refusal::bad(format!("stops is {stops}; expected up to {MAX_STOPS}")));
        }
        if *interval_ms > MAX_INTERVAL_MS {
            return Err(Refusal::bad(format!("interval_ms is {interval_ms}; expected up to {MAX_INTERVAL_MS}")));
        }
        let whole_ms = u64::from(stops.saturating_sub(1)) * u64::from(*interval_ms);
        if whole_ms > MAX_RIDE_MS {
            return Err(Refusal::bad(format!("the ride takes {whole_ms} ms; expected up to {MAX_RIDE_MS}")));
        }
        let interval = Duration::from_millis((*interval_ms).into());
        let train = Train::starting(from)?;
        Ok(Self { version, received, train, stops: *stops, interval, first: received, sent: 0 })
    }

    /// The next stop, when it is due. The call is counted at its end.
    async fn next(&mut self) -> Option<Stop> {
        if self.sent == self.stops {
            self.version.count(self.received, StatusCode::OK);
            return None;
        }
        let offset = self.interval * self.sent;
        if !offset.is_zero() {
            sleep_until(self.first + offset).await;
        }
        self.version.pass_gate().await;
        self.sent += 1;
        let sent_after_ms = self.received.elapsed().as_secs_f64() * 1e3;
        Some(Stop { number: self.sent, station: Some(self.train.stop()), sent_after_ms })
    }
}

/// A client that tells where it is.
struct Following {
    version: Arc<Version>,
    received: Instant,
    /// None once the stream is refused.
    positions: Option<Streaming<Position>>,
}

impl Following {
    /// The answer to the next position, or the refusal that ends the stream. The call is counted at its end.
    async fn next(&mut self) -> Option<Result<Notice, Status>> {
        let notice = match self.positions.as_mut()?.message().await {
            Ok(Some(position)) => stations::next(position.km),
            Ok(None) => {
                self.version.count(self.received, StatusCode::OK);
                return None;
            }
            Err(status) => Err(broken(&status)),
        };
        self.version.pass_gate().await;
        Some(notice.map_err(|refusal| {
            self.positions = None;
            self.version.count(self.received, refusal.status);
            refused(&self.version, &refusal)
        }))
    }
}
