//! Configuration of the controller, in the format of Iter8's `CONFIG_FILE`, with settings of our own whose defaults are Iter8's behaviour.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::fields::{Fields, Mistakes, shown};
use crate::model::codec::value_from_yaml;
use crate::model::duration::GoDuration;
use crate::model::object::ResourceKind;
use crate::model::path::FieldPath;
use crate::values::input::{InputError, InputErrors};

/// Iter8's `defaultResync`.
const DEFAULT_RESYNC: Duration = Duration::from_secs(15 * 60);

/// Maximum resource types; each is watched.
const MAX_TYPES: usize = 100;

/// Maximum conditions of a resource type.
const MAX_CONDITIONS: usize = 20;

/// Keys of the file. The last three configure storage that Iter8 has and this controller does not need; they have no effect.
const KEYS: [&str; 9] = [
    "defaultResync",
    "clusterScoped",
    "resourceTypes",
    "routeTypes",
    "holdTime",
    "otherNamespaces",
    "persist",
    "storage",
    "storageClassName",
];

/// Groups whose types are routes. Without `routeTypes`, only these may be rendered: whoever may create a ConfigMap would otherwise write
/// workloads with the rights of the controller.
const ROUTE_GROUPS: [&str; 2] = ["networking.istio.io", "gateway.networking.k8s.io"];

/// Keys of a resource type; `kind` is ours.
const TYPE_KEYS: [&str; 5] = ["Group", "Version", "Resource", "conditions", "kind"];

/// Configuration of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Interval in which everything is decided again without a change.
    pub default_resync: Duration,
    /// True if versions may have resources in other namespaces than their routemap.
    pub is_cluster_scoped: bool,
    /// Resource types by their short name (`gvrShort`).
    pub resource_types: BTreeMap<Box<str>, ResourceType>,
    /// Short names of the types that templates may render. Iter8 renders all of them.
    pub route_types: BTreeSet<Box<str>>,
    /// Time for which a version stays available after a condition became `Unknown`. Iter8 has none.
    pub hold_time: Duration,
    /// True if templates may render objects in other namespaces than their routemap. Iter8 refuses them.
    pub allows_other_namespaces: bool,
}

/// A resource type that the controller watches or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// Group, version and plural.
    pub resource: ResourceKind,
    /// Kind of its objects, if known: from the file, or from the API server's discovery.
    pub kind: Option<Box<str>>,
    /// Conditions that an available object satisfies.
    pub conditions: Vec<Condition>,
}

/// A condition that an available object satisfies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Type, such as `Ready`; compared case-insensitively.
    pub name: Box<str>,
    /// Status, such as `True`; compared case-insensitively.
    pub status: Box<str>,
}

/// Configuration of a controller without a file: Iter8's resource types.
const STOCK: &str = include_str!("stock.yaml");

impl Config {
    /// Reads the configuration of a controller without a file.
    pub fn stock() -> Result<Self, InputErrors> {
        Self::from_yaml(STOCK)
    }

    /// Reads the text of the file. Fails with all its mistakes.
    pub fn from_yaml(text: &str) -> Result<Self, InputErrors> {
        let value = value_from_yaml(text).map_err(|error| InputError::new(FieldPath::root(), error.to_string()))?;
        let mut mistakes = Mistakes::default();
        let config = read(&value, &mut mistakes);
        mistakes.check(config)
    }
}

impl ResourceType {
    /// Returns the `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        match self.resource.group.as_str() {
            "" => self.resource.version.clone(),
            group => format!("{group}/{}", self.resource.version),
        }
    }

    /// Returns true if `kind` is, or may be, the kind of its objects.
    ///
    /// The API server knows kinds and plurals; it also refuses a wrong kind. If the kind is not known, this compares the plural with the
    /// English plurals of the kind.
    pub(super) fn accepts_kind(&self, kind: &str) -> bool {
        if let Some(known) = &self.kind {
            return **known == *kind;
        }
        let singular = kind.to_lowercase();
        match self.resource.resource.strip_prefix(&singular) {
            Some(ending) => matches!(ending, "" | "s" | "es"),
            None => singular.strip_suffix('y').is_some_and(|stem| self.resource.resource == format!("{stem}ies")),
        }
    }
}

