//! Adds the version's name to the metadata of gRPC responses.

use tonic::{Response, Status};

use super::error::ServiceError;
use super::handler::VERSION_HEADER;
use super::version::Version;

/// Returns a response with the version's name.
pub(super) fn with_version<T>(version: &Version, message: T) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().as_mut().insert(VERSION_HEADER, version.header.clone());
    response
}

/// Returns an error status with the version's name.
pub(super) fn error_status(version: &Version, error: &ServiceError) -> Status {
    let mut status = error.to_grpc();
    status.metadata_mut().as_mut().insert(VERSION_HEADER, version.header.clone());
    status
}
