//! Tests of the objects of a launch.

use serde_json::json;

use super::settings::with_defaults;
use super::*;
use crate::model::object::{ObjectRef, Permission, ResourceKind};

fn group(name: &str) -> Group {
    Group::new("shop", name).unwrap()
}

fn isvc(name: &str, namespace: Option<&str>) -> Permission {
    let kind = ResourceKind {
        group: "serving.kserve.io".into(),
        version: "v1beta1".into(),
        resource: "inferenceservices".into(),
    };
    let object = ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.into() };
    Permission { object, verbs: &["list", "watch"] }
}

fn launched(values: &Value, permissions: &[Permission]) -> Launch {
    let values = with_defaults(values).unwrap();
    launch(&Plan { group: &group("canary"), revision: 3, values: &values, permissions }).unwrap()
}

fn text(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

#[test]
fn a_launch_has_the_objects_that_iter8_has() {
    let launch = launched(&json!({"tasks": ["ready"], "runner": "job"}), &[isvc("iris", None)]);
    let yaml = launch.to_yaml().unwrap();
    let objects: Vec<(String, String)> = yaml
        .split("---\n")
        .map(|document| {
            let value = codec::value_from_yaml(document).unwrap();
            assert_eq!(value["metadata"]["labels"]["iter8.tools/group"], "canary");
            assert_eq!(value["metadata"]["annotations"]["iter8.tools/revision"], "3");
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&value["kind"]), text(&value["metadata"]["name"]))
        })
        .collect();
    let objects: Vec<(&str, &str)> = objects.iter().map(|(kind, name)| (kind.as_str(), name.as_str())).collect();
    let expected = [
        ("Secret", "canary"),
        ("ServiceAccount", "canary-iter8-sa"),
        ("Role", "canary"),
        ("Role", "canary-ready"),
        ("RoleBinding", "canary"),
        ("RoleBinding", "canary-ready"),
        ("Job", "canary-3-job"),
    ];
    assert_eq!(objects, expected);
    assert!(yaml.contains("stringData:\n  values.yaml: |"), "{yaml}");
}

#[test]
fn roles_grant_the_least_privilege() {
    let permissions = [isvc("b", None), isvc("a", None), isvc("a", Some("models"))];
    let launch = launched(&json!({"runner": "none"}), &permissions);
    let rules: Vec<Value> =
        launch.roles.iter().map(|role| json!([role.metadata.name, role.metadata.namespace, role.rules])).collect();
    let isvc_rule = |names: &[&str]| {
        json!([{"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"],
        "resourceNames": names, "verbs": ["list", "watch"]}])
    };
    assert_eq!(
        rules,
        [
            json!(["canary", "shop", [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["canary"],
                "verbs": ["get", "list", "update", "watch"]}]]),
            json!(["canary-ready.shop", "models", isvc_rule(&["a"])]),
            json!(["canary-ready", "shop", isvc_rule(&["a", "b"])]),
        ]
    );
    for binding in &launch.role_bindings {
        let subject = json!([{"kind": "ServiceAccount", "name": "canary-iter8-sa", "namespace": "shop"}]);
        assert_eq!(text(&binding.subjects), subject);
        assert_eq!(binding.metadata.name.as_ref(), Some(&binding.role_ref.name));
    }
    // An existing service account has its own Roles.
    let named = launched(&json!({"serviceAccountName": "mine"}), &[]);
    assert_eq!((named.service_account, named.roles, named.role_bindings), (None, vec![], vec![]));
    let rule = named.expected_roles[0].rules.as_ref().unwrap().first().map(rbac::rule_in_yaml);
    let expected =
        r#"{apiGroups: [""], resources: [secrets], resourceNames: [canary], verbs: [get, list, update, watch]}"#;
    assert_eq!(rule.as_deref(), Some(expected));
}

