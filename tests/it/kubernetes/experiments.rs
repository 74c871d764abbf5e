//! Experiments from their launch to their deletion, on a real control plane: Job → Pod → program → Secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::cluster_case::ClusterCase;
use crate::fleet::peers::counting;
use crate::support::api_server_proxy::{Action, ApiServerProxy};
use crate::support::echo_server::EchoServer;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// Values of a short load with objectives.
fn load(requests: u64) -> Vec<String> {
    let url = format!("http.url={}", EchoServer::plain().url());
    let requests = format!("http.numRequests={requests},http.qps=100");
    let pairs = ["tasks={http,assess}", &url, &requests, "assess.SLOs.upper.http/error-count=0", "runner=job"];
    pairs.iter().flat_map(|pair| ["--set".to_owned(), (*pair).to_owned()]).collect()
}

fn launch(case: &ClusterCase, group: &str, values: &[String], more: &[&str]) -> crate::support::cli_case::CliOutput {
    let args = ["launch", "-g", group].into_iter().chain(values.iter().map(String::as_str)).chain(more.iter().copied());
    case.k(args)
}

#[test]
fn launch_assert_report_and_delete_work() {
    let Some(case) = ClusterCase::with_node() else { return };
    let _transcript = transcript!();
    let output = launch(&case, "canary", &load(50), &[]);
    output.snapshot(0);
    let conditions = ["-c", "completed", "-c", "nofailure", "-c", "slos", "--timeout", "120s"];
    case.k(["assert", "-g", "canary"].into_iter().chain(conditions)).snapshot(0);
    let output = case.k(["report", "-g", "canary"]);
    output.exits(0);
    for message in ["Experiment completed: true", "http/error-count <= 0", "true"] {
        assert!(output.stdout.contains(message), "{message}: {output:#?}");
    }
    case.k(["report", "-g", "canary", "-o", "html", "--outputFile", "report.html"]).exits(0);
    assert!(case.cli.read("report.html").contains("class=\"banner good\""));
    let document = case.document("canary");
    assert_eq!((&document["result"]["revision"], &document["result"]["numLoops"]), (&json!(1), &json!(1)));
    assert_eq!(document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([50]));

    let output = case.k(["log", "-g", "canary"]);
    output.expect(0, &["==> pod/canary-1-job-"]);
    assert!(output.stdout.contains("experiment completed"), "{output:#?}");
    case.k(["list"]).snapshot(0);

    case.k(["delete", "-g", "canary"]).snapshot(0);
    case.wait_until_nothing_is_left_of("canary");
    case.k(["report", "-g", "canary"]).snapshot(2);
    case.k(["delete", "-g", "canary"]).snapshot(2);
}

#[test]
fn pods_read_secrets_from_kubernetes() {
    let Some(case) = ClusterCase::with_node() else { return };
    let server = MisbehavingServer::scripted(|request| match request.header("x-api-key") {
        Some("hunter-2") if request.header("authorization") == Some("Bearer hunter-3") => Reply::ok("fine"),
        _ => Reply::plain(401, "not let in"),
    });
    let namespace = case.namespace.as_str();
    case.cluster.apply_in(
        namespace,
        "{apiVersion: v1, kind: Secret, metadata: {name: shop}, stringData: {api-key: hunter-2, t: hunter-3}}",
    );
    let url = format!("http.url={}", server.url());
    let values: Vec<String> = ["tasks={http,assess}", "runner=job", &url, "http.numRequests=5,http.qps=max"]
        .into_iter()
        .chain(["http.headers.X-Api-Key.secretKeyRef.name=shop,http.headers.X-Api-Key.secretKeyRef.key=api-key"])
        .chain(["http.bearerToken.secretKeyRef.name=shop,http.bearerToken.secretKeyRef.key=t"])
        .chain(["assess.SLOs.upper.http/error-count=0"])
        .flat_map(|pair| ["--set".to_owned(), pair.to_owned()])
        .collect();
    let output = launch(&case, "secretive", &values, &[]);
    output.exits(0);
    assert!(!output.stderr.contains("pods cannot read"), "{output:#?}");
    case.k(["assert", "-g", "secretive", "-c", "completed,slos", "--timeout", "120s"]).exits(0);
    let document = case.document("secretive");
    assert!(!document.to_string().contains("hunter") && document.to_string().contains("secretKeyRef"), "{document}");
}

