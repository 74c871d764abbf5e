//! The `ready` task: waits until objects in the cluster exist and are ready.
//!
//! Objects are watched, not polled; [`crate::tasks::ready::readiness`] defines ready. Timeout errors contain the last state.

mod readiness;
mod settling;
mod values;

use std::time::Duration;

use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use self::values::{DEFAULT_TIMEOUT, KINDS, NamedKind, ReadyValues, ReadyWith};
use super::permissions::{KindValue, PermissionValues};
use super::{Recorded, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::manifests::dns_names;
use crate::model::contribution::Contribution;
use crate::model::document::TaskSpec;
use crate::model::duration::GoDuration;
use crate::model::object::{ObjectRef, Permission, ResourceKind};
use crate::model::path::FieldPath;
use crate::ports::BoxFuture;
use crate::ports::cluster::{ClusterError, ClusterErrorKind, ObjectStates};
use crate::tasks::ready::readiness::{Readiness, readiness};
use crate::tasks::ready::settling::SETTLING;
use crate::values::input::{InputError, typed};

use futures_util::StreamExt;

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "ready",
    value_names: &["ready"],
    summary: "wait until cluster objects exist and are ready",
    from_values,
    parse,
    with_schema: |generator| generator.subschema_for::<ReadyWith>(),
    values_schema,
    permissions: Some(permissions),
};

/// Verbs that the task needs on each object.
const VERBS: &[&str] = &["list", "watch"];

fn values_schema(_: &str, generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ReadyValues>()
}

/// Returns the values from which [`from_values`] reads names.
fn permissions() -> PermissionValues {
    let kind = |kind: &NamedKind| KindValue {
        value: kind.value,
        group: kind.group,
        resource: kind.resource,
        prefix: "",
        verbs: VERBS,
    };
    PermissionValues {
        task: KIND.name,
        within: "",
        namespace: "namespace",
        kinds: KINDS.iter().map(kind).collect(),
        list: Some("resources"),
        list_verbs: VERBS,
    }
}

/// Builds one entry per object, as in Iter8.
fn from_values(_: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    let values: ReadyValues = typed(values, "")?;
    let mut objects = Vec::new();
    for kind in &KINDS {
        for name in values.names(kind.value).map(|names| names.list()).unwrap_or_default() {
            let object = ReadyWith {
                group: kind.group.to_owned(),
                version: kind.version.to_owned(),
                resource: kind.resource.to_owned(),
                name: name.clone(),
                namespace: values.namespace.clone(),
                condition: kind.condition.map(str::to_owned),
                timeout: values.timeout,
            };
            check(&object, &FieldPath::root()).map_err(|error| match error.path == "name" {
                true => InputError { path: kind.value.into(), ..error },
                false => error,
            })?;
            objects.push(object);
        }
    }
    for (index, value) in values.resources.iter().enumerate() {
        let object = ReadyWith {
            group: value.group.clone(),
            version: value.version.clone(),
            resource: value.resource.clone(),
            name: value.name.clone(),
            namespace: values.namespace.clone(),
            condition: value.condition.clone(),
            timeout: values.timeout,
        };
        check(&object, &FieldPath::root().key("resources").index(index))?;
        objects.push(object);
    }
    if objects.is_empty() {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.value).chain(["resources"]).collect();
        return Err(InputError::new("", format!("no object is given; expected one of {}", known.join(", ")))
            .with_hint("for example: --set ready.deploy=NAME"));
    }
    Ok(objects
        .into_iter()
        .map(|with| TaskSpec { task: Some(KIND.name.to_owned()), with: Some(json!(with)), ..TaskSpec::default() })
        .collect())
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    let with: ReadyWith = typed(spec.with.as_ref().unwrap_or(&json!({})), "with")?;
    check(&with, &FieldPath::from("with"))?;
    let kind = ResourceKind { group: with.group, version: with.version, resource: with.resource };
    Ok(Box::new(Ready {
        object: ObjectRef { kind, namespace: with.namespace, name: with.name },
        condition: with.condition,
        timeout: with.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0),
    }))
}

/// Rejects invalid names, which would become part of a URL.
fn check(with: &ReadyWith, at: &FieldPath) -> Result<(), InputError> {
    let invalid = |field: &str, text: &str, expected: &str| {
        InputError::new(at.clone().key(field), format!("`{text}` is not a valid {expected}"))
    };
    if !dns_names::is_subdomain(&with.name) {
        return Err(invalid("name", &with.name, "object name; expected lowercase letters, digits, `-` and `.`"));
    }
    if let Some(namespace) = with.namespace.as_deref().filter(|namespace| !dns_names::is_label(namespace)) {
        return Err(invalid("namespace", namespace, "namespace; expected lowercase letters, digits and `-`"));
    }
    if !with.group.is_empty() && !dns_names::is_subdomain(&with.group) {
        return Err(invalid("group", &with.group, "API group; expected a name such as `apps`"));
    }
    if !dns_names::is_label(&with.version) {
        return Err(invalid("version", &with.version, "API version; expected a name such as `v1`"));
    }
    if !dns_names::is_label(&with.resource) {
        return Err(invalid("resource", &with.resource, "resource; expected a plural name such as `deployments`"));
    }
    match &with.condition {
        Some(condition) if condition.trim().is_empty() => {
            Err(invalid("condition", condition, "condition type; expected a name such as `Ready`"))
        }
        _ => Ok(()),
    }
}

