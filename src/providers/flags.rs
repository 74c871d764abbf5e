//! Flags and statuses by which a response says that it is partial, in any spelling and of any provider.

use serde_json::{Map, Value};

use super::failure;
use super::keys::{find, is_false, is_filled, is_true, normal};
use super::question::Question;
use super::words::quoted;

/// Flags that are true for partial data.
const PARTIAL: [&str; 27] = [
    "datatruncated",
    "degraded",
    "haserror",
    "haserrors",
    "haspartialdata",
    "haspartialresults",
    "incomplete",
    "incompletedata",
    "incompleteresult",
    "incompleteresults",
    "isincomplete",
    "ispartial",
    "ispartialresponse",
    "isstale",
    "istruncated",
    "limitexceeded",
    "limitreached",
    "partial",
    "partialdata",
    "partialresponse",
    "partialresult",
    "partialresults",
    "resultstruncated",
    "stale",
    "terminatedearly",
    "timedout",
    "truncated",
];

/// Flags that are false for partial data.
const COMPLETE: [&str; 5] = ["allcomplete", "complete", "iscomplete", "iscompleted", "jobcomplete"];

/// Keys of statuses.
const STATUSES: [&str; 7] =
    ["completeness", "querystate", "querystatus", "resultstatus", "state", "status", "statuscode"];

/// Statuses of queries that have not ended.
const PENDING: [&str; 12] = [
    "accepted",
    "executing",
    "inprogress",
    "initializing",
    "notstarted",
    "pending",
    "planning",
    "processing",
    "queued",
    "running",
    "scheduled",
    "started",
];

/// Keys of results, which make a status that of a query.
const RESULTS: [&str; 7] = ["data", "hits", "records", "result", "results", "rows", "series"];

/// Objects within a response that describe it.
const ABOUT: [&str; 6] = ["data", "meta", "metadata", "result", "stats", "statistics"];

/// Returns a description of the missing part, if flags, statuses or errors of the response name one.
pub(super) fn sign(body: &Value, question: &Question<'_>) -> Option<String> {
    let map = match body {
        Value::Object(map) => map,
        Value::Array(frames) => return frames.iter().find_map(of_frame),
        _ => return None,
    };
    let inner = || {
        let of_inner = |(key, value): (&String, &Value)| {
            let inner = value.as_object().filter(|_| ABOUT.contains(&normal(key).as_str()))?;
            let of_error = || {
                let is_about = matches!(normal(key).as_str(), "meta" | "metadata");
                is_about.then(|| failure::beside_data(inner, &|name| question.reads(&[key.as_str()], name))).flatten()
            };
            of_object(inner, &[key.as_str()], question).or_else(of_error)
        };
        map.iter().find_map(of_inner)
    };
    let error_in_data = || {
        let data = find(map, "data")?.as_object()?;
        let errors = ["error", "errors"].into_iter().filter(|key| !question.reads(&["data"], key));
        errors.filter_map(|key| data.get(key)).find(|error| is_filled(error)).map(quoted)
    };
    of_object(map, &[], question)
        .or_else(|| failure::beside_data(map, &|key| question.reads(&[], key)))
        .or_else(error_in_data)
        .or_else(inner)
        .or_else(|| messages(map))
        .or_else(|| lower_bound(body, question))
}

fn of_object(map: &Map<String, Value>, path: &[&str], question: &Question<'_>) -> Option<String> {
    let has_results = map.iter().any(|(key, value)| RESULTS.contains(&normal(key).as_str()) && !value.is_null());
    map.iter().filter(|(key, _)| !question.reads(path, key)).find_map(|(key, value)| {
        let name = normal(key);
        let name = name.as_str();
        if (PARTIAL.contains(&name) && is_partial(value)) || (COMPLETE.contains(&name) && is_false(value)) {
            return Some(format!(
                "`{key}` is {}",
                if let Value::String(text) = value { text.clone() } else { value.to_string() }
            ));
        }
        let status = STATUSES.contains(&name).then(|| value.as_str()).flatten()?;
        let word = normal(status);
        let is_partial = ["partial", "incomplete", "truncated"].iter().any(|part| word.contains(part));
        let is_pending = has_results && PENDING.contains(&word.as_str());
        (is_partial || is_pending).then(|| format!("the {key} is {status}"))
    })
}

/// Returns true for a flag, or an explanation in its place.
fn is_partial(value: &Value) -> bool {
    let is_explanation = |text: &str| {
        !matches!(normal(text).as_str(), "" | "false" | "no" | "0" | "none" | "null" | "full" | "complete")
    };
    is_true(value) || value.as_str().is_some_and(is_explanation)
}

/// Kusto: a response is a list of frames, the last of which tells the end of the query.
fn of_frame(frame: &Value) -> Option<String> {
    let map = frame.as_object().filter(|map| map.contains_key("FrameType"))?;
    let flag = ["HasErrors", "Cancelled"].into_iter().find(|key| map.get(*key).is_some_and(is_true));
    let errors = map.get("OneApiErrors").filter(|errors| is_filled(errors));
    errors.map(quoted).or_else(|| flag.map(|flag| format!("`{flag}` is true")))
}

/// CloudWatch: a message says what was left out.
fn messages(map: &Map<String, Value>) -> Option<String> {
    let results = map.get("MetricDataResults")?.as_array()?;
    let of_results = results.iter().filter_map(|result| result.get("Messages"));
    let message = |entry: &Value| entry.get("Value").map_or_else(|| quoted(entry), quoted);
    map.get("Messages").into_iter().chain(of_results).filter_map(Value::as_array).flatten().next().map(message)
}

