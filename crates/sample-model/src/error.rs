//! Errors of requests, for REST and gRPC.

use http::StatusCode;
use tonic::{Code, Status};

/// Error response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceError {
    /// HTTP status. Metrics use it for gRPC too, where the status on the wire is always 200.
    pub status: StatusCode,
    /// Mistake and expectation.
    pub message: String,
}

impl ServiceError {
    /// 400: the request is malformed.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// 404: no such model, version or page.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.into() }
    }

    /// Converts to a gRPC status.
    pub fn to_grpc(&self) -> Status {
        let code = match self.status {
            StatusCode::BAD_REQUEST => Code::InvalidArgument,
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            _ => Code::Unknown,
        };
        Status::new(code, self.message.as_str())
    }
}
