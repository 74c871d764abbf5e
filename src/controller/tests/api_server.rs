//! API server in memory: as much of it as the controller uses, with failures on demand.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::apply::apply;

pub(super) const NAMESPACE: &str = "models";

/// Time between a request and its execution, and between that and the response.
const LATENCY: Duration = Duration::from_millis(1);

/// Latency of a slow request or response. Shorter than the timeout of a write.
const SLOW: Duration = Duration::from_secs(2);

/// Time after which a late request is executed. Longer than the timeout of a write.
const LATE: Duration = Duration::from_secs(12);

/// Objects of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Collection {
    Routemaps,
    Resources,
    Targets,
}

impl Collection {
    pub(super) const ALL: [Self; 3] = [Self::Routemaps, Self::Resources, Self::Targets];

    fn of_plural(plural: &str) -> Option<Self> {
        match plural {
            "configmaps" => Some(Self::Routemaps),
            "inferenceservices" => Some(Self::Resources),
            "virtualservices" => Some(Self::Targets),
            _ => None,
        }
    }

    /// Returns true if the controller's watch selects the object.
    fn selects(self, object: &Value) -> bool {
        self != Self::Resources || object["metadata"]["labels"]["iter8.tools/watch"] == "true"
    }
}

/// Failure of one request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Conflict,
    TooManyRequests,
    InternalError,
    Forbidden,
    /// Executed after some seconds.
    SlowRequest,
    /// Executed, but the response takes some seconds.
    SlowResponse,
    /// Executed, but the response is lost.
    ResponseLost,
    /// Not executed, and without a response.
    RequestLost,
    /// Executed after the client gave up.
    Late,
}

/// Event of a watch.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) is_deletion: bool,
    pub(super) object: Value,
}

/// A request for one object, or for a list of all.
#[derive(Clone, Debug)]
struct Call {
    method: Method,
    is_apply: bool,
    collection: Collection,
    /// Empty for a list.
    name: String,
    body: Value,
}

#[derive(Default)]
pub(super) struct ApiServer(Mutex<State>);

#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<(Collection, String), Value>,
    /// Events since the start, as watches of the controller get them.
    history: BTreeMap<Collection, Vec<Event>>,
    faults: VecDeque<Fault>,
    /// Requests of the controller, but those for Events.
    requests: usize,
    /// Changes by the controller.
    writes: usize,
}

