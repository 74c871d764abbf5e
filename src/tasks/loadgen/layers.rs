//! Layers of a load's fields: those of the task are overridden by those of a version, and these by those of an endpoint.

use serde_json::{Map, Value};

use super::concurrency::Concurrency;
use super::field_paths::FieldPaths;
use super::job::Load;
use super::plan::Plan;
use super::targets::targets;
use super::{until_verdict, version_from};
use crate::model::path::FieldPath;
use crate::values::input::InputError;

/// Field that ends loads with their verdict.
const UNTIL: &str = "until";

/// Rules for merging the fields of one layer over those of another.
pub(in crate::tasks) struct Rules {
    /// Mutually exclusive fields: any field of a group in the upper layer replaces the whole group in the lower one.
    pub(in crate::tasks) groups: &'static [&'static [&'static str]],
    /// Maps that merge entry by entry.
    pub(in crate::tasks) maps: &'static [&'static str],
    /// Maps whose names ignore case, such as headers.
    pub(in crate::tasks) maps_ignoring_case: &'static [&'static str],
    /// Fields that are only allowed at the top level of the task.
    pub(in crate::tasks) base_only: &'static [&'static str],
    /// Fields that are not allowed in endpoints.
    pub(in crate::tasks) not_in_endpoints: &'static [&'static str],
}

/// Fields of one load: an endpoint of a version.
pub(in crate::tasks) struct Layered {
    /// The merged fields.
    pub(in crate::tasks) values: Value,
    /// Provider of its metrics: the task's name, or `TASK-ENDPOINT`.
    pub(in crate::tasks) provider: String,
    /// Index of the version.
    pub(in crate::tasks) version: usize,
    /// Label in progress and notes: `grpc-get (v2)`.
    pub(in crate::tasks) label: String,
    pub(in crate::tasks) paths: FieldPaths,
}

/// Merges the layers of `root`, and builds each load with `load`. The path of `root` is `at`; its types are already checked.
pub(in crate::tasks) fn plan<L: Load>(
    root: &Value,
    at: &FieldPath,
    task: &str,
    rules: &Rules,
    load: impl FnMut(Layered) -> Result<L, InputError>,
) -> Result<Plan<L>, InputError> {
    let Layers { loads, versions } = layers(root, at, task, rules)?;
    let concurrency = Concurrency::of(root.get("parallel").and_then(Value::as_bool));
    let is_warmup = root.get("warmup").and_then(Value::as_bool).unwrap_or(false);
    let base = map(root);
    let until = if is_given(&base, UNTIL) { Some(at.clone().key(UNTIL)) } else { None };
    if is_given(&base, version_from::FIELD) && !list(&base, "versionValues").is_empty() {
        let message = "cannot be combined with `versionValues`, which sends the requests of each version separately";
        return Err(InputError::new(at.clone().key(version_from::FIELD), message));
    }
    let loads: Vec<L> = loads.into_iter().map(load).collect::<Result<_, _>>()?;
    if let Some(at) = &until {
        until_verdict::check_loads(&targets(&loads, 1.0), is_warmup, at)?;
    }
    let attributed = loads.first().and_then(|load| load.attribution());
    let versions = attributed.map_or(versions, |known| known.versions.iter().cloned().map(Some).collect());
    Ok(Plan { loads, versions, concurrency, is_warmup, until_verdict: until })
}

/// All loads, ordered by version and endpoint, and the names of the versions.
struct Layers {
    loads: Vec<Layered>,
    versions: Vec<Option<String>>,
}

