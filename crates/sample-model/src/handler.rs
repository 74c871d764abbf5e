//! Handles the requests of one port: dispatches each to its protocol.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use tonic::codegen::Service;
use tonic::service::Routes;

use super::error::ServiceError;
use super::pause::Pause;
use super::route::{ModelRef, Route};
use super::router::Router;
use super::stats::VersionStats;
use super::version::Version;
use super::{body, curl, prometheus, v1, v2};

/// Response header with the version's name.
pub(super) const VERSION_HEADER: HeaderName = HeaderName::from_static("x-model-version");
/// Server name in the protocols' metadata.
pub(super) const SERVER: &str = "iter8-sample";

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Response body: in one piece from REST, streamed from gRPC.
pub(super) type ResponseBody = Either<Full<Bytes>, tonic::body::Body>;

/// Handler of one port.
#[derive(Debug)]
pub(super) struct Handler {
    pub model: Arc<str>,
    pub router: Arc<Router>,
    pub grpc: Routes,
    pub pause: Pause,
}

impl Handler {
    /// Responds to a request, as soon as responses are not paused.
    pub async fn handle(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let received = Instant::now();
        let response = if is_grpc(&request) {
            match self.grpc.clone().call(request).await {
                Ok(response) => response.map(Either::Right),
                Err(never) => match never {},
            }
        } else {
            self.rest(request, received).await.map(Either::Left)
        };
        self.pause.pass().await;
        response
    }

