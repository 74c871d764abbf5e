//! Experiments from their launch to their deletion, on a real control plane: Job → Pod → program → Secret.

use serde_json::json;

use super::world::World;
use crate::fleet::peers::counting;
use crate::support::echo_server::EchoServer;

/// Values of a short load with objectives.
fn load(requests: u64) -> Vec<String> {
    let url = format!("http.url={}", EchoServer::plain().url());
    let requests = format!("http.numRequests={requests},http.qps=100");
    let pairs = ["tasks={http,assess}", &url, &requests, "assess.SLOs.upper.http/error-count=0", "runner=job"];
    pairs.iter().flat_map(|pair| ["--set".to_owned(), (*pair).to_owned()]).collect()
}

fn launch(world: &World, group: &str, values: &[String], more: &[&str]) -> crate::support::cli_case::CliOutput {
    let args = ["launch", "-g", group].into_iter().chain(values.iter().map(String::as_str)).chain(more.iter().copied());
    world.k(args)
}

#[test]
fn an_experiment_is_launched_asserted_reported_and_deleted() {
    let Some(world) = World::with_node() else { return };
    let said = launch(&world, "canary", &load(50), &[]);
    said.exits(0);
    let told = format!("launched revision 1 of group canary in namespace {} as job/canary-1-job\n", world.namespace);
    assert_eq!(said.stdout, told);
    let conditions = ["-c", "completed", "-c", "nofailure", "-c", "slos", "--timeout", "120s"];
    let said = world.k(["assert", "-g", "canary"].into_iter().chain(conditions));
    said.exits(0);
    assert!(said.stdout.contains("ok      slos: "), "{said:#?}");
    let said = world.k(["report", "-g", "canary"]);
    said.exits(0);
    for told in ["Experiment completed: true", "http/error-count <= 0", "true"] {
        assert!(said.stdout.contains(told), "{told}: {said:#?}");
    }
    world.k(["report", "-g", "canary", "-o", "html", "--outputFile", "report.html"]).exits(0);
    assert!(world.bench.read("report.html").contains("All objectives are satisfied"));
    let document = world.document("canary");
    assert_eq!((&document["result"]["revision"], &document["result"]["numLoops"]), (&json!(1), &json!(1)));
    assert_eq!(document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([50]));

    let said = world.k(["log", "-g", "canary"]);
    said.expect(0, &["==> pod/canary-1-job-"]);
    assert!(said.stdout.contains("experiment completed"), "{said:#?}");
    let said = world.k(["list"]);
    said.exits(0);
    let row: Vec<&str> = said.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, [&world.namespace, "canary", "1", "job", "1", "completed", "satisfied"]);

    world.k(["delete", "-g", "canary"]).exits(0);
    world.wait_until_nothing_is_left_of("canary");
    world.k(["report", "-g", "canary"]).expect(2, &["no experiment in group canary", "iter8 k list"]);
    world.k(["delete", "-g", "canary"]).expect(2, &["no experiment in group canary"]);
}

