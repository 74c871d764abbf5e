//! Weights of a routemap's two versions: the annotation `iter8.tools/weight` of the first object of each.
//!
//! The release controller renders the routes from them, so a change is done when the live routes are those that its templates render with
//! the requested weights.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::change::{Change, Refusal};
use super::goal::Progress;
use super::managers;
use super::mode::Mode;
use super::objects::{ObjectPatch, Objects, Rules, State, Step};
use super::split::{Share, Split};
use super::weights::{Side, Weights};
use crate::model::object::{ObjectRef, ResourceKind};
use crate::routing::availability::{Availability, Reason};
use crate::routing::decision::{Rendered, VersionState, render, weigh};
use crate::routing::drift::{difference, without_server_fields};
use crate::routing::routemap::ResourceRef;
use crate::routing::target::Desired;
use crate::routing::{Config, Observed, RawObject, Routemap};

/// Annotation with the weight of a version.
const WEIGHT: &str = "iter8.tools/weight";

/// Weights that no template has by chance, to find out if routes are split by weights.
const PROBE: Weights = Weights { stable: 71, candidate: 29 };

/// Fields of routes that copy requests.
const MIRRORS: [&str; 3] = ["mirror", "mirrors", "requestMirror"];

/// Hint that names the documentation of promotions.
const DOCS: &str = "see docs/reference/rollout.md";

/// Rules of a routemap.
#[derive(Clone, Debug)]
pub struct Weighted {
    object: ObjectRef,
    config: Config,
}

/// Traffic that a change should lead to.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedGoal {
    /// Unique id of the routemap.
    uid: String,
    /// Unique ids of the objects with the weights: of the stable version and of the candidate.
    uids: [String; 2],
    /// Unique id of the candidate itself, if it existed.
    candidate: Option<String>,
    weights: Weights,
}

