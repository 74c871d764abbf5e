//! The canary rollout of an InferenceService: reads its state, changes it, and waits until the change takes effect.

pub(crate) use crate::adapters::kubernetes::LazyCluster;
pub(crate) use crate::rollout::change::Change;
pub(crate) use crate::rollout::service::{Service, Traffic};
pub(crate) use crate::traffic::ServiceTraffic;
pub(crate) use crate::traffic::service::Changed;
