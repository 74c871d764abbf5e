//! Mistakes that are found without a cluster, and dry runs.

use serde_json::Value;

use super::cluster_case::ClusterCase;
use crate::support::authority::Authority;
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// A place without any kubeconfig.
fn run(cli: &CliCase, args: &[&str]) -> CliOutput {
    let mut command = cli.command();
    for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
        command.env_remove(name);
    }
    CliOutput::run(command.env("HOME", cli.path("")).args(args), &cli.path(""))
}

const GOOD: [&str; 6] = ["--set", "tasks={http}", "--set", "http.url=http://127.0.0.1:1/", "--set", "runner=job"];

fn launch(cli: &CliCase, more: &[&str]) -> CliOutput {
    run(cli, &["k", "launch"].into_iter().chain(GOOD).chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn a_missing_kubeconfig_has_a_hint() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    for command in [vec!["k", "list"], vec!["k", "report"], vec!["k", "run"], vec!["k", "delete"], vec!["k", "log"]] {
        run(&cli, &command).snapshot(4);
    }
    launch(&cli, &[]).snapshot(4);
    let mut command = cli.command();
    command.env("KUBECONFIG", "/nowhere/a:/nowhere/b").args(["k", "list"]).env_remove("KUBERNETES_SERVICE_HOST");
    let output = CliOutput::run(&mut command, &cli.path(""));
    output.snapshot(4);
}

#[test]
fn a_bad_kubeconfig_is_named() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let with = |text: &str, more: &[&str]| {
        cli.write(".kube/config", text);
        run(&cli, &["k", "list"].iter().chain(more).copied().collect::<Vec<_>>())
    };
    let good = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: hunter2}}]\n\
                contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: d, user: u}}]\n";
    with(good, &["--kube-context", "three"]).snapshot(2);
    with(good, &[]).snapshot(2);
    with(good, &["--kube-context", "two"]).snapshot(2);
    let output = with("users: [{name: u, user: {token: hunter2}]", &[]);
    output.snapshot(2);
    assert!(!output.stderr.contains("hunter2"), "{output:#?}");
    run(&cli, &["k", "list", "--kubeconfig", "none"]).snapshot(2);
    with(good, &["--kube-context", "one", "--kube-apiserver", "host:x"]).snapshot(2);
    let output = with(good, &["--kube-context", "one", "--kube-ca-file", "none"]);
    output.snapshot(2);
}

#[test]
fn an_unreachable_api_server_is_an_error() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let started = std::time::Instant::now();
    let output =
        run(&cli, &["k", "report", "-n", "shop", "--kube-apiserver", "http://127.0.0.1:1", "--kube-token", "hunter2"]);
    output.snapshot(4);
    assert!(!output.stderr.contains("hunter2"), "{output:#?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(30));
}

#[test]
fn missing_files_and_plugins_of_a_kubeconfig_are_named() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let with = |cluster: &str, user: &str, more: &[&str]| {
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'{cluster}}}}}]\nusers: [{{name: dev, user: {{{user}}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: dev}}}}]\ncurrent-context: x\n"
        );
        cli.write(".kube/config", &text);
        run(&cli, &["k", "list"].iter().chain(more).copied().collect::<Vec<_>>())
    };
    with(", certificate-authority: ca.crt", "", &[]).snapshot(2);
    with("", "client-certificate: /nowhere/dev.crt, client-key: /nowhere/dev.key", &[]).snapshot(2);
    with("", "tokenFile: token", &[]).snapshot(2);
    let plugin = "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: get-token-of-cloud";
    with("", &format!("exec: {{{plugin}}}"), &[]).snapshot(4);
    let hint = "\"Install it:\\n  brew install cloud\\n\"";
    with("", &format!("exec: {{{plugin}, installHint: {hint}}}"), &[]).snapshot(4);
    let failing = plugin.replace("get-token-of-cloud", "'false'");
    with("", &format!("exec: {{{failing}}}"), &[]).snapshot(4);
    // Flags replace what cannot be read.
    let plugin = format!("exec: {{{plugin}}}");
    let output = with("", &plugin, &["--kube-token", "t"]);
    output.expect(4, &["the API server https://127.0.0.1:1 cannot be reached"]);
    let output = with(", certificate-authority: ca.crt", "", &["--kube-insecure-skip-tls-verify"]);
    output.expect(4, &["the API server https://127.0.0.1:1 cannot be reached"]);
}

/// Lists the groups of a server on TLS, trusting this authority.
fn list_through_tls(cli: &CliCase, server: std::net::SocketAddr, ca: &str, more: &[&str]) -> CliOutput {
    cli.write("ca.crt", ca);
    let url = format!("https://{server}");
    let flags = ["k", "list", "-n", "shop", "--kube-apiserver", &url, "--kube-token", "t", "--kube-ca-file", "ca.crt"];
    run(cli, &[&flags[..], more].concat())
}