#[test]
fn a_launch_replaces_the_previous_one() {
    let Some(case) = ClusterCase::with_node() else { return };
    let _transcript = transcript!();
    // The first one would run for an hour.
    launch(&case, "again", &load(360_000), &["--set", "parallelism=2"]).exits(0);
    launch(&case, "beside", &load(360_000), &[]).exits(0);
    case.wait_until_running("again", "http");
    let uid = case.get("secrets", "again")["metadata"]["uid"].clone();
    launch(&case, "again", &load(20), &[]).snapshot(0);
    case.k(["assert", "-g", "again", "-c", "completed,slos", "--timeout", "120s"]).exits(0);
    let document = case.document("again");
    assert_eq!(document["result"]["revision"], 2);
    assert_eq!(document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([20]));
    assert_eq!(case.get("secrets", "again")["metadata"]["uid"], uid, "the Secret stays, with what owns to it");
    case.cluster.wait_until_gone("jobs", &case.namespace, "again-1-job");
    case.cluster.wait_until_gone("secrets", &case.namespace, "again-shard-1");
    let pods = |objects: Vec<String>| objects.into_iter().filter(|name| name.starts_with("pod/again-1-")).count();
    let started = std::time::Instant::now();
    while pods(case.objects("again")) > 0 {
        assert!(started.elapsed() < crate::support::kubernetes::TIMEOUT, "pods of revision 1 are left");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    // The group beside it was left alone.
    assert_eq!(case.document("beside")["result"]["revision"], 1);
    assert_eq!(case.get("jobs", "beside-1-job")["status"]["active"], 1);
}

#[test]
fn deleting_the_secret_deletes_everything() {
    let Some(case) = ClusterCase::with_node() else { return };
    launch(&case, "owner", &load(360_000), &["--set", "ready.service=kubernetes"]).exits(0);
    case.wait_until_running("owner", "http");
    case.cluster.kubectl_ok(&["delete", "secret", "-n", &case.namespace, "owner"]);
    case.wait_until_nothing_is_left_of("owner");
}

#[test]
fn the_service_account_has_minimal_permissions() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    case.cluster.kubectl_ok(&["create", "namespace", &format!("{}-models", case.namespace)]);
    let elsewhere = format!("ready.namespace={}-models", case.namespace);
    let values = ["tasks={ready}", "ready.deploy=shop", "ready.isvc=iris", &elsewhere, "runner=none"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    case.k(["launch", "-g", "least"].into_iter().chain(args)).snapshot(0);
    let may = |namespace: &str| {
        let account = format!("system:serviceaccount:{}:least-iter8-sa", case.namespace);
        let output = case.cluster.kubectl_ok(&["auth", "can-i", "--list", "-n", namespace, "--as", &account]);
        let nobodys = case.cluster.kubectl_ok(&[
            "auth",
            "can-i",
            "--list",
            "-n",
            namespace,
            "--as",
            "system:serviceaccount:none:none",
        ]);
        let known: Vec<String> = nobodys.lines().map(squeezed).collect();
        let mut rows: Vec<String> = output.lines().map(squeezed).filter(|row| !known.contains(row)).collect();
        rows.sort();
        rows
    };
    assert_eq!(may(&case.namespace), ["secrets [] [least] [get list update watch]"]);
    let models = format!("{}-models", case.namespace);
    let expected =
        ["deployments.apps [] [shop] [list watch]", "inferenceservices.serving.kserve.io [] [iris] [list watch]"];
    assert_eq!(may(&models), expected);
    // Objects in other namespaces have no owner, so they are deleted by name.
    case.k(["delete", "-g", "least"]).exits(0);
    case.wait_until_nothing_is_left_of("least");
    let roles = case.cluster.kubectl_ok(&["get", "roles,rolebindings", "-n", &models, "-o", "name"]);
    assert_eq!(roles, "");
}

/// A row of kubectl's table, with one space between its columns.
fn squeezed(row: &str) -> String {
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn concurrent_launches_result_in_one_run() {
    let Some(case) = ClusterCase::without_node() else { return };
    let values = load(10);
    let args: Vec<&str> = ["launch", "-g", "race"].into_iter().chain(values.iter().map(String::as_str)).collect();
    let running: Vec<_> = (0..4).map(|_| case.start(&args)).collect();
    let ended: Vec<_> = running.into_iter().map(super::cluster_case::Running::end).collect();
    let won = ended.iter().filter(|output| output.code == Some(0)).count();
    assert!(won >= 1, "{ended:#?}");
    for output in ended.iter().filter(|output| output.code != Some(0)) {
        output.expect(4, &["was replaced by revision"]);
    }
    let revision = case.get("secrets", "race")["metadata"]["annotations"]["iter8.tools/revision"].clone();
    let job = format!("race-{}-job", revision.as_str().unwrap());
    let jobs = || case.cluster.kubectl_ok(&["get", "jobs", "-n", &case.namespace, "-o", "name"]);
    let started = std::time::Instant::now();
    while jobs() != format!("job.batch/{job}\n") {
        assert!(started.elapsed() < crate::support::kubernetes::TIMEOUT, "{}", jobs());
    }
}

#[test]
fn foreign_secrets_are_left_alone() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    case.cluster
        .apply_in(&case.namespace, "{apiVersion: v1, kind: Secret, metadata: {name: mine}, stringData: {a: b}}");
    launch(&case, "mine", &load(1), &[]).snapshot(4);
    case.k(["delete", "-g", "mine"]).snapshot(4);
    assert_eq!(case.get("secrets", "mine")["data"], json!({"a": "Yg=="}));
}

#[test]
fn a_document_that_cannot_be_read_is_listed_as_unreadable() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "torn", &load(1), &[]).exits(0);
    let torn = r#"{"stringData": {"experiment.yaml": "{"}}"#;
    case.cluster.kubectl_ok(&["patch", "secret", "-n", &case.namespace, "torn", "--type=merge", "-p", torn]);
    let said = case.k(["list"]);
    said.exits(0);
    let row: Vec<&str> = said.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, [&case.namespace, "torn", "1", "job", "0", "unreadable", "-", "-", "-"]);
}

