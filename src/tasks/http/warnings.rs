//! Settings that are probably not meant as written: a duration without effect, actions that nothing expands, and payloads that are not the JSON they claim to be.

use http::header::CONTENT_TYPE;

use super::plan::{Load, Payload};
use super::prepare::payload;
use super::template::broken_json;
use crate::ports::Files;
use crate::tasks::fields::HeaderSource;
use crate::templates::http_template::first_action;

/// Returns warnings about the requests of a load, as far as they are known before the run.
pub(super) fn warnings(load: &Load, files: &dyn Files) -> Vec<String> {
    let mut warnings: Vec<String> = unused_duration(load).into_iter().collect();
    warnings.extend(about_templates(load, files));
    warnings
}

/// Warns about a duration that the number of requests makes meaningless.
fn unused_duration(load: &Load) -> Option<String> {
    load.paths.are_set_together(&["numRequests", "duration"]).then(|| {
        format!("{}: `duration` has no effect, because `numRequests` ends the load; remove one of them", load.label)
    })
}

fn about_templates(load: &Load, files: &dyn Files) -> Vec<String> {
    match &load.template {
        None => literal_action(load).into_iter().collect(),
        Some(template) if is_json(load) => {
            let body = payload(load, files).ok().flatten();
            let broken = body.and_then(|body| broken_json(load, template, files, &body));
            let advice = "write fields of rows as `{{json row.NAME}}`, without quotes around them";
            broken.map(|reason| format!("{}: {reason}; {advice}", load.label)).into_iter().collect()
        }
        Some(_) => Vec::new(),
    }
}

/// Warns about the first action in a request that is no template, unless the user says so.
fn literal_action(load: &Load) -> Option<String> {
    if load.paths.is_set("template") {
        return None;
    }
    let url = load.paths.text("url").and_then(first_action).map(|action| ("url", action));
    let in_headers = || {
        let texts = load.headers.iter().filter_map(|(_, source)| match source {
            HeaderSource::Literal(value) if !value.is_sensitive() => value.to_str().ok(),
            _ => None,
        });
        texts.into_iter().find_map(first_action).map(|action| ("headers", action))
    };
    let in_payload = || match &load.payload {
        Payload::Text(text) => first_action(text).map(|action| ("payloadStr", action)),
        _ => None,
    };
    let (field, action) = url.or_else(in_headers).or_else(in_payload)?;
    let label = &load.label;
    Some(format!(
        "{label}: `{action}` in `{field}` is sent literally; set `template: true` to expand it, or `template: false` to keep it without this warning"
    ))
}

/// Returns true if the requests say that their payload is JSON.
fn is_json(load: &Load) -> bool {
    let content_type = load.headers.iter().find(|(name, _)| name == CONTENT_TYPE);
    let text = content_type.and_then(|(_, source)| match source {
        HeaderSource::Literal(value) => value.to_str().ok(),
        HeaderSource::Secret(_) => None,
    });
    text.is_some_and(|text| text.to_ascii_lowercase().contains("json"))
}
