//! Starts and stops the service.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::choice::Choice;
use super::config::{HeaderRule, SampleConfig};
use super::door::Door;
use super::gate::{Gate, Pause};
use super::ledger::VersionStats;
use super::listen::{Stop, serve};
use super::version::Version;
use super::{curl, grpc};

/// Where a version listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionAddr {
    /// Name of the version.
    pub name: String,
    /// Its own port.
    pub addr: SocketAddr,
}

/// A running service. It stops when it is dropped, at once; [`SampleService::shutdown`] lets it finish what it has begun.
#[derive(Debug)]
pub struct SampleService {
    /// The port that splits requests between the versions.
    pub front: SocketAddr,
    /// The versions, in the order of the configuration.
    pub versions: Vec<VersionAddr>,
    model: String,
    header: HeaderRule,
    running: Vec<Arc<Version>>,
    gate: Gate,
    stop: Stop,
}

/// How long a shutdown waits for answers that were begun.
const GRACE: Duration = Duration::from_secs(5);

/// Starts a service on the current tokio runtime; it accepts connections when this returns.
///
/// # Errors
///
/// `InvalidInput` when the configuration can't be served, and what the system says when a port can't be bound.
pub async fn start(config: SampleConfig) -> io::Result<SampleService> {
    config.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let gate = Gate::new();
    let stop = Stop::default();
    let model: Arc<str> = config.model.as_str().into();

    let mut running = Vec::new();
    let mut versions = Vec::new();
    let mut ports = Vec::new();
    for (index, behaviour) in config.versions.iter().enumerate() {
        let (listener, addr) = bind(config.bind, behaviour.port).await?;
        let version = Arc::new(Version::new(&config, index, behaviour.clone(), gate.clone())?);
        versions.push(VersionAddr { name: version.name.clone(), addr });
        ports.push((listener, Choice::only(Arc::clone(&version))));
        running.push(version);
    }
    let (listener, front) = bind(config.bind, config.front_port).await?;
    ports.push((listener, Choice::between(running.clone(), &config)?));

    // Nothing is served before everything is bound.
    for (listener, choice) in ports {
        let choice = Arc::new(choice);
        let grpc =
            grpc::routes(Arc::clone(&model), Arc::clone(&choice), config.reflection).map_err(io::Error::other)?;
        let door = Door { model: Arc::clone(&model), choice, grpc, gate: gate.clone() };
        stop.tasks.spawn(serve(listener, Arc::new(door), stop.clone()));
    }
    Ok(SampleService { front, versions, model: config.model, header: config.header, running, gate, stop })
}

async fn bind(ip: IpAddr, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let wanted = SocketAddr::new(ip, port);
    let listener = TcpListener::bind(wanted)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {wanted}: {error}")))?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

impl SampleService {
    /// Name of the model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The front's root, `http://ADDRESS:PORT`.
    pub fn front_url(&self) -> String {
        format!("http://{}", self.front)
    }

    /// A version's root, `http://ADDRESS:PORT`, if there is a version of this name.
    pub fn version_url(&self, name: &str) -> Option<String> {
        self.versions.iter().find(|version| version.name == name).map(|version| format!("http://{}", version.addr))
    }

    /// What each version has answered so far, as `/stats` shows it.
    pub fn stats(&self) -> Vec<VersionStats> {
        self.running.iter().map(|version| version.stats()).collect()
    }

    /// What holds answers back; a clone of it can go to another task.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Holds back every answer of every port, until the returned pause is dropped.
    pub fn pause(&self) -> Pause {
        self.gate.pause()
    }

    /// Holds back every answer of every port for this long.
    pub async fn stall(&self, duration: Duration) {
        self.gate.stall(duration).await;
    }

    /// Lines to copy into a shell: predictions at the front and from each version, statistics, metrics.
    pub fn curl_lines(&self) -> Vec<String> {
        let versions: Vec<_> = self.versions.iter().map(|version| (version.name.as_str(), version.addr)).collect();
        curl::lines(&self.model, self.front, &self.header, &versions)
    }

    /// Stops taking requests, lets every answer that was begun be written, and closes all connections; pauses count no more. After
    /// five seconds, what is left is dropped.
    pub async fn shutdown(self) {
        self.gate.open_for_good();
        self.stop.gently.cancel();
        self.stop.tasks.close();
        if tokio::time::timeout(GRACE, self.stop.tasks.wait()).await.is_err() {
            self.stop.now.cancel();
            self.stop.tasks.wait().await;
        }
    }
}

impl Drop for SampleService {
    fn drop(&mut self) {
        self.stop.gently.cancel();
        self.stop.now.cancel();
    }
}