#[test]
fn a_rejected_launch_changes_nothing() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let values = ["--set", "resources.limits.cpu=lots"];
    launch(&case, "wrong", &load(1), &values).snapshot(4);
    assert_eq!(case.objects("wrong"), [""; 0]);
}

#[test]
fn an_assertion_ends_when_the_job_does() {
    let Some(case) = ClusterCase::with_node() else { return };
    let _transcript = transcript!();
    // The pod is killed before it can save anything more.
    launch(&case, "killed", &load(360_000), &[]).exits(0);
    case.wait_until_running("killed", "http");
    let pod = case.objects("killed").into_iter().find_map(|name| Some(name.strip_prefix("pod/")?.to_owned())).unwrap();
    let started = std::time::Instant::now();
    let asserting = case.start(["assert", "-g", "killed", "-c", "completed", "--timeout", "30m"]);
    crate::support::kubernetes::Node::shared().unwrap().kill(&case.namespace, &pod);
    asserting.end().snapshot(1);
    assert!(started.elapsed() < crate::support::kubernetes::TIMEOUT);
    case.k(["list"]).snapshot(0);
}

/// Edits the values of a group and keeps its document, as tools that render charts do.
fn edit_values(case: &ClusterCase, group: &str, edit: impl FnOnce(&mut Value)) {
    let encoded = case.get("secrets", group)["data"]["values.yaml"].as_str().unwrap().to_owned();
    let text = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    let mut values = iter8::model::codec::value_from_yaml(&text).unwrap();
    edit(&mut values);
    let patch = json!({"stringData": {"values.yaml": values.to_string()}}).to_string();
    case.cluster.kubectl_ok(&["patch", "secret", "-n", &case.namespace, group, "--type=merge", "-p", &patch]);
}