/// Elasticsearch counts the hits up to a limit.
fn lower_bound(body: &Value, question: &Question<'_>) -> Option<String> {
    let total =
        body.pointer("/hits/total").filter(|total| total.get("relation").is_some_and(|relation| relation == "gte"))?;
    let value = total.get("value")?;
    question
        .reads(&["hits"], "total")
        .then(|| format!("`hits.total` is at least {value}; `track_total_hits` counts all"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::ProviderSpec;

    fn sign_of(expression: &str, body: &str) -> Option<String> {
        let text =
            serde_json::json!({"url": "http://p", "metrics": [{"name": "m", "jqExpression": expression}]}).to_string();
        let spec = ProviderSpec::read(&text).unwrap();
        sign(&serde_json::from_str(body).unwrap(), &Question::of(&spec.metrics[0]))
    }

    #[test]
    fn partial_data_is_found_in_every_spelling() {
        for (body, expected) in [
            (r#"{"v":0,"isPartial":"true"}"#, "`isPartial` is true"),
            (r#"{"v":0,"isPartial":1}"#, "`isPartial` is 1"),
            (r#"{"v":0,"partial":true}"#, "`partial` is true"),
            (r#"{"v":0,"partialResponse":true}"#, "`partialResponse` is true"),
            (r#"{"v":0,"partial_data":"yes"}"#, "`partial_data` is yes"),
            (r#"{"v":0,"Truncated":true}"#, "`Truncated` is true"),
            (r#"{"v":0,"incomplete_results":true}"#, "`incomplete_results` is true"),
            (r#"{"v":0,"timedOut":true}"#, "`timedOut` is true"),
            (r#"{"v":0,"isComplete":false}"#, "`isComplete` is false"),
            (r#"{"v":0,"data":{"isPartial":true}}"#, "`isPartial` is true"),
            (r#"{"v":0,"meta":{"truncated":true}}"#, "`truncated` is true"),
            (r#"{"v":0,"data":{"error":"db down"}}"#, "db down"),
            (r#"{"v":0,"meta":{"errors":["db down"]}}"#, "db down"),
            (r#"{"v":0,"limit_reached":true}"#, "`limit_reached` is true"),
            (r#"{"v":0,"status":"PARTIAL","message":"limit reached"}"#, "the status is PARTIAL"),
            (r#"{"v":0,"state":"partially_succeeded"}"#, "the state is partially_succeeded"),
            (r#"{"v":0,"metadata":{"status":"INCOMPLETE"}}"#, "the status is INCOMPLETE"),
            (r#"{"v":0,"status":"in_progress","rows":[]}"#, "the status is in_progress"),
            (r#"{"v":0,"status":"failed"}"#, "`status` is \"failed\""),
            (r#"{"v":0,"Errors":["x"]}"#, "x"),
            (
                r#"{"MetricDataResults":[{"Values":[0]}],"Messages":[{"Code":"X","Value":"too many metrics"}]}"#,
                "too many",
            ),
            (r#"{"MetricDataResults":[{"Values":[0],"Messages":[{"Code":"X","Value":"throttled"}]}]}"#, "throttled"),
            (
                r#"[{"FrameType":"DataTable","Rows":[[0]]},{"FrameType":"DataSetCompletion","HasErrors":true,"OneApiErrors":[{"error":{"message":"shard failed"}}]}]"#,
                "shard failed",
            ),
            (r#"[{"FrameType":"DataSetCompletion","HasErrors":false,"Cancelled":true}]"#, "`Cancelled` is true"),
        ] {
            let found = sign_of(".v // 0", body);
            assert!(found.as_ref().is_some_and(|text| text.contains(expected)), "{body}: {found:?}");
        }
        let gte = r#"{"hits":{"total":{"value":10000,"relation":"gte"}}}"#;
        assert!(sign_of(".hits.total.value", gte).unwrap().contains("at least 10000"));
    }

    #[test]
    fn whole_data_and_what_the_expression_reads_have_no_sign() {
        for (expression, body) in [
            (".v", r#"{"v":0,"isPartial":"false","partial":0,"truncated":null,"timed_out":false}"#),
            (".v", r#"{"v":0,"partial":7,"complete":true,"incomplete":{"a":1}}"#),
            (".v", r#"{"v":0,"status":"running"}"#),
            (".partial", r#"{"partial":1}"#),
            (".data.truncated", r#"{"data":{"truncated":1}}"#),
            (".v", r#"{"v":0,"data":{"error":"","errors":7}}"#),
            (".data.errors | length", r#"{"data":{"errors":["a"]}}"#),
            (
                ".MetricDataResults[0].Values[0]",
                r#"{"MetricDataResults":[{"Values":[0],"Messages":[]}],"Messages":[]}"#,
            ),
            (
                ".[0].Rows[0][0]",
                r#"[{"Rows":[[0]]},{"FrameType":"DataSetCompletion","HasErrors":false,"Cancelled":false}]"#,
            ),
            (".[0].v", r#"[{"v":0,"HasErrors":true}]"#),
            (".hits.total.value", r#"{"hits":{"total":{"value":3,"relation":"eq"}}}"#),
            (
                ".aggregations.a.value",
                r#"{"hits":{"total":{"value":10000,"relation":"gte"}},"aggregations":{"a":{"value":1}}}"#,
            ),
        ] {
            assert_eq!(sign_of(expression, body), None, "{expression} {body}");
        }
    }
}
