//! Rollouts of InferenceServices, routemaps and LLMInferenceServices, for the commands of `iter8 k rollout`.

pub(crate) use crate::adapters::kubernetes::LazyCluster;
pub(crate) use crate::rollout::change::Change;
pub(crate) use crate::rollout::service::{Component, Service, Traffic};
pub(crate) use crate::rollout::split::{Share, Split};
pub(crate) use crate::traffic::service::{Changed, ServiceState};
