//! What is found wrong without a cluster, and a launch that touches none.

use serde_json::Value;

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::transcript::transcript;

/// A place without any kubeconfig.
fn run(bench: &CliCase, args: &[&str]) -> CliOutput {
    let mut command = bench.command();
    for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
        command.env_remove(name);
    }
    CliOutput::run(command.env("HOME", bench.path("")).args(args), &bench.path(""))
}

const GOOD: [&str; 6] = ["--set", "tasks={http}", "--set", "http.url=http://127.0.0.1:1/", "--set", "runner=job"];

fn launch(bench: &CliCase, more: &[&str]) -> CliOutput {
    run(bench, &["k", "launch"].into_iter().chain(GOOD).chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn without_a_kubeconfig_the_next_step_is_told() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    for command in [vec!["k", "list"], vec!["k", "report"], vec!["k", "run"], vec!["k", "delete"], vec!["k", "log"]] {
        run(&bench, &command).snapshot(4);
    }
    launch(&bench, &[]).snapshot(4);
    let mut command = bench.command();
    command.env("KUBECONFIG", "/nowhere/a:/nowhere/b").args(["k", "list"]).env_remove("KUBERNETES_SERVICE_HOST");
    let said = CliOutput::run(&mut command, &bench.path(""));
    said.snapshot(4);
}

#[test]
fn a_kubeconfig_that_is_not_right_is_named() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    let with = |text: &str, more: &[&str]| {
        bench.write(".kube/config", text);
        run(&bench, &["k", "list"].iter().chain(more).copied().collect::<Vec<_>>())
    };
    let good = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: hunter2}}]\n\
                contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: d, user: u}}]\n";
    with(good, &["--kube-context", "three"]).snapshot(2);
    with(good, &[]).snapshot(2);
    with(good, &["--kube-context", "two"]).snapshot(2);
    let said = with("users: [{name: u, user: {token: hunter2}]", &[]);
    said.snapshot(2);
    assert!(!said.stderr.contains("hunter2"), "{said:#?}");
    run(&bench, &["k", "list", "--kubeconfig", "none"]).snapshot(2);
    with(good, &["--kube-context", "one", "--kube-apiserver", "host:x"]).snapshot(2);
    let said = with(good, &["--kube-context", "one", "--kube-ca-file", "none"]);
    said.snapshot(2);
}

#[test]
fn an_api_server_that_is_not_there_is_named_with_the_act() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    let begun = std::time::Instant::now();
    let said = run(
        &bench,
        &["k", "report", "-n", "shop", "--kube-apiserver", "http://127.0.0.1:1", "--kube-token", "hunter2"],
    );
    said.snapshot(4);
    assert!(!said.stderr.contains("hunter2"), "{said:#?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
}

#[test]
fn wrong_values_are_found_before_a_cluster_is_looked_for() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    launch(&bench, &["--set", "runner=cronjob"]).snapshot(2);
    launch(&bench, &["--set", "runner=cronjob", "--set", "cronjobSchedule=61 * * *"]).snapshot(2);
    launch(&bench, &["--set", "runner=crnjob"]).snapshot(2);
    launch(&bench, &["--set", "parallelism=1000"]).snapshot(2);
    launch(&bench, &["--set", "http.qsp=5"]).snapshot(2);
    launch(&bench, &["--set", "http.url=x"]).snapshot(2);
    launch(&bench, &["--dry", "-g", "Shop"]).snapshot(2);
    launch(&bench, &["--dry", "-n", "a.b"]).snapshot(2);
    let long = "a".repeat(60);
    launch(&bench, &["--dry", "-g", &long]).snapshot(2);
    bench.write("big.yaml", &format!("http: {{payloadStr: \"{}\"}}\n", "x".repeat(5_000_000)));
    launch(&bench, &["-f", "big.yaml"]).snapshot(2);
    assert!(!bench.path("manifest.yaml").exists());
}

#[test]
fn a_dry_run_writes_the_manifests_and_hides_secrets() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    let said = launch(&bench, &["--dry", "-g", "canary", "--set", "http.headers.Authorization=Bearer hunter2"]);
    said.snapshot(0);
    let text = bench.read("manifest.yaml");
    assert!(!text.contains("hunter2"), "{text}");
    let kinds: Vec<String> = text
        .split("---\n")
        .map(|document| {
            let value: Value = iter8::model::codec::value_from_yaml(document).unwrap();
            assert_eq!(value["metadata"]["namespace"], "default");
            value["kind"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["Secret", "ServiceAccount", "Role", "RoleBinding", "Job"]);
    // The namespace of a kubeconfig is read; nothing is asked of its cluster.
    let kubeconfig = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncurrent-context: x\n\
                      contexts: [{name: x, context: {cluster: c, namespace: shop}}]\n";
    bench.write(".kube/config", kubeconfig);
    let said = launch(&bench, &["--dry", "--outputFile", "-"]);
    said.exits(0);
    assert!(said.stdout.contains("namespace: shop"), "{said:#?}");
    let said = launch(&bench, &["--outputFile", "x"]);
    said.snapshot(2);
}

#[test]
fn the_commands_have_help_with_examples() {
    let bench = CliCase::new();
    for command in ["launch", "run", "assert", "report", "log", "delete", "list"] {
        let said = bench.run(["k", command, "--help"]);
        said.exits(0);
        assert!(said.stdout.contains("Examples:") && said.stdout.contains("--kubeconfig"), "{said:#?}");
    }
}
