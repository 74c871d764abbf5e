//! Parts of the chart that must agree: its version with the program's, and the schema with the documented defaults.

use iter8::model::codec;
use serde_json::Value;

use super::{Helm, chart};
use crate::support::files;

#[test]
fn the_chart_has_the_version_of_the_program() {
    let about = codec::value_from_yaml(&files::text(&chart().join("Chart.yaml"))).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(about[field], env!("CARGO_PKG_VERSION"), "{field}");
    }
}

#[test]
fn every_value_is_described_in_the_schema_and_in_the_defaults() {
    let defaults = files::text(&chart().join("values.yaml"));
    let schema: Value = serde_json::from_str(&files::text(&chart().join("values.schema.json"))).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let version = schema["properties"]["modelVersions"]["items"]["properties"].as_object().unwrap();
    for (name, property) in properties.iter().chain(version) {
        assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
    }
    let lines: Vec<&str> = defaults.lines().map(|line| line.trim_start_matches(['#', ' '])).collect();
    let names = properties.keys().chain(version.keys()).filter(|name| *name != "global");
    for name in names {
        assert!(lines.iter().any(|line| line.starts_with(&format!("{name}:"))), "{name} is not in values.yaml");
    }
    let values = codec::value_from_yaml(&defaults).unwrap();
    for name in values.as_object().unwrap().keys() {
        assert!(properties.contains_key(name), "{name} is not in the schema");
    }
}

#[test]
fn helm_lint_accepts_every_strategy() {
    let Some(helm) = Helm::new() else { return };
    for strategy in super::rollouts::STRATEGIES {
        for api in ["istio", "gateway-api"] {
            let values = format!(
                "--set=templateName=initialize,modelName=w,targetEnv=kserve,trafficStrategy={strategy},trafficApi={api}"
            );
            let output = helm.run(&["lint", "--strict"], &[&values]);
            assert_eq!(output.code, Some(0), "{values}: {}{}", output.stdout, output.stderr);
        }
    }
}
