//! Rollouts of KServe: the state of an InferenceService, the change that a rollout wants, and whether it took effect.
//!
//! ```text
//! InferenceService ─► Service ─► plan(change) ─► Patch ─► the API server
//!                        └────────► Goal::check ◄─ status after the patch
//! ```
//!
//! KServe accepts changes that it then ignores, or that send traffic to the wrong revision (kserve/kserve#1968, #2097, #2130, #5335). So
//! such a change is refused with a reason, and a change is done when the status shows it, never because the API server accepted a patch.
//!
//! Targets that consist of several objects implement [`Rules`]:
//!
//! | file | target |
//! |---|---|
//! | [`standard`] | an InferenceService in Standard mode, with an entry of `spec.canary` |
//! | [`routemap`] | a routemap with two versions, split by weights |
//! | [`llm`] | two LLMInferenceServices of a group, split by weights |

pub mod change;
pub mod goal;
pub mod llm;
mod managers;
pub mod mode;
pub mod objects;
pub mod routemap;
mod routes;
pub mod service;
pub mod split;
pub mod standard;
pub(crate) mod steps;
mod weights;

pub use change::{Change, Plan, plan};
pub use goal::{Goal, Progress};
pub use objects::{Objects, Rules, State, Step};
pub use service::Service;
pub use split::Split;
pub use standard::Standard;

#[cfg(test)]
mod llm_tests;
#[cfg(test)]
mod routemap_tests;
#[cfg(test)]
mod standard_tests;
#[cfg(test)]
mod tests;
