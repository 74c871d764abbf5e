//! Canaries of an InferenceService in Standard mode (RawDeployment): entries of `spec.canary`, which KServe runs as Deployments.
//!
//! KServe copies an entry's percent to the status immediately, but v0.20.0 does not route by it (kserve/kserve#5912 came later), and the schema
//! of the CRD is the same in both. So the check for a change reads the HTTPRoutes.

use serde_json::{Map, Value, json};

use super::change::{Change, Refusal};
use super::goal::Progress;
use super::mode::Mode;
use super::objects::{ObjectPatch, Objects, Rules, State, Step};
use super::routes::{Route, http_route};
use super::service::Service;
use super::split::{Share, Split};
use crate::model::object::ObjectRef;

/// Fields of an entry's predictor that do not describe the model: KServe ignores or rejects them there, and the stable predictor has its own.
const SCALING: [&str; 7] = [
    "minReplicas",
    "maxReplicas",
    "scaleTarget",
    "scaleMetric",
    "scaleMetricType",
    "autoScaling",
    "canaryTrafficPercent",
];

/// Fields of a predictor that hold its model.
const MODELS: [&str; 11] = [
    "model",
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
];

/// Support of an installed CRD for `spec.canary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryField {
    /// The schema has the field.
    Present,
    /// The schema does not have it.
    Absent,
    /// The schema does not describe `spec`, or could not be read.
    Unknown,
}

impl CanaryField {
    /// Reads the OpenAPI document of KServe's API.
    pub fn of(document: &Value) -> Self {
        let is_service = |schema: &&Value| {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
            kinds.into_iter().any(|kind| kind["kind"] == "InferenceService" && kind["group"] == "serving.kserve.io")
        };
        let schemas = document["components"]["schemas"].as_object();
        let Some(service) = schemas.and_then(|schemas| schemas.values().find(is_service)) else { return Self::Unknown };
        match service["properties"]["spec"]["properties"].as_object() {
            None => Self::Unknown,
            Some(fields) if fields.contains_key("canary") => Self::Present,
            Some(_) => Self::Absent,
        }
    }

    /// Returns the next step for a service without an entry.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Present => {
                "add the new model as an entry of `spec.canary` with `trafficPercent: 0`, and retry; or deploy each version as an \
                 InferenceService, and split the traffic with a routemap: see docs/reference/routemap.md"
            }
            Self::Absent => {
                "deploy each version as an InferenceService, and split the traffic with a routemap: see docs/reference/routemap.md"
            }
            Self::Unknown => {
                "deploy each version as an InferenceService, and split the traffic with a routemap: see docs/reference/routemap.md; \
                 the CRD does not show if this KServe has `spec.canary`, by which newer versions split traffic"
            }
        }
    }
}

/// Rules of an InferenceService in Standard mode.
#[derive(Clone, Debug)]
pub struct Standard {
    object: ObjectRef,
}

/// Traffic that a change should lead to.
#[derive(Clone, Debug, PartialEq)]
pub struct StandardGoal {
    uid: String,
    /// Entries of `spec.canary` with the change.
    entries: Vec<Value>,
    /// Name of the stable predictor with the change; empty if it has none.
    predictor: String,
    stable: String,
    /// Candidate and its percent; `None` after a promotion.
    candidate: Option<(String, i64)>,
}

/// An InferenceService, as far as canaries in Standard mode need it.
struct Canaries<'a> {
    service: Service,
    predictor: &'a Value,
    entries: &'a [Value],
    statuses: &'a Value,
}

impl<'a> Canaries<'a> {
    fn of(object: &'a Value) -> Self {
        Self {
            service: Service::of(object),
            predictor: &object["spec"]["predictor"],
            entries: object["spec"]["canary"].as_array().map(Vec::as_slice).unwrap_or_default(),
            statuses: &object["status"]["canaryStatuses"],
        }
    }

    /// Returns the name of the Deployment and of the Service of a predictor.
    fn version(&self, predictor: &str) -> String {
        match predictor {
            "" => format!("{}-predictor", self.service.name),
            predictor => format!("{}-{predictor}-predictor", self.service.name),
        }
    }

    fn stable(&self) -> String {
        self.version(name(self.predictor))
    }

    fn candidate(&self) -> Option<Candidate<'a>> {
        // Others write the object, so an entry may have any shape.
        let entry = self.entries.first().filter(|entry| entry["predictor"].is_object())?;
        let name = name(&entry["predictor"]);
        let mut statuses = self.statuses.as_array().into_iter().flatten();
        let is_ready = statuses.any(|status| status["name"] == name && status["ready"] == true);
        Some(Candidate { entry, name, version: self.version(name), is_ready, percent: percent(entry) })
    }

    /// Describes the readiness of the candidate; `None` if it is ready.
    fn unready(&self, candidate: &Candidate<'_>) -> Option<String> {
        let reason = || self.service.untrue(&["CanaryPredictorReady"]).unwrap_or_else(|| "it is starting".to_owned());
        (!candidate.is_ready).then(|| format!("{} is not ready: {}", candidate.version, reason()))
    }
}

