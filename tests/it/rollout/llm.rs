//! `iter8 k rollout … llmisvc/NAME`, with KServe's definition of LLMInferenceServices. KServe's controller of them does not run: the test stands
//! in for it, and writes the status of both members and the backends of both HTTPRoutes, as its source does.

use serde_json::{Value, json};

use crate::kubernetes::cluster_case::{ClusterCase, Running};
use crate::support::cli_case::CliOutput;
use crate::support::kubernetes::accepted;
use crate::support::transcript::transcript;

const STABLE: &str = "chat-v1";
const CANDIDATE: &str = "chat-v2";
const TARGET: &str = "llmisvc/chat-v2";

/// Two members of a group.
struct Group {
    case: ClusterCase,
}

impl Group {
    /// Both are ready, with the weights 100 and 0.
    fn new() -> Option<Self> {
        let case = ClusterCase::without_node()?;
        if !case.cluster.llm_crd() {
            return None;
        }
        let new = Self { case };
        new.apply(STABLE, &json!({"group": "chat", "weight": 100}));
        new.apply(CANDIDATE, &json!({"group": "chat", "weight": 0}));
        new.reconcile(&[STABLE, CANDIDATE]);
        Some(new)
    }

    fn apply(&self, name: &str, route: &Value) {
        let object = json!({
            "apiVersion": "serving.kserve.io/v1alpha2",
            "kind": "LLMInferenceService",
            "metadata": {"name": name},
            "spec": {"model": {"name": "chat", "uri": format!("hf://models/{name}")}, "router": {"route": route}},
        });
        self.case.cluster.apply_in(&self.case.namespace, &object.to_string());
    }

    fn weight(&self, name: &str) -> Value {
        self.case.get("llmisvc", name)["spec"]["router"]["route"]["weight"].clone()
    }

    /// Acts as KServe does: each of these members lists all of them, with their weights.
    fn reconcile(&self, members: &[&str]) {
        for member in members {
            self.write_status(member, members);
            self.write_route(member, members);
        }
    }

    fn write_status(&self, member: &str, members: &[&str]) {
        let backend =
            |name: &str| json!({"kind": "Service", "name": format!("{name}-kserve-workload-svc"), "port": 8000});
        let entry = |name: &&str| json!({"name": name, "weight": self.weight(name), "backendRef": backend(name)});
        let listed: Vec<Value> = members.iter().map(entry).collect();
        let status = json!({"router": {"group": {"name": "chat", "members": listed}}});
        self.case.cluster.set_status("llmisvc", &self.case.namespace, member, &status);
    }

    fn write_route(&self, member: &str, members: &[&str]) {
        let backend = |name: &str, weight: Value| json!({"name": format!("{name}-kserve-workload-svc"), "port": 8000, "weight": weight});
        let all: Vec<Value> = members.iter().map(|name| backend(name, self.weight(name))).collect();
        let prefix = |path: String| json!([{"path": {"type": "PathPrefix", "value": path}}]);
        let own = prefix(format!("/{}/{member}", self.case.namespace));
        let name = format!("{member}-kserve-route");
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name},
            "spec": {
                "parentRefs": [{"name": "gateway"}],
                "rules": [{"matches": own, "backendRefs": [backend(member, json!(1))]}, {"backendRefs": all}],
            },
        });
        self.case.cluster.apply_in(&self.case.namespace, &route.to_string());
        let status = accepted(&self.case.get("httproutes", &name));
        self.case.cluster.set_status("httproutes", &self.case.namespace, &name, &status);
    }

    fn rollout(&self, args: &[&str]) -> CliOutput {
        self.case.k([&["rollout"], args].concat())
    }

    #[track_caller]
    fn start(&self, args: &[&str], waiting_for: &str) -> Running {
        self.case.start_and_wait([&["rollout"], args].concat(), waiting_for)
    }

    #[track_caller]
    fn patch(&self, name: &str, route: &Value) {
        let patch = json!({"spec": {"router": {"route": route}}}).to_string();
        let args = [
            "patch",
            "llmisvc",
            name,
            "-n",
            &self.case.namespace,
            "--field-manager=argocd",
            "--type=merge",
            "-p",
            &patch,
        ];
        self.case.cluster.kubectl_ok(&args);
    }
}

