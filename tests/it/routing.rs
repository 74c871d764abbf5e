//! Decisions of the release controller, over the cases in `testdata/routing/CASE`:
//!
//! - `routemap.yaml`: a routemap, or a `List` of several;
//! - `objects.yaml`: the `objects` of the cluster; their `previous` states, if any, seen at `previousAt`; single settings of `config`; the time
//!   at which the objects were last seen (`observedAt`), and `now`;
//! - `expected.yaml`: the decision about each routemap. `UPDATE_ROUTING=1` rewrites it for review.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, Utc};
use iter8::model::codec::{to_yaml, value_from_yaml};
use iter8::routing::availability::Availability;
use iter8::routing::decision::{Decision, Output, Rendered, RoutemapName, VersionState, refuse_contested};
use iter8::routing::routemap::ResourceRef;
use iter8::routing::{Config, Observed, RawObject, Routemap, decide};
use iter8::values::input::{InputError, InputErrors};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value, json};

use crate::support::{files, tools};

/// Time of a case that gives none.
const NOW: &str = "2026-06-01T12:00:00Z";

/// Files of a case.
struct Case {
    routemaps: Vec<ConfigMap>,
    objects: Value,
    config: Config,
}

/// Configuration of the cases, with changed settings.
fn config(settings: &Value) -> Config {
    let mut config = value_from_yaml(&files::text(&files::root().join("testdata/routing/config.yaml"))).unwrap();
    config.as_object_mut().unwrap().extend(settings.as_object().cloned().unwrap_or_default());
    Config::from_yaml(&config.to_string()).unwrap()
}

impl Case {
    fn read(directory: &Path) -> Self {
        let read = |name: &str| value_from_yaml(&files::text(&directory.join(name))).unwrap();
        let objects = read("objects.yaml");
        let routemap = read("routemap.yaml");
        let items = routemap["items"].as_array().cloned().unwrap_or_else(|| vec![routemap]);
        Self {
            routemaps: items.into_iter().map(|item| serde_json::from_value(item).unwrap()).collect(),
            config: config(&objects["config"]),
            objects,
        }
    }

    fn time(&self, key: &str) -> Option<DateTime<Utc>> {
        Some(self.objects[key].as_str()?.parse().unwrap())
    }

    fn now(&self) -> DateTime<Utc> {
        self.time("now").unwrap_or_else(|| NOW.parse().unwrap())
    }

    /// Observes a list of objects, as a watch that selects objects by their label does.
    fn observe(
        &self,
        key: &str,
        at: DateTime<Utc>,
        previous: &BTreeMap<ResourceRef, Observed>,
    ) -> BTreeMap<ResourceRef, Observed> {
        let mut all = BTreeMap::new();
        for object in self.objects[key].as_array().into_iter().flatten() {
            let raw: RawObject = serde_json::from_value(object.clone()).unwrap();
            let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
            let is_of = |kind: &iter8::routing::ResourceType| {
                object["apiVersion"] == kind.api_version() && kind.resource.resource == plural
            };
            let (short, kind) = self.config.resource_types.iter().find(|(_, kind)| is_of(kind)).unwrap();
            let (namespace, name) = (raw.metadata.namespace.clone(), raw.metadata.name.clone());
            let reference = ResourceRef { short: short.clone(), namespace, name };
            let observed = Observed::new(raw, kind, previous.get(&reference), at);
            if observed.is_watched {
                all.insert(reference, observed);
            }
        }
        all
    }

    /// Decides about all routemaps, and returns the decisions as they are written in `expected.yaml`.
    fn decide(&self) -> Value {
        let now = self.now();
        let previous = self.observe("previous", self.time("previousAt").unwrap_or(now), &BTreeMap::new());
        let observed = self.observe("objects", self.time("observedAt").unwrap_or(now), &previous);
        let mut decisions = BTreeMap::new();
        let mut all = Map::new();
        for source in &self.routemaps {
            match Routemap::read(source, &self.config) {
                Ok(routemap) => {
                    let decision = decide(&routemap, |reference| observed.get(reference), &self.config, now);
                    let (namespace, name) = (routemap.namespace.clone(), routemap.name.clone());
                    decisions.insert(RoutemapName { namespace, name }, decision);
                }
                Err(errors) => {
                    let name = source.metadata.name.clone().unwrap();
                    all.insert(name, json!({"errors": messages(&errors)}));
                }
            }
        }
        refuse_contested(&mut decisions);
        all.extend(decisions.iter().map(|(name, decision)| (name.name.to_string(), shown(decision))));
        Value::Object(all)
    }
}

