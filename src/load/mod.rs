//! One load loop, generic over the protocol.
//!
//! [`engine::run`] spreads connections over worker threads, each with its own runtime, and dispatches the slots of the schedule
//! ([`pacing`]) to idle connections. Statistics stay on the worker's thread until the end, and nothing is stored per request: the
//! hot path takes no locks and does not allocate. A protocol plugs in through [`protocol::Protocol`].
//!
//! ```text
//! engine ── starts, watches, merges ──► worker (one per thread) ── claims slots ──► slot_queue (shared counters)
//!                                          │ in_flight: one task per request in flight, which requests the next slot
//!                                          ├─► Client of a Protocol (http, grpc) ──► connect (TCP, TLS, proxies)
//!                                          └─► worker_stats (counters, histograms) ──► outcome ──► shard
//! ```

pub mod attribution;
pub mod cause;
pub(crate) mod connect;
mod details;
pub mod early_end;
pub mod engine;
pub mod grpc;
mod h2;
pub mod histograms;
pub mod http;
mod in_flight;
mod interval;
mod limits;
pub mod outcome;
pub mod pacing;
pub(crate) mod paired;
mod pauses;
pub mod plan;
pub mod progress;
pub mod protocol;
pub(crate) mod response;
mod series;
mod shard;
mod shared;
mod slot_queue;
mod startup_check;
mod stats_recorder;
pub(crate) mod timeline;
mod timer;
mod tls_problem;
pub mod watched;
mod worker;
mod worker_stats;
