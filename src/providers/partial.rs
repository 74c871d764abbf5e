//! Signs that a response with status 2xx holds only a part of the data: some of the provider's stores, shards or queries failed.
//!
//! Each store has a sign of its own. A number computed from partial data may be far too low, so it must not satisfy an objective unnoticed.

use serde_json::Value;

use super::words::words;

/// Prefix of Prometheus's own remarks about a query. Other warnings are those of stores that could not be read: remote read in
/// Prometheus, partial responses in Thanos and in stores that are compatible with it.
const OF_QUERY: &str = "PromQL ";

/// A sign: the key or word that responses must contain, and the description of the missing part, if there is one.
type Sign = (&'static str, fn(&Value) -> Option<String>);

const SIGNS: &[Sign] = &[
    // VictoriaMetrics.
    ("isPartial", |body| is_true(body, "/isPartial")),
    // Elasticsearch: asynchronous searches, ES|QL; whole searches.
    ("is_partial", |body| is_true(body, "/is_partial")),
    ("timed_out", |body| is_true(body, "/timed_out")),
    ("terminated_early", |body| is_true(body, "/terminated_early")),
    ("_shards", failed_shards),
    // GraphQL, such as New Relic's; Datadog.
    ("errors", |body| filled(body, "/errors")),
    ("error", |body| body.get("error").filter(|error| is_filled(error)).map(quoted)),
    // CloudWatch.
    ("StatusCode", |body| {
        let code = |result: &Value| result.get("StatusCode").filter(|code| *code != "Complete").map(quoted);
        list(body, "/MetricDataResults").find_map(code)
    }),
    // InfluxDB.
    ("partial", |body| {
        let of_result = |result: &Value| {
            is_true(result, "/partial")
                .or_else(|| list(result, "/series").find_map(|series| is_true(series, "/partial")))
        };
        list(body, "/results").find_map(of_result)
    }),
    // InfluxDB's statements, searches of Elasticsearch that are sent together.
    ("error", |body| {
        let of = |key| list(body, key).find_map(|result| result.get("error").filter(|error| is_filled(error)));
        of("/results").or_else(|| of("/responses")).map(quoted)
    }),
    // Google Cloud Monitoring.
    ("executionErrors", |body| filled(body, "/executionErrors")),
    ("partialErrors", |body| filled(body, "/partialErrors")),
    ("unreachable", |body| filled(body, "/unreachable").filter(|_| body.get("timeSeries").is_some())),
    // Azure's metrics.
    ("errorCode", |body| {
        let is_error = |metric: &&Value| metric.get("errorCode").is_some_and(|code| code != "Success");
        list(body, "/value").find(is_error).map(quoted)
    }),
];

/// Returns a description of the missing part, if the response says that it is partial. `warnings` are those in Prometheus's format. Keys
/// that the metric's expression reads are data, such as a list of errors to count.
pub(super) fn sign(body: &[u8], warnings: &[String], expression: &str) -> Option<String> {
    if let Some(of_store) = warnings.iter().find(|warning| !warning.starts_with(OF_QUERY)) {
        return Some(of_store.clone());
    }
    // Most responses contain none of the words, and need not be parsed again.
    let contains = |word: &str| body.windows(word.len()).any(|window| window == word.as_bytes());
    let likely: Vec<&Sign> = SIGNS.iter().filter(|(word, _)| contains(word) && !reads(expression, word)).collect();
    if likely.is_empty() {
        return None;
    }
    let body = serde_json::from_slice(body).ok()?;
    likely.into_iter().find_map(|(_, sign)| sign(&body))
}

/// Returns true if a jq expression reads the key `key` of the response itself: `.errors | length`, but neither `.errorRate` nor
/// `.data.errors`.
pub(super) fn reads(expression: &str, key: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    expression.match_indices(key).any(|(at, _)| {
        let (before, after) = (&expression[..at], &expression[at + key.len()..]);
        let before = before.strip_suffix('"').unwrap_or(before);
        let Some(path) = before.strip_suffix('.').or_else(|| before.strip_suffix('[')) else { return false };
        !after.starts_with(is_word) && !path.ends_with(|c: char| is_word(c) || matches!(c, ']' | '"' | ')' | '?'))
    })
}

fn is_true(body: &Value, pointer: &str) -> Option<String> {
    let name = pointer.trim_start_matches('/');
    body.pointer(pointer).filter(|flag| **flag == true).map(|_| format!("`{name}` is true"))
}

fn list<'a>(body: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    body.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Quotes a list of errors, unless it is empty.
fn filled(body: &Value, pointer: &str) -> Option<String> {
    body.pointer(pointer).filter(|list| list.as_array().is_some_and(|list| !list.is_empty())).map(quoted)
}

/// Returns the provider's words, or all of a value without any.
fn quoted(value: &Value) -> String {
    words(value).unwrap_or_else(|| value.to_string())
}

fn failed_shards(body: &Value) -> Option<String> {
    let failed = body.pointer("/_shards/failed").and_then(Value::as_u64).filter(|failed| *failed > 0)?;
    let cause = body.pointer("/_shards/failures").and_then(words).map(|words| format!(": {words}")).unwrap_or_default();
    Some(format!("{failed} shards failed{cause}"))
}

/// Returns true for an error that a field reports, other than a number.
fn is_filled(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(flag) => *flag,
        Value::Null | Value::Number(_) => false,
    }
}

