//! Weights of two LLMInferenceServices of one group (`spec.router.route`): the candidate and the stable version.
//!
//! Each member's HTTPRoute carries the backends of all members. A change is done when the status of both members and both HTTPRoutes
//! show the weights.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::change::{Change, Refusal};
use super::goal::Progress;
use super::managers;
use super::objects::{ObjectPatch, Objects, Rules, State, Step};
use super::routes::{Route, http_route};
use super::split::{Share, Split};
use super::weights::{Side, Weights};
use crate::model::object::{ObjectRef, ResourceKind};
use crate::model::text::{one_line, truncate};

/// Longest message of a condition that is shown, in characters.
const MAX_TEXT: usize = 300;

/// Maximum number of members of a group that are read.
const MAX_MEMBERS: usize = 100;

/// Longest name of an LLMInferenceService: KServe shortens that of the HTTPRoute of a longer one.
const MAX_NAME: usize = 63 - ROUTE.len();

/// Suffix of the name of a member's HTTPRoute.
const ROUTE: &str = "-kserve-route";

/// Rules of two LLMInferenceServices, named by the candidate.
#[derive(Clone, Debug)]
pub struct Group {
    object: ObjectRef,
}

/// Traffic that a change should lead to.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupGoal {
    group: String,
    stable: ObjectRef,
    /// Unique ids of the stable version and of the candidate.
    uids: [String; 2],
    weights: Weights,
}

/// A member of a group, as the status of one of them lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    name: String,
    weight: u32,
    backend: String,
}

/// An LLMInferenceService.
struct Version<'a> {
    object: ObjectRef,
    state: &'a Value,
}

/// A group of two.
struct Pair<'a> {
    group: &'a str,
    stable: Version<'a>,
    candidate: Version<'a>,
}

fn refusal(reason: impl Into<String>, hint: &str) -> Refusal {
    (reason.into(), hint.to_owned())
}

/// Describes a member that the status of another one, or its own, does not list.
fn not_listed(name: &str, seen: &str) -> String {
    format!("{name} is not ready: the status of {seen} does not list it in the group")
}

fn route_of(object: &Value) -> &Value {
    &object["spec"]["router"]["route"]
}

fn group_of(object: &Value) -> Option<&str> {
    route_of(object)["group"].as_str().filter(|group| !group.is_empty())
}

/// Returns the members that KServe routes to, as the status of one of them lists them. Stopped members are left out.
fn members(object: &Value) -> Vec<Member> {
    let members = object["status"]["router"]["group"]["members"].as_array().into_iter().flatten().take(MAX_MEMBERS);
    let running = members.filter(|member| member["stopped"] != true);
    let member = |member: &Value| {
        Some(Member {
            name: member["name"].as_str()?.to_owned(),
            weight: member["weight"].as_u64().and_then(|weight| weight.try_into().ok()).unwrap_or_default(),
            backend: member["backendRef"]["name"].as_str().unwrap_or_default().to_owned(),
        })
    };
    running.filter_map(member).collect()
}

