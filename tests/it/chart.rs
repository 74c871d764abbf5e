//! The chart `charts/iter8`, rendered by the real Helm, creates the same objects from the same values as `iter8 k launch`.

mod derived;
mod objects;
#[cfg(target_os = "linux")]
mod original;
mod rejected;
#[cfg(target_os = "linux")]
mod release;

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iter8::model::codec;
use iter8::values::without_nulls;
use serde_json::{Value, json};

use crate::support::cli_case::CliOutput;
use crate::support::files;
use crate::support::helm::Helm;

/// The group, which is the name of the release.
const GROUP: &str = "canary";

/// The chart's directory.
fn chart() -> PathBuf {
    files::root().join("charts/iter8")
}

impl Helm {
    /// Renders the chart with these values in this namespace.
    fn template(&self, namespace: &str, values: &[&str]) -> CliOutput {
        let chart = chart();
        self.run(&[&["template", GROUP, chart.to_str().unwrap(), "-n", namespace], values].concat())
    }

    /// The manifests of [`Self::template`], which must succeed.
    #[track_caller]
    fn manifests(&self, namespace: &str, values: &[&str]) -> String {
        let output = self.template(namespace, values);
        assert_eq!(output.code, Some(0), "{values:?}: {}", output.stderr);
        output.stdout
    }

    /// Runs `iter8 k launch --dry` with the same values.
    fn launch(&self, namespace: &str, values: &[&str]) -> CliOutput {
        let to_stdout = ["--dry", "--outputFile", "-"];
        self.cli.run([&["k", "launch", "-g", GROUP, "-n", namespace], &to_stdout[..], values].concat())
    }
}

/// The objects in a stream of YAML documents by kind, namespace and name. A Secret's texts are what they mean as YAML.
fn objects(stream: &str) -> BTreeMap<String, Value> {
    let stream = format!("\n{stream}");
    let documents = stream.split("\n---\n").map(|text| codec::value_from_yaml(text).unwrap());
    let mut objects = BTreeMap::new();
    for mut object in documents.filter(|document| !document.is_null()) {
        let mut take = |field: &str| object.as_object_mut().unwrap().remove(field).unwrap_or_else(|| json!({}));
        let [plain, encoded] = ["stringData", "data"].map(|field| take(field).as_object().unwrap().clone());
        let decoded = |text: &str| String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
        let plain = plain.iter().map(|(key, text)| (key, text.as_str().unwrap().to_owned()));
        for (key, text) in plain.chain(encoded.iter().map(|(key, text)| (key, decoded(text.as_str().unwrap())))) {
            object["texts"][key] = without_nulls(codec::value_from_yaml(&text).unwrap());
        }
        let of = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
        let key = format!("{} {}/{}", object["kind"].as_str().unwrap(), of("namespace"), of("name"));
        let before = objects.insert(key.clone(), in_order(object));
        assert_eq!(before, None, "{key} is there twice");
    }
    objects
}

/// The same object with what has no order in one: rules, and the names in each.
fn in_order(mut object: Value) -> Value {
    let sort = |list: &mut Value| list.as_array_mut().unwrap().sort_by_key(Value::to_string);
    if object["kind"] == "Role" {
        let rules = object["rules"].as_array_mut().unwrap().iter_mut();
        rules.filter_map(|rule| rule.get_mut("resourceNames")).for_each(sort);
        sort(&mut object["rules"]);
    }
    object
}
