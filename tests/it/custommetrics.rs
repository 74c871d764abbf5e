//! The custommetrics task on the whole program: a real Prometheus, hostile providers and templates, windows, secrets, and how providers
//! are asked.

mod absent;
mod broken;
mod matrix;
mod requests;
mod secrets;
mod templates;
pub mod trial;
pub mod tutorial;
mod windows;
