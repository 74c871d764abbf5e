//! KServe's V1 REST protocol: `{"instances": [[…]]}` in, `{"predictions": […]}` out.

use serde::{Deserialize, Serialize};

use super::classify::Row;
use super::error::ServiceError;

#[derive(Deserialize)]
struct Request {
    instances: Vec<Vec<f64>>,
}

/// Response to a prediction. Model and version are an extension of the protocol.
#[derive(Serialize)]
pub(super) struct PredictResponse<'a> {
    /// Class of each instance.
    pub predictions: &'a [u8],
    pub model_name: &'a str,
    pub model_version: &'a str,
}

/// Parses the instances of a request.
pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, ServiceError> {
    let request: Request = serde_json::from_slice(body).map_err(|error| {
        ServiceError::bad(format!("the body is not {{\"instances\": [[number, number, number, number], …]}}: {error}"))
    })?;
    let row = |(index, instance): (usize, &Vec<f64>)| {
        Row::try_from(instance.as_slice())
            .map_err(|_| ServiceError::bad(format!("instances[{index}] has {} numbers, expected 4", instance.len())))
    };
    request.instances.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_read_and_other_keys_are_ignored() {
        let body = br#"{"signature_name": "x", "instances": [[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]]}"#;
        assert_eq!(rows(body), Ok(vec![[5.1, 3.5, 1.4, 0.2], [6.0, 3.0, 5.0, 2.0]]));
        assert_eq!(rows(br#"{"instances": []}"#), Ok(vec![]));
    }

    #[test]
    fn malformed_bodies_are_rejected() {
        let deep = format!("{{\"instances\": {}", "[".repeat(100_000));
        let cases = [
            "",
            "[]",
            "{}",
            "{\"instances\": 1}",
            "{\"instances\": [1]}",
            "{\"instances\": [[\"1\", 2, 3, 4]]}",
            "{\"instances\": [[1e999, 2, 3, 4]]}",
            "{\"instances\": [[1, 2, 3, 4]",
            deep.as_str(),
        ];
        for body in cases {
            assert!(rows(body.as_bytes()).unwrap_err().message.starts_with("the body is not"), "{body:.60}");
        }
        let short = rows(br#"{"instances": [[1, 2, 3, 4], [1, 2, 3]]}"#).unwrap_err();
        assert_eq!(short.message, "instances[1] has 3 numbers, expected 4");
    }
}
