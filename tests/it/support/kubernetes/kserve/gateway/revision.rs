//! A revision: a sample service of its own.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use sample_model::{Classifier, Latency, SampleConfig, SampleService, VersionConfig, start};
use serde_json::{Value, json};

use crate::support::mesh::client::Client;

/// Behaviour of a model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name in responses.
    pub name: String,
    pub classifier: Classifier,
    pub latency: Latency,
    /// Share of predictions that fail with 503.
    pub error_rate: f64,
}

impl Model {
    /// A model that responds immediately and without errors.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            classifier: Classifier::NearestCentroid,
            latency: Latency::default(),
            error_rate: 0.0,
        }
    }

    /// The same with another classifier. Both give the flower `[6.8, 2.8, 4.8, 1.4]` different classes: 2, and this one 1.
    pub fn decision_tree(self) -> Self {
        Self { classifier: Classifier::DecisionTree, ..self }
    }

    /// The same with this latency.
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency: Latency::constant(latency), ..self }
    }

    /// The same with this share of errors.
    pub fn error_rate(self, error_rate: f64) -> Self {
        Self { error_rate, ..self }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new("model")
    }
}

/// A running revision.
pub struct Revision {
    model: String,
    service: SampleService,
    /// Idle connections.
    idle: Mutex<Vec<Client>>,
}

impl Revision {
    pub async fn start(name: &str, model: Model) -> Self {
        let version = VersionConfig {
            latency: model.latency,
            error_rate: model.error_rate,
            ..VersionConfig::new(name, model.classifier)
        };
        let config = SampleConfig { model: model.name.clone(), versions: vec![version], ..SampleConfig::default() };
        Self { model: model.name, service: start(config).await.unwrap(), idle: Mutex::default() }
    }

    /// Sends a request to the service. Returns the response's status, content type and body.
    pub async fn send(&self, head: &Parts, body: &Bytes) -> (StatusCode, HeaderValue, Bytes) {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let text = String::from_utf8_lossy(body);
        if head.method != http::Method::POST {
            return self.exchange(path, None).await;
        }
        match path.split_once("/models/").and_then(|(protocol, rest)| Some((protocol, rest.find([':', '/'])?, rest))) {
            Some((protocol, end, rest)) => {
                let path = format!("{protocol}/models/{}{}", self.model, &rest[end..]);
                self.exchange(&path, Some(&text)).await
            }
            None => self.bentoml(&text).await,
        }
    }

    /// A prediction of a BentoML service: rows in, classes out.
    async fn bentoml(&self, rows: &str) -> (StatusCode, HeaderValue, Bytes) {
        let path = format!("/v1/models/{}:predict", self.model);
        let (status, content_type, body) = self.exchange(&path, Some(&format!("{{\"instances\": {rows}}}"))).await;
        let body = match status {
            StatusCode::OK => {
                let response: Value = serde_json::from_slice(&body).unwrap();
                json!(response["predictions"]).to_string().into()
            }
            _ => body,
        };
        (status, content_type, body)
    }

    async fn exchange(&self, path: &str, body: Option<&str>) -> (StatusCode, HeaderValue, Bytes) {
        let idle = self.idle.lock().unwrap().pop();
        let mut client = idle.unwrap_or_else(|| Client::new(self.service.front.port()));
        match client.send("revision", path, &[("content-type", "application/json")], body).await {
            Ok(answer) => {
                self.idle.lock().unwrap().push(client);
                let plain = HeaderValue::from_static("text/plain");
                (answer.status, answer.headers.get(CONTENT_TYPE).cloned().unwrap_or(plain), answer.body)
            }
            Err(error) => {
                (StatusCode::BAD_GATEWAY, HeaderValue::from_static("text/plain"), format!("{error}\n").into())
            }
        }
    }
}
