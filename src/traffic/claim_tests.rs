use super::*;
use crate::traffic::ServiceTraffic;
use crate::traffic::stub_cluster::StubCluster;

/// A clock that stands still.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn sleep(&self, duration: Duration) -> crate::ports::BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

fn iris() -> ObjectRef {
    lease(TargetKind::Service, "iris", Some("models"))
}

fn claim(cluster: &StubCluster) -> Claim<'_> {
    let target = ClaimedTarget::of(&ServiceTraffic::new(cluster, "models", "iris"));
    Claim::new(cluster, &Noon, iris(), target)
}

/// A Lease of this holder.
fn held(holder: &str) -> StubCluster {
    let cluster = StubCluster::new();
    cluster.set(&iris(), json!({"spec": {"holderIdentity": holder}}));
    cluster
}

#[tokio::test]
async fn a_run_that_has_lost_its_claim_changes_nothing_in_it() {
    let cluster = held("another run");
    let before = cluster.get(&iris());
    let claim = claim(&cluster);
    claim.note("this run", RolloutPhase::Paused, Some("inconclusive")).await;
    claim.renew("this run").await;
    assert_eq!(cluster.get(&iris()), before);
    claim.renew("another run").await;
    let lease = cluster.get(&iris());
    assert_eq!(lease["spec"]["renewTime"], "1970-01-01T00:00:00.000000Z");
    assert_eq!(lease["metadata"]["annotations"][PHASE], "paused", "a renewal repeats the phase");
}

#[tokio::test(start_paused = true)]
async fn every_write_is_of_the_version_that_was_read() {
    let cluster = held("this run");
    let claim = claim(&cluster);
    claim.note("this run", RolloutPhase::Progressing, None).await;
    let kept = tokio::time::timeout(RENEWAL * 3, claim.keep("this run", &[Command::Abort])).await;
    assert!(kept.is_err(), "nobody gives a command: {kept:?}");
    claim.release("this run").await;
    let patches = cluster.patches(&iris());
    assert!(patches.len() > 4, "{patches:#?}");
    for patch in patches {
        assert!(patch["metadata"]["resourceVersion"].is_string(), "{patch}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_not_held_up_by_an_api_server_that_does_not_respond() {
    let cluster = StubCluster::silent();
    let claim = claim(&cluster);
    let noted = claim.note("this run", RolloutPhase::Paused, None);
    assert!(tokio::time::timeout(RENEWAL * 2, noted).await.is_ok());
}

#[tokio::test]
async fn a_long_reason_is_truncated_in_the_lease() {
    let cluster = held("this run");
    claim(&cluster).note("this run", RolloutPhase::Paused, Some(&"é".repeat(100_000))).await;
    let lease = cluster.get(&iris());
    let reason = lease["metadata"]["annotations"][REASON].as_str().unwrap();
    assert_eq!(reason.chars().count(), MAX_TEXT + 1, "with an ellipsis");
}

#[test]
fn every_phase_is_read_as_it_is_written() {
    for phase in [RolloutPhase::Progressing, RolloutPhase::Promoting, RolloutPhase::RolledBack, RolloutPhase::Stopped] {
        let lease = json!({"metadata": {"annotations": {PHASE: phase.to_string()}}});
        assert_eq!(ClaimState::of(&lease).phase, Some(phase));
    }
    assert_eq!(ClaimState::of(&json!({"metadata": {"annotations": {PHASE: "unheard of"}}})).phase, None);
}
