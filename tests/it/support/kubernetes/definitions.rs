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

/// Definitions that only KServe's manager needs.
const KSERVE: [(&str, &str); 5] = [
    ("kserve-servingruntimes.yaml", "  name: servingruntimes.serving.kserve.io\n"),
    ("kserve-clusterservingruntimes.yaml", "  name: clusterservingruntimes.serving.kserve.io\n"),
    ("kserve-inferencegraphs.yaml", "  name: inferencegraphs.serving.kserve.io\n"),
    ("kserve-trainedmodels.yaml", "  name: trainedmodels.serving.kserve.io\n"),
    ("kserve-clusterstoragecontainers.yaml", "  name: clusterstoragecontainers.serving.kserve.io\n"),
];

/// Definition that only tests of language models need.
const LLM: [(&str, &str); 1] =
    [("kserve-llminferenceservices.yaml", "  name: llminferenceservices.serving.kserve.io\n")];

impl ControlPlane {
    /// Adds them, if that has not been done, and waits until kubectl knows them. False if the definitions are missing.
    #[track_caller]
    #[must_use]
    pub fn crds(&self) -> bool {
        *self.definitions.get_or_init(|| {
            let gateways = ["gateways.networking.istio.io", "gateways.gateway.networking.k8s.io"];
            let others = ["isvc", "ksvc", "virtualservices", "workloadentries", "httproutes", "referencegrants"];
            self.define(&SOURCES, others.iter().chain(&gateways))
        })
    }

    /// Adds what KServe's manager needs. False if the definitions are missing.
    #[track_caller]
    #[must_use]
    pub(super) fn kserve_crds(&self) -> bool {
        let resources = [
            "servingruntimes",
            "clusterservingruntimes",
            "inferencegraphs",
            "trainedmodels",
            "clusterstoragecontainers",
        ];
        self.crds() && self.define(&KSERVE, &resources)
    }

    /// Adds the definition of LLMInferenceServices, if that has not been done. False if it is missing.
    #[track_caller]
    #[must_use]
    pub fn llm_crd(&self) -> bool {
        *self.llm_definition.get_or_init(|| self.crds() && self.define(&LLM, &["llmisvc"]))
    }

    #[track_caller]
    fn define<'a>(&self, sources: &[(&str, &str)], resources: impl IntoIterator<Item = &'a &'a str>) -> bool {
        let Some(yaml) = wanted(sources) else { return false };
        // `create` is faster than `apply`, which records an owner of every line of the schemas.
        let output = self.kubectl_with_input(&["create", "-f", "-"], &yaml);
        assert_eq!(output.code, Some(0), "{output:#?}");
        for resource in resources {
            self.wait_until_known(resource);
        }
        true
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
fn wanted(sources: &[(&str, &str)]) -> Option<String> {
    let mut all = String::new();
    for (file, name) in sources {
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