impl ApiServer {
    pub(super) fn client(self: &Arc<Self>) -> Client {
        let server = Arc::clone(self);
        let service = move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.respond(request).await) }
        };
        Client::new(tower::service_fn(service), NAMESPACE)
    }

    /// Adds a failure. Each request takes the oldest one that is left.
    pub(super) fn fail(&self, fault: Fault) {
        self.0.lock().faults.push_back(fault);
    }

    pub(super) fn requests(&self) -> usize {
        self.0.lock().requests
    }

    pub(super) fn writes(&self) -> usize {
        self.0.lock().writes
    }

    pub(super) fn get(&self, collection: Collection, name: &str) -> Option<Value> {
        self.0.lock().objects.get(&(collection, name.to_owned())).cloned()
    }

    /// Returns all objects, including those that the controller does not watch.
    pub(super) fn all(&self, collection: Collection) -> Vec<Value> {
        self.0.lock().all(collection)
    }

    /// Returns the objects that the controller watches, and the number of events until now.
    pub(super) fn list(&self, collection: Collection) -> (Vec<Value>, usize) {
        let objects = self.all(collection).into_iter().filter(|object| collection.selects(object)).collect();
        (objects, self.0.lock().history.get(&collection).map_or(0, Vec::len))
    }

    pub(super) fn event(&self, collection: Collection, number: usize) -> Option<Event> {
        self.0.lock().history.get(&collection)?.get(number).cloned()
    }

    /// Creates an object.
    pub(super) fn create(&self, collection: Collection, name: &str, object: Value) {
        let mut state = self.0.lock();
        let object = state.with_uid(name, object);
        state.put(collection, name, object);
    }

    /// Changes an object if it exists.
    pub(super) fn edit(&self, collection: Collection, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.0.lock();
        if let Some(mut object) = state.objects.get(&(collection, name.to_owned())).cloned() {
            edit(&mut object);
            state.put(collection, name, object);
        }
    }

    /// Deletes an object, or marks it as being deleted if it has finalizers.
    pub(super) fn delete(&self, collection: Collection, name: &str) {
        let mut state = self.0.lock();
        let Some(mut object) = state.objects.get(&(collection, name.to_owned())).cloned() else { return };
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        state.put(collection, name, object);
    }

    async fn respond(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let segments: Vec<&str> = parts.uri.path().split('/').collect();
        let found = match segments[..] {
            [.., plural] if Collection::of_plural(plural).is_some() => Collection::of_plural(plural).zip(Some("")),
            [.., plural, name] => Collection::of_plural(plural).zip(Some(name)),
            _ => None,
        };
        let Some((collection, name)) = found else {
            // An Event.
            return response(StatusCode::CREATED, &serde_json::from_slice(&body).unwrap());
        };
        let call = Call {
            is_apply: parts
                .headers
                .get("content-type")
                .is_some_and(|of_type| of_type == "application/apply-patch+yaml"),
            method: parts.method,
            collection,
            name: name.to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let fault = {
            let mut state = self.0.lock();
            state.requests += 1;
            state.faults.pop_front()
        };
        tokio::time::sleep(LATENCY).await;
        let (code, answer) = match fault {
            None | Some(Fault::SlowResponse | Fault::ResponseLost) => self.0.lock().execute(&call),
            Some(Fault::SlowRequest) => {
                tokio::time::sleep(SLOW).await;
                self.0.lock().execute(&call)
            }
            Some(Fault::Conflict) => failure(StatusCode::CONFLICT, "Conflict"),
            Some(Fault::TooManyRequests) => failure(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
            Some(Fault::InternalError) => failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Some(Fault::Forbidden) => failure(StatusCode::FORBIDDEN, "Forbidden"),
            Some(Fault::RequestLost) => std::future::pending().await,
            Some(Fault::Late) => {
                tokio::spawn(async move {
                    tokio::time::sleep(LATE).await;
                    self.0.lock().execute(&call);
                });
                std::future::pending().await
            }
        };
        match fault {
            Some(Fault::SlowResponse) => tokio::time::sleep(SLOW).await,
            Some(Fault::ResponseLost) => std::future::pending().await,
            _ => tokio::time::sleep(LATENCY).await,
        }
        response(code, &answer)
    }
}

impl State {
    fn all(&self, collection: Collection) -> Vec<Value> {
        self.objects.iter().filter(|((of, _), _)| *of == collection).map(|(_, object)| object.clone()).collect()
    }

    fn execute(&mut self, call: &Call) -> (StatusCode, Value) {
        if call.name.is_empty() {
            let items: Vec<Value> = self.all(call.collection);
            return (StatusCode::OK, json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}));
        }
        let known = self.objects.get(&(call.collection, call.name.clone())).cloned();
        let new = match (&call.method, known.clone()) {
            (&Method::GET, Some(known)) => return (StatusCode::OK, known),
            (&Method::PATCH, known) if call.is_apply => {
                let known = known.unwrap_or_else(|| self.with_uid(&call.name, json!({})));
                apply(known, &call.body)
            }
            (_, None) => return failure(StatusCode::NOT_FOUND, "NotFound"),
            (_, Some(mut known)) => {
                let patch = &call.body["metadata"];
                for precondition in ["uid", "resourceVersion"] {
                    if patch[precondition] != known["metadata"][precondition] {
                        return failure(StatusCode::CONFLICT, "Conflict");
                    }
                }
                let has_more = patch["finalizers"].as_array().map(Vec::len)
                    > known["metadata"]["finalizers"].as_array().map(Vec::len);
                if has_more && !known["metadata"]["deletionTimestamp"].is_null() {
                    return failure(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
                }
                known["metadata"]["finalizers"] = patch["finalizers"].clone();
                known
            }
        };
        if known.as_ref() == Some(&new) {
            return (StatusCode::OK, new);
        }
        self.writes += 1;
        self.put(call.collection, &call.name, new.clone());
        (StatusCode::OK, self.objects.get(&(call.collection, call.name.clone())).cloned().unwrap_or(new))
    }

    fn with_uid(&mut self, name: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!(NAMESPACE);
        object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        object
    }

    /// Stores an object, or removes one that is being deleted and has no finalizers, and adds the event.
    fn put(&mut self, collection: Collection, name: &str, mut new: Value) {
        self.version += 1;
        let version = json!(self.version.to_string());
        new["metadata"]["resourceVersion"] = version.clone();
        let is_gone = !new["metadata"]["deletionTimestamp"].is_null() && !has_finalizers(&new);
        let new = (!is_gone).then_some(new);
        let key = (collection, name.to_owned());
        let old = match &new {
            Some(new) => self.objects.insert(key, new.clone()),
            None => self.objects.remove(&key),
        };
        let is_selected = |object: &Value| collection.selects(object);
        // Objects that the selector no longer selects are deleted as far as the watch is concerned.
        let event = match (old.filter(is_selected), new.filter(is_selected)) {
            (_, Some(new)) => Event { is_deletion: false, object: new },
            (Some(mut old), None) => {
                old["metadata"]["resourceVersion"] = version;
                Event { is_deletion: true, object: old }
            }
            (None, None) => return,
        };
        self.history.entry(collection).or_default().push(event);
    }
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

fn failure(code: StatusCode, reason: &str) -> (StatusCode, Value) {
    let seconds = if code == StatusCode::TOO_MANY_REQUESTS { 1 } else { 0 };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason,
        "code": code.as_u16(), "details": {"retryAfterSeconds": seconds},
    });
    (code, status)
}

fn response(code: StatusCode, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}