impl Version<'_> {
    fn weight(&self) -> u32 {
        route_of(self.state)["weight"].as_u64().and_then(|weight| weight.try_into().ok()).unwrap_or_default()
    }

    fn uid(&self) -> String {
        self.state["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    }

    fn managers(&self) -> Vec<String> {
        managers::others(&self.state["metadata"], &["spec", "router", "route", "weight"])
    }

    /// Describes why the group's members diverge; `None` if they do not.
    fn degraded(&self) -> Option<String> {
        let mut conditions = self.state["status"]["conditions"].as_array().into_iter().flatten();
        let degraded =
            conditions.find(|condition| condition["type"] == "GroupDegraded" && condition["status"] == "True")?;
        let text = |field: &str| one_line(&truncate(degraded[field].as_str().unwrap_or_default(), MAX_TEXT));
        Some(format!("the group of {} is degraded ({}: {})", self.object.name, text("reason"), text("message")))
    }
}

impl Group {
    /// Names the candidate.
    pub fn new(name: &str, namespace: Option<&str>) -> Self {
        let kind = ResourceKind {
            group: "serving.kserve.io".to_owned(),
            version: "v1alpha2".to_owned(),
            resource: "llminferenceservices".to_owned(),
        };
        Self { object: ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() } }
    }

    fn sibling(&self, name: &str) -> ObjectRef {
        ObjectRef { name: name.to_owned(), ..self.object.clone() }
    }

    fn route(&self, object: &ObjectRef) -> ObjectRef {
        http_route(object.namespace.clone(), format!("{}{ROUTE}", object.name))
    }

    /// Finds the stable version: the other member of the group, by the status of the candidate.
    fn stable(&self, candidate: &Value) -> Result<ObjectRef, Refusal> {
        let Some(group) = group_of(candidate) else {
            return Err(refusal(
                "it is not in a group (spec.router.route.group), within which KServe v0.20.0 and newer split traffic",
                "give both versions the same `spec.router.route.group`, the stable one the weight 100 and the candidate the weight 0",
            ));
        };
        let others: Vec<Member> =
            members(candidate).into_iter().filter(|member| member.name != self.object.name).collect();
        match others.as_slice() {
            [stable] => Ok(self.sibling(&stable.name)),
            [] => Err(refusal(
                format!("no other member of the group {group} is ready, according to its status"),
                "wait until the stable version is ready and KServe has seen both in the group",
            )),
            others => {
                let names: Vec<&str> = others.iter().map(|member| member.name.as_str()).collect();
                let reason = format!(
                    "the group {group} has {} other members ({}); expected one, the stable version",
                    names.len(),
                    names.join(", ")
                );
                Err(refusal(reason, "remove the members that take no part in this rollout from the group"))
            }
        }
    }

    fn pair<'a>(&self, known: &'a Objects) -> Result<Pair<'a>, Refusal> {
        let candidate = known.get(&self.object).unwrap_or(&Value::Null);
        let object = self.stable(candidate)?;
        let state = known.get(&object).unwrap_or(&Value::Null);
        let group = group_of(candidate).unwrap_or_default();
        if group_of(state) != Some(group) {
            return Err(refusal(
                format!("{} has left the group {group}", object.name),
                "give both versions the same group",
            ));
        }
        if let Some(long) = [&object, &self.object].into_iter().find(|object| object.name.len() > MAX_NAME) {
            let reason = format!(
                "the name of {} is longer than {MAX_NAME} characters, and KServe shortens that of its HTTPRoute",
                long.name
            );
            return Err(refusal(reason, "use shorter names"));
        }
        Ok(Pair {
            group,
            stable: Version { object, state },
            candidate: Version { object: self.object.clone(), state: candidate },
        })
    }

    /// Returns the difference of status and routes from these weights.
    fn differs(&self, pair: &Pair<'_>, weights: Weights, known: &Objects) -> Option<String> {
        let wanted = [(&pair.stable, weights.stable), (&pair.candidate, weights.candidate)];
        for (version, _) in &wanted {
            if let Some(reason) = version.degraded() {
                return Some(reason);
            }
            let members = members(version.state);
            for (other, weight) in &wanted {
                let name = &other.object.name;
                let member = members.iter().find(|member| member.name == *name);
                let seen = &version.object.name;
                match member {
                    None => {
                        return Some(not_listed(name, seen));
                    }
                    Some(member) if member.weight != *weight => {
                        return Some(format!(
                            "{name} has the weight {} in the status of {seen}; expected {weight}",
                            member.weight
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
        let backend = |name: &str| {
            members(pair.candidate.state).into_iter().find(|member| member.name == name).map(|member| member.backend)
        };
        let (Some(stable), Some(candidate)) = (backend(&pair.stable.object.name), backend(&pair.candidate.object.name))
        else {
            return Some("the status does not name the backends of the group".to_owned());
        };
        let shares = [(stable.as_str(), i64::from(weights.stable)), (candidate.as_str(), i64::from(weights.candidate))];
        // The rules with a member's own path have its backend alone.
        let is_of_group = |rule: &BTreeMap<String, i64>| rule.contains_key(&stable) && rule.contains_key(&candidate);
        wanted.iter().find_map(|(version, _)| {
            let object = self.route(&version.object);
            match known.get(&object) {
                None => Some(format!("HTTPRoute {} does not exist yet", object.name)),
                Some(route) => Route::of(route, is_of_group).differs(&shares),
            }
        })
    }

    fn patch(&self, version: &Version<'_>, weight: u32) -> ObjectPatch {
        let metadata = json!({"resourceVersion": version.state["metadata"]["resourceVersion"]});
        let patch = json!({"metadata": metadata, "spec": {"router": {"route": {"weight": weight}}}});
        ObjectPatch { object: version.object.clone(), patch }
    }
}

impl Pair<'_> {
    fn weights(&self) -> Weights {
        Weights { stable: self.stable.weight(), candidate: self.candidate.weight() }
    }

    fn version(&self, side: Side) -> &Version<'_> {
        match side {
            Side::Stable => &self.stable,
            Side::Candidate => &self.candidate,
        }
    }

    /// Describes why KServe routes nothing to a version; `None` if it does.
    fn unready(&self, side: Side) -> Option<String> {
        let name = &self.version(side).object.name;
        // Both statuses list all members; the stable version's is the more reliable one.
        let is_member = members(self.stable.state).iter().any(|member| member.name == *name);
        (!is_member).then(|| not_listed(name, &self.stable.object.name))
    }
}

impl Rules for Group {
    type Goal = GroupGoal;

    fn main(&self) -> &ObjectRef {
        &self.object
    }

    fn kind(&self) -> &'static str {
        "LLMInferenceService"
    }

    fn listing(&self) -> &'static str {
        "kubectl get llminferenceservices -A"
    }

    fn objects(&self, known: &Objects) -> Vec<ObjectRef> {
        let mut objects = vec![self.object.clone(), self.route(&self.object)];
        if let Some(Ok(stable)) = known.get(&self.object).map(|candidate| self.stable(candidate)) {
            objects.extend([self.route(&stable), stable]);
        }
        objects
    }

    fn state(&self, known: &Objects) -> Result<State, Refusal> {
        let pair = self.pair(known)?;
        let weights = pair.weights();
        let requested = weights.percent();
        let problem = self.differs(&pair, weights, known);
        let shown = requested.filter(|_| problem.is_none());
        let share = |side: Side, requested: i64, percent: Option<i64>| Share {
            version: pair.version(side).object.name.clone(),
            requested,
            percent,
            ready: pair.unready(side).is_none(),
        };
        let percent = requested.unwrap_or_default();
        let split = Split {
            kind: self.kind(),
            namespace: pair.candidate.state["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
            name: self.object.name.clone(),
            stable: share(Side::Stable, 100 - percent, shown.map(|percent| 100 - percent)),
            candidate: Some(share(Side::Candidate, percent, shown)),
            problems: problem.into_iter().collect(),
        };
        Ok(State { uid: pair.candidate.uid(), percent: requested, half_written: weights.half_written(), split })
    }

    fn plan(&self, known: &Objects, change: Change) -> Step<GroupGoal> {
        let pair = match self.pair(known) {
            Ok(pair) => pair,
            Err(refusal) => return Step::Refused(refusal),
        };
        let (percent, only) = match change {
            Change::Promote | Change::Percent(100) => (100, Some(Side::Candidate)),
            Change::Rollback | Change::Percent(0) => (0, Some(Side::Stable)),
            Change::Percent(percent) => (percent, None),
        };
        for version in [&pair.stable, &pair.candidate] {
            if !version.state["metadata"]["deletionTimestamp"].is_null() {
                let reason = format!("{} is being deleted", version.object.name);
                return Step::Refused(refusal(reason, "deploy the version again first"));
            }
        }
        if let Some(reason) = only.and_then(|side| pair.unready(side)) {
            return Step::Refused(refusal(
                reason,
                "`kubectl get llminferenceservices` shows which version is not ready",
            ));
        }
        // KServe divides the traffic among the members that are ready, so the candidate would get all of it.
        if let Some(reason) = pair.unready(Side::Stable).filter(|_| only.is_none()) {
            return Step::NotYet(reason);
        }
        let to = Weights::of(percent);
        let sides = pair.weights().order(to);
        let warnings = sides.iter().flat_map(|side| {
            let version = pair.version(*side);
            let name = version.object.name.clone();
            version
                .managers()
                .into_iter()
                .map(move |manager| format!("{manager} also manages the weight of {name}, and may set it back"))
        });
        let weight = |side: &Side| match side {
            Side::Stable => to.stable,
            Side::Candidate => to.candidate,
        };
        Step::Send {
            warnings: warnings.collect(),
            patches: sides.iter().map(|side| self.patch(pair.version(*side), weight(side))).collect(),
            goal: GroupGoal {
                group: pair.group.to_owned(),
                stable: pair.stable.object.clone(),
                uids: [pair.stable.uid(), pair.candidate.uid()],
                weights: to,
            },
        }
    }

    fn check(&self, goal: &GroupGoal, known: &Objects) -> Progress {
        let states = [known.get(&goal.stable), known.get(&self.object)];
        let wanted = [goal.weights.stable, goal.weights.candidate];
        for (((object, state), uid), weight) in
            [&goal.stable, &self.object].into_iter().zip(states).zip(&goal.uids).zip(wanted)
        {
            let name = &object.name;
            let Some(state) = state else {
                return match known.is_known(object) {
                    true => Progress::Lost(format!("{name} was deleted")),
                    // Only the status of the candidate names the stable version, so it has not been read.
                    false => Progress::Waiting(not_listed(name, &self.object.name)),
                };
            };
            let version = Version { object: object.clone(), state };
            if version.uid() != *uid {
                return Progress::Lost(format!("{name} was deleted and created again"));
            }
            if group_of(state) != Some(&goal.group) {
                return Progress::Lost(format!("{name} has left the group {}", goal.group));
            }
            if version.weight() != weight {
                let by = match version.managers().as_slice() {
                    [] => "someone else".to_owned(),
                    managers => managers.join(", "),
                };
                return Progress::Lost(format!(
                    "the weight of {name} was changed by {by}: it is {}; expected {weight}",
                    version.weight()
                ));
            }
        }
        let [Some(stable), Some(candidate)] = states else { return Progress::Lost("it was deleted".to_owned()) };
        let pair = Pair {
            group: &goal.group,
            stable: Version { object: goal.stable.clone(), state: stable },
            candidate: Version { object: self.object.clone(), state: candidate },
        };
        match self.differs(&pair, goal.weights, known) {
            Some(reason) => Progress::Waiting(reason),
            None => Progress::Reached,
        }
    }
}
