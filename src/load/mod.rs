//! One load loop, generic over the protocol.
//!
//! [`engine::run`] spreads connections over worker threads, each with a runtime of its own, and deals the slots of the schedule
//! ([`crate::load::pacing`]) out to idle connections. What is measured stays within the worker until the end; nothing is kept
//! per request. A protocol plugs in through [`protocol::Protocol`].
//!
//! ```text
//! engine ── starts, watches, merges ──► worker (one per thread) ── slots ──► queue (shared counters)
//!                                          │ seats (requests in flight), each asks for the next slot
//!                                          └─► Client of a Protocol (http …)   stats (histograms, counts)
//! ```

pub mod cause;
pub mod connect;
pub mod engine;
pub mod grpc;
pub mod h2;
pub mod http;
mod in_flight;
mod lock;
pub mod outcome;
pub mod pacing;
pub mod plan;
pub mod protocol;
pub mod response;
pub mod series;
pub mod shard;
mod shared;
mod slot_queue;
mod startup_check;
pub mod stats_recorder;
pub mod timeline;
mod timer;
mod worker;
mod worker_stats;
