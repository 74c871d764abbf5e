//! Metrics: names, histograms, statistics, and the insights of an experiment, folded within bounds.

pub mod histogram;
pub mod insights;
pub mod loop_records;
pub mod reading;
pub mod series;
pub mod statistics;
