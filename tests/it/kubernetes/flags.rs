//! What is found wrong without a cluster, and a launch that touches none.

use serde_json::Value;

use crate::support::cli::{Bench, Said};

/// A place without any kubeconfig.
fn run(bench: &Bench, args: &[&str]) -> Said {
    let mut command = bench.command();
    for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
        command.env_remove(name);
    }
    Said::of(command.env("HOME", bench.path("")).args(args).output().unwrap(), &bench.path(""))
}

const GOOD: [&str; 6] = ["--set", "tasks={http}", "--set", "http.url=http://127.0.0.1:1/", "--set", "runner=job"];

fn launch(bench: &Bench, more: &[&str]) -> Said {
    run(bench, &["k", "launch"].into_iter().chain(GOOD).chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn without_a_kubeconfig_the_next_step_is_told() {
    let bench = Bench::new();
    for command in [vec!["k", "list"], vec!["k", "report"], vec!["k", "run"], vec!["k", "delete"], vec!["k", "log"]] {
        run(&bench, &command).expect(4, &["no cluster is known: there is no ~/.kube/config", "--kubeconfig FILE"]);
    }
    launch(&bench, &[]).expect(4, &["no cluster is known"]);
    let mut command = bench.command();
    command.env("KUBECONFIG", "/nowhere/a:/nowhere/b").args(["k", "list"]).env_remove("KUBERNETES_SERVICE_HOST");
    let said = Said::of(command.output().unwrap(), &bench.path(""));
    said.expect(4, &["no file of KUBECONFIG (/nowhere/a:/nowhere/b) exists"]);
}

#[test]
fn a_kubeconfig_that_is_not_right_is_named() {
    let bench = Bench::new();
    let with = |text: &str, more: &[&str]| {
        bench.write(".kube/config", text);
        run(&bench, &["k", "list"].iter().chain(more).copied().collect::<Vec<_>>())
    };
    let good = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: hunter2}}]\n\
                contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: d, user: u}}]\n";
    with(good, &["--kube-context", "three"])
        .expect(2, &["the kubeconfig has no context `three`; it has one, two", "--kube-context"]);
    with(good, &[]).expect(2, &["the kubeconfig has no current context; it has one, two"]);
    with(good, &["--kube-context", "two"]).expect(2, &["the kubeconfig has no cluster `d`"]);
    let said = with("users: [{name: u, user: {token: hunter2}]", &[]);
    said.expect(2, &[".kube/config can't be used: it is not a kubeconfig in YAML"]);
    assert!(!said.stderr.contains("hunter2"), "{said:#?}");
    run(&bench, &["k", "list", "--kubeconfig", "none"])
        .expect(2, &["the kubeconfig none can't be used", "no such file"]);
    with(good, &["--kube-context", "one", "--kube-apiserver", "host:x"])
        .expect(2, &["`host:x` is not the URL of an API server"]);
    let said = with(good, &["--kube-context", "one", "--kube-ca-file", "none"]);
    said.expect(2, &["the certificates in none can't be used"]);
}

#[test]
fn an_api_server_that_is_not_there_is_named_with_the_act() {
    let bench = Bench::new();
    let begun = std::time::Instant::now();
    let said = run(
        &bench,
        &["k", "report", "-n", "shop", "--kube-apiserver", "http://127.0.0.1:1", "--kube-token", "hunter2"],
    );
    said.expect(
        4,
        &["cannot get secrets/default in namespace shop: the API server can't be reached", "kubectl cluster-info"],
    );
    assert!(!said.stderr.contains("hunter2"), "{said:#?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
}

#[test]
fn wrong_values_are_found_before_a_cluster_is_looked_for() {
    let bench = Bench::new();
    launch(&bench, &["--set", "runner=cronjob"]).expect(2, &["cronjobSchedule: the cronjob runner needs a schedule"]);
    launch(&bench, &["--set", "runner=cronjob", "--set", "cronjobSchedule=61 * * * *"])
        .expect(2, &["cronjobSchedule: `61 * * * *` is not a schedule: `61` is not a minute: expected 0 to 59"]);
    launch(&bench, &["--set", "runner=crnjob"]).expect(2, &["`crnjob` is not a runner", "did you mean `cronjob`?"]);
    launch(&bench, &["--set", "parallelism=1000"])
        .expect(2, &["parallelism: `1000` is not a number of pods from 1 to 100"]);
    launch(&bench, &["--set", "http.qsp=5"]).expect(2, &["http.qsp: unknown field `qsp`", "did you mean `qps`?"]);
    launch(&bench, &["--set", "http.url=x"]).expect(2, &["http.url"]);
    launch(&bench, &["--dry", "-g", "Shop"]).expect(2, &["--group: `Shop` is not the name of a group"]);
    launch(&bench, &["--dry", "-n", "a.b"]).expect(2, &["--namespace: `a.b` is not the name of a namespace"]);
    let long = "a".repeat(60);
    launch(&bench, &["--dry", "-g", &long])
        .expect(2, &["--group: the Job of the group would be called", "a shorter name"]);
    bench.write("big.yaml", &format!("http: {{payloadStr: \"{}\"}}\n", "x".repeat(5_000_000)));
    launch(&bench, &["-f", "big.yaml"])
        .expect(2, &["the values have 50", "fit into the experiment's Secret", "http.payloadURL"]);
    assert!(!bench.path("manifest.yaml").exists());
}

#[test]
fn a_dry_run_writes_the_manifests_and_hides_secrets() {
    let bench = Bench::new();
    let said = launch(&bench, &["--dry", "-g", "canary", "--set", "http.headers.Authorization=Bearer hunter2"]);
    said.expect(0, &["the manifests are in manifest.yaml", "secrets are hidden in the manifests"]);
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
    said.expect(0, &[]);
    assert!(said.stdout.contains("namespace: shop"), "{said:#?}");
    let said = launch(&bench, &["--outputFile", "x"]);
    said.expect(2, &["--dry"]);
}

#[test]
fn the_commands_have_help_with_examples() {
    let bench = Bench::new();
    for command in ["launch", "run", "assert", "report", "log", "delete", "list"] {
        let said = bench.run(["k", command, "--help"]);
        said.expect(0, &[]);
        assert!(said.stdout.contains("Examples:") && said.stdout.contains("--kubeconfig"), "{said:#?}");
    }
}
