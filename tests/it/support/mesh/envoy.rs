//! A real Envoy that istiod configures, and its admin port.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use super::client;
use crate::support::kubernetes::{ControlPlane, POLL_INTERVAL, Program, TIMEOUT, free_port, last_words};
use crate::support::runtime::block_on;
use crate::support::tools;

/// Address by which istiod knows every Envoy. No pod or WorkloadEntry has it, so istiod takes the labels from Envoy's own metadata.
const ADDRESS: &str = "127.0.0.9";

/// A running Envoy. It is killed when it is dropped.
pub struct Envoy {
    program: Program,
    admin_port: u16,
    log: PathBuf,
    // Last, so that the program is gone before.
    _directory: tempfile::TempDir,
}

impl Envoy {
    /// Starts one as the ingress gateway of a namespace, and waits until it has got its configuration; `None` if programs are missing.
    #[track_caller]
    pub fn start(cluster: &ControlPlane, namespace: &str) -> Option<Self> {
        let program = tools::needed("envoy")?;
        let istiod = cluster.istiod()?;
        let directory = tempfile::tempdir().unwrap();
        let admin_port = free_port();
        let config = directory.path().join("envoy.json");
        std::fs::write(&config, bootstrap(namespace, istiod.grpc_port, admin_port).to_string()).unwrap();
        let mut command = cluster.dying_command();
        command.env_clear().arg(program).arg("-c").arg(config);
        // Hot restart shares memory between all Envoys of the machine.
        command.args(["--concurrency", "1", "--disable-hot-restart"]);
        // istiod's configuration has deprecated fields.
        command.args(["--log-level", "warning", "--component-log-level", "misc:error"]);
        let log = directory.path().join("envoy.log");
        let mut envoy = Self { program: Program::run(command, &log), admin_port, log, _directory: directory };
        let started = Instant::now();
        while !block_on(client::is_ready(admin_port, "/ready")) {
            let ended = envoy.program.ended();
            assert!(ended.is_none(), "envoy ended with {ended:?}\n{}", envoy.last_words());
            assert!(started.elapsed() < TIMEOUT, "envoy is not ready\n{}\n{}", envoy.last_words(), istiod.last_words());
            std::thread::sleep(POLL_INTERVAL);
        }
        Some(envoy)
    }

    /// Body of a page of its admin port.
    #[track_caller]
    pub fn admin(&self, path: &str) -> String {
        let page = block_on(client::get(self.admin_port, path));
        page.unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.last_words()))
    }

    /// JSON of a page of its admin port.
    #[track_caller]
    pub fn admin_json(&self, path: &str) -> Value {
        let text = self.admin(path);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}"))
    }

    /// Sum of the counters and gauges whose names match this regular expression.
    #[track_caller]
    pub fn stat(&self, names: &str) -> u64 {
        let names: String = url::form_urlencoded::byte_serialize(names.as_bytes()).collect();
        let text = self.admin(&format!("/stats?filter={names}"));
        text.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum()
    }

    /// Number of healthy endpoints of each cluster.
    #[track_caller]
    pub fn endpoints(&self) -> BTreeMap<String, usize> {
        let clusters = self.admin_json("/clusters?format=json");
        let clusters = clusters["cluster_statuses"].as_array().into_iter().flatten();
        let is_healthy = |host: &&Value| host["health_status"]["eds_health_status"] == "HEALTHY";
        let count = |cluster: &Value| {
            let name = cluster["name"].as_str().unwrap_or_default().to_owned();
            (name, cluster["host_statuses"].as_array().map_or(0, |hosts| hosts.iter().filter(is_healthy).count()))
        };
        clusters.map(count).collect()
    }

    /// Routes of the virtual host with this domain, as Envoy's API has them; empty if there is none.
    #[track_caller]
    pub fn routes(&self, domain: &str) -> Vec<Value> {
        let dump = self.admin_json("/config_dump?resource=dynamic_route_configs");
        let configs = dump["configs"].as_array().into_iter().flatten();
        let hosts = configs.flat_map(|config| config["route_config"]["virtual_hosts"].as_array().into_iter().flatten());
        let mut wanted = hosts
            .filter(|host| host["domains"].as_array().is_some_and(|domains| domains.iter().any(|one| one == domain)));
        wanted.next().and_then(|host| host["routes"].as_array().cloned()).unwrap_or_default()
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        last_words("envoy", &self.log)
    }
}

/// Envoy's bootstrap configuration: its identity, and istiod as the source of everything else.
fn bootstrap(namespace: &str, istiod_port: u16, admin_port: u16) -> Value {
    let discovery = json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "node": {
            "id": format!("router~{ADDRESS}~gateway.{namespace}~{namespace}.svc.cluster.local"),
            "cluster": format!("istio-ingressgateway.{namespace}"),
            "metadata": {
                "NAMESPACE": namespace, "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": "1.31.0", "MESH_ID": "cluster.local",
                "INSTANCE_IPS": ADDRESS, "LABELS": {"istio": "ingressgateway"}, "SERVICE_ACCOUNT": "default",
                "WORKLOAD_NAME": "istio-ingressgateway", "UNPRIVILEGED_POD": "true",
            },
        },
        "admin": {"address": address(admin_port)},
        "dynamic_resources": {
            "lds_config": discovery, "cds_config": discovery,
            "ads_config": {
                "api_type": "GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}],
            },
        },
        "static_resources": {"clusters": [{
            "name": "istiod", "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": {options: {
                "@type": format!("type.googleapis.com/{options}"), "explicit_http_config": {"http2_protocol_options": {}},
            }},
            "load_assignment": {"cluster_name": "istiod", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address(istiod_port)}}]},
            ]},
        }]},
    })
}
