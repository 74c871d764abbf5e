//! The Open Inference Protocol over gRPC, and all gRPC services of a port, with reflection.

use std::sync::Arc;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::body::MAX_BYTES;
use super::classify::Row;
use super::error::ServiceError;
use super::health;
use super::pb::grpc_inference_service_server::{GrpcInferenceService, GrpcInferenceServiceServer};
use super::pb::model_infer_request::InferInputTensor;
use super::pb::model_infer_response::InferOutputTensor;
use super::pb::model_metadata_response::TensorMetadata;
use super::pb::{
    DESCRIPTORS, InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataRequest,
    ModelMetadataResponse, ModelReadyRequest, ModelReadyResponse, ServerLiveRequest, ServerLiveResponse,
    ServerMetadataRequest, ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
};
use super::route_guide;
use super::router::Router;
use super::tensor::{self, INPUT, OUTPUT, PLATFORM, Tensor};
use super::version::Version;
use super::version_header::{error_status, with_version};

/// Returns all gRPC services of a port.
pub(super) fn routes(
    model: Arc<str>,
    router: Arc<Router>,
    has_reflection: bool,
) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection =
        || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let route_guide = route_guide::service(Arc::clone(&router));
    let inference = GrpcInferenceServiceServer::new(Inference { model, router }).max_decoding_message_size(MAX_BYTES);
    let mut routes = Routes::new(inference).add_service(route_guide).add_service(health::service());
    if has_reflection {
        routes = routes.add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    }
    Ok(routes.prepare())
}

struct Inference {
    model: Arc<str>,
    router: Arc<Router>,
}

impl Inference {
    fn check_model(&self, name: &str) -> Result<(), ServiceError> {
        if *name == *self.model {
            return Ok(());
        }
        Err(ServiceError::unknown(format!("unknown model `{name}`; this server has: {}", self.model)))
    }

