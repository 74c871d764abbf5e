//! The document in its Secret: conflicts, losses, and API servers in trouble.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster_case::{ClusterCase, document};
use crate::support::api_server_proxy::{Action, ApiServerProxy};
use crate::support::echo_server::EchoServer;
use crate::support::kubernetes::{ControlPlane, Node};
use crate::support::transcript::transcript;

/// Launches an experiment that nothing runs: `requests` at 100 per second, after these tasks.
fn launch(case: &ClusterCase, group: &str, requests: u64, tasks: &str) {
    let url = format!("http.url={}", EchoServer::plain().url());
    let load = format!("http.numRequests={requests},http.qps=100");
    let values = [tasks, &url, &load, "assess.SLOs.upper.http/error-count=0", "runner=none", "run=true"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    case.k(["launch", "-g", group].into_iter().chain(args)).exits(0);
}

#[test]
fn a_run_stops_if_its_secret_is_deleted() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "gone", 360_000, "tasks={http,assess}");
    let running = case.start(["run", "-g", "gone", "--revision", "1"]);
    case.wait_until_running("gone", "http");
    let started = Instant::now();
    case.cluster.kubectl_ok(&["delete", "secret", "-n", &case.namespace, "gone"]);
    running.end().expect(4, &["secret/gone in namespace", "no longer belongs to this run: it was deleted"]);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn a_superseded_run_stops_without_writing() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    launch(&case, "old", 360_000, "tasks={http,assess}");
    let running = case.start(["run", "-g", "old", "--revision", "1"]);
    case.wait_until_running("old", "http");
    launch(&case, "old", 10, "tasks={http,assess}");
    running.end().expect(4, &["revision 1 was replaced by revision 2"]);
    let result = &case.document("old")["result"];
    assert_eq!(
        (&result["revision"], &result["numLoops"], &result["numCompletedTasks"]),
        (&json!(2), &json!(0), &json!(0))
    );
    // A superseded run does not start either.
    case.k(["run", "-g", "old", "--revision", "1"]).snapshot(4);
    case.k(["run", "-g", "old", "--revision", "2"]).expect(0, &["experiment completed"]);
    assert_eq!(case.document("old")["result"]["numLoops"], 1);
}

#[test]
fn concurrent_annotations_are_kept() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "storm", 100, "tasks={run,http,run,assess,run}");
    // Before every other write of the run, another client changes the Secret.
    let (cluster, namespace) = (case.cluster, case.namespace.clone());
    let counts = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let proxy = ApiServerProxy::start(cluster, {
        let (counts, namespace) = (Arc::clone(&counts), namespace.clone());
        move |method, _| {
            if method == "PUT" && counts[0].fetch_add(1, Ordering::Relaxed) % 2 == 0 {
                let mark = format!("count={}", counts[1].fetch_add(1, Ordering::Relaxed) + 1);
                cluster.kubectl_ok(&["annotate", "--overwrite", "secret", "-n", &namespace, "storm", &mark]);
            }
            Action::Forward
        }
    });
    let case = case.through(&proxy);
    case.k(["run", "-g", "storm"]).expect(0, &["experiment completed"]);
    let [writes, others] = [0, 1].map(|at| counts[at].load(Ordering::Relaxed));
    assert!(others >= 11 && writes == 2 * others, "each of the run's writes had to be made twice: {writes}, {others}");
    let secret = cluster.get("secrets", &namespace, "storm");
    assert_eq!(secret["metadata"]["annotations"]["count"], others.to_string(), "no annotation is lost");
    let document = document(&secret).unwrap();
    assert_eq!(document["result"]["numCompletedTasks"], 5, "no write is lost");
}

