//! Accepts connections on a port, HTTP/1.1 and HTTP/2 alike, until told to stop.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::door::Door;

/// How a service ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    /// Take nothing new, finish what was begun.
    pub gently: CancellationToken,
    /// Drop everything.
    pub now: CancellationToken,
    /// All that runs.
    pub tasks: TaskTracker,
}

/// A failed accept is the process's want of file descriptors: trying again at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a port until `stop`.
pub(super) async fn serve(listener: TcpListener, door: Arc<Door>, stop: Stop) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.gently.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                stop.tasks.spawn(converse(stream, Arc::clone(&door), stop.clone()));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves one connection.
async fn converse(stream: TcpStream, door: Arc<Door>, stop: Stop) {
    // Answers are small; without this their last packet would wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(door.answer(request).await) }
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // A connection that ends badly is its client's affair; the client sees it too.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.gently.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = stop.now.cancelled() => {}
    }
}
