//! A namespace with a controller, and the objects of an application in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::kubernetes::{ControlPlane, TIMEOUT};

/// Configuration of the controllers.
pub const CONFIG: &str = "
defaultResync: 15m
resourceTypes:
  cm: {Group: '', Version: v1, Resource: configmaps}
  svc: {Group: '', Version: v1, Resource: services}
  deploy: {Group: apps, Version: v1, Resource: deployments, conditions: [{name: Available, status: 'True'}]}
  isvc:
    Group: serving.kserve.io
    Version: v1beta1
    Resource: inferenceservices
    conditions: [{name: Ready, status: 'True'}]
  vs: {Group: networking.istio.io, Version: v1beta1, Resource: virtualservices}
";

/// Labels of routemaps.
pub const LABELS: &str =
    "{app.kubernetes.io/managed-by: iter8, iter8.tools/kind: routemap, iter8.tools/version: v0.13}";

/// A namespace and the files of its controllers.
pub struct ControllerCase {
    pub case: ClusterCase,
}

impl ControllerCase {
    /// A namespace; `None` if this machine has no control plane.
    pub fn new() -> Option<Self> {
        let case = ClusterCase::without_node()?;
        case.cluster.crds().then_some(Self { case })
    }

    /// A namespace of a cluster of its own, which the test may stop; `None` if this machine has no control plane.
    pub fn own() -> Option<Self> {
        let cluster: &'static ControlPlane = Box::leak(Box::new(ControlPlane::own()?));
        cluster.crds().then(|| Self { case: ClusterCase::of(cluster) })
    }

    /// Starts a controller with this configuration and these flags.
    pub fn controller(&self, pod: &str, config: &str, flags: &[&str]) -> Controller {
        let config = self.case.cli.write(&format!("{pod}.yaml"), config);
        let mut command = self.program();
        command.args(["controllers", "--listen", "127.0.0.1:0", "-n", &self.case.namespace]);
        command.arg("--config").arg(config).args(flags);
        command.env("POD_NAME", pod).env("POD_NAMESPACE", &self.case.namespace);
        Controller::spawn(command)
    }

    /// Starts another program that takes Iter8's command and variables.
    pub fn original(&self, program: &str, pod: &str, config: &str) -> Controller {
        let mut command = Command::new(program);
        command.arg("controllers").env("KUBECONFIG", &self.case.kubeconfig);
        command.env("CONFIG_FILE", self.case.cli.write(&format!("{pod}.yaml"), config));
        command.env("POD_NAME", pod).env("POD_NAMESPACE", &self.case.namespace);
        Controller::spawn(command)
    }

    /// The program that runs as the controller: this build, or the one that a benchmark names.
    fn program(&self) -> Command {
        let Some(program) = std::env::var_os("ITER8_CONTROLLER") else { return self.case.command::<&str>([]) };
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &self.case.kubeconfig);
        command
    }

    /// Starts the usual controller and waits until it is ready.
    pub fn ready_controller(&self) -> Controller {
        let controller = self.controller("iter8-0", CONFIG, &[]);
        controller.wait_until_ready();
        controller
    }

    /// Applies YAML in the namespace.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.case.cluster.apply_in(&self.case.namespace, yaml);
    }

    /// Applies an InferenceService that the controller watches.
    #[track_caller]
    pub fn model(&self, name: &str) {
        self.apply(&model(name));
    }

    /// Sets the status of an InferenceService as KServe does.
    #[track_caller]
    pub fn set_ready(&self, name: &str, status: &str) {
        let status = json!({"conditions": [{"type": "Ready", "status": status}]});
        self.case.cluster.set_status("inferenceservices", &self.case.namespace, name, &status);
    }

    /// Applies InferenceServices that are ready.
    #[track_caller]
    pub fn ready_models(&self, names: &[&str]) {
        for name in names {
            self.model(name);
            self.set_ready(name, "True");
        }
    }

    /// Applies the application `shop`, whose only ready version is the first one.
    #[track_caller]
    pub fn shop(&self) {
        self.ready_models(&["shop-0"]);
        self.apply(&routemap("shop"));
    }

    /// Waits until the first version of `shop` has all traffic.
    #[track_caller]
    pub fn wait_for_shop(&self) -> Value {
        self.wait_for_weights("shop", &[("shop-0", 1)])
    }

    /// An object of the namespace; null if it is not there.
    pub fn get(&self, resource: &str, name: &str) -> Value {
        self.case.get(resource, name)
    }

    /// Waits until the VirtualService has routes with these weights, by host.
    #[track_caller]
    pub fn wait_for_weights(&self, name: &str, expected: &[(&str, u64)]) -> Value {
        let expected: Vec<(String, u64)> =
            expected.iter().map(|(host, weight)| ((*host).to_owned(), *weight)).collect();
        self.case.cluster.wait_for("virtualservices", &self.case.namespace, name, |object| weights(object) == expected)
    }

    /// Waits for an Event with this reason and text about an object. Returns its note.
    #[track_caller]
    pub fn wait_for_event(&self, name: &str, reason: &str, text: &str) -> String {
        let started = Instant::now();
        loop {
            let output = self.case.cluster.kubectl_ok(&[
                "get",
                "events.events.k8s.io",
                "-n",
                &self.case.namespace,
                "-o",
                "json",
            ]);
            let events: Value = serde_json::from_str(&output).unwrap();
            let about = |event: &&Value| event["regarding"]["name"] == name && event["reason"] == reason;
            let found = events["items"].as_array().unwrap().iter().filter(about);
            let notes: Vec<&str> = found.filter_map(|event| event["note"].as_str()).collect();
            if let Some(note) = notes.iter().find(|note| note.contains(text)) {
                return (*note).to_owned();
            }
            assert!(started.elapsed() < TIMEOUT, "no Event {reason} about {name} says {text:?}: {notes:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Deletes an object without waiting for its end.
    #[track_caller]
    pub fn delete(&self, object: &str) {
        self.case.cluster.kubectl_ok(&["delete", object, "-n", &self.case.namespace, "--wait=false"]);
    }
}

/// Returns a service account, and a Role with these rules for it.
pub fn service_account(name: &str, rules: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}}}\nrules: [{rules}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
         subjects: [{{kind: ServiceAccount, name: {name}}}]\n"
    )
}

