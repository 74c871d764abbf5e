//! The decision about a routemap: availability and weight of each version, and the objects that its templates render.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};
use gotemplate::Budget;

use super::availability::{Availability, Reason, availability};
use super::config::Config;
use super::observed::Observed;
use super::render::{ROUTEMAP_BUDGET, RenderError};
use super::routemap::{ResourceRef, Routemap, RoutingTemplate, Version};
use super::target::{self, Desired, Invalid, Target};
use super::weights::{Annotated, Sources, weights};
use crate::values::input::InputErrors;

/// Decision about a routemap.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Versions, in their order.
    pub versions: Vec<VersionState>,
    /// True if no available version has a weight above 0, so the first version gets all traffic.
    pub is_fallback: bool,
    /// Outputs of the templates, in the order of their names.
    pub outputs: Vec<Output>,
    /// Time at which the decision may change without a change of the cluster.
    pub redecide_at: Option<DateTime<Utc>>,
}

/// State of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionState {
    /// Availability.
    pub availability: Availability,
    /// Resources that are not, or no longer, available.
    pub problems: Vec<Problem>,
    /// Desired weight.
    pub weight: u32,
    /// Weight annotation that has no effect because it is not valid.
    pub invalid_weight: Option<Annotated>,
}

/// A resource that is not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The resource.
    pub resource: ResourceRef,
    /// Reason why it is not available.
    pub reason: Reason,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.resource, self.reason)
    }
}

/// Output of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Name of the template.
    pub template: Box<str>,
    /// Result of rendering it.
    pub result: Rendered,
}

/// Result of rendering a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Rendered {
    /// An object to apply.
    Desired(Box<Desired>),
    /// Nothing to apply.
    Empty,
    /// No object that may be applied; the last good one stays.
    Refused(Refusal),
}

/// Reason why the output of a template is not applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The configuration does not allow templates to render this type.
    #[error("{}", not_allowed(.short, .allowed))]
    Type {
        /// Short name of the type.
        short: Box<str>,
        /// Short names of the types that may be rendered.
        allowed: Box<[Box<str>]>,
    },
    /// The template has no usable output.
    #[error("{0}")]
    Template(#[from] RenderError),
    /// The object is not valid.
    #[error("{}", .errors.with_next_steps())]
    Object {
        /// The object, if its name and namespace are valid.
        target: Option<Target>,
        /// All its mistakes.
        errors: InputErrors,
    },
    /// Another template of the routemap, or another routemap, renders the same object.
    #[error("{target} is also rendered by {}; no two templates may render the same object", .others.join(", "))]
    Contested {
        /// The object.
        target: Target,
        /// The other templates or routemaps.
        others: Vec<String>,
    },
}

fn not_allowed(short: &str, allowed: &[Box<str>]) -> String {
    let allowed = match allowed {
        [] => "none".to_owned(),
        types => types.join(", "),
    };
    format!(
        "objects of type `{short}` may not be rendered (allowed: {allowed}); to allow it, add `{short}` to routeTypes in the \
         controller's configuration"
    )
}

impl Refusal {
    /// Returns the name of the reason, for metrics and Events.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Type { .. } => "TypeNotAllowed",
            Self::Template(_) => "TemplateFailed",
            Self::Object { .. } => "InvalidObject",
            Self::Contested { .. } => "Contested",
        }
    }
}

/// Name of a routemap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutemapName {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

impl fmt::Display for RoutemapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Templates of a routemap that exceed their limits with these weights. They need not be rendered again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endless {
    weights: Vec<u32>,
    errors: BTreeMap<Box<str>, RenderError>,
}

impl Endless {
    /// Returns those of a decision.
    pub fn of(decision: &Decision) -> Self {
        let errors = decision.outputs.iter().filter_map(|output| match &output.result {
            Rendered::Refused(Refusal::Template(error @ RenderError::Limit(_))) => {
                Some((output.template.clone(), error.clone()))
            }
            _ => None,
        });
        Self { errors: errors.collect(), weights: decision.versions.iter().map(|version| version.weight).collect() }
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    fn error(&self, template: &str, weights: &[u32]) -> Option<RenderError> {
        self.errors.get(template).filter(|_| self.weights == weights).cloned()
    }
}

/// Decides about a routemap. `observed` returns the state of an object if it exists and is watched.
pub fn decide<'o>(
    routemap: &Routemap,
    observed: impl Fn(&ResourceRef) -> Option<&'o Observed>,
    config: &Config,
    now: DateTime<Utc>,
) -> Decision {
    decide_within(routemap, observed, config, now, (&mut ROUTEMAP_BUDGET.clone(), &Endless::default()))
}