fn read(value: &Value, mistakes: &mut Mistakes) -> Config {
    let fields = mistakes.fields(value, FieldPath::root(), &KEYS);
    let default_resync = duration(&fields, "defaultResync", mistakes).unwrap_or(DEFAULT_RESYNC);
    let is_cluster_scoped = mistakes.switch(&fields, "clusterScoped");
    let resource_types = resource_types(&fields, mistakes);
    let config = Config {
        default_resync,
        is_cluster_scoped,
        route_types: route_types(&fields, &resource_types, mistakes),
        resource_types,
        hold_time: duration(&fields, "holdTime", mistakes).unwrap_or_default(),
        allows_other_namespaces: mistakes.switch(&fields, "otherNamespaces"),
    };
    if config.allows_other_namespaces && !config.is_cluster_scoped {
        mistakes.add(fields.at("otherNamespaces"), "needs `clusterScoped: true`");
    }
    config
}

fn duration(fields: &Fields<'_>, key: &str, mistakes: &mut Mistakes) -> Option<Duration> {
    let text = mistakes.text(fields, key)?;
    match text.parse::<GoDuration>() {
        Ok(duration) => Some(duration.0),
        Err(error) => {
            mistakes.add(fields.at(key), error.to_string());
            None
        }
    }
}

fn resource_types(fields: &Fields<'_>, mistakes: &mut Mistakes) -> BTreeMap<Box<str>, ResourceType> {
    let path = fields.at("resourceTypes");
    if fields.get("resourceTypes").is_none() {
        mistakes.add(path.clone(), "is missing; expected a map from short names to resource types");
    }
    let mut types = BTreeMap::new();
    for (short, value) in mistakes.entries(fields, "resourceTypes", MAX_TYPES) {
        let fields = mistakes.fields(value, path.clone().key(short), &TYPE_KEYS);
        let resource = ResourceKind {
            group: mistakes.text(&fields, "Group").unwrap_or_default().to_owned(),
            version: mistakes.required(&fields, "Version").unwrap_or_default().to_owned(),
            resource: mistakes.required(&fields, "Resource").unwrap_or_default().to_owned(),
        };
        let kind = mistakes.text(&fields, "kind").map(Into::into);
        let conditions = conditions(&fields, mistakes);
        types.insert(short.as_str().into(), ResourceType { resource, kind, conditions });
    }
    types
}

/// Reads the short names of the types that templates may render; by default, those of Istio and the Gateway API.
fn route_types(
    fields: &Fields<'_>,
    types: &BTreeMap<Box<str>, ResourceType>,
    mistakes: &mut Mistakes,
) -> BTreeSet<Box<str>> {
    if fields.get("routeTypes").is_none() {
        let is_route = |kind: &ResourceType| ROUTE_GROUPS.contains(&kind.resource.group.as_str());
        return types.iter().filter(|(_, kind)| is_route(kind)).map(|(short, _)| short.clone()).collect();
    }
    let path = fields.at("routeTypes");
    let mut routes = BTreeSet::new();
    for (index, value) in mistakes.list(fields, "routeTypes", MAX_TYPES).iter().enumerate() {
        let path = path.clone().index(index);
        let Some(short) = value.as_str() else {
            mistakes.mistyped(path, value, "a string");
            continue;
        };
        if types.contains_key(short) {
            routes.insert(short.into());
        } else {
            let known: Vec<&str> = types.keys().map(|short| &**short).collect();
            let message =
                format!("`{}` is not a configured resource type; expected one of {}", shown(short), known.join(", "));
            mistakes.push(InputError::new(path, message).with_suggestion(short, known));
        }
    }
    routes
}

