//! Traffic: a real Envoy, configured by a real istiod from the objects of a namespace, in front of versions of the sample service.
//!
//! Everything is in one namespace, which looks like a cluster with Istio and ModelMesh: the Services `istio-ingressgateway` and, for the Gateway
//! API's Gateway `mm-gateway`, `mm-gateway-istio`, whose port 80 is [`Mesh::gateway_port`] on this machine; the Service `modelmesh-serving`, whose port 8033 takes the header `mm-vmodel-id`; and for every
//! version the Services `NAME` and `NAME-predictor` with port 80. A test adds a Gateway and VirtualServices, or has them added.

pub mod binomial;
pub mod client;
mod envoy;
mod pods;
pub mod routes;
mod traffic;

use std::collections::BTreeMap;
use std::time::Instant;

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use self::client::Client;
use self::envoy::Envoy;
use self::pods::Pods;
pub use self::traffic::Counts;
use super::kubernetes::{ControlPlane, POLL_INTERVAL, TIMEOUT, free_port};
use super::runtime::block_on;

/// An Envoy and the versions behind it. All of it ends when it is dropped; the logs are shown if the test failed.
pub struct Mesh<'a> {
    cluster: &'a ControlPlane,
    namespace: String,
    gateway_port: u16,
    pods: Pods,
    envoy: Envoy,
}

impl<'a> Mesh<'a> {
    /// Starts versions with these names, each in a pod of its own, and an Envoy that knows their Services. `None` if programs are missing.
    #[track_caller]
    pub fn start(cluster: &'a ControlPlane, namespace: &str, versions: &[&str]) -> Option<Self> {
        let envoy = Envoy::start(cluster, namespace)?;
        let gateway_port = free_port();
        let pods = Pods::start(versions);
        let gateway = json!({"istio": "ingressgateway"});
        let mut objects = pods.objects();
        for name in ["istio-ingressgateway", "mm-gateway-istio"] {
            objects.push(service(name, &gateway, "http2", 80, gateway_port));
        }
        objects.push(workload("istio-ingressgateway", "127.0.0.1", &gateway));
        cluster.apply_in(namespace, &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
        let mesh = Self { cluster, namespace: namespace.to_owned(), gateway_port, pods, envoy };
        mesh.wait_for_pods(versions);
        Some(mesh)
    }

    /// Waits until Envoy knows the endpoints of all Services.
    #[track_caller]
    fn wait_for_pods(&self, versions: &[&str]) {
        let own = |port: u16, service: &str| format!("outbound|{port}||{service}.{}.svc.cluster.local", self.namespace);
        let mut wanted = vec![(own(80, "istio-ingressgateway"), 1), (own(8033, "modelmesh-serving"), versions.len())];
        for name in versions {
            wanted.extend([(own(80, name), 1), (own(80, &format!("{name}-predictor")), 1)]);
        }
        self.wait_until("Envoy knows the endpoints", || {
            let endpoints = self.envoy.endpoints();
            wanted.iter().all(|(cluster, count)| endpoints.get(cluster) == Some(count))
        });
    }

    /// Port of the gateway on 127.0.0.1.
    pub fn gateway_port(&self) -> u16 {
        self.gateway_port
    }

    /// Adds a Gateway for all hosts on port 80, and waits until it accepts connections.
    #[track_caller]
    pub fn add_gateway(&self, name: &str) {
        let gateway = json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": name},
            "spec": {"selector": {"istio": "ingressgateway"}, "servers": [{
                "port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"], "bind": "127.0.0.1",
            }]},
        });
        self.cluster.apply_in(&self.namespace, &gateway.to_string());
        self.wait_for_gateway();
    }

    /// Waits until a Gateway that another program added accepts connections.
    #[track_caller]
    pub fn wait_for_gateway(&self) {
        self.wait_until("the gateway accepts connections", || {
            std::net::TcpStream::connect(("127.0.0.1", self.gateway_port)).is_ok()
        });
    }

    /// Applies a VirtualService with server-side apply.
    #[track_caller]
    pub fn route(&self, name: &str, spec: &Value) {
        let object = json!({
            "apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        });
        let apply = PatchParams::apply("tests").force();
        block_on(async { self.virtual_services().patch(name, &apply, &Patch::Apply(&object)).await.unwrap() });
    }

    /// Deletes a VirtualService.
    #[track_caller]
    pub fn delete_route(&self, name: &str) {
        block_on(async { self.virtual_services().delete(name, &DeleteParams::default()).await.unwrap() });
    }

    fn virtual_services(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("networking.istio.io", "v1beta1", "VirtualService");
        Api::namespaced_with(self.cluster.client(), &self.namespace, &ApiResource::from_gvk(&kind))
    }

    /// Waits until Envoy's routes for a host satisfy the condition, and returns them. Later requests take these routes.
    #[track_caller]
    pub fn wait_for_routes(&self, host: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut routes = Vec::new();
        let started = Instant::now();
        while started.elapsed() < TIMEOUT {
            routes = self.envoy.routes(host);
            if is_so(&routes) {
                self.pass_worker();
                return routes;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        panic!("routes for {host} after {TIMEOUT:?}: {:#}", Value::from(routes));
    }

    /// Waits until the last route for a host, which is for requests that match no other, splits them by these weights.
    #[track_caller]
    pub fn wait_for_weights(&self, host: &str, weights: &[(&str, u64)]) {
        let weights: BTreeMap<String, u64> =
            weights.iter().map(|(version, weight)| ((*version).to_owned(), *weight)).collect();
        self.wait_for_routes(host, |all| all.last().is_some_and(|route| routes::weights(route) == weights));
    }

    /// Waits for Envoy's worker. The admin port shows routes of the main thread, which the worker takes over at its next event; this request
    /// is one.
    #[track_caller]
    fn pass_worker(&self) {
        let passed = block_on(Client::new(self.gateway_port).send("nowhere.invalid", "/", &[], None));
        if let Err(error) = passed {
            panic!("the gateway: {error}\n{}", self.envoy.last_words());
        }
    }

    /// Number of routing configurations that Envoy rejected.
    #[track_caller]
    pub fn rejected_routes(&self) -> u64 {
        self.envoy.stat(r"\.rds\..*\.update_rejected$")
    }

    /// Number of predictions that a version has made since its start, once no request or copy is in flight.
    #[track_caller]
    pub fn predictions(&self, version: &str) -> u64 {
        self.wait_until("no request is in flight", || {
            self.envoy.stat(r"^cluster\.outbound.*\.upstream_rq_(pending_)?active$") == 0
        });
        self.pods.predictions(version)
    }

    /// Polls until the condition holds.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let started = Instant::now();
        while !is_so() {
            assert!(started.elapsed() < TIMEOUT, "not within {TIMEOUT:?}: {what}");
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Mesh<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let istiod = self.cluster.istiod().map_or_else(String::new, |istiod| istiod.last_words());
            eprintln!("{}{istiod}", self.envoy.last_words());
        }
    }
}

/// A Service. Its cluster IP means nothing here, but istiod ignores the endpoints of Services without one.
fn service(name: &str, selector: &Value, port_name: &str, port: u16, target_port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"name": port_name, "port": port, "targetPort": target_port}]},
    })
}

/// A WorkloadEntry: an endpoint of Services. Kubernetes' own endpoints may not be on loopback.
fn workload(name: &str, address: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": {"name": name},
        "spec": {"address": address, "labels": labels},
    })
}
