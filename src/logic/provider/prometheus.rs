//! The envelope of Prometheus's HTTP API (`/api/v1/query`, `/api/v1/query_range`), which its relatives share.
//!
//! Format: <https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview>. Sample values are texts, so that `NaN` and
//! `+Inf` can be told.

use serde::Deserialize;
use serde_json::Value;

/// An answer in this envelope.
#[derive(Clone, Debug, PartialEq)]
pub enum Envelope {
    /// `status: success`.
    Success {
        /// The result.
        data: Data,
        /// `warnings` and `infos`.
        warnings: Vec<String>,
    },
    /// `status: error`: its `errorType` and `error`.
    Error {
        /// What kind of error, such as `bad_data`.
        kind: String,
        /// The words.
        message: String,
        /// `warnings` and `infos`.
        warnings: Vec<String>,
    },
}

/// A result. A sample is its instant, in seconds since 1970, and its value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// One sample of each series.
    Vector(Vec<(f64, String)>),
    /// Several samples of each series.
    Matrix(Vec<Vec<(f64, String)>>),
    /// One number.
    Scalar((f64, String)),
    /// A text, or what this program does not know: its type.
    Other(String),
}

#[derive(Deserialize)]
struct Raw {
    status: String,
    #[serde(default)]
    data: Option<RawData>,
    #[serde(default, rename = "errorType")]
    error_type: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    infos: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawData {
    #[serde(rename = "resultType")]
    result_type: String,
    #[serde(default)]
    result: Value,
}

#[derive(Deserialize)]
struct RawSeries {
    #[serde(default)]
    value: Option<Sample>,
    #[serde(default)]
    values: Option<Vec<Sample>>,
    /// Native histograms, which have no one value.
    #[serde(default)]
    histogram: Option<Value>,
}

type Sample = (f64, String);

/// Reads an answer, if it is in this envelope.
pub fn envelope(body: &[u8]) -> Option<Envelope> {
    let raw: Raw = serde_json::from_slice(body).ok()?;
    let warnings: Vec<String> = [raw.warnings, raw.infos].into_iter().flatten().flatten().collect();
    match (raw.status.as_str(), raw.data) {
        ("success", Some(data)) => Some(Envelope::Success { data: read(data), warnings }),
        ("error", _) => {
            let kind = raw.error_type.unwrap_or_default();
            Some(Envelope::Error { kind, message: raw.error.unwrap_or_default(), warnings })
        }
        _ => None,
    }
}

fn read(data: RawData) -> Data {
    let series = |result| serde_json::from_value::<Vec<RawSeries>>(result);
    let other = || Data::Other(data.result_type.clone());
    match data.result_type.as_str() {
        "vector" => match series(data.result) {
            Ok(list) if list.iter().any(|series| series.histogram.is_some()) => {
                Data::Other("native histogram".to_owned())
            }
            Ok(list) => Data::Vector(list.into_iter().filter_map(|series| series.value).collect()),
            Err(_) => other(),
        },
        "matrix" => match series(data.result) {
            Ok(list) => Data::Matrix(list.into_iter().map(|series| series.values.unwrap_or_default()).collect()),
            Err(_) => other(),
        },
        "scalar" => serde_json::from_value(data.result).map_or_else(|_| other(), Data::Scalar),
        _ => other(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(body: &str) -> Data {
        match envelope(body.as_bytes()) {
            Some(Envelope::Success { data, .. }) => data,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn results_of_each_type_are_read() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1700000000.123,"1.5"]}]}}"#;
        assert_eq!(success(vector), Data::Vector(vec![(1_700_000_000.123, "1.5".into())]));
        let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        assert_eq!(success(empty), Data::Vector(vec![]));
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[10,"NaN"]}}"#;
        assert_eq!(success(scalar), Data::Scalar((10.0, "NaN".into())));
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"],[2,"+Inf"]]}]}}"#;
        assert_eq!(success(matrix), Data::Matrix(vec![vec![(1.0, "2".into()), (2.0, "+Inf".into())]]));
        let text = r#"{"status":"success","data":{"resultType":"string","result":[10,"x"]}}"#;
        assert_eq!(success(text), Data::Other("string".into()));
        let histogram = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1"}]}]}}"#;
        assert_eq!(success(histogram), Data::Other("native histogram".into()));
    }

    #[test]
    fn errors_and_warnings_are_told() {
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error","warnings":["w"],"infos":["i"]}"#;
        let expected = Envelope::Error {
            kind: "bad_data".into(),
            message: "parse error".into(),
            warnings: vec!["w".into(), "i".into()],
        };
        assert_eq!(envelope(error.as_bytes()), Some(expected));
    }

    #[test]
    fn other_documents_are_not_taken_for_it() {
        for body in
            ["{}", "[]", r#"{"status":"ok"}"#, r#"{"status":"success"}"#, r#"{"status":200,"data":{}}"#, "<html>", ""]
        {
            assert_eq!(envelope(body.as_bytes()), None, "{body}");
        }
    }
}
