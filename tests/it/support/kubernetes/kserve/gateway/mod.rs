//! Stand-in for Knative's ingress: a port that splits requests between revisions by the percents in the status of Knative Services.
//!
//! It selects the Service by the `Host` header: the Service's own host, or the one of a tag (`prev-…`, `latest-…`), which has one revision.
//! Every revision is a sample service of its own, which behaves as the test says for its model; without that, it responds immediately and
//! without errors. Splits are random with a fixed seed, so counts vary as they do in a cluster, and are the same in each run.
//!
//! Requests of KServe's protocols are for the model of the revision, whatever the path calls it. Other requests are predictions as BentoML
//! has them: rows in, classes out. Responses name the revision in `X-Model-Version`.

mod metrics;
mod revision;
mod routes;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::metrics::Metrics;
pub use self::revision::Model;
use self::revision::Revision;
use self::routes::Routes;
use super::KServe;
use super::knative::{Knative, kind};
use crate::support::kubernetes::TIMEOUT;
use crate::support::runtime::{block_on, runtime};

/// Response header with the name of the revision.
const REVISION: HeaderName = HeaderName::from_static("x-model-version");

/// The running gateway of a namespace. Dropping it closes the port.
pub struct Gateway {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

struct Shared {
    namespace: String,
    knative: Arc<Knative>,
    /// Behaviour of models, by address or image.
    models: BTreeMap<String, Model>,
    revisions: Mutex<BTreeMap<String, Arc<Revision>>>,
    /// Routes in effect, by Knative Service.
    routes: watch::Sender<BTreeMap<String, Routes>>,
    /// Statuses that are not in effect, as the test has stopped the gateway from following; `None` if it follows.
    ignored: Mutex<Option<BTreeMap<String, Routes>>>,
    metrics: Metrics,
    /// Number of requests to services.
    received: AtomicU64,
}

impl Gateway {
    /// Starts the gateway of a namespace. Models are named by their addresses or images.
    pub fn start(kserve: &KServe, namespace: &str, models: &[(&str, Model)]) -> Self {
        let shared = Arc::new(Shared {
            namespace: namespace.to_owned(),
            knative: Arc::clone(&kserve.knative),
            models: models.iter().map(|(address, model)| ((*address).to_owned(), model.clone())).collect(),
            revisions: Mutex::default(),
            routes: watch::Sender::default(),
            ignored: Mutex::default(),
            metrics: Metrics::new(namespace),
            received: AtomicU64::new(0),
        });
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = [
            runtime().spawn(follow(Arc::clone(&shared), kserve.cluster.client())).abort_handle(),
            runtime().spawn(accept(Arc::clone(&shared), listener)).abort_handle(),
        ];
        Self { address, shared, tasks }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Host of an InferenceService in requests.
    pub fn host(&self, service: &str) -> String {
        format!("{service}-predictor.{}.example.com", self.shared.namespace)
    }

    /// Keeps the present split, whatever the status says.
    pub fn ignore_status(&self) {
        self.shared.ignored.lock().unwrap().get_or_insert_with(|| self.shared.routes.borrow().clone());
    }

    /// Ends [`Self::ignore_status`].
    pub fn follow_status(&self) {
        if let Some(routes) = self.shared.ignored.lock().unwrap().take() {
            self.shared.routes.send_replace(routes);
        }
    }

    /// Waits until requests to an InferenceService are split like this: revisions and their percents, in any order. Revisions at 0 % are
    /// left out.
    #[track_caller]
    pub fn wait_for_split(&self, service: &str, expected: &[(&str, u64)]) {
        let host = self.host(service);
        let expected = expected.iter().map(|(revision, percent)| ((*revision).to_owned(), *percent)).collect();
        let mut routes = self.shared.routes.subscribe();
        let split = |all: &BTreeMap<String, Routes>| all.values().find_map(|routes| routes.split(&host));
        let is_so = |all: &_| split(all).unwrap_or_default() == expected;
        let is_there = block_on(async { tokio::time::timeout(TIMEOUT, routes.wait_for(is_so)).await.is_ok() });
        assert!(
            is_there,
            "{host} is not split like {expected:?} after {TIMEOUT:?}: {:#?}",
            self.shared.routes.borrow()
        );
    }

    /// Number of requests that a revision has responded to.
    pub fn requests(&self, revision: &str) -> u64 {
        self.shared.metrics.requests(revision)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Keeps the routes as the statuses of the namespace's Knative Services say.
async fn follow(shared: Arc<Shared>, client: kube::Client) {
    let services: Api<DynamicObject> = Api::namespaced_with(client, &shared.namespace, &kind());
    let mut events = std::pin::pin!(watcher(services, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                let object = serde_json::to_value(object).unwrap();
                let routes = Routes::of(&object["status"]);
                for revision in routes.revisions() {
                    shared.start_revision(revision).await;
                }
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                shared.change(|all| drop(all.insert(name.clone(), routes.clone())));
            }
            Ok(watcher::Event::Delete(object)) => {
                let name = object.metadata.name.unwrap();
                shared.change(|all| drop(all.remove(&name)));
                // Another Service of this name starts to count its revisions again.
                let is_other = |revision: &String, _: &mut _| routes::service_of(revision) != name;
                shared.revisions.lock().unwrap().retain(is_other);
            }
            // It lists again by itself, after a pause.
            Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => {}
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.respond(request).await) }
            });
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Shared {
    /// Starts the service of a revision, unless it runs.
    async fn start_revision(&self, name: &str) {
        if self.revisions.lock().unwrap().contains_key(name) {
            return;
        }
        let Some(template) = self.knative.ready_template(&self.namespace, name) else { return };
        let model =
            self.models.iter().find(|(address, _)| contains(&template, address)).map(|(_, model)| model.clone());
        let revision = Revision::start(name, model.unwrap_or_default()).await;
        self.metrics.add(name);
        self.revisions.lock().unwrap().insert(name.to_owned(), Arc::new(revision));
    }

    fn change(&self, change: impl Fn(&mut BTreeMap<String, Routes>)) {
        match self.ignored.lock().unwrap().as_mut() {
            Some(ignored) => change(ignored),
            None => self.routes.send_modify(change),
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let host = request.uri().authority().map(|authority| authority.as_str().to_owned());
        let header = || request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        let host = host.unwrap_or_else(header);
        let number = || self.received.fetch_add(1, Ordering::Relaxed);
        let selected = self.routes.borrow().values().find_map(|routes| routes.select(&host, number));
        match selected {
            None if request.uri().path() == "/metrics" => Response::new(Full::new(self.metrics.render().into())),
            None => plain(StatusCode::NOT_FOUND, "no service has this host\n"),
            Some(name) => self.forward(&name, request).await,
        }
    }

    async fn forward(&self, name: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let is_ready = self.knative.ready_template(&self.namespace, name).is_some();
        let revision = self.revisions.lock().unwrap().get(name).filter(|_| is_ready).cloned();
        let Some(revision) = revision else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream\n");
        };
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return plain(StatusCode::BAD_REQUEST, "the body ended early\n") };
        let (status, content_type, body) = revision.send(&head, &body.to_bytes()).await;
        self.metrics.record(name, status, started.elapsed());
        let response = Response::builder().status(status).header(REVISION, name).header(CONTENT_TYPE, content_type);
        response.body(Full::new(body)).unwrap()
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(text.into())).unwrap()
}

/// Returns true if a value is this string, or has it in it as a value.
fn contains(value: &Value, string: &str) -> bool {
    match value {
        Value::String(text) => text == string,
        Value::Array(values) => values.iter().any(|value| contains(value, string)),
        Value::Object(values) => values.values().any(|value| contains(value, string)),
        _ => false,
    }
}
