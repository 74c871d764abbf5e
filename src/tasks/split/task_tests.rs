//! Tests of the settings.

use super::*;

fn with(values: Value) -> Result<SplitTask, String> {
    read(&values, &FieldPath::root()).map_err(|error| error.to_string())
}

#[track_caller]
fn rejected(values: Value, expected: &str) {
    assert_eq!(with(values.clone()).err().as_deref(), Some(expected), "{values}");
}

fn weights(expected: Value) -> Value {
    json!({"metric": "istio/request-count", "expected": expected})
}

fn from(object: Value) -> Value {
    json!({"metric": "istio/request-count", "expectedFrom": object})
}

#[test]
fn invalid_settings_are_rejected_with_their_path() {
    rejected(json!({"metric": "a/b"}), "requires `expected` or `expectedFrom`");
    rejected(
        json!({"metric": "a", "expected": [1, 1]}),
        "metric: `a` is not a metric name; expected `provider/metric`, such as `http/latency-mean`, or `provider/metric/aggregation`",
    );
    rejected(weights(json!([1])), "expected: has 1 weights; expected 2 to 100, one per version");
    rejected(weights(json!([0, 0.0])), "expected: all weights are 0");
    rejected(weights(json!([1, "-1"])), "expected[1]: -1 is negative; expected a weight of at least 0");
    rejected(weights(json!([1, "x"])), "expected[1]: `x` is not a number");
    let mut both = weights(json!([1, 1]));
    both["expectedFrom"] = json!({"isvc": "iris"});
    rejected(both, "expectedFrom: cannot be combined with `expected`");
    for significance in ["0", "0.6", "-1"] {
        let mut values = weights(json!([1, 1]));
        values["significance"] = significance.into();
        rejected(
            values,
            &format!("significance: {significance} is out of range; expected a probability above 0, at most 0.5"),
        );
    }
    rejected(from(json!({})), "expectedFrom: expected exactly one of isvc, virtualService, routemap");
    rejected(
        from(json!({"isvc": "a", "routemap": "b"})),
        "expectedFrom: expected exactly one of isvc, virtualService, routemap",
    );
    rejected(
        from(json!({"isvc": "../a"})),
        "expectedFrom.isvc: `../a` is not a valid object name; expected lowercase letters, digits, `-` and `.`",
    );
    rejected(
        from(json!({"isvc": "a", "namespace": "a.b"})),
        "expectedFrom.namespace: `a.b` is not a valid namespace; expected lowercase letters, digits and `-`",
    );
    rejected(from(json!({"isvc": "a", "route": "r"})), "expectedFrom.route: only available with `virtualService`");
    rejected(
        from(json!({"virtualService": "a", "resources": []})),
        "expectedFrom.resources: only available with `routemap`",
    );
    rejected(
        from(json!({"routemap": "a", "resources": [{"resource": "pods/log", "name": "p"}]})),
        "expectedFrom.resources[0]: `pods/log/p` is not a valid object; expected an API group, a plural name such as `deployments`, and a name",
    );
}

#[test]
fn an_experiment_may_read_only_the_objects_that_it_names() {
    let permissions = |object: Value| {
        let permissions = with(from(object)).unwrap().facts().permissions;
        let text = |permission: &Permission| {
            format!("{:?} {} {:?}", permission.object.namespace, permission.object, permission.verbs)
        };
        permissions.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(
        permissions(json!({"isvc": "iris"})),
        [r#"None inferenceservices.serving.kserve.io/iris ["list", "watch"]"#]
    );
    assert_eq!(
        permissions(json!({"virtualService": "w", "namespace": "shop"})),
        [r#"Some("shop") virtualservices.networking.istio.io/w ["list", "watch"]"#]
    );
    let routemap = json!({"routemap": "m", "resources": [{"group": "apps", "resource": "deployments", "name": "d"}, {"resource": "services", "name": "s"}]});
    assert_eq!(
        permissions(routemap),
        [
            r#"None configmaps/m ["list", "watch"]"#,
            r#"None deployments.apps/d ["list", "watch"]"#,
            r#"None services/s ["list", "watch"]"#,
        ]
    );
    assert!(with(weights(json!([1, 1]))).unwrap().facts().permissions.is_empty());
}

#[test]
fn weights_are_assigned_to_versions_and_never_to_unknown_responses() {
    let task = with(weights(json!([80, "20"]))).unwrap();
    let per_version = |names: &[&str]| task.per_version(vec![80.0, 20.0], names).map_err(|error| error.to_string());
    assert_eq!(per_version(&["a", "b"]), Ok(vec![80.0, 20.0]));
    assert_eq!(per_version(&["a", "b", "unknown"]), Ok(vec![80.0, 20.0, 0.0]));
    assert_eq!(
        per_version(&["a", "b", "c"]),
        Err("`split.expected` has 2 weights, but `istio/request-count` has 3 versions".to_owned())
    );
    // A significance keeps false alarms rare by default.
    assert_eq!((task.significance, task.rounds, task.timeout), (0.001, false, Duration::from_secs(60)));
}
