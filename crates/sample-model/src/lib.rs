//! A sample model service: the demo's target and the tests' fixture.
//!
//! N versions of a small iris classifier, each on a port of its own, and a *front* port that splits requests between them by weight
//! or by header. Every port speaks KServe's V1 REST protocol, the Open Inference Protocol (V2) over REST and gRPC, and over gRPC also a
//! small service of a railway line, which has all four kinds of call, and gRPC's health protocol.
//!
//! What it does is decided by its seed alone: the n-th prediction of a version has the same latency and the same fate in every run,
//! and the n-th one at the front goes to the same version. Latencies are slept with tokio's timer, which rounds up to whole
//! milliseconds; what was really taken is in `/stats` and `/metrics`.

mod body;
mod choice;
mod classify;
mod config;
mod curl;
mod door;
mod gate;
mod grpc;
mod health;
mod ledger;
mod line;
mod listen;
pub mod pb;
mod prometheus;
mod random;
mod refusal;
mod route;
mod service;
mod signature;
mod stations;
mod tensor;
mod v1;
mod v2;
mod version;

pub use classify::{Classifier, Row};
pub use config::{HeaderRule, Latency, SampleConfig, VersionConfig};
pub use gate::{Gate, Pause};
pub use ledger::{LatencyStats, VersionStats};
pub use service::{SampleService, VersionAddr, start};

/// A provider template for `custommetrics` that reads a version's `/stats`; `url` is the version's root.
pub const STATS_TEMPLATE: &str = include_str!("stats.tpl");
