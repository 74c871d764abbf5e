//! Routes that the routing templates render: exactly those of the strategy, for every vector of weights.

use std::fmt::Write;
use std::sync::Mutex;
use std::thread;

use chrono::DateTime;
use gotemplate::{GoTemplate, MissingKey, Options};
use iter8::model::codec;
use serde_json::{Value, json};

use super::rollouts::{Environment, Rollout};
use super::{Helm, ROUTES, named, only};

/// Header of copies that reach the gateway.
const COPY_HEADER: &str = "x-iter8-mirror";

/// The routing template of a rollout.
#[track_caller]
pub fn routing_template(objects: &[Value]) -> String {
    let spec = named(objects, "wisdom-routemap")["data"]["strSpec"].as_str().unwrap();
    let spec = codec::value_from_yaml(spec).unwrap();
    let templates = spec["routingTemplates"].as_object().unwrap();
    assert_eq!(templates.len(), 1);
    templates.values().next().unwrap()["template"].as_str().unwrap().to_owned()
}

/// Renders a routing template as the controller does.
#[track_caller]
pub fn render(template: &str, weights: &[u32]) -> String {
    let options = Options { missing_key: MissingKey::Zero, ..Options::default() };
    let template = GoTemplate::with_options(template, options).unwrap();
    template.render(&json!({ "Weights": weights }), DateTime::UNIX_EPOCH).unwrap()
}

/// All vectors with these weights.
pub fn vectors(length: usize, weights: &[u32]) -> Vec<Vec<u32>> {
    let mut vectors = vec![Vec::new()];
    for _ in 0..length {
        let longer = |vector: &Vec<u32>| -> Vec<Vec<u32>> {
            weights.iter().map(|weight| [&vector[..], &[*weight]].concat()).collect()
        };
        vectors = vectors.iter().flat_map(longer).collect();
    }
    vectors
}

/// Vectors of weights for a number of versions: available, unavailable, and with weights that are different or too large.
pub fn weights(versions: usize) -> Vec<Vec<u32>> {
    vectors(versions, if versions > 3 { &[0, 30] } else { &[0, 20, 150] })
}

/// Checks a route and describes its rules: matches, destinations with weights, and copies.
#[track_caller]
fn rules(rollout: &Rollout, route: &Value) -> Vec<String> {
    assert_eq!(route["metadata"], json!({"name": "wisdom"}));
    let is_istio = rollout.api == "istio";
    let hosts = &route["spec"][if is_istio { "hosts" } else { "hostnames" }];
    assert!(!hosts.as_array().unwrap().is_empty());
    let rules = route["spec"][if is_istio { "http" } else { "rules" }].as_array().unwrap();
    let rule = if is_istio { istio_rule } else { gateway_api_rule };
    rules.iter().map(|one| rule(rollout, one)).collect()
}

fn istio_rule(rollout: &Rollout, rule: &Value) -> String {
    let mut text = match &rule["match"] {
        Value::Null => "all".to_owned(),
        matches => {
            let headers = matches[0]["headers"].as_object().unwrap().iter();
            let headers = headers.map(|(name, test)| format!("{name}={}", test["exact"].as_str().unwrap()));
            headers.collect::<Vec<_>>().join(",")
        }
    };
    let destinations = rule["route"].as_array().unwrap();
    assert!(!destinations.is_empty(), "no destination: {rule}");
    for (index, destination) in destinations.iter().enumerate() {
        text.push_str(if index == 0 { " -> " } else { ", " });
        let request = &destination["headers"]["request"];
        let removed = request["remove"].as_array().map(Vec::as_slice).unwrap_or_default();
        let backend = istio_backend(&destination["destination"]);
        text.push_str(&target(rollout, &backend, &request["set"], removed));
        let weight = &destination["weight"];
        assert_eq!(weight.is_null(), destinations.len() == 1, "a single destination has no weight: {rule}");
        if !weight.is_null() {
            assert!(weight.as_u64().unwrap() > 0, "{rule}");
            write!(text, " {weight}").unwrap();
        }
    }
    let one = Some((&rule["mirror"], &rule["mirrorPercentage"])).filter(|(mirror, _)| !mirror.is_null());
    let others = rule["mirrors"].as_array().into_iter().flatten();
    let others = others.map(|copy| (&copy["destination"], &copy["percentage"]));
    for (destination, percentage) in one.into_iter().chain(others) {
        text.push_str(&copy(rollout, &istio_backend(destination), &percentage["value"]));
    }
    text
}

