//! The promise of the controller: whatever the order of events, the routes converge to the pure decision on the objects that exist.
//!
//! The controller runs with its queues, writer and index against an API server in memory, in simulated time. The test plays users, other
//! controllers, the watches and the network. Hold times are not a part of it, because they depend on history.

mod api_server;
mod apply;
mod cluster;
mod scenario;

use proptest::prelude::*;
use tokio::runtime;

use self::api_server::Collection::Resources;
use self::api_server::Fault;
use self::cluster::Cluster;
use self::scenario::Action::{
    DeleteResource, DeleteRoutemap, DeleteTarget, Deliver, DeliverAll, EditTarget, Fail, Label, Lead, PutResource,
    PutRoutemap, Relist, Restart, Wait,
};
use self::scenario::{Action, RoutemapSpec, actions};

/// Runs the actions, waits until the controller is quiet, and checks the result.
async fn run(actions: Vec<Action>) {
    let mut cluster = Cluster::start();
    for action in actions {
        cluster.act(action).await;
    }
    cluster.lead(true);
    cluster.settle().await;
    cluster.assert_converged();
    assert_eq!(cluster.resync().await, 0, "requests of a resync without changes");
    cluster.assert_converged();
}

fn converges(actions: Vec<Action>) {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(actions));
}

/// Returns the actions after a start with two resources and a routemap, up to date.
fn after_start(actions: impl IntoIterator<Item = Action>) -> Vec<Action> {
    let start = [Lead { is_leader: true }, put(0), put(1), put_routemap(0)];
    start.into_iter().chain(up_to_date()).chain(actions).collect()
}

fn put(number: usize) -> Action {
    PutResource { number, ready: Some("True"), weight: None, has_other_finalizer: false }
}

fn put_routemap(number: usize) -> Action {
    PutRoutemap { number, routemap: RoutemapSpec::simple() }
}

/// Lets the controller learn of everything, and of what it wrote.
fn up_to_date() -> [Action; 3] {
    [DeliverAll, Wait { milliseconds: 500 }, DeliverAll]
}

#[test]
fn a_route_that_was_deleted_together_with_its_routemap_returns_with_it() {
    let mut actions = after_start([DeleteRoutemap { number: 0 }, DeliverAll, DeleteTarget { number: 0 }]);
    actions.extend(up_to_date());
    actions.push(put_routemap(0));
    converges(actions);
}

#[test]
fn a_lost_label_is_noticed_in_a_list() {
    converges(after_start([Label { number: 0, is_watched: false }, Relist { collection: Resources }]));
}

#[test]
fn a_resource_that_lost_its_label_during_its_deletion_is_deleted() {
    converges(after_start([
        Lead { is_leader: false },
        DeleteResource { number: 0 },
        DeliverAll,
        Label { number: 0, is_watched: false },
        DeliverAll,
    ]));
}

#[test]
fn a_label_that_was_lost_before_the_routemaps_were_listed_is_noticed() {
    converges(after_start([
        Restart,
        Lead { is_leader: true },
        Deliver { collection: Resources, count: 1 },
        Label { number: 0, is_watched: false },
        Deliver { collection: Resources, count: 1 },
        Wait { milliseconds: 500 },
        DeleteRoutemap { number: 0 },
    ]));
}

#[test]
fn a_route_that_was_deleted_before_the_response_to_its_write_is_created_again() {
    converges(vec![
        Lead { is_leader: true },
        DeliverAll,
        put_routemap(0),
        Fail { fault: Fault::SlowResponse },
        DeliverAll,
        Wait { milliseconds: 100 },
        DeleteTarget { number: 0 },
        DeliverAll,
    ]);
}

#[test]
fn a_write_for_a_routemap_that_is_gone_does_not_last() {
    converges(after_start([
        Fail { fault: Fault::SlowRequest },
        PutResource { number: 1, ready: None, weight: None, has_other_finalizer: false },
        DeliverAll,
        DeleteRoutemap { number: 0 },
        put_routemap(1),
        DeliverAll,
        Wait { milliseconds: 500 },
        DeliverAll,
    ]));
}

#[test]
fn a_slow_response_for_a_routemap_that_is_gone_causes_no_further_write() {
    converges(vec![
        Lead { is_leader: true },
        DeliverAll,
        put_routemap(0),
        Fail { fault: Fault::SlowResponse },
        DeliverAll,
        Wait { milliseconds: 100 },
        DeleteRoutemap { number: 0 },
        put(1),
        put_routemap(1),
    ]);
}

#[test]
fn an_apply_is_not_repeated_if_others_write_other_fields_before_its_response() {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        for (is_ours, requests) in [(false, 1), (true, 2)] {
            let mut cluster = Cluster::start();
            act_all(&mut cluster, after_start([Fail { fault: Fault::SlowResponse }])).await;
            let before = cluster.requests();
            // The event of the edit arrives during the response to the new weights.
            let weight = PutResource { number: 1, ready: Some("True"), weight: Some(3), has_other_finalizer: false };
            let edit = EditTarget { number: 0, is_ours };
            act_all(&mut cluster, [weight, DeliverAll, Wait { milliseconds: 100 }, edit, DeliverAll]).await;
            act_all(&mut cluster, [Wait { milliseconds: 20_000 }]).await;
            assert_eq!(cluster.requests() - before, requests, "{is_ours}");
            cluster.settle().await;
            cluster.assert_converged();
        }
    });
}

