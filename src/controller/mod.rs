//! The release controller: watches routemaps and the resources that they name, and keeps their routes up to date.
//!
//! ```text
//! watches ──► index ──► queue ──► reconcile: decide (routing) ──► writer ──► API server
//!    ▲                                │                             ▲
//!    │                                └──► report: Events, log, metrics
//!    └── drift of routing objects                            lease: one writer
//! ```
//!
//! The decision is the pure function [`crate::routing::decide`] of the objects that exist now, so the routes converge to it whatever the order
//! of events. Every replica keeps its index warm and decides; only the leader writes, and it writes only what differs from the live
//! objects.

mod claims;
mod cleanup;
mod costly;
mod events;
mod finalizer_search;
mod finalizers;
mod index;
mod keys;
mod lease;
mod live;
mod metrics;
mod outputs;
mod queue;
mod reconcile;
mod rendering;
mod report;
mod run;
mod server;
mod shared;
mod survey;
mod sweep;
#[cfg(test)]
mod tests;
mod types;
mod watched;
mod watches;
mod writer;

pub(crate) use cleanup::cleanup;
pub(crate) use run::{ControllerError, Settings, run};
pub(crate) use survey::{RoutePhase, RouteState, RoutemapState, Survey, VersionState};
