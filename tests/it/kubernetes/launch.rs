//! What a launch makes, as the API server takes it.

use super::world::World;
use crate::support::echo_server::EchoServer;

#[test]
fn what_a_launch_makes_is_what_a_dry_run_shows() {
    let Some(world) = World::without_node() else { return };
    let values = [
        "tasks={ready,http}",
        "ready.service=shop",
        "http.url=http://shop/",
        "runner=cronjob",
        "cronjobSchedule=@yearly",
        "parallelism=2",
    ];
    let args = || values.iter().flat_map(|pair| ["--set", pair]);
    let said = world.k(["launch", "-g", "shown", "--dry", "--outputFile", "-"].into_iter().chain(args()));
    said.exits(0);
    world.k(["launch", "-g", "shown"].into_iter().chain(args())).exits(0);
    // What is there is just what would be applied, but for its owner and the document.
    let mut names = Vec::new();
    for text in said.stdout.split("---\n") {
        let shown = iter8::model::codec::value_from_yaml(text).unwrap();
        let (kind, name) = (shown["kind"].as_str().unwrap(), shown["metadata"]["name"].as_str().unwrap());
        let found = world.get(kind, name);
        for mark in ["labels", "annotations"] {
            assert_eq!(found["metadata"][mark], shown["metadata"][mark], "{kind} {name}");
        }
        names.push(format!("{}/{name}", kind.to_lowercase()));
        let managers: Vec<_> = found["metadata"]["managedFields"].as_array().into_iter().flatten().collect();
        assert!(managers.is_empty() || managers.iter().any(|entry| entry["manager"] == "iter8"), "{found:#}");
        let owner = &found["metadata"]["ownerReferences"][0]["name"];
        assert_eq!(owner.as_str(), (kind != "Secret" || name != "shown").then_some("shown"), "{kind} {name}");
    }
    let mut found: Vec<String> = world
        .objects("shown")
        .into_iter()
        .map(|name| {
            let (kind, name) = name.split_once('/').unwrap();
            format!("{}/{name}", kind.split('.').next().unwrap())
        })
        .collect();
    names.sort();
    found.sort();
    assert_eq!(found, names);
}

#[test]
fn no_schedule_that_the_api_server_accepts_is_rejected_locally() {
    let Some(world) = World::without_node() else { return };
    let schedules = [
        "*/1 * * * *",
        "0 12 1-15 jan-MAR mon,5",
        "1/2 ? * * SUN",
        "@hourly",
        "@every 1h30m",
        "@midnight",
        "59 23 31 12 6",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 7",
        "5-1 * * * *",
        "*/0 * * * *",
        "@fortnightly",
        "TZ=UTC * * * * *",
        "a * * * *",
        "1,,2 * * * *",
        "-1 * * * *",
        "* * * * mon-fri",
        "@every soon",
        "* * L * *",
        "* * * * 1#2",
    ];
    let mut accepted = 0;
    for schedule in schedules {
        let yaml = format!(
            "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: c}}, spec: {{schedule: '{schedule}', jobTemplate: {{spec: \
             {{template: {{spec: {{restartPolicy: Never, containers: [{{name: a, image: a}}]}}}}}}}}}}}}"
        );
        let args = ["apply", "-n", &world.namespace, "--server-side", "--dry-run=server", "-f", "-"];
        let said = world.cluster.kubectl_with_input(&args, &yaml);
        let values = serde_json::json!({ "cronjobSchedule": schedule });
        let local = iter8::manifests::settings::check(values.as_object().unwrap());
        assert!(said.code != Some(0) || local.is_ok(), "{schedule}: {local:?}");
        accepted += usize::from(said.code == Some(0));
    }
    assert_eq!(accepted, 9);
}

#[test]
fn a_schedule_that_the_api_server_rejects_is_rejected_before_anything_is_created() {
    let Some(world) = World::without_node() else { return };
    let values = ["tasks={http}", "http.url=http://shop/", "runner=cronjob", "cronjobSchedule=61 * * * *"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    let said = world.k(["launch", "-g", "wrong"].into_iter().chain(args));
    said.expect(4, &["cronjobs.batch/wrong-1-cronjob", "spec.schedule: Invalid value", "61 * * * *"]);
    assert_eq!(world.objects("wrong"), [""; 0]);
}

#[test]
fn an_administrator_of_a_namespace_alone_launches_and_deletes() {
    let Some(world) = World::with_node() else { return };
    let (cluster, namespace) = (world.cluster, world.namespace.clone());
    let account = format!("--serviceaccount={namespace}:default");
    cluster.kubectl_ok(&["create", "rolebinding", "-n", &namespace, "admin", "--clusterrole=admin", &account]);
    let token = cluster.token(&namespace, "default");
    let world = world.with_kubeconfig(cluster.kubeconfig_with_token(&token, &namespace));
    let url = format!("http.url={}", EchoServer::plain().url());
    let values = ["tasks={ready,http}", "ready.service=shop", &url, "http.numRequests=5", "runner=job"];
    let args = || values.iter().flat_map(|pair| ["--set", pair]);
    cluster
        .apply_in(&namespace, "{apiVersion: v1, kind: Service, metadata: {name: shop}, spec: {ports: [{port: 80}]}}");
    for revision in 1..=2 {
        let said = world.k(["launch", "-g", "mine"].into_iter().chain(args()));
        said.exits(0);
        assert!(said.stdout.contains(&format!("revision {revision} ")), "{said:#?}");
    }
    world.k(["assert", "-g", "mine", "-c", "completed", "--timeout", "120s"]).exits(0);
    world.k(["delete", "-g", "mine"]).exits(0);
    world.wait_until_nothing_is_left_of("mine");
}

#[test]
fn what_is_there_and_not_of_the_group_is_not_taken_over() {
    let Some(world) = World::without_node() else { return };
    let role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: shop}, rules: \
                [{apiGroups: [''], resources: [pods], verbs: [list]}]}";
    world.cluster.apply_in(&world.namespace, role);
    let rules = world.get("roles", "shop")["rules"].clone();
    let values = ["--set", "tasks={http}", "--set", "http.url=http://127.0.0.1:1/", "--set", "runner=none"];
    let said = world.k(["launch", "-g", "shop"].into_iter().chain(values));
    said.expect(
        4,
        &["roles.rbac.authorization.k8s.io/shop in namespace", "exists but does not belong to this group", "-g"],
    );
    assert_eq!(world.get("roles", "shop")["rules"], rules);
    assert!(world.get("secrets", "shop").is_null(), "nothing is made");
}

#[test]
fn what_pods_lack_is_told_before_they_miss_it() {
    let Some(world) = World::without_node() else { return };
    let values =
        ["tasks={http,run}", "http.url=http://127.0.0.1:1/", "http.payloadFile=body.json", "run=true", "runner=job"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    let said = world.k(["launch", "--dry", "--outputFile", "-"].into_iter().chain(args));
    said.expect(
        0,
        &["body.json", "pods have no access to files and variables of this machine", "the task `run` needs a shell"],
    );
}
