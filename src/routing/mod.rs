//! Routing decisions of the release controller: which version gets which share of the traffic, and the objects that make it so.
//!
//! ```text
//! CONFIG_FILE ─► Config ───────────┐
//! ConfigMap ───► Routemap ─────────┼─► decide ─► Decision: versions with weights and reasons,
//! objects ─────► RawObject ─► Observed ─┘         desired objects, time of the next decision
//! ```
//!
//! [`decision::decide`] is a pure function, so the routes depend on the objects of the cluster alone and not on the order of events. The
//! one invariant: whatever a routemap or an object contains, a decision ends within fixed bounds, and an object that would break the
//! traffic of others is refused with a reason.

pub mod availability;
pub mod config;
pub mod decision;
pub mod drift;
mod fields;
pub mod observed;
pub mod render;
pub mod routemap;
pub mod target;
mod weighted_routes;
pub mod weights;

pub use config::{Config, ResourceType};
pub use decision::{Decision, Weighed, decide, weigh};
pub use observed::{Observed, RawObject};
pub use routemap::Routemap;
