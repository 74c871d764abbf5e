//! Weights: in the routemap, and in the ConfigMaps that override them.

use iter8::model::codec;
use serde_json::{Value, json};

use super::{Helm, named};

/// Name and annotated weight of each weight ConfigMap.
fn annotated(objects: &[Value]) -> Vec<(&str, Option<&str>)> {
    let metadata = objects.iter().map(|object| &object["metadata"]);
    let watched = metadata.filter(|metadata| metadata["labels"]["iter8.tools/watch"] == "true");
    watched
        .map(|metadata| (metadata["name"].as_str().unwrap(), metadata["annotations"]["iter8.tools/weight"].as_str()))
        .collect()
}

/// Weight of each version in the routemap; null if there is none.
fn in_routemap(objects: &[Value]) -> Vec<Value> {
    let spec = codec::value_from_yaml(named(objects, "wisdom-routemap")["data"]["strSpec"].as_str().unwrap()).unwrap();
    spec["versions"].as_array().unwrap().iter().map(|version| version["weight"].clone()).collect()
}

/// Flags of a template and a strategy, with the versions as JSON.
fn flags(template: &str, strategy: &str, versions: &Value) -> [String; 2] {
    [
        format!("--set=modelName=wisdom,targetEnv=kserve-modelmesh,templateName={template},trafficStrategy={strategy}"),
        format!("--set-json=modelVersions={versions}"),
    ]
}

#[test]
fn blue_green_weights_are_defaults_until_they_are_given() {
    let Some(helm) = Helm::new() else { return };
    let objects = |template: &str, versions: Value| {
        let flags = flags(template, "blue-green", &versions);
        helm.objects(&[&flags[0], &flags[1]])
    };
    let default = objects("initialize-rollout", json!([]));
    assert_eq!(in_routemap(&default), [50, 50]);
    assert_eq!(annotated(&default), [("wisdom-0-weight-config", None), ("wisdom-1-weight-config", None)]);

    let versions = json!([{"name": "a", "weight": 1_000_000}, {"name": "b", "weight": 0}, {"name": "c"}]);
    let given = objects("initialize-rollout", versions.clone());
    assert_eq!(in_routemap(&given), [1_000_000, 0, 50]);
    let annotations = [("a-weight-config", Some("1000000")), ("b-weight-config", Some("0")), ("c-weight-config", None)];
    assert_eq!(annotated(&given), annotations);

    let modified = objects("modify-weights", versions);
    assert_eq!(annotated(&modified), annotations);
    assert_eq!(modified.len(), annotations.len(), "nothing else is rendered");
}

#[test]
fn percentages_of_copies_are_weights_of_the_candidates() {
    let Some(helm) = Helm::new() else { return };
    let objects = |template: &str, percentage: &str, versions: Value| {
        let flags = flags(template, "mirror", &versions);
        helm.objects(&[&flags[0], &flags[1], &format!("--set=mirrorPercentage={percentage}")])
    };
    let default = objects("initialize", "null", json!([]));
    assert_eq!(in_routemap(&default), [Value::Null, json!(100)]);
    assert_eq!(annotated(&default), [("wisdom-1-weight-config", None)]);

    let given = objects("initialize", "30", json!([]));
    assert_eq!(in_routemap(&given), [Value::Null, json!(30)]);
    assert_eq!(annotated(&given), [("wisdom-1-weight-config", Some("30"))]);

    assert_eq!(annotated(&objects("modify-weights", "0", json!([]))), [("wisdom-1-weight-config", Some("0"))]);
    let weight = json!([null, {"weight": 7}]);
    assert_eq!(annotated(&objects("modify-weights", "30", weight)), [("wisdom-1-weight-config", Some("7"))]);
}

#[test]
fn canary_rollouts_have_no_weights() {
    let Some(helm) = Helm::new() else { return };
    let flags = flags("initialize", "canary", &json!([{"weight": 1}, {"weight": 2}]));
    let objects = helm.objects(&[&flags[0], &flags[1]]);
    assert_eq!(in_routemap(&objects), [Value::Null, Value::Null]);
    assert_eq!(annotated(&objects), []);
}