/// An entry of `spec.canary`.
struct Candidate<'a> {
    entry: &'a Value,
    name: &'a str,
    version: String,
    is_ready: bool,
    percent: i64,
}

impl Candidate<'_> {
    fn with_percent(&self, percent: u8) -> Value {
        let mut entry = self.entry.clone();
        entry["trafficPercent"] = json!(percent);
        entry
    }
}

fn name(predictor: &Value) -> &str {
    predictor["name"].as_str().unwrap_or_default()
}

fn percent(entry: &Value) -> i64 {
    entry["trafficPercent"].as_i64().unwrap_or_default()
}

/// Returns the stable version of an InferenceService in Standard mode.
pub fn stable(object: &Value) -> Option<String> {
    (Mode::of(object) == Mode::Standard).then(|| Canaries::of(object).stable())
}

/// Returns true if an InferenceService is in Standard mode and has entries in `spec.canary`.
pub fn has_canaries(object: &Value) -> bool {
    Mode::of(object) == Mode::Standard && object["spec"]["canary"].as_array().is_some_and(|entries| !entries.is_empty())
}

fn refused<G>(reason: impl Into<String>, hint: &str) -> Step<G> {
    Step::Refused((reason.into(), hint.to_owned()))
}

impl Standard {
    /// Names an InferenceService.
    pub fn new(object: ObjectRef) -> Self {
        Self { object }
    }

    fn route(&self, name: String) -> ObjectRef {
        http_route(self.object.namespace.clone(), name)
    }

    /// Names the routes with the split: that of the service and that of its predictor.
    fn routes(&self) -> [ObjectRef; 2] {
        let name = &self.object.name;
        [self.route(name.clone()), self.route(format!("{name}-predictor"))]
    }

    /// Refuses services whose canary cannot be changed.
    fn unusable(&self, canaries: &Canaries<'_>, known: &Objects) -> Option<Refusal> {
        let refusal = |reason: String, hint: &str| Some((reason, hint.to_owned()));
        let service = &canaries.service;
        if let Some(reason) = &service.halted {
            return refusal(
                format!("KServe does not act on changes: {reason}"),
                "remove that annotation first; an InferenceService that is being deleted cannot be changed",
            );
        }
        if let Some(component) = service.other_components.first() {
            let reason = format!("it has a {}, which requests to the canary would bypass", component.name);
            return refusal(reason, "split the traffic with a routemap: see docs/reference/routemap.md");
        }
        if canaries.entries.len() > 1 {
            let names: Vec<&str> = canaries.entries.iter().map(|entry| name(&entry["predictor"])).collect();
            return refusal(
                format!("spec.canary has {} entries ({}); expected one candidate", names.len(), names.join(", ")),
                "remove the entries that are not to be promoted",
            );
        }
        let [route, _] = self.routes();
        if known.lacks_type(&route.kind) {
            return refusal(
                "the cluster has no HTTPRoutes (Gateway API), without which KServe does not split the traffic of canaries".to_owned(),
                "install the Gateway API and set `enableGatewayApi: true` in KServe's configuration, or use a routemap",
            );
        }
        if known.get(&route).is_none() && service.condition("Ready") == "True" {
            return refusal(
                format!("it has no HTTPRoute {}: KServe routes it by an Ingress, which it never splits", route.name),
                "set `enableGatewayApi: true` in KServe's configuration, or split the traffic with a routemap",
            );
        }
        None
    }

    fn send(&self, canaries: &Canaries<'_>, patch: Option<Value>, goal: StandardGoal) -> Step<StandardGoal> {
        let patch = patch.map(|spec| {
            let version = &canaries.service.resource_version;
            ObjectPatch {
                object: self.object.clone(),
                patch: json!({"metadata": {"resourceVersion": version}, "spec": spec}),
            }
        });
        let warnings = managers_of_canaries(canaries)
            .into_iter()
            .map(|manager| format!("{manager} also manages spec.canary, and may set it back"));
        Step::Send {
            warnings: warnings.filter(|_| patch.is_some()).collect(),
            patches: patch.into_iter().collect(),
            goal,
        }
    }

    fn set(&self, canaries: &Canaries<'_>, candidate: &Candidate<'_>, percent: u8) -> Step<StandardGoal> {
        let percents = i64::from(percent);
        let entry = candidate.with_percent(percent);
        let goal = StandardGoal {
            uid: canaries.service.uid.clone(),
            entries: vec![entry.clone()],
            predictor: name(canaries.predictor).to_owned(),
            stable: canaries.stable(),
            candidate: Some((candidate.version.clone(), percents)),
        };
        // The list is replaced as a whole, with the entry as it was read.
        let patch = (candidate.percent != percents).then(|| json!({"canary": [entry]}));
        self.send(canaries, patch, goal)
    }

