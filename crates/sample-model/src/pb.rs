//! The sample service's gRPC messages and servers, generated from `proto/`: the Open Inference Protocol's here, the railway line's in
//! [`line`].
#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::too_many_lines,
    reason = "generated code: the .proto files are where it is documented and kept in shape"
)]

tonic::include_proto!("inference");

/// The health protocol's messages and server, generated from `proto/health.proto`.
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

/// The railway line's messages and server, generated from `proto/route.proto`.
pub mod line {
    tonic::include_proto!("iter8.sample.v1");
}

/// The descriptors of all packages, an encoded `google.protobuf.FileDescriptorSet`: what gRPC reflection hands out.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("sample");
