//! Why a request gets no prediction, in the terms of both protocols.

use http::StatusCode;
use tonic::{Code, Status};

/// A request that is not answered with a prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status; metrics count it for gRPC too, where the status on the wire is always 200.
    pub status: StatusCode,
    /// What was wrong and what was expected.
    pub message: String,
}

impl Refusal {
    /// The request is wrong: 400.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// There is no such model or version: 404.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.into() }
    }

    /// The same in gRPC's terms.
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
