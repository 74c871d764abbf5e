//! Kubernetes: the real parts that tests run on.

mod control_plane;
mod node;
