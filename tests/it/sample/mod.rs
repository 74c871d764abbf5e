//! The sample model service over the wire, as its clients see it.

mod client;
mod grpc;
mod rest;
mod route_guide;
mod running;
mod traffic;

use sample_model::{SampleConfig, SampleService, start};

/// Flowers and the classes that v1 and v2 give them.
const FLOWERS: [([f64; 4], u64, u64); 4] = [
    ([5.1, 3.5, 1.4, 0.2], 0, 0),
    ([5.7, 2.8, 4.1, 1.3], 1, 1),
    ([6.3, 3.3, 6.0, 2.5], 2, 2),
    ([6.8, 2.8, 4.8, 1.4], 2, 1),
];

/// The default service, changed.
async fn serving(change: impl FnOnce(&mut SampleConfig)) -> SampleService {
    let mut config = SampleConfig::default();
    change(&mut config);
    start(config).await.unwrap()
}

/// The address of a version's own port.
fn port(service: &SampleService, version: &str) -> std::net::SocketAddr {
    service.versions.iter().find(|port| port.name == version).unwrap().addr
}
