//! Objects of a launch, as the API server accepts them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iter8::model::codec;
use serde_json::Value;

use super::cluster_case::ClusterCase;
use crate::support::api_server_proxy::{Action, ApiServerProxy};
use crate::support::echo_server::EchoServer;
use crate::support::transcript::transcript;

#[test]
fn a_dry_run_prints_exactly_what_a_launch_creates() {
    let Some(case) = ClusterCase::without_node() else { return };
    let values = [
        "tasks={ready,http}",
        "ready.service=shop",
        "http.url=http://shop/",
        "runner=cronjob",
        "cronjobSchedule=@yearly",
        "parallelism=2",
    ];
    let args = || values.iter().flat_map(|pair| ["--set", pair]);
    let output = case.k(["launch", "-g", "shown", "--dry", "--outputFile", "-"].into_iter().chain(args()));
    output.exits(0);
    case.k(["launch", "-g", "shown"].into_iter().chain(args())).exits(0);
    // The objects equal the rendered ones, apart from their owner and the document.
    let mut names = Vec::new();
    for text in output.stdout.split("---\n") {
        let rendered = codec::value_from_yaml(text).unwrap();
        let (kind, name) = (rendered["kind"].as_str().unwrap(), rendered["metadata"]["name"].as_str().unwrap());
        let found = case.get(kind, name);
        for mark in ["labels", "annotations"] {
            assert_eq!(found["metadata"][mark], rendered["metadata"][mark], "{kind} {name}");
        }
        names.push(format!("{}/{name}", kind.to_lowercase()));
        let managers: Vec<_> = found["metadata"]["managedFields"].as_array().into_iter().flatten().collect();
        assert!(managers.is_empty() || managers.iter().any(|entry| entry["manager"] == "iter8"), "{found:#}");
        let owner = &found["metadata"]["ownerReferences"][0]["name"];
        assert_eq!(owner.as_str(), (kind != "Secret" || name != "shown").then_some("shown"), "{kind} {name}");
    }
    let mut found: Vec<String> = case
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
fn valid_schedules_are_not_rejected_locally() {
    let Some(case) = ClusterCase::without_node() else { return };
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
        let args = ["apply", "-n", &case.namespace, "--server-side", "--dry-run=server", "-f", "-"];
        let output = case.cluster.kubectl_with_input(&args, &yaml);
        let values = serde_json::json!({ "cronjobSchedule": schedule });
        let local = iter8::manifests::settings::check(values.as_object().unwrap());
        assert!(output.code != Some(0) || local.is_ok(), "{schedule}: {local:?}");
        accepted += usize::from(output.code == Some(0));
    }
    assert_eq!(accepted, 9);
}

#[test]
fn a_schedule_rejected_by_the_api_server_creates_nothing() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let values = ["tasks={http}", "http.url=http://shop/", "runner=cronjob", "cronjobSchedule=61 * * * *"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    let output = case.k(["launch", "-g", "wrong"].into_iter().chain(args));
    output.snapshot(4);
    assert_eq!(case.objects("wrong"), [""; 0]);
}

#[test]
fn a_namespace_admin_can_launch_and_delete() {
    let Some(case) = ClusterCase::with_node() else { return };
    let _transcript = transcript!();
    let (cluster, namespace) = (case.cluster, case.namespace.clone());
    let account = format!("--serviceaccount={namespace}:default");
    cluster.kubectl_ok(&["create", "rolebinding", "-n", &namespace, "admin", "--clusterrole=admin", &account]);
    let token = cluster.token(&namespace, "default");
    let case = case.with_kubeconfig(cluster.kubeconfig_with_token(&token, &namespace));
    let url = format!("http.url={}", EchoServer::plain().url());
    let values = ["tasks={ready,http}", "ready.service=shop", &url, "http.numRequests=5", "runner=job"];
    let args = || values.iter().flat_map(|pair| ["--set", pair]);
    cluster
        .apply_in(&namespace, "{apiVersion: v1, kind: Service, metadata: {name: shop}, spec: {ports: [{port: 80}]}}");
    for _ in 1..=2 {
        case.k(["launch", "-g", "mine"].into_iter().chain(args())).snapshot(0);
    }
    case.k(["assert", "-g", "mine", "-c", "completed", "--timeout", "120s"]).exits(0);
    case.k(["delete", "-g", "mine"]).snapshot(0);
    case.wait_until_nothing_is_left_of("mine");
}