/// Service, namespace and port of a destination.
fn istio_backend(destination: &Value) -> String {
    let host = destination["host"].as_str().unwrap();
    format!("{}:{}", host.strip_suffix(".svc.cluster.local").unwrap(), destination["port"]["number"])
}

fn gateway_api_rule(rollout: &Rollout, rule: &Value) -> String {
    let matches = rule["matches"].as_array().unwrap();
    assert_eq!(matches[0]["path"], json!({"type": "PathPrefix", "value": "/"}));
    let headers = matches[0]["headers"].as_array().into_iter().flatten();
    let headers = headers.map(|one| format!("{}={}", one["name"].as_str().unwrap(), one["value"].as_str().unwrap()));
    let headers: Vec<String> = headers.collect();
    let mut text = if headers.is_empty() { "all".to_owned() } else { headers.join(",") };
    let backends = rule["backendRefs"].as_array().unwrap();
    assert!(!backends.is_empty(), "no backend: {rule}");
    for (index, backend) in backends.iter().enumerate() {
        text.push_str(if index == 0 { " -> " } else { ", " });
        let modifier = &backend["filters"][0]["requestHeaderModifier"];
        let set = modifier["set"].as_array().into_iter().flatten();
        let set = set.map(|one| (one["name"].as_str().unwrap().to_owned(), one["value"].clone()));
        let removed = modifier["remove"].as_array().map(Vec::as_slice).unwrap_or_default();
        text.push_str(&target(rollout, &gateway_api_backend(backend), &Value::Object(set.collect()), removed));
        assert!(backend["weight"].as_u64().unwrap() > 0, "{rule}");
        if backends.len() > 1 {
            write!(text, " {}", backend["weight"]).unwrap();
        }
    }
    for filter in rule["filters"].as_array().into_iter().flatten() {
        let mirror = &filter["requestMirror"];
        text.push_str(&copy(rollout, &gateway_api_backend(&mirror["backendRef"]), &mirror["percent"]));
    }
    text
}

/// Service, namespace and port of a backend.
fn gateway_api_backend(reference: &Value) -> String {
    let field = |name: &str| reference[name].as_str().unwrap();
    format!("{}.{}:{}", field("name"), field("namespace"), reference["port"])
}

/// Version that a backend and request headers select. `*` if the route adds the header that marks copies, `-` if it removes that header.
fn target(rollout: &Rollout, backend: &str, headers: &Value, removed: &[Value]) -> String {
    let mut headers = headers.as_object().cloned().unwrap_or_default();
    let mut marks = String::new();
    if let Some(value) = headers.remove(COPY_HEADER) {
        assert_eq!(value, "wisdom");
        marks.push('*');
    }
    if !removed.is_empty() {
        assert_eq!(removed, [json!(COPY_HEADER)]);
        marks.push('-');
    }
    format!("{}{marks}", version_of(rollout, backend, &Value::Object(headers)))
}

/// Name of the version that has this backend and is selected by these request headers.
fn version_of(rollout: &Rollout, backend: &str, headers: &Value) -> String {
    let has = |index: &usize| {
        let (expected, header) = match rollout.environment {
            Environment::Modelmesh => (
                "modelmesh-serving.modelmesh-serving:8033".to_owned(),
                json!({"mm-vmodel-id": format!("wisdom-{index}")}),
            ),
            Environment::Knative => (
                "knative-local-gateway.istio-system:80".to_owned(),
                json!({"Host": format!("wisdom-{index}.shop.svc.cluster.local")}),
            ),
            Environment::Standard => (format!("wisdom-{index}-predictor.shop:80"), json!({})),
            Environment::Deployment => (format!("wisdom-{index}.shop:80"), json!({})),
        };
        (backend, headers) == (expected.as_str(), &header)
    };
    let index = (0..rollout.versions).find(has);
    index.unwrap_or_else(|| panic!("no version of {rollout:?} has {backend} with {headers}")).to_string()
}

