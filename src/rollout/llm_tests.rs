use serde_json::{Value, json};

use super::llm::{Group, GroupGoal};
use super::objects::{Objects, Rules, Step};
use super::routes::http_route;
use super::{Change, Progress};
use crate::model::object::ObjectRef;

const MEMBERS: [&str; 2] = ["chat-v1", "chat-v2"];

fn rules() -> Group {
    Group::new("chat-v2", Some("models"))
}

fn object(name: &str) -> ObjectRef {
    ObjectRef { name: name.to_owned(), ..rules().main().clone() }
}

fn route_object(name: &str) -> ObjectRef {
    http_route(Some("models".to_owned()), format!("{name}-kserve-route"))
}

/// A member with this weight, whose status lists these weights.
fn member(name: &str, weight: u32, listed: &[(&str, u32)]) -> Value {
    let members: Vec<Value> = listed
        .iter()
        .map(|(name, weight)| json!({"name": name, "weight": weight, "backendRef": {"name": format!("{name}-svc")}}))
        .collect();
    json!({
        "metadata": {"name": name, "namespace": "models", "uid": format!("uid-{name}"), "resourceVersion": format!("rv-{name}")},
        "spec": {"router": {"route": {"group": "chat", "weight": weight}}},
        "status": {"router": {"group": {"name": "chat", "members": members}}},
    })
}

/// A member's route: its own path to itself, and the rest by weights.
fn route(name: &str, weights: [u32; 2]) -> Value {
    let backend = |name: &str, weight: u32| json!({"name": format!("{name}-svc"), "weight": weight});
    let all: Vec<Value> = MEMBERS.iter().zip(weights).map(|(name, weight)| backend(name, weight)).collect();
    let condition = |name: &str| json!({"type": name, "status": "True", "observedGeneration": 1});
    json!({
        "metadata": {"name": format!("{name}-kserve-route"), "generation": 1},
        "spec": {"rules": [{"backendRefs": [backend(name, 1)]}, {"backendRefs": all}]},
        "status": {"parents": [{"conditions": [condition("Accepted"), condition("ResolvedRefs")]}]},
    })
}

/// A group with these weights in specs, statuses and routes.
fn known(spec: [u32; 2], status: [u32; 2], routes: [u32; 2]) -> Objects {
    let mut known = Objects::default();
    let listed: Vec<(&str, u32)> = MEMBERS.into_iter().zip(status).collect();
    for (name, weight) in MEMBERS.into_iter().zip(spec) {
        known.set(object(name), Some(member(name, weight, &listed)));
        known.set(route_object(name), Some(route(name, routes)));
    }
    known
}

