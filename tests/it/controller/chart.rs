//! The chart of the controller, rendered by the real Helm.

use std::collections::BTreeSet;
use std::process::Command;

use iter8::model::codec::value_from_yaml;
use serde_json::Value;

use super::controller_case::ControllerCase;
use crate::support::helm::Helm;
use crate::support::{files, tools};

/// The chart's directory.
fn chart() -> String {
    files::root().join("charts/controller").to_str().unwrap().to_owned()
}

/// Renders the chart; `None` if Helm is missing.
fn rendered(values: &[&str]) -> Option<String> {
    let output = Helm::new()?.run(&[&["template", "routes", &chart(), "-n", "shop"], values].concat());
    output.exits(0);
    Some(output.stdout)
}

/// The objects of this kind in a stream of YAML documents.
fn objects(stream: &str, kind: &str) -> Vec<Value> {
    let documents = stream.split("\n---\n").map(|text| value_from_yaml(text).unwrap());
    documents.filter(|document| document["kind"] == kind).collect()
}

/// Names of our metrics in a text, without the suffixes of histograms.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("iter8_controller_"));
    names
        .map(|name| name.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum").to_owned())
        .collect()
}

#[test]
fn the_configuration_of_the_chart_is_the_default_of_the_program() {
    let Some(text) = rendered(&[]) else { return };
    let config = objects(&text, "ConfigMap")
        .into_iter()
        .find_map(|object| Some(object["data"]["config.yaml"].as_str()?.to_owned()));
    let config = value_from_yaml(&config.unwrap()).unwrap();
    let default = value_from_yaml(&files::text(&files::root().join("src/routing/stock.yaml"))).unwrap();
    assert_eq!(config["resourceTypes"], default["resourceTypes"]);
    assert_eq!(config["routeTypes"], default["routeTypes"]);
    assert_eq!(config["defaultResync"], default["defaultResync"]);
}

#[test]
fn dashboard_and_alerts_use_metrics_that_exist() {
    let Some(case) = ControllerCase::new() else { return };
    let controller = case.ready_controller();
    case.apply(&super::controller_case::routemap("shop"));
    case.wait_for_shop();
    controller.log.wait_for("applied");
    let (_, text) = controller.http("/metrics");
    let exported = metric_names(&text);
    for file in ["dashboard.json", "alerts.yaml"] {
        let used = metric_names(&files::text(&files::root().join("charts/controller/files").join(file)));
        let unknown: Vec<_> = used.difference(&exported).collect();
        assert!(used.len() > 3 && unknown.is_empty(), "{file} uses {unknown:?}; there are {exported:?}");
    }
}

#[test]
fn alerts_are_valid_rules_of_prometheus() {
    let Some(promtool) = tools::needed("promtool") else { return };
    let output = Command::new(promtool)
        .args(["check", "rules", "charts/controller/files/alerts.yaml"])
        .current_dir(files::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_api_server_accepts_all_variants() {
    let Some(case) = ControllerCase::new() else { return };
    let variants: [&[&str]; 4] = [
        &[],
        &["--set", "workload=StatefulSet,replicas=1"],
        &["--set", "clusterScoped=true,otherNamespaces=true"],
        &["--set", "dashboard.enabled=true,versionMetrics=false,cleanup=false"],
    ];
    for values in variants {
        let Some(text) = rendered(values) else { return };
        let text = text.replace("namespace: \"shop\"", &format!("namespace: {}", case.case.namespace));
        let args = ["apply", "--server-side", "--dry-run=server", "-n", &case.case.namespace, "-f", "-"];
        case.case.cluster.kubectl_with_input(&args, &text).exits(0);
    }
}

#[test]
fn the_role_grants_only_what_the_controller_does() {
    let Some(text) = rendered(&[]) else { return };
    let rules = |role: &Value| role["rules"].as_array().unwrap().clone();
    let roles = objects(&text, "Role");
    let all: Vec<Value> = roles.iter().flat_map(rules).collect();
    let granted = |verb: &str| -> Vec<&str> {
        let rules = all.iter().filter(|rule| rule["verbs"].as_array().unwrap().iter().any(|one| one == verb));
        rules.map(|rule| rule["resources"][0].as_str().unwrap()).collect()
    };
    assert_eq!(granted("create"), ["httproutes", "virtualservices", "events", "leases"]);
    assert!(granted("delete").is_empty() && granted("*").is_empty() && !granted("get").contains(&"secrets"));
    assert_eq!(granted("update"), ["leases"]);
}

#[test]
fn mistakes_in_values_are_named() {
    let mistakes = [
        "workload=DaemonSet",
        "replica=2",
        "defaultResync=15",
        "routeTypes={vs,ksvc}",
        "otherNamespaces=true",
        "resourceTypes.isvc.conditions[0].name=Ready",
        "dashboard=null",
        "podMonitor=null",
        "prometheusRule=null",
        "clusterScoped=null",
        "cleanup=null",
        "versionMetrics=null",
        "dashboard.labels.a=5",
        "defaultResync=99999999999999999h",
    ];
    let mut text = String::new();
    for values in mistakes {
        let Some(helm) = Helm::new() else { return };
        let output = helm.run(&["template", "routes", &chart(), "--set", values]);
        assert_eq!(output.code, Some(1), "{values}: {output:#?}");
        text.push_str(&format!("{values}\n{}\n", output.stderr));
    }
    insta::assert_snapshot!(text);
}
