//! The resources that KServe, Knative, Istio and the Gateway API add to Kubernetes, as they publish them.

use std::time::Instant;

use super::{ControlPlane, POLL_INTERVAL, TIMEOUT};
use crate::support::{files, tools};

/// Files of definitions, and the line that identifies the wanted ones in a file with many. The others are not used, and each costs the
/// API server time.
const SOURCES: [(&str, &str); 8] = [
    ("kserve.yaml", "  name: inferenceservices.serving.kserve.io\n"),
    ("knative.yaml", "  name: services.serving.knative.dev\n"),
    ("istio.yaml", "  name: virtualservices.networking.istio.io\n"),
    ("istio.yaml", "  name: gateways.networking.istio.io\n"),
    ("istio.yaml", "  name: workloadentries.networking.istio.io\n"),
    ("gateway-api-gateways.yaml", "  name: gateways.gateway.networking.k8s.io\n"),
    ("gateway-api-httproutes.yaml", "  name: httproutes.gateway.networking.k8s.io\n"),
    ("gateway-api-referencegrants.yaml", "  name: referencegrants.gateway.networking.k8s.io\n"),
];

impl ControlPlane {
    /// Adds them, if that has not been done, and waits until kubectl knows them. False if the definitions are missing.
    #[track_caller]
    #[must_use]
    pub fn crds(&self) -> bool {
        *self.definitions.get_or_init(|| {
            let Some(yaml) = wanted() else { return false };
            // `create` is faster than `apply`, which records an owner of every line of the schemas.
            let output = self.kubectl_with_input(&["create", "-f", "-"], &yaml);
            assert_eq!(output.code, Some(0), "{output:#?}");
            let gateways = ["gateways.networking.istio.io", "gateways.gateway.networking.k8s.io"];
            let others = ["isvc", "ksvc", "virtualservices", "workloadentries", "httproutes", "referencegrants"];
            for resource in others.iter().chain(&gateways) {
                self.wait_until_known(resource);
            }
            true
        })
    }

    /// Discovery lists a resource some time after its definition is established, without any notification.
    #[track_caller]
    fn wait_until_known(&self, resource: &str) {
        let started = Instant::now();
        loop {
            let output = self.kubectl(&["get", resource, "-A"]);
            if output.code == Some(0) {
                return;
            }
            assert!(started.elapsed() < TIMEOUT, "{resource} is not known: {output:#?}");
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// The definitions that are wanted; none if a file is missing.
fn wanted() -> Option<String> {
    let mut all = String::new();
    for (file, name) in SOURCES {
        let path = files::root().join(".tools/crds").join(file);
        if !path.is_file() {
            tools::skip(&format!("{} is missing; `make test` gets it", path.display()));
            return None;
        }
        let text = files::text(&path);
        let definition = text.split("\n---\n").find(|definition| definition.contains(name));
        all.push_str(definition.unwrap_or_else(|| panic!("no {name} in {file}")));
        all.push_str("\n---\n");
    }
    Some(all)
}
