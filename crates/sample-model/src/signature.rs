//! Names the version that answered, in the metadata of gRPC answers.

use tonic::{Response, Status};

use super::door::VERSION_HEADER;
use super::refusal::Refusal;
use super::version::Version;

/// An answer of a version.
pub(super) fn signed<T>(version: &Version, message: T) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().as_mut().insert(VERSION_HEADER, version.header.clone());
    response
}

/// A refusal by a version.
pub(super) fn refused(version: &Version, refusal: &Refusal) -> Status {
    let mut status = refusal.to_grpc();
    status.metadata_mut().as_mut().insert(VERSION_HEADER, version.header.clone());
    status
}