#[test]
fn a_launch_replaces_the_one_before_and_leaves_nothing_of_it() {
    let Some(world) = World::with_node() else { return };
    // The first one would run for an hour.
    launch(&world, "again", &load(360_000), &["--set", "parallelism=2"]).exits(0);
    launch(&world, "beside", &load(360_000), &[]).exits(0);
    world.wait_until_running("again", "http");
    let uid = world.get("secrets", "again")["metadata"]["uid"].clone();
    let said = launch(&world, "again", &load(20), &[]);
    said.exits(0);
    assert!(said.stdout.contains("revision 2"), "{said:#?}");
    world.k(["assert", "-g", "again", "-c", "completed,slos", "--timeout", "120s"]).exits(0);
    let document = world.document("again");
    assert_eq!(document["result"]["revision"], 2);
    assert_eq!(document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([20]));
    assert_eq!(world.get("secrets", "again")["metadata"]["uid"], uid, "the Secret stays, with what owns to it");
    world.cluster.wait_until_gone("jobs", &world.namespace, "again-1-job");
    world.cluster.wait_until_gone("secrets", &world.namespace, "again-shard-1");
    let pods = |objects: Vec<String>| objects.into_iter().filter(|name| name.starts_with("pod/again-1-")).count();
    let begun = std::time::Instant::now();
    while pods(world.objects("again")) > 0 {
        assert!(begun.elapsed() < crate::support::kubernetes::PATIENCE, "pods of revision 1 are left");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    // The group beside it was left alone.
    assert_eq!(world.document("beside")["result"]["revision"], 1);
    assert_eq!(world.get("jobs", "beside-1-job")["status"]["active"], 1);
}

#[test]
fn deleting_the_secret_deletes_everything() {
    let Some(world) = World::with_node() else { return };
    launch(&world, "owner", &load(360_000), &["--set", "ready.service=kubernetes"]).exits(0);
    world.wait_until_running("owner", "http");
    world.cluster.kubectl_ok(&["delete", "secret", "-n", &world.namespace, "owner"]);
    world.wait_until_nothing_is_left_of("owner");
}

#[test]
fn the_service_account_may_do_what_the_experiment_needs_and_nothing_more() {
    let Some(world) = World::without_node() else { return };
    world.cluster.kubectl_ok(&["create", "namespace", &format!("{}-models", world.namespace)]);
    let elsewhere = format!("ready.namespace={}-models", world.namespace);
    let values = ["tasks={ready}", "ready.deploy=shop", "ready.isvc=iris", &elsewhere, "runner=none"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    world.k(["launch", "-g", "least"].into_iter().chain(args)).expect(0, &["nothing runs the experiment"]);
    let may = |namespace: &str| {
        let account = format!("system:serviceaccount:{}:least-iter8-sa", world.namespace);
        let said = world.cluster.kubectl_ok(&["auth", "can-i", "--list", "-n", namespace, "--as", &account]);
        let nobodys = world.cluster.kubectl_ok(&[
            "auth",
            "can-i",
            "--list",
            "-n",
            namespace,
            "--as",
            "system:serviceaccount:none:none",
        ]);
        let known: Vec<String> = nobodys.lines().map(squeezed).collect();
        let mut rows: Vec<String> = said.lines().map(squeezed).filter(|row| !known.contains(row)).collect();
        rows.sort();
        rows
    };
    assert_eq!(may(&world.namespace), ["secrets [] [least] [get list update watch]"]);
    let models = format!("{}-models", world.namespace);
    let expected =
        ["deployments.apps [] [shop] [list watch]", "inferenceservices.serving.kserve.io [] [iris] [list watch]"];
    assert_eq!(may(&models), expected);
    // What no owner can take along is deleted by name.
    world.k(["delete", "-g", "least"]).exits(0);
    world.wait_until_nothing_is_left_of("least");
    let roles = world.cluster.kubectl_ok(&["get", "roles,rolebindings", "-n", &models, "-o", "name"]);
    assert_eq!(roles, "");
}

/// A row of kubectl's table, with one space between its columns.
fn squeezed(row: &str) -> String {
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn launches_at_the_same_time_end_with_one_run() {
    let Some(world) = World::without_node() else { return };
    let values = load(10);
    let args: Vec<&str> = ["launch", "-g", "race"].into_iter().chain(values.iter().map(String::as_str)).collect();
    let running: Vec<_> = (0..4).map(|_| world.start(&args)).collect();
    let ended: Vec<_> = running.into_iter().map(super::world::Running::end).collect();
    let won = ended.iter().filter(|said| said.code == Some(0)).count();
    assert!(won >= 1, "{ended:#?}");
    for said in ended.iter().filter(|said| said.code != Some(0)) {
        said.expect(4, &["was replaced by revision"]);
    }
    let revision = world.get("secrets", "race")["metadata"]["annotations"]["iter8.tools/revision"].clone();
    let job = format!("race-{}-job", revision.as_str().unwrap());
    let jobs = || world.cluster.kubectl_ok(&["get", "jobs", "-n", &world.namespace, "-o", "name"]);
    let begun = std::time::Instant::now();
    while jobs() != format!("job.batch/{job}\n") {
        assert!(begun.elapsed() < crate::support::kubernetes::PATIENCE, "{}", jobs());
    }
}

#[test]
fn a_secret_that_is_no_experiments_is_left_alone() {
    let Some(world) = World::without_node() else { return };
    world
        .cluster
        .apply_in(&world.namespace, "{apiVersion: v1, kind: Secret, metadata: {name: mine}, stringData: {a: b}}");
    launch(&world, "mine", &load(1), &[]).expect(4, &["secret/mine in namespace", "does not belong to an experiment"]);
    world.k(["delete", "-g", "mine"]).expect(4, &["does not belong to an experiment"]);
    assert_eq!(world.get("secrets", "mine")["data"], json!({"a": "Yg=="}));
}

#[test]
fn a_launch_that_the_api_server_does_not_take_changes_nothing() {
    let Some(world) = World::without_node() else { return };
    let values = ["--set", "resources.limits.cpu=lots"];
    launch(&world, "wrong", &load(1), &values)
        .expect(4, &["cannot patch jobs.batch/wrong-1-job", "quantities must match"]);
    assert_eq!(world.objects("wrong"), [""; 0]);
}

#[test]
fn an_assertion_ends_when_the_job_does() {
    let Some(world) = World::with_node() else { return };
    // The pod is killed before it can save anything more.
    launch(&world, "killed", &load(360_000), &[]).exits(0);
    world.wait_until_running("killed", "http");
    let pod = world.objects("killed").into_iter().find_map(|name| Some(name.strip_prefix("pod/")?.to_owned())).unwrap();
    let begun = std::time::Instant::now();
    let asserting = world.start(["assert", "-g", "killed", "-c", "completed", "--timeout", "30m"]);
    crate::support::kubernetes::Node::shared().unwrap().kill(&world.namespace, &pod);
    let said = asserting.end();
    said.expect(1, &["the experiment has finished: job/killed-1-job failed"]);
    assert!(begun.elapsed() < crate::support::kubernetes::PATIENCE);
    let said = world.k(["list"]);
    assert!(said.stdout.contains(" lost "), "{said:#?}");
}

#[test]
fn a_pod_that_is_evicted_saves_what_it_has_measured() {
    let Some(world) = World::with_node() else { return };
    let (server, seen) = counting(|_| std::time::Duration::ZERO);
    let url = format!("http.url={}", server.url());
    launch(&world, "evicted", &load(360_000), &["--set", &url]).exits(0);
    world.wait_until_running("evicted", "http");
    let begun = std::time::Instant::now();
    while seen.load(std::sync::atomic::Ordering::SeqCst) < 20 {
        assert!(begun.elapsed() < crate::support::kubernetes::PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pod =
        world.objects("evicted").into_iter().find_map(|name| Some(name.strip_prefix("pod/")?.to_owned())).unwrap();
    let following = world.start(["log", "-g", "evicted", "-f"]);
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": world.namespace}});
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", world.namespace);
    let said = world.cluster.kubectl_with_input(&["create", "--raw", &path, "-f", "-"], &eviction.to_string());
    said.exits(0);
    let document = world.wait_for_document("evicted", |document| document["result"]["interrupted"] == true);
    let requests = &document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"][0];
    assert!(requests.as_f64().is_some_and(|requests| requests > 0.0), "{document:#}");
    let said = following.end();
    said.exits(0);
    assert!(said.stdout.contains("interrupted; the measurements so far are in secret/evicted"), "{said:#?}");
}

#[test]
fn a_cronjob_does_not_run_twice_at_the_same_time() {
    let Some(world) = World::with_node() else { return };
    // It is due every second, and takes three.
    let more = ["--set", "runner=cronjob", "--set", "cronjobSchedule=@every 1s"];
    launch(&world, "often", &load(300), &more).exits(0);
    let following = world.start(["log", "-g", "often", "-f"]);
    let document = world.wait_for_document("often", |document| {
        let jobs = world.get("jobs", "");
        let active = jobs["items"].as_array().into_iter().flatten().filter(|job| job["status"]["active"] == 1).count();
        assert!(active <= 1, "{active} at the same time");
        document["result"]["numLoops"] == 3
    });
    let counts = &document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"];
    assert_eq!(counts, &json!([300, 300]), "the loops before are whole");
    // Its log is followed from pod to pod, until there is nothing more to come.
    world.k(["delete", "-g", "often"]).exits(0);
    let said = following.end();
    said.exits(0);
    assert!(said.stdout.matches("experiment completed").count() >= 2, "{said:#?}");
}

#[test]
fn a_launch_that_waits_elsewhere_leaves_no_role_where_the_one_before_waited() {
    let Some(world) = World::without_node() else { return };
    let places = ["a", "b"].map(|name| format!("{}-{name}", world.namespace));
    for place in &places {
        world.cluster.kubectl_ok(&["create", "namespace", place]);
        let namespace = format!("ready.namespace={place}");
        let values = ["tasks={ready}", "ready.service=shop", &namespace, "runner=none"];
        let args = values.iter().flat_map(|pair| ["--set", pair]);
        world.k(["launch", "-g", "moved"].into_iter().chain(args)).exits(0);
    }
    let roles = |place: &str| world.cluster.kubectl_ok(&["get", "roles,rolebindings", "-n", place, "-o", "name"]);
    assert_eq!(roles(&places[0]), "");
    assert_eq!(roles(&places[1]).lines().count(), 2);
    // Without the Secret, which knows where, they are found by their labels.
    world.cluster.kubectl_ok(&["delete", "secret", "-n", &world.namespace, "moved"]);
    world.k(["delete", "-g", "moved"]).exits(0);
    assert_eq!(roles(&places[1]), "");
}

#[test]
fn who_may_only_read_the_secret_can_assert_and_report() {
    let Some(world) = World::without_node() else { return };
    let (cluster, namespace) = (world.cluster, world.namespace.clone());
    launch(&world, "read", &load(5), &["--set", "runner=none"]).exits(0);
    world.k(["run", "-g", "read"]).exits(0);
    let account = format!("--serviceaccount={namespace}:default");
    let get =
        ["create", "role", "-n", &namespace, "reader", "--verb=get", "--resource=secrets", "--resource-name=read"];
    cluster.kubectl_ok(&get);
    cluster.kubectl_ok(&["create", "rolebinding", "-n", &namespace, "reader", "--role=reader", &account]);
    let token = cluster.token(&namespace, "default");
    let world = world.with_kubeconfig(cluster.kubeconfig_with_token(&token, &namespace));
    world.k(["assert", "-g", "read", "-c", "completed,nofailure,slos", "--timeout", "5s"]).exits(0);
    world.k(["report", "-g", "read"]).exits(0);
}
