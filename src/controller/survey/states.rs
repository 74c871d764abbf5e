//! States of routemaps: the decisions about them, and how the live routes differ from the decisions.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::controller::claims;
use crate::controller::index::{RoutemapObject, Target};
use crate::controller::keys::{ResourceKey, TypeId};
use crate::controller::live::Live;
use crate::controller::rendering;
use crate::controller::shared::{Shared, routes_of, with_hint};
use crate::controller::watches;
use crate::routing::Decision;
use crate::routing::availability::Availability;
use crate::routing::decision::{self, Output, Rendered};
use crate::routing::target::Desired;
use crate::values::input::InputError;

/// State of a routemap.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoutemapState {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Mistakes, if it cannot be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mistakes: Vec<String>,
    /// Reasons why resources of its versions cannot be read; nothing is decided without them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreadable: Vec<String>,
    /// Types of its resources and routes that the cluster does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing_types: Vec<String>,
    pub(crate) versions: Vec<VersionState>,
    pub(crate) routes: Vec<RouteState>,
}

/// State of a version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionState {
    pub(crate) available: bool,
    pub(crate) weight: u32,
    /// Resources that are not available, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
    /// Time until which it counts as available in spite of its problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_until: Option<DateTime<Utc>>,
}

/// State of the output of a routing template.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteState {
    pub(crate) template: String,
    /// The routing object; empty if the template renders none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) object: String,
    pub(crate) state: RoutePhase,
    /// Field that differs, or the reason for a refusal or for an unknown state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// Time of the last change by the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(crate) desired: Option<Value>,
    #[serde(skip)]
    pub(crate) live: Option<Value>,
    #[serde(skip)]
    pub(super) compared: Option<Compared>,
}

/// Objects that the state of a route compares.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) desired: Box<Desired>,
    pub(super) target: ResourceKey,
    pub(super) live: Option<Arc<Live>>,
}

/// Relation of the live object to the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RoutePhase {
    /// The live object is as decided.
    InPlace,
    Differs,
    Missing,
    /// The output must not be applied.
    Refused,
    /// The template renders nothing.
    Empty,
    /// The live object cannot be read.
    Unknown,
    /// The live object is not read yet.
    Pending,
}

impl RoutemapState {
    /// Returns true if all its routes are as decided.
    pub(crate) fn is_in_place(&self) -> bool {
        let is_done = |route: &RouteState| matches!(route.state, RoutePhase::InPlace | RoutePhase::Empty);
        self.mistakes.is_empty() && self.unreadable.is_empty() && self.routes.iter().all(is_done)
    }

    /// Returns true if it is not valid, or has an output that is not applied.
    pub(crate) fn is_refused(&self) -> bool {
        !self.mistakes.is_empty() || self.routes.iter().any(|route| route.state == RoutePhase::Refused)
    }
}

/// Decides about a routemap, and claims its routes.
pub(super) fn claim(shared: &Arc<Shared>, object: &RoutemapObject) -> Option<Decision> {
    let (routemap, resources) = object.parsed.as_ref().ok()?;
    let decision = rendering::decide_fully(shared, object, routemap, &claims::known(shared, resources));
    Some(claims::claim(shared, &object.key, decision))
}

/// Decides about a routemap, and watches its routes.
pub(super) fn decision(shared: &Arc<Shared>, object: &RoutemapObject) -> Option<Decision> {
    let decision = claim(shared, object)?;
    watches::watch_targets(shared, claims::rendered_types(shared, &decision));
    Some(decision)
}

/// Returns the state of a routemap.
pub(super) fn state(shared: &Arc<Shared>, object: &RoutemapObject) -> RoutemapState {
    let mut state = RoutemapState {
        namespace: object.key.namespace.to_string(),
        name: object.key.name.to_string(),
        mistakes: Vec::new(),
        unreadable: Vec::new(),
        missing_types: Vec::new(),
        versions: Vec::new(),
        routes: Vec::new(),
    };
    let resources = match &object.parsed {
        Ok((_, resources)) => resources,
        Err(errors) => {
            state.mistakes = errors.iter().map(InputError::with_next_step).collect();
            return state;
        }
    };
    let types: BTreeSet<TypeId> = resources.iter().map(|resource| resource.of_type).collect();
    let names: Vec<String> =
        types.iter().filter_map(|of_type| Some(shared.types.get(*of_type)?.resource.to_string())).collect();
    let unreadable = names.iter().filter_map(|name| shared.failure(name));
    state.unreadable = unreadable.map(|error| with_hint(&error)).collect();
    let decision = match state.unreadable.is_empty() {
        true => decision(shared, object),
        false => None,
    };
    let routes = decision.iter().flat_map(|decision| claims::rendered_types(shared, decision));
    let routes = routes.filter_map(|of_type| Some(routes_of(&shared.types.get(of_type)?.resource)));
    let missing = names.into_iter().chain(routes).filter_map(|name| shared.absence(&name));
    state.missing_types = missing.map(|error| with_hint(&error)).collect();
    state.versions = decision.iter().flat_map(|decision| &decision.versions).map(version).collect();
    state.routes = decision.iter().flat_map(|decision| &decision.outputs).map(|output| route(shared, output)).collect();
    state
}

fn version(state: &decision::VersionState) -> VersionState {
    let mut problems: Vec<String> = state.problems.iter().map(ToString::to_string).collect();
    problems.extend(state.invalid_weight.iter().map(ToString::to_string));
    VersionState {
        available: state.availability != Availability::Unavailable,
        weight: state.weight,
        problems,
        held_until: match state.availability {
            Availability::Held(until) => Some(until),
            _ => None,
        },
    }
}

fn route(shared: &Shared, output: &Output) -> RouteState {
    let mut route = RouteState {
        template: output.template.to_string(),
        object: output.target().map(ToString::to_string).unwrap_or_default(),
        state: RoutePhase::Empty,
        detail: None,
        changed: None,
        desired: None,
        live: None,
        compared: None,
    };
    match &output.result {
        Rendered::Empty => {}
        Rendered::Refused(refusal) => {
            (route.state, route.detail) = (RoutePhase::Refused, Some(refusal.to_string()));
        }
        Rendered::Desired(desired) => {
            route.desired = Some(Value::Object(desired.object.clone()));
            route.state = RoutePhase::Pending;
            if let Some(target) = shared.types.target(&desired.target) {
                let known = shared.index.target(&target);
                route.compared = Some(Compared { desired: desired.clone(), target, live: None });
                match known {
                    Target::Unlisted => {}
                    Target::Missing => route.state = RoutePhase::Missing,
                    Target::Unknown => {
                        route.state = RoutePhase::Unknown;
                        let failure = shared.failure(&routes_of(&desired.resource));
                        route.detail = failure.map(|error| with_hint(&error));
                    }
                    Target::Exists(live) => route.is_live(live),
                }
            }
        }
    }
    route
}

impl RouteState {
    /// Takes the live object, and compares it with the desired one as far as that is possible without a request.
    pub(super) fn is_live(&mut self, live: Arc<Live>) {
        let Some(desired) = &self.desired else { return };
        self.detail = live.difference(desired);
        self.state = if self.detail.is_some() { RoutePhase::Differs } else { RoutePhase::InPlace };
        (self.changed, self.live) = (live.applied_at, Some(live.object()));
        if let Some(compared) = &mut self.compared {
            compared.live = Some(live);
        }
    }
}
