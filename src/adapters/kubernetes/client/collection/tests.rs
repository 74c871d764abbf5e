//! Watches of a type that the API server reports missing at times.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use kube::Client;
use kube::api::DynamicObject;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::adapters::kubernetes::api_resource;
use crate::model::object::ResourceKind;

/// State of the API server.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Status of lists; 0 if watches are open and silent.
    list: u16,
    discovery: u16,
    is_in_discovery: bool,
}

fn kind() -> ResourceKind {
    ResourceKind { group: "serving.kserve.io".into(), version: "v1beta1".into(), resource: "inferenceservices".into() }
}

fn respond(state: State, request: &Request<Body>) -> (u16, Value) {
    let failure =
        |code: u16| json!({"kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": "no"});
    let path = request.uri().path();
    if path.ends_with("/inferenceservices") {
        let object =
            json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "a"}});
        return match state.list {
            200 => (
                200,
                json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": [object]}),
            ),
            code => (code, failure(code)),
        };
    }
    let resources = match state.is_in_discovery {
        true => {
            json!([{"name": "inferenceservices", "namespaced": true, "kind": "InferenceService", "singularName": "", "verbs": []}])
        }
        false => json!([]),
    };
    match state.discovery {
        200 => (
            200,
            json!({"kind": "APIResourceList", "groupVersion": "serving.kserve.io/v1beta1", "resources": resources}),
        ),
        code => (code, failure(code)),
    }
}

/// Returns the API server's state, and the changes that a watch of it yields.
fn watch(initial: State) -> (Arc<Mutex<State>>, BoxStream<'static, Change<String>>) {
    let state = Arc::new(Mutex::new(initial));
    let server = Arc::clone(&state);
    let service = move |request: Request<Body>| {
        let state = *server.lock();
        async move {
            let is_open = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            if is_open && state.list == 200 {
                std::future::pending::<()>().await;
            }
            let (code, body) = respond(state, &request);
            let body = Body::from(body.to_string().into_bytes());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    };
    let client = Client::new(tower::service_fn(service), "models");
    let api: Api<DynamicObject> = Api::all_with(client, &api_resource(&kind()));
    let name = |object: DynamicObject| object.metadata.name;
    let changes = changes(api, None, Operation::on_collection("watch", &kind(), None), name);
    (state, changes.boxed())
}

/// Describes the next change and the seconds until it; `None` if there is none for a long time.
async fn next(changes: &mut (impl Stream<Item = Change<String>> + Unpin)) -> Option<(u64, String)> {
    let started = Instant::now();
    let change = tokio::time::timeout(Duration::from_secs(120), changes.next()).await.ok()??;
    let text = match change {
        Change::Listed(names) => format!("listed {}", names.join(", ")),
        Change::Failed(error) => format!("failed: {}", error.message),
        Change::Missing(_) => "missing".to_owned(),
        other => format!("{other:?}"),
    };
    Some((started.elapsed().as_secs(), text))
}

const ABSENT: State = State { list: 404, discovery: 404, is_in_discovery: false };

#[tokio::test(start_paused = true)]
async fn a_type_that_does_not_exist_is_empty_soon() {
    for absent in [ABSENT, State { discovery: 200, ..ABSENT }] {
        let (_state, mut changes) = watch(absent);
        assert_eq!(next(&mut changes).await, Some((1, "missing".to_owned())));
        assert_eq!(next(&mut changes).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_temporary_404_is_not_an_empty_list() {
    for discovery in [404, 200] {
        let (state, mut changes) = watch(State { list: 404, discovery, is_in_discovery: false });
        let silence = tokio::time::timeout(Duration::from_millis(500), changes.next()).await;
        assert!(silence.is_err());
        state.lock().list = 200;
        assert_eq!(next(&mut changes).await.unwrap().1, "listed a");
    }
}

#[tokio::test(start_paused = true)]
async fn a_404_that_the_discovery_contradicts_is_a_failure() {
    let listed = State { list: 404, discovery: 200, is_in_discovery: true };
    for contradicted in [listed, State { discovery: 503, ..listed }] {
        let (state, mut changes) = watch(contradicted);
        for _ in 0..20 {
            let (_, text) = next(&mut changes).await.unwrap();
            assert!(text.starts_with("failed: cannot list inferenceservices"), "{text}");
        }
        *state.lock() = State { list: 200, ..listed };
        while next(&mut changes).await.unwrap().1 != "listed a" {}
    }
}

#[tokio::test(start_paused = true)]
async fn without_access_to_the_discovery_a_404_counts_after_a_while() {
    let (_state, mut changes) = watch(State { discovery: 403, ..ABSENT });
    let started = Instant::now();
    while next(&mut changes).await.unwrap().1 != "missing" {}
    assert!(started.elapsed() >= MISSING);
}