#[test]
fn missing_permissions_are_reported_together() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let (cluster, namespace) = (case.cluster, case.namespace.clone());
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: some}}\nrules:\n\
         - {{apiGroups: [''], resources: [secrets, serviceaccounts], verbs: [get, list, create, patch]}}\n\
         - {{apiGroups: [batch], resources: [jobs], verbs: [get, list, create]}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: some}}\n\
         subjects: [{{kind: ServiceAccount, name: default, namespace: {namespace}}}]\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: some}}\n"
    );
    cluster.apply_in(&namespace, &role);
    let launch = |case: &ClusterCase, more: &[&'static str]| {
        let values = ["tasks={ready,http}", "ready.service=web", "http.url=http://web/", "runner=job"];
        let pairs = values.into_iter().chain(more.iter().copied());
        case.k(["launch", "-g", "shop"].into_iter().chain(pairs.flat_map(|pair| ["--set", pair])))
    };
    let token = cluster.token(&namespace, "default");
    let case = case.with_kubeconfig(cluster.kubeconfig_with_token(&token, &namespace));
    launch(&case, &[]).snapshot(4);
    case.k(["delete", "-g", "shop"]).snapshot(4);
    // With no permissions at all, the first rejected request does not hide the others.
    cluster.kubectl_ok(&["delete", "rolebinding", "-n", &namespace, "some"]);
    launch(&case, &["serviceAccountName=default"]).snapshot(4);
    case.k(["delete", "-g", "shop"]).snapshot(4);
    assert_eq!(case.objects("shop"), [""; 0]);
}

/// Kinds of objects that a launch deletes, in the group's namespace or, `elsewhere`, in that of the objects it waits for.
const DELETED: [(&str, &str, bool); 6] = [
    ("", "secrets", false),
    ("", "serviceaccounts", false),
    ("rbac.authorization.k8s.io", "roles", false),
    ("rbac.authorization.k8s.io", "rolebindings", false),
    ("rbac.authorization.k8s.io", "roles", true),
    ("rbac.authorization.k8s.io", "rolebindings", true),
];

/// A service account that may do what a launch and a deletion need, except to delete these objects.
fn user_who_cannot_delete(
    case: &ClusterCase,
    elsewhere: &str,
    name: &str,
    lacks: &[(&str, &str, bool)],
) -> ClusterCase {
    let role = |namespace: &str, rules: String| {
        format!(
            "---\n{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: {name}, namespace: {namespace}}}, \
             rules: [{rules}]}}\n---\n\
             {{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: {name}, namespace: {namespace}}}, \
             subjects: [{{kind: ServiceAccount, name: {name}, namespace: {}}}], \
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}}}\n",
            case.namespace
        )
    };
    let rule = |(group, resource, verbs): (&str, &str, &str)| {
        format!("{{apiGroups: ['{group}'], resources: [{resource}], verbs: [{verbs}]}}")
    };
    let deleted = |is_elsewhere: bool| {
        let kinds = DELETED.iter().filter(|kind| kind.2 == is_elsewhere && !lacks.contains(kind));
        kinds.map(|(group, resource, _)| rule((group, resource, "delete"))).collect::<Vec<_>>()
    };
    let others = [
        ("", "secrets", "get, list, create, patch, update"),
        ("", "serviceaccounts", "get, list"),
        ("batch", "jobs, cronjobs", "get, list, create, patch, delete"),
        ("rbac.authorization.k8s.io", "roles, rolebindings", "list"),
    ];
    let here = others.map(rule).into_iter().chain(deleted(false)).collect::<Vec<_>>().join(", ");
    let account = format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, namespace: {}}}}}\n",
        case.namespace
    );
    let all = [account, role(&case.namespace, here), role(elsewhere, deleted(true).join(", "))].concat();
    let output = case.cluster.kubectl_with_input(&["apply", "-f", "-"], &all);
    assert_eq!(output.code, Some(0), "{output:#?}");
    let kubeconfig = case.cluster.kubeconfig_with_token(&case.cluster.token(&case.namespace, name), &case.namespace);
    case.as_user(kubeconfig)
}

