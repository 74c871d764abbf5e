//! gRPC messages and servers generated from `proto/`: the Open Inference Protocol here, the route guide in [`route_guide`].
#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::too_many_lines,
    reason = "generated code; the documentation is in the .proto files"
)]

tonic::include_proto!("inference");

/// The health protocol's messages and server, generated from `proto/health.proto`.
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

/// The route guide's messages and server, generated from `proto/route_guide.proto`.
pub mod route_guide {
    tonic::include_proto!("routeguide");
}

/// Descriptors of all packages for gRPC reflection: an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("sample");
