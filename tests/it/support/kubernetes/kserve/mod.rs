//! KServe on a control plane of its own: its real manager with its webhooks, and stand-ins for Knative's controllers, a kubelet and a gateway.
//!
//! The manager reconciles every InferenceService of its cluster, so tests that write the status themselves cannot share the cluster.

mod gateway;
mod knative;
mod standard;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use base64::Engine;
use serde_json::json;

pub use gateway::{Gateway, Model};
pub use knative::{Knative, Outcome};
pub use standard::{Standard, accepted};

use super::control_plane::free_port;
use super::process::{self, Program};
use super::{ControlPlane, POLL_INTERVAL, TIMEOUT};
use crate::support::mesh::client;
use crate::support::runtime::block_on;
use crate::support::{files, tools};

/// Namespaces and settings without which the manager does not start or reconcile, at their smallest.
const SETTINGS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: kserve}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: knative-serving}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-autoscaler, namespace: knative-serving}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: inferenceservice-config, namespace: kserve}
data:
  deploy: '{"defaultDeploymentMode": "Knative"}'
  # Without this key, annotations of KServe's own make a new revision.
  inferenceService: '{}'
  ingress: |
    {
      "ingressGateway": "knative-serving/knative-ingress-gateway",
      "localGateway": "knative-serving/knative-local-gateway",
      "localGatewayService": "knative-local-gateway.istio-system.svc.cluster.local",
      "ingressDomain": "example.com",
      "disableIstioVirtualHost": true,
      "enableGatewayApi": true,
      "kserveIngressGateway": "kserve/kserve-ingress-gateway"
    }
  storageInitializer: |
    {
      "image": "kserve/storage-initializer",
      "memoryRequest": "100Mi", "memoryLimit": "1Gi", "cpuRequest": "100m", "cpuLimit": "1",
      "cpuModelcar": "10m", "memoryModelcar": "15Mi"
    }
"#;

/// A control plane with KServe.
pub struct KServe {
    pub cluster: &'static ControlPlane,
    pub knative: Arc<Knative>,
    pub standard: Arc<Standard>,
    manager: Mutex<Option<Program>>,
    log: PathBuf,
}

impl KServe {
    /// The one that tests share; `None` if programs or definitions are missing.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<KServe>> = OnceLock::new();
        SHARED.get_or_init(Self::own).as_ref()
    }

    /// One of the test's own, to be broken and stopped; `None` if programs or definitions are missing.
    pub fn own() -> Option<Self> {
        let program = tools::needed("kserve-manager")?;
        let runtime = files::root().join(".tools/crds/kserve-sklearnserver.yaml");
        if !runtime.is_file() {
            tools::skip(&format!("{} is missing; `make test` gets it", runtime.display()));
            return None;
        }
        let cluster: &'static ControlPlane = Box::leak(Box::new(ControlPlane::own()?));
        if !cluster.kserve_crds() {
            return None;
        }
        // Its objects name their namespaces.
        let output = cluster.kubectl_with_input(&["apply", "--server-side", "-f", "-"], SETTINGS);
        assert_eq!(output.code, Some(0), "{output:#?}");
        cluster.apply_in("default", &files::text(&runtime));
        let log = cluster.directory.path().join("kserve-manager.log");
        let (knative, standard) = (Knative::start(cluster), Standard::start(cluster));
        let new = Self { cluster, knative, standard, manager: Mutex::default(), log };
        new.start_manager(&program);
        Some(new)
    }

    #[track_caller]
    fn start_manager(&self, program: &Path) {
        let directory = self.cluster.directory.path().join("kserve");
        let (webhooks, health) = (free_port(), free_port());
        let mut command = self.cluster.dying_command();
        command.env_clear().env("HOME", &directory).env("KUBECONFIG", self.cluster.kubeconfig());
        // The webhooks' certificate is looked for below the directory for temporary files.
        command.env("TMPDIR", &directory).arg(program);
        command.args(["-metrics-addr=127.0.0.1:0", &format!("-health-probe-addr=127.0.0.1:{health}")]);
        // They listen on all addresses, which no flag changes. They only complete and check the objects they are sent.
        command.arg(format!("-webhook-port={webhooks}"));
        self.write_certificate(&directory.join("k8s-webhook-server/serving-certs"));
        *self.manager.lock().unwrap() = Some(Program::run(command, &self.log));
        let started = Instant::now();
        while !block_on(client::is_ready(health, "/readyz")) {
            let ended = self.manager.lock().unwrap().as_mut().unwrap().ended();
            assert!(ended.is_none(), "KServe's manager ended with {ended:?}\n{}", self.last_words());
            assert!(started.elapsed() < TIMEOUT, "KServe's manager is not ready\n{}", self.last_words());
            std::thread::sleep(POLL_INTERVAL);
        }
        self.cluster.apply_in("default", &self.webhooks(webhooks));
    }

    fn write_certificate(&self, directory: &Path) {
        let (certificate, key) = self.cluster.certificates.authority.issue();
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(directory.join("tls.key"), key.serialize_pem()).unwrap();
    }

    /// Registrations of the webhooks that complete and check InferenceServices.
    fn webhooks(&self, port: u16) -> String {
        let authority = base64::engine::general_purpose::STANDARD.encode(self.cluster.authority());
        let webhook = |kind: &str, name: &str, path: &str, operations: &[&str]| {
            let url = format!("https://127.0.0.1:{port}/{path}-serving-kserve-io-v1beta1-inferenceservice");
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": "inferenceservice.serving.kserve.io"},
                "webhooks": [{
                    "name": format!("inferenceservice.kserve-webhook-server.{name}"),
                    "clientConfig": {"url": url, "caBundle": authority},
                    "failurePolicy": "Fail",
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "rules": [{
                        "apiGroups": ["serving.kserve.io"],
                        "apiVersions": ["v1beta1"],
                        "operations": operations,
                        "resources": ["inferenceservices"],
                    }],
                }],
            })
        };
        let defaulter = webhook("MutatingWebhookConfiguration", "defaulter", "mutate", &["CREATE", "UPDATE"]);
        let operations = ["CREATE", "UPDATE", "DELETE"];
        let validator = webhook("ValidatingWebhookConfiguration", "validator", "validate", &operations);
        format!("{defaulter}\n---\n{validator}\n")
    }

    /// Stops everything.
    pub fn stop(&self) {
        self.knative.stop();
        self.standard.stop();
        *self.manager.lock().unwrap() = None;
        self.cluster.stop();
    }

    /// The end of the manager's log.
    pub fn last_words(&self) -> String {
        process::last_words("KServe's manager", &self.log)
    }
}
