//! Signs of partial data, one or more per store.

use serde_json::Value;

use super::failure::is_error;
use super::words::{quoted, words};

/// A sign: the key or word that responses must contain, and the description of the missing part, if there is one.
pub(super) type Sign = (&'static str, fn(&Value) -> Option<String>);

pub(super) const SIGNS: &[Sign] = &[
    // VictoriaMetrics.
    ("isPartial", |body| is_true(body, "/isPartial")),
    // Elasticsearch: asynchronous searches, ES|QL; whole searches; searches over several clusters.
    ("is_partial", |body| is_true(body, "/is_partial")),
    ("timed_out", |body| is_true(body, "/timed_out")),
    ("terminated_early", |body| is_true(body, "/terminated_early")),
    ("_shards", failed_shards),
    ("_clusters", missing_clusters),
    // GraphQL, such as New Relic's; Datadog.
    ("errors", |body| filled(body, "/errors")),
    ("error", |body| body.get("error").filter(|error| is_error(error)).map(quoted)),
    // ClickHouse, whose error may follow the data; Pinot.
    ("exception", |body| body.get("exception").filter(|error| is_error(error)).map(quoted)),
    ("exceptions", |body| filled(body, "/exceptions")),
    ("partialResult", |body| is_true(body, "/partialResult")),
    // CloudWatch.
    ("StatusCode", |body| {
        let code = |result: &Value| result.get("StatusCode").filter(|code| *code != "Complete").map(quoted);
        list(body, "/MetricDataResults").find_map(code)
    }),
    // Queries of CloudWatch Logs that have not ended.
    ("status", |body| {
        let is_open = |status: &&Value| {
            ["Scheduled", "Running", "Failed", "Cancelled", "Timeout", "Unknown"]
                .into_iter()
                .any(|open| **status == open)
        };
        body.get("results")?;
        body.get("status").filter(is_open).map(|status| format!("the query's status is {status}"))
    }),
    // InfluxDB.
    ("partial", |body| {
        let of_result = |result: &Value| {
            is_true(result, "/partial")
                .or_else(|| list(result, "/series").find_map(|series| is_true(series, "/partial")))
        };
        list(body, "/results").find_map(of_result)
    }),
    // InfluxDB's statements.
    ("error", |body| {
        list(body, "/results").find_map(|result| result.get("error").filter(|error| is_error(error))).map(quoted)
    }),
    // Grafana: an entry per query.
    ("error", failed_queries),
    ("status", failed_queries),
    // Google Cloud Monitoring; BigQuery.
    ("executionErrors", |body| filled(body, "/executionErrors")),
    ("partialErrors", |body| filled(body, "/partialErrors")),
    ("unreachable", |body| filled(body, "/unreachable").filter(|_| body.get("timeSeries").is_some())),
    ("jobComplete", |body| is_false(body, "/jobComplete")),
    // Azure's metrics.
    ("errorCode", |body| {
        let is_error = |metric: &&Value| metric.get("errorCode").is_some_and(|code| code != "Success");
        list(body, "/value").find(is_error).map(quoted)
    }),
    // Splunk.
    ("preview", |body| is_true(body, "/preview").filter(|_| body.get("results").is_some())),
    ("messages", |body| {
        let is_error = |message: &&Value| ["ERROR", "FATAL"].into_iter().any(|kind| message["type"] == kind);
        list(body, "/messages")
            .find(is_error)
            .map(|message| message["text"].as_str().map_or_else(|| quoted(message), str::to_owned))
    }),
    // Logs of Datadog.
    ("meta", |body| {
        let status = body.pointer("/meta/status").filter(|status| **status == "timeout");
        status.map(|status| format!("the query's status is {status}")).or_else(|| filled(body, "/meta/warnings"))
    }),
    // New Relic; Honeycomb.
    ("incomplete", |body| is_true(body, "/incomplete").or_else(|| is_true(body, "/metadata/incomplete"))),
    ("complete", |body| is_false(body, "/complete")),
    // GraphQL: the first of several responses.
    ("hasNext", |body| {
        let is_of_response = |key: &String| {
            ["data", "errors", "extensions", "hasNext", "incremental", "pending"].contains(&key.as_str())
        };
        let is_alone = body.as_object().is_some_and(|map| map.contains_key("data") && map.keys().all(is_of_response));
        is_true(body, "/hasNext").filter(|_| is_alone)
    }),
    // Trino, Presto.
    ("nextUri", |body| {
        let state = body.pointer("/stats/state").filter(|state| **state != "FINISHED")?;
        Some(format!("the query's state is {state}"))
    }),
];

fn is_true(body: &Value, pointer: &str) -> Option<String> {
    flag(body, pointer, true)
}

fn is_false(body: &Value, pointer: &str) -> Option<String> {
    flag(body, pointer, false)
}

fn flag(body: &Value, pointer: &str, wanted: bool) -> Option<String> {
    let name = pointer.rsplit('/').next().unwrap_or_default();
    body.pointer(pointer).filter(|flag| **flag == wanted).map(|_| format!("`{name}` is {wanted}"))
}

fn list<'a>(body: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    body.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Quotes a list of errors, unless it is empty.
fn filled(body: &Value, pointer: &str) -> Option<String> {
    body.pointer(pointer).filter(|list| list.as_array().is_some_and(|list| !list.is_empty())).map(quoted)
}

fn failed_shards(body: &Value) -> Option<String> {
    let count = |key: &str| body.pointer("/_shards").and_then(|shards| shards.get(key)).and_then(Value::as_u64);
    let failed = count("failed").unwrap_or_default();
    if let (0, Some(total), Some(successful)) = (failed, count("total"), count("successful")) {
        return (successful < total).then(|| format!("{successful} of {total} shards have answered"));
    }
    if failed == 0 {
        return None;
    }
    let cause = body.pointer("/_shards/failures").and_then(words).map(|words| format!(": {words}")).unwrap_or_default();
    Some(format!("{failed} shards failed{cause}"))
}

fn failed_queries(body: &Value) -> Option<String> {
    let of_query = |query: &Value| {
        let is_failed = query.get("status").and_then(Value::as_u64).is_some_and(|status| status >= 400);
        let error = query.get("error").filter(|error| is_error(error));
        error.map(quoted).or_else(|| is_failed.then(|| quoted(query)))
    };
    body.get("results")?.as_object()?.values().find_map(of_query)
}

fn missing_clusters(body: &Value) -> Option<String> {
    let count = |key: &str| body.pointer(&format!("/_clusters/{key}")).and_then(Value::as_u64).unwrap_or_default();
    let missing = ["skipped", "partial", "failed", "running"].into_iter().map(count).sum::<u64>();
    (missing > 0).then(|| format!("{missing} of {} clusters have not answered in full", count("total")))
}