#[test]
fn of_two_concurrent_runs_one_stops() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "two", 300, "tasks={http,assess}");
    let first = case.start(["run", "-g", "two"]);
    case.wait_until_running("two", "http");
    let second = case.start(["run", "-g", "two"]);
    let ended = [first.end(), second.end()];
    let lost: Vec<_> = ended.iter().filter(|output| output.code == Some(4)).collect();
    assert_eq!(lost.len(), 1, "{ended:#?}");
    lost[0].expect(4, &["another run has written the document"]);
    assert_eq!(ended.iter().filter(|output| output.code == Some(0)).count(), 1, "{ended:#?}");
    let result = &case.document("two")["result"];
    assert_eq!(result["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([300]), "{result:#}");
}

#[test]
fn loops_accumulate_and_a_fresh_run_starts_over() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "loops", 10, "tasks={http,assess}");
    for expected in 1..=2 {
        case.k(["run", "-g", "loops", "--reuseResult"]).exits(0);
        assert_eq!(case.document("loops")["result"]["numLoops"], expected);
    }
    let counts = case.document("loops")["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"].clone();
    assert_eq!(counts.as_array().map(Vec::len), Some(2), "{counts}");
    case.k(["run", "-g", "loops"]).exits(0);
    assert_eq!(case.document("loops")["result"]["numLoops"], 1);
    // A later launch does not continue the loops of an earlier one.
    launch(&case, "loops", 10, "tasks={http,assess}");
    case.k(["run", "-g", "loops", "--reuseResult"]).exits(0);
    let result = &case.document("loops")["result"];
    assert_eq!((&result["revision"], &result["numLoops"]), (&json!(2), &json!(1)));
}

#[test]
fn a_run_survives_a_restart_of_the_api_server() {
    let Some(cluster) = ControlPlane::own() else { return };
    let cluster: &'static ControlPlane = Box::leak(Box::new(cluster));
    // In a pod: a restarted API server rejects it until RBAC is loaded.
    if let Some(node) = Node::start(cluster) {
        let case = ClusterCase::of(cluster);
        let url = format!("http.url={}", EchoServer::plain().url());
        let values =
            ["tasks={http,ready}", &url, "http.numRequests=300,http.qps=100", "ready.service=late", "runner=job"];
        let args = values.iter().flat_map(|pair| ["--set", pair]);
        case.k(["launch", "-g", "restart"].into_iter().chain(args)).exits(0);
        case.wait_until_running("restart", "http");
        cluster.stop_api_server();
        // Its load ends while there is no API server: what it measured is saved when there is one again.
        std::thread::sleep(Duration::from_secs(4));
        cluster.start_api_server();
        case.wait_until_running("restart", "ready");
        // And once more while it watches.
        cluster.stop_api_server();
        cluster.start_api_server();
        let service = "{apiVersion: v1, kind: Service, metadata: {name: late}, spec: {ports: [{port: 80}]}}";
        cluster.apply_in(&case.namespace, service);
        let output = case.k(["assert", "-g", "restart", "-c", "completed,nofailure", "--timeout", "120s"]);
        assert_eq!(output.code, Some(0), "{output:#?}\n{}", case.k(["log", "-g", "restart"]).stdout);
        let result = &case.document("restart")["result"];
        assert_eq!(result["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([300]));
        drop(node);
    }
    cluster.stop();
}

fn status(code: u16, reason: &str) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "not now"}).to_string()
}

#[test]
fn retries_on_429_and_5xx() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "busy", 10, "tasks={http,assess}");
    let times = Arc::new(Mutex::new(Vec::new()));
    let proxy = ApiServerProxy::start(case.cluster, {
        let times = Arc::clone(&times);
        move |method, path| {
            if method != "PUT" || !path.contains("/secrets/busy") {
                return Action::Forward;
            }
            let mut times = times.lock().unwrap();
            times.push(Instant::now());
            match times.len() {
                // As the real server's flow control says it: by a header alone.
                1 => Action::Respond(429, vec![("retry-after", "2")], "too many requests".to_owned()),
                2 => Action::Respond(503, vec![], status(503, "ServiceUnavailable")),
                3 => Action::Respond(500, vec![], status(500, "InternalError")),
                _ => Action::Forward,
            }
        }
    });
    let case = case.through(&proxy);
    case.k(["run", "-g", "busy"]).expect(0, &["experiment completed"]);
    let times = times.lock().unwrap();
    assert!(times.len() > 3);
    assert!(times[1] - times[0] >= Duration::from_secs(2), "{:?}", times[1] - times[0]);
}

