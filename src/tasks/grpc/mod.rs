//! The `grpc` task: load over gRPC, and what it tells of latencies and errors.

mod data;
mod descriptors;
mod method;
