//! Errors and signs of partial data within a response, at any depth: in the objects on the way to the data, in the responses of a batch, and
//! in objects beside the data, such as `extensions` and `responseHeader`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::failure;
use super::flags;
use super::keys::{find, normal};
use super::question::Question;
use super::signs::SIGNS;
use super::walk::{At, Role, walk};
use super::words::{self, quoted, words};

/// Words in keys of objects about a query or its response.
const ABOUT: [&str; 14] = [
    "envelope",
    "execution",
    "extension",
    "header",
    "info",
    "meta",
    "operation",
    "query",
    "response",
    "result",
    "search",
    "stat",
    "statement",
    "summary",
];

/// Keys of remarks, each with a severity.
const REMARKS: [&str; 4] = ["diagnostics", "messages", "notices", "notifications"];

/// Keys of warnings.
const WARNINGS: [&str; 7] =
    ["pendingwarnings", "warning", "warningmessage", "warningmessages", "warnings", "warningtext", "warns"];

/// Keys of lines of a log.
const OF_LOGS: [&str; 6] = ["level", "loglevel", "severity", "time", "timestamp", "ts"];

/// Returns a description of the error or of the missing part.
pub(super) fn sign(body: &Value, question: &Question<'_>) -> Option<String> {
    walk(body, question, &mut |value, at| match (value, at.role) {
        (Value::String(_), Role::Row { lacks_data: true }) => failure::alone(value, &|_| false),
        (Value::Object(map), role) => match role {
            Role::Response if at.is_root() => remarks(map, at),
            Role::Response => of_response(value, map, at),
            Role::Row { lacks_data: true } => of_row(map, at).or_else(|| instead_of_row(map)),
            Role::Row { lacks_data: false } => of_row(map, at),
            Role::Beside => beside(map, at),
        },
        _ => None,
    })
}

/// Returns the warnings of a response, at any depth.
pub(super) fn warnings(body: &Value, question: &Question<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    walk(body, question, &mut |value, at| {
        let is_searched = match at.role {
            Role::Response => true,
            Role::Beside => is_about(at.key),
            Role::Row { .. } => false,
        };
        for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| is_searched && !at.reads(key)) {
            let name = normal(key);
            match value {
                _ if WARNINGS.contains(&name.as_str()) => match value {
                    Value::Bool(true) => found.push(format!("`{key}` is true")),
                    value => found.extend(words::warnings(value)),
                },
                Value::Array(list) if REMARKS.contains(&name.as_str()) => {
                    found.extend(list.iter().filter(|remark| severity(remark, &["warn", "warning"])).map(quoted));
                }
                _ => {}
            }
        }
        None::<()>
    });
    let mut known = BTreeSet::new();
    found.retain(|warning| known.insert(warning.clone()));
    found
}

fn of_response(value: &Value, map: &Map<String, Value>, at: &At<'_>) -> Option<String> {
    let is_data = |key: &str| at.reads(key) || map.get(key).is_some_and(|value| is_figure(key, value, map, at));
    let of_signs = || {
        let signs = SIGNS.iter().filter(|(word, _)| map.contains_key(*word) && !is_data(word));
        signs.into_iter().find_map(|(_, sign)| sign(value))
    };
    flags::of_object(map, &is_data, false)
        .or_else(|| failure::beside_data(map, &is_data))
        .or_else(of_signs)
        .or_else(|| remarks(map, at))
}

/// Judges an object beside the data. Only those about the query have a status; others may be of any thing.
fn beside(map: &Map<String, Value>, at: &At<'_>) -> Option<String> {
    let is_about = is_about(at.key);
    let is_data = |key: &str| {
        let name = normal(key);
        at.reads(key)
            || map.get(key).is_some_and(|value| is_figure(key, value, map, at))
            || (!is_about && !failure::is_error_key(&name) && !is_of_data(&name))
    };
    let is_of_query = ["execution", "query", "search", "statement"].iter().any(|word| normal(at.key).contains(word));
    flags::of_object(map, &is_data, is_of_query)
        .or_else(|| failure::beside_data(map, &is_data))
        .or_else(|| remarks(map, at))
}