    /// Responds to anything but a prediction.
    fn metadata<T>(
        &self,
        headers: &HeaderMap,
        model: Option<(&str, &str)>,
        message: impl FnOnce(&Version) -> T,
    ) -> Result<Response<T>, Status> {
        let (model, version) = model.unwrap_or((&self.model, ""));
        let version = self
            .check_model(model)
            .and_then(|()| self.router.metadata(headers, not_empty(version)))
            .map_err(|error| error.to_grpc())?;
        Ok(with_version(version, message(version)))
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for Inference {
    async fn server_live(&self, request: Request<ServerLiveRequest>) -> Result<Response<ServerLiveResponse>, Status> {
        self.metadata(request.metadata().as_ref(), None, |_| ServerLiveResponse { live: true })
    }

    async fn server_ready(
        &self,
        request: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        self.metadata(request.metadata().as_ref(), None, |_| ServerReadyResponse { ready: true })
    }

    async fn model_ready(&self, request: Request<ModelReadyRequest>) -> Result<Response<ModelReadyResponse>, Status> {
        let model = request.get_ref();
        let model = Some((model.name.as_str(), model.version.as_str()));
        self.metadata(request.metadata().as_ref(), model, |_| ModelReadyResponse { ready: true })
    }

    async fn server_metadata(
        &self,
        request: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        self.metadata(request.metadata().as_ref(), None, |_| ServerMetadataResponse {
            name: super::handler::SERVER.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            extensions: Vec::new(),
        })
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let model = request.get_ref();
        let model = Some((model.name.as_str(), model.version.as_str()));
        let tensor = |tensor: Tensor| TensorMetadata {
            name: tensor.name.into(),
            datatype: tensor.datatype.into(),
            shape: tensor.shape.to_vec(),
        };
        self.metadata(request.metadata().as_ref(), model, |_| ModelMetadataResponse {
            name: self.model.to_string(),
            versions: self.router.versions().map(|version| version.name.clone()).collect(),
            platform: PLATFORM.into(),
            inputs: vec![tensor(INPUT)],
            outputs: vec![tensor(OUTPUT)],
        })
    }

    async fn model_infer(&self, request: Request<ModelInferRequest>) -> Result<Response<ModelInferResponse>, Status> {
        let received = Instant::now();
        let (metadata, _, mut message) = request.into_parts();
        let version = self
            .check_model(&message.model_name)
            .and_then(|()| self.router.prediction(metadata.as_ref(), not_empty(&message.model_version)))
            .map_err(|error| error.to_grpc())?;
        let id = std::mem::take(&mut message.id);
        let classes = version.predict(received, rows(message)).await.map_err(|error| error_status(version, &error))?;
        let output = InferOutputTensor {
            name: OUTPUT.name.into(),
            datatype: OUTPUT.datatype.into(),
            shape: vec![classes.len() as i64],
            contents: Some(InferTensorContents {
                int64_contents: classes.into_iter().map(i64::from).collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let response = ModelInferResponse {
            model_name: self.model.to_string(),
            model_version: version.name.clone(),
            id,
            outputs: vec![output],
            ..Default::default()
        };
        Ok(with_version(version, response))
    }
}

fn not_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Returns the flowers in a message.
fn rows(request: ModelInferRequest) -> Result<Vec<Row>, ServiceError> {
    let raw = request.raw_input_contents;
    let input = tensor::only(request.inputs)?;
    tensor::check_datatype(&input.datatype)?;
    let elements = if raw.is_empty() {
        typed_elements(&input)?
    } else if input.contents.is_some() {
        return Err(ServiceError::bad("inputs[0].contents cannot be combined with raw_input_contents"));
    } else {
        let raw =
            tensor::only(raw).map_err(|_| ServiceError::bad("raw_input_contents must have one entry per input"))?;
        raw_elements(&input.datatype, &raw)?
    };
    tensor::rows(&input.shape, &elements)
}

/// Reads the elements from the list that fits the tensor's type.
fn typed_elements(input: &InferInputTensor) -> Result<Vec<f64>, ServiceError> {
    let contents = input.contents.as_ref().ok_or_else(|| ServiceError::bad("inputs[0] has no contents"))?;
    Ok(match input.datatype.as_str() {
        "FP32" => contents.fp32_contents.iter().copied().map(f64::from).collect(),
        "FP64" => contents.fp64_contents.clone(),
        "INT64" => contents.int64_contents.iter().map(|x| *x as f64).collect(),
        "UINT64" => contents.uint64_contents.iter().map(|x| *x as f64).collect(),
        unsigned if unsigned.starts_with('U') => contents.uint_contents.iter().copied().map(f64::from).collect(),
        _ => contents.int_contents.iter().copied().map(f64::from).collect(),
    })
}

/// Reads the elements from their little-endian bytes.
fn raw_elements(datatype: &str, raw: &[u8]) -> Result<Vec<f64>, ServiceError> {
    fn elements<const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> f64) -> Result<Vec<f64>, ServiceError> {
        match raw.as_chunks::<N>() {
            (elements, []) => Ok(elements.iter().copied().map(read).collect()),
            _ => Err(ServiceError::bad(format!(
                "raw_input_contents[0] has {} bytes; expected a multiple of {N}",
                raw.len()
            ))),
        }
    }
    match datatype {
        "FP32" => elements(raw, |bytes| f32::from_le_bytes(bytes).into()),
        "FP64" => elements(raw, f64::from_le_bytes),
        "INT8" => elements(raw, |bytes| i8::from_le_bytes(bytes).into()),
        "INT16" => elements(raw, |bytes| i16::from_le_bytes(bytes).into()),
        "INT32" => elements(raw, |bytes| i32::from_le_bytes(bytes).into()),
        "INT64" => elements(raw, |bytes| i64::from_le_bytes(bytes) as f64),
        "UINT8" => elements(raw, |bytes| u8::from_le_bytes(bytes).into()),
        "UINT16" => elements(raw, |bytes| u16::from_le_bytes(bytes).into()),
        "UINT32" => elements(raw, |bytes| u32::from_le_bytes(bytes).into()),
        _ => elements(raw, |bytes| u64::from_le_bytes(bytes) as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(datatype: &str, contents: Option<InferTensorContents>, raw: Vec<Vec<u8>>) -> ModelInferRequest {
        let input = InferInputTensor { datatype: datatype.into(), shape: vec![1, 4], contents, ..Default::default() };
        ModelInferRequest { inputs: vec![input], raw_input_contents: raw, ..Default::default() }
    }

    #[test]
    fn every_numeric_type_is_read_from_its_list_and_from_its_bytes() {
        let row = Ok(vec![[1.0, 2.0, 3.0, 4.0]]);
        let contents = || InferTensorContents {
            int_contents: vec![1, 2, 3, 4],
            int64_contents: vec![1, 2, 3, 4],
            uint_contents: vec![1, 2, 3, 4],
            uint64_contents: vec![1, 2, 3, 4],
            fp32_contents: vec![1.0, 2.0, 3.0, 4.0],
            fp64_contents: vec![1.0, 2.0, 3.0, 4.0],
            ..Default::default()
        };
        for (datatype, width) in [
            ("INT8", 1),
            ("UINT8", 1),
            ("INT16", 2),
            ("UINT16", 2),
            ("INT32", 4),
            ("UINT32", 4),
            ("INT64", 8),
            ("UINT64", 8),
        ] {
            assert_eq!(rows(request(datatype, Some(contents()), vec![])), row, "{datatype}");
            let raw = [1_u8, 2, 3, 4].iter().flat_map(|x| [&[*x][..], &vec![0; width - 1]].concat()).collect();
            assert_eq!(rows(request(datatype, None, vec![raw])), row, "{datatype}");
        }
        assert_eq!(rows(request("FP32", Some(contents()), vec![])), row);
        assert_eq!(rows(request("FP64", Some(contents()), vec![])), row);
        let raw = [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(rows(request("FP32", None, vec![raw])), row);
        let raw = [1.0_f64, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(rows(request("FP64", None, vec![raw])), row);
    }

    #[test]
    fn contents_that_do_not_fit_are_refused() {
        let some = Some(InferTensorContents::default());
        let cases = [
            (request("FP32", None, vec![]), "inputs[0] has no contents"),
            (request("FP32", some.clone(), vec![]), "inputs[0] has 0 elements"),
            (request("FP32", some, vec![vec![]]), "cannot be combined"),
            (request("FP32", None, vec![vec![0; 15]]), "has 15 bytes; expected a multiple of 4"),
            (request("FP32", None, vec![vec![], vec![]]), "one entry per input"),
            (request("FP32", None, vec![f32::NAN.to_le_bytes().repeat(4)]), "not a finite number"),
            (request("BOOL", None, vec![]), "inputs[0].datatype is `BOOL`"),
        ];
        for (request, message) in cases {
            let error = rows(request).unwrap_err();
            assert!(error.message.contains(message), "{}", error.message);
        }
    }
}
