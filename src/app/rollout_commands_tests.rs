use serde_json::{Value, json};

use super::*;
use crate::app::rollout_target::TargetKind;
use crate::model::object::ObjectRef;
use crate::traffic::ServiceTraffic;
use crate::traffic::service::inference_service;
use crate::traffic::stub_cluster::StubCluster;

fn name() -> TargetName {
    TargetName { kind: TargetKind::Service, name: "iris".to_owned() }
}

/// A cluster with a Lease whose run was killed in this phase, and this InferenceService, if it is not null.
fn cluster(phase: RolloutPhase, service: Value) -> StubCluster {
    let cluster = StubCluster::new();
    let annotations = json!({"iter8.tools/rollout-phase": phase.to_string()});
    cluster.set(&claim(), json!({"metadata": {"annotations": annotations}, "spec": {"holderIdentity": "a dead run"}}));
    if !service.is_null() {
        cluster.set(&object(), service);
    }
    cluster
}

fn claim() -> ObjectRef {
    lease(name().kind, "iris", Some("models"))
}

fn object() -> ObjectRef {
    inference_service("iris", Some("models"))
}

/// An InferenceService with two revisions, of which this one has had all the traffic last.
fn service(rolled_out: &str, percent: Value) -> Value {
    let ready = |name: &str| json!({"type": name, "status": "True"});
    json!({
        "metadata": {"name": "iris", "namespace": "models", "uid": "u", "generation": 1},
        "spec": {"predictor": {"canaryTrafficPercent": percent}},
        "status": {
            "deploymentMode": "Knative",
            "conditions": [ready("PredictorReady"), ready("RoutesReady"), ready("Ready")],
            "components": {"predictor": {
                "latestCreatedRevision": "r2", "latestReadyRevision": "r2",
                "latestRolledoutRevision": rolled_out, "previousRolledoutRevision": "r1",
                "traffic": [{"revisionName": "r2", "percent": 0, "latestRevision": true}, {"revisionName": "r1", "percent": 100}],
            }},
        },
    })
}

async fn aborted(cluster: &StubCluster) -> (Result<Aborted, AppError>, Vec<String>) {
    let target = RolloutTarget::Service(ServiceTraffic::new(cluster, "models", "iris"));
    let target_name = name();
    let rollout = RunningRollout::new(cluster, "models", &target_name, &target);
    let mut said = Vec::new();
    let mut say = |line: &str| said.push(line.to_owned());
    let aborted = rollout.abort(Duration::from_secs(5), &mut say).await;
    (aborted, said)
}

fn phase_and_holder(cluster: &StubCluster) -> (Value, Value) {
    let lease = cluster.get(&claim());
    (lease["metadata"]["annotations"]["iter8.tools/rollout-phase"].clone(), lease["spec"]["holderIdentity"].clone())
}

/// The run was killed after the promotion, and before it could show that.
#[tokio::test(start_paused = true)]
async fn an_abort_from_here_leaves_a_promoted_service_and_one_that_is_gone() {
    for (service, reason) in [
        (service("r2", json!(null)), "InferenceService iris has no candidate any more, and keeps its traffic"),
        (json!(null), "InferenceService iris does not exist any more"),
    ] {
        let cluster = cluster(RolloutPhase::Promoting, service);
        let (end, said) = aborted(&cluster).await;
        assert!(matches!(end, Ok(Aborted::ByItsRun(Some(RolloutPhase::Stopped)))));
        assert_eq!(said, [format!("the run of a dead run does not respond; {reason}")]);
        assert_eq!(cluster.patches(&object()), [json!(null); 0]);
        assert_eq!(phase_and_holder(&cluster), (json!("stopped"), json!(null)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_from_here_rolls_back_a_candidate() {
    let cluster = cluster(RolloutPhase::Paused, service("r1", json!(20)));
    let (end, said) = aborted(&cluster).await;
    assert!(matches!(end, Ok(Aborted::Here(_))));
    assert_eq!(said[0], "the run of a dead run does not respond; rolling back from here");
    assert_eq!(cluster.get(&object())["spec"]["predictor"]["canaryTrafficPercent"], 0);
    assert_eq!(phase_and_holder(&cluster), (json!("rolled back"), json!(null)));
}