/// A routemap with two versions, and the objects that they name.
struct View<'a> {
    routemap: Routemap,
    uid: String,
    /// Objects with the weights: of the stable version and of the candidate.
    first: [(ObjectRef, Option<&'a Value>); 2],
    /// States of both versions.
    versions: Vec<VersionState>,
}

fn refusal(reason: impl Into<String>, hint: impl Into<String>) -> Refusal {
    (reason.into(), hint.into())
}

impl Weighted {
    /// Names a routemap. Its types are those of the configuration of its controller.
    pub fn new(name: &str, namespace: Option<&str>, config: Config) -> Self {
        let kind = ResourceKind { group: String::new(), version: "v1".to_owned(), resource: "configmaps".to_owned() };
        Self { object: ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() }, config }
    }

    /// Reads the ConfigMap as the controller does.
    fn routemap(&self, object: &Value) -> Result<Routemap, Refusal> {
        let invalid =
            |reason: String| refusal(format!("it is not valid: {reason}"), "`iter8 k routes` shows its mistakes");
        let source: ConfigMap = serde_json::from_value(object.clone()).map_err(|error| invalid(error.to_string()))?;
        Routemap::read(&source, &self.config).map_err(|errors| invalid(errors.with_next_steps()))
    }

    fn object_of(&self, resource: &ResourceRef) -> Option<ObjectRef> {
        let kind = self.config.resource_types.get(&resource.short)?.resource.clone();
        Some(ObjectRef { kind, namespace: Some(resource.namespace.to_string()), name: resource.name.to_string() })
    }

    /// Renders the routes with these weights. Fails if a template has no usable output.
    fn routes(&self, routemap: &Routemap, weights: Weights) -> Result<Vec<Desired>, Refusal> {
        let outputs = render(routemap, &[weights.stable, weights.candidate], &self.config);
        let mut routes = Vec::new();
        for output in outputs {
            match output.result {
                Rendered::Desired(desired) => routes.push(*desired),
                Rendered::Empty => {}
                Rendered::Refused(reason) => {
                    let reason = format!("the controller does not apply its template `{}`: {reason}", output.template);
                    return Err(refusal(reason, "`iter8 k routes` shows its mistakes"));
                }
            }
        }
        Ok(routes)
    }

    /// Refuses routemaps whose routes do not split requests by the weights of two versions.
    fn check(&self, routemap: &Routemap) -> Result<[ResourceRef; 2], Refusal> {
        let [stable, candidate] = &*routemap.versions else {
            let count = routemap.versions.len();
            let reason = format!(
                "it has {count} version{}; expected two, a stable one and a candidate",
                if count == 1 { "" } else { "s" }
            );
            return Err(refusal(reason, "list the two versions between which the traffic is to move"));
        };
        let first = |version: &crate::routing::routemap::Version, number: usize| {
            version.resources.first().cloned().ok_or_else(|| {
                refusal(
                    format!("version {number} has no resource that could have the annotation {WEIGHT}"),
                    "list one, such as its Service",
                )
            })
        };
        let first = [first(stable, 0)?, first(candidate, 1)?];
        if first[0] == first[1] {
            let reason = format!(
                "both versions have {} as their first resource, so they cannot have different weights",
                first[0]
            );
            return Err(refusal(reason, "list a resource of its own first in each version"));
        }
        let routes: Vec<Value> =
            self.routes(routemap, PROBE)?.into_iter().map(|route| Value::Object(route.object)).collect();
        if routes.iter().any(has_mirror) {
            return Err(refusal(
                "its routes copy requests to the candidate (mirror) and discard its responses",
                "use the strategy blue-green, whose routes split requests by weights",
            ));
        }
        if !routes.iter().any(has_probe) {
            return Err(refusal(
                "its routes do not split requests by the weights of the versions, as those of the strategy canary do not",
                "use the strategy blue-green, whose routes split requests by weights",
            ));
        }
        Ok(first)
    }

    fn view<'a>(&self, known: &'a Objects) -> Result<View<'a>, Refusal> {
        let object = known.get(&self.object).unwrap_or(&Value::Null);
        let routemap = self.routemap(object)?;
        let resources = self.check(&routemap)?;
        let [stable, candidate] = resources.each_ref().map(|resource| self.object_of(resource));
        let (Some(stable), Some(candidate)) = (stable, candidate) else {
            return Err(refusal("it names a type that is not configured", "check the controller's configuration"));
        };
        let first = [stable, candidate].map(|object| {
            let state = known.get(&object);
            (object, state)
        });
        let mut observed: BTreeMap<ResourceRef, Observed> = BTreeMap::new();
        for resource in routemap.versions.iter().flat_map(|version| &version.resources) {
            let kind = self.config.resource_types.get(&resource.short);
            let (Some(kind), Some(object)) = (kind, self.object_of(resource)) else { continue };
            let raw = known.get(&object).and_then(|state| serde_json::from_value::<RawObject>(state.clone()).ok());
            // Without history, changes that the controller delays are not seen here; the comparison of the live routes finds them.
            let state = raw.map(|raw| Observed::new(raw, kind, None, DateTime::<Utc>::UNIX_EPOCH));
            if let Some(state) = state.filter(|state| state.is_watched) {
                observed.insert(resource.clone(), state);
            }
        }
        let weighed = weigh(&routemap, |resource| observed.get(resource), &self.config, DateTime::<Utc>::UNIX_EPOCH);
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        Ok(View { uid, routemap, first, versions: weighed.versions })
    }

    /// Returns the unique id of the candidate itself, if it exists.
    fn candidate_uid(&self, view: &View<'_>, known: &Objects) -> Option<String> {
        let object = self.object_of(view.resource(Side::Candidate)?)?;
        known.get(&object)?["metadata"]["uid"].as_str().map(str::to_owned)
    }

    /// Returns the difference of the live routes from those with these weights.
    fn differs(&self, view: &View<'_>, weights: Weights, known: &Objects) -> Option<String> {
        let routes = match self.routes(&view.routemap, weights) {
            Ok(routes) => routes,
            Err((reason, _)) => return Some(reason),
        };
        routes.into_iter().find_map(|route| {
            let name = route.target.to_string();
            let Some(live) = known.get(&target(&route)) else { return Some(format!("{name} does not exist yet")) };
            let desired = without_server_fields(Value::Object(route.object));
            let field = difference(&desired, live)?;
            Some(format!("{name} does not show the weights yet: it differs in {field}"))
        })
    }

    /// Returns the percent of the candidate that the live routes show.
    fn shown_percent(&self, view: &View<'_>, known: &Objects) -> Option<i64> {
        let weights = view.weights();
        let states = [weights, Weights { candidate: 0, stable: 1 }, Weights { candidate: 1, stable: 0 }];
        let is_shown = |weights: &&Weights| self.differs(view, **weights, known).is_none();
        states.iter().find(is_shown).and_then(|weights| weights.percent())
    }

    fn warnings(&self, view: &View<'_>, sides: &[Side]) -> Vec<String> {
        let of = |side: &Side| {
            let (object, state) = view.object(*side);
            let managers = state.map(managers_of_weight).unwrap_or_default();
            managers.into_iter().map(move |manager| {
                format!("{manager} also manages the annotation {WEIGHT} of {object}, and may set it back")
            })
        };
        sides.iter().flat_map(of).collect()
    }
}

