//! Decides about arbitrary routemaps: every decision ends within its bounds, is the same every time, and never renders a split
//! whose weights are all 0.
#![no_main]

use std::collections::BTreeMap;

use chrono::DateTime;
use iter8::routing::decision::Rendered;
use iter8::routing::render::MAX_OUTPUT;
use iter8::routing::routemap::LABELS;
use iter8::routing::{Config, Routemap, decide};
use k8s_openapi::api::core::v1::ConfigMap;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const CONFIG: &str = "
resourceTypes:
  cm: {Group: '', Version: v1, Resource: configmaps}
  vs: {Group: networking.istio.io, Version: v1beta1, Resource: virtualservices}
  httproute: {Group: gateway.networking.k8s.io, Version: v1, Resource: httproutes}
";

/// A routemap with this spec.
fn routemap(spec: &str) -> ConfigMap {
    let mut source = ConfigMap::default();
    source.metadata.name = Some("routes".to_owned());
    source.metadata.namespace = Some("default".to_owned());
    source.metadata.labels = Some(LABELS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
    source.immutable = Some(true);
    source.data = Some(BTreeMap::from([("strSpec".to_owned(), spec.to_owned())]));
    source
}

fuzz_target!(|input: (u8, &str)| {
    let (form, text) = input;
    // The whole spec, a template, or the routes of an object.
    let short = if form & 1 == 0 { "vs" } else { "httproute" };
    let spec = |template: &str| {
        json!({"versions": [{"weight": form}, {}], "routingTemplates": {"t": {"gvrShort": short, "template": template}}}).to_string()
    };
    let spec = match (form >> 1) % 3 {
        0 => text.to_owned(),
        1 => spec(text),
        _ if short == "vs" => spec(&format!(
            "{{apiVersion: networking.istio.io/v1beta1, kind: VirtualService, metadata: {{name: a}}, spec: {{http: [{text}]}}}}"
        )),
        _ => spec(&format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: a}}, spec: {{rules: [{text}]}}}}"
        )),
    };
    let Ok(config) = Config::from_yaml(CONFIG) else { return };
    let source = routemap(&spec);
    let Ok(routemap) = Routemap::read(&source, &config) else { return };
    let decision = decide(&routemap, |_| None, &config, DateTime::UNIX_EPOCH);
    assert!(decision.versions.iter().any(|version| version.weight > 0));
    for output in &decision.outputs {
        let Rendered::Desired(desired) = &output.result else { continue };
        assert_eq!(&*desired.target.namespace, "default");
        assert!(serde_json::to_string(&desired.object).is_ok_and(|text| text.len() <= 2 * MAX_OUTPUT));
        let routes = desired.object.get("spec").and_then(|spec| spec["http"].as_array()).into_iter().flatten();
        for route in routes.filter_map(|route| route["route"].as_array()).filter(|route| route.len() > 1) {
            assert!(route.iter().any(|entry| entry["weight"].as_u64().is_some_and(|weight| weight > 0)), "{route:?}");
        }
    }
    assert_eq!(decide(&routemap, |_| None, &config, DateTime::UNIX_EPOCH), decision);
});
