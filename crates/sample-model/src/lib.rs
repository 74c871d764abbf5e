//! A sample model service: the demo's target and the tests' fixture.
//!
//! It runs N versions of a small iris classifier, each on a port of its own, and a *front* port that splits requests between them by weight
//! or by header; ModelMesh's header `mm-vmodel-id` names a version. Every port speaks KServe's V1 REST protocol, the Open Inference Protocol
//! (V2) over REST and gRPC, gRPC's health protocol, and a route guide over gRPC that has all four kinds of call.
//!
//! The seed alone decides its behaviour: the n-th prediction of a version has the same latency and outcome in every run, and the n-th
//! request at the front goes to the same version. Latencies are slept with tokio's timer, which rounds up to whole milliseconds; `/stats`
//! and `/metrics` report the actual ones.
//!
//! Request bodies, streams and connections are bounded, and statistics take constant memory: the service can run under load for days.

mod body;
mod classify;
mod config;
mod curl;
mod error;
mod grpc;
mod handler;
mod health;
mod listen;
mod pause;
pub mod pb;
mod prometheus;
mod random;
mod route;
mod route_guide;
mod router;
mod service;
mod stats;
mod tensor;
mod v1;
mod v2;
mod version;
mod version_header;

pub use classify::{Classifier, Row};
pub use config::{HeaderRule, Latency, SampleConfig, VersionConfig};
pub use pause::{Pause, PauseGuard};
pub use service::{SampleService, VersionAddr, start};
pub use stats::{LatencyStats, VersionStats};

/// A provider template for `custommetrics` that reads a version's `/stats`; `url` is the version's root.
pub const STATS_TEMPLATE: &str = include_str!("stats.tpl");
