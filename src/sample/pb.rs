//! The Open Inference Protocol's gRPC messages and server, generated from `proto/open_inference.proto`.
#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::too_many_lines,
    reason = "generated code: the .proto file is where it is documented and kept in shape"
)]

tonic::include_proto!("inference");

/// The descriptors of this package, encoded, for gRPC reflection.
pub(super) const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("open_inference");