impl<'a> View<'a> {
    fn object(&self, side: Side) -> (&ObjectRef, Option<&'a Value>) {
        let [stable, candidate] = &self.first;
        let (object, state) = match side {
            Side::Stable => stable,
            Side::Candidate => candidate,
        };
        (object, *state)
    }

    /// Returns the weight that a version gets if it is available.
    fn weight(&self, side: Side) -> u32 {
        let version = match side {
            Side::Stable => self.routemap.versions.first(),
            Side::Candidate => self.routemap.versions.get(1),
        };
        let annotated = self.object(side).1.and_then(annotated);
        annotated.or(version.and_then(|version| version.weight)).unwrap_or(1)
    }

    fn weights(&self) -> Weights {
        Weights { stable: self.weight(Side::Stable), candidate: self.weight(Side::Candidate) }
    }

    fn uid_of(&self, side: Side) -> String {
        self.object(side).1.and_then(|state| state["metadata"]["uid"].as_str()).unwrap_or_default().to_owned()
    }

    /// Returns the resource that a version is named after: its model, Deployment or Service, rather than its weight.
    fn resource(&self, side: Side) -> Option<&ResourceRef> {
        let version = match side {
            Side::Stable => self.routemap.versions.first(),
            Side::Candidate => self.routemap.versions.get(1),
        };
        let mut resources = version?.resources.iter();
        let named = resources.clone().find(|resource| !matches!(&*resource.short, "cm" | "secret"));
        named.or(resources.next())
    }

    fn name(&self, side: Side) -> String {
        self.resource(side).map_or_else(String::new, |resource| resource.name.to_string())
    }

    /// Describes why a version is not available; `None` if it is.
    fn unavailable(&self, side: Side) -> Option<String> {
        let state = self.versions.get(usize::from(side == Side::Candidate))?;
        if state.availability != Availability::Unavailable {
            return None;
        }
        let problems: Vec<String> = state.problems.iter().map(ToString::to_string).collect();
        Some(format!("{} is not available: {}", self.name(side), problems.join("; ")))
    }

    /// Returns true if a version only lacks a status of its current generation, as it does for a moment after each scaling.
    fn is_stale(&self, side: Side) -> bool {
        let state = self.versions.get(usize::from(side == Side::Candidate));
        state.is_some_and(|state| {
            !state.problems.is_empty()
                && state.problems.iter().all(|problem| matches!(problem.reason, Reason::NotObserved { .. }))
        })
    }

    fn patch(&self, side: Side, weights: Weights) -> ObjectPatch {
        let (object, state) = self.object(side);
        let weight = match side {
            Side::Stable => weights.stable,
            Side::Candidate => weights.candidate,
        };
        let version = state.map(|state| state["metadata"]["resourceVersion"].clone()).unwrap_or_default();
        let annotations = json!({WEIGHT: weight.to_string()});
        ObjectPatch {
            object: object.clone(),
            patch: json!({"metadata": {"resourceVersion": version, "annotations": annotations}}),
        }
    }

    /// Refuses objects whose annotations KServe copies into the pods, so that a weight would start a new revision of the model.
    fn unannotatable(&self) -> Option<Refusal> {
        [Side::Stable, Side::Candidate].into_iter().find_map(|side| {
            let (object, state) = self.object(side);
            let is_service = object.kind.resource == "inferenceservices" && object.kind.group == "serving.kserve.io";
            let mode = Mode::of(state?);
            let is_copied = is_service && matches!(mode, Mode::Knative | Mode::Standard);
            is_copied.then(|| {
                refusal(
                    format!(
                        "the weight of {} would be an annotation of the InferenceService itself, and in the mode {mode:?} KServe copies \
                         annotations into its pods, so each step would start them anew",
                        self.name(side)
                    ),
                    "list a ConfigMap first in each version, as charts/traffic-templates does",
                )
            })
        })
    }
}

