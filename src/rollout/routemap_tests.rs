use serde_json::{Value, json};

use super::objects::{Objects, Rules, Step};
use super::routemap::{Weighted, WeightedGoal};
use super::{Change, Progress};
use crate::model::object::{ObjectRef, ResourceKind};
use crate::routing::Config;

const SPLIT: &str = "
      split:
        gvrShort: vs
        template: |
          apiVersion: networking.istio.io/v1beta1
          kind: VirtualService
          metadata: {name: wisdom}
          spec:
            http:
            - route:
              - {destination: {host: wisdom-0}, weight: {{ index .Weights 0 }}}
              - {destination: {host: wisdom-1}, weight: {{ index .Weights 1 }}}
";

const MIRROR: &str = "
      copies:
        gvrShort: vs
        template: |
          apiVersion: networking.istio.io/v1beta1
          kind: VirtualService
          metadata: {name: wisdom}
          spec:
            http:
            - route: [{destination: {host: wisdom-0}}]
              mirror: {host: wisdom-1}
              mirrorPercentage: {value: {{ index .Weights 1 }}}
";

const MATCH: &str = "
      matches:
        gvrShort: vs
        template: |
          apiVersion: networking.istio.io/v1beta1
          kind: VirtualService
          metadata: {name: wisdom}
          spec:
            http:
            {{- if gt (index .Weights 1) 0 }}
            - match: [{headers: {traffic: {exact: test}}}]
              route: [{destination: {host: wisdom-1}}]
            {{- end }}
            - route: [{destination: {host: wisdom-0}}]
";

fn object(group: &str, version: &str, resource: &str, name: &str) -> ObjectRef {
    let kind = ResourceKind { group: group.to_owned(), version: version.to_owned(), resource: resource.to_owned() };
    ObjectRef { kind, namespace: Some("shop".to_owned()), name: name.to_owned() }
}

fn routemap_object() -> ObjectRef {
    object("", "v1", "configmaps", "routes")
}

fn deployment_object(name: &str) -> ObjectRef {
    object("apps", "v1", "deployments", name)
}

fn route_object() -> ObjectRef {
    object("networking.istio.io", "v1beta1", "virtualservices", "wisdom")
}

fn rules() -> Weighted {
    Weighted::new("routes", Some("shop"), Config::stock().unwrap())
}

fn routemap(versions: &[Value], template: &str) -> Value {
    let versions: Vec<String> = versions.iter().map(|version| format!("    - {version}\n")).collect();
    json!({
        "metadata": {
            "name": "routes", "namespace": "shop", "uid": "routemap",
            "labels": {"app.kubernetes.io/managed-by": "iter8", "iter8.tools/kind": "routemap", "iter8.tools/version": "v0.13"},
        },
        "immutable": true,
        "data": {"strSpec": format!("    versions:\n{}    routingTemplates:{template}", versions.concat())},
    })
}

fn version(name: &str) -> Value {
    json!({"resources": [{"gvrShort": "deploy", "name": name}]})
}

fn deployment(name: &str, weight: Option<&str>, is_available: bool) -> Value {
    let status = if is_available { "True" } else { "False" };
    let annotations = weight.map(|weight| json!({"iter8.tools/weight": weight}));
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": format!("rv-{name}"), "generation": 1,
            "labels": {"iter8.tools/watch": "true"}, "annotations": annotations,
        },
        "status": {"observedGeneration": 1, "conditions": [{"type": "Available", "status": status}]},
    })
}

fn route(stable: u32, candidate: u32) -> Value {
    let routes = [("wisdom-0", stable), ("wisdom-1", candidate)]
        .map(|(host, weight)| json!({"destination": {"host": host}, "weight": weight}));
    json!({"metadata": {"name": "wisdom", "namespace": "shop"}, "spec": {"http": [{"route": routes, "timeout": "5s"}]}})
}

/// The usual routemap, with these weights as annotations, and with routes that show these.
fn known(annotated: [Option<&str>; 2], shown: (u32, u32)) -> Objects {
    let mut known = Objects::default();
    known.set(routemap_object(), Some(routemap(&[version("wisdom-0"), version("wisdom-1")], SPLIT)));
    for (name, weight) in ["wisdom-0", "wisdom-1"].into_iter().zip(annotated) {
        known.set(deployment_object(name), Some(deployment(name, weight, true)));
    }
    known.set(route_object(), Some(route(shown.0, shown.1)));
    known
}

