//! The custommetrics task on the whole program, against a real Prometheus.

mod seed;
