//! Settings of versions and endpoints that a flag of one line would not reach.
//!
//! An endpoint takes precedence over a version, and a version over the load, so a target or a rate on the command line would be ignored if
//! one of them has its own.

use serde_json::{Map, Value};

use crate::app::values::InputError;
use crate::model::path::FieldPath;

/// Field with headers or metadata, of which single entries are replaced.
const MAPS: [&str; 2] = ["headers", "metadata"];

/// Finds the first setting of a version or an endpoint that takes precedence over the fields that a flag sets. Versions that the command
/// line replaces are left out.
pub(super) fn unreached(
    task: &str,
    load: &Value,
    (flag, fields): (&str, &Map<String, Value>),
    has_versions: bool,
) -> Option<InputError> {
    let at = FieldPath::root().key(task);
    let mut levels = endpoints(&at, load);
    let versions = load.get("versionValues").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (index, version) in versions.filter(|_| has_versions) {
        let at = at.clone().key("versionValues").index(index);
        levels.extend(endpoints(&at, version));
        levels.push((at, version));
    }
    levels.into_iter().find_map(|(at, level)| {
        let field = fields.iter().find_map(|(field, value)| taken(level, field, value))?;
        let path = field.into_iter().fold(at, FieldPath::key);
        Some(
            InputError::new(path, format!("takes precedence, so {flag} would have no effect there"))
                .with_hint(format!("remove it from the values, or leave out {flag}")),
        )
    })
}

/// Finds the first setting of a version that `--against` would drop with the version: without it, both versions may be the same one.
pub(super) fn replaced(task: &str, load: &Value, target: &str) -> Option<InputError> {
    let versions = load.get("versionValues").and_then(Value::as_array).into_iter().flatten().enumerate();
    let setting = |(index, version): (usize, &Value)| {
        let mut settings = version.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let (field, _) = settings.find(|(field, _)| *field != "name" && *field != target)?;
        Some(FieldPath::root().key(task).key("versionValues").index(index).key(field))
    };
    let path = versions.into_iter().find_map(setting)?;
    let error = InputError::new(path, "would have no effect, because --against replaces the versions");
    Some(error.with_hint("remove it from the values, or leave out --against and set the URL of each version"))
}

fn endpoints<'a>(at: &FieldPath, level: &'a Value) -> Vec<(FieldPath, &'a Value)> {
    let endpoints = level.get("endpoints").and_then(Value::as_object).into_iter().flatten();
    endpoints.map(|(name, endpoint)| (at.clone().key("endpoints").key(name), endpoint)).collect()
}

/// Path of the level's own setting, if it is another one.
fn taken(level: &Value, field: &str, value: &Value) -> Option<Vec<String>> {
    let own = level.get(field).filter(|own| !own.is_null())?;
    match (own, value) {
        (Value::Object(own), Value::Object(values)) if MAPS.contains(&field) => {
            let is_set = |name: &&String| values.keys().any(|other| other.eq_ignore_ascii_case(name));
            own.keys().find(is_set).map(|name| vec![field.to_owned(), name.clone()])
        }
        _ if own == value => None,
        _ => Some(vec![field.to_owned()]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn own_settings_of_versions_and_endpoints_are_found() {
        let load = json!({
            "url": "http://a/",
            "endpoints": {"home": {"url": "http://b/", "headers": {"x-user": "7"}}, "cart": {"qps": 5}},
            "versionValues": [{"name": "v1"}, {"headers": {"Canary": "always"}, "endpoints": {"home": {"numRequests": 9}}}],
        });
        let find = |fields: Value, has_versions| {
            let error = unreached("http", &load, ("FLAG", fields.as_object().unwrap()), has_versions)?;
            Some(error.path.to_string())
        };
        for (fields, expected) in [
            (json!({"url": "http://c/"}), Some("http.endpoints.home.url")),
            (json!({"url": "http://b/"}), None),
            (json!({"qps": 7}), Some("http.endpoints.cart.qps")),
            // What a flag unsets would end the load instead.
            (json!({"duration": "5s", "numRequests": null}), Some("http.versionValues[1].endpoints.home.numRequests")),
            (json!({"headers": {"X-User": "8"}}), Some("http.endpoints.home.headers.x-user")),
            (json!({"headers": {"canary": "never"}}), Some("http.versionValues[1].headers.Canary")),
            (json!({"headers": {"Accept": "*/*"}}), None),
            (json!({"method": "PUT"}), None),
        ] {
            assert_eq!(find(fields.clone(), true).as_deref(), expected, "{fields}");
        }
        assert_eq!(find(json!({"headers": {"canary": "never"}}), false), None, "--against replaces the versions");
    }

    #[test]
    fn settings_of_replaced_versions_are_found() {
        let find = |versions: Value| {
            replaced("http", &json!({"versionValues": versions}), "url").map(|error| error.path.to_string())
        };
        let plain = json!({"name": "v1", "url": "http://a/", "headers": null});
        assert_eq!(find(json!([plain])), None);
        let routed = json!({"name": "v2", "headers": {"Accept": "v2"}});
        assert_eq!(find(json!([plain, routed])).as_deref(), Some("http.versionValues[1].headers"));
    }
}
