//! The `split` task: compares the observed split of traffic among versions with the expected one.
//!
//! The counts are those of a metric that earlier tasks of the loop measured; the expected weights are given, or read from the object that
//! routes the traffic. An object is read once, when the task runs. The comparison itself is [`crate::slo::split`].

mod expected;
mod observed;
mod routemap;
mod values;

use std::time::Duration;

use futures_util::StreamExt;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use self::expected::{Unknown, of_service, of_virtual_service};
use self::routemap::Routes;
use self::values::{ExpectedFrom, MAX_VERSIONS, OBJECTS, SplitValues};
use super::listed_object::references;
use super::permissions::{KindValue, PermissionValues};
use super::{Recorded, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::manifests::dns_names;
use crate::model::contribution::Contribution;
use crate::model::document::TaskSpec;
use crate::model::insights::Insights;
use crate::model::metric_name::{MetricName, MetricRef};
use crate::model::object::{ObjectRef, Permission, ResourceKind};
use crate::model::path::FieldPath;
use crate::model::split::UNKNOWN;
use crate::ports::BoxFuture;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::slo::split::{Comparison, compare, sentence};
use crate::values::input::{InputError, typed};
use crate::values::without_nulls;

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "split",
    value_names: &["split"],
    summary: "check that versions get their expected shares of the traffic",
    from_values,
    parse,
    with_schema: |generator| generator.subschema_for::<SplitValues>(),
    values_schema,
    permissions: Some(permissions),
};

/// One false alarm in 1000 loops: a rollout with hundreds of steps is rarely held up by chance, and a canary with 20 % that gets no traffic
/// is noticed after 31 requests.
const DEFAULT_SIGNIFICANCE: f64 = 0.001;

/// Largest significance.
const MAX_SIGNIFICANCE: f64 = 0.5;

/// Verbs to read an object.
const VERBS: &[&str] = &["list", "watch"];

/// Default timeout of reading an object.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

fn values_schema(_: &str, generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<SplitValues>()
}

fn permissions() -> PermissionValues {
    let kind = |value: &'static str, group: &'static str, resource: &'static str| KindValue {
        value,
        group,
        resource,
        prefix: "",
        verbs: VERBS,
    };
    PermissionValues {
        task: KIND.name,
        within: "expectedFrom",
        namespace: "namespace",
        kinds: vec![
            kind("isvc", "serving.kserve.io", "inferenceservices"),
            kind("virtualService", "networking.istio.io", "virtualservices"),
            kind("routemap", "", "configmaps"),
        ],
        list: Some("resources"),
        list_verbs: VERBS,
    }
}

fn from_values(_: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    read(values, &FieldPath::root())?;
    Ok(vec![TaskSpec { task: Some(KIND.name.to_owned()), with: Some(values.clone()), ..TaskSpec::default() }])
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    let with = without_nulls(spec.with.clone().filter(|with| !with.is_null()).unwrap_or_else(|| json!({})));
    Ok(Box::new(read(&with, &FieldPath::from("with"))?))
}

/// Reads the settings; `at` is their path.
fn read(with: &Value, at: &FieldPath) -> Result<SplitTask, InputError> {
    let values: SplitValues = typed(with, at.clone())?;
    let metric = MetricRef::from(values.metric);
    let name = metric.name().map_err(|error| InputError::new(at.clone().key("metric"), error.to_string()))?.clone();
    let significance = values.significance.map_or(DEFAULT_SIGNIFICANCE, |number| number.0);
    if !(significance > 0.0 && significance <= MAX_SIGNIFICANCE) {
        let message =
            format!("{significance} is out of range; expected a probability above 0, at most {MAX_SIGNIFICANCE}");
        return Err(InputError::new(at.clone().key("significance"), message));
    }
    let expected = match (values.expected, values.expected_from) {
        (Some(_), Some(_)) => {
            return Err(InputError::new(at.clone().key("expectedFrom"), "cannot be combined with `expected`"));
        }
        (None, None) => {
            return Err(InputError::new(at.clone(), "requires `expected` or `expectedFrom`")
                .with_hint("for example: --set split.expected={80,20}"));
        }
        (Some(weights), None) => {
            let weights: Vec<f64> = weights.iter().map(|weight| weight.0).collect();
            check_weights(&weights, &at.clone().key("expected"))?;
            Expected::Weights(weights)
        }
        (None, Some(from)) => Expected::Object(source(from, &at.clone().key("expectedFrom"))?),
    };
    let timeout = values.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0.0);
    Ok(SplitTask { metric, name, expected, significance, rounds: values.round == Some(true), timeout })
}

