//! Rollouts of KServe: the state of an InferenceService, the change that a rollout wants, and whether it took effect.
//!
//! ```text
//! InferenceService ─► Service ─► plan(change) ─► Patch ─► the API server
//!                        └────────► Goal::check ◄─ status after the patch
//! ```
//!
//! KServe accepts changes that it then ignores, or that send traffic to the wrong revision (kserve/kserve#1968, #2097, #2130, #5335). So
//! such a change is refused with a reason, and a change is done when the status shows it, never because the API server accepted a patch.

pub mod change;
pub mod goal;
mod managers;
pub mod mode;
pub mod service;
pub(crate) mod steps;

pub use change::{Change, Plan, plan};
pub use goal::{Goal, Progress};
pub use service::Service;

#[cfg(test)]
mod tests;
