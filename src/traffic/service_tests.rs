use super::*;
use crate::traffic::stub_cluster::StubCluster;

fn iris() -> ObjectRef {
    inference_service("iris", Some("models"))
}

/// An InferenceService with this newest revision, to which the spec gives 0 %. Its status may be older than its spec.
fn service(newest: &str, is_status_behind: bool) -> Value {
    let (spec, status) = if is_status_behind { (9, 1) } else { (1, 9) };
    let entry = |subresource: Value, fields: Value, second: u8| json!({"subresource": subresource, "fieldsV1": fields, "time": format!("2026-01-01T00:00:0{second}Z")});
    json!({
        "metadata": {
            "name": "iris", "uid": "u", "generation": 1,
            "managedFields": [entry(json!(null), json!({"f:spec": {}}), spec), entry(json!("status"), json!({"f:status": {}}), status)],
        },
        "spec": {"predictor": {"canaryTrafficPercent": 0}},
        "status": {"deploymentMode": "Knative", "components": {"predictor": {
            "latestCreatedRevision": newest, "latestReadyRevision": newest, "latestRolledoutRevision": "r1",
            "traffic": [{"revisionName": "r1", "percent": 100}],
        }}},
    })
}

fn cluster(service: Value) -> StubCluster {
    let cluster = StubCluster::new();
    cluster.set(&iris(), service);
    cluster
}

/// The end of a change, and the percents that it sent.
async fn changed(
    cluster: &StubCluster,
    change: Change,
    timeout: Duration,
) -> (Result<Changed, TrafficError>, Vec<Value>) {
    let traffic = ServiceTraffic::of(cluster, iris());
    let end = traffic.change(change, None, timeout, &mut |_: &str| {}).await;
    let sent = |patch: &Value| patch["spec"]["predictor"]["canaryTrafficPercent"].clone();
    (end, cluster.patches(&iris()).iter().map(sent).collect())
}

/// Makes the third revision after a second.
async fn make_the_third(cluster: &StubCluster) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.set(&iris(), service("r3", false));
}

/// The second revision was rolled back, and the model of the third was applied.
#[tokio::test(start_paused = true)]
async fn a_percent_waits_for_the_revision_of_a_new_model_although_there_is_a_candidate() {
    let cluster = cluster(service("r2", true));
    let change = changed(&cluster, Change::Percent(20), Duration::from_secs(3));
    let ((end, sent), ()) = tokio::join!(change, make_the_third(&cluster));
    assert_eq!(
        end.unwrap_err().message,
        "InferenceService iris did not reach the requested traffic within 3s: revision r3 gets 0 % of the traffic; expected 20 %"
    );
    assert_eq!(sent, [20]);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_sees_the_revision_of_a_new_model_although_there_is_a_candidate() {
    let cluster = cluster(service("r2", true));
    let traffic = ServiceTraffic::of(&cluster, iris());
    let (observed, ()) = tokio::join!(traffic.observe(), make_the_third(&cluster));
    assert_eq!(observed.unwrap().candidate.as_deref(), Some("r3"));
    cluster.set(&iris(), service("r3", true));
    let start = Instant::now();
    let observed = traffic.observe().await.unwrap();
    assert_eq!((observed.candidate.as_deref(), start.elapsed()), (Some("r3"), GRACE), "no other revision comes");
}

#[tokio::test(start_paused = true)]
async fn a_patch_is_printed_after_the_wait_for_a_revision() {
    let cluster = cluster(service("r2", true));
    let traffic = ServiceTraffic::of(&cluster, iris());
    let patch = traffic.dry(Change::Percent(20)).await.unwrap().unwrap();
    assert_eq!(patch, json!({"spec": {"predictor": {"canaryTrafficPercent": 20}}}));
    cluster.set(&iris(), service("r1", true));
    let error = traffic.dry(Change::Percent(20)).await.unwrap_err();
    assert_eq!(error.message, format!("cannot change InferenceService iris yet: {UNSEEN}"));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_of_a_candidate_does_not_wait_for_another_revision() {
    let mut behind = service("r2", true);
    behind["spec"]["predictor"]["canaryTrafficPercent"] = json!(20);
    let cluster = cluster(behind);
    let (end, sent) = changed(&cluster, Change::Rollback, Duration::from_secs(1)).await;
    assert!(end.is_ok() && sent == [0], "{end:?} {sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_ends_in_time_if_the_api_server_does_not_respond() {
    let cluster = StubCluster::silent();
    let change = changed(&cluster, Change::Percent(20), Duration::from_secs(2));
    let (end, _) = tokio::time::timeout(Duration::from_secs(60), change).await.unwrap();
    let error = end.unwrap_err();
    assert_eq!(
        error.message,
        "InferenceService iris did not reach the requested traffic within 2s: it could not be read"
    );
    assert!(error.hint.unwrap().contains("raise --timeout, or `rollout.timeout`"));
}
