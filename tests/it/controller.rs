//! The release controller on a real control plane.

mod bench;
mod chart;
pub mod controller_case;
mod election;
mod faults;
mod finalizers;
mod hostile;
mod mistakes;
mod normalized;
mod routes;
mod traffic;
mod tutorials;
mod view;