#[test]
fn a_document_of_other_values_is_not_judged() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    launch(&case, "synced", &load(5), &["--set", "runner=none"]).exits(0);
    case.k(["run", "-g", "synced"]).exits(0);
    let conditions = ["assert", "-g", "synced", "-c", "completed,slos"];
    case.k(conditions).exits(0);
    let digest = case.document("synced")["result"]["valuesDigest"].clone();
    assert!(digest.as_str().is_some_and(|digest| digest.starts_with("hmac-sha256:")), "{digest}");
    // Settings of the runner do not change what was measured.
    edit_values(&case, "synced", |values| values["logLevel"] = "debug".into());
    case.k(conditions).exits(0);
    edit_values(&case, "synced", |values| values["http"]["numRequests"] = 6.into());
    case.k(conditions).snapshot(1);
    case.k(conditions.into_iter().chain(["--timeout", "1s"])).snapshot(1);
    let output = case.k(["assert", "-g", "synced", "-c", "nofailure"]);
    output.expect(1, &["has not run with the new values"]);
    case.k(["list"]).snapshot(0);
    let output = case.k(["report", "-g", "synced"]);
    output.expect(0, &["this is the report of earlier values"]);
    assert!(output.stdout.contains("Experiment completed: true"), "{output:#?}");
    // A pipeline would decide from it.
    case.k(["report", "-g", "synced", "-o", "junit"]).snapshot(2);
    case.k(["report", "-g", "synced", "--github"]).exits(2);
    // Values that cannot run are no reason to judge the old document.
    edit_values(&case, "synced", |values| values["tasks"] = json!(["htp"]));
    case.k(conditions).snapshot(1);
    edit_values(&case, "synced", |values| values["tasks"] = json!(["http", "assess"]));
    case.k(["run", "-g", "synced"]).exits(0);
    case.k(conditions).exits(0);
    assert_ne!(case.document("synced")["result"]["valuesDigest"], digest);
}

#[test]
fn a_document_of_another_secret_is_neither_judged_nor_reused() {
    let Some(case) = ClusterCase::without_node() else { return };
    let cookie = |version: &str| format!("http.headers.Cookie=version={version}");
    launch(&case, "cookie", &load(5), &["--set", "runner=none", "--set", &cookie("v1")]).exits(0);
    let key = || case.get("secrets", "cookie")["data"]["digest.key"].clone();
    let first = key();
    assert_eq!(STANDARD.decode(first.as_str().unwrap()).unwrap().len(), 32);
    let run = || {
        case.k(["run", "-g", "cookie", "--reuseResult"]).exits(0);
    };
    let assert = || case.k(["assert", "-g", "cookie", "-c", "completed,slos"]);
    let loops = || case.document("cookie")["result"]["numLoops"].clone();
    run();
    assert().exits(0);
    edit_values(&case, "cookie", |values| values["http"]["headers"]["Cookie"] = "version=v2".into());
    assert().expect(1, &["has not run with the new values"]);
    let row = case.k(["list"]).stdout;
    assert!(row.contains("outdated"), "{row}");
    run();
    assert().exits(0);
    assert_eq!(loops(), 1, "loops of the other version do not count");
    run();
    assert_eq!(loops(), 2);
    launch(&case, "cookie", &load(5), &["--set", "runner=none", "--set", &cookie("v2")]).exits(0);
    assert_eq!(key(), first, "launches keep the key");
    run();
    // Charts have no key; the next run makes one.
    let without = r#"{"data": {"digest.key": null}}"#;
    case.cluster.kubectl_ok(&["patch", "secret", "-n", &case.namespace, "cookie", "--type=merge", "-p", without]);
    assert().expect(1, &["has not run with the new values"]);
    run();
    assert!(key().is_string() && key() != first);
    assert().exits(0);
    edit_values(&case, "cookie", |values| values["http"]["headers"]["Cookie"] = "version=v1".into());
    assert().expect(1, &["has not run with the new values"]);
}

#[test]
fn an_assertion_ends_if_nothing_will_run_with_the_new_values() {
    let Some(case) = ClusterCase::with_node() else { return };
    let _transcript = transcript!();
    launch(&case, "stuck", &load(5), &[]).exits(0);
    let conditions = ["assert", "-g", "stuck", "-c", "completed,slos", "--timeout", "30m"];
    case.k(conditions).exits(0);
    case.cluster.wait_for_condition("jobs", &case.namespace, "stuck-1-job", "Complete");
    edit_values(&case, "stuck", |values| values["http"]["numRequests"] = 6.into());
    case.k(conditions).snapshot(1);
}