#[test]
fn lost_responses_do_not_duplicate_writes() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "lossy", 10, "tasks={http,assess}");
    let puts = Arc::new(AtomicU32::new(0));
    let proxy = ApiServerProxy::start(case.cluster, {
        let puts = Arc::clone(&puts);
        move |method, _| match method {
            "PUT" if puts.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => Action::DropResponse,
            _ => Action::Forward,
        }
    });
    let case = case.through(&proxy);
    case.k(["run", "-g", "lossy"]).expect(0, &["experiment completed"]);
    assert!(puts.load(Ordering::Relaxed) >= 8, "each write is tried twice");
    assert_eq!(case.document("lossy")["result"]["numCompletedTasks"], 2);
}

#[test]
fn forbidden_requests_name_the_missing_rule() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    launch(&case, "forbidden", 10, "tasks={http,assess}");
    let (cluster, namespace) = (case.cluster, case.namespace.clone());
    let token = cluster.token(&namespace, "default");
    let case = case.with_kubeconfig(cluster.kubeconfig_with_token(&token, &namespace));
    let output = case.k(["report", "-g", "forbidden"]);
    output.snapshot(4);
    assert!(!output.stderr.contains(&token), "{output:#?}");
    let values = ["--set", "tasks={http}", "--set", "http.url=http://127.0.0.1:1/", "--set", "runner=job"];
    case.k(["launch"].into_iter().chain(values)).snapshot(4);
    case.k(["list"]).snapshot(4);
    let expired = cluster.expired_token(&namespace, "default", Duration::from_secs(3600));
    let case = case.with_kubeconfig(cluster.kubeconfig_with_token(&expired, &namespace));
    case.k(["report"]).snapshot(4);
}

#[test]
fn a_missing_namespace_is_named() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let case = ClusterCase { namespace: "nowhere".to_owned(), ..case };
    let values = ["--set", "tasks={http}", "--set", "http.url=http://127.0.0.1:1/", "--set", "runner=job"];
    let output = case.k(["launch"].into_iter().chain(values));
    output.snapshot(4);
}

#[test]
fn credential_plugins_are_used_and_their_errors_reported() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    launch(&case, "plugin", 10, "tasks={http,assess}");
    let token = case.cluster.token(&case.namespace, "default");
    let credential =
        json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}});
    case.cli.write("credential.json", &credential.to_string());
    let authority = case.cli.write("ca.crt", case.cluster.authority());
    let kubeconfig = |command: &str| {
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: '{}', certificate-authority: '{}'}}}}]\ncurrent-context: x\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\nusers:\n- name: u\n  user:\n    exec:\n      \
             apiVersion: client.authentication.k8s.io/v1\n      command: sh\n      interactiveMode: Never\n      args: [-c, '{command}']\n",
            case.cluster.url(),
            authority.display()
        );
        case.cli.write(&format!("{}.kubeconfig", command.len()), &text)
    };
    let run = |command: &str| {
        let mut all = case.command(["k", "report", "-g", "plugin", "-n", &case.namespace]);
        all.env("KUBECONFIG", kubeconfig(command));
        crate::support::cli_case::CliOutput::run(&mut all, &case.cli.path(""))
    };
    run("cat credential.json").snapshot(4);
    let output = run("cat credential.json; echo the session has ended >&2; exit 1");
    output.snapshot(4);
    assert!(!output.stderr.contains(&token), "{output:#?}");
}

#[test]
fn https_proxy_and_no_proxy_are_respected() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let run = |no_proxy: &str| {
        let mut command = case.command(["k", "list", "-n", &case.namespace]);
        command.env("HTTPS_PROXY", "http://localhost:9").env("NO_PROXY", no_proxy).env_remove("no_proxy");
        crate::support::cli_case::CliOutput::run(&mut command, &case.cli.path(""))
    };
    run("example.com,127.0.0.0/8").snapshot(0);
    run("example.com").snapshot(4);
}