#[test]
fn a_label_that_was_lost_while_no_controller_ran_is_noticed() {
    for action in [Label { number: 0, is_watched: false }, DeleteRoutemap { number: 0 }] {
        converges(after_start([Restart, action]));
    }
    converges(after_start([Restart, Label { number: 0, is_watched: false }, DeleteResource { number: 0 }]));
}

#[test]
fn a_label_that_returns_during_the_sweep_keeps_the_finalizer() {
    for fault in [Fault::SlowRequest, Fault::SlowResponse, Fault::InternalError, Fault::Forbidden] {
        converges(after_start([
            Restart,
            Label { number: 0, is_watched: false },
            DeliverAll,
            Fail { fault },
            Lead { is_leader: true },
            Wait { milliseconds: 1 },
            Label { number: 0, is_watched: true },
            DeliverAll,
        ]));
    }
}

#[test]
fn the_sweep_leaves_watched_resources_alone() {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut cluster = Cluster::start();
        act_all(&mut cluster, after_start([Label { number: 0, is_watched: false }, Restart, DeliverAll])).await;
        // The event of the restored label is late.
        act_all(&mut cluster, [Label { number: 0, is_watched: true }, Lead { is_leader: true }]).await;
        act_all(&mut cluster, [Wait { milliseconds: 20_000 }]).await;
        assert_eq!(cluster.finalizer(0), Some(true));
    });
}

/// Runs a test of a controller that leads, with a routemap that names two types. One of them is not listed yet.
fn with_two_types<F: Future<Output = ()>>(test: impl FnOnce(Cluster) -> F) {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut cluster = Cluster::start();
        let routemap = PutRoutemap { number: 0, routemap: RoutemapSpec::of_two_types() };
        for action in [Lead { is_leader: true }, put(0), put(1), routemap].into_iter().chain(up_to_date()) {
            cluster.act(action).await;
        }
        test(cluster).await;
    });
}

async fn act_all(cluster: &mut Cluster, actions: impl IntoIterator<Item = Action>) {
    for action in actions {
        cluster.act(action).await;
    }
}

#[test]
fn finalizers_are_set_when_all_types_of_a_routemap_are_listed() {
    with_two_types(|mut cluster| async move {
        assert_eq!(cluster.finalizer(0), Some(false));
        act_all(&mut cluster, [DeleteResource { number: 1 }]).await;
        assert_eq!(cluster.finalizer(1), None, "nothing would move its traffic");
        cluster.read_targets_as_resources(false);
        act_all(&mut cluster, [Wait { milliseconds: 20_000 }]).await;
        assert_eq!(cluster.finalizer(0), Some(false));
        cluster.read_targets_as_resources(true);
        act_all(&mut cluster, up_to_date()).await;
        assert_eq!(cluster.finalizer(0), Some(true));
        cluster.read_targets_as_resources(false);
        act_all(&mut cluster, up_to_date()).await;
        assert_eq!(cluster.finalizer(0), Some(true), "it was listed, so the routemap is decided");
    });
}

#[test]
fn a_deletion_does_not_hang_on_a_type_that_cannot_be_read() {
    with_two_types(|mut cluster| async move {
        cluster.read_targets_as_resources(true);
        act_all(&mut cluster, up_to_date()).await;
        let deletion = [Restart, Lead { is_leader: true }, DeleteResource { number: 0 }];
        act_all(&mut cluster, deletion.into_iter().chain(up_to_date())).await;
        act_all(&mut cluster, [Wait { milliseconds: 100_000 }]).await;
        assert_eq!(cluster.finalizer(0), Some(true), "its type may still be listed");
        cluster.read_targets_as_resources(false);
        act_all(&mut cluster, [Wait { milliseconds: 20_000 }]).await;
        assert_eq!(cluster.finalizer(0), Some(true), "the failure may pass");
        act_all(&mut cluster, [Wait { milliseconds: 100_000 }]).await;
        assert_eq!(cluster.finalizer(0), None);
        // Later deletions are not held at all.
        act_all(&mut cluster, [DeleteResource { number: 1 }, DeliverAll, Wait { milliseconds: 500 }]).await;
        assert_eq!(cluster.finalizer(1), None);
    });
}

#[test]
fn queues_are_alive_at_rest_and_dead_without_their_tasks() {
    with_two_types(|mut cluster| async move {
        for _ in 0..20 {
            act_all(&mut cluster, [Wait { milliseconds: 20_000 }]).await;
            assert_eq!(cluster.liveness(), Ok(()));
        }
        cluster.kill_tasks();
        act_all(&mut cluster, [Wait { milliseconds: 130_000 }]).await;
        let reason = cluster.liveness().unwrap_err();
        assert!(reason.starts_with("the queue of routemaps has made no progress for 1"), "{reason}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn routes_and_finalizers_converge_whatever_the_order_of_events(actions in actions(1..80)) {
        converges(actions);
    }
}
