//! Starts and stops the service.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::config::{HeaderRule, SampleConfig};
use super::handler::Handler;
use super::listen::{Shutdown, serve};
use super::pause::{Pause, PauseGuard};
use super::router::Router;
use super::stats::VersionStats;
use super::version::Version;
use super::{curl, grpc};

/// Address of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionAddr {
    /// Name of the version.
    pub name: String,
    /// Address of its own port.
    pub addr: SocketAddr,
}

/// A running service. Dropping it aborts all requests; [`SampleService::shutdown`] finishes them first.
#[derive(Debug)]
pub struct SampleService {
    /// The port that splits requests between the versions.
    pub front: SocketAddr,
    /// The versions, in the order of the configuration.
    pub versions: Vec<VersionAddr>,
    model: String,
    header: HeaderRule,
    running: Vec<Arc<Version>>,
    pause: Pause,
    stop: Shutdown,
}

/// Longest wait of a shutdown for running requests.
const GRACE: Duration = Duration::from_secs(5);

/// Starts a service on the current tokio runtime; it accepts connections when this returns.
///
/// # Errors
///
/// `InvalidInput` if the configuration is not valid, and the system's error if a port cannot be bound.
pub async fn start(config: SampleConfig) -> io::Result<SampleService> {
    config.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let pause = Pause::new();
    let stop = Shutdown::default();
    let model: Arc<str> = config.model.as_str().into();

    let mut running = Vec::new();
    let mut versions = Vec::new();
    let mut ports = Vec::new();
    for (index, behaviour) in config.versions.iter().enumerate() {
        let (listener, addr) = bind(config.bind, behaviour.port).await?;
        let version = Arc::new(Version::new(&config, index, behaviour.clone(), pause.clone())?);
        versions.push(VersionAddr { name: version.name.clone(), addr });
        ports.push((listener, Router::only(Arc::clone(&version))));
        running.push(version);
    }
    let (listener, front) = bind(config.bind, config.front_port).await?;
    ports.push((listener, Router::between(running.clone(), &config)?));

    // Bind all ports before serving any.
    for (listener, router) in ports {
        let router = Arc::new(router);
        let grpc =
            grpc::routes(Arc::clone(&model), Arc::clone(&router), config.reflection).map_err(io::Error::other)?;
        let handler = Handler { model: Arc::clone(&model), router, grpc, pause: pause.clone() };
        stop.tasks.spawn(serve(listener, Arc::new(handler), stop.clone()));
    }
    Ok(SampleService { front, versions, model: config.model, header: config.header, running, pause, stop })
}

async fn bind(ip: IpAddr, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let requested = SocketAddr::new(ip, port);
    let listener = TcpListener::bind(requested)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {requested}: {error}")))?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

impl SampleService {
    /// Name of the model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Returns the front's root, `http://ADDRESS:PORT`.
    pub fn front_url(&self) -> String {
        format!("http://{}", self.front)
    }

    /// Returns a version's root, `http://ADDRESS:PORT`, if there is a version of this name.
    pub fn version_url(&self, name: &str) -> Option<String> {
        self.versions.iter().find(|version| version.name == name).map(|version| format!("http://{}", version.addr))
    }

    /// Statistics of each version, as in `/stats`.
    pub fn stats(&self) -> Vec<VersionStats> {
        self.running.iter().map(|version| version.stats()).collect()
    }

    /// Returns the switch that pauses responses, to be used from another task.
    pub fn pause_switch(&self) -> Pause {
        self.pause.clone()
    }

    /// Holds back all responses of all ports, until the guard is dropped.
    pub fn pause(&self) -> PauseGuard {
        self.pause.start()
    }

    /// Holds back all responses of all ports for this long.
    pub async fn stall(&self, duration: Duration) {
        self.pause.stall(duration).await;
    }

    /// Shell commands to try the service with: predictions at the front and from each version, statistics, metrics.
    pub fn curl_lines(&self) -> Vec<String> {
        let versions: Vec<_> = self.versions.iter().map(|version| (version.name.as_str(), version.addr)).collect();
        curl::lines(&self.model, self.front, &self.header, &versions)
    }

    /// Stops accepting requests, ends pauses, finishes running requests and closes all connections. After five seconds, the remaining
    /// requests are aborted.
    pub async fn shutdown(self) {
        self.pause.disable();
        self.stop.graceful.cancel();
        self.stop.tasks.close();
        if tokio::time::timeout(GRACE, self.stop.tasks.wait()).await.is_err() {
            self.stop.immediate.cancel();
            self.stop.tasks.wait().await;
        }
    }
}

impl Drop for SampleService {
    fn drop(&mut self) {
        self.stop.graceful.cancel();
        self.stop.immediate.cancel();
    }
}