/// Returns true for a key that is about data, whatever it is in.
fn is_of_data(name: &str) -> bool {
    ["partial", "truncated", "incomplete", "timedout", "terminatedearly", "shards", "splits", "segments", "servers"]
        .iter()
        .any(|word| name.contains(word))
}

/// Judges a row, most of whose flags are data.
fn of_row(map: &Map<String, Value>, at: &At<'_>) -> Option<String> {
    let is_data = |key: &str| {
        let name = normal(key);
        let is_of_query = name.contains("partial")
            || matches!(name.as_str(), "isdone" | "isfailed" | "doneprogress" | "dispatchstate");
        at.reads(key) || !is_of_query
    };
    flags::of_object(map, &is_data, true)
}

/// Returns the error that an entry of a list has instead of data. Lines of a log are data.
fn instead_of_row(map: &Map<String, Value>) -> Option<String> {
    let is_line = map.keys().any(|key| OF_LOGS.contains(&normal(key).as_str()));
    if is_line {
        return None;
    }
    let of_errors = |key: &str| {
        let name = normal(key);
        let is_certain = failure::is_error_key(&name) || failure::is_success_key(&name);
        !is_certain || map.get(key).is_some_and(is_numeric)
    };
    let of_status = || failure::beside_data(map, &|_| false).filter(|_| failure::has_only_error(map));
    failure::beside_data(map, &of_errors).or_else(of_status)
}

/// Returns the first remark that is an error.
fn remarks(map: &Map<String, Value>, at: &At<'_>) -> Option<String> {
    let is_certain = |name: &str| name == "notices" || is_about(at.key);
    let lists = map.iter().filter(|(key, _)| {
        let name = normal(key);
        REMARKS.contains(&name.as_str()) && is_certain(&name) && !at.reads(key)
    });
    let remarks = lists.filter_map(|(_, value)| value.as_array()).flatten();
    remarks.into_iter().find(|remark| severity(remark, &["critical", "error", "fatal"])).map(quoted)
}

/// Returns true for a remark of one of these severities.
fn severity(remark: &Value, wanted: &[&str]) -> bool {
    let Some(map) = remark.as_object() else { return false };
    let text = ["severity", "level", "type"].iter().find_map(|word| find(map, word)).and_then(Value::as_str);
    text.is_some_and(|text| wanted.contains(&normal(text).as_str()))
}

fn is_about(key: &str) -> bool {
    let name = normal(key);
    ABOUT.iter().any(|word| name.contains(word))
}

/// Returns true for an entry that is a figure rather than an error: counts and series by the name `errors`, and the status by which figures
/// are grouped.
fn is_figure(key: &str, value: &Value, map: &Map<String, Value>, at: &At<'_>) -> bool {
    if !failure::is_error_key(&normal(key)) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let has_message =
            ["body", "detail", "error", "message", "msg", "reason"].iter().any(|word| find(map, word).is_some());
        let is_status = failure::is_status_key(&normal(key)) && is_numeric(value);
        return text.eq_ignore_ascii_case(at.key) || (is_status && !has_message);
    }
    match value {
        Value::Array(list) => !list.is_empty() && list.iter().all(|entry| is_numeric(entry) || is_figures(entry)),
        value => is_numeric(value) || is_figures(value),
    }
}

/// Returns true for a list or object of figures, without words and codes.
fn is_figures(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().all(|entry| is_numeric(entry) || is_figures(entry)),
        Value::Object(map) => words(value).is_none() && find(map, "code").is_none(),
        _ => false,
    }
}

fn is_numeric(value: &Value) -> bool {
    match value {
        Value::Number(_) | Value::Null => true,
        Value::String(text) => text.trim().trim_end_matches('%').parse::<f64>().is_ok(),
        _ => false,
    }
}