#[test]
fn pods_run_unprivileged() {
    let launch = launched(&json!({"runner": "job"}), &[]);
    let spec = text(&launch.job.unwrap().spec.unwrap());
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]}})
    );
    assert_eq!(container["command"], json!(["/iter8"]));
    let args = "k run --namespace shop --group canary --revision 3 --loglevel info";
    assert_eq!(container["args"], json!(args.split(' ').collect::<Vec<_>>()));
    assert_eq!((&spec["backoffLimit"], &pod["restartPolicy"]), (&json!(0), &json!("Never")));
    assert_eq!(spec["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"], "false");
}

#[test]
fn a_cronjob_runs_one_loop_at_a_time_and_accumulates() {
    let launch = launched(&json!({"runner": "cronjob", "cronjobSchedule": "*/1 * * * *"}), &[]);
    let cron_job = text(&launch.cron_job.unwrap());
    assert_eq!(cron_job["metadata"]["name"], "canary-3-cronjob");
    assert_eq!(
        (&cron_job["spec"]["schedule"], &cron_job["spec"]["concurrencyPolicy"]),
        (&json!("*/1 * * * *"), &json!("Forbid"))
    );
    let args = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(args.as_array().unwrap().last(), Some(&json!("--reuseResult")));
    assert_eq!(launch.job, None);
}

#[test]
fn several_pods_are_an_indexed_job_with_a_secret_each() {
    let launch = launched(&json!({"runner": "job", "parallelism": "3"}), &[]);
    let names: Vec<_> = launch.shards.iter().filter_map(|secret| secret.metadata.name.clone()).collect();
    assert_eq!(names, ["canary-shard-0", "canary-shard-1", "canary-shard-2"]);
    let secrets = launch.roles[0].rules.clone().unwrap()[0].resource_names.clone().unwrap();
    assert_eq!(secrets, ["canary", "canary-shard-0", "canary-shard-1", "canary-shard-2"]);
    let spec = text(&launch.job.unwrap().spec.unwrap());
    let fields =
        ["completionMode", "completions", "parallelism", "backoffLimitPerIndex", "backoffLimit"].map(|key| &spec[key]);
    assert_eq!(fields, [&json!("Indexed"), &json!(3), &json!(3), &json!(3), &json!(null)]);
}

#[test]
fn the_secret_owns_the_objects_in_its_namespace() {
    let mut launch =
        launched(&json!({"runner": "job", "parallelism": 2}), &[isvc("a", Some("models")), isvc("a", None)]);
    launch.own("u-1");
    let owner = |metadata: &ObjectMeta| metadata.owner_references.as_ref().map(|owners| owners[0].uid.clone());
    assert_eq!(owner(&launch.job.clone().unwrap().metadata).as_deref(), Some("u-1"));
    let owned_roles: Vec<bool> = launch.roles.iter().map(|role| owner(&role.metadata).is_some()).collect();
    assert_eq!(owned_roles, [true, false, true], "an owner in another namespace would have them deleted at once");
    assert!(
        launch.shards.iter().all(|secret| owner(&secret.metadata).is_some())
            && owner(&launch.secret.metadata).is_none()
    );
}

#[test]
fn names_that_kubernetes_rejects_are_rejected_locally() {
    for bad in ["", "A", "a.b", "-a", &"a".repeat(64)] {
        assert_eq!(Group::new("shop", bad).unwrap_err().path, "--group", "{bad}");
    }
    assert_eq!(Group::new("Shop", "a").unwrap_err().path, "--namespace");
    let values = with_defaults(&json!({"runner": "cronjob", "cronjobSchedule": "* * * * *"})).unwrap();
    // Revision 9999 has room from the start.
    let long = group(&"a".repeat(40));
    let plan = Plan { group: &long, revision: 1, values: &values, permissions: &[] };
    let message = launch(&plan).unwrap_err().to_string();
    assert!(message.contains("longer than 52 characters"), "{message}");
    assert!(launch(&Plan { group: &group(&"a".repeat(39)), ..plan }).is_ok());
    let later = Plan { group: &group(&"a".repeat(42)), revision: 9, ..plan };
    assert!(launch(&later).is_ok(), "groups that exist keep their names");
}
