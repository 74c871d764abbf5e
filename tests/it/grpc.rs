//! The `grpc` task: what it refuses, what it sends, what it contributes, and servers that misbehave.

mod builtin;
mod kinds;
mod misbehaving;
mod rejected;
pub mod run;
pub mod server;
mod settings;