/// The patches of a change by object and weight, and its goal.
#[track_caller]
fn planned(known: &Objects, change: Change) -> (Vec<(String, String)>, WeightedGoal) {
    match rules().plan(known, change) {
        Step::Send { patches, goal, .. } => {
            let patch = |patch: &super::objects::ObjectPatch| {
                let (object, patch) = (&patch.object.name, &patch.patch["metadata"]);
                assert_eq!(patch["resourceVersion"], format!("rv-{object}"));
                (object.clone(), patch["annotations"]["iter8.tools/weight"].as_str().unwrap().to_owned())
            };
            (patches.iter().map(patch).collect(), goal)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refusal(known: &Objects, change: Change) -> String {
    match rules().plan(known, change) {
        Step::Refused((reason, _)) => reason,
        other => panic!("{other:?}"),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(object, weight)| ((*object).to_owned(), (*weight).to_owned())).collect()
}

#[test]
fn the_routemap_names_all_objects() {
    let known = known([None, None], (1, 1));
    let expected = [routemap_object(), deployment_object("wisdom-0"), deployment_object("wisdom-1"), route_object()];
    assert_eq!(rules().objects(&known), expected);
    assert_eq!(rules().objects(&Objects::default()), [routemap_object()]);
}

#[test]
fn a_percent_is_written_as_two_weights_and_done_when_the_routes_show_it() {
    let start = known([None, None], (1, 1));
    assert_eq!(rules().state(&start).unwrap().percent, Some(50), "without weights, versions share the traffic");
    let (patches, goal) = planned(&start, Change::Percent(20));
    assert_eq!(patches, pairs(&[("wisdom-0", "80"), ("wisdom-1", "20")]));
    let annotated = known([Some("80"), Some("20")], (1, 1));
    let expected = "virtualservices.networking.istio.io shop/wisdom does not show the weights yet: it differs in \
                    spec.http[0].route[0].weight";
    assert_eq!(rules().check(&goal, &annotated), Progress::Waiting(expected.to_owned()));
    let done = known([Some("80"), Some("20")], (80, 20));
    assert_eq!(rules().check(&goal, &done), Progress::Reached);
    assert_eq!(planned(&done, Change::Percent(20)).0, []);
    assert_eq!(planned(&done, Change::Promote).0, pairs(&[("wisdom-1", "100"), ("wisdom-0", "0")]));
    assert_eq!(planned(&done, Change::Rollback).0, pairs(&[("wisdom-1", "0"), ("wisdom-0", "100")]));
    let state = rules().state(&done).unwrap();
    assert_eq!(state.split.verdict(), "routes: 20 % to wisdom-1 (candidate), 80 % to wisdom-0 (stable)");
}

#[test]
fn a_half_written_change_is_told_from_an_edit_and_finished() {
    let half = known([Some("80"), Some("50")], (80, 50));
    let state = rules().state(&half).unwrap();
    assert_eq!((state.percent, state.half_written), (Some(38), Some((20, 50))));
    assert_eq!(planned(&half, Change::Percent(50)).0, pairs(&[("wisdom-0", "50")]));
    let whole = rules().state(&known([Some("80"), Some("20")], (80, 20))).unwrap();
    assert_eq!((whole.percent, whole.half_written), (Some(20), None));
}

#[test]
fn a_weight_of_the_routemap_becomes_an_annotation() {
    let mut known = known([None, None], (50, 50));
    let weighted = |name: &str| json!({"weight": 50, "resources": [{"gvrShort": "deploy", "name": name}]});
    known.set(routemap_object(), Some(routemap(&[weighted("wisdom-0"), weighted("wisdom-1")], SPLIT)));
    assert_eq!(planned(&known, Change::Percent(50)).0.len(), 2);
}

#[test]
fn changes_by_others_lose_the_goal() {
    let (_, goal) = planned(&known([None, None], (1, 1)), Change::Percent(20));
    let lost = |known: &Objects| match rules().check(&goal, known) {
        Progress::Lost(reason) => reason,
        other => panic!("{other:?}"),
    };
    let edited = known([Some("80"), Some("60")], (80, 60));
    let expected = "the annotation iter8.tools/weight of deployments.apps/wisdom-1 was changed by someone else: it is 60; expected 20";
    assert_eq!(lost(&edited), expected);
    let done = || known([Some("80"), Some("20")], (80, 20));
    let mut deleted = done();
    deleted.set(deployment_object("wisdom-1"), None);
    assert_eq!(lost(&deleted), "wisdom-1 was deleted");
    let mut recreated = done();
    let mut other = deployment("wisdom-1", Some("20"), true);
    other["metadata"]["uid"] = json!("other");
    recreated.set(deployment_object("wisdom-1"), Some(other));
    assert_eq!(lost(&recreated), "wisdom-1 was deleted and created again");
    let mut stable = done();
    stable.set(deployment_object("wisdom-0"), None);
    assert_eq!(lost(&stable), "deployments.apps/wisdom-0 was deleted");
    let mut replaced = done();
    let mut other = routemap(&[version("wisdom-0"), version("wisdom-1")], SPLIT);
    other["metadata"]["uid"] = json!("other");
    replaced.set(routemap_object(), Some(other));
    assert_eq!(lost(&replaced), "it was replaced");
    let mut gone = done();
    gone.set(routemap_object(), None);
    assert_eq!(lost(&gone), "it was deleted");
}

#[test]
fn a_version_that_cannot_take_all_the_traffic_does_not_get_it() {
    let mut known = known([Some("80"), Some("20")], (1, 0));
    known.set(deployment_object("wisdom-1"), Some(deployment("wisdom-1", Some("20"), false)));
    let unavailable = "wisdom-1 is not available: deploy shop/wisdom-1: condition `Available` is `False`";
    for change in [Change::Promote, Change::Percent(100)] {
        assert_eq!(refusal(&known, change), unavailable);
    }
    let (_, goal) = planned(&known, Change::Percent(20));
    assert_eq!(rules().check(&goal, &known), Progress::Waiting(unavailable.to_owned()));
    assert_eq!(planned(&known, Change::Rollback).0, pairs(&[("wisdom-1", "0"), ("wisdom-0", "100")]));
    let mut behind = deployment("wisdom-1", Some("20"), true);
    behind["metadata"]["generation"] = json!(2);
    known.set(deployment_object("wisdom-1"), Some(behind));
    assert!(matches!(rules().plan(&known, Change::Promote), Step::NotYet(_)), "each scaling leaves the status behind");
    known.set(deployment_object("wisdom-0"), Some(deployment("wisdom-0", Some("80"), false)));
    assert!(refusal(&known, Change::Rollback).starts_with("wisdom-0 is not available"));
    known.set(deployment_object("wisdom-1"), None);
    let expected = "version wisdom-1 does not exist: there is no deployments.apps/wisdom-1";
    assert_eq!(refusal(&known, Change::Percent(20)), expected);
    assert_eq!(rules().state(&known).unwrap().split.candidate, None);
}

/// The controller divides the traffic among the available versions, so a candidate with the weight 10 would get all of it.
#[test]
fn a_percent_waits_for_the_stable_version() {
    let mut known = known([Some("100"), Some("0")], (1, 0));
    known.set(deployment_object("wisdom-0"), Some(deployment("wisdom-0", Some("100"), false)));
    for percent in [1, 10, 99] {
        let expected = "wisdom-0 is not available: deploy shop/wisdom-0: condition `Available` is `False`";
        assert_eq!(rules().plan(&known, Change::Percent(percent)), Step::NotYet(expected.to_owned()));
    }
    assert_eq!(planned(&known, Change::Promote).0, pairs(&[("wisdom-1", "100"), ("wisdom-0", "0")]));
}

#[test]
fn routemaps_that_are_not_driven_by_two_weights_are_refused() {
    let two = [version("wisdom-0"), version("wisdom-1")];
    let three = [version("wisdom-0"), version("wisdom-1"), version("wisdom-2")];
    let same = [version("wisdom-0"), version("wisdom-0")];
    let empty = [version("wisdom-0"), json!({"weight": 1})];
    let mut mutable = routemap(&two, SPLIT);
    mutable["immutable"] = json!(false);
    for (routemap, expected) in [
        (routemap(&two[..1], SPLIT), "it has 1 version; expected two, a stable one and a candidate"),
        (routemap(&three, SPLIT), "it has 3 versions; expected two, a stable one and a candidate"),
        (
            routemap(&same, SPLIT),
            "both versions have deploy shop/wisdom-0 as their first resource, so they cannot have different weights",
        ),
        (routemap(&empty, SPLIT), "version 1 has no resource that could have the annotation iter8.tools/weight"),
        (routemap(&two, MIRROR), "its routes copy requests to the candidate (mirror) and discard its responses"),
        (
            routemap(&two, MATCH),
            "its routes do not split requests by the weights of the versions, as those of the strategy canary do not",
        ),
        (
            mutable,
            "it is not valid: immutable: must be `true`; to change a routemap, replace it with `kubectl replace --force`",
        ),
    ] {
        let mut known = known([None, None], (1, 1));
        known.set(routemap_object(), Some(routemap));
        assert_eq!(refusal(&known, Change::Percent(20)), expected);
        assert_eq!(rules().state(&known).unwrap_err().0, expected);
    }
    let broken = SPLIT.replace("kind: VirtualService", "kind: Secret");
    let mut known = known([None, None], (1, 1));
    known.set(routemap_object(), Some(routemap(&two, &broken)));
    assert!(
        refusal(&known, Change::Percent(20)).starts_with("the controller does not apply its template `split`: kind:")
    );
}

#[test]
fn a_weight_that_would_start_the_pods_of_a_model_anew_is_refused() {
    let service = |name: &str| object("serving.kserve.io", "v1beta1", "inferenceservices", name);
    for (mode, is_refused) in [("Knative", true), ("RawDeployment", true), ("ModelMesh", false), ("", false)] {
        let mut known = known([None, None], (1, 1));
        let version = |name: &str| json!({"resources": [{"gvrShort": "isvc", "name": name}]});
        known.set(routemap_object(), Some(routemap(&[version("wisdom-0"), version("wisdom-1")], SPLIT)));
        for name in ["wisdom-0", "wisdom-1"] {
            let mut model = deployment(name, None, true);
            model["metadata"]["annotations"] = json!({"serving.kserve.io/deploymentMode": mode});
            model["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
            known.set(service(name), Some(model));
        }
        match is_refused {
            true => assert!(
                refusal(&known, Change::Percent(20)).contains("KServe copies annotations into its pods"),
                "{mode}"
            ),
            false => assert_eq!(planned(&known, Change::Percent(20)).0.len(), 2, "{mode}"),
        }
    }
}
