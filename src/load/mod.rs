//! One load loop, generic over the protocol.
//!
//! [`engine::run`] spreads connections over worker threads, each with a runtime of its own, and deals the slots of the schedule
//! ([`crate::load::pacing`]) out to idle connections. What is measured stays within the worker until the end; nothing is kept
//! per request. A protocol plugs in through [`protocol::Protocol`].
//!
//! ```text
//! engine ── starts, watches, merges ──► worker (one per thread) ── slots ──► lane (shared counters)
//!                                          │ seats (requests in flight), each asks for the next slot
//!                                          └─► Client of a Protocol (http …)   tally (histograms, counts)
//! ```

pub mod answer;
pub mod cause;
pub mod dial;
pub mod engine;
pub mod grpc;
pub mod h2;
pub mod http;
mod initial;
mod lanes;
mod lock;
pub mod meter;
pub mod outcome;
pub mod pacing;
pub mod plan;
pub mod protocol;
mod seat;
pub mod series;
pub mod shard;
mod shared;
mod tally;
pub mod timeline;
mod timer;
pub mod tls;
mod worker;
