//! A run of a rollout that is killed at every point at which it acts on the outside world, and continued by another run.
//!
//! The world is in memory, so that every point can be tried: each call that changes something is one, before and after its effect.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use futures_util::StreamExt;
use iter8::model::document::{Experiment, TaskSpec};
use iter8::model::object::ObjectRef;
use iter8::model::rollout::{RolloutPhase, RolloutRecord};
use iter8::model::slo::Outcome;
use iter8::pipeline::{PipelineError, ResultPolicy, RunEnd, prepare};
use iter8::ports::cluster::{Cluster, ClusterError, ClusterErrorKind, ObjectStates};
use iter8::ports::{BoxFuture, DocumentStore, Env, StoreError, Web, WebError, WebRequest, WebResponse};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::env::TestEnv;
use crate::support::runtime::block_on;

use Outcome::{Inconclusive, Satisfied, Violated};

const STEPS: [i64; 3] = [10, 25, 50];

/// A cluster with an InferenceService whose traffic moves at once, a store, and a provider of one metric.
struct World {
    /// Outcomes of the analyses, by their order: a step that is analyzed again may have another outcome. The last one is repeated.
    outcomes: Vec<Outcome>,
    /// Call at which the run is killed, and if that is after its effect.
    kill: Option<(usize, bool)>,
    calls: AtomicUsize,
    killed: Notify,
    /// Steps of the rollout.
    steps: Value,
    /// Command that a person gives at the first pause.
    person: Option<&'static str>,
    /// The person gives it once more, when the rollout goes on.
    is_repeated: bool,
    analyses: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    percent: Option<i64>,
    newest: &'static str,
    rolled: &'static str,
    version: i64,
    lease: Option<Value>,
    document: Option<Experiment>,
    /// Percents, as they were patched.
    patched: Vec<Option<i64>>,
    /// Commands that the person has given.
    commands: usize,
}

impl World {
    fn new(outcomes: &[Outcome], kill: Option<(usize, bool)>) -> Self {
        let state = State {
            percent: Some(0),
            newest: "r2",
            rolled: "r1",
            version: 1,
            lease: None,
            document: None,
            patched: Vec::new(),
            commands: 0,
        };
        Self {
            outcomes: outcomes.to_vec(),
            kill,
            calls: AtomicUsize::new(0),
            killed: Notify::new(),
            steps: json!(STEPS),
            person: None,
            is_repeated: false,
            analyses: AtomicUsize::new(0),
            state: Mutex::new(state),
        }
    }

    /// Performs a call; never returns if the run is killed at it.
    async fn call<T>(&self, effect: impl FnOnce(&mut State) -> T) -> T {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let is_now = |after| self.kill == Some((number, after));
        if is_now(false) {
            self.die().await;
        }
        let result = effect(&mut self.state.lock().unwrap());
        if is_now(true) {
            self.die().await;
        }
        result
    }

    async fn die(&self) {
        self.killed.notify_one();
        std::future::pending().await
    }

    /// Runs the experiment to its end, or until it is killed.
    async fn run(&self) -> Option<RunEnd> {
        self.run_at(TimeDelta::zero()).await.map(Result::unwrap)
    }

    /// The same, with a clock that is ahead by this much.
    async fn run_at(&self, ahead: TimeDelta) -> Option<Result<RunEnd, PipelineError>> {
        let spec = json!([
            {"task": "rollout", "with": {"isvc": "iris", "steps": self.steps, "onInconclusive": "rollback", "pauseTimeout": "50ms"}},
            {"task": "custommetrics", "with": {"prometheus": {"url": "http://prometheus", "queries": {"errors": {"query": "errors"}}}}},
            {"task": "assess", "with": {"SLOs": {"upper": [{"metric": "prometheus/errors", "limit": 1}]}}},
        ]);
        let spec: Vec<TaskSpec> = serde_json::from_value(spec).unwrap();
        let result = self.state.lock().unwrap().document.clone().and_then(|document| document.result);
        let outside = TestEnv::default().clock_ahead(ahead);
        let env = Env { cluster: self, web: self, ..outside.env(None) };
        let has_rollout = result.as_ref().is_some_and(|result| result.rollout.is_some());
        let policy = if has_rollout { ResultPolicy::Resume } else { ResultPolicy::Fresh };
        let prepared = prepare(Experiment { spec, result, ..Experiment::default() }, &outside).unwrap();
        tokio::select! {
            finished = prepared.run(policy, self, &env) => Some(finished.end),
            () = self.killed.notified() => None,
        }
    }

    fn record(&self) -> RolloutRecord {
        self.state.lock().unwrap().document.clone().unwrap().result.unwrap().rollout.unwrap()
    }

