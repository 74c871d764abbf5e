//! Routemaps: ConfigMaps that name the versions of an application and the templates of their routes, in the format of Iter8 v0.13.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::config::Config;
use super::fields::{Fields, Mistakes, shown};
use super::render::{MAX_MEMORY, Template};
use super::target::{EXPECTED_NAME, is_name};
use super::weights::MAX_WEIGHT;
use crate::model::codec::value_within;
use crate::model::path::FieldPath;
use crate::model::text::one_line;
use crate::values::input::{InputError, InputErrors};

/// Labels by which the controller finds routemaps.
pub const LABELS: [(&str, &str); 3] =
    [("app.kubernetes.io/managed-by", "iter8"), ("iter8.tools/kind", "routemap"), ("iter8.tools/version", "v0.13")];

/// Key of the ConfigMap's data.
const SPEC: &str = "strSpec";

/// Maximum size of the spec, in bytes: that of a ConfigMap.
const MAX_SPEC: usize = 1 << 20;

/// Maximum versions.
const MAX_VERSIONS: usize = 100;

/// Maximum resources of a version.
const MAX_RESOURCES: usize = 100;

/// Maximum templates.
const MAX_TEMPLATES: usize = 100;

/// Maximum size of all templates together, in bytes.
const MAX_TEMPLATE_BYTES: usize = gotemplate::bounds::MAX_TEMPLATE;

/// Annotation in which kubectl keeps a copy of the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A valid routemap with its parsed templates.
#[derive(Debug)]
pub struct Routemap {
    /// Name of the ConfigMap.
    pub name: Box<str>,
    /// Namespace of the ConfigMap.
    pub namespace: Box<str>,
    /// Unique id of the ConfigMap; empty if it is not in a cluster.
    pub uid: Box<str>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// Versions; at least one.
    pub versions: Box<[Version]>,
    /// Routing templates in the order of their names.
    pub templates: Box<[RoutingTemplate]>,
}

/// A version of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Weight, if given.
    pub weight: Option<u32>,
    /// Objects that make up the version; the first one may have a weight annotation.
    pub resources: Box<[ResourceRef]>,
}

/// Reference to an object of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceRef {
    /// Short name of its type in the configuration (`gvrShort`).
    pub short: Box<str>,
    /// Namespace: the routemap's, unless given.
    pub namespace: Box<str>,
    /// Object name.
    pub name: Box<str>,
}

impl fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.short, self.namespace, self.name)
    }
}

/// A routing template.
#[derive(Debug)]
pub struct RoutingTemplate {
    /// Name in the routemap.
    pub name: Box<str>,
    /// Short name of the type that it renders (`gvrShort`).
    pub short: Box<str>,
    /// The parsed template.
    pub template: Template,
}

impl Routemap {
    /// Reads a ConfigMap. Fails with all its mistakes.
    pub fn read(source: &ConfigMap, config: &Config) -> Result<Self, InputErrors> {
        let mut mistakes = Mistakes::default();
        let name = metadata(source.metadata.name.as_deref(), "name", &mut mistakes);
        let namespace = metadata(source.metadata.namespace.as_deref(), "namespace", &mut mistakes);
        check_labels(source, &mut mistakes);
        if source.immutable != Some(true) {
            mistakes.add(
                FieldPath::from("immutable"),
                "must be `true`; to change a routemap, replace it with `kubectl replace --force`",
            );
        }
        let at = FieldPath::root().key("data").key(SPEC);
        let reader = Reader { config, namespace };
        let (versions, templates) = match read_spec(source, &at) {
            Ok(spec) => reader.spec(&spec, at, &mut mistakes),
            Err(error) => {
                mistakes.push(error);
                Default::default()
            }
        };
        let routemap = Self {
            versions,
            templates,
            name: name.into(),
            namespace: namespace.into(),
            uid: source.metadata.uid.as_deref().unwrap_or_default().into(),
            labels: source.metadata.labels.clone().unwrap_or_default(),
            annotations: without_last_applied(source),
        };
        mistakes.check(routemap)
    }

    /// Returns the values that templates see.
    pub(super) fn values(&self, weights: &[u32]) -> Value {
        let resource = |resource: &ResourceRef| json!({"GVRShort": resource.short, "Name": resource.name, "Namespace": resource.namespace});
        let version = |version: &Version| {
            let resources: Vec<Value> = version.resources.iter().map(resource).collect();
            json!({"Weight": version.weight, "Resources": resources})
        };
        json!({
            "Name": self.name,
            "Namespace": self.namespace,
            "Labels": self.labels,
            "Annotations": self.annotations,
            "Versions": self.versions.iter().map(version).collect::<Vec<_>>(),
            "Weights": weights,
        })
    }
}

