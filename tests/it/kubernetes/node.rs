//! The test node runs pods like a real node, and reports their status.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::kubernetes::{ControlPlane, Node};

/// A control plane with a node, and a namespace; `None` if this machine cannot run them.
fn case() -> Option<(&'static ControlPlane, &'static Node, String)> {
    let node = Node::shared()?;
    let cluster = ControlPlane::shared()?;
    Some((cluster, node, cluster.namespace()))
}

/// A Job of the image, with these lines for its spec and these for its container.
fn job(name: &str, spec: &str, container: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec:\n  backoffLimit: 0\n{spec}  template:\n    spec:\n      \
         restartPolicy: Never\n      terminationGracePeriodSeconds: 60\n      containers:\n      - name: iter8\n        \
         image: iter8\n{container}"
    )
}

/// The pods of a Job, in order of their completion index.
fn pods(cluster: &ControlPlane, namespace: &str, job: &str) -> Vec<Value> {
    let mut pods: Vec<Value> = cluster.get("pods", namespace, "")["items"].as_array().unwrap().clone();
    pods.retain(|pod| pod["metadata"]["labels"]["job-name"] == job);
    pods.sort_by_key(|pod| pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"].to_string());
    pods
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

#[test]
fn a_job_runs_and_has_a_log() {
    let Some((cluster, node, namespace)) = case() else { return };
    cluster.apply_in(&namespace, &job("version", "", "        args: [version]\n"));
    cluster.wait_for_condition("jobs", &namespace, "version", "Complete");
    let log = cluster.kubectl_ok(&["logs", "-n", &namespace, "job/version"]);
    assert!(log.contains(env!("CARGO_PKG_VERSION")), "{log}");
    let pod = &pods(cluster, &namespace, "version")[0];
    assert_eq!(log, node.log(&namespace, name(pod)));
    assert_eq!(pod["status"]["phase"], "Succeeded");
    let terminated = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&terminated["exitCode"], &terminated["reason"]), (&0.into(), &"Completed".into()), "{pod:#}");
}

#[test]
fn a_failed_program_fails_its_job() {
    let Some((cluster, _, namespace)) = case() else { return };
    cluster.apply_in(&namespace, &job("wrong", "", "        args: [no-such-command]\n"));
    cluster.wait_for_condition("jobs", &namespace, "wrong", "Failed");
    let pod = &pods(cluster, &namespace, "wrong")[0];
    let terminated = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(terminated["reason"], "Error", "{pod:#}");
    assert_ne!(terminated["exitCode"], 0, "{pod:#}");
    let log = cluster.kubectl_ok(&["logs", "-n", &namespace, name(pod)]);
    assert!(log.contains("no-such-command"), "{log}");
}

#[test]
fn pods_of_an_indexed_job_have_an_index() {
    let Some((cluster, _, namespace)) = case() else { return };
    let spec = "  completionMode: Indexed\n  completions: 3\n  parallelism: 3\n  backoffLimitPerIndex: 0\n";
    // The program fails, and its error repeats its arguments.
    let container = "        args: ['index-$(JOB_COMPLETION_INDEX)-of-$(WHERE)']\n        env:\n        \
                     - {name: WHERE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}\n";
    let text = job("indexed", spec, container).replace("  backoffLimit: 0\n", "");
    cluster.apply_in(&namespace, &text);
    cluster.wait_for_condition("jobs", &namespace, "indexed", "Failed");
    let pods = pods(cluster, &namespace, "indexed");
    assert_eq!(pods.len(), 3);
    for (index, pod) in pods.iter().enumerate() {
        let log = cluster.kubectl_ok(&["logs", "-n", &namespace, name(pod)]);
        assert!(log.contains(&format!("index-{index}-of-{namespace}")), "{log}");
    }
}

/// A service in a Job, which runs until it is stopped.
fn start_service(cluster: &ControlPlane, namespace: &str) -> String {
    cluster.apply_in(namespace, &job("service", "", "        args: [demo, --serve, --port, '0']\n"));
    let running =
        cluster.wait_for_one("pods", namespace, "job-name=service", |pod| pod["status"]["phase"] == "Running");
    name(&running).to_owned()
}

