//! Metric providers: what is asked of them, and what their answers say.
//!
//! A provider template becomes, for one version, a [`ProviderSpec`]: where to ask, and one [`MetricSpec`] for each metric. What comes
//! back is read by [`answer::read`], which knows Prometheus's envelope and takes anything else by the metric's jq expression. Whatever
//! keeps a metric from having a value is told as one of two things: the metric is *absent*, as the provider was asked and has nothing,
//! or the answer is *unusable*. Only what is absent falls under the metric's no-data policy; a refused login is never a pass.

pub mod answer;
pub mod prometheus;
pub mod reduce;
pub mod retry;
pub mod spec;
pub mod window;

pub use answer::{Answer, Found, Reading};
pub use reduce::Reduce;
pub use spec::{MetricSpec, ProviderSpec};