/// Copies to a backend, in words.
fn copy(rollout: &Rollout, backend: &str, percentage: &Value) -> String {
    let percentage = percentage.as_u64().unwrap();
    assert!((1..=100).contains(&percentage));
    let gateway = match rollout.api {
        "istio" => "istio-ingressgateway.istio-system:80",
        _ if rollout.environment == Environment::Modelmesh => "mm-gateway-istio.modelmesh-serving:80",
        _ => "mm-gateway-istio.shop:80",
    };
    let to = if rollout.mirrors_through_gateway() {
        assert_eq!(backend, gateway);
        "gateway".to_owned()
    } else {
        version_of(rollout, backend, &json!({}))
    };
    format!(" + {percentage}% to {to}")
}

/// Rules that the strategy asks for.
fn expected(rollout: &Rollout, weights: &[u32]) -> Vec<String> {
    let mut available: Vec<usize> = (0..weights.len()).filter(|index| weights[*index] > 0).collect();
    if available.is_empty() {
        available.push(0);
    }
    let (first, others) = available.split_first().unwrap();
    let all = format!("all -> {first}");
    match rollout.strategy {
        "blue-green" if others.is_empty() => vec![all],
        "blue-green" => {
            let shares = available.iter().map(|index| format!("{index} {}", weights[*index]));
            vec![format!("all -> {}", shares.collect::<Vec<_>>().join(", "))]
        }
        "canary" => {
            let candidates = available.iter().filter(|index| **index > 0 && weights[**index] > 0);
            let test = |index: &usize| if *index == 1 { "traffic=test".to_owned() } else { format!("user=u{index}") };
            candidates.map(|index| format!("{} -> {index}", test(index))).chain([all]).collect()
        }
        _ if rollout.mirrors_through_gateway() && !others.is_empty() => {
            vec![format!("{COPY_HEADER}=wisdom -> 1-"), format!("all -> 0* + {}% to gateway", weights[1].min(100))]
        }
        _ => {
            let copies = others.iter().map(|index| format!(" + {}% to {index}", weights[*index].min(100)));
            vec![copies.fold(all, |text, copy| text + &copy)]
        }
    }
}

/// Differences between the rendered routes of a rollout and the expected ones.
fn differences(helm: &Helm, rollout: &Rollout) -> Vec<String> {
    let template = routing_template(&helm.rollout(rollout));
    let mut differences = Vec::new();
    for weights in weights(rollout.versions) {
        let route = codec::value_from_yaml(&render(&template, &weights)).unwrap();
        let (found, expected) = (rules(rollout, &route), expected(rollout, &weights));
        if found != expected {
            differences.push(format!("{rollout:?} {weights:?}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    differences
}

#[test]
fn every_routing_template_renders_the_routes_of_its_strategy() {
    let Some(helm) = Helm::new() else { return };
    let rollouts = Rollout::all();
    assert_eq!(rollouts.len(), 88);
    let message = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for part in 0..4 {
            let (helm, rollouts, message) = (&helm, &rollouts, &message);
            scope.spawn(move || {
                for rollout in rollouts.iter().skip(part).step_by(4) {
                    message.lock().unwrap().extend(differences(helm, rollout));
                }
            });
        }
    });
    let message = message.into_inner().unwrap();
    assert!(message.is_empty(), "{}", message.join("\n"));
}

#[test]
fn the_initial_route_is_that_of_version_0() {
    let Some(helm) = Helm::new() else { return };
    for rollout in Rollout::all().iter().filter(|rollout| rollout.versions < 4) {
        let objects = helm.rollout(rollout);
        let mut weights = vec![0; rollout.versions];
        weights[0] = 1;
        let rendered = codec::value_from_yaml(&render(&routing_template(&objects), &weights)).unwrap();
        let mut initial = only(&objects, &ROUTES).clone();
        let namespace = initial["metadata"].as_object_mut().unwrap().remove("namespace");
        // The controller applies the rendered object in the namespace of the routemap.
        assert_eq!(namespace.as_ref(), Some(&named(&objects, "wisdom-routemap")["metadata"]["namespace"]));
        assert_eq!(initial, rendered, "{rollout:?}");
    }
}

#[test]
fn vectors_have_every_combination() {
    assert_eq!(vectors(2, &[0, 5]), [[0, 0], [0, 5], [5, 0], [5, 5]]);
}
