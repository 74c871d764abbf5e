//! Experiments that Iter8 v0.13 launched, through the real Helm: `iter8 k` lists, replaces and deletes them.

use super::release::helm;
use super::{GROUP, Helm};
use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::api_server_proxy::{Action, ApiServerProxy};
use crate::support::files;
use crate::support::transcript::transcript;

/// Launches an experiment as Iter8 does. It waits for an object in the other namespace.
fn launch_original(program: &Helm, case: &ClusterCase, verb: &str, other: &str) {
    let chart = files::root().join("testdata/kubernetes/iter8-v0.13");
    helm(program, case, verb, &[chart.to_str().unwrap(), &format!("--set=namespace={other}")]);
}

/// Names of the objects in a namespace that a launch creates, and of Helm's releases.
fn objects(case: &ClusterCase, namespace: &str) -> Vec<String> {
    let kinds = "secrets,serviceaccounts,roles,rolebindings,jobs,cronjobs";
    let text = case.cluster.kubectl_ok(&["get", kinds, "-n", namespace, "-o", "name"]);
    text.lines().filter(|name| *name != "serviceaccount/default").map(str::to_owned).collect()
}

/// Runs the experiment's update as Iter8's pod does: the Secret keeps only the annotation.
fn update_as_original(case: &ClusterCase) {
    let secret = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: {GROUP}, annotations: {{iter8.tools/group: {GROUP}}}}}, \
         stringData: {{experiment.yaml: '{{\"spec\": [{{\"task\": \"http\", \"with\": {{\"url\": \"http://web/\"}}}}], \
         \"result\": {{\"numCompletedTasks\": 1, \"numLoops\": 1, \"failure\": false}}}}'}}}}"
    );
    let output = case.cluster.kubectl_with_input(&["replace", "-n", &case.namespace, "-f", "-"], &secret);
    assert_eq!(output.code, Some(0), "{output:#?}");
}

#[test]
fn an_experiment_of_iter8_is_listed_and_deleted_with_its_releases() {
    let (Some(case), Some(program)) = (ClusterCase::without_node(), Helm::new()) else { return };
    let _transcript = transcript!();
    let other = case.cluster.namespace();
    // Objects with Iter8's names that belong to others.
    let foreign = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: {GROUP}-backup, annotations: {{iter8.tools/group: {GROUP}}}}}}}\n---\n\
         {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: other-iter8-sa}}}}"
    );
    case.cluster.apply_in(&case.namespace, &foreign);
    for updates in [false, true] {
        launch_original(&program, &case, "install", &other);
        launch_original(&program, &case, "upgrade", &other);
        assert_eq!(objects(&case, &other).len(), 2);
        if updates {
            update_as_original(&case);
        }
        case.k(["list"]).snapshot(0);
        case.k(["delete", "-g", GROUP]).snapshot(0);
        assert_eq!(objects(&case, &case.namespace), ["secret/canary-backup", "serviceaccount/other-iter8-sa"]);
        assert_eq!(objects(&case, &other), [""; 0]);
        case.k(["delete", "-g", GROUP]).snapshot(2);
    }
}

#[test]
fn an_editor_can_delete_an_experiment_of_iter8_with_an_existing_service_account() {
    let (Some(case), Some(program)) = (ClusterCase::without_node(), Helm::new()) else { return };
    let (cluster, namespace) = (case.cluster, case.namespace.clone());
    let chart = files::root().join("testdata/kubernetes/iter8-v0.13");
    let values = format!("--set=namespace={namespace},serviceAccountName=default");
    let account = format!("--serviceaccount={namespace}:default");
    cluster.kubectl_ok(&["create", "rolebinding", "-n", &namespace, "edit", "--clusterrole=edit", &account]);
    helm(&program, &case, "install", &[chart.to_str().unwrap(), &values]);
    let token = cluster.token(&namespace, "default");
    let case = case.with_kubeconfig(cluster.kubeconfig_with_token(&token, &namespace));
    case.k(["delete", "-g", GROUP]).exits(0);
    assert_eq!(objects(&case, &namespace), ["rolebinding.rbac.authorization.k8s.io/edit"]);
}

#[test]
fn a_launch_replaces_an_experiment_of_iter8() {
    let (Some(case), Some(program)) = (ClusterCase::without_node(), Helm::new()) else { return };
    let _transcript = transcript!();
    let other = case.cluster.namespace();
    launch_original(&program, &case, "install", &other);
    launch_original(&program, &case, "upgrade", &other);
    let values = ["--set", "tasks={http}", "--set", "http.url=http://web/", "--set", "runner=job"];
    // The API server rejects it, so the earlier experiment stays.
    let before = objects(&case, &case.namespace);
    case.k(["launch", "-g", GROUP, "--set", "resources.limits.cpu=lots"].into_iter().chain(values)).exits(4);
    assert_eq!(objects(&case, &case.namespace), before);
    case.k(["launch", "-g", GROUP].into_iter().chain(values)).snapshot(0);
    let expected = [
        "secret/canary",
        "serviceaccount/canary-iter8-sa",
        "role.rbac.authorization.k8s.io/canary",
        "rolebinding.rbac.authorization.k8s.io/canary",
        "job.batch/canary-3-job",
    ];
    assert_eq!(objects(&case, &case.namespace), expected);
    assert_eq!(objects(&case, &other), [""; 0]);
    case.k(["delete", "-g", GROUP]).exits(0);
}

