//! Checks the target, load and headers of `run`, with hints for users of other programs.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::app::values::{InputError, Origin, redact_url};
use crate::model::duration::GoDuration;

/// Converts an integer; everything else is checked as the value that it becomes.
pub(super) fn scalar(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number))
}

/// Builds an error about a flag.
fn in_flag(flag: &str, message: impl Into<String>) -> InputError {
    InputError::of_source(Origin::Flag(flag.to_owned()), message)
}

/// Refuses a target that is not the URL of an HTTP service, with a hint on what it probably is.
pub(super) fn check_url(text: &str, flag: &str) -> Result<(), InputError> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Ok(());
    }
    if text.is_empty() {
        return Err(in_flag(flag, "the URL is empty").with_hint("check the variable that provides it"));
    }
    // Without a valid scheme, a login would not be recognized.
    let shown = match (text.rsplit_once('@'), text.contains("://")) {
        (Some((_, rest)), _) => format!("[hidden]@{}", without_scheme(rest)),
        (None, true) => redact_url(text),
        (None, false) => without_scheme(text),
    };
    let error = in_flag(flag, format!("`{shown}` is not a URL; expected `http://HOST[:PORT]/PATH` or `https://…`"));
    let hint = if text.contains('=') {
        "quote values that contain braces or spaces: --set \"tasks={http,assess}\"".to_owned()
    } else if lower.ends_with(".yaml") || lower.ends_with(".yml") {
        format!("read values with -f {shown}, or run the experiment.yaml of a directory with --runDir")
    } else if text.contains("://") {
        "load a gRPC service with --grpc HOST:PORT METHOD".to_owned()
    } else {
        format!("write http://{shown}")
    };
    Err(error.with_hint(hint))
}

/// Builds the error of an argument that is no URL beside a header. Without quotes, it is a part of the header, which may be a credential.
pub(super) fn no_url() -> InputError {
    in_flag("URL", "expected `http://HOST[:PORT]/PATH` or `https://…`").with_hint("quote headers: -H 'NAME: VALUE'")
}

/// Redacts the query of a text that starts with a host.
fn without_scheme(text: &str) -> String {
    redact_url(&format!("http://{text}")).replacen("http://", "", 1)
}

/// Refuses 0, which means "as fast as possible" in other programs, and the default rate here.
pub(super) fn check_rate(text: &str) -> Result<(), InputError> {
    match text.parse::<f64>() {
        Ok(0.0) => Err(in_flag("--qps", "0 is not a rate; expected a number above 0, or `max`")
            .with_hint("--qps max sends requests as fast as the service answers")),
        _ => Ok(()),
    }
}

/// Refuses the name of a chart, as `-c` was in Iter8.
pub(super) fn check_connections(text: &str) -> Result<(), InputError> {
    if !text.starts_with("load-test-") && text != "iter8" {
        return Ok(());
    }
    Err(in_flag("-c", format!("`{text}` is a chart of Iter8; expected a number of connections"))
        .with_hint("leave out the chart, and list tasks instead: --set \"tasks={http,assess}\""))
}

/// Refuses a body that is a duration or a file, as `-d` is in other programs.
pub(super) fn check_body(text: &str) -> Result<(), InputError> {
    if let Some(file) = text.strip_prefix('@').filter(|file| !file.is_empty()) {
        let error = in_flag("-d", "a body that starts with `@` names a file in other programs");
        return Err(error.with_hint(format!("write -D {file} for a file, or set http.payloadStr for such a body")));
    }
    let is_duration = text.ends_with(|c: char| c.is_ascii_alphabetic()) && GoDuration::from_str(text).is_ok();
    if !is_duration {
        return Ok(());
    }
    let error = in_flag("-d", format!("`{text}` is a duration, and -d is the body of requests"));
    Err(error
        .with_hint(format!("write -z {text} for the duration, or --set-string http.payloadStr={text} for such a body")))
}

/// Reads headers. Messages never repeat them: they may be credentials.
pub(super) fn headers(texts: &[String]) -> Result<Map<String, Value>, InputError> {
    let mut headers = Map::<String, Value>::new();
    for text in texts {
        let name = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        let Some((name, value)) = name.filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
        else {
            return Err(
                in_flag("--header", "expected `NAME: VALUE`").with_hint("for example, -H 'Accept: application/json'")
            );
        };
        if headers.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(in_flag("--header", format!("`{name}` is given twice; give each header once")));
        }
        headers.insert(name.to_owned(), json!(value));
    }
    Ok(headers)
}