fn check_weights(weights: &[f64], at: &FieldPath) -> Result<(), InputError> {
    if !(2..=MAX_VERSIONS).contains(&weights.len()) {
        let message = format!("has {} weights; expected 2 to {MAX_VERSIONS}, one per version", weights.len());
        return Err(InputError::new(at.clone(), message));
    }
    if let Some(index) = weights.iter().position(|weight| *weight < 0.0) {
        let message = format!("{} is negative; expected a weight of at least 0", weights[index]);
        return Err(InputError::new(at.clone().index(index), message));
    }
    match weights.iter().any(|weight| *weight > 0.0) {
        true => Ok(()),
        false => Err(InputError::new(at.clone(), "all weights are 0")),
    }
}

/// Reads the object that has the weights; `at` is the path of its values.
fn source(from: ExpectedFrom, at: &FieldPath) -> Result<Source, InputError> {
    let ExpectedFrom { isvc, virtual_service, routemap, route, namespace, resources } = from;
    if let Some(namespace) = namespace.as_deref().filter(|namespace| !dns_names::is_label(namespace)) {
        let message = format!("`{namespace}` is not a valid namespace; expected lowercase letters, digits and `-`");
        return Err(InputError::new(at.clone().key("namespace"), message));
    }
    let object = |field: &str, name: String, [group, version, resource]: [&str; 3]| {
        if !dns_names::is_subdomain(&name) {
            let message =
                format!("`{name}` is not a valid object name; expected lowercase letters, digits, `-` and `.`");
            return Err(InputError::new(at.clone().key(field), message));
        }
        let kind = ResourceKind { group: group.into(), version: version.into(), resource: resource.into() };
        Ok(ObjectRef { kind, namespace: namespace.clone(), name })
    };
    let only = |field: &str, is_given: bool, object: &str| match is_given {
        true => Err(InputError::new(at.clone().key(field), format!("only available with `{object}`"))),
        false => Ok(()),
    };
    let (has_route, has_resources) = (route.is_some(), resources.is_some());
    match (isvc, virtual_service, routemap) {
        (Some(name), None, None) => {
            only("route", has_route, "virtualService")?;
            only("resources", has_resources, "routemap")?;
            let object = object("isvc", name, ["serving.kserve.io", "v1beta1", "inferenceservices"])?;
            Ok(Source::InferenceService(object))
        }
        (None, Some(name), None) => {
            only("resources", has_resources, "routemap")?;
            let object = object("virtualService", name, ["networking.istio.io", "v1beta1", "virtualservices"])?;
            Ok(Source::VirtualService(object, route))
        }
        (None, None, Some(name)) => {
            only("route", has_route, "virtualService")?;
            let routemap = object("routemap", name, ["", "v1", "configmaps"])?;
            let listed = resources.unwrap_or_default();
            let objects = references(&listed, namespace.as_deref(), &at.clone().key("resources"))?;
            Ok(Source::Routemap(routemap, objects))
        }
        _ => {
            let message = format!("expected exactly one of {}", OBJECTS.join(", "));
            Err(InputError::new(at.clone(), message).with_hint("for example: --set split.expectedFrom.isvc=NAME"))
        }
    }
}

