//! Words by which a response with status 2xx says that the query failed.

use serde_json::{Map, Value};

use super::keys::{find, is_false, is_filled, normal};
use super::words::{quoted, words};

/// Keys of errors.
const ERRORS: [&str; 27] = [
    "err",
    "errmsg",
    "error",
    "errorcode",
    "errordescription",
    "errordetail",
    "errordetails",
    "errorinfo",
    "errormessage",
    "errormsg",
    "errors",
    "errortype",
    "errs",
    "exception",
    "exceptionmessage",
    "exceptions",
    "failure",
    "failurereason",
    "failures",
    "fault",
    "faultstring",
    "odataerror",
    "partialerror",
    "partialerrors",
    "pendingerrors",
    "queryerror",
    "stacktrace",
];

/// Keys of messages, which accompany errors and successes.
const MESSAGES: [&str; 6] = ["cause", "detail", "details", "message", "msg", "reason"];

/// Keys of statuses.
const STATUSES: [&str; 10] = [
    "code",
    "httpcode",
    "httpstatus",
    "httpstatuscode",
    "outcome",
    "querystatus",
    "responsestatus",
    "state",
    "status",
    "statuscode",
];

/// Flags that are false if the query failed.
const SUCCESS: [&str; 5] = ["issuccess", "ok", "succeeded", "success", "successful"];

/// Other keys of responses that have only an error.
const BESIDE: [&str; 22] = [
    "apiversion",
    "data",
    "description",
    "documentation",
    "documentationurl",
    "help",
    "id",
    "instance",
    "kind",
    "metadata",
    "method",
    "path",
    "requestid",
    "result",
    "service",
    "severity",
    "statustext",
    "time",
    "timestamp",
    "title",
    "type",
    "url",
];

/// Parts of words for failures.
const FAILED: [&str; 19] = [
    "abort",
    "cancel",
    "crash",
    "denied",
    "error",
    "exception",
    "exceeded",
    "exhausted",
    "expired",
    "fail",
    "fatal",
    "forbidden",
    "incomplete",
    "invalid",
    "panic",
    "reject",
    "timeout",
    "unauth",
    "unavailable",
];

/// Words for successes.
const FINE: [&str; 13] = [
    "complete",
    "completed",
    "done",
    "empty",
    "executed",
    "fetched",
    "finished",
    "none",
    "ok",
    "retrieved",
    "succeeded",
    "success",
    "successful",
];

/// Words for data, which good news may deny: `no data`, `0 rows`.
const DATA: [&str; 17] = [
    "content",
    "data",
    "datapoints",
    "entries",
    "events",
    "items",
    "logs",
    "matches",
    "metrics",
    "points",
    "records",
    "result",
    "results",
    "rows",
    "samples",
    "series",
    "values",
];

/// Returns the words of a text, in lower case; `timed_out` is one.
fn tokens(text: &str) -> Vec<String> {
    let text = text.to_ascii_lowercase().replace("timed out", "timeout").replace("timed_out", "timeout");
    text.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty()).map(str::to_owned).collect()
}

fn denies(token: &str) -> bool {
    matches!(token, "no" | "without" | "zero" | "0")
}

/// Returns true if a text names a failure: `FAILED`, `Internal Server Error`, but not `no error`.
fn is_failure(text: &str) -> bool {
    let tokens = tokens(text);
    let is_denied =
        |at: usize| at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|token| denies(token));
    let names_one = |token: &str| !token.starts_with("noerror") && FAILED.iter().any(|part| token.contains(part));
    tokens.iter().enumerate().any(|(at, token)| names_one(token) && !is_denied(at))
}

/// Returns true if a text names neither a success nor the absence of data.
pub(super) fn is_bad_news(text: &str) -> bool {
    let tokens = tokens(text);
    let is_fine =
        |token: &String| FINE.contains(&token.as_str()) || token == "successfully" || token.starts_with("noerror");
    let is_absence = |pair: &[String]| matches!(pair, [no, data] if denies(no) && (DATA.contains(&data.as_str()) || data.contains("error")));
    let is_good = tokens.iter().any(is_fine)
        || tokens.windows(2).any(is_absence)
        || matches!(normal(text).as_str(), "nodata" | "na" | "null");
    !tokens.is_empty() && (is_failure(text) || !is_good)
}