#[test]
fn an_evicted_pod_saves_its_measurements() {
    let Some(case) = ClusterCase::with_node() else { return };
    let (server, seen) = counting(|_| std::time::Duration::ZERO);
    let url = format!("http.url={}", server.url());
    launch(&case, "evicted", &load(360_000), &["--set", &url]).exits(0);
    case.wait_until_running("evicted", "http");
    let started = std::time::Instant::now();
    while seen.load(std::sync::atomic::Ordering::SeqCst) < 20 {
        assert!(started.elapsed() < crate::support::kubernetes::TIMEOUT);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pod = case.objects("evicted").into_iter().find_map(|name| Some(name.strip_prefix("pod/")?.to_owned())).unwrap();
    let following = case.start(["log", "-g", "evicted", "-f"]);
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": case.namespace}});
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", case.namespace);
    let output = case.cluster.kubectl_with_input(&["create", "--raw", &path, "-f", "-"], &eviction.to_string());
    output.exits(0);
    let document = case.wait_for_document("evicted", |document| document["result"]["interrupted"] == true);
    let requests = &document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"][0];
    assert!(requests.as_f64().is_some_and(|requests| requests > 0.0), "{document:#}");
    let output = following.end();
    output.exits(0);
    assert!(output.stdout.contains("interrupted; the measurements so far are in secret/evicted"), "{output:#?}");
}

/// Values that add a container which never ends.
const SIDECAR: &str = r#"podTemplate={"spec": {"containers": [{"name": "proxy", "image": "proxy"}]}}"#;

#[test]
fn a_log_ends_with_its_container() {
    let Some(case) = ClusterCase::with_node() else { return };
    launch(&case, "kept", &load(50), &["--set-json", SIDECAR]).exits(0);
    let output = case.k(["log", "-g", "kept", "-f"]);
    output.expect(0, &["iter8 has ended, but container proxy keeps the pod running"]);
    for line in ["experiment completed", "SLOs: 1 of 1 satisfied"] {
        assert_eq!(output.stdout.matches(line).count(), 1, "{output:#?}");
    }
    // Its document is complete; the Job is not.
    case.k(["assert", "-g", "kept", "-c", "completed,slos", "--timeout", "120s"]).exits(0);
    let output = case.k(["log", "-g", "kept"]);
    output.expect(0, &["container proxy keeps the pod running"]);
    assert_eq!(output.stdout.matches("experiment completed").count(), 1, "{output:#?}");
}

#[test]
fn a_log_says_why_its_pod_cannot_start_and_follows_once_it_does() {
    let Some(case) = ClusterCase::with_node() else { return };
    let volumes = r#"podTemplate={"spec": {"volumes": [{"name": "token", "secret": {"secretName": "given"}}],
        "containers": [{"name": "iter8", "volumeMounts": [{"name": "token", "mountPath": "/token"}]}]}}"#;
    launch(&case, "late", &load(5), &["--set-json", volumes]).exits(0);
    let following = case.start_and_wait(["log", "-g", "late", "-f"], "CreateContainerConfigError");
    case.cluster
        .apply_in(&case.namespace, "{apiVersion: v1, kind: Secret, metadata: {name: given}, stringData: {a: b}}");
    let output = following.end();
    output.exits(0);
    assert_eq!(output.stdout.matches("experiment completed").count(), 1, "{output:#?}");
}

#[test]
fn a_job_that_cannot_make_pods_says_why() {
    let Some(case) = ClusterCase::without_node() else { return };
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: {pods: '0'}}}";
    case.cluster.apply_in(&case.namespace, quota);
    case.cluster.wait_for("resourcequotas", &case.namespace, "none", |quota| quota["status"]["hard"]["pods"] == "0");
    launch(&case, "quota", &load(5), &[]).exits(0);
    let following = case.start_and_wait(["log", "-g", "quota", "-f"], "exceeded quota: none");
    drop(following);
    let output = case.k(["assert", "-g", "quota", "-c", "completed", "--timeout", "1s"]);
    output.expect(1, &["no pod of job/quota-1-job: FailedCreate:", "exceeded quota: none"]);
    case.k(["log", "-g", "quota"]).expect(0, &["group quota has no pod of job/quota-1-job: FailedCreate:"]);
}

