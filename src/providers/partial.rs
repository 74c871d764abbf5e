//! Signs that a response with status 2xx holds only a part of the data: some of the provider's stores, shards or queries failed.
//!
//! Each store has a sign of its own. A number computed from partial data may be far too low, so it must not satisfy an objective unnoticed.

use serde_json::Value;

use super::jq_text::reads;
use super::question::Question;
use super::signs::{SIGNS, Sign};
use super::{flags, nested, pages};

/// Maximum number of responses within a response that are searched.
const MAX_PARTS: usize = 100;

/// Prefix of Prometheus's own remarks about a query. Other warnings are those of stores that could not be read: remote read in
/// Prometheus, partial responses in Thanos and in stores that are compatible with it.
const OF_QUERY: &str = "PromQL ";

/// Returns a description of the missing part, if the response says that it is partial. `warnings` are those in Prometheus's format. Keys
/// that the metric's expression reads are data, such as a list of errors to count.
pub(super) fn sign(status: u16, body: &[u8], warnings: &[String], question: &Question<'_>) -> Option<String> {
    let of_status = match status {
        202 => Some("the status is 202 (accepted), so the query may not have ended"),
        206 => Some("the status is 206 (partial content)"),
        207 => Some("the status is 207 (multi-status)"),
        226 => Some("the status is 226 (a change only)"),
        _ => None,
    };
    let of_store = warnings.iter().find(|warning| !warning.starts_with(OF_QUERY)).cloned();
    of_status.map(str::to_owned).or(of_store).or_else(|| in_body(body, question))
}

fn in_body(body: &[u8], question: &Question<'_>) -> Option<String> {
    // Most responses contain none of the words of a store.
    let contains = |word: &str| body.windows(word.len()).any(|window| window == word.as_bytes());
    let likely: Vec<&Sign> = SIGNS.iter().filter(|(word, _)| contains(word)).collect();
    let body: Value = serde_json::from_slice(body).ok()?;
    let is_data = |word: &str| reads(question.text, word) || question.reads(&["results"], word);
    let of_whole = likely.iter().filter(|(word, _)| !is_data(word)).find_map(|(_, sign)| sign(&body));
    let mentions = |word: &str| question.text.contains(&format!(".{word}"));
    let of_parts = || {
        let signs = likely.iter().filter(|(word, _)| !mentions(word));
        parts(&body).find_map(|part| signs.clone().find_map(|(_, sign)| sign(part)))
    };
    let in_words = || {
        let within = || nested::sign(&body, question);
        flags::sign(&body, question).or_else(|| pages::sign(&body, question)).or_else(within)
    };
    of_whole.or_else(of_parts).or_else(in_words)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::ProviderSpec;

    fn sign(body: &[u8], warnings: &[String], expression: &str) -> Option<String> {
        of_status(200, body, warnings, expression)
    }

    fn of_status(status: u16, body: &[u8], warnings: &[String], expression: &str) -> Option<String> {
        let metric = serde_json::json!({"name": "m", "jqExpression": (!expression.is_empty()).then_some(expression)});
        let spec =
            ProviderSpec::read(&serde_json::json!({"url": "http://p", "metrics": [metric]}).to_string()).unwrap();
        super::sign(status, body, warnings, &Question::of(&spec.metrics[0]))
    }

    #[test]
    fn statuses_of_incomplete_responses_are_signs() {
        for status in [202, 206, 207, 226] {
            let sign = of_status(status, b"{\"v\":0}", &[], ".v").unwrap();
            assert!(sign.contains(&format!("the status is {status} (")), "{sign}");
        }
        for status in [200, 201, 203, 299] {
            assert_eq!(of_status(status, b"{\"v\":0}", &[], ".v"), None, "{status}");
        }
    }

    #[test]
    fn a_key_that_is_read_elsewhere_is_no_data() {
        let errors = br#"{"data":{"r":{"errors":0}},"errors":[{"message":"shard timed out"}]}"#;
        assert_eq!(sign(errors, &[], ".data.r.errors").as_deref(), Some("shard timed out"));
        let statement = br#"{"results":[{"statement_id":0,"error":"database not found"}]}"#;
        assert_eq!(sign(statement, &[], ".results[0].series[0].values[0][1]").as_deref(), Some("database not found"));
        let cloud = br#"{"MetricDataResults":[{"StatusCode":"PartialData","Values":[1]}]}"#;
        assert!(sign(cloud, &[], ".MetricDataResults[0].Values[0]").is_some());
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
            (r#"{"results":{"partial":true}}"#, "`partial` is true"),
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
    fn warnings_of_stores_are_signs_and_those_of_queries_are_not() {
        let of = |warning: &str| sign(b"{}", &[warning.to_owned()], "");
        assert_eq!(of("PromQL warning: quantile value should be between 0 and 1"), None);
        let thanos = "No StoreAPIs matched for this query";
        assert_eq!(of(thanos).as_deref(), Some(thanos));
    }
}