/// Decides about a routemap like [`decide`], but spends from a budget, and does not render templates that are known to exceed it.
pub fn decide_within<'o>(
    routemap: &Routemap,
    observed: impl Fn(&ResourceRef) -> Option<&'o Observed>,
    config: &Config,
    now: DateTime<Utc>,
    (budget, endless): (&mut Budget, &Endless),
) -> Decision {
    let Weighed { versions, is_fallback } = weigh(routemap, &observed, config, now);
    let weights: Vec<u32> = versions.iter().map(|version| version.weight).collect();
    let outputs = render_within(routemap, &weights, config, (budget, endless));
    let holds = versions.iter().filter_map(|state| match state.availability {
        Availability::Held(until) => Some(until),
        _ => None,
    });
    Decision { redecide_at: holds.min(), versions, is_fallback, outputs }
}

/// Availability and weights of a routemap's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// Versions, in their order.
    pub versions: Vec<VersionState>,
    /// True if no available version has a weight above 0, so the first version gets all traffic.
    pub is_fallback: bool,
}

/// Judges the versions of a routemap and decides their weights, without rendering its templates.
pub fn weigh<'o>(
    routemap: &Routemap,
    observed: impl Fn(&ResourceRef) -> Option<&'o Observed>,
    config: &Config,
    now: DateTime<Utc>,
) -> Weighed {
    let mut versions: Vec<VersionState> =
        routemap.versions.iter().map(|version| judge(version, &observed, config, now)).collect();
    let annotated = |version: &Version| version.resources.first().and_then(&observed)?.weight.as_ref();
    let sources = |(version, state): (&Version, &VersionState)| Sources {
        is_available: state.availability != Availability::Unavailable,
        annotated: annotated(version),
        default: version.weight,
    };
    let sources: Vec<Sources<'_>> = routemap.versions.iter().zip(&versions).map(sources).collect();
    let (weights, is_fallback) = weights(&sources);
    for ((state, source), weight) in versions.iter_mut().zip(sources).zip(weights) {
        state.weight = weight;
        state.invalid_weight = source.annotated.filter(|annotated| annotated.weight().is_none()).cloned();
    }
    Weighed { versions, is_fallback }
}

/// Renders the templates of a routemap with these weights, one per version, whatever the versions are.
pub fn render(routemap: &Routemap, weights: &[u32], config: &Config) -> Vec<Output> {
    render_within(routemap, weights, config, (&mut ROUTEMAP_BUDGET.clone(), &Endless::default()))
}

fn render_within(
    routemap: &Routemap,
    weights: &[u32],
    config: &Config,
    (budget, endless): (&mut Budget, &Endless),
) -> Vec<Output> {
    let values = routemap.values(weights);
    let output = |template: &RoutingTemplate| Output {
        template: template.name.clone(),
        result: match endless.error(&template.name, weights) {
            Some(error) => Rendered::Refused(error.into()),
            None => rendered(template, &values, &routemap.namespace, config, &mut *budget),
        },
    };
    let mut outputs: Vec<Output> = routemap.templates.iter().map(output).collect();
    refuse_duplicates(&mut outputs);
    outputs
}

/// Judges a version; the weight is decided later.
fn judge<'o>(
    version: &Version,
    observed: impl Fn(&ResourceRef) -> Option<&'o Observed>,
    config: &Config,
    now: DateTime<Utc>,
) -> VersionState {
    let mut state =
        VersionState { availability: Availability::Available, problems: Vec::new(), weight: 0, invalid_weight: None };
    for resource in &version.resources {
        // A routemap is read with the same configuration, so its types exist.
        let (next, reason) = match config.resource_types.get(&resource.short) {
            Some(kind) => availability(observed(resource), kind, config.hold_time, now),
            None => (Availability::Unavailable, Some(Reason::Missing)),
        };
        state.availability = state.availability.and(next);
        state.problems.extend(reason.map(|reason| Problem { resource: resource.clone(), reason }));
    }
    state
}