/// Sleeps; forever without a duration.
async fn sleep(cx: &TaskContext<'_>, duration: Option<Duration>) {
    match duration {
        Some(duration) => cx.env.clock.sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// A parsed `ready` task.
struct Ready {
    object: ObjectRef,
    condition: Option<String>,
    timeout: GoDuration,
}

impl Task for Ready {
    fn facts(&self) -> TaskFacts {
        let permission = Permission { object: self.object.clone(), verbs: VERBS };
        TaskFacts { permissions: vec![permission], recorded: Recorded::Outcome, ..TaskFacts::default() }
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(self.wait(cx))
    }
}

impl Ready {
    /// Waits until the object is ready or the timeout expires.
    async fn wait(&self, cx: &TaskContext<'_>) -> Result<Contribution, TaskError> {
        let mut last = None;
        tokio::select! {
            end = self.watch(cx, &mut last) => end.map_err(|error| self.failed(error)),
            () = cx.env.clock.sleep(self.timeout.0) => Err(self.timed_out(last)),
        }
    }

    /// Watches the object until it is ready; `last` is its last state.
    async fn watch(&self, cx: &TaskContext<'_>, last: &mut Option<String>) -> Result<Contribution, ClusterError> {
        let mut states: ObjectStates<'_> = cx.env.cluster.watch(&self.object).await?;
        let mut settled_after: Option<Duration> = None;
        loop {
            let state = tokio::select! {
                state = states.next() => state,
                () = sleep(cx, settled_after) => return Ok(Contribution::default()),
            };
            let Some(state) = state else { break };
            let current = match state {
                Ok(object) => {
                    let (kind, condition) = (&self.object.kind, self.condition.as_deref());
                    let readiness = readiness(object.as_ref(), kind, condition, cx.env.clock.now());
                    settled_after = None;
                    match readiness {
                        Readiness::Ready => return Ok(Contribution::default()),
                        Readiness::NotYet(state) => state,
                        Readiness::Settling(remaining) => {
                            settled_after = Some(remaining);
                            format!("changed less than {} ago, so its status may be out of date", GoDuration(SETTLING))
                        }
                    }
                }
                Err(error) if error.kind == ClusterErrorKind::Unreachable => {
                    // Changes may have been missed.
                    settled_after = settled_after.map(|_| SETTLING);
                    error.message
                }
                Err(error) => return Err(error),
            };
            if last.as_ref() != Some(&current) {
                cx.log(&format!("waiting for {}: {current}", self.object));
            }
            *last = Some(current);
        }
        Err(ClusterError::new(ClusterErrorKind::Unreachable, format!("the watch of {} ended", self.object)))
    }

    fn failed(&self, error: ClusterError) -> TaskError {
        TaskError::Failed { message: error.message, hint: error.hint, partial: None }
    }

    fn timed_out(&self, last: Option<String>) -> TaskError {
        let state = last.unwrap_or_else(|| "the cluster did not respond".to_owned());
        let namespace = self.object.namespace.as_ref().map(|name| format!(" in namespace {name}")).unwrap_or_default();
        TaskError::Failed {
            message: format!("{}{namespace} was not ready within {}: {state}", self.object, self.timeout),
            hint: Some("inspect it with `kubectl describe`, or set a longer `ready.timeout`".to_owned()),
            partial: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(values: &Value) -> Result<Vec<Value>, String> {
        let specs = from_values("ready", values).map_err(|error| error.to_string())?;
        Ok(specs.into_iter().map(|spec| spec.with.unwrap()).collect())
    }

    #[test]
    fn each_object_becomes_a_spec_entry() {
        let values = json!({"isvc": "sklearn-iris", "deploy": ["a", "b"], "namespace": "models", "timeout": "180s",
            "resources": [{"group": "networking.istio.io", "version": "v1", "resource": "gateways", "name": "g"}]});
        let expected = [
            json!({"group": "apps", "version": "v1", "resource": "deployments", "name": "a", "namespace": "models",
                "condition": "Available", "timeout": "3m0s"}),
            json!({"group": "apps", "version": "v1", "resource": "deployments", "name": "b", "namespace": "models",
                "condition": "Available", "timeout": "3m0s"}),
            json!({"group": "serving.kserve.io", "version": "v1beta1", "resource": "inferenceservices",
                "name": "sklearn-iris", "namespace": "models", "condition": "Ready", "timeout": "3m0s"}),
            json!({"group": "networking.istio.io", "version": "v1", "resource": "gateways", "name": "g",
                "namespace": "models", "timeout": "3m0s"}),
        ];
        assert_eq!(entries(&values).unwrap(), expected);
        assert_eq!(
            entries(&json!({"service": "s"})).unwrap(),
            [json!({"version": "v1", "resource": "services", "name": "s"})]
        );
    }

    #[test]
    fn invalid_objects_are_rejected() {
        let error = |values: Value| entries(&values).unwrap_err();
        assert!(error(json!({})).starts_with("no object is given; expected one of deploy, service, ksvc, isvc"));
        assert!(error(json!({"deploy": "../x"})).starts_with("deploy: `../x` is not a valid object name"));
        assert!(
            error(json!({"deploy": "x", "namespace": "a.b"})).starts_with("namespace: `a.b` is not a valid namespace")
        );
        assert!(error(json!({"deployment": "x"})).starts_with("deployment: unknown field `deployment`"));
        assert_eq!(error(json!({"deploy": 5})), "deploy: expected a name or a list of names");
        let resource = |version: &str| json!({"resources": [{"version": version, "resource": "pods", "name": "p"}]});
        assert!(error(resource("v1/..")).starts_with("resources[0].version: `v1/..` is not a valid API version"));
    }
}