/// Merges the layers of `root`, whose path is `at`.
fn layers(root: &Value, at: &FieldPath, task: &str, rules: &Rules) -> Result<Layers, InputError> {
    let base = map(root);
    let versions = list(&base, "versionValues");
    for (index, version) in versions.iter().enumerate() {
        let at = at.clone().key("versionValues").index(index);
        check(version, &at, rules, &["versionValues"])?;
        check_endpoints(version, &at, rules)?;
    }
    check_endpoints(&base, at, rules)?;
    check_spellings(&base, at, rules)?;
    let is_versioned = !versions.is_empty();
    let versions = if is_versioned { versions } else { vec![Map::new()] };
    let mut all = Layers { loads: Vec::new(), versions: Vec::new() };
    for (index, version) in versions.into_iter().enumerate() {
        let name = version.get("name").and_then(Value::as_str).filter(|_| is_versioned).map(str::to_owned);
        let suffix = match &name {
            Some(name) => format!(" ({name})"),
            None if is_versioned => format!(" (version {index})"),
            None => String::new(),
        };
        let mut endpoints = map(base.get("endpoints").unwrap_or(&Value::Null));
        for (name, endpoint) in map(version.get("endpoints").unwrap_or(&Value::Null)) {
            let merged = over(&map(&endpoint), &map(endpoints.get(&name).unwrap_or(&Value::Null)), rules);
            endpoints.insert(name, Value::Object(merged));
        }
        let mut merged = over(&version, &base, rules);
        for field in ["endpoints", "versionValues"] {
            merged.remove(field);
        }
        let version_level = FieldPath::root().key("versionValues").index(index);
        let base_level = FieldPath::root();
        let mut add = |values: Map<String, Value>, provider: String, levels: &[FieldPath]| {
            let label = format!("{provider}{suffix}");
            let paths = FieldPaths::new(root, at, levels);
            all.loads.push(Layered { values: Value::Object(values), provider, version: index, label, paths });
        };
        if endpoints.is_empty() {
            add(merged, task.to_owned(), &[version_level, base_level]);
        } else {
            for (name, endpoint) in endpoints {
                let level = FieldPath::root().key("endpoints").key(&name);
                let endpoint_level = version_level.clone().join(&level);
                let levels = [endpoint_level, level, version_level.clone(), base_level.clone()];
                add(over(&map(&endpoint), &merged, rules), format!("{task}-{name}"), &levels);
            }
        }
        all.versions.push(name);
    }
    Ok(all)
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn is_given(map: &Map<String, Value>, field: &str) -> bool {
    map.get(field).is_some_and(|value| !value.is_null())
}

fn list(map: &Map<String, Value>, name: &str) -> Vec<Map<String, Value>> {
    map.get(name).and_then(Value::as_array).map(|list| list.iter().map(self::map).collect()).unwrap_or_default()
}

/// Merges `upper` over `lower`.
fn over(upper: &Map<String, Value>, lower: &Map<String, Value>, rules: &Rules) -> Map<String, Value> {
    let mut merged = lower.clone();
    for group in rules.groups.iter().filter(|group| group.iter().any(|field| is_given(upper, field))) {
        group.iter().for_each(|field| drop(merged.remove(*field)));
    }
    for (name, value) in upper.iter().filter(|(_, value)| !value.is_null()) {
        match (merged.get_mut(name), value) {
            (Some(Value::Object(below)), Value::Object(entries)) if rules.maps.contains(&name.as_str()) => {
                below.extend(entries.clone());
            }
            (Some(Value::Object(below)), Value::Object(entries))
                if rules.maps_ignoring_case.contains(&name.as_str()) =>
            {
                below.retain(|known, _| !entries.keys().any(|name| name.eq_ignore_ascii_case(known)));
                below.extend(entries.clone());
            }
            _ => drop(merged.insert(name.clone(), value.clone())),
        }
    }
    merged
}

fn check_endpoints(level: &Map<String, Value>, at: &FieldPath, rules: &Rules) -> Result<(), InputError> {
    for (name, endpoint) in map(level.get("endpoints").unwrap_or(&Value::Null)) {
        let at = at.clone().key("endpoints").key(&name);
        check_endpoint_name(&name, &at)?;
        let endpoint = map(&endpoint);
        if let Some(field) = rules.not_in_endpoints.iter().find(|field| is_given(&endpoint, field)) {
            return Err(InputError::new(at.key(*field), "not allowed in an endpoint"));
        }
        check(&endpoint, &at, rules, &["endpoints", "versionValues"])?;
    }
    Ok(())
}

/// Rejects a name that cannot be part of a metric name.
fn check_endpoint_name(name: &str, at: &FieldPath) -> Result<(), InputError> {
    if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) {
        return Ok(());
    }
    let expected = "is not a valid endpoint name; expected letters, digits, `-`, `_` and `.`";
    Err(InputError::new(at, format!("`{name}` {expected}")))
}