#[test]
fn what_a_launch_or_a_deletion_may_not_delete_is_reported_before_anything_changes() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let elsewhere = case.cluster.namespace();
    let namespace = format!("ready.namespace={elsewhere}");
    let earlier = ["tasks={ready,http}", "ready.service=web", &namespace, "http.url=http://web/", "parallelism=2"];
    let later = ["tasks={http}", "http.url=http://web/", "serviceAccountName=default"];
    let launch = |case: &ClusterCase, values: &[&str]| {
        let values = ["runner=none"].into_iter().chain(values.iter().copied());
        case.k(["launch", "-g", "shop"].into_iter().chain(values.flat_map(|pair| ["--set", pair])))
    };
    launch(&case, &earlier).exits(0);
    let state = || {
        let roles = case.cluster.kubectl_ok(&["get", "roles,rolebindings", "-n", &elsewhere, "-o", "name"]);
        let ours: Vec<&str> = roles.lines().filter(|name| name.contains("/shop-ready.")).collect();
        let secret = case.get("secrets", "shop");
        (case.objects("shop"), ours.join(" "), secret["metadata"]["resourceVersion"].clone())
    };
    let before = state();
    assert_eq!(before.1.split(' ').count(), 2, "{before:?}");
    let everything = user_who_cannot_delete(&case, &elsewhere, "none", &DELETED);
    launch(&everything, &later).snapshot(4);
    assert_eq!(state(), before);
    everything.k(["delete", "-g", "shop"]).snapshot(4);
    assert_eq!(state(), before);
    for (index, lacking) in DELETED.iter().enumerate() {
        let user = user_who_cannot_delete(&case, &elsewhere, &format!("lacks-{index}"), &[*lacking]);
        let output = launch(&user, &later);
        output.expect(4, &["this user may not delete ", lacking.1]);
        assert_eq!(output.stderr.matches("this user may not").count(), 1, "{output:#?}");
        assert_eq!(state(), before, "{lacking:?}");
        // Roles in the group's namespace are deleted with its Secret, which owns them.
        if lacking.0.is_empty() || lacking.2 {
            user.k(["delete", "-g", "shop"]).expect(4, &["this user may not delete ", lacking.1]);
            assert_eq!(state(), before, "{lacking:?}");
        }
    }
    let user = user_who_cannot_delete(&case, &elsewhere, "all", &[]);
    launch(&user, &later).exits(0);
    assert_eq!(case.objects("shop"), ["secret/shop"]);
    assert_eq!(state().1, "");
    user.k(["delete", "-g", "shop"]).exits(0);
}

#[test]
fn shared_loads_are_refused_by_old_clusters() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let proxy = ApiServerProxy::start(case.cluster, |_, path| match path {
        "/version" => Action::Respond(200, vec![], old_version().to_string()),
        _ => Action::Forward,
    });
    let case = case.through(&proxy);
    let launch = |more: &[&'static str]| {
        let values = ["tasks={http}", "http.url=http://web/", "runner=job"];
        let pairs = values.into_iter().chain(more.iter().copied());
        case.k(["launch", "-g", "shop"].into_iter().chain(pairs.flat_map(|pair| ["--set", pair])))
    };
    launch(&["parallelism=2"]).snapshot(4);
    assert_eq!(case.objects("shop"), [""; 0]);
    launch(&[]).exits(0);
}

/// Response of Kubernetes 1.27 to a request for its version.
fn old_version() -> Value {
    let text = ["gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"];
    let mut version: serde_json::Map<String, Value> = text.iter().map(|key| ((*key).to_owned(), "-".into())).collect();
    version.insert("major".to_owned(), "1".into());
    version.insert("minor".to_owned(), "27+".into());
    Value::Object(version)
}

#[test]
fn an_editor_can_launch_with_an_existing_service_account() {
    let Some(case) = ClusterCase::with_node() else { return };
    let _transcript = transcript!();
    let (cluster, namespace) = (case.cluster, case.namespace.clone());
    let account = format!("--serviceaccount={namespace}:default");
    cluster.kubectl_ok(&["create", "rolebinding", "-n", &namespace, "edit", "--clusterrole=edit", &account]);
    let token = cluster.token(&namespace, "default");
    let case = case.with_kubeconfig(cluster.kubeconfig_with_token(&token, &namespace));
    let url = format!("http.url={}", EchoServer::plain().url());
    let values = ["tasks={http}", &url, "http.numRequests=5", "runner=job", "serviceAccountName=default"];
    for _ in 1..=2 {
        case.k(["launch", "-g", "mine"].into_iter().chain(values.iter().flat_map(|pair| ["--set", pair]))).snapshot(0);
    }
    case.k(["assert", "-g", "mine", "-c", "completed", "--timeout", "120s"]).exits(0);
    case.k(["delete", "-g", "mine"]).snapshot(0);
    case.wait_until_nothing_is_left_of("mine");
}