#[test]
fn certificates_of_an_api_server_that_are_not_valid_have_their_hint() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let authority = Authority::new();
    let trusted = MisbehavingServer::secure(authority.server(None), |_| Reply::ok("{}"));
    list_through_tls(&cli, trusted.address, &Authority::new().pem, &[]).snapshot(4);
    list_through_tls(&cli, trusted.address, &authority.pem, &["--kube-tls-server-name", "other.example"]).snapshot(4);
    let (certificate, key) = authority.issue_until("127.0.0.1", 2002);
    let expired = MisbehavingServer::secure(Authority::showing(&certificate, &key, None), |_| Reply::ok("{}"));
    list_through_tls(&cli, expired.address, &authority.pem, &[]).snapshot(4);
    list_through_tls(&cli, trusted.address, &authority.pem, &["--kube-insecure-skip-tls-verify"]).snapshot(2);
}

#[test]
fn flags_for_tls_override_the_kubeconfig() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    case.k(["list", "--kube-tls-server-name", "localhost"]).exits(0);
    case.k(["list", "--kube-tls-server-name", "other.example"])
        .expect(4, &["no secure connection to the API server", "other.example"]);
    case.k(["list", "--kube-tls-server-name", "other.example", "--kube-insecure-skip-tls-verify"]).exits(0);
    for (value, code) in [("1", 0), ("true", 0), ("false", 4), ("", 4)] {
        let mut command = case.command(["k", "list", "-n", &case.namespace, "--kube-tls-server-name", "other.example"]);
        command.env("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", value);
        CliOutput::run(&mut command, &case.cli.path("")).exits(code);
    }
    // Flags of Iter8 that have no effect.
    case.k(["list", "--burst-limit", "-1"]).snapshot(0);
    let values = ["tasks={http}", "http.url=http://web/"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    case.k(["launch", "--dry", "-c", "iter8"].into_iter().chain(args)).snapshot(0);
}

#[test]
fn invalid_values_are_rejected_without_a_cluster() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    launch(&cli, &["--set", "runner=cronjob"]).snapshot(2);
    launch(&cli, &["--set", "runner=cronjob", "--set", "cronjobSchedule=61 * * *"]).snapshot(2);
    launch(&cli, &["--set", "runner=crnjob"]).snapshot(2);
    launch(&cli, &["--set", "parallelism=1000"]).snapshot(2);
    launch(&cli, &["--set", "http.qsp=5"]).snapshot(2);
    launch(&cli, &["--set", "http.url=ftp://x"]).snapshot(2);
    launch(&cli, &["--dry", "-g", "Shop"]).snapshot(2);
    launch(&cli, &["--dry", "-n", "a.b"]).snapshot(2);
    let long = "a".repeat(60);
    launch(&cli, &["--dry", "-g", &long]).snapshot(2);
    cli.write("big.yaml", &format!("http: {{payloadStr: \"{}\"}}\n", "x".repeat(5_000_000)));
    launch(&cli, &["-f", "big.yaml"]).snapshot(2);
    assert!(!cli.path("manifest.yaml").exists());
}

#[test]
fn a_dry_run_writes_redacted_manifests() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let output = launch(&cli, &["--dry", "-g", "canary", "--set", "http.headers.Authorization=Bearer hunter2"]);
    output.snapshot(0);
    let text = cli.read("manifest.yaml");
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
    cli.write(".kube/config", kubeconfig);
    let output = launch(&cli, &["--dry", "--outputFile", "-"]);
    output.exits(0);
    assert!(output.stdout.contains("namespace: shop"), "{output:#?}");
    // A kubeconfig that could not be used does not matter.
    for useless in ["", "users: [", "current-context: none\n"] {
        cli.write(".kube/config", useless);
        let output = launch(&cli, &["--dry", "--outputFile", "-"]);
        output.exits(0);
        assert!(output.stdout.contains("namespace: default"), "{output:#?}");
    }
    launch(&cli, &["--dry", "--kube-context", "none"]).exits(2);
    let output = launch(&cli, &["--outputFile", "x"]);
    output.snapshot(2);
}

#[test]
fn the_commands_have_help_with_examples() {
    let cli = CliCase::new();
    for command in ["launch", "run", "assert", "assess", "report", "log", "delete", "list"] {
        let output = cli.run(["k", command, "--help"]);
        output.exits(0);
        assert!(output.stdout.contains("Examples:") && output.stdout.contains("--kubeconfig"), "{output:#?}");
    }
}
