//! The tutorials of `docs/`, command by command on a real control plane, with the controller that their first command installs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::files;
use crate::support::kubernetes::{ControlPlane, Node, TIMEOUT};
use crate::support::tutorial::{Shell, blocks};

/// Namespace of the tutorials.
const NAMESPACE: &str = "modelmesh-serving";

/// A cluster in which a tutorial is followed.
struct Reader {
    cluster: &'static ControlPlane,
}

impl Reader {
    fn new() -> Option<Self> {
        Node::shared()?;
        let cluster = ControlPlane::shared()?;
        if !cluster.crds() {
            return None;
        }
        cluster.kubectl_with_input(
            &["apply", "-f", "-"],
            &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"),
        );
        Some(Self { cluster })
    }

    fn set_ready(&self, model: &str, status: &str) {
        let status = json!({"conditions": [{"type": "Ready", "status": status}]});
        self.cluster.set_status("inferenceservices", NAMESPACE, model, &status);
    }

    /// Waits until the VirtualService has these routes.
    #[track_caller]
    fn wait_for_routes(&self, expected: &[&str]) {
        self.cluster.wait_for("virtualservices", NAMESPACE, "wisdom", |object| routes(object) == expected);
    }

    fn exists(&self, resource: &str, name: &str) -> bool {
        !self.cluster.get(resource, NAMESPACE, name).is_null()
    }
}

/// Describes the routes of a VirtualService: `MATCH -> MODEL WEIGHT, …`.
fn routes(object: &Value) -> Vec<String> {
    let http = object["spec"]["http"].as_array().into_iter().flatten();
    let route = |http: &Value| {
        let header = &http["match"][0]["headers"]["traffic"]["exact"];
        let destinations = http["route"].as_array().into_iter().flatten().map(|route| {
            let model = route["headers"]["request"]["set"]["mm-vmodel-id"].as_str().unwrap_or("?");
            let weight = route["weight"].as_u64().map(|weight| format!(" {weight}")).unwrap_or_default();
            format!("{model}{weight}")
        });
        let destinations = destinations.collect::<Vec<_>>().join(", ");
        header.as_str().map_or(destinations.clone(), |header| format!("traffic: {header} -> {destinations}"))
    };
    http.map(route).collect()
}

/// Runs a tutorial. `candidate` are the routes while both versions are ready, `weighted` those after the weights were changed.
fn follow(reader: &Reader, tutorial: &str, candidate: &[&str], weighted: &[&str]) {
    let (root, kubeconfig) = (files::root(), reader.cluster.kubeconfig());
    let Some(shell) = Shell::new(&root, &kubeconfig) else { return };
    let alone = ["wisdom-0"];
    let blocks = blocks(tutorial);
    assert!(blocks.len() > 8, "{tutorial}");
    for block in blocks {
        let output = shell.run(&block);
        match block.name.as_str() {
            "install" => {
                reader
                    .cluster
                    .wait_for("deployments", NAMESPACE, "iter8", |object| object["status"]["readyReplicas"] == 2);
            }
            "primary" => reader.set_ready("wisdom-0", "True"),
            "initialize" => reader.wait_for_routes(&alone),
            "candidate" => {
                for status in ["False", "Unknown"] {
                    reader.set_ready("wisdom-1", status);
                    reader.wait_for_routes(&alone);
                }
                reader.set_ready("wisdom-1", "True");
                reader.wait_for_routes(candidate);
                reader.set_ready("wisdom-1", "False");
                reader.wait_for_routes(&alone);
                reader.set_ready("wisdom-1", "True");
                reader.wait_for_routes(candidate);
            }
            "weights" => reader.wait_for_routes(weighted),
            "promote" => reader.wait_for_routes(weighted),
            "delete-candidate" => {
                reader.wait_for_routes(&alone);
                assert!(!reader.exists("inferenceservices", "wisdom-1"));
            }
            "clean" => {
                for (resource, name) in [
                    ("virtualservices", "wisdom"),
                    ("configmaps", "wisdom-routemap"),
                    ("inferenceservices", "wisdom-0"),
                ] {
                    reader.cluster.wait_until_gone(resource, NAMESPACE, name);
                }
                // Nothing is created again.
                let started = Instant::now();
                while started.elapsed() < Duration::from_secs(2) {
                    assert!(!reader.exists("virtualservices", "wisdom"), "the VirtualService came back");
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
            "uninstall" => {
                let started = Instant::now();
                while reader.cluster.kubectl_ok(&["get", "pods", "-n", NAMESPACE, "-o", "name"]).contains("iter8-") {
                    assert!(started.elapsed() < TIMEOUT, "pods are left");
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
            "show" => assert!(output.stdout.contains("wisdom"), "{output:#?}"),
            other => panic!("{tutorial}: unknown block {other}"),
        }
    }
}

#[test]
fn the_tutorials_work_command_by_command() {
    let Some(reader) = Reader::new() else { return };
    let candidate = ["traffic: test -> wisdom-1", "wisdom-0"];
    follow(&reader, "canary-modelmesh.md", &candidate, &candidate);
    follow(&reader, "blue-green-modelmesh.md", &["wisdom-0 50, wisdom-1 50"], &["wisdom-0 20, wisdom-1 80"]);
}
