//! The `grpc` task: what it refuses, what it sends, what it contributes, and servers that misbehave.

mod builtin;
mod hostile;
mod kinds;
mod refused;
mod run;
mod server;
mod settings;