    /// Makes the candidate the stable predictor. KServe runs an entry merged over the stable predictor, so the same merge keeps its
    /// Deployment as it is.
    fn promote(&self, canaries: &Canaries<'_>, candidate: &Candidate<'_>) -> Step<StandardGoal> {
        let mut predictor = without_empty(&candidate.entry["predictor"]);
        if let Value::Object(fields) = &mut predictor {
            SCALING.iter().for_each(|field| drop(fields.remove(*field)));
        }
        let forms = |predictor: &Value| {
            let is_set = |field: &&&str| !without_empty(&predictor[**field]).is_null();
            MODELS.iter().filter(is_set).copied().collect::<Vec<_>>()
        };
        let (new, old) = (forms(&predictor), forms(canaries.predictor));
        if new != old {
            let shown = |forms: &[&str]| match forms {
                [] => "no model".to_owned(),
                forms => format!("`{}`", forms.join("`, `")),
            };
            let reason = format!("the canary's predictor has {}, and the stable one {}", shown(&new), shown(&old));
            return refused(reason, "write the model of the entry in the same form as that of the stable predictor");
        }
        let goal = StandardGoal {
            uid: canaries.service.uid.clone(),
            entries: Vec::new(),
            predictor: candidate.name.to_owned(),
            stable: candidate.version.clone(),
            candidate: None,
        };
        self.send(canaries, Some(json!({"predictor": predictor, "canary": null})), goal)
    }

    /// Returns the change by others that makes the goal unreachable, if there is one.
    fn lost(&self, goal: &StandardGoal, canaries: &Canaries<'_>) -> Option<String> {
        let service = &canaries.service;
        if service.uid != goal.uid {
            return Some("it was deleted and created again".to_owned());
        }
        if let Some(reason) = &service.halted {
            return Some(reason.clone());
        }
        let by = || match managers_of_canaries(canaries).as_slice() {
            [] => "someone else".to_owned(),
            managers => managers.join(", "),
        };
        match (canaries.entries, goal.entries.as_slice()) {
            ([now], [wanted]) if now["predictor"] == wanted["predictor"] => {
                if percent(now) != percent(wanted) {
                    let (now, wanted) = (percent(now), percent(wanted));
                    return Some(format!(
                        "spec.canary was changed by {}: the percent is {now}; expected {wanted}",
                        by()
                    ));
                }
            }
            ([], []) => {}
            _ => return Some(format!("spec.canary was changed by {}", by())),
        }
        let predictor = name(canaries.predictor);
        (predictor != goal.predictor).then(|| {
            format!(
                "spec.predictor.name was changed by someone else: it is `{predictor}`; expected `{}`",
                goal.predictor
            )
        })
    }

    /// Returns the first difference of the routes.
    fn differs(&self, goal: &StandardGoal, known: &Objects) -> Option<String> {
        let check = |object: &ObjectRef| match known.get(object) {
            None => Some(format!("HTTPRoute {} does not exist yet", object.name)),
            Some(route) => {
                let percent = goal.candidate.as_ref().map_or(0, |(_, percent)| *percent);
                let candidate = goal.candidate.iter().map(|(version, percent)| (version.as_str(), *percent));
                let wanted: Vec<(&str, i64)> =
                    candidate.chain([(goal.stable.as_str(), 100_i64.saturating_sub(percent))]).collect();
                Route::of(route, |_| true).differs(&wanted)
            }
        };
        let [service, predictor] = self.routes();
        if let Some(reason) = check(&service) {
            return Some(reason);
        }
        // In KServe v0.20.0, the route of the predictor has the name of its Service, and an old one stays behind.
        let named = self.route(goal.stable.clone());
        match check(&predictor) {
            Some(reason) if named == predictor || check(&named).is_some() => Some(reason),
            _ => None,
        }
    }
}

/// Returns the other managers of `spec.canary`. A GitOps tool among them sets it back.
fn managers_of_canaries(canaries: &Canaries<'_>) -> Vec<String> {
    canaries.service.canary_managers.clone()
}

/// Removes zero values, which KServe also leaves out when it merges an entry over the stable predictor.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), without_empty(value)));
            let fields: Map<String, Value> = fields.filter(|(_, value)| !value.is_null()).collect();
            if fields.is_empty() { Value::Null } else { Value::Object(fields) }
        }
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Bool(false) => Value::Null,
        Value::Number(number) if number.as_f64() == Some(0.0) => Value::Null,
        other => other.clone(),
    }
}