    /// The document says that the current step has its traffic, and the step is not over.
    fn has_started_analysis(&self) -> bool {
        let state = self.state.lock().unwrap();
        let record = state.document.as_ref().and_then(|document| document.result.as_ref()?.rollout.as_ref());
        record.is_some_and(|record| {
            record.phase == RolloutPhase::Progressing && record.current().is_some_and(|step| step.reached.is_some())
        })
    }

    /// Verdict that the document has and that the rollout has not taken into account yet: the step, and the outcome.
    fn unjudged(&self) -> Option<(usize, Outcome)> {
        let result = self.state.lock().unwrap().document.clone()?.result?;
        let record = result.rollout?;
        let is_whole = result.num_completed_tasks == 3 && record.judged_loop < result.num_loops;
        let verdict = result.insights.as_ref().and_then(|insights| insights.verdicts.first());
        verdict.filter(|_| is_whole && !record.phase.is_over()).map(|verdict| (record.step, verdict.verdict))
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else { return *target = patch.clone() };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn service(state: &State) -> Value {
    let latest = state.percent.unwrap_or(100);
    let (newest, stable) = (state.newest, if state.newest == "r2" { "r1" } else { state.rolled });
    let mut traffic = vec![json!({"revisionName": newest, "percent": latest, "latestRevision": true})];
    if latest < 100 {
        traffic.push(json!({"revisionName": stable, "percent": 100 - latest, "latestRevision": false, "tag": "prev"}));
    }
    let condition = |name: &str| json!({"type": name, "status": "True"});
    json!({
        "metadata": {"name": "iris", "uid": "u", "resourceVersion": state.version.to_string(), "generation": state.version},
        "spec": {"predictor": {"canaryTrafficPercent": state.percent}},
        "status": {
            "deploymentMode": "Knative",
            "conditions": [condition("PredictorReady"), condition("Ready"), condition("RoutesReady")],
            "components": {"predictor": {
                "latestCreatedRevision": newest,
                "latestReadyRevision": newest,
                "latestRolledoutRevision": state.rolled,
                "previousRolledoutRevision": if state.rolled == "r2" { "r1" } else { "" },
                "traffic": traffic,
            }},
        },
    })
}

impl Cluster for World {
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>> {
        let state = self.state.lock().unwrap();
        let object = match object.kind.resource.as_str() {
            "leases" => state.lease.clone(),
            _ => Some(service(&state)),
        };
        let states = futures_util::stream::once(async { Ok(object) }).chain(futures_util::stream::pending());
        Box::pin(async { Ok(Box::pin(states) as ObjectStates<'a>) })
    }

    fn create<'a>(
        &'a self,
        _: &'a ObjectRef,
        _: &'a str,
        content: &'a Value,
    ) -> BoxFuture<'a, Result<Value, ClusterError>> {
        Box::pin(self.call(|state| {
            let mut lease = content.clone();
            lease["metadata"] = json!({"resourceVersion": "1"});
            state.lease = Some(lease.clone());
            Ok(lease)
        }))
    }

    fn patch<'a>(&'a self, object: &'a ObjectRef, patch: &'a Value) -> BoxFuture<'a, Result<Value, ClusterError>> {
        if patch["spec"].get("holderIdentity").is_none() && patch["spec"].get("renewTime").is_some() {
            // Renewals come at any time, and change nothing.
            return Box::pin(async { Ok(Value::Null) });
        }
        Box::pin(self.call(move |state| {
            if object.kind.resource == "leases" {
                let lease = state.lease.as_mut().unwrap();
                let version = lease["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
                match patch["metadata"]["resourceVersion"].as_str() {
                    None => return Err(ClusterError::new(ClusterErrorKind::Refused, "of no version")),
                    Some(known) if known != version => {
                        return Err(ClusterError::new(ClusterErrorKind::Conflict, "conflict"));
                    }
                    Some(_) => merge(lease, patch),
                }
                lease["metadata"]["resourceVersion"] = json!((version.parse::<u64>().unwrap() + 1).to_string());
                let annotations = &mut lease["metadata"]["annotations"];
                let phase = annotations["iter8.tools/rollout-phase"].as_str().unwrap_or_default();
                let is_first = phase == "paused" && state.commands == 0;
                let is_again = phase == "progressing" && state.commands == 1 && self.is_repeated;
                if is_first || is_again {
                    state.commands += 1;
                    annotations["iter8.tools/rollout-command"] = json!(self.person);
                }
                return Ok(state.lease.clone().unwrap());
            }
            let version = state.version.to_string();
            if patch["metadata"]["resourceVersion"] != version {
                return Err(ClusterError::new(ClusterErrorKind::Conflict, "conflict"));
            }
            state.percent = patch["spec"]["predictor"]["canaryTrafficPercent"].as_i64();
            state.version += 1;
            state.patched.push(state.percent);
            if state.percent.is_none() {
                state.rolled = state.newest;
            }
            Ok(service(state))
        }))
    }
}

impl DocumentStore for World {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>> {
        Box::pin(async { Err(StoreError::Missing { location: self.location() }) })
    }

    fn save<'a>(&'a self, experiment: &'a Experiment) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.call(|state| {
            state.document = Some(experiment.clone());
            Ok(())
        }))
    }
}

