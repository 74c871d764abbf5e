use serde_json::{Value, json};

use super::change::tag_routing;
use super::*;

/// KServe in Knative mode, as far as it decides about traffic: the rules by which a reconcile fills the status.
#[derive(Clone, Default)]
struct KServe {
    percent: Option<i64>,
    /// Revisions in their order, and if they are ready.
    revisions: Vec<(&'static str, bool)>,
    rolled: Option<&'static str>,
    previous: Option<&'static str>,
    traffic: Vec<(&'static str, i64, bool)>,
    generation: i64,
}

impl KServe {
    fn new() -> Self {
        let mut kserve = Self { revisions: vec![("r1", true)], generation: 1, ..Self::default() };
        kserve.settle();
        kserve
    }

    fn apply(&mut self, revision: &'static str, is_ready: bool, percent: Option<i64>) {
        self.revisions.push((revision, is_ready));
        self.percent = percent;
        self.generation += 1;
    }

    /// Makes the newest revision ready.
    fn ready(&mut self) {
        self.revisions.last_mut().unwrap().1 = true;
    }

    fn latest_ready(&self) -> Option<&'static str> {
        self.revisions.iter().rev().find(|(_, is_ready)| *is_ready).map(|(name, _)| *name)
    }

    /// Reconciles once: KServe writes the Knative Service, Knative splits, and KServe copies its status. Returns true if something changed.
    fn reconcile(&mut self) -> bool {
        let before = (self.traffic.clone(), self.rolled, self.previous);
        let Some(ready) = self.latest_ready() else { return false };
        self.traffic = match (self.percent, self.rolled) {
            (Some(percent), Some(rolled)) if percent < 100 => {
                vec![(ready, percent, true), (rolled, 100 - percent, false)]
            }
            _ => vec![(ready, 100, true)],
        };
        let created = self.revisions.last().unwrap().0;
        let (_, percent, _) = self.traffic[0];
        let total: i64 = self.traffic.iter().filter(|(name, ..)| *name == ready).map(|(_, percent, _)| percent).sum();
        if percent == 100 && Some(ready) != self.rolled {
            (self.previous, self.rolled) = (self.rolled, Some(ready));
        } else if ready == created
            && Some(ready) == self.rolled
            && percent < 100
            && total == 100
            && self.previous.is_some()
        {
            self.rolled = self.previous;
        }
        before != (self.traffic.clone(), self.rolled, self.previous)
    }

    fn settle(&mut self) {
        while self.reconcile() {}
    }

    fn patch(&mut self, patch: &Value) {
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        self.percent = patch["spec"]["predictor"]["canaryTrafficPercent"].as_i64();
        self.generation += 1;
    }

    fn object(&self) -> Value {
        let traffic: Vec<Value> = self
            .traffic
            .iter()
            .map(|(name, percent, latest)| {
                let tag = if *latest { Value::Null } else { json!("prev") };
                json!({"revisionName": name, "percent": percent, "latestRevision": latest, "tag": tag})
            })
            .collect();
        let created = self.revisions.last().map(|(name, _)| *name);
        let ready = if self.latest_ready() == created { "True" } else { "Unknown" };
        let condition = |name: &str, status: &str| json!({"type": name, "status": status});
        json!({
            "metadata": {"name": "iris", "namespace": "models", "uid": "u", "resourceVersion": "7", "generation": self.generation},
            "spec": {"predictor": {"canaryTrafficPercent": self.percent}},
            "status": {
                "deploymentMode": "Serverless",
                "conditions": [condition("PredictorReady", ready), condition("Ready", ready), condition("RoutesReady", "True")],
                "components": {"predictor": {
                    "latestCreatedRevision": created,
                    "latestReadyRevision": self.latest_ready(),
                    "latestRolledoutRevision": self.rolled,
                    "previousRolledoutRevision": self.previous,
                    "traffic": traffic,
                }},
            },
        })
    }

    fn service(&self) -> Service {
        Service::of(&self.object())
    }

    /// Makes a change; asserts that it is not taken for done before KServe has acted, and that it is afterwards.
    #[track_caller]
    fn change(&mut self, change: Change) {
        let Plan::Patch { patch, goal } = plan(&self.service(), change) else {
            panic!("{change:?}: {:?}", plan(&self.service(), change));
        };
        let patch = patch.expect("a patch");
        self.patch(&patch);
        let goal = goal.after(&self.service());
        assert!(
            matches!(goal.check(Some(&self.service())), Progress::Waiting(_)),
            "{change:?} is not done by the patch alone"
        );
        self.settle();
        assert_eq!(goal.check(Some(&self.service())), Progress::Reached, "{change:?}: {:?}", self.traffic);
    }

    #[track_caller]
    fn refusal(&self, change: Change) -> String {
        match plan(&self.service(), change) {
            Plan::Refused { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_good_candidate_goes_up_step_by_step_and_is_promoted() {
    let mut kserve = KServe::new();
    kserve.apply("r2", true, Some(0));
    kserve.settle();
    for percent in [10, 25, 50] {
        kserve.change(Change::Percent(percent));
        assert_eq!(kserve.service().percent_of("r2"), i64::from(percent));
    }
    kserve.change(Change::Promote);
    assert_eq!((kserve.rolled, kserve.previous, kserve.percent), (Some("r2"), Some("r1"), None));
    assert_eq!(kserve.service().candidate(), None);
}

#[test]
fn a_hundred_percent_promotes_as_well() {
    let mut kserve = KServe::new();
    kserve.apply("r2", true, Some(20));
    kserve.settle();
    kserve.change(Change::Percent(100));
    assert_eq!((kserve.rolled, kserve.percent), (Some("r2"), Some(100)));
}

#[test]
fn a_candidate_is_rolled_back_before_and_after_its_promotion() {
    let mut kserve = KServe::new();
    kserve.apply("r2", true, Some(20));
    kserve.settle();
    kserve.change(Change::Rollback);
    assert_eq!((kserve.rolled, kserve.service().percent_of("r1")), (Some("r1"), 100));

    let mut kserve = KServe::new();
    kserve.apply("r2", true, None);
    kserve.settle();
    assert_eq!(kserve.rolled, Some("r2"));
    kserve.change(Change::Rollback);
    assert_eq!((kserve.rolled, kserve.service().percent_of("r1")), (Some("r1"), 100));
}

#[test]
fn a_rollback_after_a_promotion_is_not_done_in_its_first_phase() {
    let mut kserve = KServe::new();
    kserve.apply("r2", true, None);
    kserve.settle();
    let Plan::Patch { patch: Some(patch), goal } = plan(&kserve.service(), Change::Rollback) else { panic!() };
    kserve.patch(&patch);
    let goal = goal.after(&kserve.service());
    // Both entries name the promoted revision: 0 and 100 %.
    kserve.traffic = vec![("r2", 0, true), ("r2", 100, false)];
    assert_eq!(
        goal.check(Some(&kserve.service())),
        Progress::Waiting("revision r2 gets 100 % of the traffic; expected 0 %".to_owned())
    );
}

#[test]
fn a_failed_candidate_is_never_promoted_and_can_be_rolled_back() {
    let mut kserve = KServe::new();
    kserve.apply("r2", false, Some(20));
    kserve.settle();
    assert_eq!(kserve.service().percent_of("r1"), 100, "KServe gives the percent to the old revision");
    for promotion in [Change::Promote, Change::Percent(100)] {
        assert_eq!(kserve.refusal(promotion), "revision r2 is not ready: PredictorReady is Unknown");
    }
    let Plan::Patch { patch: Some(patch), goal } = plan(&kserve.service(), Change::Percent(30)) else { panic!() };
    let mut failing = kserve.clone();
    failing.patch(&patch);
    failing.settle();
    let goal = goal.after(&failing.service());
    let waiting =
        "revision r2 gets 0 % of the traffic; expected 30 %; revision r2 is not ready: PredictorReady is Unknown";
    assert_eq!(goal.check(Some(&failing.service())), Progress::Waiting(waiting.to_owned()));
    let Plan::Patch { patch: Some(patch), goal } = plan(&kserve.service(), Change::Rollback) else { panic!() };
    kserve.patch(&patch);
    let goal = goal.after(&kserve.service());
    // The old revision has all the traffic, but 20 % would go to the candidate once it is ready.
    let waiting = "the latest ready revision gets 20 % of the traffic; expected 0 %";
    assert_eq!(goal.check(Some(&kserve.service())), Progress::Waiting(waiting.to_owned()));
    kserve.settle();
    assert_eq!(goal.check(Some(&kserve.service())), Progress::Reached);
}

#[test]
fn a_percent_waits_for_the_candidate_so_that_a_rolled_back_revision_gets_nothing() {
    let mut kserve = KServe::new();
    kserve.apply("r2", true, Some(0));
    kserve.settle();
    kserve.apply("r3", false, Some(10));
    kserve.settle();
    assert_eq!(kserve.service().percent_of("r2"), 10, "the revision that was rolled back gets the percent");
    let Plan::NotYet { reason, hold: Some(hold), until } = plan(&kserve.service(), Change::Percent(10)) else {
        panic!()
    };
    assert_eq!(reason, "revision r3 is not ready: PredictorReady is Unknown");
    kserve.patch(&hold);
    let until = until.after(&kserve.service());
    kserve.settle();
    assert_eq!(kserve.service().percent_of("r2"), 0);
    assert_eq!(until.interference(Some(&kserve.service())), None);
    assert!(matches!(plan(&kserve.service(), Change::Percent(10)), Plan::NotYet { hold: None, .. }));
    kserve.ready();
    kserve.settle();
    kserve.change(Change::Percent(10));
    assert_eq!((kserve.service().percent_of("r3"), kserve.service().percent_of("r2")), (10, 0));
}

#[test]
fn a_candidate_that_starts_without_a_percent_is_not_promoted_when_it_is_ready() {
    let mut kserve = KServe::new();
    kserve.apply("r2", false, None);
    kserve.settle();
    let Plan::Patch { patch: Some(patch), goal } = plan(&kserve.service(), Change::Percent(10)) else { panic!() };
    kserve.patch(&patch);
    let goal = goal.after(&kserve.service());
    kserve.ready();
    kserve.settle();
    assert_eq!((goal.check(Some(&kserve.service())), kserve.rolled), (Progress::Reached, Some("r1")));
}

#[test]
fn changes_without_an_effect_are_refused() {
    let mut kserve = KServe::new();
    let refusal = kserve.refusal(Change::Percent(20));
    assert!(refusal.starts_with("there is no candidate: revision r1 is the newest"), "{refusal}");
    assert_eq!(kserve.refusal(Change::Rollback), "KServe knows no revision before r1");
    kserve.rolled = None;
    for change in [Change::Percent(20), Change::Promote, Change::Rollback] {
        let refusal = kserve.refusal(change);
        assert_eq!(refusal, "no revision has had all the traffic yet, so KServe ignores canaryTrafficPercent");
    }
    let mut object = KServe::new().object();
    object["status"]["deploymentMode"] = json!("Standard");
    let Plan::Refused { reason, hint } = plan(&Service::of(&object), Change::Promote) else { panic!() };
    assert!(reason.contains("kserve/kserve#5335") && hint.contains("routemap"), "{reason} {hint}");
    for (annotation, shown) in [("stop", "stop"), ("disable-auto-update", "disable-auto-update")] {
        let mut object = KServe::new().object();
        object["metadata"]["annotations"] = json!({format!("serving.kserve.io/{annotation}"): "true"});
        let Plan::Refused { reason, .. } = plan(&Service::of(&object), Change::Promote) else { panic!() };
        assert!(reason.contains(shown), "{reason}");
    }
}

#[test]
fn a_promotion_of_the_stable_revision_has_nothing_to_send() {
    let kserve = KServe::new();
    let Plan::Patch { patch, goal } = plan(&kserve.service(), Change::Promote) else { panic!() };
    assert_eq!((patch, goal.check(Some(&kserve.service()))), (None, Progress::Reached));
}

#[test]
fn changes_by_others_lose_the_goal() {
    let mut kserve = KServe::new();
    kserve.apply("r2", true, Some(0));
    kserve.settle();
    let Plan::Patch { patch: Some(patch), goal } = plan(&kserve.service(), Change::Percent(10)) else { panic!() };
    let before = kserve.service();
    kserve.patch(&patch);
    let goal = goal.after(&kserve.service());
    kserve.settle();
    let lost = |kserve: &KServe| match goal.check(Some(&kserve.service())) {
        Progress::Lost(reason) => reason,
        other => panic!("{other:?}"),
    };
    // A state from before the patch says nothing.
    assert_eq!(goal.check(Some(&before)), Progress::Waiting("the change has not been seen yet".to_owned()));
    let mut edited = kserve.clone();
    edited.percent = Some(60);
    assert_eq!(lost(&edited), "spec.predictor.canaryTrafficPercent was changed by someone else: it is 60; expected 10");
    let mut replaced = kserve.clone();
    replaced.apply("r3", true, Some(10));
    assert_eq!(lost(&replaced), "a newer revision appeared: r3; expected r2");
    let mut moved = kserve.clone();
    moved.rolled = Some("r0");
    assert_eq!(lost(&moved), "the stable revision changed to r0; expected r1");
    assert_eq!(goal.check(None), Progress::Lost("it was deleted".to_owned()));
    let mut other = kserve.object();
    other["metadata"]["uid"] = json!("v");
    assert_eq!(goal.check(Some(&Service::of(&other))), Progress::Lost("it was deleted and created again".to_owned()));
}

#[test]
fn tags_are_not_switched_during_a_rollout() {
    let mut kserve = KServe::new();
    let patch = tag_routing(&kserve.service(), true).unwrap().unwrap();
    assert_eq!(
        patch,
        json!({"metadata": {"resourceVersion": "7", "annotations": {"serving.kserve.io/enable-tag-routing": "true"}}})
    );
    assert_eq!(tag_routing(&kserve.service(), false), Ok(None));
    kserve.apply("r2", true, Some(20));
    kserve.settle();
    assert!(tag_routing(&kserve.service(), true).unwrap_err().0.contains("a rollout is under way"));
    let mut object = KServe::new().object();
    object["status"]["deploymentMode"] = json!("Standard");
    assert!(tag_routing(&Service::of(&object), true).unwrap_err().0.contains("Standard"));
}

#[test]
fn a_status_of_any_shape_is_read() {
    for object in [
        json!(null),
        json!([]),
        json!({"status": 3}),
        json!({"status": {"components": {"predictor": []}, "conditions": {}}}),
    ] {
        let service = Service::of(&object);
        assert!(matches!(plan(&service, Change::Promote), Plan::Refused { .. }), "{object}");
    }
    let strange =
        json!({"status": {"components": {"predictor": {"traffic": [1, {"revisionName": "r", "percent": "x"}, {}]}}}});
    assert_eq!(Service::of(&strange).traffic.len(), 1);
}
