//! istiod on a control plane: it turns Istio's objects into Envoy's configuration. One serves all Envoys of a control plane.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use super::control_plane::free_port;
use super::process::{self, Program};
use super::{ControlPlane, POLL_INTERVAL, TIMEOUT};
use crate::support::mesh::client;
use crate::support::runtime::block_on;
use crate::support::tools;

/// Namespace of istiod, and of what applies to the whole mesh.
const NAMESPACE: &str = "istio-system";

/// Settings of the mesh. Mutual TLS would need certificates, which only the agent beside an Envoy of Istio's serves.
const MESH: &str = "{accessLogFile: '', trustDomain: cluster.local, rootNamespace: istio-system, enablePrometheusMerge: false, \
                     enableAutoMtls: false}\n";

/// The environment of istiod.
const ENVIRONMENT: [(&str, &str); 15] = [
    ("POD_NAME", "istiod-0"),
    ("POD_NAMESPACE", NAMESPACE),
    // Filters that only Istio's build of Envoy has.
    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
    ("PILOT_ENABLE_ALPN_FILTER", "false"),
    // Each test has an Envoy and Gateways in a namespace of its own.
    ("PILOT_SCOPE_GATEWAY_TO_NAMESPACE", "true"),
    // Changes arrive 100 ms later by default.
    ("PILOT_DEBOUNCE_AFTER", "5ms"),
    // Parts that write objects or that no test uses.
    ("ENABLE_CA_SERVER", "false"),
    ("ENABLE_LEADER_ELECTION", "false"),
    ("INJECTION_WEBHOOK_CONFIG_NAME", ""),
    ("VALIDATION_WEBHOOK_CONFIG_NAME", ""),
    ("PILOT_ENABLE_ANALYSIS", "false"),
    ("PILOT_ENABLE_GATEWAY_API_STATUS", "false"),
    ("PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER", "false"),
    ("PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER", "false"),
    // HTTPRoutes.
    ("PILOT_ENABLE_GATEWAY_API", "true"),
];

/// A running istiod. It ends with its control plane.
pub struct Istiod {
    program: Mutex<Option<Program>>,
    /// Port on 127.0.0.1 that Envoys get their configuration from, without TLS.
    pub grpc_port: u16,
    log: PathBuf,
}

impl ControlPlane {
    /// The control plane's istiod, started if necessary; `None` if programs or resource definitions are missing.
    #[track_caller]
    pub fn istiod(&self) -> Option<&Istiod> {
        self.istiod.get_or_init(|| Istiod::start(self)).as_ref()
    }
}

impl Istiod {
    #[track_caller]
    fn start(cluster: &ControlPlane) -> Option<Self> {
        let program = tools::needed("pilot-discovery")?;
        if !cluster.crds() {
            return None;
        }
        cluster.apply_in("default", &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"));
        let directory = cluster.directory.path();
        let settings = directory.join("mesh.yaml");
        std::fs::write(&settings, MESH).unwrap();
        let (http_port, grpc_port, monitoring_port) = (free_port(), free_port(), free_port());
        let mut command = cluster.dying_command();
        command.env_clear().env("HOME", directory).envs(ENVIRONMENT).arg(program).arg("discovery");
        command.arg("--kubeconfig").arg(cluster.kubeconfig()).arg("--meshConfig").arg(settings);
        command.args(["--httpAddr", &format!("127.0.0.1:{http_port}")]);
        command.args(["--grpcAddr", &format!("127.0.0.1:{grpc_port}")]);
        command.args(["--monitoringAddr", &format!("127.0.0.1:{monitoring_port}")]);
        command.args(["--httpsAddr", "", "--secureGRPCAddr", "", "--ctrlz_port", "0"]);
        let log = directory.join("istiod.log");
        let istiod = Self { program: Mutex::new(Some(Program::run(command, &log))), grpc_port, log };
        let started = Instant::now();
        while !block_on(client::is_ready(http_port, "/ready")) {
            let ended = istiod.program.lock().unwrap().as_mut().unwrap().ended();
            assert!(ended.is_none(), "istiod ended with {ended:?}\n{}", istiod.last_words());
            assert!(started.elapsed() < TIMEOUT, "istiod is not ready\n{}", istiod.last_words());
            std::thread::sleep(POLL_INTERVAL);
        }
        Some(istiod)
    }

    /// Stops it; it is not started again.
    pub(super) fn stop(&self) {
        *self.program.lock().unwrap() = None;
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        process::last_words("istiod", &self.log)
    }
}