fn metadata<'s>(value: Option<&'s str>, key: &str, mistakes: &mut Mistakes) -> &'s str {
    let value = value.unwrap_or_default();
    if value.is_empty() {
        mistakes.add(FieldPath::from("metadata").key(key), "is missing");
    }
    value
}

fn check_labels(source: &ConfigMap, mistakes: &mut Mistakes) {
    for (label, expected) in LABELS {
        let value = source.metadata.labels.as_ref().and_then(|labels| labels.get(label));
        let problem = match value {
            Some(value) if value == expected => continue,
            Some(value) => format!("is `{}`", shown(value)),
            None => "is missing".to_owned(),
        };
        mistakes.add(FieldPath::from("metadata.labels").key(label), format!("{problem}; expected `{expected}`"));
    }
}

fn read_spec(source: &ConfigMap, at: &FieldPath) -> Result<Value, InputError> {
    let fail = |message: String| Err(InputError::new(at.clone(), message));
    match source.data.as_ref().and_then(|data| data.get(SPEC)) {
        None => fail("is missing; expected YAML with versions and routingTemplates".to_owned()),
        Some(text) if text.len() > MAX_SPEC => {
            fail(format!("has {} bytes; at most {MAX_SPEC} are allowed", text.len()))
        }
        Some(text) => value_within(text, MAX_MEMORY).or_else(|error| fail(error.to_string())),
    }
}

fn without_last_applied(source: &ConfigMap) -> BTreeMap<String, String> {
    let annotations = source.metadata.annotations.iter().flatten();
    annotations.filter(|(key, _)| *key != LAST_APPLIED).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Reader of the parts of a spec.
struct Reader<'a> {
    config: &'a Config,
    namespace: &'a str,
}

