//! Traffic in an HTTPRoute of the Gateway API.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::object::{ObjectRef, ResourceKind};

/// Maximum number of rules, backends and parents that are read; the Gateway API allows fewer.
const MAX_ENTRIES: usize = 100;

/// Names an HTTPRoute.
pub(super) fn http_route(namespace: Option<String>, name: String) -> ObjectRef {
    let kind = ResourceKind {
        group: "gateway.networking.k8s.io".to_owned(),
        version: "v1".to_owned(),
        resource: "httproutes".to_owned(),
    };
    ObjectRef { kind, namespace, name }
}

/// An HTTPRoute: the weights of each rule by backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    name: String,
    rules: Vec<BTreeMap<String, i64>>,
    /// Reason why a gateway does not route by its current spec.
    unaccepted: Option<String>,
}

impl Route {
    /// Reads an HTTPRoute. `is_of_interest` selects rules by the names of their backends.
    pub(super) fn of(object: &Value, is_of_interest: impl Fn(&BTreeMap<String, i64>) -> bool) -> Self {
        let rules = items(&object["spec"]["rules"]).map(backends);
        Self {
            name: object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            rules: rules.filter(|backends| !backends.is_empty() && is_of_interest(backends)).collect(),
            unaccepted: unaccepted(object),
        }
    }

    /// Returns the percent of a backend; `None` if rules differ, or if there is none.
    pub(super) fn percent_of(&self, backend: &str) -> Option<i64> {
        let mut percents = self.rules.iter().map(|rule| percent_of(rule, backend));
        let first = percents.next()??;
        percents.all(|percent| percent == Some(first)).then_some(first)
    }

    /// Returns the first difference from this split, whose percents add up to 100; then the reason why it is not in effect.
    pub(super) fn differs(&self, wanted: &[(&str, i64)]) -> Option<String> {
        if self.rules.is_empty() {
            return Some(format!("HTTPRoute {} has no backends of these versions", self.name));
        }
        for rule in &self.rules {
            let sum: i64 = rule.values().sum();
            for (backend, percent) in wanted {
                let weight = rule.get(*backend).copied().unwrap_or_default();
                if sum == 0 || weight * 100 != percent * sum {
                    let now = percent_of(rule, backend).unwrap_or_default();
                    return Some(format!(
                        "HTTPRoute {} gives {backend} {now} % of the traffic; expected {percent} %",
                        self.name
                    ));
                }
            }
        }
        self.unaccepted.clone()
    }
}

fn percent_of(rule: &BTreeMap<String, i64>, backend: &str) -> Option<i64> {
    let sum: i64 = rule.values().sum();
    let weight = rule.get(backend).copied().unwrap_or_default();
    (sum > 0).then(|| (weight * 100 + sum / 2) / sum)
}

/// Reads the weights of a rule. A missing weight is 1; a backend may be listed twice.
fn backends(rule: &Value) -> BTreeMap<String, i64> {
    let mut weights = BTreeMap::new();
    for backend in items(&rule["backendRefs"]) {
        let name = backend["name"].as_str().unwrap_or_default().to_owned();
        let weight = backend["weight"].as_i64().unwrap_or(1).clamp(0, 1_000_000);
        *weights.entry(name).or_default() += weight;
    }
    weights
}

/// Returns the reason why a gateway does not route by the current spec.
fn unaccepted(object: &Value) -> Option<String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let generation = object["metadata"]["generation"].as_i64();
    let mut parents = items(&object["status"]["parents"]).peekable();
    if parents.peek().is_none() {
        return Some(format!("no gateway has accepted HTTPRoute {name} yet"));
    }
    for parent in parents {
        for wanted in ["Accepted", "ResolvedRefs"] {
            let condition = items(&parent["conditions"]).find(|condition| condition["type"] == wanted);
            let Some(condition) = condition else {
                return Some(format!("HTTPRoute {name} has no condition {wanted} yet"));
            };
            if condition["status"] != "True" {
                let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
                return Some(format!("HTTPRoute {name}: {wanted} is {} ({})", text("status"), text("reason")));
            }
            if condition["observedGeneration"].as_i64() != generation {
                return Some(format!("the gateway has not seen the current spec of HTTPRoute {name} yet"));
            }
        }
    }
    None
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten().take(MAX_ENTRIES)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(rules: Value, conditions: Value) -> Route {
        let object = json!({
            "metadata": {"name": "iris", "generation": 3},
            "spec": {"rules": rules},
            "status": {"parents": [{"conditions": conditions}]},
        });
        Route::of(&object, |_| true)
    }

    fn condition(name: &str, status: &str, generation: i64) -> Value {
        json!({"type": name, "status": status, "reason": "Because", "observedGeneration": generation})
    }

    fn accepted() -> Value {
        json!([condition("Accepted", "True", 3), condition("ResolvedRefs", "True", 3)])
    }

    #[test]
    fn every_rule_must_have_the_split() {
        let split = json!({"backendRefs": [{"name": "a", "weight": 80}, {"name": "b", "weight": 20}]});
        let all = json!({"backendRefs": [{"name": "a"}]});
        let redirect = json!({"filters": [{"type": "RequestRedirect"}]});
        let wanted = [("a", 80), ("b", 20)];
        assert_eq!(route(json!([split, redirect]), accepted()).differs(&wanted), None);
        let doubled = json!({"backendRefs": [{"name": "a", "weight": 8}, {"name": "b", "weight": 2}]});
        assert_eq!(route(json!([doubled]), accepted()).differs(&wanted), None, "weights are proportions");
        let mixed = route(json!([split, all]), accepted());
        assert_eq!(mixed.differs(&wanted).unwrap(), "HTTPRoute iris gives a 100 % of the traffic; expected 80 %");
        assert_eq!((mixed.percent_of("a"), mixed.percent_of("b")), (None, None));
        assert_eq!(route(json!([split]), accepted()).percent_of("b"), Some(20));
        assert_eq!(
            route(json!([redirect]), accepted()).differs(&wanted).unwrap(),
            "HTTPRoute iris has no backends of these versions"
        );
        let third = json!({"backendRefs": [{"name": "a", "weight": 80}, {"name": "b", "weight": 20}, {"name": "c", "weight": 1}]});
        assert!(route(json!([third]), accepted()).differs(&wanted).is_some(), "a third backend takes a share");
    }

    #[test]
    fn a_route_that_no_gateway_has_accepted_is_not_in_effect() {
        let rules = json!([{"backendRefs": [{"name": "a"}]}]);
        for (conditions, expected) in [
            (json!([]), "HTTPRoute iris has no condition Accepted yet"),
            (json!([condition("Accepted", "False", 3)]), "HTTPRoute iris: Accepted is False (Because)"),
            (
                json!([condition("Accepted", "True", 2)]),
                "the gateway has not seen the current spec of HTTPRoute iris yet",
            ),
            (
                json!([condition("Accepted", "True", 3), condition("ResolvedRefs", "False", 3)]),
                "HTTPRoute iris: ResolvedRefs is False (Because)",
            ),
        ] {
            assert_eq!(route(rules.clone(), conditions).differs(&[("a", 100)]).unwrap(), expected);
        }
        let object = json!({"metadata": {"name": "iris"}, "spec": {"rules": rules}});
        let route = Route::of(&object, |_| true);
        assert_eq!(route.differs(&[("a", 100)]).unwrap(), "no gateway has accepted HTTPRoute iris yet");
    }
}