#[test]
fn a_launch_replaces_objects_of_iter8_that_helm_did_not_install() {
    let (Some(case), Some(program)) = (ClusterCase::without_node(), Helm::new()) else { return };
    let other = case.cluster.namespace();
    launch_original(&program, &case, "install", &other);
    // As if its manifests had been applied by kubectl.
    let namespace = case.namespace.as_str();
    case.cluster.kubectl_ok(&["delete", "secrets", "-n", namespace, "-l", "owner=helm"]);
    case.cluster.kubectl_ok(&["label", "secret", GROUP, "-n", namespace, "app.kubernetes.io/managed-by-"]);
    let values = ["--set", "tasks={http}", "--set", "http.url=http://web/", "--set", "runner=job"];
    case.k(["launch", "-g", GROUP].into_iter().chain(values)).exits(0);
    let left = objects(&case, namespace);
    let ours = ["secret/canary", "serviceaccount/canary-iter8-sa", "role.rbac.authorization.k8s.io/canary"];
    assert!(ours.iter().all(|ours| left.iter().any(|left| left == ours)), "{left:?}");
    assert_eq!(
        left.iter().filter(|name| name.starts_with("job.") || name.starts_with("cronjob.")).count(),
        1,
        "{left:?}"
    );
    case.k(["delete", "-g", GROUP]).exits(0);
}

/// A CronJob of Iter8 that somebody has suspended, and the Secret of its experiment, as after `kubectl apply`.
fn apply_suspended_original(case: &ClusterCase) {
    let metadata = |name: &str| {
        format!("{{name: {name}, annotations: {{iter8.tools/group: {GROUP}, iter8.tools/revision: '2'}}}}")
    };
    let pod = "{restartPolicy: Never, containers: [{name: iter8, image: 'iter8:0.13'}]}";
    let objects = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {}, stringData: {{experiment.yaml: 'spec: [{{run: true}}]'}}}}\n---\n\
         {{apiVersion: batch/v1, kind: CronJob, metadata: {}, spec: {{schedule: '0 0 1 1 *', suspend: true, \
         jobTemplate: {{spec: {{template: {{spec: {pod}}}}}}}}}}}",
        metadata(GROUP),
        metadata(&format!("{GROUP}-2-cronjob")),
    );
    case.cluster.apply_in(&case.namespace, &objects);
}

#[test]
fn a_suspended_cron_job_of_iter8_survives_a_launch_that_fails() {
    let Some(case) = ClusterCase::without_node() else { return };
    let _transcript = transcript!();
    let values = ["tasks={http}", "http.url=http://web/", "runner=cronjob", "cronjobSchedule=0 0 2 2 *"];
    let launch = |case: &ClusterCase| {
        case.k(["launch", "-g", GROUP].into_iter().chain(values.iter().flat_map(|pair| ["--set", pair])))
    };
    let secret = format!("/secrets/{GROUP}");
    // The launch fails when it marks the CronJob, when it deletes the other objects, when it creates its own, and at the last one.
    let failures =
        [("PATCH", "-2-cronjob"), ("DELETE", secret.as_str()), ("POST", "/secrets"), ("PATCH", "-3-cronjob")];
    for (failing, path) in failures {
        apply_suspended_original(&case);
        let earlier = format!("{GROUP}-2-cronjob");
        let spec = case.get("cronjobs", &earlier)["spec"].clone();
        let path = path.to_owned();
        let proxy = ApiServerProxy::start(case.cluster, move |method, found| {
            let found_path = found.split('?').next().unwrap_or_default();
            if method == failing && found_path.ends_with(path.as_str()) && !found.contains("dryRun") {
                let status = r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "Invalid", "code": 422}"#;
                return Action::Respond(422, vec![], status.to_owned());
            }
            Action::Forward
        });
        launch(&case.as_user(case.proxied(&proxy))).snapshot(4);
        assert_eq!(case.get("cronjobs", &earlier)["spec"], spec, "{failing}");
        launch(&case).expect(0, &["the CronJob stays suspended, because that of revision 2 is"]);
        let left = objects(&case, &case.namespace);
        let cron_jobs: Vec<&String> = left.iter().filter(|name| name.starts_with("cronjob.")).collect();
        assert!(matches!(&cron_jobs[..], [one] if !one.ends_with(&earlier)), "{left:?}");
        let name = cron_jobs[0].rsplit('/').next().unwrap();
        assert_eq!(case.get("cronjobs", name)["spec"]["suspend"], true);
        case.k(["delete", "-g", GROUP]).exits(0);
        assert_eq!(objects(&case, &case.namespace), [""; 0]);
    }
}

#[test]
fn releases_of_other_charts_are_left_alone() {
    let (Some(case), Some(program)) = (ClusterCase::without_node(), Helm::new()) else { return };
    let chart = program.cli.path("shop");
    program.cli.write("shop/Chart.yaml", "{apiVersion: v2, name: shop, version: 1.0.0}");
    program.cli.write(
        "shop/templates/objects.yaml",
        "{apiVersion: v1, kind: Secret, metadata: {name: web}}\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: web}}",
    );
    helm(&program, &case, "install", &[chart.to_str().unwrap()]);
    let values = ["--set", "tasks={http}", "--set", "http.url=http://web/", "--set", "runner=none"];
    case.k(["launch", "-g", GROUP].into_iter().chain(values)).exits(0);
    case.k(["delete", "-g", GROUP]).exits(0);
    case.k(["delete", "-g", GROUP]).exits(2);
    let kept = ["secret/sh.helm.release.v1.canary.v1", "secret/web", "serviceaccount/web"];
    assert_eq!(objects(&case, &case.namespace), kept);
}
