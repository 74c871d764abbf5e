//! Expected weights of an object in a cluster: pure functions of the object.

use serde_json::Value;

use crate::rollout::mode::Mode;
use crate::rollout::service::{Service, Traffic};

/// Reason why an object has no expected weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Its state does not show them at present. The split is inconclusive.
    Undecided(String),
    /// The settings do not fit the object. The task fails.
    Mistake { message: String, hint: String },
}

/// Returns the weights of an InferenceService: of the previous revision, and of the newest one.
pub(super) fn of_service(object: &Value) -> Result<Vec<f64>, Unknown> {
    let service = Service::of(object);
    let undecided = |reason: String| Err(Unknown::Undecided(reason));
    if service.mode == Mode::Standard {
        return Err(Unknown::Mistake {
            message: format!("InferenceService {} is in Standard mode, whose status has no weights", service.name),
            hint: "give the weights in `split.expected`".to_owned(),
        });
    }
    if service.is_status_behind && service.halted.is_none() {
        let name = &service.name;
        return undecided(format!(
            "KServe has not acted on the newest change of InferenceService {name} yet; run the task `ready` before `split`"
        ));
    }
    let Some(newest) = service.latest_created_revision.as_deref() else {
        return undecided(format!("the status of InferenceService {} has no revisions", service.name));
    };
    let is_newest = |traffic: &&Traffic| traffic.latest;
    if service.traffic.is_empty() {
        return undecided(format!("the status of InferenceService {} has no traffic", service.name));
    }
    if let Some(other) = service.traffic.iter().find(|traffic| traffic.latest && traffic.revision != newest) {
        return undecided(format!(
            "the newest revision {newest} gets no traffic, because it is not ready; {} gets it",
            other.revision
        ));
    }
    let sum = |traffic: &mut dyn Iterator<Item = &Traffic>| traffic.map(|traffic| traffic.percent.max(0)).sum::<i64>();
    let latest = sum(&mut service.traffic.iter().filter(is_newest));
    let previous = sum(&mut service.traffic.iter().filter(|traffic| !traffic.latest));
    // Without a percent, all the traffic is requested.
    match service.canary_traffic_percent.unwrap_or(100) {
        percent if percent != latest => {
            undecided(format!("the newest revision gets {latest} % of the traffic, but {percent} % is requested"))
        }
        _ => Ok(vec![previous as f64, latest as f64]),
    }
}

/// Returns the weights of the destinations of a VirtualService's HTTP route.
pub(super) fn of_virtual_service(object: &Value, route: Option<&str>) -> Result<Vec<f64>, Unknown> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mistake = |message: String, hint: &str| Err(Unknown::Mistake { message, hint: hint.to_owned() });
    let routes: Vec<&Value> = items(&object["spec"]["http"]).filter(|http| !destinations(http).is_empty()).collect();
    let named = |http: &&&Value| route.is_none_or(|route| http["name"].as_str() == Some(route));
    let mut found = routes.iter().filter(named);
    let http = match (found.next(), found.next(), route) {
        (Some(http), None, _) => http,
        (None, _, Some(route)) => {
            let names: Vec<&str> = routes.iter().filter_map(|http| http["name"].as_str()).collect();
            let names = if names.is_empty() { "none has a name".to_owned() } else { names.join(", ") };
            return mistake(
                format!("VirtualService {name} has no HTTP route `{route}` with destinations"),
                &format!("its routes are: {names}"),
            );
        }
        (None, _, None) => {
            return mistake(
                format!("VirtualService {name} has no HTTP route with destinations"),
                "give the weights in `split.expected`",
            );
        }
        (Some(_), Some(_), _) => {
            return mistake(
                format!("VirtualService {name} has {} HTTP routes with destinations", routes.len()),
                "name one of them in `split.expectedFrom.route`; its name is that in the VirtualService",
            );
        }
    };
    let destinations = destinations(http);
    // Istio ignores the weight of a single destination; others have none by default.
    if destinations.len() == 1 {
        return Ok(vec![1.0]);
    }
    Ok(destinations.iter().map(|entry| entry["weight"].as_f64().unwrap_or_default().max(0.0)).collect())
}