/// Returns the error of a response that has nothing else, so that an expression's default is not taken for a value.
pub(super) fn error_alone(body: &Value) -> Option<String> {
    const BESIDE: [&str; 7] = ["error", "errors", "status", "code", "message", "extensions", "type"];
    let error = ["error", "errors"].into_iter().find_map(|key| body.get(key).filter(|value| is_filled(value)))?;
    let is_beside = |(key, value): (&String, &Value)| value.is_null() || BESIDE.contains(&key.as_str());
    body.as_object()?.iter().all(is_beside).then(|| quoted(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_the_response_itself_are_data() {
        for (expression, key, expected) in [
            (".errors | length", "errors", true),
            ("(.errors // []) | length", "errors", true),
            (".[\"errors\"] | length", "errors", true),
            (".errorRate // 0", "error", false),
            (".data.r.errors", "errors", false),
            (".results[0].error", "error", false),
            ("\"error\"", "error", false),
        ] {
            assert_eq!(reads(expression, key), expected, "{expression}");
        }
        let errors = br#"{"data":{"r":{"errors":0}},"errors":[{"message":"shard timed out"}]}"#;
        assert_eq!(sign(errors, &[], ".data.r.errors").as_deref(), Some("shard timed out"));
        let statement = br#"{"results":[{"statement_id":0,"error":"database not found"}]}"#;
        assert_eq!(sign(statement, &[], ".results[0].series[0].values[0][1]").as_deref(), Some("database not found"));
        let cloud = br#"{"MetricDataResults":[{"StatusCode":"PartialData","Values":[1]}]}"#;
        assert!(sign(cloud, &[], ".MetricDataResults[0].Values[0]").is_some());
        assert!(error_alone(&serde_json::json!({"error": true, "message": "quota"})).is_some());
    }

    #[test]
    fn each_store_has_its_sign() {
        for (body, expected) in [
            (r#"{"status":"success","isPartial":true,"data":{}}"#, "`isPartial` is true"),
            (r#"{"is_partial":true}"#, "`is_partial` is true"),
            (r#"{"timed_out":true,"hits":{}}"#, "`timed_out` is true"),
            (r#"{"terminated_early":true}"#, "`terminated_early` is true"),
            (
                r#"{"_shards":{"total":5,"failed":2,"failures":[{"shard":1,"reason":{"type":"x","reason":"no memory"}}]}}"#,
                "2 shards failed: no memory",
            ),
            (r#"{"data":{"a":1},"errors":[{"message":"one field failed"}]}"#, "one field failed"),
            (r#"{"series":[],"errors":["Invalid query"]}"#, "Invalid query"),
            (r#"{"series":[],"error":"Invalid query"}"#, "Invalid query"),
            (r#"{"MetricDataResults":[{"StatusCode":"Complete"},{"StatusCode":"PartialData"}]}"#, "PartialData"),
            (r#"{"results":[{"series":[{"partial":true}]}]}"#, "`partial` is true"),
            (r#"{"results":[{"partial":true}]}"#, "`partial` is true"),
            (r#"{"timeSeries":[],"executionErrors":[{"code":4,"message":"deadline"}]}"#, "deadline"),
            (r#"{"partialErrors":[{"message":"deadline"}]}"#, "deadline"),
            (r#"{"timeSeries":[],"unreachable":["projects/p"]}"#, "projects/p"),
            (r#"{"tables":[],"error":{"code":"PartialError","message":"truncated"}}"#, "truncated"),
            (r#"{"value":[{"errorCode":"Success"},{"errorCode":"Throttled","message":"slow down"}]}"#, "slow down"),
        ] {
            let found = sign(body.as_bytes(), &[], ".v");
            assert!(found.as_ref().is_some_and(|text| text.contains(expected)), "{body}: {found:?}");
        }
    }

    #[test]
    fn a_whole_response_has_no_sign() {
        for body in [
            r#"{"status":"success","isPartial":false,"data":{}}"#,
            r#"{"timed_out":false,"_shards":{"total":5,"failed":0}}"#,
            r#"{"data":{},"errors":[]}"#,
            r#"{"data":{},"errors":null}"#,
            r#"{"errors":7,"requests":100}"#,
            r#"{"data":{"errors":7}}"#,
            r#"{"MetricDataResults":[{"StatusCode":"Complete"}]}"#,
            r#"{"results":[{"series":[{}]}]}"#,
            r#"{"results":{"partial":true}}"#,
            r#"{"value":[{"errorCode":"Success"}]}"#,
            "not JSON: isPartial",
        ] {
            assert_eq!(sign(body.as_bytes(), &[], ".v"), None, "{body}");
        }
    }

    #[test]
    fn what_the_expression_reads_is_data() {
        let body = br#"{"errors":["a","b"]}"#;
        assert_eq!(sign(body, &[], ".errors | length"), None);
        assert!(sign(body, &[], ".v // 0").is_some());
    }

    #[test]
    fn an_error_alone_leaves_nothing_to_read() {
        let of = |text: &str| error_alone(&serde_json::from_str(text).unwrap());
        for body in [
            r#"{"data":null,"errors":[{"message":"syntax"}]}"#,
            r#"{"errors":["syntax"]}"#,
            r#"{"error":{"message":"syntax"},"status":"error","code":5}"#,
        ] {
            assert_eq!(of(body).as_deref(), Some("syntax"), "{body}");
        }
        for body in
            [r#"{"data":{},"errors":["x"]}"#, r#"{"v":3,"error":"x"}"#, r#"{"errors":[]}"#, r#"{"errors":5}"#, "[]"]
        {
            assert_eq!(of(body), None, "{body}");
        }
    }

    #[test]
    fn warnings_of_stores_are_signs_and_those_of_queries_are_not() {
        let of = |warning: &str| sign(b"{}", &[warning.to_owned()], "");
        assert_eq!(of("PromQL warning: quantile value should be between 0 and 1"), None);
        let thanos = "No StoreAPIs matched for this query";
        assert_eq!(of(thanos).as_deref(), Some(thanos));
    }
}