fn rendered(
    template: &RoutingTemplate,
    values: &serde_json::Value,
    namespace: &str,
    config: &Config,
    budget: &mut Budget,
) -> Rendered {
    let Some(kind) = config.resource_types.get(&template.short) else { return Rendered::Empty };
    // Not rendered, so that nothing of this type is claimed or watched.
    if !config.route_types.contains(&template.short) {
        let allowed = config.route_types.iter().cloned().collect();
        return Rendered::Refused(Refusal::Type { short: template.short.clone(), allowed });
    }
    let text = match template.template.render(values, budget) {
        Ok(Some(text)) => text,
        Ok(None) => return Rendered::Empty,
        Err(error) => return Rendered::Refused(error.into()),
    };
    match target::check(&text, kind, namespace, config) {
        Ok(desired) => Rendered::Desired(Box::new(desired)),
        Err(Invalid { target, errors }) => Rendered::Refused(Refusal::Object { target, errors }),
    }
}

/// Refuses objects that several templates of a routemap render.
fn refuse_duplicates(outputs: &mut [Output]) {
    let mut templates: BTreeMap<Target, Vec<Box<str>>> = BTreeMap::new();
    for output in outputs.iter() {
        if let Rendered::Desired(desired) = &output.result {
            templates.entry(desired.target.clone()).or_default().push(output.template.clone());
        }
    }
    for output in outputs {
        let Some(names) = output.target().and_then(|target| templates.get(target)).filter(|names| names.len() > 1)
        else {
            continue;
        };
        let others = names.iter().filter(|name| **name != output.template);
        let others = others.map(|name| format!("template `{name}`")).collect();
        output.contest(others);
    }
}

impl Output {
    /// Returns the object that the template renders, contested or not.
    pub fn target(&self) -> Option<&Target> {
        match &self.result {
            Rendered::Desired(desired) => Some(&desired.target),
            Rendered::Refused(Refusal::Contested { target, .. }) => Some(target),
            Rendered::Refused(Refusal::Object { target, .. }) => target.as_ref(),
            Rendered::Refused(Refusal::Type { .. } | Refusal::Template(_)) | Rendered::Empty => None,
        }
    }

    /// Refuses the object because others render it, too. An object that is not valid stays refused for that reason.
    fn contest(&mut self, others: Vec<String>) {
        let is_invalid = matches!(self.result, Rendered::Refused(Refusal::Object { .. }));
        if let Some(target) = self.target().filter(|_| !is_invalid).cloned() {
            self.result = Rendered::Refused(Refusal::Contested { target, others });
        }
    }
}

impl Decision {
    /// Returns the objects that the templates render, contested ones included: the claims of the routemap.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.outputs.iter().filter_map(Output::target)
    }

    /// Returns true if a template failed, so that nobody knows which object it would have rendered. Its routes stay as they are, and the routemap
    /// keeps its earlier claims: otherwise, another routemap that renders the same object would get it.
    pub fn has_unknown_target(&self) -> bool {
        let is_unknown = |output: &Output| match &output.result {
            // Nothing is rendered, so there is no object.
            Rendered::Refused(Refusal::Type { .. }) => false,
            Rendered::Refused(_) => output.target().is_none(),
            Rendered::Desired(_) | Rendered::Empty => false,
        };
        self.outputs.iter().any(is_unknown)
    }

    /// Refuses outputs that other routemaps also claim. `claimants` returns all routemaps that claim an object.
    ///
    /// None of them gets the object, whichever was first: an order would depend on the history of the controller.
    pub fn refuse_contested<'c>(
        &mut self,
        own: &RoutemapName,
        claimants: impl Fn(&Target) -> Option<&'c BTreeSet<RoutemapName>>,
    ) {
        for output in &mut self.outputs {
            let claimants = output.target().and_then(&claimants).into_iter().flatten();
            let others: Vec<String> =
                claimants.filter(|name| *name != own).map(|name| format!("routemap {name}")).collect();
            if !others.is_empty() {
                output.contest(others);
            }
        }
    }
}

/// Refuses every output that more than one of these decisions claims.
pub fn refuse_contested(decisions: &mut BTreeMap<RoutemapName, Decision>) {
    let mut claims: BTreeMap<Target, BTreeSet<RoutemapName>> = BTreeMap::new();
    for (name, decision) in decisions.iter() {
        for target in decision.targets() {
            claims.entry(target.clone()).or_default().insert(name.clone());
        }
    }
    for (name, decision) in decisions {
        decision.refuse_contested(name, |target| claims.get(target));
    }
}