#[test]
fn a_suspended_cron_job_is_named_and_stays_suspended() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let more = ["--set", "runner=cronjob", "--set", "cronjobSchedule=0 0 1 1 *"];
    launch(&case, "paused", &load(5), &more).exits(0);
    case.k(["log", "-g", "paused"]).snapshot(0);
    let patch = r#"{"spec": {"suspend": true}}"#;
    case.cluster.kubectl_ok(&["patch", "cronjob", "-n", &case.namespace, "paused-1-cronjob", "-p", patch]);
    case.k(["log", "-g", "paused"]).snapshot(0);
    case.k(["assert", "-g", "paused", "-c", "completed", "--timeout", "1s"]).snapshot(1);
    launch(&case, "paused", &load(5), &more).expect(0, &["the CronJob stays suspended, because that of revision 1 is"]);
    assert_eq!(case.get("cronjobs", "paused-2-cronjob")["spec"]["suspend"], true);
    case.k(["list"]).snapshot(0);
    launch(&case, "paused", &load(5), &[&more[..], &["--set", "suspend=false"]].concat()).exits(0);
    assert_eq!(case.get("cronjobs", "paused-3-cronjob")["spec"]["suspend"], false);
    // Deleted by hand, or after `ttlSecondsAfterFinished`.
    case.cluster.kubectl_ok(&["delete", "cronjob", "-n", &case.namespace, "paused-3-cronjob"]);
    case.k(["log", "-g", "paused", "-f"]).snapshot(0);
}

#[test]
fn a_suspended_cron_job_stays_suspended_after_a_launch_that_failed() {
    let Some(case) = ClusterCase::without_node() else { return };
    let more = ["--set", "runner=cronjob", "--set", "cronjobSchedule=0 0 1 1 *"];
    launch(&case, "paused", &load(5), &more).exits(0);
    let patch = r#"{"spec": {"suspend": true}}"#;
    case.cluster.kubectl_ok(&["patch", "cronjob", "-n", &case.namespace, "paused-1-cronjob", "-p", patch]);
    // The last object of the launch is rejected after the dry run.
    let proxy = ApiServerProxy::start(case.cluster, |method, path| {
        if method == "PATCH" && path.contains("paused-2-cronjob") && !path.contains("dryRun") {
            let status = r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "Invalid", "code": 422}"#;
            return Action::Respond(422, vec![], status.to_owned());
        }
        Action::Forward
    });
    let case = case.through(&proxy);
    launch(&case, "paused", &load(5), &more).exits(4);
    launch(&case, "paused", &load(5), &more).expect(0, &["the CronJob stays suspended, because that of revision 1 is"]);
    assert_eq!(case.get("cronjobs", "paused-3-cronjob")["spec"]["suspend"], true);
    let cron_jobs: Vec<String> =
        case.objects("paused").into_iter().filter(|name| name.starts_with("cronjob")).collect();
    assert_eq!(cron_jobs, ["cronjob.batch/paused-3-cronjob"]);
}

#[test]
fn a_log_whose_pod_is_gone_says_how_its_job_ended() {
    let Some(case) = ClusterCase::with_node() else { return };
    let _transcript = transcript!();
    launch(&case, "past", &load(5), &[]).exits(0);
    case.cluster.wait_for_condition("jobs", &case.namespace, "past-1-job", "Complete");
    case.cluster.kubectl_ok(&["delete", "pods", "-n", &case.namespace, "-l", "iter8.tools/group=past"]);
    case.k(["log", "-g", "past"]).snapshot(0);
    case.k(["list"]).snapshot(0);
}

#[test]
fn cronjobs_do_not_overlap() {
    let Some(case) = ClusterCase::with_node() else { return };
    // It is due every second, and takes three.
    let more = ["--set", "runner=cronjob", "--set", "cronjobSchedule=@every 1s"];
    launch(&case, "often", &load(300), &more).exits(0);
    let following = case.start(["log", "-g", "often", "-f"]);
    let document = case.wait_for_document("often", |document| {
        let jobs = case.get("jobs", "");
        let active = jobs["items"].as_array().into_iter().flatten().filter(|job| job["status"]["active"] == 1).count();
        assert!(active <= 1, "{active} at the same time");
        document["result"]["numLoops"] == 3
    });
    let counts = &document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"];
    assert_eq!(counts, &json!([300, 300]), "the loops before are whole");
    // Its log is followed from pod to pod, until there is nothing more to come.
    case.k(["delete", "-g", "often"]).exits(0);
    let output = following.end();
    output.exits(0);
    assert!(output.stdout.matches("experiment completed").count() >= 2, "{output:#?}");
}

