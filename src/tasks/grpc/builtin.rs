//! Descriptors built into the program: the Open Inference Protocol, the gRPC health protocol and gRPC's route guide example,
//! compiled from `proto/` by `build.rs`.
//!
//! They replace reflection, which many model servers lack or restrict to some of their services. A description from the user or from
//! reflection takes precedence, because servers extend these protocols with their own fields and methods.

use prost_reflect::DescriptorPool;

use super::descriptors;

/// An encoded `FileDescriptorSet`.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/builtin.bin"));

/// Next step for a service without a description.
pub(super) const DESCRIBE: &str =
    "describe the service with --proto (`grpc.proto`), `grpc.protoset` or `grpc.protoURL`";

/// Hint for a service that is described neither by the server nor here.
pub(super) fn hint() -> String {
    let names = services();
    format!("{DESCRIBE}; built-in descriptions: {}", names.join(", "))
}

/// Returns the descriptors, if `service` is among them.
pub(super) fn describe(service: &str) -> Option<DescriptorPool> {
    pool().filter(|pool| pool.get_service_by_name(service).is_some())
}

/// Full names of the services, sorted.
fn services() -> Vec<String> {
    let mut names: Vec<String> =
        pool().iter().flat_map(DescriptorPool::services).map(|service| service.full_name().to_owned()).collect();
    names.sort_unstable();
    names
}

/// Always `Some`: a test decodes what `build.rs` writes.
fn pool() -> Option<DescriptorPool> {
    descriptors::decode(DESCRIPTORS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_under_proto_is_built_in() {
        assert_eq!(services(), ["grpc.health.v1.Health", "inference.GRPCInferenceService", "routeguide.RouteGuide"]);
        let pool = describe("inference.GRPCInferenceService").unwrap();
        assert!(pool.get_message_by_name("inference.ModelInferRequest").is_some());
        assert!(describe("inference.Other").is_none());
    }
}
