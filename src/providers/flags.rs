//! Flags and statuses by which a response says that it is partial, in any spelling and of any provider.

use serde_json::{Map, Value};

use super::failure;
use super::keys::{find, is_false, is_filled, is_true, normal};
use super::question::Question;
use super::words::{quoted, words};

/// Flags that are true for partial data.
const PARTIAL: [&str; 34] = [
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
    "isaborted",
    "iscancelled",
    "isfailed",
    "isfinalized",
    "isincomplete",
    "ispartial",
    "ispartialresponse",
    "isstale",
    "istimedout",
    "istruncated",
    "limitexceeded",
    "limitreached",
    "maxrowsinjoinreached",
    "numgroupslimitreached",
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
const COMPLETE: [&str; 13] = [
    "allcomplete",
    "complete",
    "completed",
    "done",
    "finished",
    "iscomplete",
    "iscompleted",
    "isdone",
    "isfinished",
    "isfullresult",
    "jobcomplete",
    "querycomplete",
    "searchcomplete",
];

/// Words in keys that echo what a request allows, such as `allow_partial_search_results`.
const OF_REQUEST: [&str; 7] = ["accept", "allow", "enable", "ignore", "permit", "request", "support"];

/// Words in keys of parts that are missing, and the parts: `failedShards`, `unreachable_zones`.
const MISSING: [&str; 5] = ["failed", "missing", "unavailable", "unqueried", "unreachable"];
const PARTS: [&str; 14] = [
    "backends",
    "clusters",
    "indices",
    "ingesters",
    "locations",
    "partitions",
    "peers",
    "regions",
    "segments",
    "servers",
    "shards",
    "splits",
    "stores",
    "zones",
];

/// Parts of a query whose errors make data partial, such as in `shardErrors` and `subqueryFailures`.
const OF_PARTS: [&str; 11] = [
    "backend",
    "datasource",
    "execution",
    "partial",
    "query",
    "search",
    "segment",
    "shard",
    "split",
    "store",
    "subquery",
];

/// Keys of the number of parts that were asked, and of those that answered.
const ASKED: [(&str, &str); 5] = [
    ("numserversqueried", "numserversresponded"),
    ("serversqueried", "serversresponded"),
    ("shardsqueried", "shardsresponded"),
    ("storesqueried", "storesresponded"),
    ("nodesqueried", "nodesresponded"),
];

/// Keys of statuses.
const STATUSES: [&str; 8] =
    ["completeness", "dispatchstate", "querystate", "querystatus", "resultstatus", "state", "status", "statuscode"];

/// Statuses that only queries have: Sumo Logic, Splunk.
const OF_SEARCHES: [&str; 5] = ["finalizing", "forcepaused", "gatheringresults", "notfinished", "parsing"];

/// Statuses of queries that have not ended.
const PENDING: [&str; 13] = [
    "accepted",
    "executing",
    "inprogress",
    "initializing",
    "notstarted",
    "paused",
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
            of_object(inner, &|name| question.reads(&[key.as_str()], name), false).or_else(of_error)
        };
        map.iter().find_map(of_inner)
    };
    let error_in_data = || {
        let data = find(map, "data")?.as_object()?;
        let errors = ["error", "errors"].into_iter().filter(|key| !question.reads(&["data"], key));
        errors.filter_map(|key| data.get(key)).find(|error| is_filled(error)).map(quoted)
    };
    of_object(map, &|key| question.reads(&[], key), false)
        .or_else(|| failure::beside_data(map, &|key| question.reads(&[], key)))
        .or_else(error_in_data)
        .or_else(inner)
        .or_else(|| messages(map))
        .or_else(|| lower_bound(body, question))
}

/// Returns the flag or status of an object that makes it partial. A query has a status without results, too.
pub(super) fn of_object(map: &Map<String, Value>, is_data: &dyn Fn(&str) -> bool, is_of_query: bool) -> Option<String> {
    let has_results = map.iter().any(|(key, value)| RESULTS.contains(&normal(key).as_str()) && !value.is_null());
    let is_search = || has_results || ["response", "rawresponse"].iter().any(|word| find(map, word).is_some());
    let of_entry = |(key, value): (&String, &Value)| {
        let name = normal(key);
        let name = name.as_str();
        let is_running = name == "isrunning" && is_true(value) && is_search();
        if is_running
            || is_partial_flag(name, value)
            || is_completion_denied(name, value)
            || is_missing_part(name, value)
            || is_error_of_part(name, value)
        {
            return Some(format!(
                "`{key}` is {}",
                if let Value::String(text) = value { text.clone() } else { value.to_string() }
            ));
        }
        let status = STATUSES.contains(&name).then(|| status_of(value)).flatten()?;
        let word = normal(status);
        let is_partial = ["partial", "incomplete", "truncated"].iter().any(|part| word.contains(part));
        let is_pending = OF_SEARCHES.contains(&word.as_str())
            || (name == "dispatchstate" && word != "done")
            || ((has_results || is_of_query) && PENDING.contains(&word.as_str()));
        (is_partial || is_pending).then(|| format!("the {key} is {status}"))
    };
    let of_numbers = || {
        let number = |word: &str| find(map, word).and_then(Value::as_f64);
        ASKED.iter().find_map(|(asked, answered)| {
            let (all, part) = (number(asked)?, number(answered)?);
            (part < all && !is_data(asked) && !is_data(answered))
                .then(|| format!("only {part} of {all} queried parts responded"))
        })
    };
    map.iter().filter(|(key, _)| !is_data(key)).find_map(of_entry).or_else(of_numbers)
}

/// Returns a status, which may be within an object: `{"status": {"state": "RUNNING"}}`.
fn status_of(value: &Value) -> Option<&str> {
    match value {
        Value::Object(map) => {
            ["state", "status", "phase"].iter().find_map(|word| find(map, word)).and_then(Value::as_str)
        }
        other => other.as_str(),
    }
}

fn is_partial_flag(name: &str, value: &Value) -> bool {
    let is_listed = PARTIAL.contains(&name);
    let is_named = name.contains("partial") && !OF_REQUEST.iter().any(|word| name.contains(word));
    (is_listed && is_partial(value))
        || (is_named && is_true(value))
        || (matches!(name, "aborted" | "failed") && *value == true)
}

fn is_completion_denied(name: &str, value: &Value) -> bool {
    let is_zero = || name.starts_with("is") && value.as_f64() == Some(0.0);
    let is_begun = || name == "doneprogress" && value.as_f64().is_some_and(|progress| progress < 1.0);
    (COMPLETE.contains(&name) && (is_false(value) || is_zero())) || is_begun()
}

/// Returns true for errors of parts of a query, with words.
fn is_error_of_part(name: &str, value: &Value) -> bool {
    let part = ["error", "errors", "failure", "failures"].iter().find_map(|word| name.strip_suffix(word));
    part.is_some_and(|part| OF_PARTS.contains(&part)) && words(value).is_some_and(|text| failure::is_bad_news(&text))
}

/// Returns true for parts that are missing: a list of them, or their number.
fn is_missing_part(name: &str, value: &Value) -> bool {
    let is_missing = MISSING.iter().any(|word| name.contains(word)) && PARTS.iter().any(|part| name.ends_with(part));
    let is_list = || matches!(value, Value::Array(_) | Value::Object(_)) && is_filled(value);
    (is_missing && (is_list() || value.as_f64().is_some_and(|number| number > 0.0)))
        || (name == "unreachable" && is_list())
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