#[track_caller]
fn planned(known: &Objects, change: Change) -> (Vec<(String, u64)>, GroupGoal) {
    match rules().plan(known, change) {
        Step::Send { patches, goal, .. } => {
            let weight = |patch: &Value| patch["spec"]["router"]["route"]["weight"].as_u64().unwrap();
            (patches.iter().map(|patch| (patch.object.name.clone(), weight(&patch.patch))).collect(), goal)
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

#[test]
fn weights_of_a_group_are_done_when_statuses_and_routes_show_them() {
    let start = known([100, 0], [100, 0], [100, 0]);
    let expected = [object("chat-v2"), route_object("chat-v2"), route_object("chat-v1"), object("chat-v1")];
    assert_eq!(rules().objects(&start), expected);
    let (patches, goal) = planned(&start, Change::Percent(20));
    assert_eq!(patches, [("chat-v1".to_owned(), 80), ("chat-v2".to_owned(), 20)]);
    for (status, routes, waiting) in [
        ([100, 0], [100, 0], Some("chat-v1 has the weight 100 in the status of chat-v1; expected 80")),
        (
            [80, 20],
            [100, 0],
            Some("HTTPRoute chat-v1-kserve-route gives chat-v1-svc 100 % of the traffic; expected 80 %"),
        ),
        ([80, 20], [80, 20], None),
    ] {
        let progress = rules().check(&goal, &known([80, 20], status, routes));
        assert_eq!(progress, waiting.map_or(Progress::Reached, |reason| Progress::Waiting(reason.to_owned())));
    }
    assert_eq!(planned(&known([50, 50], [50, 50], [50, 50]), Change::Rollback).0[0], ("chat-v2".to_owned(), 0));
    assert_eq!(planned(&known([80, 20], [80, 20], [80, 20]), Change::Percent(20)).0, []);
    let one = [("chat-v1", 80), ("chat-v2", 20)];
    let mut second = known([80, 20], [80, 20], [80, 20]);
    second.set(object("chat-v2"), Some(member("chat-v2", 20, &[one[0], ("chat-v2", 0)])));
    let expected = "chat-v2 has the weight 0 in the status of chat-v2; expected 20";
    assert_eq!(rules().check(&goal, &second), Progress::Waiting(expected.to_owned()));
    let mut second = known([80, 20], [80, 20], [80, 20]);
    second.set(route_object("chat-v2"), Some(route("chat-v2", [100, 0])));
    assert!(matches!(rules().check(&goal, &second), Progress::Waiting(_)), "the other route must show them, too");
}

#[test]
fn a_group_that_diverges_is_waited_for_with_the_reason() {
    let (_, goal) = planned(&known([100, 0], [100, 0], [100, 0]), Change::Percent(20));
    let mut degraded = known([80, 20], [80, 20], [80, 20]);
    let mut stable = member("chat-v1", 80, &[("chat-v1", 80), ("chat-v2", 20)]);
    stable["status"]["conditions"] =
        json!([{"type": "GroupDegraded", "status": "True", "reason": "MemberDivergence", "message": "models differ"}]);
    degraded.set(object("chat-v1"), Some(stable));
    let expected = "the group of chat-v1 is degraded (MemberDivergence: models differ)";
    assert_eq!(rules().check(&goal, &degraded), Progress::Waiting(expected.to_owned()));
    let mut stopped = known([80, 20], [80, 20], [80, 20]);
    let mut candidate = member("chat-v2", 20, &[("chat-v1", 80), ("chat-v2", 20)]);
    candidate["status"]["router"]["group"]["members"][1]["stopped"] = json!(true);
    stopped.set(object("chat-v2"), Some(candidate));
    let expected = "chat-v2 is not ready: the status of chat-v2 does not list it in the group";
    assert_eq!(rules().check(&goal, &stopped), Progress::Waiting(expected.to_owned()));
}

#[test]
fn changes_of_a_group_by_others_lose_the_goal() {
    let (_, goal) = planned(&known([100, 0], [100, 0], [100, 0]), Change::Percent(20));
    let lost = |change: &dyn Fn(&mut Objects)| {
        let mut known = known([80, 20], [80, 20], [80, 20]);
        change(&mut known);
        match rules().check(&goal, &known) {
            Progress::Lost(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    let listed = [("chat-v1", 80), ("chat-v2", 20)];
    assert_eq!(lost(&|known| known.set(object("chat-v1"), None)), "chat-v1 was deleted");
    let edited = member("chat-v1", 10, &listed);
    let expected = "the weight of chat-v1 was changed by someone else: it is 10; expected 80";
    assert_eq!(lost(&|known| known.set(object("chat-v1"), Some(edited.clone()))), expected);
    let mut other = member("chat-v2", 20, &listed);
    other["metadata"]["uid"] = json!("other");
    let expected = "chat-v2 was deleted and created again";
    assert_eq!(lost(&|known| known.set(object("chat-v2"), Some(other.clone()))), expected);
    let mut left = member("chat-v1", 80, &listed);
    left["spec"]["router"]["route"]["group"] = json!("others");
    assert_eq!(lost(&|known| known.set(object("chat-v1"), Some(left.clone()))), "chat-v1 has left the group chat");
}

/// The stable version is read only while the status of the candidate lists it.
#[test]
fn a_member_that_is_not_listed_is_waited_for_and_not_taken_for_deleted() {
    let (_, goal) = planned(&known([100, 0], [100, 0], [100, 0]), Change::Percent(20));
    let mut unlisted = Objects::default();
    unlisted.set(object("chat-v2"), Some(member("chat-v2", 20, &[("chat-v2", 20)])));
    unlisted.set(route_object("chat-v2"), Some(route("chat-v2", [80, 20])));
    let expected = "chat-v1 is not ready: the status of chat-v2 does not list it in the group";
    assert_eq!(rules().check(&goal, &unlisted), Progress::Waiting(expected.to_owned()));
}

/// KServe divides the traffic among the members that are ready, so a candidate with the weight 10 would get all of it.
#[test]
fn a_percent_waits_for_the_stable_member() {
    let mut unready = known([100, 0], [100, 0], [100, 0]);
    unready.set(object("chat-v1"), Some(member("chat-v1", 100, &[("chat-v2", 0)])));
    let expected = "chat-v1 is not ready: the status of chat-v1 does not list it in the group";
    assert_eq!(rules().plan(&unready, Change::Percent(10)), Step::NotYet(expected.to_owned()));
    assert_eq!(planned(&unready, Change::Promote).0.len(), 2);
}

#[test]
fn members_that_are_no_pair_are_refused() {
    let alone = json!({"metadata": {"name": "chat-v2"}, "spec": {"router": {"route": {}}}});
    let three = [("chat-v1", 1), ("chat-v2", 1), ("chat-v3", 1)];
    for (candidate, expected) in [
        (alone, "it is not in a group (spec.router.route.group), within which KServe v0.20.0 and newer split traffic"),
        (
            member("chat-v2", 0, &[("chat-v2", 0)]),
            "no other member of the group chat is ready, according to its status",
        ),
        (
            member("chat-v2", 0, &three),
            "the group chat has 2 other members (chat-v1, chat-v3); expected one, the stable version",
        ),
    ] {
        let mut known = known([100, 0], [100, 0], [100, 0]);
        known.set(object("chat-v2"), Some(candidate));
        assert_eq!(refusal(&known, Change::Percent(20)), expected);
        assert_eq!(rules().state(&known).unwrap_err().0, expected);
    }
    let mut unready = known([100, 0], [100, 0], [100, 0]);
    unready.set(object("chat-v1"), Some(member("chat-v1", 100, &[("chat-v1", 100)])));
    let expected = "chat-v2 is not ready: the status of chat-v1 does not list it in the group";
    assert_eq!(refusal(&unready, Change::Promote), expected);
    assert_eq!(planned(&unready, Change::Percent(20)).0.len(), 2, "KServe routes nothing to it until it is ready");
}

#[test]
fn a_group_of_any_shape_is_read() {
    for candidate in
        [json!(null), json!([]), json!({"spec": {"router": {"route": {"group": "g", "weight": -3}}}, "status": 1})]
    {
        let mut known = Objects::default();
        known.set(object("chat-v2"), Some(candidate));
        assert!(matches!(rules().plan(&known, Change::Promote), Step::Refused(_)));
    }
}
