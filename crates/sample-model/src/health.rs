//! gRPC's health protocol. A port that accepts calls serves every service on it, so the status never changes.

use tonic::codegen::BoxStream;
use tonic::server::NamedService;
use tonic::{Request, Response, Status};

use super::body::MAX_BYTES;
use super::pb::health::health_check_response::ServingStatus;
use super::pb::health::health_server::{Health, HealthServer};
use super::pb::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};

/// Names of the services; the empty one is the server as a whole.
const SERVICES: [&str; 4] =
    ["", "inference.GRPCInferenceService", "routeguide.RouteGuide", <HealthServer<Serving> as NamedService>::NAME];

/// Returns the health service of one port.
pub(super) fn service() -> HealthServer<impl Health> {
    HealthServer::new(Serving).max_decoding_message_size(MAX_BYTES)
}

struct Serving;

#[tonic::async_trait]
impl Health for Serving {
    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        if SERVICES.contains(&service.as_str()) {
            Ok(Response::new(serving()))
        } else {
            Err(Status::not_found(format!("unknown service `{service}`")))
        }
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let statuses = SERVICES.map(|name| (name.to_owned(), serving())).into();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    /// Unimplemented, as the protocol permits: clients poll `Check` instead.
    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("Watch is not implemented; use Check"))
    }
}

fn serving() -> HealthCheckResponse {
    HealthCheckResponse { status: ServingStatus::Serving.into() }
}
