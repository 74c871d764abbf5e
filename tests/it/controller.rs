//! The release controller on a real control plane.

mod chart;
mod controller_case;
mod election;
mod finalizers;
mod mistakes;
mod routes;
mod traffic;
mod tutorials;
mod view;