#[test]
fn foreign_objects_are_not_adopted() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: shop}, rules: \
                [{apiGroups: [''], resources: [pods], verbs: [list]}]}";
    case.cluster.apply_in(&case.namespace, role);
    let rules = case.get("roles", "shop")["rules"].clone();
    let values = ["--set", "tasks={http}", "--set", "http.url=http://127.0.0.1:1/", "--set", "runner=none"];
    let output = case.k(["launch", "-g", "shop"].into_iter().chain(values));
    output.snapshot(4);
    assert_eq!(case.get("roles", "shop")["rules"], rules);
    assert!(case.get("secrets", "shop").is_null(), "nothing is made");
}

#[test]
fn a_missing_service_account_is_refused() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let values = ["tasks={http}", "http.url=http://127.0.0.1:1/", "runner=job", "serviceAccountName=mine"];
    let launch = || case.k(["launch", "-g", "shop"].into_iter().chain(values.iter().flat_map(|pair| ["--set", pair])));
    launch().snapshot(4);
    assert!(case.get("secrets", "shop").is_null(), "nothing is made");
    case.cluster.apply_in(&case.namespace, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: mine}}");
    launch().exits(0);
}

#[test]
fn objects_that_wait_for_finalizers_are_not_overwritten_and_not_said_to_be_deleted() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let values = ["tasks={http}", "http.url=http://127.0.0.1:1/", "runner=none"];
    let launch = || case.k(["launch", "-g", "held"].into_iter().chain(values.iter().flat_map(|pair| ["--set", pair])));
    launch().exits(0);
    let patch = |finalizers: &str| {
        let patch = format!(r#"{{"metadata": {{"finalizers": {finalizers}}}}}"#);
        case.cluster.kubectl_ok(&["patch", "secret", "-n", &case.namespace, "held", "--type=merge", "-p", &patch]);
    };
    patch(r#"["test.example/keep"]"#);
    for _ in 1..=2 {
        case.k(["delete", "-g", "held"]).snapshot(4);
    }
    let before = case.get("secrets", "held");
    launch().snapshot(4);
    assert_eq!(case.get("secrets", "held"), before);
    patch("null");
    case.k(["delete", "-g", "held"]).exits(2);
    launch().exits(0);
}

#[test]
fn a_kubeconfig_with_wrapped_data_and_a_plugin_beside_a_certificate_works_as_with_kubectl() {
    let Some(case) = ClusterCase::without_node() else { return };
    let given = codec::value_from_yaml(&std::fs::read_to_string(&case.kubeconfig).unwrap()).unwrap();
    let (cluster, user) = (&given["clusters"][0]["cluster"], &given["users"][0]["user"]);
    let data = |path: &Value| {
        let encoded = STANDARD.encode(std::fs::read(path.as_str().unwrap()).unwrap());
        let lines: Vec<String> =
            encoded.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into()).collect();
        format!("|\n{}", lines.iter().map(|line| format!("      {line}\n")).collect::<String>())
    };
    let text = format!(
        "current-context: test\ncontexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n\
         clusters:\n- name: test\n  cluster:\n    server: {}\n    certificate-authority-data: {}\
         users:\n- name: test\n  user:\n    client-certificate-data: {}    client-key-data: {}\
         {:4}exec: {{apiVersion: client.authentication.k8s.io/v1, command: 'false', interactiveMode: Never}}\n",
        cluster["server"].as_str().unwrap(),
        data(&cluster["certificate-authority"]),
        data(&user["client-certificate"]),
        data(&user["client-key"]),
        "",
    );
    case.cli.write("kubeconfig", &text);
    let kubeconfig = case.cli.path("kubeconfig");
    case.cli.run(["k", "list", "-n", &case.namespace, "--kubeconfig", kubeconfig.to_str().unwrap()]).exits(0);
}

#[test]
fn files_that_pods_lack_are_reported() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let values =
        ["tasks={http,run}", "http.url=http://127.0.0.1:1/", "http.payloadFile=body.json", "run=true", "runner=job"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    case.k(["launch", "--dry"].into_iter().chain(args)).snapshot(0);
}