/// A parsed `split` task.
struct SplitTask {
    metric: MetricRef,
    name: MetricName,
    expected: Expected,
    significance: f64,
    rounds: bool,
    timeout: Duration,
}

/// Expected weights.
enum Expected {
    /// One per version.
    Weights(Vec<f64>),
    /// Those of an object.
    Object(Source),
}

/// Object that has weights.
enum Source {
    InferenceService(ObjectRef),
    /// With the name of its route.
    VirtualService(ObjectRef, Option<String>),
    /// With the objects of its versions.
    Routemap(ObjectRef, Vec<ObjectRef>),
}

impl Source {
    fn object(&self) -> &ObjectRef {
        match self {
            Self::InferenceService(object) | Self::VirtualService(object, _) | Self::Routemap(object, _) => object,
        }
    }

    /// Names the object for people.
    fn describe(&self) -> String {
        let ObjectRef { namespace, name, .. } = self.object();
        let path = namespace.iter().map(|namespace| format!("{namespace}/")).collect::<String>() + name;
        match self {
            Self::InferenceService(_) => format!("InferenceService {path}"),
            Self::VirtualService(_, Some(route)) => format!("VirtualService {path}, route `{route}`"),
            Self::VirtualService(_, None) => format!("VirtualService {path}"),
            Self::Routemap(..) => format!("routemap {path}"),
        }
    }
}

impl Task for SplitTask {
    fn facts(&self) -> TaskFacts {
        let Expected::Object(source) = &self.expected else { return TaskFacts::default() };
        let others: &[ObjectRef] = match source {
            Source::Routemap(_, resources) => resources,
            _ => &[],
        };
        let permission = |object: &ObjectRef| Permission { object: object.clone(), verbs: VERBS };
        let permissions = [source.object()].into_iter().chain(others).map(permission).collect();
        TaskFacts { permissions, recorded: Recorded::Outcome, ..TaskFacts::default() }
    }

    fn counts(&self) -> Option<&MetricRef> {
        Some(&self.metric)
    }

    fn expected_versions(&self) -> Option<usize> {
        match &self.expected {
            Expected::Weights(weights) => Some(weights.len()),
            Expected::Object(Source::InferenceService(_)) => Some(2),
            Expected::Object(_) => None,
        }
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(self.check_split(cx))
    }
}

impl SplitTask {
    async fn check_split(&self, cx: &TaskContext<'_>) -> Result<Contribution, TaskError> {
        let nothing = Insights::default();
        let result = cx.experiment.result.as_ref();
        let insights = result.and_then(|result| result.insights.as_ref()).unwrap_or(&nothing);
        let (observed, mut notes) = observed::counts(insights, &self.name, cx.measured, self.rounds);
        if observed.is_empty() {
            return Err(TaskError::failed(format!("nothing measured `{}` in this loop", self.metric)));
        }
        let names: Vec<&str> = observed.iter().map(|version| version.name.as_str()).collect();
        let weights = match self.weights(cx).await {
            Ok(weights) => Ok(self.per_version(weights, &names)?),
            Err(Refused::Undecided(reason)) => Err(reason),
            Err(Refused::Failed(error)) => return Err(error),
        };
        let expected_from = match &self.expected {
            Expected::Weights(_) => None,
            Expected::Object(source) => Some(source.describe()),
        };
        let (metric, significance) = (self.metric.clone(), self.significance);
        let split = compare(Comparison { metric, expected_from, significance, observed, weights });
        if !split.is_satisfied() {
            notes.push(sentence(&split));
        }
        Ok(Contribution { split: Some(split), notes, ..Contribution::default() })
    }

