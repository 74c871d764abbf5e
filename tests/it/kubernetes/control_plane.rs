//! The control plane does what a cluster's does: rights, tokens, resource definitions, garbage, and going on after a restart.

use std::time::Duration;

use serde_json::json;

use crate::support::kubernetes::ControlPlane;

/// Returns true if `kubectl auth can-i` allows it to a service account.
fn may(cluster: &ControlPlane, namespace: &str, account: &str, what: &[&str]) -> bool {
    let user = format!("--as=system:serviceaccount:{namespace}:{account}");
    let mut args = vec!["auth", "can-i", "-n", namespace, &user];
    args.extend(what);
    let output = cluster.kubectl(&args);
    match output.stdout.trim() {
        "yes" => true,
        "no" => false,
        _ => panic!("{output:#?}"),
    }
}

/// A service account that may read one Secret.
fn reader(name: &str, secret: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}}}}}\n---\n\
         {{apiVersion: v1, kind: Secret, metadata: {{name: {secret}}}, stringData: {{key: value}}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}}}\n\
         rules: [{{apiGroups: [''], resources: [secrets], resourceNames: [{secret}], verbs: [get]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}}}\n\
         subjects: [{{kind: ServiceAccount, name: {name}}}]\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n"
    )
}

#[test]
fn a_role_limits_its_service_account() {
    let Some(cluster) = ControlPlane::shared() else { return };
    let namespace = cluster.namespace();
    cluster.apply_in(&namespace, &reader("reader", "wanted"));
    assert!(may(cluster, &namespace, "reader", &["get", "secret/wanted"]));
    assert!(!may(cluster, &namespace, "reader", &["get", "secret/other"]));
    assert!(!may(cluster, &namespace, "reader", &["update", "secret/wanted"]));
    assert!(!may(cluster, &namespace, "default", &["get", "secret/wanted"]));
}

#[test]
fn tokens_authenticate_until_they_expire() {
    let Some(cluster) = ControlPlane::shared() else { return };
    let namespace = cluster.namespace();
    cluster.apply_in(&namespace, &reader("reader", "wanted"));
    let get = |token: &str, secret: &str| {
        let kubeconfig = cluster.kubeconfig_with_token(token, &namespace);
        cluster.kubectl(&["--kubeconfig", kubeconfig.to_str().unwrap(), "get", "secret", secret, "-o", "name"])
    };
    let token = cluster.token(&namespace, "reader");
    assert_eq!(get(&token, "wanted").exits(0).stdout, "secret/wanted\n");
    get(&token, "other").expect(1, &["Forbidden", "system:serviceaccount", "cannot get resource"]);
    let expired = cluster.expired_token(&namespace, "reader", Duration::from_secs(60));
    get(&expired, "wanted").expect(1, &["must be logged in"]);
}

#[test]
fn owned_objects_are_garbage_collected() {
    let Some(cluster) = ControlPlane::shared() else { return };
    let namespace = cluster.namespace();
    cluster.apply_in(&namespace, "{apiVersion: v1, kind: Secret, metadata: {name: owner}}");
    let owner = cluster.get("secrets", &namespace, "owner");
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "owned", "ownerReferences": [
            {"apiVersion": "v1", "kind": "Secret", "name": "owner", "uid": owner["metadata"]["uid"]},
        ]},
        // Suspended: this is not about pods.
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "iter8", "image": "iter8"}],
        }}},
    });
    cluster.apply_in(&namespace, &job.to_string());
    assert_eq!(cluster.get("jobs", &namespace, "owned")["metadata"]["name"], "owned");
    cluster.kubectl_ok(&["delete", "secret", "-n", &namespace, "owner"]);
    cluster.wait_until_gone("jobs", &namespace, "owned");
}

#[test]
fn an_inference_service_has_a_status_subresource() {
    let Some(cluster) = ControlPlane::shared() else { return };
    if !cluster.crds() {
        return;
    }
    let namespace = cluster.namespace();
    cluster.apply_in(
        &namespace,
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: iris}\n\
         spec: {predictor: {model: {modelFormat: {name: sklearn}, storageUri: 'pvc://models/iris'}}}\n",
    );
    cluster.set_status(
        "inferenceservices",
        &namespace,
        "iris",
        &json!({
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True"}],
            "components": {"predictor": {"latestReadyRevision": "iris-1", "latestCreatedRevision": "iris-1"}},
        }),
    );
    let ready = cluster.wait_for_condition("inferenceservices", &namespace, "iris", "Ready");
    assert_eq!(ready["status"]["components"]["predictor"]["latestReadyRevision"], "iris-1");
    // The status is no part of the object for whoever may not set it.
    cluster.kubectl_ok(&[
        "patch",
        "isvc",
        "-n",
        &namespace,
        "iris",
        "--type=merge",
        "-p",
        r#"{"status": {"url": "x"}}"#,
    ]);
    assert_eq!(cluster.get("inferenceservices", &namespace, "iris")["status"]["url"], json!(null));
}

#[test]
fn knative_and_istio_definitions_are_installed() {
    let Some(cluster) = ControlPlane::shared() else { return };
    if !cluster.crds() {
        return;
    }
    let namespace = cluster.namespace();
    cluster.apply_in(
        &namespace,
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: hello}\n\
         spec: {template: {spec: {containers: [{image: hello}]}}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: hello}\n\
         spec: {hosts: [hello], http: [{route: [{destination: {host: hello}, weight: 100}]}]}\n",
    );
    assert_eq!(cluster.get("ksvc", &namespace, "hello")["kind"], "Service");
    let bad = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bad}\nspec: {hosts: [[]]}\n";
    let output = cluster.kubectl_with_input(&["apply", "-n", &namespace, "--server-side", "-f", "-"], bad);
    output.expect(1, &["spec.hosts"]);
}

#[test]
fn an_api_server_restarts_with_its_data_on_its_port() {
    let Some(cluster) = ControlPlane::own() else { return };
    let namespace = cluster.namespace();
    cluster.apply_in(&namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept}}");
    cluster.stop_api_server();
    let output = cluster.kubectl(&["get", "configmap", "-n", &namespace, "kept"]);
    output.expect(1, &["refused"]);
    cluster.start_api_server();
    assert_eq!(cluster.get("configmaps", &namespace, "kept")["metadata"]["name"], "kept");
    // Its controllers go on as well.
    cluster.namespace();
}