#[test]
fn weights_of_a_group_are_waited_for_until_both_statuses_and_both_routes_show_them() {
    let Some(group) = Group::new() else { return };
    let waiting = "waiting: chat-v1 has the weight 100 in the status of chat-v1; expected 80";
    let set = group.start(&["set", TARGET, "--percent", "20"], waiting);
    assert_eq!((group.weight(STABLE), group.weight(CANDIDATE)), (json!(80), json!(20)));
    group.reconcile(&[STABLE, CANDIDATE]);
    let expected =
        |percent: u8| format!("chat-v2: {percent} % to chat-v2 (candidate), {} % to chat-v1 (stable)\n", 100 - percent);
    assert_eq!(set.end().exits(0).stdout, expected(20));
    assert!(group.rollout(&["set", TARGET, "--percent", "20"]).exits(0).stdout.ends_with(" (as before)\n"));

    let waiting = "waiting: chat-v1 has the weight 80 in the status of chat-v2; expected 50";
    let both = [STABLE, CANDIDATE];
    let set = group.start(&["set", TARGET, "--percent", "50"], "in the status of chat-v1; expected 50");
    group.write_status(STABLE, &both);
    drop(set);
    let set = group.start(&["set", TARGET, "--percent", "50"], waiting);
    group.write_status(CANDIDATE, &both);
    drop(set);
    let waiting = "HTTPRoute chat-v1-kserve-route gives chat-v1-kserve-workload-svc 80 % of the traffic; expected 50 %";
    let set = group.start(&["set", TARGET, "--percent", "50"], waiting);
    group.write_route(STABLE, &both);
    drop(set);
    let waiting = "HTTPRoute chat-v2-kserve-route gives chat-v1-kserve-workload-svc 80 % of the traffic; expected 50 %";
    let set = group.start(&["set", TARGET, "--percent", "50"], waiting);
    group.write_route(CANDIDATE, &both);
    assert_eq!(set.end().exits(0).stdout, expected(50));

    let promotion = group.start(&["promote", TARGET], "expected 0");
    group.reconcile(&both);
    assert_eq!(promotion.end().exits(0).stdout, expected(100));
    let rollback = group.start(&["rollback", TARGET], "expected 100");
    group.reconcile(&both);
    assert_eq!(rollback.end().exits(0).stdout, expected(0));
}

#[test]
fn an_outside_edit_of_a_group_ends_the_wait() {
    let Some(group) = Group::new() else { return };
    let set = group.start(&["set", TARGET, "--percent", "20"], "expected 80");
    group.patch(STABLE, &json!({"weight": 0}));
    let lost = "error: the change of LLMInferenceService chat-v2 was lost: the weight of chat-v1 was changed by argocd: it is 0; expected 80";
    set.end().expect(4, &[lost, "hint: `iter8 k rollout status llmisvc/chat-v2` shows its state"]);
    let set = group.start(&["set", TARGET, "--percent", "30"], "expected 70");
    group.case.cluster.kubectl_ok(&["delete", "llmisvc", STABLE, "-n", &group.case.namespace]);
    set.end().expect(4, &["was lost: chat-v1 was deleted"]);
}

#[test]
fn groups_that_are_not_a_stable_version_and_a_candidate_are_refused() {
    let Some(group) = Group::new() else { return };
    let _transcript = transcript!();
    group.rollout(&["status", TARGET]).snapshot(0);
    group.rollout(&["set", TARGET, "--percent", "20", "--dry"]).snapshot(0);
    group.rollout(&["status", "llmisvc/absent"]).snapshot(2);
    // It lists the members that are ready.
    group.write_status(STABLE, &[STABLE]);
    group.rollout(&["promote", TARGET]).snapshot(2);
    group.write_status(CANDIDATE, &[CANDIDATE]);
    group.rollout(&["set", TARGET, "--percent", "20"]).snapshot(2);
    group.apply("chat-v3", &json!({"group": "chat", "weight": 0}));
    group.write_status(CANDIDATE, &[STABLE, CANDIDATE, "chat-v3"]);
    group.rollout(&["set", TARGET, "--percent", "20"]).snapshot(2);
    group.apply("alone", &json!({}));
    group.rollout(&["set", "llmisvc/alone", "--percent", "20"]).snapshot(2);
    assert_eq!((group.weight(STABLE), group.weight(CANDIDATE)), (json!(100), json!(0)));
}
