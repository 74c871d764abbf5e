//! Metric providers: queries, and their responses.
//!
//! A provider template is rendered for each version and parsed as a [`ProviderSpec`], which has the URL and a [`MetricSpec`] per metric.
//! [`response::read`] reads a response: it knows Prometheus's format, and evaluates the metric's jq expression on anything else. A metric
//! without a value is either *absent* (the provider responded properly, and has no data) or *unusable* (an error). The invariant: only an
//! absent metric is subject to its no-data policy, so a rejected login never counts as a pass.

pub(crate) mod prometheus;
pub(crate) mod reduce;
pub(crate) mod response;
pub(crate) mod retry;
pub(crate) mod spec;
pub(crate) mod window;

pub(crate) use reduce::Reduce;
pub(crate) use response::Outcome;
pub(crate) use spec::{MetricSpec, ProviderSpec};