fn conditions(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Vec<Condition> {
    let items = mistakes.list(fields, "conditions", MAX_CONDITIONS).iter().enumerate();
    let condition = |(index, value)| {
        let fields = mistakes.fields(value, fields.at("conditions").index(index), &["name", "status"]);
        let name = mistakes.required(&fields, "name");
        let status = mistakes.required(&fields, "status");
        Some(Condition { name: name?.into(), status: status?.into() })
    };
    items.filter_map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let errors = Config::from_yaml(text).unwrap_err();
        let message = |error: &InputError| match &error.hint {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        };
        errors.iter().map(message).collect()
    }

    #[test]
    fn the_file_of_iter8_is_read() {
        let text = "
            defaultResync: 30s
            clusterScoped: true
            persist: true
            resourceTypes:
              svc: {Group: '', Version: v1, Resource: services}
              deploy: {group: apps, version: v1, resource: deployments, conditions: [{name: Available, status: 'True'}]}";
        let config = Config::from_yaml(text).unwrap();
        assert_eq!((config.default_resync, config.is_cluster_scoped), (Duration::from_secs(30), true));
        assert_eq!((config.hold_time, config.allows_other_namespaces), (Duration::ZERO, false));
        let deploy = &config.resource_types["deploy"];
        assert_eq!(deploy.api_version(), "apps/v1");
        assert_eq!(deploy.conditions, [Condition { name: "Available".into(), status: "True".into() }]);
        assert_eq!(config.resource_types["svc"].api_version(), "v1");
    }

    #[test]
    fn settings_have_the_defaults_of_iter8() {
        let config = Config::from_yaml("resourceTypes: {}").unwrap();
        assert_eq!((config.default_resync, config.is_cluster_scoped), (Duration::from_secs(900), false));
    }

    #[test]
    fn all_mistakes_are_named_with_path_and_expectation() {
        let text = "
            defaultResync: 15
            holdTime: 5 s
            clusterscope: true
            otherNamespaces: true
            resourceTypes:
              vs: {Group: networking.istio.io, Version: 1, Resources: virtualservices}
              isvc: [serving]
              deploy: {Version: v1, Resource: deployments, conditions: [{name: Ready}]}";
        assert_eq!(
            errors(text),
            [
                "clusterscope: unknown field `clusterscope`; expected one of defaultResync, clusterScoped, resourceTypes, routeTypes, \
                 holdTime, otherNamespaces, persist, storage, storageClassName (did you mean `clusterScoped`?)",
                "defaultResync: `15` is a number; expected a string",
                "resourceTypes.deploy.conditions[0].status: is missing",
                "resourceTypes.isvc: is a list; expected a map",
                "resourceTypes.vs.Resources: unknown field `Resources`; expected one of Group, Version, Resource, conditions, kind \
                 (did you mean `Resource`?)",
                "resourceTypes.vs.Version: `1` is a number; expected a string",
                "resourceTypes.vs.Resource: is missing",
                "holdTime: `5 s` is not a duration; expected a number with a unit, such as `5s`, `1m30s` or `500ms`",
                "otherNamespaces: needs `clusterScoped: true`",
            ]
        );
        assert_eq!(errors("")[0], "is nothing; expected a map");
        assert_eq!(errors("a: [")[0].split(':').next(), Some("line 1, column 4"));
    }

    #[test]
    fn only_routes_may_be_rendered_by_default() {
        let types = "
            resourceTypes:
              cm: {Version: v1, Resource: configmaps}
              deploy: {Group: apps, Version: v1, Resource: deployments}
              vs: {Group: networking.istio.io, Version: v1, Resource: virtualservices}
              httproute: {Group: gateway.networking.k8s.io, Version: v1, Resource: httproutes}";
        let routes = |text: &str| -> Vec<String> {
            let config = Config::from_yaml(&format!("{types}{text}")).unwrap();
            config.route_types.iter().map(ToString::to_string).collect()
        };
        assert_eq!(routes(""), ["httproute", "vs"]);
        assert_eq!(routes("\n            routeTypes: [cm]"), ["cm"]);
        assert!(routes("\n            routeTypes: []").is_empty());
        assert_eq!(
            errors(&format!("{types}\n            routeTypes: [vss, 5]")),
            [
                "routeTypes[0]: `vss` is not a configured resource type; expected one of cm, deploy, httproute, vs \
                 (did you mean `vs`?)",
                "routeTypes[1]: `5` is a number; expected a string",
            ]
        );
    }

    #[test]
    fn kinds_are_compared_with_the_plural_unless_known() {
        let of = |plural: &str, kind: Option<&str>| ResourceType {
            resource: ResourceKind { group: String::new(), version: "v1".into(), resource: plural.into() },
            kind: kind.map(Into::into),
            conditions: Vec::new(),
        };
        for (plural, kind) in [
            ("virtualservices", "VirtualService"),
            ("gateways", "Gateway"),
            ("networkpolicies", "NetworkPolicy"),
            ("ingresses", "Ingress"),
            ("endpoints", "Endpoints"),
        ] {
            assert!(of(plural, None).accepts_kind(kind), "{kind}");
            assert!(!of(plural, None).accepts_kind("Secret"), "{kind}");
        }
        assert!(of("virtualservices", Some("Other")).accepts_kind("Other"));
        assert!(!of("virtualservices", Some("Other")).accepts_kind("VirtualService"));
    }
}
