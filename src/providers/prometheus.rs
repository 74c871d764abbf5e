//! Responses of Prometheus's HTTP API (`/api/v1/query`, `/api/v1/query_range`) and of compatible providers.
//!
//! Format: <https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview>. Sample values are strings, because JSON has no `NaN`
//! and `+Inf`.

use serde::Deserialize;
use serde_json::Value;

use super::words::warnings;

/// A response in this format.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Envelope {
    /// `status: success`.
    Success {
        /// The result.
        data: Data,
        /// `warnings`.
        warnings: Vec<String>,
        /// `infos`.
        infos: Vec<String>,
    },
    /// `status: error`: its `errorType` and `error`.
    Error {
        /// Type of the error, such as `bad_data`.
        kind: String,
        /// Error message.
        message: String,
        /// `warnings` and `infos`.
        warnings: Vec<String>,
    },
}

/// A result. A sample is a timestamp, in seconds since 1970, and its value verbatim.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// One sample per series.
    Vector(Vec<(f64, String)>),
    /// Several samples per series.
    Matrix(Vec<Vec<(f64, String)>>),
    /// One number.
    Scalar((f64, String)),
    /// Series that are malformed or not plain numbers.
    Broken {
        /// Number of series.
        count: usize,
        /// The defect of one of them.
        reason: String,
    },
    /// A string, or an unknown type of result; the type's name.
    Other(String),
}

#[derive(Deserialize)]
struct Raw {
    status: String,
    #[serde(default)]
    data: Option<RawData>,
    // Values of unexpected types in these fields have no text.
    #[serde(default, rename = "errorType")]
    error_type: Value,
    #[serde(default)]
    error: Value,
    #[serde(default, alias = "warning", alias = "Warnings")]
    warnings: Value,
    #[serde(default)]
    infos: Value,
}

#[derive(Deserialize)]
struct RawData {
    #[serde(rename = "resultType")]
    result_type: String,
    #[serde(default)]
    result: Value,
}

/// A timestamp, in seconds since 1970, and the value verbatim.
type Sample = (f64, String);

/// Parses a response; `None` if it is not in this format.
pub(crate) fn envelope(body: &[u8]) -> Option<Envelope> {
    let raw: Raw = serde_json::from_slice(body).ok()?;
    let (mut warnings, mut infos) = (warnings(&raw.warnings), warnings(&raw.infos));
    match (raw.status.as_str(), raw.data) {
        ("success", Some(data)) => Some(Envelope::Success { data: read(data), warnings, infos }),
        ("error", _) => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            warnings.append(&mut infos);
            Some(Envelope::Error { kind: text(&raw.error_type), message: text(&raw.error), warnings })
        }
        _ => None,
    }
}

fn read(data: RawData) -> Data {
    match data.result_type.as_str() {
        "vector" => each(data.result, of_vector).map_or_else(|broken| broken, Data::Vector),
        "matrix" => each(data.result, of_matrix).map_or_else(|broken| broken, Data::Matrix),
        "scalar" => match sample(&data.result) {
            Some(sample) => Data::Scalar(sample),
            None => Data::Broken { count: 1, reason: "the scalar is not a timestamp and a value".to_owned() },
        },
        _ => Data::Other(data.result_type),
    }
}

/// Parses all series; fails if one is broken. Only a list without entries is an empty result.
fn each<T>(result: Value, read: fn(&Value) -> Result<T, &'static str>) -> Result<Vec<T>, Data> {
    let Value::Array(list) = result else {
        return Err(Data::Broken { count: 0, reason: "the result is not a list of series".to_owned() });
    };
    let count = list.len();
    // Each series is freed after it is parsed.
    let series: Result<Vec<T>, &str> = list.into_iter().map(|series| read(&series)).collect();
    series.map_err(|reason| Data::Broken { count, reason: reason.to_owned() })
}

fn of_vector(series: &Value) -> Result<Sample, &'static str> {
    match (series.get("histogram"), series.get("value")) {
        (Some(histogram), _) if !histogram.is_null() => Err("a series is a native histogram, not a number"),
        (_, Some(value)) => {
            sample(value).ok_or("a series has a `value` that is not a timestamp and a number or string")
        }
        (_, None) => Err("a series has no `value`"),
    }
}