/// An InferenceService that the controller watches.
pub fn model(name: &str) -> String {
    format!(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n\
         metadata: {{name: {name}, labels: {{iter8.tools/watch: 'true'}}}}\n\
         spec: {{predictor: {{model: {{modelFormat: {{name: sklearn}}, storageUri: 's3://models/{name}'}}}}}}\n"
    )
}

/// A routemap for the InferenceServices `NAME-0` and `NAME-1` that renders the VirtualService `NAME`: a route per version with a weight.
pub fn routemap(name: &str) -> String {
    routemap_with(&format!("{name}-routemap"), &[&format!("{name}-0"), &format!("{name}-1")], &template(name))
}

/// A routemap with a version per InferenceService and this template.
pub fn routemap_with(name: &str, models: &[&str], template: &str) -> String {
    let versions: String =
        models.iter().map(|model| format!("    - resources: [{{gvrShort: isvc, name: {model}}}]\n")).collect();
    let template: String = template.lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {LABELS}}}\nimmutable: true\ndata:\n  strSpec: |\n    \
         versions:\n{versions}    routingTemplates:\n      routes:\n        gvrShort: vs\n        template: |\n{template}"
    )
}

/// A template of the VirtualService `name`.
pub fn template(name: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata:
  name: {name}
spec:
  hosts: [{name}.example]
  http:
  - route:
    - destination: {{host: {name}-0.example}}
      weight: {{{{ index .Weights 0 }}}}
    {{{{- if gt (index .Weights 1) 0 }}}}
    - destination: {{host: {name}-1.example}}
      weight: {{{{ index .Weights 1 }}}}
    {{{{- end }}}}
"
    )
}

/// Weights of the first route of a VirtualService, by host without `.example`.
pub fn weights(object: &Value) -> Vec<(String, u64)> {
    let routes = object["spec"]["http"][0]["route"].as_array().into_iter().flatten();
    let weight = |route: &Value| {
        let host = route["destination"]["host"].as_str()?.trim_end_matches(".example").to_owned();
        Some((host, route["weight"].as_u64().unwrap_or_default()))
    };
    routes.filter_map(weight).collect()
}

/// A controller process. Killed at the end of the test.
pub struct Controller {
    child: Option<Child>,
    pub log: Log,
}

impl Controller {
    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::default();
        let (reader, stderr) = (log.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || reader.follow(stderr));
        Self { child: Some(child), log }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Address of metrics and health.
    pub fn address(&self) -> String {
        let line = self.log.wait_for("are served on http://");
        line.rsplit_once("http://").unwrap().1.trim().to_owned()
    }

    /// Status and body of a GET.
    pub fn http(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[track_caller]
    pub fn wait_until_ready(&self) {
        let started = Instant::now();
        loop {
            let (status, body) = self.http("/readyz");
            if status == 200 {
                return;
            }
            assert!(started.elapsed() < TIMEOUT, "the controller is not ready: {body}\n{}", self.log.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it leads.
    #[track_caller]
    pub fn wait_until_leader(&self) {
        let started = Instant::now();
        while self.metric("iter8_controller_leader") != Some(1.0) {
            assert!(started.elapsed() < TIMEOUT, "the controller does not lead\n{}", self.log.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sum of the samples of a metric whose name and labels start like this.
    pub fn metric(&self, prefix: &str) -> Option<f64> {
        let (_, text) = self.http("/metrics");
        let samples = text.lines().filter(|line| line.starts_with(prefix));
        let values: Vec<f64> = samples.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Kills it as a crash does.
    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Suspends or resumes it.
    pub fn suspend(&self, is_suspended: bool) {
        use rustix::process::Signal;
        let signal = if is_suspended { Signal::STOP } else { Signal::CONT };
        let pid = rustix::process::Pid::from_child(self.child.as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Stops it as Kubernetes does. Returns its exit code.
    #[track_caller]
    pub fn stop(mut self) -> i32 {
        let mut child = self.child.take().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            if started.elapsed() > TIMEOUT {
                let _ = child.kill();
                panic!("the controller did not stop\n{}", self.log.text());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("log of the controller:\n{}", self.log.text());
        }
    }
}

/// Log of a controller.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<String>, Condvar)>);

impl Log {
    pub fn follow(&self, output: impl Read) {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let (text, changed) = &*self.0;
            let mut text = text.lock();
            text.push_str(&line);
            text.push('\n');
            changed.notify_all();
        }
    }

    pub fn text(&self) -> String {
        self.0.0.lock().clone()
    }

    /// Waits for a line with this text.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let (log, changed) = &*self.0;
        let mut log = log.lock();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            let timed_out = changed.wait_until(&mut log, deadline).timed_out();
            assert!(!timed_out, "the controller did not log {text:?}:\n{log}");
        }
    }
}