/// Rejects two spellings of one name: only one of their values would be sent.
fn check_spellings(level: &Map<String, Value>, at: &FieldPath, rules: &Rules) -> Result<(), InputError> {
    for field in rules.maps_ignoring_case {
        let entries = map(level.get(*field).unwrap_or(&Value::Null));
        let names: Vec<&String> = entries.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name).collect();
        for (index, name) in names.iter().enumerate() {
            if let Some(other) = names.iter().take(index).find(|other| other.eq_ignore_ascii_case(name)) {
                let message = format!("`{other}` and `{name}` are the same name");
                let hint = "give it once, or set the other spelling to null";
                return Err(InputError::new(at.clone().key(*field).key(*name), message).with_hint(hint));
            }
        }
    }
    Ok(())
}

/// Rejects fields that have no meaning in this layer.
fn check(level: &Map<String, Value>, at: &FieldPath, rules: &Rules, more: &[&str]) -> Result<(), InputError> {
    check_spellings(level, at, rules)?;
    match rules.base_only.iter().chain(more).find(|field| is_given(level, field)) {
        Some(field) => Err(InputError::new(at.clone().key(*field), "only allowed at the top level of the task")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RULES: Rules = Rules {
        groups: &[&["a", "b"]],
        maps: &["m"],
        maps_ignoring_case: &[],
        base_only: &["parallel"],
        not_in_endpoints: &[],
    };

    #[test]
    fn two_spellings_of_one_name_are_refused() {
        let rules = Rules { maps_ignoring_case: &["headers"], ..RULES };
        let refused =
            |root: Value| layers(&root, &FieldPath::from("http"), "http", &rules).err().map(|e| e.to_string());
        let both = json!({"X-Version": "canary", "x-version": "stable"});
        for (root, path) in [
            (json!({"headers": both}), "http.headers.x-version"),
            (json!({"endpoints": {"a": {"headers": both}}}), "http.endpoints.a.headers.x-version"),
            (json!({"versionValues": [{"headers": both}]}), "http.versionValues[0].headers.x-version"),
        ] {
            let message = format!("{path}: `X-Version` and `x-version` are the same name");
            assert_eq!(refused(root), Some(message));
        }
        let one = json!({"X-Version": "canary", "x-version": null});
        assert_eq!(refused(json!({"headers": one, "versionValues": [{"headers": {"x-version": "a"}}]})), None);
    }

    #[test]
    fn specific_layers_override_and_replace_whole_groups() {
        let root = json!({
            "a": 1, "c": 1, "m": {"x": 1, "y": 1}, "parallel": true,
            "endpoints": {"get": {"c": 2}, "put": {"b": 2, "m": {"y": 2}}},
            "versionValues": [{"name": "v1"}, {"c": 3, "endpoints": {"get": {"a": 3}}}],
        });
        let layers = layers(&root, &FieldPath::from("grpc"), "grpc", &RULES).unwrap();
        assert_eq!(layers.versions, [Some("v1".to_owned()), None]);
        let loads: Vec<_> = layers.loads.iter().map(|load| (load.label.as_str(), load.values.clone())).collect();
        let m = json!({"x": 1, "y": 1});
        let n = json!({"x": 1, "y": 2});
        assert_eq!(
            loads,
            [
                ("grpc-get (v1)", json!({"a": 1, "c": 2, "m": m, "parallel": true, "name": "v1"})),
                ("grpc-put (v1)", json!({"b": 2, "c": 1, "m": n, "parallel": true, "name": "v1"})),
                ("grpc-get (version 1)", json!({"a": 3, "c": 2, "m": m, "parallel": true})),
                ("grpc-put (version 1)", json!({"b": 2, "c": 3, "m": n, "parallel": true})),
            ]
        );
        assert_eq!(layers.loads[2].paths.of("a"), "grpc.versionValues[1].endpoints.get.a");
        assert_eq!(layers.loads[2].paths.of("c"), "grpc.endpoints.get.c");
        assert_eq!(layers.loads[0].paths.of("a"), "grpc.a");
    }

    #[test]
    fn fields_in_layers_without_meaning_are_rejected() {
        let cases = [
            (
                json!({"endpoints": {"a": {"parallel": true}}}),
                "endpoints.a.parallel: only allowed at the top level of the task",
            ),
            (json!({"endpoints": {"a": {"endpoints": {}}}}), "endpoints.a.endpoints: only"),
            (json!({"versionValues": [{"versionValues": []}]}), "versionValues[0].versionValues: only"),
            (json!({"endpoints": {"a/b": {}}}), "endpoints.a/b: `a/b` is not a valid endpoint name"),
        ];
        for (root, expected) in cases {
            let error = layers(&root, &FieldPath::root(), "grpc", &RULES).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