impl Rules for Standard {
    type Goal = StandardGoal;

    fn main(&self) -> &ObjectRef {
        &self.object
    }

    fn kind(&self) -> &'static str {
        "InferenceService"
    }

    fn listing(&self) -> &'static str {
        "kubectl get inferenceservices -A"
    }

    fn objects(&self, known: &Objects) -> Vec<ObjectRef> {
        let mut objects = vec![self.object.clone()];
        objects.extend(self.routes());
        if let Some(object) = known.get(&self.object) {
            let canaries = Canaries::of(object);
            let versions = canaries.candidate().map(|candidate| candidate.version);
            for version in versions.into_iter().chain([canaries.stable()]) {
                let route = self.route(version);
                if !objects.contains(&route) {
                    objects.push(route);
                }
            }
        }
        objects
    }

    fn state(&self, known: &Objects) -> Result<State, Refusal> {
        let object = known.get(&self.object).unwrap_or(&Value::Null);
        let canaries = Canaries::of(object);
        let [route, _] = self.routes();
        let route = known.get(&route).map(|route| Route::of(route, |_| true));
        let percent_of = |version: &str| route.as_ref().and_then(|route| route.percent_of(version));
        let candidate = canaries.candidate();
        let percent = candidate.as_ref().map(|candidate| candidate.percent);
        let (stable, service) = (canaries.stable(), &canaries.service);
        let mut problems: Vec<String> = self.unusable(&canaries, known).map(|(reason, _)| reason).into_iter().collect();
        if let Some(candidate) = &candidate {
            problems.extend(canaries.unready(candidate));
            let now = percent_of(&candidate.version);
            if problems.is_empty() && now.is_some_and(|now| now != candidate.percent) {
                let (version, wanted) = (&candidate.version, candidate.percent);
                problems.push(format!("trafficPercent of {version} is {wanted}, but its HTTPRoutes do not show it"));
            }
        }
        let split = Split {
            kind: self.kind(),
            namespace: service.namespace.clone(),
            name: self.object.name.clone(),
            stable: Share {
                percent: percent_of(&stable),
                version: stable,
                requested: 100_i64.saturating_sub(percent.unwrap_or_default()),
                ready: service.condition("PredictorReady") == "True",
            },
            candidate: candidate.map(|candidate| Share {
                percent: percent_of(&candidate.version),
                version: candidate.version,
                requested: candidate.percent,
                ready: candidate.is_ready,
            }),
            problems,
        };
        Ok(State { uid: service.uid.clone(), percent, half_written: None, split })
    }

    fn plan(&self, known: &Objects, change: Change) -> Step<StandardGoal> {
        let canaries = Canaries::of(known.get(&self.object).unwrap_or(&Value::Null));
        if let Some(refusal) = self.unusable(&canaries, known) {
            return Step::Refused(refusal);
        }
        let Some(candidate) = canaries.candidate() else {
            return refused("spec.canary has no entry any more", CanaryField::Present.hint());
        };
        let unready = canaries.unready(&candidate);
        match (change, unready) {
            (Change::Promote | Change::Percent(100), Some(reason)) => {
                refused(reason, "fix the model of the entry, or go back with `iter8 k rollout rollback`")
            }
            (Change::Promote, None) => self.promote(&canaries, &candidate),
            (Change::Percent(percent), _) => self.set(&canaries, &candidate, percent),
            // The entry stays, so that it can be fixed and tried again.
            (Change::Rollback, _) => self.set(&canaries, &candidate, 0),
        }
    }

    fn check(&self, goal: &StandardGoal, known: &Objects) -> Progress {
        let Some(object) = known.get(&self.object) else { return Progress::Lost("it was deleted".to_owned()) };
        let canaries = Canaries::of(object);
        if let Some(reason) = self.lost(goal, &canaries) {
            return Progress::Lost(reason);
        }
        if let (Some((_, 1..)), Some(candidate)) = (&goal.candidate, canaries.candidate())
            && let Some(reason) = canaries.unready(&candidate)
        {
            return Progress::Waiting(reason);
        }
        if let Some(reason) = canaries.service.untrue(&["PredictorReady"]) {
            return Progress::Waiting(reason);
        }
        match self.differs(goal, known) {
            Some(reason) => Progress::Waiting(reason),
            None => Progress::Reached,
        }
    }

    fn after_timeout(&self, goal: &StandardGoal, reason: &str) -> Option<String> {
        let is_positive = matches!(goal.candidate, Some((_, 1..)));
        (is_positive && reason.starts_with("HTTPRoute ")).then(|| {
            format!(
                "KServe v0.20.0 has spec.canary, but routes no traffic by it: upgrade KServe, or split the traffic with a routemap; \
                 `iter8 k rollout rollback {}` sets the percent to 0",
                self.object.name
            )
        })
    }
}