/// Returns the valid weight annotation of an object.
fn annotated(state: &Value) -> Option<u32> {
    let text = state["metadata"]["annotations"][WEIGHT].as_str()?;
    crate::routing::weights::Annotated::parse(text).weight()
}

fn managers_of_weight(state: &Value) -> Vec<String> {
    managers::others(&state["metadata"], &["metadata", "annotations", WEIGHT])
}

/// Names the object that a template renders.
fn target(route: &Desired) -> ObjectRef {
    ObjectRef {
        kind: route.resource.clone(),
        namespace: Some(route.target.namespace.to_string()),
        name: route.target.name.to_string(),
    }
}

/// Returns true if a list of destinations in a route has the weights of the probe.
fn has_probe(value: &Value) -> bool {
    match value {
        Value::Array(items) => {
            let has = |weight: u32| items.iter().any(|item| item["weight"].as_u64() == Some(weight.into()));
            (has(PROBE.stable) && has(PROBE.candidate)) || items.iter().any(has_probe)
        }
        Value::Object(fields) => fields.values().any(has_probe),
        _ => false,
    }
}

/// Returns true if a route copies requests.
fn has_mirror(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_mirror),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| (MIRRORS.contains(&key.as_str()) && !value.is_null()) || has_mirror(value))
        }
        _ => false,
    }
}

impl Rules for Weighted {
    type Goal = WeightedGoal;

    fn main(&self) -> &ObjectRef {
        &self.object
    }