/// Returns the error beside the data of an object: an entry for errors, a failed status, or a flag that denies success. `is_data` tells
/// the keys that belong to the data.
pub(super) fn beside_data(map: &Map<String, Value>, is_data: &dyn Fn(&str) -> bool) -> Option<String> {
    entries(map, is_data).find_map(|(name, key, value)| of_entry(map, &name, key, value))
}

/// Returns the error of an object that lacks the requested data. In such an object, messages count as well, unless they report success.
pub(super) fn instead_of_data(map: &Map<String, Value>, is_data: &dyn Fn(&str) -> bool) -> Option<String> {
    let message = || {
        let is_message = |(name, _, value): &(String, &str, &Value)| {
            MESSAGES.contains(&name.as_str()) && words(value).is_some_and(|text| is_bad_news(&text))
        };
        entries(map, is_data).find(is_message).and_then(|(_, _, value)| words(value))
    };
    let of_number = || {
        let status = entries(map, is_data).find(|(name, _, value)| is_error_number(name, value));
        status.map(|_| quoted(&Value::Object(map.clone())))
    };
    beside_data(map, is_data).or_else(message).or_else(of_number)
}

/// Returns the error of a response that has nothing else, so that an expression's default is not taken for a value.
pub(super) fn alone(body: &Value, is_data: &dyn Fn(&str) -> bool) -> Option<String> {
    let map = match body {
        Value::Object(map) => map,
        // A text is not an answer, unless it is a number.
        Value::String(text) if text.trim().parse::<f64>().is_err() && is_bad_news(text) => return words(body),
        _ => return None,
    };
    let is_known_as_error = map.contains_key("__type");
    let error = || {
        let with_numbers = entries(map, is_data)
            .find(|(name, _, value)| ERRORS.contains(&name.as_str()) && is_http_error(value))
            .map(|_| quoted(body));
        instead_of_data(map, is_data).or(with_numbers).or_else(|| is_known_as_error.then(|| quoted(body)))
    };
    if has_only_error(map) { error() } else { None }
}

/// Returns true if an object has nothing but an error and what describes it.
pub(super) fn has_only_error(map: &Map<String, Value>) -> bool {
    let is_beside = |(key, value): (&String, &Value)| {
        let name = normal(key);
        let is_empty = value.is_null() || matches!(value, Value::Object(map) if map.is_empty());
        let is_known = [&ERRORS[..], &MESSAGES, &STATUSES, &SUCCESS].iter().any(|known| known.contains(&name.as_str()));
        is_empty
            || is_known
            || key == "__type"
            || (BESIDE.contains(&name.as_str()) && !value.is_array() && !value.is_object())
    };
    map.iter().all(is_beside)
}

/// Returns true for the key of an error, in lower case and without punctuation.
pub(super) fn is_error_key(name: &str) -> bool {
    ERRORS.contains(&name)
}

/// Returns true for the key of a status.
pub(super) fn is_status_key(name: &str) -> bool {
    STATUSES.contains(&name)
}

/// Returns true for a flag that is false if the query failed.
pub(super) fn is_success_key(name: &str) -> bool {
    SUCCESS.contains(&name)
}

/// Returns the error that a response names as such, unlike a mere message.
pub(super) fn of_provider(body: &Value) -> Option<String> {
    let map = body.as_object()?;
    let has_number =
        || entries(map, &|_| false).any(|(name, _, value)| ERRORS.contains(&name.as_str()) && is_http_error(value));
    let is_refused = || {
        let code = entries(map, &|_| false).any(|(name, _, value)| name == "code" && is_http_error(value));
        code || has_number() || map.contains_key("__type")
    };
    beside_data(map, &|_| false).or_else(|| is_refused().then(|| quoted(body)))
}

