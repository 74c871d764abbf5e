//! A namespace of a real cluster, and the program that works in it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::Value;

use crate::support::api_server_proxy::ApiServerProxy;
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::kubernetes::{ControlPlane, Node, TIMEOUT};

/// A namespace of the shared cluster.
pub struct ClusterCase {
    pub cluster: &'static ControlPlane,
    pub namespace: String,
    pub cli: CliCase,
    pub kubeconfig: PathBuf,
}

impl ClusterCase {
    /// A namespace whose pods run; `None` if this machine cannot run them.
    pub fn with_node() -> Option<Self> {
        Node::shared()?;
        Self::without_node()
    }

    /// A namespace whose pods do not need to run.
    pub fn without_node() -> Option<Self> {
        Some(Self::of(ControlPlane::shared()?))
    }

    /// A namespace of this cluster.
    pub fn of(cluster: &'static ControlPlane) -> Self {
        let namespace = cluster.namespace();
        Self { cluster, namespace, cli: CliCase::new(), kubeconfig: cluster.kubeconfig() }
    }

    /// The same as another user, who has this kubeconfig.
    pub fn as_user(&self, kubeconfig: PathBuf) -> Self {
        Self { cluster: self.cluster, namespace: self.namespace.clone(), cli: CliCase::new(), kubeconfig }
    }

    /// The same namespace, accessed with this kubeconfig.
    pub fn with_kubeconfig(self, kubeconfig: PathBuf) -> Self {
        Self { kubeconfig, ..self }
    }

    /// The same namespace, accessed through this proxy.
    pub fn through(self, proxy: &ApiServerProxy) -> Self {
        let kubeconfig = self.proxied(proxy);
        self.with_kubeconfig(kubeconfig)
    }

    /// A kubeconfig of this proxy.
    pub fn proxied(&self, proxy: &ApiServerProxy) -> PathBuf {
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: '{}'}}}}]\ncurrent-context: x\n\
             contexts: [{{name: x, context: {{cluster: c}}}}]\n",
            proxy.url()
        );
        self.cli.write("proxy.kubeconfig", &text)
    }

    /// The command, with the kubeconfig in its environment.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.cli.command();
        command.env("KUBECONFIG", &self.kubeconfig).args(args);
        command
    }

    /// Runs `iter8 k`, in the namespace.
    pub fn k<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> CliOutput {
        let mut command = self.command(["k"]);
        command.args(args).args(["-n", &self.namespace]);
        CliOutput::run(&mut command, &self.cli.path(""))
    }

    /// Starts `iter8 k` in the namespace.
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        let mut command = self.command(["k"]);
        command.args(args).args(["-n", &self.namespace]).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { child: Some(command.spawn().unwrap()), stderr: None, command, directory: self.cli.path("") }
    }

    /// Starts `iter8 k` in the namespace, and waits until it has said this on standard error.
    #[track_caller]
    pub fn start_and_wait<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, text: &str) -> Running {
        let mut running = self.start(args);
        let mut stderr = BufReader::new(running.child.as_mut().unwrap().stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(text) {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it did not say {text:?}: {said}");
        }
        // It would wait for a reader otherwise.
        running.stderr = Some(std::thread::spawn(move || {
            let _ = stderr.read_to_string(&mut said);
            said
        }));
        running
    }

    /// An object of the namespace; null if it is not there.
    pub fn get(&self, resource: &str, name: &str) -> Value {
        self.cluster.get(resource, &self.namespace, name)
    }

    /// The document of a group, as its Secret has it.
    #[track_caller]
    pub fn document(&self, group: &str) -> Value {
        document(&self.get("secrets", group)).unwrap_or_else(|| panic!("group {group} has no document"))
    }

    /// Waits until the document of a group is as it should be, and gives it.
    #[track_caller]
    pub fn wait_for_document(&self, group: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let secret = self.cluster.wait_for("secrets", &self.namespace, group, |secret| {
            document(secret).is_some_and(|document| is_so(&document))
        });
        document(&secret).unwrap()
    }

    /// Waits until a task of a group runs.
    #[track_caller]
    pub fn wait_until_running(&self, group: &str, task: &str) {
        self.wait_for_document(group, |document| {
            let tasks = document["result"]["tasks"].as_array();
            tasks.is_some_and(|all| all.iter().any(|one| one["task"] == task && one["status"] == "running"))
        });
    }

    /// Names of what the group has in the namespace, by kind.
    pub fn objects(&self, group: &str) -> Vec<String> {
        let kinds = "secrets,serviceaccounts,roles,rolebindings,jobs,cronjobs,pods";
        let labels = format!("iter8.tools/group={group}");
        let text = self.cluster.kubectl_ok(&["get", kinds, "-n", &self.namespace, "-l", &labels, "-o", "name"]);
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the group has nothing any more.
    #[track_caller]
    pub fn wait_until_nothing_is_left_of(&self, group: &str) {
        let started = Instant::now();
        loop {
            let left = self.objects(group);
            if left.is_empty() {
                return;
            }
            assert!(started.elapsed() < TIMEOUT, "{left:?} are left");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

/// The document in a Secret.
pub fn document(secret: &Value) -> Option<Value> {
    use base64::Engine;
    let encoded = secret["data"]["experiment.yaml"].as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    Some(iter8::model::codec::value_from_yaml(std::str::from_utf8(&bytes).unwrap()).unwrap())
}

/// A program that runs; it is killed when it is dropped.
pub struct Running {
    child: Option<Child>,
    /// Reads standard error to its end, if it was read from.
    stderr: Option<JoinHandle<String>>,
    command: Command,
    directory: PathBuf,
}

impl Running {
    /// Waits for its end.
    pub fn end(mut self) -> CliOutput {
        let mut output = self.child.take().unwrap().wait_with_output().unwrap();
        if let Some(stderr) = self.stderr.take() {
            output.stderr = stderr.join().unwrap().into_bytes();
        }
        CliOutput::of(&self.command, output, &self.directory)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