#[test]
fn a_deleted_pod_is_terminated_and_its_log_ends() {
    let Some((cluster, node, namespace)) = case() else { return };
    let pod = start_service(cluster, &namespace);
    let process = node.process(&namespace, &pod).unwrap();
    let user = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap();
    assert!(user.contains("\nUid:\t65532\t65532\t65532\t65532\n"), "{user}");
    let mut command = cluster.kubectl_command();
    command.args(["logs", "-f", "-n", &namespace, &pod]).stdout(Stdio::piped());
    let mut follow = command.spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    // The service accepts requests from here on.
    assert!(lines.any(|line| line.unwrap().contains("http://127.0.0.1:")));
    // The finalizer keeps the pod until its exit code was read.
    let keep = r#"[{"op": "add", "path": "/metadata/finalizers/-", "value": "test.example/keep"}]"#;
    cluster.kubectl_ok(&["patch", "pod", "-n", &namespace, &pod, "--type=json", "-p", keep]);
    cluster.kubectl_ok(&["delete", "pod", "-n", &namespace, &pod, "--wait=false"]);
    let ended = cluster.wait_for("pods", &namespace, &pod, |pod| pod["status"]["phase"] != "Running");
    // This is SIGTERM; had it been killed, this would be 137.
    let terminated = &ended["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(terminated["exitCode"], 143, "{ended:#}");
    // The log ends, and so does who follows it.
    lines.for_each(drop);
    assert!(follow.wait().unwrap().success());
    assert_eq!(node.process(&namespace, &pod), None);
}

#[test]
fn a_killed_process_has_exit_code_137() {
    let Some((cluster, node, namespace)) = case() else { return };
    let pod = start_service(cluster, &namespace);
    node.kill(&namespace, &pod);
    let failed = cluster.wait_for("pods", &namespace, &pod, |pod| pod["status"]["phase"] == "Failed");
    assert_eq!(failed["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 137, "{failed:#}");
}

#[test]
fn a_pod_has_its_service_account_and_waits_for_missing_secrets() {
    let Some((cluster, node, namespace)) = case() else { return };
    let container = "        args: [demo, --serve, --port, '0']\n        volumeMounts: [{name: given, mountPath: /given}]\n      \
                     volumes: [{name: given, secret: {secretName: given}}]\n";
    cluster.apply_in(&namespace, &job("mounts", "", container));
    cluster.wait_for_one("pods", &namespace, "job-name=mounts", |pod| {
        let message = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
        message.as_str().is_some_and(|message| message.contains("given"))
    });
    let output = cluster.kubectl(&["logs", "-n", &namespace, "job/mounts"]);
    output.expect(1, &["waiting to start: ContainerCreating"]);
    cluster.apply_in(&namespace, "{apiVersion: v1, kind: Secret, metadata: {name: given}, stringData: {a: b}}");
    let running =
        cluster.wait_for_one("pods", &namespace, "job-name=mounts", |pod| pod["status"]["phase"] == "Running");
    let process = node.process(&namespace, name(&running)).unwrap();
    // The directory as the process sees it.
    let read = |path: &str| {
        let path = format!("/proc/{}/root/{path}", process.as_raw_nonzero());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    assert_eq!(read("given/a"), "b");
    let account = "var/run/secrets/kubernetes.io/serviceaccount";
    assert_eq!(read(&format!("{account}/namespace")), namespace);
    assert_eq!(read(&format!("{account}/ca.crt")).trim(), cluster.authority().trim());
    let token = read(&format!("{account}/token"));
    let kubeconfig = cluster.kubeconfig_with_token(&token, &namespace);
    let who = cluster.kubectl_ok(&["--kubeconfig", kubeconfig.to_str().unwrap(), "auth", "whoami"]);
    assert!(who.contains(&format!("system:serviceaccount:{namespace}:default")), "{who}");
    assert!(who.contains(name(&running)), "the token is bound to the pod: {who}");
    let environment = std::fs::read_to_string(format!("/proc/{}/environ", process.as_raw_nonzero())).unwrap();
    assert!(environment.contains(&format!("KUBERNETES_SERVICE_PORT={}\0", cluster.port())), "{environment}");
}

#[test]
fn a_node_survives_a_restart_of_the_api_server() {
    let Some(cluster) = ControlPlane::own() else { return };
    let Some(node) = Node::start(&cluster) else { return };
    let namespace = cluster.namespace();
    let pod = start_service(&cluster, &namespace);
    cluster.stop_api_server();
    // An exit while the API server is down is reported later.
    node.kill(&namespace, &pod);
    cluster.start_api_server();
    cluster.wait_for_condition("jobs", &namespace, "service", "Failed");
    cluster.kubectl_ok(&["delete", "job", "-n", &namespace, "service"]);
    cluster.wait_until_gone("pods", &namespace, &pod);
}