fn entries<'a>(
    map: &'a Map<String, Value>,
    is_data: &'a dyn Fn(&str) -> bool,
) -> impl Iterator<Item = (String, &'a str, &'a Value)> {
    map.iter().filter(|(key, _)| !is_data(key)).map(|(key, value)| (normal(key), key.as_str(), value))
}

fn of_entry(map: &Map<String, Value>, name: &str, key: &str, value: &Value) -> Option<String> {
    let whole = || words(&Value::Object(map.clone()));
    if ERRORS.contains(&name) && is_error(value) {
        return Some(words(value).or_else(whole).unwrap_or_else(|| quoted(value)));
    }
    if SUCCESS.contains(&name) && is_false(value) {
        return Some(describe(key, value, map));
    }
    let is_status = STATUSES.contains(&name);
    let is_failed = match value {
        Value::String(text) if is_failure(text) => true,
        // `{"status": {"state": "FAILED"}}`.
        Value::Object(inner) => {
            let state = ["state", "code", "status"].iter().find_map(|word| find(inner, word));
            return (is_status
                && state.is_some_and(|state| is_http_error(state) || state.as_str().is_some_and(is_failure)))
            .then(|| quoted(value));
        }
        _ => name != "code" && is_http_error(value),
    };
    (is_status && is_failed).then(|| describe(key, value, map))
}

/// Returns the provider's message, or else the entry that denies success.
fn describe(key: &str, value: &Value, map: &Map<String, Value>) -> String {
    let message = MESSAGES.iter().chain(&["title", "description"]).find_map(|word| find(map, word).and_then(words));
    message.unwrap_or_else(|| format!("`{key}` is {value}"))
}

/// Returns true for the value of an error's key that is not empty, and does not deny an error.
pub(super) fn is_error(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            !text.trim().is_empty() && is_bad_news(text) && !is_zero(text) && normal(text) != "false"
        }
        other => is_filled(other),
    }
}

fn is_zero(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(|number| number == 0.0 || (200.0..300.0).contains(&number))
}

/// Returns true for an HTTP status of an error.
fn is_http_error(value: &Value) -> bool {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.is_some_and(|number| (400.0..600.0).contains(&number))
}

