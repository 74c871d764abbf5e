//! The real kubectl, as the tests' own hands.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::ControlPlane;
use crate::support::cli_case::CliOutput;

impl ControlPlane {
    /// The command, for someone to whom nothing is forbidden.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(self.kubeconfig());
        command.arg("--cache-dir").arg(self.directory.path().join("kubectl-cache"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs kubectl.
    pub fn kubectl(&self, args: &[&str]) -> CliOutput {
        self.kubectl_with_input(args, "")
    }

    /// Runs kubectl, which must succeed, and gives what it printed.
    #[track_caller]
    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        assert_eq!(output.code, Some(0), "kubectl {args:?}\n{output:#?}");
        output.stdout
    }

    /// Runs kubectl with this on its standard input.
    pub fn kubectl_with_input(&self, args: &[&str], input: &str) -> CliOutput {
        let mut command = self.kubectl_command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A kubectl that does not read its input closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        CliOutput::of(&command, child.wait_with_output().unwrap(), self.directory.path())
    }

    /// Applies objects of a namespace, as YAML, on the server's side.
    #[track_caller]
    pub fn apply_in(&self, namespace: &str, yaml: &str) {
        let output = self.kubectl_with_input(&["apply", "-n", namespace, "--server-side", "-f", "-"], yaml);
        assert_eq!(output.code, Some(0), "{output:#?}\n{yaml}");
    }

    /// Sets the status of an object, as its controller would: a merge with what it is.
    #[track_caller]
    pub fn set_status(&self, resource: &str, namespace: &str, name: &str, status: &Value) {
        let patch = serde_json::json!({ "status": status }).to_string();
        let args = ["patch", resource, name, "-n", namespace, "--subresource=status", "--type=merge", "-p", &patch];
        self.kubectl_ok(&args);
    }

    /// An object, or a list if the name is empty. Of an object that is not there, null.
    #[track_caller]
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Value {
        let mut args = vec!["get", resource, "-n", namespace, "-o", "json", "--ignore-not-found"];
        args.extend(Some(name).filter(|name| !name.is_empty()));
        let json = self.kubectl_ok(&args);
        if json.is_empty() { Value::Null } else { serde_json::from_str(&json).unwrap() }
    }

    /// A token of a service account that is good for a while.
    #[track_caller]
    pub fn token(&self, namespace: &str, service_account: &str) -> String {
        self.kubectl_ok(&["create", "token", "-n", namespace, service_account]).trim().to_owned()
    }

    /// A token of a service account that was good until some time ago.
    #[track_caller]
    pub fn expired_token(&self, namespace: &str, service_account: &str, since: Duration) -> String {
        let account = self.get("serviceaccounts", namespace, service_account);
        let uid = account["metadata"]["uid"].as_str().expect("a service account");
        super::expired::token(&self.certificates, namespace, service_account, uid, since)
    }
}