fn of_matrix(series: &Value) -> Result<Vec<Sample>, &'static str> {
    match (series.get("histograms"), series.get("values").and_then(Value::as_array)) {
        (Some(Value::Array(histograms)), _) if !histograms.is_empty() => {
            Err("a series has native histograms instead of numbers")
        }
        (_, Some(values)) => {
            let samples: Option<Vec<Sample>> = values.iter().map(sample).collect();
            samples.ok_or("a series has `values` that are not timestamps, each with a number or string")
        }
        (_, None) => Err("a series has no `values`"),
    }
}

/// Parses a sample. Some providers write the value as a number.
fn sample(value: &Value) -> Option<Sample> {
    let [time, value] = value.as_array()?.as_slice() else { return None };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some((time.as_f64()?, text))
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
        let numbers =
            r#"{"status":"success","warnings":"w","data":{"resultType":"vector","result":[{"value":[1,2.5]}]}}"#;
        assert_eq!(success(numbers), Data::Vector(vec![(1.0, "2.5".into())]));
    }

    #[test]
    fn series_without_a_plain_value_are_counted_and_reported() {
        let vector = r#"{"value":[1,"2"]}"#;
        for (kind, list, expected) in [
            ("vector", format!(r#"[{vector},{{"histogram":[1,{{"count":"1"}}]}}]"#), "native histogram"),
            ("vector", format!("[{vector},{{}}]"), "no `value`"),
            ("vector", format!(r#"[{vector},{{"value":[1,null]}}]"#), "not a timestamp and a number or string"),
            ("vector", format!(r#"[{vector},{{"value":null}}]"#), "not a timestamp and a number or string"),
            ("vector", format!("[{vector},5]"), "no `value`"),
            ("matrix", r#"[{"values":[]},{"histograms":[[1,{}]]}]"#.to_owned(), "native histograms"),
            ("matrix", r#"[{"values":[]},{"value":[1,"2"]}]"#.to_owned(), "no `values`"),
            ("matrix", r#"[{"values":[]},{"values":[[1]]}]"#.to_owned(), "`values` that are not timestamps"),
        ] {
            let body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{list}}}}}"#);
            let Data::Broken { count, reason } = success(&body) else { panic!("{body}") };
            assert!(count == 2 && reason.contains(expected), "{body}: {reason}");
        }
        for body in [
            r#"{"resultType":"vector","result":null}"#,
            r#"{"resultType":"matrix"}"#,
            r#"{"resultType":"scalar","result":[]}"#,
        ] {
            let body = format!(r#"{{"status":"success","data":{body}}}"#);
            assert!(matches!(success(&body), Data::Broken { .. }), "{body}");
        }
    }

    #[test]
    fn errors_and_warnings_are_reported() {
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error","warnings":["w"],"infos":["i"]}"#;
        let expected = Envelope::Error {
            kind: "bad_data".into(),
            message: "parse error".into(),
            warnings: vec!["w".into(), "i".into()],
        };
        assert_eq!(envelope(error.as_bytes()), Some(expected));
    }

    #[test]
    fn warnings_of_every_form_are_kept() {
        for warnings in [r#""partial""#, r#"["partial"]"#, r#"{"message":"partial"}"#, r#"[{"message":"partial"}]"#] {
            let body =
                format!(r#"{{"status":"success","warnings":{warnings},"data":{{"resultType":"vector","result":[]}}}}"#);
            let Some(Envelope::Success { warnings: kept, .. }) = envelope(body.as_bytes()) else { panic!("{body}") };
            assert_eq!(kept, ["partial"], "{body}");
        }
    }

    #[test]
    fn other_documents_are_not_recognized() {
        for body in
            ["{}", "[]", r#"{"status":"ok"}"#, r#"{"status":"success"}"#, r#"{"status":200,"data":{}}"#, "<html>", ""]
        {
            assert_eq!(envelope(body.as_bytes()), None, "{body}");
        }
    }
}
