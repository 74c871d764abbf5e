//! Kubernetes: the real parts that tests run on, and experiments on them.

pub mod cluster_case;
mod control_plane;
mod experiments;
mod flags;
mod launch;
mod node;
mod parallel;
mod ready;
mod store;
mod tutorial;