    async fn rest(&self, request: Request<Incoming>, received: Instant) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        let model_ref = match route {
            Some(Route::V1Predict(model)) if head.method == Method::POST => ModelRef { model, version: None },
            Some(Route::V2Infer(model_ref)) if head.method == Method::POST => model_ref,
            _ => return self.page(&head),
        };
        let version = match self
            .check_model(model_ref.model)
            .and_then(|()| self.router.prediction(&head.headers, model_ref.version))
        {
            Ok(version) => version,
            Err(error) => return self.with_metadata_version(&head, error_response(&error)),
        };
        let body = body::read(body).await;
        let response = match route {
            Some(Route::V1Predict(_)) => self.predict_v1(version, received, body).await,
            _ => self.predict_v2(version, received, body).await,
        };
        with_version(version, response)
    }

    async fn predict_v1(
        &self,
        version: &Version,
        received: Instant,
        body: Result<Bytes, ServiceError>,
    ) -> Response<Full<Bytes>> {
        match version.predict(received, body.and_then(|body| v1::rows(&body))).await {
            Ok(classes) => json_response(&v1::PredictResponse {
                predictions: &classes,
                model_name: &self.model,
                model_version: &version.name,
            }),
            Err(error) => error_response(&error),
        }
    }

    async fn predict_v2(
        &self,
        version: &Version,
        received: Instant,
        body: Result<Bytes, ServiceError>,
    ) -> Response<Full<Bytes>> {
        let (id, rows) = match body.and_then(|body| v2::request(&body)) {
            Ok(request) => (request.id, Ok(request.rows)),
            Err(error) => (None, Err(error)),
        };
        match version.predict(received, rows).await {
            Ok(classes) => json_response(&v2::InferResponse::new(&self.model, &version.name, id.as_deref(), &classes)),
            Err(error) => error_response(&error),
        }
    }

    /// Responds to everything but predictions.
    fn page(&self, head: &http::request::Parts) -> Response<Full<Bytes>> {
        let path = head.uri.path();
        let Some(route) = Route::of(path) else {
            let error = ServiceError::unknown(format!("unknown path {path}; GET / lists all paths"));
            return self.with_metadata_version(head, error_response(&error));
        };
        if !route.accepts(&head.method) {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let message = format!("{path} does not accept {}; expected {}", head.method, route.methods());
            let mut response = error_response(&ServiceError { status, message });
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.methods()));
            return self.with_metadata_version(head, response);
        }
        let about = |model_ref: ModelRef<'_>| {
            let version = self
                .check_model(model_ref.model)
                .and_then(|()| self.router.metadata(&head.headers, model_ref.version))?;
            Ok::<_, ServiceError>((version, self.router.versions().map(|version| version.name.as_str()).collect()))
        };
        let model = &*self.model;
        let response = match route {
            Route::Index => return self.about_port(text(curl::index(model), TEXT)),
            Route::Health => return self.about_port(text("ok\n".into(), TEXT)),
            Route::Metrics => {
                let content_type = HeaderValue::from_static(prometheus::CONTENT_TYPE);
                return self.about_port(text(prometheus::render(self.router.versions()), content_type));
            }
            Route::Stats => return self.about_port(self.stats()),
            Route::V1Models => json_response(&json!({"models": [model]})),
            Route::V1Model(name) => match self.check_model(name) {
                Ok(()) => json_response(&json!({"name": name, "ready": true})),
                Err(error) => error_response(&error),
            },
            Route::V2Server => {
                json_response(&json!({"name": SERVER, "version": env!("CARGO_PKG_VERSION"), "extensions": []}))
            }
            Route::V2Live => json_response(&json!({"live": true})),
            Route::V2Ready => json_response(&json!({"ready": true})),
            Route::V2Model(model_ref) => match about(model_ref) {
                Ok((version, versions)) => {
                    return with_version(version, json_response(&v2::Metadata::new(model, versions)));
                }
                Err(error) => error_response(&error),
            },
            Route::V2ModelReady(model_ref) => match about(model_ref) {
                Ok((version, _)) => {
                    return with_version(version, json_response(&json!({"name": model, "ready": true})));
                }
                Err(error) => error_response(&error),
            },
            // Not a POST: those were handled by the caller.
            Route::V1Predict(_) | Route::V2Infer(_) => error_response(&ServiceError::bad("expected a POST")),
        };
        self.with_metadata_version(head, response)
    }

    fn stats(&self) -> Response<Full<Bytes>> {
        let mut stats: Vec<VersionStats> = self.router.versions().map(Version::stats).collect();
        if self.router.is_front() {
            return json_response(&json!({"model": &*self.model, "versions": stats}));
        }
        json_response(&stats.pop())
    }

    fn check_model(&self, name: &str) -> Result<(), ServiceError> {
        if *name == *self.model {
            return Ok(());
        }
        Err(ServiceError::unknown(format!("unknown model `{name}`; this server has: {}", self.model)))
    }

    /// Names the version that would respond to a metadata request.
    fn with_metadata_version(
        &self,
        head: &http::request::Parts,
        response: Response<Full<Bytes>>,
    ) -> Response<Full<Bytes>> {
        match self.router.metadata(&head.headers, None) {
            Ok(version) => with_version(version, response),
            Err(_) => response,
        }
    }

    /// Names the version of a port. The front's pages are about all versions, and name none.
    fn about_port(&self, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        match self.router.versions().next() {
            Some(version) if !self.router.is_front() => with_version(version, response),
            _ => response,
        }
    }
}

/// Recognizes gRPC, which needs HTTP/2. gRPC-Web is another protocol.
fn is_grpc(request: &Request<Incoming>) -> bool {
    let media_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let rest = media_type.strip_prefix(b"application/grpc");
    request.version() == http::Version::HTTP_2 && matches!(rest, Some([] | [b'+' | b';', ..]))
}

fn with_version(version: &Version, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(VERSION_HEADER, version.header.clone());
    response
}

fn text(text: String, content_type: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn json_response(message: &impl Serialize) -> Response<Full<Bytes>> {
    let body = match serde_json::to_vec(message) {
        Ok(body) => body,
        Err(error) => {
            let mut response = text(
                format!(
                    "the response cannot be written as JSON: {error}\
"
                ),
                TEXT,
            );
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return response;
        }
    };
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn error_response(error: &ServiceError) -> Response<Full<Bytes>> {
    let mut response = json_response(&json!({"error": error.message}));
    *response.status_mut() = error.status;
    response
}
