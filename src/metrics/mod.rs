//! Metrics of an experiment: looking them up, reducing many values to one, and merging new ones into the document within bounds.

pub mod catalog;
mod distribution;
pub mod histogram;
pub mod insights;
pub mod loop_records;
pub(crate) mod missing;
pub(crate) mod proportion;
pub mod series;
pub mod split;
mod view;

pub(crate) use distribution::Distribution;
pub use view::{Metric, MetricsView};