fn destinations(http: &Value) -> Vec<&Value> {
    items(&http["route"]).collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(percent: Option<i64>, newest: &str, traffic: &[(&str, i64, bool)]) -> Result<Vec<f64>, Unknown> {
        let entry = |(revision, percent, latest): &(&str, i64, bool)| json!({"revisionName": revision, "percent": percent, "latestRevision": latest});
        let traffic: Vec<Value> = traffic.iter().map(entry).collect();
        of_service(&json!({
            "metadata": {"name": "iris"},
            "spec": {"predictor": {"canaryTrafficPercent": percent}},
            "status": {"components": {"predictor": {"latestCreatedRevision": newest, "traffic": traffic}}},
        }))
    }

    #[track_caller]
    fn undecided(result: Result<Vec<f64>, Unknown>, expected: &str) {
        assert_eq!(result, Err(Unknown::Undecided(expected.to_owned())));
    }

    #[test]
    fn the_previous_revision_of_a_service_is_the_first_version() {
        assert_eq!(service(Some(20), "r2", &[("r2", 20, true), ("r1", 80, false)]), Ok(vec![80.0, 20.0]));
        assert_eq!(service(Some(0), "r2", &[("r2", 0, true), ("r1", 100, false)]), Ok(vec![100.0, 0.0]));
        assert_eq!(service(None, "r2", &[("r2", 100, true)]), Ok(vec![0.0, 100.0]));
    }

    #[test]
    fn a_service_whose_status_lags_behind_has_no_weights() {
        undecided(
            service(Some(20), "r2", &[("r1", 20, true), ("r1", 80, false)]),
            "the newest revision r2 gets no traffic, because it is not ready; r1 gets it",
        );
        undecided(
            service(Some(50), "r2", &[("r2", 20, true), ("r1", 80, false)]),
            "the newest revision gets 20 % of the traffic, but 50 % is requested",
        );
        undecided(
            service(None, "r2", &[("r2", 20, true), ("r1", 80, false)]),
            "the newest revision gets 20 % of the traffic, but 100 % is requested",
        );
        undecided(service(Some(50), "r2", &[]), "the status of InferenceService iris has no traffic");
        undecided(of_service(&json!({"metadata": {"name": "a"}})), "the status of InferenceService a has no revisions");
    }

    fn virtual_service(http: Value) -> Value {
        json!({"metadata": {"name": "wisdom"}, "spec": {"http": http}})
    }

    #[test]
    fn destinations_of_a_virtual_service_are_versions_in_their_order() {
        let route = |weights: &[Option<i64>]| {
            let entry = |weight: &Option<i64>| json!({"destination": {"host": "w"}, "weight": weight});
            json!(weights.iter().map(entry).collect::<Vec<_>>())
        };
        let of = |http: Value, route: Option<&str>| of_virtual_service(&virtual_service(http), route);
        assert_eq!(of(json!([{"route": route(&[Some(90), Some(10)])}]), None), Ok(vec![90.0, 10.0]));
        assert_eq!(of(json!([{"route": route(&[None])}]), None), Ok(vec![1.0]));
        assert_eq!(of(json!([{"route": route(&[Some(100), None])}]), None), Ok(vec![100.0, 0.0]));
        let several = json!([
            {"name": "old", "redirect": {"uri": "/"}},
            {"name": "a", "route": route(&[Some(50), Some(50)])},
            {"name": "b", "route": route(&[Some(70), Some(30)])},
        ]);
        assert_eq!(of(several.clone(), Some("b")), Ok(vec![70.0, 30.0]));
        let mistake =
            |message: &str, hint: &str| Err(Unknown::Mistake { message: message.to_owned(), hint: hint.to_owned() });
        assert_eq!(
            of(several.clone(), None),
            mistake(
                "VirtualService wisdom has 2 HTTP routes with destinations",
                "name one of them in `split.expectedFrom.route`; its name is that in the VirtualService"
            )
        );
        assert_eq!(
            of(several, Some("old")),
            mistake("VirtualService wisdom has no HTTP route `old` with destinations", "its routes are: a, b")
        );
        assert_eq!(
            of(json!([]), None),
            mistake(
                "VirtualService wisdom has no HTTP route with destinations",
                "give the weights in `split.expected`"
            )
        );
    }
}