/// Returns true for a code that is neither 0 nor a status of success.
fn is_error_number(name: &str, value: &Value) -> bool {
    let is_code = matches!(name, "code" | "errcode" | "errno" | "errorcode" | "statuscode");
    is_code && value.as_f64().is_some_and(|number| number != 0.0 && !(200.0..300.0).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        match serde_json::from_str(text).unwrap() {
            Value::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn errors_beside_data_are_found_in_every_spelling() {
        for (body, expected) in [
            (r#"{"v":0,"Errors":["x"]}"#, "x"),
            (r#"{"v":0,"error_message":"db down"}"#, "db down"),
            (r#"{"v":0,"errorMessage":{"text":"x","reason":"db down"}}"#, "db down"),
            (r#"{"v":0,"errmsg":"db down"}"#, "db down"),
            (r#"{"v":0,"failures":[{"reason":"no memory"}]}"#, "no memory"),
            (r#"{"v":0,"ok":false}"#, "`ok` is false"),
            (r#"{"v":0,"success":false,"message":"db down"}"#, "db down"),
            (r#"{"v":0,"status":"FAILED"}"#, "`status` is \"FAILED\""),
            (r#"{"v":0,"state":"timed_out"}"#, "`state` is \"timed_out\""),
            (r#"{"v":0,"status":503}"#, "`status` is 503"),
            (r#"{"v":0,"statusCode":"500","detail":"db down"}"#, "db down"),
            (r#"{"v":0,"code":"InternalError"}"#, "InternalError"),
            (r#"{"v":0,"status":{"state":"FAILED","error":{"message":"db down"}}}"#, "db down"),
        ] {
            let found = beside_data(&object(body), &|_| false);
            assert!(found.as_ref().is_some_and(|text| text.contains(expected)), "{body}: {found:?}");
        }
    }

    #[test]
    fn texts_are_bad_news_unless_they_name_a_success_or_the_absence_of_data() {
        for text in [
            "broken pipe",
            "abandoned",
            "node unavailable",
            "token expired",
            "not found",
            "incomplete",
            "no database",
            "timed out",
        ] {
            assert!(is_bad_news(text), "{text}");
        }
        for text in [
            "OK",
            "Success",
            "no error",
            "0 errors",
            "NoError",
            "No data found",
            "returned 0 rows",
            "query finished",
            "",
        ] {
            assert!(!is_bad_news(text), "{text}");
        }
    }

    #[test]
    fn other_entries_beside_data_are_no_errors() {
        for body in [
            r#"{"v":0,"errors":7,"error":0,"failures":3,"failed":2}"#,
            r#"{"v":0,"error":"","errors":[],"err":null,"exception":{}}"#,
            r#"{"v":0,"error":"none","errorCode":"0","errorMessage":"Success","errmsg":"ok"}"#,
            r#"{"v":0,"status":"ok","state":"COMPLETED","code":200,"statusCode":"200"}"#,
            r#"{"v":0,"message":"a message","reason":"why","title":"Errors per minute","detail":"x"}"#,
            r#"{"v":0,"code":404}"#,
            r#"{"v":0,"status":"success","state":"no errors"}"#,
            r#"{"v":0,"status":{"state":"SUCCEEDED"}}"#,
        ] {
            assert_eq!(beside_data(&object(body), &|_| false), None, "{body}");
        }
        assert_eq!(beside_data(&object(r#"{"errors":["a"],"v":0}"#), &|key| key == "errors"), None);
    }

    #[test]
    fn messages_instead_of_data_are_errors_unless_they_are_good_news() {
        for body in [
            r#"{"data":null,"message":"db down"}"#,
            r#"{"data":null,"code":50001,"msg":"query failed"}"#,
            r#"{"data":null,"code":50001}"#,
            r#"{"data":null,"msg":"no database selected"}"#,
            r#"{"series":[],"reason":"db down"}"#,
        ] {
            assert!(instead_of_data(&object(body), &|_| false).is_some(), "{body}");
        }
        for body in [
            r#"{"data":null,"message":"ok"}"#,
            r#"{"data":null,"message":"No data found"}"#,
            r#"{"data":null,"code":0,"msg":"success"}"#,
            r#"{"status":"ok","res_type":"time_series","series":[],"message":"","query":"avg:x{*}"}"#,
            r#"{"title":"Errors","series":[]}"#,
        ] {
            assert_eq!(instead_of_data(&object(body), &|_| false), None, "{body}");
        }
    }

    #[test]
    fn an_error_alone_leaves_nothing_to_read() {
        let of = |text: &str| alone(&serde_json::from_str(text).unwrap(), &|_| false);
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
            r#"{"title":"Internal Server Error","status":500,"detail":"syntax"}"#,
            r#"{"code":"internal error","message":"syntax"}"#,
            r#"{"ok":false,"reason":"syntax"}"#,
            r#"{"state":"failed","detail":"syntax"}"#,
            r#"{"message":"syntax"}"#,
            r#"{"kind":"Status","metadata":{},"status":"Failure","message":"syntax"}"#,
            r#""syntax""#,
        ] {
            assert_eq!(of(body).as_deref(), Some("syntax"), "{body}");
        }
        assert!(of(r#"{"error": true, "message": "quota"}"#).is_some());
        assert!(of(r#"{"__type":"ThrottlingException"}"#).is_some());
        for body in [
            r#"{"data":{},"v":{},"message":"ok"}"#,
            r#"{"v":3,"error":"x"}"#,
            r#"{"errors":[]}"#,
            r#"{"errors":5}"#,
            "[]",
            "5",
            "\"5\"",
            "null",
            r#"{"ok":true}"#,
            r#"{"code":200,"message":"success"}"#,
            r#"{"error":0}"#,
            "{}",
        ] {
            assert_eq!(of(body), None, "{body}");
        }
    }
}