impl Reader<'_> {
    fn spec(&self, spec: &Value, path: FieldPath, mistakes: &mut Mistakes) -> (Box<[Version]>, Box<[RoutingTemplate]>) {
        let fields = mistakes.fields(spec, path, &["versions", "routingTemplates"]);
        (self.versions(&fields, mistakes), self.templates(&fields, mistakes))
    }

    fn versions(&self, fields: &Fields<'_>, mistakes: &mut Mistakes) -> Box<[Version]> {
        let items = mistakes.list(fields, "versions", MAX_VERSIONS);
        if items.is_empty() && fields.is_map() && fields.get("versions").is_none_or(Value::is_array) {
            mistakes.add(fields.at("versions"), "is empty; expected at least one version");
        }
        let version = |(index, value)| {
            // Iter8 computes `signature` itself, so it is accepted and ignored.
            let keys = ["weight", "resources", "signature"];
            let fields = mistakes.fields(value, fields.at("versions").index(index), &keys);
            let weight = fields.get("weight");
            let weight = weight.and_then(|weight| mistakes.weight(fields.at("weight"), weight, MAX_WEIGHT));
            let resources = mistakes.list(&fields, "resources", MAX_RESOURCES).iter().enumerate();
            let resources = resources
                .filter_map(|(index, value)| self.resource(value, fields.at("resources").index(index), mistakes))
                .collect();
            Version { weight, resources }
        };
        items.iter().enumerate().map(version).collect()
    }

    fn resource(&self, value: &Value, path: FieldPath, mistakes: &mut Mistakes) -> Option<ResourceRef> {
        let fields = mistakes.fields(value, path, &["gvrShort", "name", "namespace"]);
        let short = self.short(&fields, mistakes);
        let name = mistakes.required(&fields, "name");
        if let Some(name) = name.filter(|name| !is_name(name)) {
            mistakes.add(fields.at("name"), format!("`{}` is not a valid name; {EXPECTED_NAME}", shown(name)));
        }
        let namespace = mistakes.text(&fields, "namespace").unwrap_or(self.namespace);
        if namespace != self.namespace && !self.config.is_cluster_scoped {
            let message = format!(
                "`{}` is not the namespace of the routemap (`{}`); others need `clusterScoped: true` in the controller's configuration",
                shown(namespace),
                self.namespace
            );
            mistakes.add(fields.at("namespace"), message);
        }
        Some(ResourceRef { short: short?.into(), namespace: namespace.into(), name: name?.into() })
    }

    fn templates(&self, fields: &Fields<'_>, mistakes: &mut Mistakes) -> Box<[RoutingTemplate]> {
        let mut templates = Vec::new();
        let mut bytes = 0;
        let path = fields.at("routingTemplates");
        for (name, value) in mistakes.entries(fields, "routingTemplates", MAX_TEMPLATES) {
            if one_line(name) != *name {
                mistakes.add(
                    path.clone(),
                    format!("`{}` is not a valid name; expected one line of visible characters", shown(name)),
                );
                continue;
            }
            let fields = mistakes.fields(value, path.clone().key(name), &["gvrShort", "template"]);
            let short = self.short(&fields, mistakes);
            let text = mistakes.required(&fields, "template").unwrap_or_default();
            bytes += text.len();
            if bytes > MAX_TEMPLATE_BYTES {
                mistakes.add(path, format!("templates have more than {MAX_TEMPLATE_BYTES} bytes in all"));
                break;
            }
            match Template::parse(text) {
                Ok(template) => templates.push(RoutingTemplate {
                    name: name.as_str().into(),
                    short: short.unwrap_or_default().into(),
                    template,
                }),
                Err(error) => mistakes.add(fields.at("template"), error.to_string()),
            }
        }
        templates.into()
    }

    /// Reads the short name of a configured resource type.
    fn short<'v>(&self, fields: &Fields<'v>, mistakes: &mut Mistakes) -> Option<&'v str> {
        let short = mistakes.required(fields, "gvrShort")?;
        if self.config.resource_types.contains_key(short) {
            return Some(short);
        }
        let known: Vec<&str> = self.config.resource_types.keys().map(|known| &**known).collect();
        let message =
            format!("`{}` is not a configured resource type; expected one of {}", shown(short), known.join(", "));
        mistakes.push(InputError::new(fields.at("gvrShort"), message).with_suggestion(short, known));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spec: &Value, annotations: &[(&str, &str)]) -> Result<Routemap, Vec<String>> {
        let config = "resourceTypes: {svc: {Version: v1, Resource: services}}";
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let mut source = ConfigMap { immutable: Some(true), ..ConfigMap::default() };
        source.metadata.name = Some("routes".to_owned());
        source.metadata.namespace = Some("shop".to_owned());
        source.metadata.labels = Some(pairs(&LABELS));
        source.metadata.annotations = Some(pairs(annotations));
        source.data = Some(pairs(&[(SPEC, &spec.to_string())]));
        let read = Routemap::read(&source, &Config::from_yaml(config).unwrap());
        read.map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn size_and_numbers_are_bounded() {
        let service = json!({"gvrShort": "svc", "name": "a"});
        let templates = |count: usize, bytes: usize| -> Value {
            let template = json!({"gvrShort": "svc", "template": "x".repeat(bytes)});
            let templates = (0..count).map(|index| (format!("t{index:03}"), template.clone()));
            json!({"versions": [{}], "routingTemplates": templates.collect::<serde_json::Map<_, _>>()})
        };
        for (spec, expected) in [
            (
                json!({"versions": vec![json!({}); 101]}),
                "data.strSpec.versions: has 101 entries; at most 100 are allowed",
            ),
            (
                json!({"versions": [{"resources": vec![service.clone(); 101]}]}),
                "data.strSpec.versions[0].resources: has 101 entries; at most 100 are allowed",
            ),
            (templates(101, 1), "data.strSpec.routingTemplates: has 101 entries; at most 100 are allowed"),
            (templates(5, 60_000), "data.strSpec.routingTemplates: templates have more than 262144 bytes in all"),
            (json!({"x": "x".repeat(1 << 20)}), "data.strSpec: has 1048584 bytes; at most 1048576 are allowed"),
        ] {
            assert_eq!(read(&spec, &[]).unwrap_err(), [expected]);
        }
        assert!(read(&json!({"versions": vec![json!({"resources": vec![service; 100]}); 100]}), &[]).is_ok());
        assert!(read(&templates(100, 2_000), &[]).is_ok());
    }

    #[test]
    fn mistakes_are_bounded() {
        let spec = json!({"versions": vec![json!({"x": 1}); 100]});
        assert_eq!(read(&spec, &[]).unwrap_err().len(), 20);
    }

    #[test]
    fn keys_match_as_in_go_and_null_is_absent() {
        let spec = json!({"Versions": [{"WEIGHT": 5, "resources": [{"gvrshort": "svc", "Name": "a", "namespace": null}]}, {"weight": null}],
                          "routingTemplates": null});
        let routemap = read(&spec, &[]).unwrap();
        let service = ResourceRef { short: "svc".into(), namespace: "shop".into(), name: "a".into() };
        assert_eq!(routemap.versions[0], Version { weight: Some(5), resources: [service].into() });
        assert_eq!(routemap.versions[1], Version { weight: None, resources: [].into() });
    }

    #[test]
    fn the_copy_of_kubectl_is_not_kept() {
        let routemap = read(&json!({"versions": [{}]}), &[("a", "b"), (LAST_APPLIED, "{}")]).unwrap();
        assert_eq!(routemap.values(&[1])["Annotations"], json!({"a": "b"}));
    }
}
