//! Kubernetes: the real parts that tests run on, and experiments on them.

mod control_plane;
mod experiments;
mod flags;
mod launch;
mod node;
mod parallel;
mod ready;
mod seed;
mod store;
pub mod world;
