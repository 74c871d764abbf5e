//! Moves the traffic of a target from its stable version to a candidate, or back, and waits until the cluster shows it.
//!
//! The decisions are those of the pure layer `rollout`: this layer reads, sends and waits.
//!
//! | file | contents |
//! |---|---|
//! | [`target`] | a target in general, for rollouts in steps |
//! | [`claim`] | the claim of a rollout on its target, and commands to it |
//! | [`service`] | an InferenceService of KServe |
//! | [`objects`] | a target whose traffic depends on several objects |
//! | [`error`] | failures to move traffic |

pub(crate) mod claim;
pub(crate) mod error;
pub(crate) mod objects;
pub(crate) mod service;
#[cfg(test)]
pub(crate) mod stub_cluster;
pub(crate) mod target;
mod waiting;

pub(crate) use error::TrafficError;
pub(crate) use objects::ObjectsTraffic;
pub(crate) use service::ServiceTraffic;
pub(crate) use target::{Expected, Observed, Target, TargetKind};
