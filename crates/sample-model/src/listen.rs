//! Accepts HTTP/1.1 and HTTP/2 connections on a port until shutdown.

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

use super::handler::Handler;

/// Signals for shutting down.
#[derive(Clone, Debug, Default)]
pub(super) struct Shutdown {
    /// Accept no requests, finish running ones.
    pub graceful: CancellationToken,
    /// Abort running requests.
    pub immediate: CancellationToken,
    /// All running tasks.
    pub tasks: TaskTracker,
}

/// Delay after a failed accept, usually a lack of file descriptors: retrying immediately would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a port until shutdown.
pub(super) async fn serve(listener: TcpListener, handler: Arc<Handler>, shutdown: Shutdown) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.graceful.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                shutdown.tasks.spawn(connection(stream, Arc::clone(&handler), shutdown.clone()));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves one connection.
async fn connection(stream: TcpStream, handler: Arc<Handler>, shutdown: Shutdown) {
    // Responses are small; with Nagle's algorithm their last packet would wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(handler.handle(request).await) }
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // The client sees connection errors too, and reports them.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shutdown.graceful.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = shutdown.immediate.cancelled() => {}
    }
}
