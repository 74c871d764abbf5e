//! REST bodies of the Open Inference Protocol.

use serde::{Deserialize, Serialize};

use super::classify::Row;
use super::error::ServiceError;
use super::tensor::{self, INPUT, OUTPUT, PLATFORM, Tensor};

#[derive(Deserialize)]
struct RawRequest {
    id: Option<String>,
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    shape: Vec<i64>,
    datatype: String,
    data: Data,
}

/// Elements, flat or nested; the protocol allows both.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`data` is not a list of numbers or of lists of numbers")]
enum Data {
    Flat(Vec<f64>),
    Nested(Vec<Vec<f64>>),
}

/// A request to predict.
#[derive(Debug, PartialEq)]
pub(super) struct InferRequest {
    /// The client's identifier of the request, repeated in the response.
    pub id: Option<String>,
    pub rows: Vec<Row>,
}

/// Parses a request.
pub(super) fn request(body: &[u8]) -> Result<InferRequest, ServiceError> {
    let request: RawRequest = serde_json::from_slice(body).map_err(|error| {
        let shape = r#"{"inputs": [{"name": …, "shape": [n, 4], "datatype": "FP64", "data": […]}]}"#;
        ServiceError::bad(format!("the body is not {shape}: {error}"))
    })?;
    let input = tensor::only(request.inputs)?;
    tensor::check_datatype(&input.datatype)?;
    let elements = match input.data {
        Data::Flat(elements) => elements,
        Data::Nested(rows) => rows.into_iter().flatten().collect(),
    };
    Ok(InferRequest { id: request.id, rows: tensor::rows(&input.shape, &elements)? })
}

/// Response to a prediction.
#[derive(Serialize)]
pub(super) struct InferResponse<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: [Output<'a>; 1],
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'static str,
    shape: [usize; 1],
    datatype: &'static str,
    data: &'a [u8],
}

impl<'a> InferResponse<'a> {
    /// Creates the response of a version.
    pub fn new(model_name: &'a str, model_version: &'a str, id: Option<&'a str>, classes: &'a [u8]) -> Self {
        let output = Output { name: OUTPUT.name, shape: [classes.len()], datatype: OUTPUT.datatype, data: classes };
        Self { model_name, model_version, id, outputs: [output] }
    }
}

/// Metadata of a model.
#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    name: &'a str,
    versions: Vec<&'a str>,
    platform: &'static str,
    inputs: [Tensor; 1],
    outputs: [Tensor; 1],
}

impl<'a> Metadata<'a> {
    pub fn new(name: &'a str, versions: Vec<&'a str>) -> Self {
        Self { name, versions, platform: PLATFORM, inputs: [INPUT], outputs: [OUTPUT] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(input: &serde_json::Value) -> Result<InferRequest, ServiceError> {
        request(json!({"id": "a", "inputs": [input]}).to_string().as_bytes())
    }

    #[test]
    fn flat_and_nested_data_are_the_same_flowers() {
        let expected = InferRequest { id: Some("a".into()), rows: vec![[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.5]] };
        let flat = json!({"name": "x", "shape": [2, 4], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6, 7, 8.5]});
        let nested = json!({"name": "x", "shape": [2, 4], "datatype": "FP64", "data": [[1, 2, 3, 4], [5, 6, 7, 8.5]]});
        assert_eq!(read(&flat).as_ref(), Ok(&expected));
        assert_eq!(read(&nested), Ok(expected));
    }

    #[test]
    fn wrong_inputs_are_refused_with_what_was_expected() {
        let cases = [
            (json!({"shape": [1, 4], "datatype": "BYTES", "data": [1, 2, 3, 4]}), "inputs[0].datatype is `BYTES`"),
            (json!({"shape": [2, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}), "inputs[0] has 4 elements"),
            (
                json!({"shape": [4], "datatype": "FP32", "data": [1, 2, 3, 4]}),
                "inputs[0].shape is [4], expected [n, 4]",
            ),
            (json!({"shape": [1, 4], "datatype": "FP32", "data": ["1"]}), "`data` is not a list of numbers"),
            (json!({"shape": [1, 4], "datatype": "FP32"}), "missing field `data`"),
        ];
        for (input, message) in cases {
            let error = read(&input).unwrap_err();
            assert!(error.message.contains(message), "{}", error.message);
        }
        assert_eq!(request(br#"{"inputs": []}"#).unwrap_err().message, "0 inputs, expected 1");
    }
}
