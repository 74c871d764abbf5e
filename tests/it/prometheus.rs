//! The built-in provider templates, and what their queries give on a real Prometheus.

mod increases;
mod provider;
