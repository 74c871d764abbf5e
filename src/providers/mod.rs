//! Metric providers: queries, and their responses.
//!
//! A provider template is rendered for each version and parsed as a [`ProviderSpec`], which has the URL and a [`MetricSpec`] per metric.
//! [`response::read`] reads a response: it knows Prometheus's format, and evaluates the metric's jq expression on anything else. A metric
//! without a value is either *absent* (the provider responded properly, and has no data) or an *error*. The invariant: everything that is
//! not a complete, proper response is an error, so a wrong URL or a rejected login never counts as a pass.

mod duplicates;
mod failure;
mod flags;
mod jq_series;
mod jq_text;
mod keys;
mod nested;
mod pages;
mod partial;
pub(crate) mod prometheus;
mod question;
pub(crate) mod reduce;
pub(crate) mod response;
pub(crate) mod retry;
pub(crate) mod sample_time;
mod signs;
pub(crate) mod spec;
mod walk;
pub(crate) mod window;
mod words;

pub(crate) use reduce::Reduce;
pub(crate) use response::Found;
pub(crate) use spec::{MetricSpec, ProviderSpec};