impl Web for World {
    fn send(&self, _: WebRequest) -> BoxFuture<'_, Result<WebResponse, WebError>> {
        let number = self.analyses.fetch_add(1, Ordering::SeqCst);
        let outcome = self.outcomes.get(number).or(self.outcomes.last()).unwrap();
        let result = match outcome {
            Satisfied => json!([{"metric": {}, "value": [1_000_000, "0"]}]),
            Violated => json!([{"metric": {}, "value": [1_000_000, "2"]}]),
            Inconclusive => json!([]),
        };
        let body = json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string();
        let response = WebResponse { status: 200, body: body.into_bytes(), retry_after: None, clock_ahead: None };
        Box::pin(self.call(|_| Ok(response)))
    }
}

/// Asserts that the end is as the verdicts in the document say, and that the traffic has moved once per step.
fn check(world: &World, context: &str) {
    let record = world.record();
    let state = world.state.lock().unwrap();
    let outcomes: Vec<_> = record.steps.iter().map_while(|step| step.outcome).collect();
    let mut moves: Vec<Option<i64>> = STEPS.iter().take(outcomes.len()).map(|percent| Some(*percent)).collect();
    match outcomes.iter().all(|outcome| *outcome == Satisfied) {
        true => {
            assert_eq!((record.phase, outcomes.len()), (RolloutPhase::Promoted, STEPS.len()), "{context}");
            assert_eq!((state.percent, state.rolled), (None, "r2"), "{context}");
            moves.push(None);
        }
        false => {
            assert_eq!(
                (record.phase, state.percent, state.rolled),
                (RolloutPhase::RolledBack, Some(0), "r1"),
                "{context}"
            );
            assert_eq!(outcomes[..outcomes.len() - 1], vec![Satisfied; outcomes.len() - 1], "{context}");
            moves.push(Some(0));
        }
    }
    assert_eq!(state.patched, moves, "{context}: the traffic moves once per step");
    assert_eq!(state.lease.as_ref().unwrap()["spec"].get("holderIdentity"), None, "{context}: the claim is released");
}

#[test]
fn a_run_that_is_killed_anywhere_is_taken_up_and_ends_as_its_verdicts_say() {
    let scripts: [&[Outcome]; 7] = [
        &[Satisfied],
        &[Violated],
        &[Inconclusive],
        &[Satisfied, Satisfied, Violated],
        // An analysis that is repeated has another result.
        &[Satisfied, Violated, Satisfied],
        &[Violated, Satisfied],
        &[Satisfied, Satisfied, Satisfied, Violated],
    ];
    let mut saved_verdicts = 0;
    block_on(async {
        for script in scripts {
            let whole = World::new(script, None);
            assert_eq!(whole.run().await, Some(RunEnd::Completed));
            check(&whole, "no kill");
            let calls = whole.calls.load(Ordering::SeqCst);
            assert!(calls > 10, "{calls} calls");
            for kill in (0..calls).flat_map(|call| [(call, false), (call, true)]) {
                let world = World::new(script, Some(kill));
                assert_eq!(world.run().await, None, "{kill:?}: the run ends before it is killed");
                let unjudged = world.unjudged();
                assert_eq!(world.run().await, Some(RunEnd::Completed), "{script:?}, killed at {kill:?}");
                let context = format!("{script:?}, killed at {kill:?}");
                check(&world, &context);
                if let Some((step, outcome)) = unjudged {
                    saved_verdicts += 1;
                    let step = &world.record().steps[step];
                    assert_eq!(
                        (step.outcome, step.analyses),
                        (Some(outcome), 1),
                        "{context}: the saved verdict counts"
                    );
                }
            }
        }
    });
    assert!(saved_verdicts > 0, "no run was killed between a verdict and its effect");
}

/// Worlds in which the run was killed after the promotion, and before it could record that.
async fn promoted_without_a_record() -> Vec<World> {
    let whole = World::new(&[Satisfied], None);
    whole.run().await;
    let mut worlds = Vec::new();
    for call in 0..whole.calls.load(Ordering::SeqCst) {
        let world = World::new(&[Satisfied], Some((call, true)));
        assert_eq!(world.run().await, None);
        let has_moved = world.state.lock().unwrap().rolled == "r2";
        if has_moved && world.record().phase == RolloutPhase::Promoting {
            worlds.push(world);
        }
    }
    assert!(!worlds.is_empty(), "no run was killed after the promotion");
    worlds
}

