//! The chart `charts/traffic-templates`, rendered by the real Helm, and its routing templates, rendered as the controller does.

#[cfg(target_os = "linux")]
mod cluster;
mod documented;
mod matches;
mod rejected;
mod rendered;
mod rollouts;
mod routes;
#[cfg(target_os = "linux")]
mod traffic;
mod weights;

use std::path::PathBuf;

use iter8::model::codec;
use serde_json::Value;

use self::rollouts::Rollout;
use crate::support::cli_case::CliOutput;
use crate::support::{files, helm};

/// Namespace of the release.
const NAMESPACE: &str = "shop";

/// The chart's directory.
fn chart() -> PathBuf {
    files::root().join("charts/traffic-templates")
}

/// Helm, on the chart.
struct Helm(helm::Helm);

impl Helm {
    /// Returns None if it is missing.
    fn new() -> Option<Self> {
        helm::Helm::new().map(Self)
    }

    /// Runs a command of Helm on the chart.
    fn run(&self, verb: &[&str], flags: &[&str]) -> CliOutput {
        let chart = chart();
        self.0.run(&[verb, &[chart.to_str().unwrap()], flags].concat())
    }

    /// Renders the chart.
    fn template(&self, flags: &[&str]) -> CliOutput {
        self.run(&["template", "traffic"], &[&["-n", NAMESPACE], flags].concat())
    }

    /// The rendered objects, in Helm's order. Fails if Helm does.
    #[track_caller]
    fn objects(&self, flags: &[&str]) -> Vec<Value> {
        let output = self.template(flags);
        assert_eq!(output.code, Some(0), "{flags:?}: {}", output.stderr);
        objects(&output.stdout)
    }

    /// The objects of a rollout.
    #[track_caller]
    fn rollout(&self, rollout: &Rollout) -> Vec<Value> {
        let flags = rollout.flags();
        self.objects(&flags.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Objects of a stream of YAML documents.
fn objects(stream: &str) -> Vec<Value> {
    let stream = format!("\n{stream}");
    let documents = stream.split("\n---\n").map(|text| codec::value_from_yaml(text).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

/// The only object of these kinds.
#[track_caller]
fn only<'a>(objects: &'a [Value], kinds: &[&str]) -> &'a Value {
    let mut found = objects.iter().filter(|object| kinds.iter().any(|kind| object["kind"] == *kind));
    let first = found.next().unwrap_or_else(|| panic!("none of {kinds:?} in {objects:#?}"));
    assert_eq!(found.next(), None, "two of {kinds:?}");
    first
}

/// Kinds of routes.
const ROUTES: [&str; 2] = ["VirtualService", "HTTPRoute"];

/// The object with this name, which is no route.
#[track_caller]
fn named<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    let is_wanted =
        |object: &&Value| object["metadata"]["name"] == name && !ROUTES.iter().any(|kind| object["kind"] == *kind);
    objects.iter().find(is_wanted).unwrap_or_else(|| panic!("no {name} in {objects:#?}"))
}
