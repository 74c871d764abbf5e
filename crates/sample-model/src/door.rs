//! What one port answers: takes each request to its protocol, and its protocol's answer back.

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

use super::choice::Choice;
use super::gate::Gate;
use super::ledger::VersionStats;
use super::refusal::Refusal;
use super::route::{Asked, Route};
use super::version::Version;
use super::{body, curl, prometheus, v1, v2};

/// Names the version that answered.
pub(super) const VERSION_HEADER: HeaderName = HeaderName::from_static("x-model-version");
/// Our name in the protocols' metadata.
pub(super) const SERVER: &str = "iter8-sample";

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The body of an answer: in one piece from REST, streamed from gRPC.
pub(super) type AnswerBody = Either<Full<Bytes>, tonic::body::Body>;

/// One port.
#[derive(Debug)]
pub(super) struct Door {
    pub model: Arc<str>,
    pub choice: Arc<Choice>,
    pub grpc: Routes,
    pub gate: Gate,
}

impl Door {
    /// Answers a request, after the gate lets it pass.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let received = Instant::now();
        let response = if is_grpc(&request) {
            match self.grpc.clone().call(request).await {
                Ok(response) => response.map(Either::Right),
                Err(never) => match never {},
            }
        } else {
            self.rest(request, received).await.map(Either::Left)
        };
        self.gate.pass().await;
        response
    }

    async fn rest(&self, request: Request<Incoming>, received: Instant) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        let asked = match route {
            Some(Route::V1Predict(model)) if head.method == Method::POST => Asked { model, version: None },
            Some(Route::V2Infer(asked)) if head.method == Method::POST => asked,
            _ => return self.page(&head),
        };
        let version =
            match self.check_model(asked.model).and_then(|()| self.choice.prediction(&head.headers, asked.version)) {
                Ok(version) => version,
                Err(refusal) => return self.signed(&head, refused(&refusal)),
            };
        let body = body::read(body).await;
        let response = match route {
            Some(Route::V1Predict(_)) => self.predict_v1(version, received, body).await,
            _ => self.predict_v2(version, received, body).await,
        };
        sign(version, response)
    }

    async fn predict_v1(
        &self,
        version: &Version,
        received: Instant,
        body: Result<Bytes, Refusal>,
    ) -> Response<Full<Bytes>> {
        match version.predict(received, body.and_then(|body| v1::rows(&body))).await {
            Ok(classes) => json_answer(&v1::Answer {
                predictions: &classes,
                model_name: &self.model,
                model_version: &version.name,
            }),
            Err(refusal) => refused(&refusal),
        }
    }

    async fn predict_v2(
        &self,
        version: &Version,
        received: Instant,
        body: Result<Bytes, Refusal>,
    ) -> Response<Full<Bytes>> {
        let (id, rows) = match body.and_then(|body| v2::question(&body)) {
            Ok(question) => (question.id, Ok(question.rows)),
            Err(refusal) => (None, Err(refusal)),
        };
        match version.predict(received, rows).await {
            Ok(classes) => json_answer(&v2::Answer::new(&self.model, &version.name, id.as_deref(), &classes)),
            Err(refusal) => refused(&refusal),
        }
    }

    /// Answers everything but a prediction.
    fn page(&self, head: &http::request::Parts) -> Response<Full<Bytes>> {
        let path = head.uri.path();
        let Some(route) = Route::of(path) else {
            let refusal = Refusal::unknown(format!("nothing is at {path}; GET / lists what is"));
            return self.signed(head, refused(&refusal));
        };
        if !route.takes(&head.method) {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let message = format!("{path} does not take {}; expected {}", head.method, route.methods());
            let mut response = refused(&Refusal { status, message });
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.methods()));
            return self.signed(head, response);
        }
        let about = |asked: Asked<'_>| {
            let version =
                self.check_model(asked.model).and_then(|()| self.choice.metadata(&head.headers, asked.version))?;
            Ok::<_, Refusal>((version, self.choice.versions().map(|version| version.name.as_str()).collect()))
        };
        let model = &*self.model;
        let response = match route {
            Route::Index => return self.own(text(curl::index(model), TEXT)),
            Route::Health => return self.own(text("ok\n".into(), TEXT)),
            Route::Metrics => {
                let content_type = HeaderValue::from_static(prometheus::CONTENT_TYPE);
                return self.own(text(prometheus::render(self.choice.versions()), content_type));
            }
            Route::Stats => return self.own(self.stats()),
            Route::V1Models => json_answer(&json!({"models": [model]})),
            Route::V1Model(name) => match self.check_model(name) {
                Ok(()) => json_answer(&json!({"name": name, "ready": true})),
                Err(refusal) => refused(&refusal),
            },
            Route::V2Server => {
                json_answer(&json!({"name": SERVER, "version": env!("CARGO_PKG_VERSION"), "extensions": []}))
            }
            Route::V2Live => json_answer(&json!({"live": true})),
            Route::V2Ready => json_answer(&json!({"ready": true})),
            Route::V2Model(asked) => match about(asked) {
                Ok((version, versions)) => return sign(version, json_answer(&v2::Metadata::new(model, versions))),
                Err(refusal) => refused(&refusal),
            },
            Route::V2ModelReady(asked) => match about(asked) {
                Ok((version, _)) => return sign(version, json_answer(&json!({"name": model, "ready": true}))),
                Err(refusal) => refused(&refusal),
            },
            // Not a POST, which was refused above.
            Route::V1Predict(_) | Route::V2Infer(_) => refused(&Refusal::bad("expected a POST")),
        };
        self.signed(head, response)
    }

    fn stats(&self) -> Response<Full<Bytes>> {
        let mut stats: Vec<VersionStats> = self.choice.versions().map(Version::stats).collect();
        if self.choice.is_front() {
            return json_answer(&json!({"model": &*self.model, "versions": stats}));
        }
        json_answer(&stats.pop())
    }

    fn check_model(&self, name: &str) -> Result<(), Refusal> {
        if *name == *self.model {
            return Ok(());
        }
        Err(Refusal::unknown(format!("unknown model `{name}`; this server has: {}", self.model)))
    }

    /// An answer that is the same whichever version gives it, signed by the one that would answer metadata.
    fn signed(&self, head: &http::request::Parts, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        match self.choice.metadata(&head.headers, None) {
            Ok(version) => sign(version, response),
            Err(_) => response,
        }
    }

    /// A page about a port. The front's are about all versions, and signed by none.
    fn own(&self, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        match self.choice.versions().next() {
            Some(version) if !self.choice.is_front() => sign(version, response),
            _ => response,
        }
    }
}

/// gRPC needs HTTP/2; over HTTP/1.1 its content type is as good as any other. gRPC-Web is another protocol.
fn is_grpc(request: &Request<Incoming>) -> bool {
    let media_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let rest = media_type.strip_prefix(b"application/grpc");
    request.version() == http::Version::HTTP_2 && matches!(rest, Some([] | [b'+' | b';', ..]))
}

fn sign(version: &Version, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(VERSION_HEADER, version.header.clone());
    response
}

fn text(text: String, content_type: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn json_answer(message: &impl Serialize) -> Response<Full<Bytes>> {
    // Our own types have text keys only, which is all that could fail.
    let body = serde_json::to_vec(message).unwrap_or_default();
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    let mut response = json_answer(&json!({"error": refusal.message}));
    *response.status_mut() = refusal.status;
    response
}