#[test]
fn a_revision_that_follows_the_promoted_one_is_not_promoted_unseen() {
    block_on(async {
        for percent in [Some(0), Some(50)] {
            for world in promoted_without_a_record().await {
                let moves = {
                    let mut state = world.state.lock().unwrap();
                    (state.newest, state.percent) = ("r3", percent);
                    state.patched.clone()
                };
                assert_eq!(world.run().await, Some(RunEnd::Completed));
                assert_eq!(world.record().phase, RolloutPhase::Promoted);
                let state = world.state.lock().unwrap();
                assert_eq!((state.percent, state.rolled, &state.patched), (percent, "r2", &moves));
            }
        }
    });
}

/// The abort saw that the candidate was promoted, and left it.
#[test]
fn a_promotion_whose_rollout_was_aborted_from_elsewhere_is_not_rolled_back() {
    block_on(async {
        for world in promoted_without_a_record().await {
            let moves = {
                let mut state = world.state.lock().unwrap();
                merge(state.lease.as_mut().unwrap(), &json!({"spec": {"holderIdentity": null}}));
                state.patched.clone()
            };
            let end = world.run_at(TimeDelta::zero()).await.unwrap();
            let message = end.unwrap_err().to_string();
            assert!(message.contains("was stopped: aborted after its promotion"), "{message}");
            assert_eq!(world.record().phase, RolloutPhase::Stopped);
            let state = world.state.lock().unwrap();
            assert_eq!((state.percent, state.rolled, &state.patched), (None, "r2", &moves));
        }
    });
}

#[test]
fn a_jump_of_the_clock_never_promotes_what_was_not_judged() {
    let (hour, none) = (TimeDelta::hours(1), TimeDelta::zero());
    let mut failed_windows = 0;
    block_on(async {
        let calls = {
            let whole = World::new(&[Satisfied], None);
            whole.run().await;
            whole.calls.load(Ordering::SeqCst)
        };
        for (first, second) in [(none, hour), (hour, none)] {
            for call in 0..calls {
                let world = World::new(&[Satisfied], Some((call, true)));
                assert!(world.run_at(first).await.is_none());
                let unjudged = world.unjudged();
                let is_ahead = world.has_started_analysis();
                // A window that starts in the future fails the analysis, which is inconclusive.
                let _failed_analysis = world.run_at(second).await.unwrap();
                let record = world.record();
                let context = format!("{first} to {second} at {call}");
                check(&world, &context);
                if first == hour && is_ahead && unjudged.is_none() {
                    failed_windows += 1;
                    assert_eq!(record.phase, RolloutPhase::RolledBack, "{context}: {record:?}");
                }
                if second == hour {
                    assert_eq!(record.phase, RolloutPhase::Promoted, "{context}: {record:?}");
                }
            }
        }
    });
    assert!(failed_windows > 0, "no analysis started before the clock was set back");
}

#[test]
fn a_command_is_neither_lost_nor_taken_twice_if_the_run_is_killed() {
    let gates = json!([{"percent": 10, "pause": true}, 25, 50]);
    let world = |kill, person| World { steps: gates.clone(), person: Some(person), ..World::new(&[Satisfied], kill) };
    block_on(async {
        for (person, phase, moves) in [
            ("resume", RolloutPhase::Promoted, vec![Some(10), Some(25), Some(50), None]),
            ("abort", RolloutPhase::RolledBack, vec![Some(10), Some(0)]),
        ] {
            let whole = world(None, person);
            assert_eq!(whole.run().await, Some(RunEnd::Completed));
            let calls = whole.calls.load(Ordering::SeqCst);
            for kill in (0..calls).flat_map(|call| [(call, false), (call, true)]) {
                let world = world(Some(kill), person);
                let killed = world.run().await;
                let context = format!("{person}, killed at {kill:?}");
                assert_eq!(killed, None, "{context}: the run ends before it is killed");
                assert_eq!(world.run().await, Some(RunEnd::Completed), "{context}");
                assert_eq!(world.record().phase, phase, "{context}");
                let state = world.state.lock().unwrap();
                assert_eq!(state.patched, moves, "{context}");
                let lease = state.lease.as_ref().unwrap();
                assert_eq!(lease["metadata"]["annotations"].get("iter8.tools/rollout-command"), None, "{context}");
            }
        }
    });
}

#[test]
fn a_command_opens_no_later_gate() {
    let gates = json!([{"percent": 10, "pause": true}, {"percent": 25, "pause": true}]);
    let world = World { steps: gates, person: Some("resume"), is_repeated: true, ..World::new(&[Satisfied], None) };
    block_on(async {
        assert_eq!(world.run().await, Some(RunEnd::Completed));
        let record = world.record();
        assert_eq!((record.phase, record.step), (RolloutPhase::Paused, 1), "nobody has seen the second step");
        let state = world.state.lock().unwrap();
        assert_eq!((state.commands, state.percent), (2, Some(25)));
    });
}