    /// Assigns the weights to versions. Responses of unknown origin have none, so their weight is 0.
    fn per_version(&self, mut weights: Vec<f64>, names: &[&str]) -> Result<Vec<f64>, TaskError> {
        if weights.len() + 1 == names.len() && names.last() == Some(&UNKNOWN) {
            weights.push(0.0);
        }
        if weights.len() == names.len() {
            return Ok(weights);
        }
        let of = match &self.expected {
            Expected::Weights(_) => "`split.expected`".to_owned(),
            Expected::Object(source) => source.describe(),
        };
        let (weights, versions) = (weights.len(), names.len());
        Err(TaskError::failed(format!("{of} has {weights} weights, but `{}` has {versions} versions", self.metric))
            .with_hint(Some("give one weight per version, in their order".to_owned())))
    }

    async fn weights(&self, cx: &TaskContext<'_>) -> Result<Vec<f64>, Refused> {
        let source = match &self.expected {
            Expected::Weights(weights) => return Ok(weights.clone()),
            Expected::Object(source) => source,
        };
        tokio::select! {
            weights = self.of_object(cx, source) => weights,
            () = cx.env.clock.sleep(self.timeout) => {
                let message = format!("{} could not be read within {:?}", source.describe(), self.timeout);
                let hint = "check that the API server is reachable, or set a longer `split.timeout`".to_owned();
                Err(Refused::Failed(TaskError::failed(message).with_hint(Some(hint))))
            }
        }
    }

    async fn of_object(&self, cx: &TaskContext<'_>, source: &Source) -> Result<Vec<f64>, Refused> {
        let object = self.existing(cx, source).await?;
        match source {
            Source::InferenceService(_) => Ok(of_service(&object)?),
            Source::VirtualService(_, route) => Ok(of_virtual_service(&object, route.as_deref())?),
            Source::Routemap(routemap, _) => {
                let mut routes = Routes::of(object, &routemap.name)?;
                for (resource, object) in routes.objects() {
                    let state =
                        current(cx, &object).await.map_err(|error| Refused::Failed(resource_error(error, &object)))?;
                    if let Some(state) = state {
                        routes.observe(resource, state, cx.env.clock.now());
                    }
                }
                Ok(routes.weights(cx.env.clock.now()))
            }
        }
    }

    async fn existing(&self, cx: &TaskContext<'_>, source: &Source) -> Result<Value, Refused> {
        let state = current(cx, source.object()).await.map_err(|error| Refused::Failed(failed(error)))?;
        state.ok_or_else(|| {
            let message = format!("{} does not exist", source.describe());
            let hint = "`split.expectedFrom` names the object that routes the traffic".to_owned();
            Refused::Failed(TaskError::failed(message).with_hint(Some(hint)))
        })
    }
}

/// Reason for missing weights.
enum Refused {
    /// The split is inconclusive.
    Undecided(String),
    /// The task fails.
    Failed(TaskError),
}

impl From<Unknown> for Refused {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Undecided(reason) => Self::Undecided(reason),
            Unknown::Mistake { message, hint } => Self::Failed(TaskError::failed(message).with_hint(Some(hint))),
        }
    }
}

fn failed(error: ClusterError) -> TaskError {
    TaskError::Failed { message: error.message, hint: error.hint, partial: None }
}

/// Builds the error for an object of a routemap's version.
fn resource_error(error: ClusterError, object: &ObjectRef) -> TaskError {
    let hint = match error.kind {
        ClusterErrorKind::Forbidden => {
            Some(format!("list {object} in `split.expectedFrom.resources`, so that the experiment may read it"))
        }
        _ => error.hint.clone(),
    };
    failed(error).with_hint(hint)
}

/// Reads the current state of an object; `None` if it does not exist. Waits while the API server cannot be reached.
async fn current(cx: &TaskContext<'_>, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
    let mut states = cx.env.cluster.watch(object).await?;
    while let Some(state) = states.next().await {
        match state {
            Err(error) if error.kind == ClusterErrorKind::Unreachable => {
                cx.log(&format!("waiting for {object}: {}", error.message));
            }
            state => return state,
        }
    }
    Err(ClusterError::new(ClusterErrorKind::Unreachable, format!("the watch of {object} ended")))
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
