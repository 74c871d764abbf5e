//! Signs that a response with status 2xx holds only a part of the data: some of the provider's stores, shards or queries failed.
//!
//! Each store has a sign of its own. A number computed from partial data may be far too low, so it must not satisfy an objective unnoticed.

use serde_json::Value;

use super::signs::{SIGNS, Sign, is_filled, quoted};
use super::words::words;

/// Maximum number of responses within a response that are searched.
const MAX_PARTS: usize = 100;

/// Prefix of Prometheus's own remarks about a query. Other warnings are those of stores that could not be read: remote read in
/// Prometheus, partial responses in Thanos and in stores that are compatible with it.
const OF_QUERY: &str = "PromQL ";

/// Returns a description of the missing part, if the response says that it is partial. `warnings` are those in Prometheus's format. Keys
/// that the metric's expression reads are data, such as a list of errors to count.
pub(super) fn sign(body: &[u8], warnings: &[String], expression: &str) -> Option<String> {
    if let Some(of_store) = warnings.iter().find(|warning| !warning.starts_with(OF_QUERY)) {
        return Some(of_store.clone());
    }
    // Most responses contain none of the words, and need not be parsed again.
    let contains = |word: &str| body.windows(word.len()).any(|window| window == word.as_bytes());
    let likely: Vec<&Sign> = SIGNS.iter().filter(|(word, _)| contains(word)).collect();
    if likely.is_empty() {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let of_whole = likely.iter().filter(|(word, _)| !reads(expression, word)).find_map(|(_, sign)| sign(&body));
    let mentions = |word: &str| expression.contains(&format!(".{word}"));
    let of_parts = || {
        let signs = likely.iter().filter(|(word, _)| !mentions(word));
        parts(&body).find_map(|part| signs.clone().find_map(|(_, sign)| sign(part)))
    };
    of_whole.or_else(of_parts)
}

/// Returns the responses within a response: of requests that were sent together, or of an asynchronous one. Other items of a list are rows.
fn parts(body: &Value) -> impl Iterator<Item = &Value> {
    let is_response = |item: &&Value| ["data", "hits", "_shards"].into_iter().any(|key| item.get(key).is_some());
    let one = ["response", "rawResponse"].into_iter().filter_map(|key| body.get(key));
    let of_list = items(Some(body)).iter().filter(is_response);
    one.chain(items(body.get("responses")).iter().chain(of_list).take(MAX_PARTS))
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
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

/// Returns the error of a response that has nothing else, so that an expression's default is not taken for a value.
pub(super) fn error_alone(body: &Value) -> Option<String> {
    const ERRORS: [&str; 9] =
        ["error", "errors", "Error", "fault", "exception", "errorMessage", "errorType", "__type", "odata.error"];
    const BESIDE: [&str; 11] = [
        "status",
        "code",
        "message",
        "Message",
        "extensions",
        "type",
        "success",
        "ok",
        "timestamp",
        "requestId",
        "path",
    ];
    let map = body.as_object()?;
    let is_beside = |(key, value): (&String, &Value)| {
        value.is_null() || ERRORS.contains(&key.as_str()) || BESIDE.contains(&key.as_str())
    };
    if !map.iter().all(is_beside) {
        return None;
    }
    let is_status = |value: &Value| value.as_u64().is_some_and(|status| (400..600).contains(&status));
    let of_key = ERRORS.into_iter().find_map(|key| map.get(key).filter(|value| is_filled(value) || is_status(value)));
    let is_refused = || {
        let has_message = map.contains_key("message") || map.contains_key("Message");
        let is_false = |key: &str| map.get(key) == Some(&Value::Bool(false));
        let has_status = ["code", "status"].into_iter().any(|key| map.get(key).is_some_and(is_status));
        is_false("success") || is_false("ok") || (has_message && has_status)
    };
    match of_key {
        Some(error) => Some(words(body).unwrap_or_else(|| quoted(error))),
        None => is_refused().then(|| quoted(body)),
    }
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
            (r#"{"data":[{"e":0}],"exception":"Code: 159. Timeout exceeded"}"#, "Timeout exceeded"),
            (r#"{"responses":[{"took":1},{"timed_out":true,"hits":{}}]}"#, "`timed_out` is true"),
            (r#"{"is_partial":false,"response":{"_shards":{"failed":3}}}"#, "3 shards failed"),
            (r#"{"_clusters":{"total":3,"successful":2,"skipped":1},"hits":{}}"#, "1 of 3 clusters"),
            (r#"{"preview":true,"results":[{"e":"0"}]}"#, "`preview` is true"),
            (r#"{"results":[{"e":"0"}],"messages":[{"type":"ERROR","text":"a peer is down"}]}"#, "a peer is down"),
            (r#"{"partialResult":true,"resultTable":{}}"#, "`partialResult` is true"),
            (r#"{"exceptions":[{"errorCode":250,"message":"servers failed"}],"resultTable":{}}"#, "servers failed"),
            (r#"{"data":{},"meta":{"status":"timeout"}}"#, "timeout"),
            (r#"{"data":{},"meta":{"warnings":[{"detail":"too many groups"}]}}"#, "too many groups"),
            (r#"{"results":[],"metadata":{"incomplete":true}}"#, "`incomplete` is true"),
            (r#"{"results":{"A":{"error":"bad gateway","status":502,"frames":[]}}}"#, "bad gateway"),
            (r#"[{"data":{"e":0},"errors":[{"message":"one failed"}]}]"#, "one failed"),
            (r#"{"jobComplete":false}"#, "`jobComplete` is false"),
            (r#"{"complete":false,"rows":[]}"#, "`complete` is false"),
            (r#"{"status":"Running","results":[]}"#, "Running"),
            (r#"{"stats":{"state":"QUEUED"},"nextUri":"http://h/1"}"#, "QUEUED"),
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
            r#"{"_clusters":{"total":3,"successful":3,"skipped":0}}"#,
            r#"{"preview":false,"results":[{"messages":5}],"messages":[{"type":"INFO","text":"x"}]}"#,
            r#"{"data":{},"meta":{"status":"done","warnings":[]}}"#,
            r#"{"results":{"A":{"status":200,"frames":[]}}}"#,
            r#"[{"data":{"e":0}}]"#,
            r#"{"status":"Complete","results":[]}"#,
            r#"{"status":"success","results":[]}"#,
            r#"{"complete":5,"exception":""}"#,
            r#"{"stats":{"state":"FINISHED"}}"#,
            r#"{"data":{},"meta":{"status":"success"}}"#,
            r#"[{"error":"timeout","c":3},{"complete":false,"c":1}]"#,
            "not JSON: isPartial",
        ] {
            assert_eq!(sign(body.as_bytes(), &[], ".v"), None, "{body}");
        }
    }

    #[test]
    fn what_the_expression_reads_is_data() {
        let body = br#"{"errors":["a","b"]}"#;
        assert_eq!(sign(body, &[], ".errors | length"), None);
        let batch = br#"[{"data":null,"errors":["a","b"]}]"#;
        assert_eq!(sign(batch, &[], ".[0].errors | length"), None);
        let grafana = br#"{"results":{"A":{"status":200},"B":{"error":"bad gateway","status":502,"frames":[]}}}"#;
        let read = sign(grafana, &[], "(.results.B.frames[0].data.values[1][0]) // 0");
        assert_eq!(read.as_deref(), Some("bad gateway"));
        assert!(sign(batch, &[], ".[0].v // 0").is_some());
        assert!(sign(body, &[], ".v // 0").is_some());
    }

    #[test]
    fn an_error_alone_leaves_nothing_to_read() {
        let of = |text: &str| error_alone(&serde_json::from_str(text).unwrap());
        for body in [
            r#"{"data":null,"errors":[{"message":"syntax"}]}"#,
            r#"{"errors":["syntax"]}"#,
            r#"{"error":{"message":"syntax"},"status":"error","code":5}"#,
            r#"{"errorType":"X","errorMessage":"syntax","message":"syntax"}"#,
            r#"{"__type":"ThrottlingException","message":"syntax"}"#,
            r#"{"fault":{"message":"syntax"}}"#,
            r#"{"error":500,"message":"syntax"}"#,
            r#"{"success":false,"message":"syntax"}"#,
            r#"{"code":401,"message":"syntax"}"#,
            r#"{"Error":{"Message":"syntax"}}"#,
            r#"{"odata.error":{"message":"syntax"}}"#,
        ] {
            assert_eq!(of(body).as_deref(), Some("syntax"), "{body}");
        }
        for body in [
            r#"{"data":{},"errors":["x"]}"#,
            r#"{"v":3,"error":"x"}"#,
            r#"{"errors":[]}"#,
            r#"{"errors":5}"#,
            "[]",
            r#"{"ok":true}"#,
            r#"{"code":200,"message":"x"}"#,
            r#"{"error":0}"#,
            "{}",
        ] {
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