    fn kind(&self) -> &'static str {
        "routemap"
    }

    fn listing(&self) -> &'static str {
        "iter8 k routes -A"
    }

    fn objects(&self, known: &Objects) -> Vec<ObjectRef> {
        let mut objects = vec![self.object.clone()];
        let Some(Ok(routemap)) = known.get(&self.object).map(|object| self.routemap(object)) else { return objects };
        let resources = routemap.versions.iter().flat_map(|version| &version.resources);
        let routes = self.routes(&routemap, PROBE).unwrap_or_default();
        for object in resources.filter_map(|resource| self.object_of(resource)).chain(routes.iter().map(target)) {
            if !objects.contains(&object) {
                objects.push(object);
            }
        }
        objects
    }

    fn state(&self, known: &Objects) -> Result<State, Refusal> {
        let view = self.view(known)?;
        let weights = view.weights();
        let percent = weights.percent();
        let shown = self.shown_percent(&view, known);
        let share = |side: Side, requested: i64, percent: Option<i64>| Share {
            version: view.name(side),
            requested,
            percent,
            ready: view.unavailable(side).is_none(),
        };
        let requested = percent.unwrap_or_default();
        let mut problems: Vec<String> =
            [Side::Stable, Side::Candidate].into_iter().filter_map(|side| view.unavailable(side)).collect();
        problems.extend(view.unannotatable().map(|(reason, _)| reason));
        if shown.is_none() {
            problems.extend(self.differs(&view, weights, known));
        }
        let exists = self.candidate_uid(&view, known).is_some();
        let split = Split {
            kind: self.kind(),
            namespace: view.routemap.namespace.to_string(),
            name: self.object.name.clone(),
            stable: share(Side::Stable, 100 - requested, shown.map(|percent| 100 - percent)),
            candidate: exists.then(|| share(Side::Candidate, requested, shown)),
            problems,
        };
        let is_annotated = view.first.iter().all(|(_, state)| state.is_some_and(|state| annotated(state).is_some()));
        let half_written = weights.half_written().filter(|_| is_annotated);
        Ok(State { uid: view.uid, percent, half_written, split })
    }

    fn plan(&self, known: &Objects, change: Change) -> Step<WeightedGoal> {
        let view = match self.view(known) {
            Ok(view) => view,
            Err(refusal) => return Step::Refused(refusal),
        };
        if let Some(refusal) = view.unannotatable() {
            return Step::Refused(refusal);
        }
        let percent = match change {
            Change::Percent(percent) => percent.min(100),
            Change::Promote => 100,
            Change::Rollback => 0,
        };
        for side in [Side::Stable, Side::Candidate] {
            let (object, state) = view.object(side);
            let Some(state) = state else {
                return Step::Refused(refusal(
                    format!("version {} does not exist: there is no {object}", view.name(side)),
                    format!("deploy it first; {DOCS}"),
                ));
            };
            if !state["metadata"]["deletionTimestamp"].is_null() {
                return Step::Refused(refusal(format!("{object} is being deleted"), "deploy the version again first"));
            }
        }
        // The version that gets all the traffic must be able to take it. With a percent in between, the candidate would get all of it while
        // the stable version is not available.
        let (side, is_split) = match percent {
            100 => (Side::Candidate, false),
            percent => (Side::Stable, percent > 0),
        };
        if let Some(reason) = view.unavailable(side) {
            return match is_split || view.is_stale(side) {
                true => Step::NotYet(reason),
                false => Step::Refused(refusal(reason, "`iter8 k routes` shows the state of all versions")),
            };
        }
        let (from, to) = (view.weights(), Weights::of(percent));
        // A weight that comes from the routemap is written as an annotation, even if its value is right.
        let mut sides = from.order(to);
        for side in [Side::Candidate, Side::Stable] {
            if !sides.contains(&side) && view.object(side).1.and_then(annotated).is_none() {
                sides.push(side);
            }
        }
        Step::Send {
            warnings: self.warnings(&view, &sides),
            patches: sides.into_iter().map(|side| view.patch(side, to)).collect(),
            goal: WeightedGoal {
                uid: view.uid.clone(),
                uids: [view.uid_of(Side::Stable), view.uid_of(Side::Candidate)],
                candidate: self.candidate_uid(&view, known),
                weights: to,
            },
        }
    }

    fn check(&self, goal: &WeightedGoal, known: &Objects) -> Progress {
        if known.get(&self.object).is_none() {
            return Progress::Lost("it was deleted".to_owned());
        }
        let view = match self.view(known) {
            Ok(view) => view,
            Err((reason, _)) => return Progress::Lost(reason),
        };
        if view.uid != goal.uid {
            return Progress::Lost("it was replaced".to_owned());
        }
        let candidate = self.candidate_uid(&view, known);
        if goal.weights.candidate > 0 && goal.candidate.is_some() && goal.candidate != candidate {
            let how = if candidate.is_some() { "deleted and created again" } else { "deleted" };
            return Progress::Lost(format!("{} was {how}", view.name(Side::Candidate)));
        }
        let [stable, candidate] = &goal.uids;
        for (side, uid) in [(Side::Stable, stable), (Side::Candidate, candidate)] {
            let (object, state) = view.object(side);
            let Some(state) = state else { return Progress::Lost(format!("{object} was deleted")) };
            if state["metadata"]["uid"].as_str() != Some(uid) {
                return Progress::Lost(format!("{object} was deleted and created again"));
            }
            let wanted = match side {
                Side::Stable => goal.weights.stable,
                Side::Candidate => goal.weights.candidate,
            };
            if annotated(state) != Some(wanted) {
                let by = match managers_of_weight(state).as_slice() {
                    [] => "someone else".to_owned(),
                    managers => managers.join(", "),
                };
                let now = state["metadata"]["annotations"][WEIGHT].as_str().unwrap_or("absent");
                let now = crate::model::text::one_line(&crate::model::text::truncate(now, 30));
                return Progress::Lost(format!(
                    "the annotation {WEIGHT} of {object} was changed by {by}: it is {now}; expected {wanted}"
                ));
            }
        }
        let Some(reason) = self.differs(&view, goal.weights, known) else { return Progress::Reached };
        let needed = [(Side::Stable, goal.weights.stable), (Side::Candidate, goal.weights.candidate)];
        let mut unavailable =
            needed.into_iter().filter(|(_, weight)| *weight > 0).filter_map(|(side, _)| view.unavailable(side));
        Progress::Waiting(unavailable.next().unwrap_or(reason))
    }

    fn after_timeout(&self, _: &WeightedGoal, _: &str) -> Option<String> {
        let name = &self.object.name;
        Some(format!(
            "`iter8 k routes {name}` shows the state of its routes; check that the release controller runs; to wait longer, raise --timeout, \
             or `rollout.timeout` of a rollout in steps"
        ))
    }
}
