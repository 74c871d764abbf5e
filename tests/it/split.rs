//! The task `split`: observed splits of traffic, counted by a real Prometheus, against expected ones.

#[cfg(target_os = "linux")]
mod cluster;
mod counted;
mod rejected;
