//! The Open Inference Protocol over gRPC, and reflection.

use std::net::SocketAddr;

use futures_util::stream;
use http::uri::PathAndQuery;
use prost::Message;
use sample_model::pb::model_infer_request::InferInputTensor;
use sample_model::pb::{
    InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse,
    ModelReadyRequest, ModelReadyResponse, ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest,
    ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::{v1, v1alpha};

use super::{FLOWERS, port, serving};

async fn connect(addr: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap()
}

async fn call<A, B>(channel: &Channel, method: &str, request: Request<A>) -> Result<Response<B>, Status>
where
    A: Message + 'static,
    B: Message + Default + 'static,
{
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path: PathAndQuery = format!("/inference.GRPCInferenceService/{method}").parse().unwrap();
    client.unary(request, path, ProstCodec::default()).await
}

fn question() -> ModelInferRequest {
    let data = FLOWERS.iter().flat_map(|(flower, ..)| *flower).collect();
    ModelInferRequest {
        model_name: "sklearn-iris".into(),
        id: "a-1".into(),
        inputs: vec![InferInputTensor {
            name: "input-0".into(),
            datatype: "FP64".into(),
            shape: vec![4, 4],
            contents: Some(InferTensorContents { fp64_contents: data, ..Default::default() }),
            ..Default::default()
        }],
        ..Default::default()
    }
}

async fn infer(channel: &Channel, request: ModelInferRequest) -> Result<Response<ModelInferResponse>, Status> {
    call(channel, "ModelInfer", Request::new(request)).await
}

#[tokio::test]
async fn grpc_and_rest_predictions_agree() {
    let service = serving(|_| ()).await;
    let classes = [("v1", FLOWERS.map(|(_, v1, _)| v1 as i64)), ("v2", FLOWERS.map(|(_, _, v2)| v2 as i64))];
    for (version, classes) in classes {
        let answer = infer(&connect(port(&service, version)).await, question()).await.unwrap();
        assert_eq!(answer.metadata().get("x-model-version").unwrap(), version);
        let answer = answer.into_inner();
        assert_eq!((answer.model_name.as_str(), answer.model_version.as_str()), ("sklearn-iris", version));
        assert_eq!((answer.id.as_str(), answer.outputs.len()), ("a-1", 1));
        let output = &answer.outputs[0];
        assert_eq!(
            (output.name.as_str(), output.datatype.as_str(), &output.shape[..]),
            ("output-0", "INT64", &[4][..])
        );
        assert_eq!(output.contents.as_ref().unwrap().int64_contents, classes);
    }
    assert!(service.stats().iter().all(|version| (version.requests, version.errors) == (1, 0)));
}

#[tokio::test]
async fn the_front_routes_by_header_and_version() {
    let service = serving(|config| config.versions[0].weight = 0).await;
    let channel = connect(service.front).await;
    let mut request = Request::new(question());
    request.metadata_mut().insert("traffic", "test".parse().unwrap());
    let answer: Response<ModelInferResponse> = call(&channel, "ModelInfer", request).await.unwrap();
    assert_eq!(answer.get_ref().model_version, "v2");
    let answer = infer(&channel, ModelInferRequest { model_version: "v1".into(), ..question() }).await.unwrap();
    assert_eq!(answer.get_ref().model_version, "v1");
}

#[tokio::test]
async fn metadata_matches_the_protocol() {
    let service = serving(|_| ()).await;
    let channel = connect(service.front).await;
    let live: Response<ServerLiveResponse> =
        call(&channel, "ServerLive", Request::new(ServerLiveRequest {})).await.unwrap();
    let ready: Response<ServerReadyResponse> =
        call(&channel, "ServerReady", Request::new(ServerReadyRequest {})).await.unwrap();
    assert!(live.get_ref().live && ready.get_ref().ready);
    let server: Response<ServerMetadataResponse> =
        call(&channel, "ServerMetadata", Request::new(ServerMetadataRequest {})).await.unwrap();
    assert_eq!(server.get_ref().name, "iter8-sample");
    let requested = ModelReadyRequest { name: "sklearn-iris".into(), version: "v2".into() };
    let ready: Response<ModelReadyResponse> = call(&channel, "ModelReady", Request::new(requested)).await.unwrap();
    assert!(ready.get_ref().ready);
    assert_eq!(ready.metadata().get("x-model-version").unwrap(), "v2");
    let requested = ModelMetadataRequest { name: "sklearn-iris".into(), version: String::new() };
    let model: ModelMetadataResponse =
        call(&channel, "ModelMetadata", Request::new(requested)).await.unwrap().into_inner();
    assert_eq!((model.versions, model.inputs[0].shape.clone()), (vec!["v1".to_owned(), "v2".to_owned()], vec![-1, 4]));
}

#[tokio::test]
async fn bad_calls_are_rejected_and_bad_predictions_counted() {
    let service = serving(|config| config.versions[1].error_rate = 1.0).await;
    let channel = connect(port(&service, "v1")).await;
    let mut no_inputs = question();
    no_inputs.inputs.clear();
    let mut too_large = question();
    too_large.raw_input_contents = vec![vec![0; 1 << 20]];
    let cases = [
        (ModelInferRequest { model_name: "other".into(), ..question() }, Code::NotFound, "unknown model `other`"),
        (ModelInferRequest { model_version: "v9".into(), ..question() }, Code::NotFound, "unknown version `v9`"),
        (no_inputs, Code::InvalidArgument, "0 inputs, expected 1"),
        (too_large, Code::OutOfRange, "too large"),
    ];
    for (request, code, message) in cases {
        let status = infer(&channel, request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(message), "{status}");
    }
    assert_eq!((service.stats()[0].requests, service.stats()[0].errors), (1, 1));

    let failed = infer(&connect(port(&service, "v2")).await, question()).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    assert_eq!(failed.metadata().get("x-model-version").unwrap(), "v2");
    assert_eq!((service.stats()[1].requests, service.stats()[1].errors), (1, 1));

    let unknown = call::<_, ServerLiveResponse>(&channel, "Nothing", Request::new(ServerLiveRequest {})).await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
}

/// Sends one reflection request, and gives the one answer.
async fn reflect<A, B>(channel: &Channel, path: &'static str, request: A) -> B
where
    A: Message + 'static,
    B: Message + Default + 'static,
{
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let request = Request::new(stream::iter([request]));
    let answers =
        client.streaming(request, PathAndQuery::from_static(path), ProstCodec::<A, B>::default()).await.unwrap();
    answers.into_inner().message().await.unwrap().unwrap()
}

#[tokio::test]
async fn reflection_lists_the_service_and_describes_its_messages() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;

    let service = serving(|_| ()).await;
    let channel = connect(service.front).await;
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let ask = |message| v1::ServerReflectionRequest { host: String::new(), message_request: Some(message) };

    let answer: v1::ServerReflectionResponse =
        reflect(&channel, path, ask(MessageRequest::ListServices(String::new()))).await;
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("{answer:?}") };
    for name in ["inference.GRPCInferenceService", "routeguide.RouteGuide"] {
        assert!(list.service.iter().any(|service| service.name == name), "{list:?}");
    }

    let described = [
        ("inference.GRPCInferenceService", ["open_inference.proto", "ModelInferRequest", "raw_input_contents"]),
        ("routeguide.RouteGuide", ["route_guide.proto", "RouteSummary", "elapsed_time"]),
    ];
    for (symbol, names) in described {
        let symbol = MessageRequest::FileContainingSymbol(symbol.into());
        let answer: v1::ServerReflectionResponse = reflect(&channel, path, ask(symbol)).await;
        let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
            panic!("{answer:?}")
        };
        // Names in a descriptor are plain text.
        let file = String::from_utf8_lossy(&files.file_descriptor_proto[0]).into_owned();
        for name in names {
            assert!(file.contains(name), "{name}");
        }
    }
}

#[tokio::test]
async fn reflection_supports_v1alpha() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;

    let service = serving(|_| ()).await;
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
    let answer: v1alpha::ServerReflectionResponse = reflect(&connect(port(&service, "v1")).await, path, request).await;
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("{answer:?}") };
    for name in ["inference.GRPCInferenceService", "routeguide.RouteGuide"] {
        assert!(list.service.iter().any(|service| service.name == name), "{list:?}");
    }
}