fn messages(errors: &InputErrors) -> Vec<String> {
    errors.iter().map(InputError::with_next_step).collect()
}

/// Serializes a decision without empty and default fields.
fn shown(decision: &Decision) -> Value {
    let mut fields = Map::new();
    fields.insert("versions".to_owned(), decision.versions.iter().map(shown_version).collect());
    if decision.is_fallback {
        fields.insert("isFallback".to_owned(), true.into());
    }
    let outputs: Map<String, Value> =
        decision.outputs.iter().map(|output| (output.template.to_string(), shown_output(output))).collect();
    if !outputs.is_empty() {
        fields.insert("outputs".to_owned(), outputs.into());
    }
    if let Some(at) = decision.redecide_at {
        fields.insert("redecideAt".to_owned(), at.to_rfc3339().into());
    }
    fields.into()
}

fn shown_version(version: &VersionState) -> Value {
    let availability = match version.availability {
        Availability::Available => "available".to_owned(),
        Availability::Held(until) => format!("held until {}", until.to_rfc3339()),
        Availability::Unavailable => "unavailable".to_owned(),
    };
    let mut fields = json!({"availability": availability, "weight": version.weight});
    if !version.problems.is_empty() {
        fields["problems"] = version.problems.iter().map(ToString::to_string).collect();
    }
    if let Some(weight) = &version.invalid_weight {
        fields["invalidWeight"] = weight.to_string().into();
    }
    fields
}

fn shown_output(output: &Output) -> Value {
    use iter8::routing::decision::Refusal;
    match &output.result {
        Rendered::Desired(desired) => desired.object.clone().into(),
        Rendered::Empty => "nothing".into(),
        Rendered::Refused(refusal) => match refusal {
            Refusal::Object { errors, .. } => json!({"refused": refusal.code(), "because": messages(errors)}),
            _ => json!({"refused": refusal.code(), "because": [refusal.to_string()]}),
        },
    }
}

#[test]
fn every_case_has_its_decision() {
    let root = files::root().join("testdata/routing");
    let mut cases: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() >= 25, "{cases:?}");
    let mut failed = Vec::new();
    for directory in cases {
        let decision = Case::read(&directory).decide();
        let path = directory.join("expected.yaml");
        if std::env::var_os("UPDATE_ROUTING").is_some() {
            std::fs::write(&path, to_yaml(&decision).unwrap()).unwrap();
        }
        let expected = value_from_yaml(&files::text(&path)).unwrap();
        if decision != expected {
            let name = directory.strip_prefix(&root).unwrap().display().to_string();
            failed.push(format!("{name}: the decision is\n{}", to_yaml(&decision).unwrap()));
        }
    }
    assert!(failed.is_empty(), "{} cases fail\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn routemaps_of_the_chart_render_its_initial_routes() {
    let Some(helm) = tools::needed("helm") else { return };
    let config = config(&json!({}));
    for environment in ["kserve-modelmesh", "kserve", "deployment"] {
        for strategy in ["blue-green", "canary", "mirror"] {
            for api in ["istio", "gateway-api"] {
                let set = format!(
                    "templateName=initialize,modelName=wisdom,targetEnv={environment},trafficStrategy={strategy},trafficApi={api}"
                );
                let chart = files::root().join("charts/traffic-templates");
                let output =
                    Command::new(&helm).args(["template", "traffic", "-n", "shop", "--set", &set]).arg(chart).output();
                let output = output.unwrap();
                assert!(output.status.success(), "{set}: {}", String::from_utf8_lossy(&output.stderr));
                let text = String::from_utf8(output.stdout).unwrap();
                let objects: Vec<Value> = text.split("---\n").map(|text| value_from_yaml(text).unwrap()).collect();
                let is_routemap = |object: &&Value| object["metadata"]["labels"]["iter8.tools/kind"] == "routemap";
                let source = objects.iter().find(is_routemap).unwrap();
                let routemap = Routemap::read(&serde_json::from_value(source.clone()).unwrap(), &config).unwrap();
                let decision = decide(&routemap, |_| None, &config, NOW.parse().unwrap());
                let [Output { result: Rendered::Desired(desired), .. }] = decision.outputs.as_slice() else {
                    panic!("{set}: {:?}", decision.outputs)
                };
                assert!(
                    objects.contains(&desired.object.clone().into()),
                    "{set}: {:?} is not in\n{text}",
                    desired.object
                );
            }
        }
    }
}