#[test]
fn a_launch_removes_roles_from_other_namespaces() {
    let Some(case) = ClusterCase::without_node() else { return };
    let places = ["a", "b"].map(|name| format!("{}-{name}", case.namespace));
    for place in &places {
        case.cluster.kubectl_ok(&["create", "namespace", place]);
        let namespace = format!("ready.namespace={place}");
        let values = ["tasks={ready}", "ready.service=shop", &namespace, "runner=none"];
        let args = values.iter().flat_map(|pair| ["--set", pair]);
        case.k(["launch", "-g", "moved"].into_iter().chain(args)).exits(0);
    }
    let roles = |place: &str| case.cluster.kubectl_ok(&["get", "roles,rolebindings", "-n", place, "-o", "name"]);
    assert_eq!(roles(&places[0]), "");
    assert_eq!(roles(&places[1]).lines().count(), 2);
    // The Secret has the namespaces; without it they are found by label.
    case.cluster.kubectl_ok(&["delete", "secret", "-n", &case.namespace, "moved"]);
    case.k(["delete", "-g", "moved"]).exits(0);
    assert_eq!(roles(&places[1]), "");
}

#[test]
fn assert_and_report_need_only_get_on_the_secret() {
    let Some(case) = ClusterCase::without_node() else { return };
    let (cluster, namespace) = (case.cluster, case.namespace.clone());
    launch(&case, "read", &load(5), &["--set", "runner=none"]).exits(0);
    case.k(["run", "-g", "read"]).exits(0);
    let account = format!("--serviceaccount={namespace}:default");
    let get =
        ["create", "role", "-n", &namespace, "reader", "--verb=get", "--resource=secrets", "--resource-name=read"];
    cluster.kubectl_ok(&get);
    cluster.kubectl_ok(&["create", "rolebinding", "-n", &namespace, "reader", "--role=reader", &account]);
    let token = cluster.token(&namespace, "default");
    let case = case.with_kubeconfig(cluster.kubeconfig_with_token(&token, &namespace));
    case.k(["assert", "-g", "read", "-c", "completed,nofailure,slos", "--timeout", "5s"]).exits(0);
    case.k(["report", "-g", "read"]).exits(0);
}

#[test]
fn the_experiment_of_a_group_is_judged_again_and_stays_as_it_is() {
    let Some(case) = ClusterCase::with_node() else { return };
    let assess = |values: &[&str]| {
        let set = values.iter().flat_map(|value| ["--set", value]);
        case.k(["assess", "-g", "judged"].into_iter().chain(set))
    };
    assess(&[]).expect(2, &["group judged in namespace", "has no experiment", "`iter8 k list` shows all"]);
    let url = format!("http.url={}", EchoServer::plain().url());
    let seconds = ["tasks={http,assess}", &url, "http.duration=3s,http.qps=100", "runner=job"];
    let slos = "assess.SLOs.upper.http/error-rate=0.1";
    let values: Vec<String> =
        seconds.iter().chain([&slos]).flat_map(|v| ["--set".to_owned(), (*v).to_owned()]).collect();
    launch(&case, "judged", &values, &[]).exits(0);
    case.k(["assert", "-g", "judged", "-c", "completed,slos", "--timeout", "120s"]).exits(0);
    let before = case.get("secrets", "judged");
    let satisfied = assess(&["assess.confidence=0.95"]);
    satisfied.expect(0, &["SLOs: 1 of 1 satisfied\n"]);
    for message in ["SLO verdicts and their reasons", "95 % sure", "judged again after the run"] {
        assert!(satisfied.stdout.contains(message), "{message}: {satisfied:#?}");
    }
    assess(&["assess.confidence=0.95", "assess.SLOs.upper.http/error-rate=0.0001"]).exits(5);
    assess(&["assess.SLOs.lower.http/request-count=1000"]).exits(1);
    let json = case.k(["assess", "-g", "judged", "-o", "json", "--set", "assess.confidence=0.95"]);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["verdicts"][0]["method"], "binomial", "{report}");
    assess(&["http.qps=5"]).expect(2, &["http: has no effect on a saved document; only `assess` has"]);
    let after = case.get("secrets", "judged");
    assert_eq!((&after["data"], &after["metadata"]), (&before["data"], &before["metadata"]), "nothing was written");
    case.k(["assert", "-g", "judged", "-c", "slos"]).exits(0);
    // A launch that has not run has nothing to judge.
    launch(&case, "judged", &values, &["--set", "http.qps=50", "--set", "runner=none"]).exits(0);
    let not_run = assess(&[]);
    not_run.expect(2, &["cannot be judged again", "hint: run it first"]);
}
