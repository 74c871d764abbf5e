//! KServe's V1 and V2 REST protocols: answers, and answers to bad input.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::{FLOWERS, port, serving};

fn flowers() -> Vec<[f64; 4]> {
    FLOWERS.iter().map(|(flower, ..)| *flower).collect()
}

fn infer_body() -> Value {
    json!({"id": "a-1", "inputs": [{"name": "input-0", "shape": [4, 4], "datatype": "FP64", "data": flowers()}]})
}

#[tokio::test]
async fn v1_and_v2_predict_the_same_classes_over_http1_and_http2() {
    let service = serving(|_| ()).await;
    let classes = [("v1", json!(FLOWERS.map(|(_, v1, _)| v1))), ("v2", json!(FLOWERS.map(|(_, _, v2)| v2)))];
    for (version, classes) in classes {
        let at = port(&service, version);
        for mut client in [Client::http1(at).await, Client::http2(at).await] {
            let v1 = client.post("/v1/models/sklearn-iris:predict", &json!({"instances": flowers()})).await;
            assert_eq!(
                (v1.status, v1.version(), v1.header("content-type")),
                (StatusCode::OK, version, "application/json")
            );
            let expected = json!({"predictions": classes, "model_name": "sklearn-iris", "model_version": version});
            assert_eq!(v1.json(), expected);

            let v2 = client.post("/v2/models/sklearn-iris/infer", &infer_body()).await;
            assert_eq!((v2.status, v2.version()), (StatusCode::OK, version));
            let output = json!({"name": "output-0", "shape": [4], "datatype": "INT64", "data": classes});
            let expected =
                json!({"model_name": "sklearn-iris", "model_version": version, "id": "a-1", "outputs": [output]});
            assert_eq!(v2.json(), expected);
        }
    }
}

#[tokio::test]
async fn metadata_matches_the_protocols() {
    let service = serving(|_| ()).await;
    let mut client = Client::http1(port(&service, "v2")).await;
    let model = json!({
        "name": "sklearn-iris", "versions": ["v2"], "platform": "iter8_iris",
        "inputs": [{"name": "input-0", "datatype": "FP64", "shape": [-1, 4]}],
        "outputs": [{"name": "output-0", "datatype": "INT64", "shape": [-1]}],
    });
    let server = json!({"name": "iter8-sample", "version": env!("CARGO_PKG_VERSION"), "extensions": []});
    let ready = json!({"name": "sklearn-iris", "ready": true});
    let pages = [
        ("/v1/models", json!({"models": ["sklearn-iris"]})),
        ("/v1/models/sklearn-iris", ready.clone()),
        ("/v2", server),
        ("/v2/health/live", json!({"live": true})),
        ("/v2/health/ready", json!({"ready": true})),
        ("/v2/models/sklearn-iris", model.clone()),
        ("/v2/models/sklearn-iris/versions/v2", model),
        ("/v2/models/sklearn-iris/ready", ready.clone()),
        ("/v2/models/sklearn-iris/versions/v2/ready", ready),
    ];
    for (path, expected) in pages {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.version()), (StatusCode::OK, "v2"), "{path}");
        assert_eq!(answer.json(), expected, "{path}");
    }
    let front = Client::http1(service.front).await.get("/v2/models/sklearn-iris").await.json();
    assert_eq!(front["versions"], json!(["v1", "v2"]));
    assert_eq!(service.stats().iter().map(|version| version.requests).sum::<u64>(), 0, "metadata does not count");
}

#[tokio::test]
async fn index_health_and_metrics_respond() {
    let service = serving(|config| config.model = "iris".into()).await;
    for at in [service.front, port(&service, "v1")] {
        let mut client = Client::http1(at).await;
        let index = client.get("/").await;
        assert!(index.text().contains("POST /v1/models/iris:predict"), "{}", index.text());
        assert_eq!(client.get("/healthz").await.text(), "ok\n");
        let head = client.send(Method::HEAD, "/healthz", &[], b"").await;
        assert_eq!((head.status, head.body.len(), head.header("content-length")), (StatusCode::OK, 0, "3"));
    }
}

#[tokio::test]
async fn bad_requests_are_rejected_and_bad_predictions_counted() {
    let service = serving(|_| ()).await;
    let predict = "/v1/models/sklearn-iris:predict";
    let infer = "/v2/models/sklearn-iris/infer";
    let tensor = |shape: Value, datatype: &str, data: Value| {
        json!({"inputs": [{"name": "x", "shape": shape, "datatype": datatype, "data": data}]}).to_string()
    };
    let cases: Vec<(Method, &str, String, u16, &str)> = vec![
        (Method::POST, predict, String::new(), 400, "the body is not {\"instances\""),
        (Method::POST, predict, "{\"instances\": [[1, 2, 3]]}".into(), 400, "instances[0] has 3 numbers, expected 4"),
        (Method::POST, infer, "{}".into(), 400, "missing field `inputs`"),
        (Method::POST, infer, tensor(json!([1, 5]), "FP64", json!([1, 2, 3, 4, 5])), 400, "expected [n, 4]"),
        (Method::POST, infer, tensor(json!([2, 4]), "FP64", json!([1, 2, 3, 4])), 400, "has 4 elements"),
        (Method::POST, infer, tensor(json!([1, 4]), "BYTES", json!([1, 2, 3, 4])), 400, "`BYTES`"),
        (Method::POST, predict, " ".repeat((1 << 20) + 1), 413, "longer than 1048576 bytes"),
        (Method::POST, infer, " ".repeat(4 << 20), 413, "longer than 1048576 bytes"),
        (Method::POST, "/v1/models/other:predict", "{}".into(), 404, "unknown model `other`"),
        (Method::POST, "/v2/models/other/infer", "{}".into(), 404, "unknown model `other`"),
        (Method::POST, "/v2/models/sklearn-iris/versions/v9/infer", "{}".into(), 404, "unknown version `v9`"),
        (Method::GET, "/v1/models/other", String::new(), 404, "unknown model `other`"),
        (Method::GET, "/v2/models/other/ready", String::new(), 404, "unknown model `other`"),
        (Method::GET, "/nothing", String::new(), 404, "unknown path /nothing"),
        (Method::GET, predict, String::new(), 405, "expected POST"),
        (Method::POST, "/v2/health/live", String::new(), 405, "expected GET, HEAD"),
        (Method::DELETE, "/stats", String::new(), 405, "expected GET, HEAD"),
    ];
    for (method, path, body, status, message) in cases {
        // A connection each: one that was refused early may be closed.
        let mut client = Client::http1(port(&service, "v1")).await;
        let answer = client.send(method.clone(), path, &[], body.as_bytes()).await;
        let what = format!("{method} {path} {body:.80}");
        assert_eq!((answer.status.as_u16(), answer.version()), (status, "v1"), "{what}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(message), "{what}: {error}");
        assert_eq!(answer.headers.contains_key("allow"), status == 405, "{what}");
    }
    let stats = &service.stats()[0];
    assert_eq!((stats.requests, stats.errors), (8, 8));
}

#[tokio::test]
async fn a_body_of_the_maximum_length_is_accepted() {
    let service = serving(|_| ()).await;
    let mut client = Client::http1(service.front).await;
    let mut body = json!({"instances": flowers()}).to_string();
    body.push_str(&" ".repeat((1 << 20) - body.len()));
    let answer = client.send(Method::POST, "/v1/models/sklearn-iris:predict", &[], body.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK);
}
