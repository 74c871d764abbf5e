//! Checks of routes (VirtualServices and the Gateway API) beyond those of their schemas and of the API server.
//!
//! Envoy rejects the whole route configuration of a gateway port if one route's weights add up to 0 or to more than 32 bits, and keeps
//! the old one, so that no later change of any route on that port takes effect. Such an object must never be applied.

use serde_json::{Map, Value};

use super::fields::{Mistakes, quoted};
use super::weights::MAX_WEIGHT;
use crate::model::path::FieldPath;

/// Maximum weight of a backend in the Gateway API.
const MAX_BACKEND_WEIGHT: u32 = 1_000_000;

/// Rules of one kind of weights.
struct Rules {
    /// Maximum weight.
    max: u32,
    /// Weight of an entry without one.
    default: u32,
    /// True if the weight of a single entry has no effect.
    ignores_single: bool,
}

const ISTIO: Rules = Rules { max: MAX_WEIGHT, default: 0, ignores_single: true };
const GATEWAY_API: Rules = Rules { max: MAX_BACKEND_WEIGHT, default: 1, ignores_single: false };

/// Checks an object of this group, if it has routes.
pub(super) fn check(group: &str, object: &Map<String, Value>, mistakes: &mut Mistakes) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    match (group, object.get("kind").and_then(Value::as_str)) {
        ("networking.istio.io", Some("VirtualService")) => check_virtual_service(spec, mistakes),
        ("gateway.networking.k8s.io", Some(kind)) if kind.ends_with("Route") => check_gateway_route(spec, mistakes),
        _ => {}
    }
}

/// Checks that a list of destinations has items: otherwise, all requests would fail.
fn check_not_empty(parent: &Value, key: &str, path: &FieldPath, mistakes: &mut Mistakes) {
    match &parent[key] {
        Value::Null => mistakes.add(path.clone().key(key), "is missing; expected at least one destination"),
        Value::Array(items) if items.is_empty() => {
            mistakes.add(path.clone().key(key), "is empty; expected at least one destination")
        }
        _ => {}
    }
}

fn check_virtual_service(spec: &Value, mistakes: &mut Mistakes) {
    for protocol in ["http", "tcp", "tls"] {
        for (path, route) in items(spec, protocol, &FieldPath::from("spec")) {
            for (path, entry) in items(route, "route", &path) {
                check_name(&entry["destination"], "host", path.key("destination"), mistakes);
            }
            check_weights(route, "route", &path, &ISTIO, mistakes);
            if protocol == "http" {
                check_http_route(route, &path, mistakes);
            } else {
                check_not_empty(route, "route", &path, mistakes);
            }
        }
    }
}

fn check_http_route(route: &Value, path: &FieldPath, mistakes: &mut Mistakes) {
    let has_destination = route["route"].as_array().is_some_and(|entries| !entries.is_empty());
    if !has_destination
        && ["redirect", "directResponse", "delegate"].iter().all(|key| route[key].as_object().is_none_or(Map::is_empty))
    {
        mistakes.add(path.clone(), "has no destination; expected route, redirect, directResponse or delegate");
    }
    if !route["mirror"].is_null() {
        check_name(&route["mirror"], "host", path.clone().key("mirror"), mistakes);
    }
    check_percentage(&route["mirrorPercentage"], path.clone().key("mirrorPercentage"), mistakes);
    for (path, mirror) in items(route, "mirrors", path) {
        check_name(&mirror["destination"], "host", path.clone().key("destination"), mistakes);
        check_percentage(&mirror["percentage"], path.key("percentage"), mistakes);
    }
}

/// Checks Istio's type `Percent`.
fn check_percentage(percentage: &Value, path: FieldPath, mistakes: &mut Mistakes) {
    let value = &percentage["value"];
    if !value.is_null() && !value.as_f64().is_some_and(|percent| (0.0..=100.0).contains(&percent)) {
        mistakes.add(path.key("value"), format!("{} is not a valid percentage (0-100)", quoted(value)));
    }
}

fn check_gateway_route(spec: &Value, mistakes: &mut Mistakes) {
    for (path, rule) in items(spec, "rules", &FieldPath::from("spec")) {
        for (path, backend) in items(rule, "backendRefs", &path) {
            check_name(backend, "name", path, mistakes);
        }
        let is_answered = |filter: &Value| !filter["requestRedirect"].is_null() || !filter["extensionRef"].is_null();
        if !rule["filters"].as_array().is_some_and(|filters| filters.iter().any(is_answered)) {
            check_not_empty(rule, "backendRefs", &path, mistakes);
        }
        check_weights(rule, "backendRefs", &path, &GATEWAY_API, mistakes);
        for (path, filter) in items(rule, "filters", &path) {
            if !filter["requestMirror"].is_null() {
                let path = path.key("requestMirror").key("backendRef");
                check_name(&filter["requestMirror"]["backendRef"], "name", path, mistakes);
            }
        }
    }
}

/// Checks that a destination has a name.
fn check_name(destination: &Value, key: &str, path: FieldPath, mistakes: &mut Mistakes) {
    match &destination[key] {
        Value::String(name) if !name.trim().is_empty() => {}
        Value::Null => mistakes.add(path.key(key), "is missing"),
        Value::String(_) => mistakes.add(path.key(key), "is empty"),
        other => mistakes.mistyped(path.key(key), other, "a string"),
    }
}

/// Checks the weights of a list, one by one and their sum.
fn check_weights(parent: &Value, key: &str, path: &FieldPath, rules: &Rules, mistakes: &mut Mistakes) {
    let mut sum: u64 = 0;
    let mut count = 0;
    for (path, entry) in items(parent, key, path) {
        count += 1;
        let weight = match &entry["weight"] {
            Value::Null => Some(rules.default),
            value => mistakes.weight(path.key("weight"), value, rules.max),
        };
        // The sum of wrong weights means nothing.
        let Some(weight) = weight else { return };
        sum += u64::from(weight);
    }
    if sum == 0 && count > usize::from(rules.ignores_single) {
        mistakes.add(path.clone().key(key), "all weights are 0; expected at least one positive weight");
    }
    if sum > u64::from(u32::MAX) {
        mistakes.add(path.clone().key(key), format!("weights add up to {sum}; at most {} is allowed", u32::MAX));
    }
}

/// Iterates over a list with the paths of its items; absent means empty. Other types are left to the API server's schema.
fn items<'v>(parent: &'v Value, key: &str, path: &FieldPath) -> impl Iterator<Item = (FieldPath, &'v Value)> + use<'v> {
    let path = path.clone().key(key);
    let items = parent[key].as_array().into_iter().flatten();
    items.enumerate().map(move |(index, item)| (path.clone().index(index), item))
}
